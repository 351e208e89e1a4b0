"""8 Which settings are recommended? The choice (`choose`) as a finding.

Claim: the recommended settings are the fastest within the limits: in matches they are not slower
than the runner-up by the margin or more.

Verdict:
  confirmed     status "confirmed"
  refuted       status "not confirmed"
  inconclusive  status "not yet"
  not measured  nothing can be recommended, or there is nothing to compare it with
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.choose import (
    Choice,
    choices,
    chosen_by_makespan,
    confirmation,
    met_in_matches,
    options_of,
    settled,
)
from parallel_transcription.findings.evidence import ladder, settings_of
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.remarks import by_verdict, notes_on_matches
from parallel_transcription.findings.rounds import more_minutes
from parallel_transcription.findings.searching import search_of
from parallel_transcription.results.finding import Finding, Row, Verdict
from parallel_transcription.results.recommended import Confirmation
from parallel_transcription.study.settings import THROUGHPUT

REAL_TIME = f"{words.TIMES} real time"
VERDICTS = {
    "confirmed": Verdict.CONFIRMED,
    "not confirmed": Verdict.REFUTED,
    "not yet": Verdict.INCONCLUSIVE,
    "not compared": Verdict.NOT_MEASURED,
}


class Recommended(Question):
    """The recommended settings against the runner-up, in matches."""

    id, number = "recommendation", 8
    by_time = True
    decided = 1
    asks = "Which settings are recommended on this machine?"
    asks_in_short = "Are these settings the best?"
    claim = (
        "The recommended settings are the fastest within the limits: in matches they are not "
        "slower than the runner-up by the margin or more."
    )
    remedy = "Wider limits, or a configuration that runs."
    would_change = by_verdict(
        "Matches in which the runner-up is faster by more than the margin.",
        "Matches in which it is not slower by more than the margin.",
        "More matches of the two.",
    )
    columns = (
        show.label("settings"),
        show.interval("rtfx", "seconds of audio per second", "low", "high"),
        show.decimals("cores_used", "cores"),
        show.digits("memory_mb", "memory (MB)"),
        show.digits("gpu_memory_mb", "on GPUs (MB)"),
        show.seconds("slowest_file_s", "slowest file (s)"),
        show.mark("pareto", "Pareto"),
        show.text("standing", "standing", more="remark"),
        show.mark("chosen", "chosen", strong=True),
    )

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """The recommended settings against the runner-up, of the machine's own choice first."""
        found = search_of(machine)
        if found is not None and found.objective != THROUGHPUT:
            return  # matches compare makespans
        for choice in choices(machine):
            if choice.winner is not None and choice.runner_up is not None:
                yield choice.winner["arm"], choice.runner_up["arm"]

    def page_rows(self, evidence: Sequence[Row]) -> list[int]:
        """The machine's own choice."""
        places = range(len(evidence))
        own = [k for k in places if evidence[k]["primary"]]
        return (own or list(places))[: self.most_rows]

    def judge(self, machine: Machine) -> Finding | None:
        """The machine's own choice, and what matches say of it."""
        found = [settled(machine, choice) for choice in choices(machine)]
        made = [choice for choice in found if choice.winner is not None]
        rows = [row for choice in found for row in _rows(choice, choice is found[0])]
        if not made:
            reason = found[0].reason if found else "no timed run"
            return self.not_measured(machine, rows, why=f"Nothing can be recommended: {reason}.")
        choice, fresh = made[0], confirmation(machine, made[0])
        met = _met(machine, choice)
        answer = self.finding(
            machine,
            VERDICTS[fresh.status],
            _answer(machine, choice, fresh),
            rows,
            [row["configuration"] for row in choice.table],
            more_minutes(machine, met) if fresh.status == "not yet" else None,
            [
                *_told_of(machine, choice),
                *_remarks(machine, made[1:]),
                *notes_on_matches(machine, met, 0),
            ],
            ladder(met),
        )
        if fresh.status == "not compared":
            return replace(answer, change="Further settings in the study, to compare it with.")
        return answer


def _met(machine: Machine, choice: Choice) -> list[Pair]:
    """Winner and runner-up, compared; none without a runner-up."""
    if choice.winner is None or choice.runner_up is None:
        return []
    return [machine.compare(choice.winner["arm"], choice.runner_up["arm"])]


def _rows(choice: Choice, primary: bool) -> list[Row]:
    """The candidates of a choice, the fastest first."""
    return [
        {
            **settings_of(
                row, "files", "strategy", "instances", "workers", "cpu_threads", "callers"
            ),
            "label": words.name_of(row) + (", voice detector" if row["vad_filter"] else ""),
            "rtfx": row["rtfx"],
            "low": row["rtfx_low"],
            "high": row["rtfx_high"],
            "cores_used": row["cores_used"],
            "memory_mb": row["memory_mb"],
            "gpu_memory_mb": row["gpu_memory_mb"],
            "slowest_file_s": row["slowest_file_s"],
            "rounds": row["rounds"],
            "pareto": row["pareto"],
            "standing": row["standing"],
            "chosen": row is choice.winner,
            "primary": primary,
            "remark": "; ".join([row["trouble"], *row["broken"]]).strip("; "),
            "configuration": row["configuration"],
        }
        for row in sorted(choice.table, key=lambda r: (-_or_zero(r["rtfx"]), r["arm"]))
    ]


def _or_zero(value: float) -> float:
    return value if value and math.isfinite(value) else 0.0


def _work(choice: Choice) -> str:
    """The kind of work that a choice is for: "4 files at once with tiny (int8, beam 1)"."""
    group = choice.group
    told = ", ".join([str(group["compute_type"]), *words.options(options_of(group))])
    files = words.plural(int(group["files_in_parallel"]), "file")
    return f"{files} at once with {group['model']} ({told})"


def _answer(machine: Machine, choice: Choice, fresh: Confirmation) -> Answer:
    row, level = choice.winner or {}, machine.confidence
    merit = (row["rtfx"], row["rtfx_low"], row["rtfx_high"])
    on_gpus = row["gpu_memory_mb"] > 0
    parts = [
        f"For {_work(choice)}: {words.name_of(row)}, "
        f"{words.plural(int(row['callers']), 'caller')}. It does "
        f"{words.estimate(*merit, level, REAL_TIME)} on {words.number(row['cores_used'])} cores "
        f"and {words.number(row['memory_mb'])} MB"
        + (f", with {words.number(row['gpu_memory_mb'])} MB on GPUs." if on_gpus else "."),
        *_in_matches(choice, fresh),
    ]
    ties = [
        r
        for r in choice.table
        if r is not row
        and (
            r["standing"] in ("tied", "fastest")
            or (r["standing"] == "open" and r["ratio_to_best"] <= 1 + machine.margin)
        )
    ]
    if ties:
        parts.append(
            f"{words.plural(len(ties), 'other setting is', 'other settings are')} as fast or not "
            "told apart; this one was preferred for less memory, then fewer threads."
        )
    name = "throughput of the recommended settings"
    return Answer(
        " ".join(parts),
        f"{words.name_of(row)}.".capitalize(),
        effect_of(name, merit[0], (merit[1], merit[2]), REAL_TIME, level),
    )


def _in_matches(choice: Choice, fresh: Confirmation) -> Iterable[str]:
    if fresh.ratio is not None and fresh.level is not None:
        of = "times the makespan of the runner-up"
        takes = words.estimate(fresh.ratio, fresh.low, fresh.high, fresh.level, of)
        matches = words.plural(fresh.matches, "match", "matches")
        yield f"In {matches} it takes {takes}: {fresh.status}."
    elif choice.runner_up is not None and fresh.status == "confirmed":
        yield "Every round shows it to be faster than the runner-up, further than noise reaches."
    elif choice.runner_up is not None:
        yield "Matches have not decided it against the runner-up yet."
    elif fresh.status == "not compared":
        yield "Nothing else was measured, so there is nothing that it is faster than."
    elif fresh.status == "not yet":
        yield "It is compared with none: nothing else keeps the limits and always ended well."


def _told_of(machine: Machine, choice: Choice) -> Iterable[str]:
    """Whether matches turned the choice round, and where the grid ends too early."""
    row = choice.winner or {}
    if choice.swapped and choice.runner_up is not None:
        yield (
            f"Chosen first: {words.name_of(choice.runner_up)}. Matches show it to be slower "
            "by more than the margin than what is recommended."
        )
    yield from _faster_but_out(machine, choice)
    yield from _faster_as_seen(machine, choice)
    yield from _of_search(machine, row)
    sound = [r for r in choice.table if not r["trouble"]]
    for name, thing in (("num_workers", "workers"), ("instances", "instances"),
                        ("threads", "threads"), ("batch_size", "windows in a batch")):  # fmt: skip
        values = {r[name] for r in sound}
        on_cpus = row["device"] == "cpu" and name != "batch_size"
        full = on_cpus and machine.cpus is not None and row["all_threads"] >= machine.cpus
        if len(values) > 1 and row[name] == max(values) and not full:
            yield (
                f"At the edge of the grid: {int(row[name])} {thing} are the most that were "
                "measured; more may be faster."
            )


def _faster_but_out(machine: Machine, choice: Choice) -> Iterable[str]:
    """Settings that did more where they ended well, and did not always."""
    winner = choice.winner or {}
    for row in choice.table:
        if row["trouble"] and row["rtfx"] > winner["rtfx"] * (1 + machine.margin):
            times = words.times(row["rtfx"] / winner["rtfx"])
            yield (
                f"Faster, but out: {words.name_of(row)} ({row['trouble']}). Where it ended well it "
                f"did {times} times as much."
            )


def _faster_as_seen(machine: Machine, choice: Choice) -> Iterable[str]:
    """Settings that matches show ahead of the recommended one, but not beyond the margin."""
    if not chosen_by_makespan(machine):
        return
    for other in met_in_matches(machine, choice):
        result = machine.compare((choice.winner or {})["arm"], other["arm"]).result
        if result.size == statistics.OPEN and result.ratio > 1 + machine.margin / 2:
            takes = words.with_interval(result.ratio, result.low, result.high)
            yield (
                f"Not decided: in {words.plural(result.rounds, 'match', 'matches')} it takes "
                f"{takes} times as long as {words.name_of(other)}."
            )


def _of_search(machine: Machine, row: Row) -> Iterable[str]:
    """How sure a search of the grid is of it."""
    found = search_of(machine)
    if found is None:
        return
    state = found.state
    group = next((p.group for p in found.search.space if p.id == row["configuration"]), None)
    for places, one in zip(state.groups(), state.certificates(), strict=True):
        if one is not None and found.search.space[places[0]].group == group:
            measured = {m.id for m in found.measured}
            runs = sum(found.search.space[k].id in measured for k in places)
            bound = math.expm1(max(0.0, one.gain))
            first = next(p for p in found.search.space if p.id == one.best)
            than = words.name_of(first.configuration.as_json())
            of = "" if one.best == row["configuration"] else f" than {than}, the best so far,"
            yield (
                f"Found by a search: {words.integer(runs)} of "
                f"{words.plural(len(places), 'configuration')} were measured. With a chance of "
                f"90 % no setting of the grid is better{of} by more than {words.percent(bound)}."
            )


def _remarks(machine: Machine, others: list[Choice]) -> Iterable[str]:
    yield (
        "Chosen on rounds that also rank it: its own throughput there is a little flattered; "
        "matches are not."
    )
    for name, value in sorted(machine.limits.items()):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield f"Limit {name}: {words.number(float(value))}."
    for choice in others:
        settings = words.name_of(choice.winner or {})
        yield f"{_work(choice)}: {settings}, {confirmation(machine, choice).status}."
