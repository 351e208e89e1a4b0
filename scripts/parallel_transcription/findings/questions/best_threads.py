"""3 Which cpu_threads is best on this machine, and does it matter?

Claim: the number of cpu_threads matters: with equal workers, some value is faster than another by
more than the margin.

Groups: one_model on the CPU, equal workload, model, compute type and callers (callers = files in
parallel); settings are (num_workers, cpu_threads). Two things are done with a group:
1. Does it matter? All pairs of thread counts at equal num_workers are compared by makespan. No pair
   is chosen by its result.
2. Which is best? The fastest setting, by makespans relative to each other in common rounds; every
   other one is compared with it, p-values multiplied by the number of settings compared
   (Bonferroni): this keeps the level although the best was chosen by the same data (Gupta's
   subset selection).
   "tied" = shown equivalent to the best; "slower" = shown slower; "open" = neither.
Verdict (of 1):
  confirmed     some pair differs by more than the margin
  refuted       all pairs are within the margin
  inconclusive  otherwise
  not measured  fewer than two values of cpu_threads at equal num_workers
The evidence are the rankings of 2, the best of each group first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from parallel_transcription import statistics, words
from parallel_transcription.findings import near, show
from parallel_transcription.findings.candidates import TROUBLE
from parallel_transcription.findings.choose import places
from parallel_transcription.findings.evidence import CONDITIONS, settings_of
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.finding import Row, Verdict
from parallel_transcription.statistics import Comparison

REAL_TIME = f"{words.TIMES} real time"
BEST, TIED, SLOWER, OPEN = "best", "tied", "slower", "open"


class BestThreads(PairedQuestion):
    """Numbers of threads against each other, and the best setting."""

    id, number, order = "best_threads", 3, 2
    decided = 5
    asks = "Which cpu_threads is best on this machine, and does it matter?"
    asks_in_short = "Does the number of threads matter?"
    claim = (
        "The number of cpu_threads matters: with equal workers, some value is faster than another "
        "by more than the margin."
    )
    lacks = "There are no two matched rounds with different cpu_threads and equal num_workers."
    to_measure = "a study with two or more values of cpu_threads."
    would_change = by_verdict(
        "All thread counts shown to be within the margin of each other at equal workers.",
        "A pair of thread counts shown to differ by more than the margin.",
        "More measurements of the settings that are open.",
    )
    columns = (
        show.files(),
        show.workers(),
        show.threads(),
        show.interval("rtfx", "seconds of audio per second", "low", "high"),
        show.interval("time_ratio_to_best", "time over the best", "ratio_low", "ratio_high"),
        show.rounds(),
        show.text("standing", "standing"),
    )

    def cases(self, machine: Machine) -> Cases:
        """Pairs of numbers of threads with equal workers; the rankings as evidence."""
        cases = Cases()
        for group in _groups(machine):
            for _, same in group.groupby("num_workers", sort=True):
                for (_, a), (_, b) in itertools.combinations(same.iterrows(), 2):
                    if a["cpu_threads"] != b["cpu_threads"]:
                        pair = machine.compare(a["arm"], b["arm"])
                        if pair.testable:
                            cases.tested.append(Case(pair, {}))
            ranking = _rank(machine, group)
            if len(ranking) > 1:
                cases.evidence += ranking
        cases.runs = [row["configuration"] for row in cases.evidence]
        return cases

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """The recommended number of threads against the engine's own choice, and the next best."""
        target = near.recommended(machine)
        if target is None:
            return
        for group in _groups(machine):
            same = group[group["num_workers"] == target["total_workers"]]
            if not (same["arm"] == target["arm"]).any():
                one = same[same["cpu_threads"] == target["cpu_threads"]]
                if one.empty or near.in_main_group(machine, [(one.iloc[0]["arm"],) * 2]) == []:
                    continue
                chosen = one.iloc[0]["arm"]
            else:
                chosen = target["arm"]
            others = [a for a in same.to_dict("records") if a["arm"] != chosen]
            own = [a["arm"] for a in others if a["cpu_threads"] == 0]
            place = places(machine, [a["arm"] for a in others])
            fastest = sorted(place, key=lambda arm: place[arm])
            for arm in dict.fromkeys([*own, *fastest[:1]]):
                yield chosen, arm
            return

    def compared(self, judged: Judged) -> None:
        """Nothing to add: the evidence are the rankings."""

    def verdict(self, judged: Judged) -> Verdict:
        """Some pair beyond the margin, or all within?"""
        if judged.count(statistics.BEYOND):
            return Verdict.CONFIRMED
        same = judged.count(statistics.WITHIN) == len(judged.results)
        return Verdict.REFUTED if same else Verdict.INCONCLUSIVE

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """The best setting of each group, those with more settings first."""
        machine = judged.machine
        ranks = sorted(_ranks(judged.cases.evidence), key=lambda rows: -len(rows))
        parts = [
            starts(
                "It matters.",
                "It does not matter within the margin.",
                "Whether it matters is not decided.",
            )[verdict]
        ]
        for rows in ranks[:4]:
            best, others = rows[0], rows[1:]
            ties = [words.setting(r) for r in others if r["standing"] == TIED]
            still = [words.setting(r) for r in others if r["standing"] == OPEN]
            told = (
                f"Best for {words.plural(int(best['files']), 'file')} at once ({best['model']}): "
                f"{words.setting(best)}, {judged.estimate(best, REAL_TIME, 'rtfx')}"
            )
            if is_at_the_edge(best, rows, machine.cpus):
                told += "; it is the most measured, and more may be faster"
            if ties:
                told += f"; as good: {words.listing(ties)}"
            if still:
                told += f"; not told apart from it: {words.listing(still)}"
            parts.append(told + ".")
        best = ranks[0][0]
        return Answer(
            " ".join(parts),
            f"Best for {words.plural(int(best['files']), 'file')} at once: {words.setting(best)}.",
            judged.effect(
                best, f"throughput of the best setting ({words.setting(best)})", REAL_TIME, "rtfx"
            ),
        )

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What choosing the best one does to its number."""
        yield (
            "The best one was chosen by the same rounds that it is compared in; its own throughput "
            "is therefore a little flattered."
        )


def is_at_the_edge(best: Row, rows: list[Row], cpus: float | None) -> bool:
    """Whether no setting with more threads was measured, although CPUs are left for one."""
    threads = [row["cpu_threads"] for row in rows]
    most = best["cpu_threads"] == max(threads) and len(set(threads) - {0}) > 1
    return bool(most and (cpus is None or best["threads_in_use"] < cpus))


def _groups(machine: Machine) -> Iterator[Any]:
    """Arms of one_model on the CPU by what makes them comparable."""
    arms = machine.ordinary()
    arms = arms[
        (arms["strategy"] == "one_model")
        & (arms["device"] == "cpu")
        & (arms["callers"] == arms["files_in_parallel"])
        & (arms["n_ok"] + arms["n_timeout"] > 0)
    ]
    for _, group in arms.groupby([*CONDITIONS, "files_in_parallel"], sort=True):
        yield group.sort_values(["num_workers", "cpu_threads", "arm"])


def _ranks(evidence: list[Row]) -> list[list[Row]]:
    """The rankings, each from its best setting on."""
    ranks: list[list[Row]] = []
    for row in evidence:
        if row["standing"] == BEST:
            ranks.append([])
        ranks[-1].append(row)
    return ranks


#: By how the best and another setting compare.
_STANDINGS = {statistics.EQUIVALENT: TIED, statistics.A_FASTER: SLOWER}


def _rank(machine: Machine, group: Any) -> list[Row]:
    """Settings of a group, best first, each compared with the best (see the module's text)."""
    entries = []
    place = places(machine, group["arm"])
    for _, arm in group.iterrows():
        times = machine.times(arm["arm"])
        calm = times[~times["censored"].astype(bool)]
        # never the best on what survived: one in trouble comes after those without
        trouble = any(arm[f"n_{name}"] for name in TROUBLE)
        entries.append(((trouble, place[arm["arm"]]), arm, calm))
    entries.sort(key=lambda e: e[0])
    if not entries or entries[0][2].empty:
        return []
    best = entries[0][1]
    compared = [
        machine.compare(best["arm"], arm["arm"], in_rounds=True).result for _, arm, _ in entries[1:]
    ]
    others = zip(entries[1:], statistics.correct(compared, "bonferroni"), strict=True)
    rows = [
        _row(machine, best, entries[0][2], None),
        *(_row(machine, arm, calm, result) for (_, arm, calm), result in others),
    ]
    _judge_automatic(machine, [arm for _, arm, _ in entries], rows)
    return rows


def _judge_automatic(machine: Machine, arms: list[Any], rows: list[Row]) -> None:
    """Writes how the engine's own number of threads stands to the best of as many workers."""
    found = []
    for arm, row in zip(arms, rows, strict=True):
        if arm["cpu_threads"] == 0:
            best = next(one for one in arms if one["num_workers"] == arm["num_workers"])
            if best["arm"] == arm["arm"]:
                row["automatic"] = BEST
            else:
                found.append((row, machine.compare(best["arm"], arm["arm"], in_rounds=True).result))
    corrected = statistics.correct([result for _, result in found], "bonferroni")
    for (row, _), result in zip(found, corrected, strict=True):
        row["automatic"] = _STANDINGS.get(result.outcome, OPEN)


def _row(machine: Machine, arm: Any, calm: Any, against_best: Comparison | None) -> Row:
    """A setting of a ranking; `against_best` is the best's makespan over its own, None for it."""
    rtfx, low, high, rounds = None, None, None, len(calm)
    if len(calm):
        rtfx, low, high = statistics.geometric_interval(calm["rtfx"], machine.confidence)
    elif against_best is not None:
        rounds = against_best.rounds
    row = {
        **settings_of(arm, "files", "callers", "workers", "cpu_threads"),
        "threads_in_use": arm["in_use"] * arm["cpu_threads"],
        "rtfx": rtfx,
        "low": low,
        "high": high,
        "rounds": rounds,
        "time_ratio_to_best": 1.0,
        "ratio_low": 1.0,
        "ratio_high": 1.0,
        "standing": BEST,
        "automatic": "",
        "size": "",
        "configuration": arm["configuration"],
    }
    if against_best is None:
        return row
    return row | {
        "time_ratio_to_best": 1 / against_best.ratio if against_best.rounds else None,
        "ratio_low": 1 / against_best.high,
        "ratio_high": 1 / against_best.low,
        "standing": _STANDINGS.get(against_best.outcome, OPEN),
        "size": against_best.size,
    }
