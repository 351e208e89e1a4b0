"""3 Does cpu_threads limit the cores used, per worker and per instance?

Claim: cpu_threads limits the CPU cores used to cpu_threads x workers in use.

Expected cores of a configuration: cpu_threads x workers that had a file, averaged over the window
(from the times of the files: a limit holds while workers work, so files of unlike length that leave
a worker idle lower what is expected), and not more than the usable CPUs. Seen: CPU seconds inside
the engine (all CPU seconds less those of the callers' own threads: decoding, features, tokens) /
makespan, one value per round. Where the split is not known, all CPU seconds count and a tenth of a
core is allowed per caller. Tolerance: 5 %.
  over     seen / expected above 1.05 is shown (one-sided t test over rounds, Holm)
  within   seen / expected below 1.05 is shown, and more cores were there to be used
Only configurations whose threads x workers in use stay below the usable CPUs can tell a limit from
the machine's own; the rest is shown, not judged. Nor can "within" be told where a quota or others
took the CPUs: where a run that asked for a quarter of a core more did not get it
(`findings.room`), or, where none asked, where less than half of what is expected was used.
Per worker and per instance: with 2 or more workers (instances) that had a file, and expected cores
within the CPUs:
  shown         more than cpu_threads x 1.05 cores are shown to be used: the limit is not one of the
                whole process
  of the whole  fewer are shown to be used, although the cores were there
  exceeded      the configuration is over
Verdict:
  confirmed     every judged configuration is within
  refuted       some judged configuration is over
  inconclusive  otherwise
  not measured  no CPU seconds, or nothing to judge
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import NOT_JUDGED, in_order
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.passes import busy_workers, counted_timings
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.remarks import by_verdict, notes_on_failures, starts
from parallel_transcription.findings.room import room_on_cpus
from parallel_transcription.findings.rounds import min_rounds
from parallel_transcription.results.finding import Finding, MoreRounds, Row, Verdict

TOLERANCE = 0.05
ALLOWANCE = 0.1  # cores per caller, where the engine's share of the CPU time is unknown
OVER, WITHIN, UNDECIDED = "over", "within", "undecided"
SHOWN, OF_THE_WHOLE, EXCEEDED, NOT_SHOWN = "shown", "of the whole", "exceeded", "not shown"
SPARE = 0.25  # cores more than the limit that must have been there, so that a limit is seen to hold
SEVERAL = 1.25  # workers with a file, on average, from which on their number can be told from one
BEYOND = (
    f"A configuration shown to use more than cpu_threads {words.TIMES} workers in use plus 5 %."
)


class ThreadsLimit(Question):
    """Cores that the engine used against cpu_threads times workers in use."""

    id, number, order = "threads_limit", 3, 1
    asks = "Does cpu_threads limit the cores used, per worker and per instance?"
    asks_in_short = "Does cpu_threads limit the cores?"
    claim = f"cpu_threads limits the CPU cores used to cpu_threads {words.TIMES} workers in use."
    lacks = (
        "There is no configuration with CPU seconds, two rounds and fewer expected cores than were "
        "there to be used, so that a limit could be told from the machine's own."
    )
    to_measure = "num_workers 1 with cpu_threads 1 on a machine with at least 2 CPUs."
    would_change = by_verdict(
        BEYOND,
        "Every configuration shown to stay within, for example with thread variables of the "
        "environment removed.",
        BEYOND,
    )
    columns = (
        show.strategy(),
        show.integer("instances", "models"),
        show.workers(),
        show.decimals("workers_with_a_file", "with a file"),
        show.threads(),
        show.decimals("expected_cores", "expected"),
        show.interval("cores", "cores used by the engine", "low", "high"),
        show.decimals("cores_all", "by all"),
        show.rounds(),
        show.text("outcome", "outcome"),
    )
    sorted_by = (
        "model", "compute_type", "strategy", "files", "instances", "workers", "cpu_threads",
        "callers",
    )  # fmt: skip

    def page_rows(self, evidence: Sequence[Row]) -> list[int]:
        """The judged ones: rows in which nothing can be told are many, and say little."""
        places = in_order(evidence, self.sorted_by)
        judged = [k for k in places if evidence[k]["outcome"] != NOT_JUDGED]
        return judged[: self.most_rows] or places[:12]

    def judge(self, machine: Machine) -> Finding | None:
        """One-sided t tests over rounds, corrected over the configurations that can tell."""
        arms = machine.ordinary()
        arms = arms[(arms["device"] == "cpu") & (arms["cpu_threads"] > 0)]
        rows, timings = [], counted_timings(machine)
        for _, arm in arms.sort_values("arm").iterrows():
            times = machine.times(arm["arm"])
            times = times[(times["cpu_s"] > 0) & ~times["censored"].astype(bool)]
            if len(times):
                rows.append(_row(machine, arm, times, timings))
        used = [row["configuration"] for row in rows]
        judged = [r for r in rows if r["informative"] and r["rounds"] >= 2]
        _correct(machine, judged)
        judged = [r for r in judged if r["outcome"] != NOT_JUDGED]
        _per_level(machine, rows)
        if not judged:
            return self.not_measured(machine, rows, used)
        verdict = _verdict(judged)
        answer = _answer(machine, verdict, judged, rows)
        more = _plan(machine, judged) if verdict == Verdict.INCONCLUSIVE else None
        notes = [*_remarks(rows), *notes_on_failures(machine, arms)]
        return self.finding(machine, verdict, answer, rows, used, more, notes)


def _correct(machine: Machine, judged: list[Row]) -> None:
    """Corrects the p-values, and writes the outcomes."""
    over = statistics.adjust([r["p_over"] for r in judged])
    told = [r["p_within"] if r["tells"] else float("nan") for r in judged]
    within = statistics.adjust(told)
    for row, p_over, p_within in zip(judged, over, within, strict=True):
        row["p_over"], row["p_within"] = p_over, p_within
        row["outcome"] = UNDECIDED if row["tells"] else NOT_JUDGED
        if p_over <= machine.alpha:
            row["outcome"] = OVER
        elif p_within <= machine.alpha:
            row["outcome"] = WITHIN


def _verdict(judged: list[Row]) -> Verdict:
    outcomes = {row["outcome"] for row in judged}
    if OVER in outcomes:
        return Verdict.REFUTED
    return Verdict.CONFIRMED if outcomes == {WITHIN} else Verdict.INCONCLUSIVE


def _answer(machine: Machine, verdict: Verdict, judged: list[Row], rows: list[Row]) -> Answer:
    top = max(judged, key=lambda r: (r["share"], r["configuration"]))
    expected = top["expected_cores"]
    were = f"{words.number(expected)} {'was' if expected == 1 else 'were'} expected."
    level = machine.confidence
    within = sum(row["outcome"] == WITHIN for row in judged)
    parts = [
        starts()[verdict],
        f"in {within} of {words.plural(len(judged), 'configuration')} that can tell, the engine "
        f"stayed within cpu_threads {words.TIMES} workers in use; at most it used "
        f"{words.estimate(top['cores'], top['low'], top['high'], level, 'cores')} where {were}",
        _told_per_level(rows, "worker"),
        _told_per_level(rows, "instance"),
    ]
    return Answer(
        " ".join(parts),
        f"At most {words.number(top['cores'])} cores where {were}",
        effect_of(
            "cores used by the engine / expected, where it is highest",
            top["share"],
            (top["share_low"], top["share_high"]),
            words.TIMES,
            level,
        ),
    )


def _plan(machine: Machine, judged: list[Row]) -> MoreRounds:
    """Twice the rounds, and three more at least, of what is open."""
    rounds = max(r["rounds"] for r in judged)
    names = [r["configuration"] for r in judged if r["outcome"] == UNDECIDED]
    return min_rounds(machine, max(2 * rounds, rounds + 3), names)


def _remarks(rows: list[Row]) -> Iterable[str]:
    yield "Threads that wait in a spin loop count as used: cores used is not useful work."
    if any(r["split_known"] for r in rows):
        yield (
            "CPU seconds of the callers' own threads (decoding, features, tokens) are not the "
            "engine's and are taken off."
        )
    else:
        yield (
            "The engine's share of the CPU time is not known here; a tenth of a core is allowed "
            "per caller."
        )


def _row(machine: Machine, arm: Any, times: Any, timings: pd.DataFrame) -> Row:
    outside = times["cpu_outside_engine_s"].astype(float)
    known, cpus = bool(outside.notna().all()), machine.cpus
    engine = (times["cpu_s"].astype(float) - (outside if known else 0)) / times["makespan_s"]
    engine = engine.to_numpy(float)
    if not known:
        engine = engine - ALLOWANCE * arm["callers"]
    busy = busy_workers(timings, arm).reindex(times.index).fillna(arm["in_use"])
    asked = float(arm["cpu_threads"] * arm["in_use"])
    expected = np.minimum(arm["cpu_threads"] * busy.to_numpy(float), cpus or np.inf)
    mean, low, high = statistics.t_interval(engine, machine.confidence)
    share = statistics.t_interval(engine / expected, machine.confidence)
    p_over, p_within = statistics.one_sided(engine / expected, 1 + TOLERANCE)
    level = "model"
    if arm["instances"] > 1:
        level = "instance"
    elif arm["in_use"] > 1:
        level = "worker"
    more, fewer = statistics.one_sided(engine, arm["cpu_threads"] * (1 + TOLERANCE))
    return {
        "strategy": arm["strategy"],
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "instances": arm["instances"],
        "workers": arm["num_workers"],
        "workers_in_use": arm["in_use"],
        "workers_with_a_file": float(busy.mean()),
        "callers": arm["callers"],
        "files": arm["files_in_parallel"],
        "cpu_threads": arm["cpu_threads"],
        "expected_cores": float(expected.mean()),
        "cores": mean,
        "low": low,
        "high": high,
        "share": share[0],
        "share_low": share[1],
        "share_high": share[2],
        "cores_all": float(times["cores_used"].median()),
        "rounds": len(engine),
        "informative": bool(cpus is None or asked <= cpus - SPARE),
        "tells": _tells(machine, float(expected.mean()), mean),
        "level": level,
        "p_over": p_over,
        "p_within": p_within,
        "p_more_than_threads": more,
        "p_fewer_than_threads": fewer,
        "fits_cpus": bool(cpus is None or asked <= cpus),
        "split_known": known,
        "limit_counts_per_level": "",
        "outcome": NOT_JUDGED,
        "configuration": arm["configuration"],
    }


def _tells(machine: Machine, expected: float, seen: float) -> bool:
    """Whether more than expected could have been used, so that a limit is seen to hold."""
    room = room_on_cpus(machine, expected * (1 + TOLERANCE) + SPARE)
    return seen >= 0.5 * expected if room is None else room


def _per_level(machine: Machine, rows: list[Row]) -> None:
    """Writes whether the limit counts per worker, and per instance."""
    for level in ("worker", "instance"):
        chosen = [r for r in rows if r["level"] == level and _has_several(r)]
        more = statistics.adjust([r["p_more_than_threads"] for r in chosen])
        fewer = statistics.adjust([r["p_fewer_than_threads"] for r in chosen])
        for row, p_more, p_fewer in zip(chosen, more, fewer, strict=True):
            row["limit_counts_per_level"] = NOT_SHOWN
            if row["outcome"] == OVER:
                row["limit_counts_per_level"] = EXCEEDED
            elif p_more <= machine.alpha:
                row["limit_counts_per_level"] = SHOWN
            elif (
                p_fewer <= machine.alpha
                and _uses_of_one(rows, row) * row["workers_with_a_file"] >= SEVERAL
                and room_on_cpus(machine, 0.9 * row["expected_cores"])
            ):
                row["limit_counts_per_level"] = OF_THE_WHOLE


def _uses_of_one(rows: list[Row], row: Row) -> float:
    """What part of its threads a worker keeps busy that has all CPUs: the engine waits for Python.

    By rows with one worker and as many threads; all of them where there is none.
    """
    own = [
        r["share"]
        for r in rows
        if r["workers_in_use"] == 1 and r["cpu_threads"] == row["cpu_threads"] and r["fits_cpus"]
    ]
    return min(1.0, *own) if own else 1.0


def _has_several(row: Row) -> bool:
    """Whether several workers had a file on CPUs enough for all of them."""
    several = row["workers_in_use"] >= 2 and row["workers_with_a_file"] >= SEVERAL
    return bool(several and row["fits_cpus"] and row["rounds"] >= 2)


def _told_per_level(rows: list[Row], level: str) -> str:
    """A sentence on whether the limit counts per worker (instance)."""
    chosen = [r for r in rows if r["level"] == level and r["limit_counts_per_level"]]
    if not chosen:
        return f"Per {level}: not measured."
    best = max(chosen, key=lambda r: (r["cores"] / r["cpu_threads"], r["configuration"]))
    numbers = (
        f"{words.plural(best['workers_in_use'], level)} in use with "
        f"{words.plural(best['cpu_threads'], 'thread')} use {words.number(best['cores'])} cores"
    )
    codes = {r["limit_counts_per_level"] for r in chosen}
    if codes == {SHOWN}:
        return f"The limit counts per {level}: {numbers}."
    if EXCEEDED in codes:
        return f"It is no limit per {level}: {numbers}."
    if OF_THE_WHOLE in codes and SHOWN not in codes:
        return f"It is a limit of the whole, not per {level}: {numbers}."
    if SHOWN in codes:
        return f"In part the limit is seen to count per {level}: {numbers}."
    return f"That the limit counts per {level} is not shown: {numbers}."
