"""4 Is num_workers = number of parallel files the best choice?

Claim: num_workers equal to the number of files handed out at once is the best choice: fewer
workers are slower by more than the margin, more workers are not faster.

Groups: one_model with equal workload, model, compute type, device, cpu_threads, F files at once
(F >= 2) and F callers; every num_workers w other than F is compared with w = F: makespan and CPU
seconds, paired by round, ratio = (w) / (w = F). Holm over all makespan pairs of the machine, and
over all CPU pairs.
A group
  holds         every w < F is slower by more than the margin, and every w > F is equivalent or
                slower by more than the margin; at least one w < F was measured
  fails         some w < F is equivalent or faster, or some w > F is faster by more than the margin
  is open       otherwise
Verdict over the groups of the machine:
  confirmed     all groups hold
  refuted       some group fails
  inconclusive  otherwise
  not measured  no group with w = F and a smaller w
Where F x threads exceed the CPUs, workers beyond the CPUs cannot help; such groups are marked
(`fits_cpus` false) and the answer says so. The claim makes no exception, so they count.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parallel_transcription import statistics, words
from parallel_transcription.findings import near, show
from parallel_transcription.findings.evidence import BOUNDS, CONDITIONS
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.finding import Row, Verdict
from parallel_transcription.statistics import Comparison

FEWER, MORE = "fewer workers", "more workers"
#: Standings of what is used, by those of times.
MORE_OR_LESS = {"slower": "more", "faster": "less"}
HOLDS, FAILS, OPEN, INCOMPLETE = "holds", "fails", "open", "incomplete"


class WorkersEqualFiles(PairedQuestion):
    """Fewer and more workers than files against as many."""

    id, number = "workers_equal_files", 4
    decided = 4
    asks = "Is num_workers = number of parallel files the best choice?"
    asks_in_short = "Are as many workers as files best?"
    claim = (
        "num_workers equal to the number of parallel files is the best choice: fewer are slower by "
        "more than the margin, more are not faster."
    )
    lacks = (
        "There are no matched rounds with num_workers equal to and below the number of parallel "
        "files."
    )
    to_measure = "a study with files_in_parallel 2 (or more) and num_workers 1, 2, 4."
    would_change = by_verdict(
        "Fewer workers shown to be equivalent, or more shown to be faster by more than the margin.",
        "Fewer workers shown to be slower by more than the margin in every group, more shown not "
        "to be faster.",
        "More measurements of the settings that are open.",
    )
    columns = (
        show.files(),
        show.workers(),
        show.threads(),
        show.seconds("makespan_a_s", "makespan (s)"),
        show.ratio("makespan ratio"),
        show.outcome(("this", "workers = files"), header="makespan", with_remark=False),
        show.interval("cpu_ratio", "CPU time ratio", "cpu_low", "cpu_high"),
        show.text("cpu_outcome", "CPU time"),
    )
    sorted_by = ("model", "compute_type", "files", "workers", "cpu_threads", "callers")

    def cases(self, machine: Machine) -> Cases:
        """Every other number of workers against as many as files."""
        arms = machine.ordinary()
        arms = arms[
            (arms["strategy"] == "one_model")
            & (arms["files_in_parallel"] > 1)
            & (arms["callers"] == arms["files_in_parallel"])
            & (arms["gpus"] <= 1)
        ]
        cases = Cases(arms=arms)
        keys = [*CONDITIONS, "device_index", "cpu_threads", "files_in_parallel"]
        for _, group in arms.groupby(keys, sort=True):
            equal = group[group["num_workers"] == group["files_in_parallel"]]
            for _, arm in group.sort_values(["num_workers", "arm"]).iterrows():
                if len(equal) and arm["num_workers"] != arm["files_in_parallel"]:
                    pair = machine.compare(arm["arm"], equal.iloc[0]["arm"])
                    if pair.testable:
                        cases.tested.append(Case(pair, _facts(machine, arm)))
        return cases

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """Fewer and more workers than files, at the recommended threads, most telling first.

        That are the numbers of workers next to that of files.
        """
        target = near.recommended(machine)
        if target is None:
            return
        cases = [
            c for c in self.cases(machine).tested if c.row["files"] == target["files_in_parallel"]
        ]
        by_arm = {c.pair.arm_a: c.row for c in cases}
        pairs = near.in_main_group(machine, [(c.pair.arm_a, c.pair.arm_b) for c in cases])
        threads = [by_arm[a]["cpu_threads"] for a, _ in pairs]
        for relation in (FEWER, MORE):
            some = [
                (abs(by_arm[a]["workers"] - by_arm[a]["files"]), k)
                for k, (a, _) in enumerate(pairs)
                if by_arm[a]["relation"] == relation
                and (threads[k] == target["cpu_threads"] or target["cpu_threads"] not in threads)
            ]
            if some:
                yield pairs[min(some)[1]]

    def is_measured(self, cases: Cases) -> bool:
        """Fewer workers than files were measured."""
        return any(case.row["relation"] == FEWER for case in cases.tested)

    def compared(self, judged: Judged) -> None:
        """Makespans and CPU seconds, and what each group shows."""
        super().compared(judged)
        machine, pairs = judged.machine, judged.pairs
        work, cores = (
            statistics.correct([machine.compare_meter(p, name) for p in pairs])
            for name in ("cpu_s", "cores_used")
        )
        for case, result, cpu, used in zip(
            judged.cases.tested, judged.results, work, cores, strict=True
        ):
            case.row |= {"standing": _standing(result), **_cpu(cpu)}
            case.row |= {"beats_equal": _beats(result), "cores_ratio": used.ratio}
            case.row["cores_standing"] = MORE_OR_LESS.get(_standing(used), _standing(used))
            case.row["cpu_s"] = case.pair.a["cpu_s"].median()
            case.row["cpu_s_equal"] = case.pair.b["cpu_s"].median()
        _judge_groups(judged)

    def verdict(self, judged: Judged) -> Verdict:
        """All groups hold, or some fails?"""
        _judge_groups(judged)
        groups = {row["group"] for row in judged.rows} - {INCOMPLETE}
        if FAILS in groups:
            return Verdict.REFUTED
        return Verdict.CONFIRMED if groups == {HOLDS} else Verdict.INCONCLUSIVE

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """What fewer and more workers do to makespan and CPU seconds."""
        rows = judged.rows
        parts = [starts("Yes.", "Not always.", "Not decided.")[verdict]]
        for relation in (FEWER, MORE):
            for fits in (True, False):
                some = [r for r in rows if r["relation"] == relation and r["fits_cpus"] == fits]
                if some:
                    parts.append(_told(some, relation, fits))
        extra = [r for r in rows if r["relation"] == MORE and r["cpu_s"] > 0]
        if extra:
            same = sum(r["cpu_standing"] == "equivalent" for r in extra)
            dearer = sum(r["cpu_standing"] == "more" for r in extra)
            parts.append(
                f"More workers than files use CPU seconds that are equivalent in {same} and higher "
                f"by more than the margin in {dearer} of {words.plural(len(extra), 'comparison')}."
            )
        head = _deciding(rows, verdict)
        name = (
            f"makespan with {head['workers']} / {head['files']} workers for {head['files']} files"
        )
        return Answer(" ".join(parts), _in_short(rows), judged.effect(head, name))

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What did not help, where the rows show it."""
        more = [r for r in judged.rows if r["relation"] == MORE and not r["fits_cpus"]]
        if more and all(row["standing"] in ("equivalent", "slower") for row in more):
            yield (
                f"Where files {words.TIMES} threads exceed the CPUs, workers beyond the CPUs "
                "did not help."
            )


def _deciding(rows: list[Row], verdict: Verdict) -> Row:
    """The row that decided: one that fails, else the one closest to failing."""
    if verdict == Verdict.REFUTED:
        failing = [r for r in rows if r["group"] == FAILS]
        wrong = [
            r
            for r in failing
            if r["standing"] == "faster" or (r["relation"] == FEWER and r["standing"] != "slower")
        ]
        return min(wrong or failing, key=lambda r: (r["standing"] == "open", r["ratio"]))
    fewer = [r for r in rows if r["relation"] == FEWER] or rows  # matches may have decided others
    return min(fewer, key=lambda r: (not r["fits_cpus"], r["ratio"], r["workers"]))


def _groups(judged: Judged) -> Iterable[list[Row]]:
    """The rows of each group: those that are compared with the same arm."""
    groups: dict[str, list[Row]] = {}
    for case in judged.cases.tested:
        groups.setdefault(case.pair.arm_b, []).append(case.row)
    return groups.values()


def _judge_groups(judged: Judged) -> None:
    """Writes what each group shows into its rows."""
    for members in _groups(judged):
        group = _group(members)
        for row in members:
            row["group"] = group


def _group(members: list[Row]) -> str:
    below = {row["standing"] for row in members if row["relation"] == FEWER}
    above = {row["standing"] for row in members if row["relation"] == MORE}
    if not below:
        return INCOMPLETE
    if below & {"equivalent", "faster"} or "faster" in above:
        return FAILS
    return HOLDS if below == {"slower"} and above <= {"equivalent", "slower"} else OPEN


def _standing(result: Comparison) -> str:
    """How a comparison ends: equivalent, slower or faster (by more than the margin), or open."""
    if result.size == statistics.WITHIN:
        return "equivalent"
    if result.size == statistics.BEYOND:
        return "slower" if result.ratio > 1 else "faster"
    return "open"


def _beats(result: Comparison) -> str:
    """Whether it is shown to be faster than as many workers as files, by more than the margin."""
    if _standing(result) == "faster":
        return "yes"
    return "no" if result.alone.p_not_below <= result.alpha else "open"


def _facts(machine: Machine, arm: Any) -> Row:
    files, workers, cpus = arm["files_in_parallel"], arm["num_workers"], machine.cpus
    return {
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "device": arm["device"],
        "files": files,
        "callers": arm["callers"],
        "cpu_threads": arm["cpu_threads"],
        "workers": workers,
        "relation": FEWER if workers < files else MORE,
        "fits_cpus": bool(arm["device"] != "cpu" or cpus is None or files * arm["threads"] <= cpus),
    }


def _cpu(work: Comparison) -> Row:
    """The comparison of CPU seconds."""
    outcomes = {statistics.A_FASTER: "less CPU", statistics.B_FASTER: "more CPU"}
    standing = _standing(work)
    return {
        "cpu_ratio": work.ratio,
        "cpu_low": work.low,
        "cpu_high": work.high,
        "cpu_outcome": outcomes.get(work.outcome, work.outcome),
        "cpu_standing": MORE_OR_LESS.get(standing, standing),
    }


def _in_short(rows: list[Row]) -> str:
    parts = []
    for relation, name in ((FEWER, "Fewer workers"), (MORE, "more")):
        some = [row for row in rows if row["relation"] == relation]
        if some:
            ratios = [row["ratio"] for row in some]
            ends = dict.fromkeys(words.number(end) for end in (min(ratios), max(ratios)))
            parts.append(f"{name}: {_at_least(some)}{' to '.join(ends)} times as long")
    return f"{'; '.join(parts)}."


def _at_least(rows: list[Row]) -> str:
    """Before ratios of which some are bounds: the time limit was reached."""
    return "at least " if any(row["remark"] == BOUNDS["at least"] for row in rows) else ""


def _told(some: list[Row], relation: str, fits: bool) -> str:
    """How the rows of one relation stand, and the spread of their ratios."""
    standings = {
        "slower": "slower by more than the margin",
        "equivalent": "equivalent",
        "faster": "faster by more than the margin",
        "open": "open",
    }
    counts = [
        f"{count} {word}"
        for standing, word in standings.items()
        if (count := sum(r["standing"] == standing for r in some))
    ]
    place = "" if fits else f" (files {words.TIMES} threads beyond the CPUs)"
    low, high = (words.times(end(r["ratio"] for r in some)) for end in (min, max))
    spread = low if len(some) == 1 else f"{low} to {high}"
    return (
        f"{relation.capitalize()} than files{place}: {words.listing(counts)} "
        f"(makespan {_at_least(some)}{spread} times that of workers = files)."
    )
