"""3 What happens when threads x workers exceed the CPUs?

Claim: once threads x workers in use exceed the usable CPUs, the makespan gets longer by more than
the margin.

Every setting with threads x workers in use > CPUs is compared with a reference that is fixed
before any time is looked at: the setting with equal num_workers and the most cpu_threads that
still fits the CPUs (all else equal); if none fits, the setting with the most threads x workers in
use that fits, fewest workers first. Strategies are judged apart. Ratio = makespan of the
oversubscribed setting / reference; Holm over all of them. Settings that ran into the time limit
count as at least that long.
Steepness: least-squares slope of log2(ratio) over log2(threads x workers in use / CPUs) through
the reference (factor per doubling), and involuntary context switches per second against those of
the reference.
Verdict:
  confirmed     some setting is slower by more than the margin, none is faster by more than it
  refuted       all are within the margin
  inconclusive  otherwise
  not measured  no setting exceeds the CPUs, or none fits
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import BOUNDS, CONDITIONS
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.finding import Row, Verdict


class Oversubscription(PairedQuestion):
    """Settings beyond the CPUs against the one that fits them best."""

    id, number, order = "oversubscription", 3, 3
    asks = f"What happens when threads {words.TIMES} workers exceed the CPUs?"
    asks_in_short = "Are threads beyond the CPUs slower?"
    claim = (
        f"Once threads {words.TIMES} workers in use exceed the usable CPUs, the makespan gets "
        "longer by more than the margin."
    )
    lacks = (
        f"There are no matched rounds of a setting whose threads {words.TIMES} workers exceed the "
        "CPUs and of one that fits them."
    )
    to_measure = (
        f"a study whose largest cpu_threads {words.TIMES} num_workers is twice the CPUs or more."
    )
    would_change = by_verdict(
        "All oversubscribed settings shown to be within the margin.",
        "An oversubscribed setting shown to be slower by more than the margin.",
        "More rounds of the settings that are open.",
    )
    columns = (
        show.strategy(),
        show.files(),
        show.in_use(),
        show.threads(),
        show.as_written("oversubscription", "per CPU"),
        show.seconds("makespan_a_s", "makespan (s)"),
        show.ratio("over that within the CPUs"),
        show.digits("switches_per_s", "switches per s"),
        show.outcome(("oversubscribed", "within the CPUs")),
    )
    sorted_by = (
        "model", "compute_type", "strategy", "files", "instances", "workers", "cpu_threads",
        "callers",
    )  # fmt: skip

    def cases(self, machine: Machine) -> Cases:
        """Settings beyond the CPUs, the least beyond first."""
        arms = machine.ordinary()
        arms = arms[(arms["device"] == "cpu") & (arms["callers"] > 1)]
        cases, cpus = Cases(arms=arms), machine.cpus
        if cpus is None:
            return cases
        arms = arms.assign(load=arms["in_use"] * arms["threads"])
        keys = [*CONDITIONS, "strategy", "files_in_parallel", "callers"]
        for _, group in arms.groupby(keys, sort=True):
            fitting = group[group["load"] <= cpus]
            for _, arm in group[group["load"] > cpus].iterrows():
                reference = _reference(fitting, arm)
                if reference is not None:
                    pair = machine.compare(arm["arm"], reference["arm"])
                    if pair.testable:
                        cases.tested.append(Case(pair, _facts(arm, reference, pair, cpus)))
        cases.tested.sort(
            key=lambda c: (c.row["oversubscription"], c.row["strategy"], c.pair.configurations[0])
        )
        return cases

    def verdict(self, judged: Judged) -> Verdict:
        """Some slower and none faster, or all within the margin?"""
        if _beyond(judged, slower=True) and not _beyond(judged, slower=False):
            return Verdict.CONFIRMED
        same = judged.count(statistics.WITHIN) == len(judged.results)
        return Verdict.REFUTED if same else Verdict.INCONCLUSIVE

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """How many are slower, where it starts, the worst, and the steepness."""
        rows = judged.rows
        slower = _beyond(judged, slower=True)
        parts = [
            starts("It gets slower:", "Nothing, within the margin:")[verdict],
            _counts(judged, slower),
        ]
        if slower:
            parts += _from_first_to_worst(judged, slower)
        slope = _slope(judged)
        if np.isfinite(slope[0]):
            level = judged.machine.confidence
            parts.append(
                f"Each doubling beyond the CPUs multiplies the makespan by "
                f"{words.estimate(*slope, level)}."
            )
        head = next(iter(slower), rows[0])  # where it starts
        name = (
            f"makespan at {head['oversubscription']:g} times the CPUs / within them "
            f"({words.setting(head)})"
        )
        return Answer(" ".join(parts), _in_short(rows, slower), judged.effect(head, name))

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What the time limit does to the steepness."""
        if any(row["censored_rounds"] for row in judged.rows):
            yield (
                "The steepness counts settings that ran into the time limit with that limit, so it "
                "is at least this steep."
            )


def _beyond(judged: Judged, slower: bool) -> list[Row]:
    """Rows that are slower (faster) by more than the margin."""
    rows = [row for row in judged.rows if row["size"] == statistics.BEYOND]
    return [row for row in rows if (row["ratio"] > 1) == slower]


def _in_short(rows: list[Row], slower: list[Row]) -> str:
    text = f"{len(slower)} of {words.plural(len(rows), 'setting')} beyond {rows[0]['cpus']:g} CPUs "
    text += "is slower" if len(slower) == 1 else "are slower"
    if not slower:
        return f"{text} by more than the margin."
    worst = max(r["ratio"] for r in slower)
    return f"{text}, the worst {words.number(worst)} times as long."


def _reference(fitting: Any, arm: Any) -> Any:
    """The setting within the CPUs that this one is compared with; None where there is none."""
    same = fitting[
        (fitting["num_workers"] == arm["num_workers"]) & (fitting["instances"] == arm["instances"])
    ]
    if len(same):
        return same.sort_values(["threads", "arm"]).iloc[-1]
    if fitting.empty:
        return None
    order = ["load", "total_workers", "threads", "arm"]
    return fitting.sort_values(order, ascending=[False, True, True, True]).iloc[0]


def _facts(arm: Any, reference: Any, pair: Pair, cpus: float) -> Row:
    return {
        "strategy": arm["strategy"],
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "files": arm["files_in_parallel"],
        "callers": arm["callers"],
        "instances": arm["instances"],
        "workers": arm["num_workers"],
        "workers_in_use": arm["in_use"],
        "cpu_threads": arm["cpu_threads"],
        "reference_workers": reference["num_workers"],
        "reference_threads": reference["cpu_threads"],
        "cpus": cpus,
        "oversubscription": arm["load"] / cpus,
        "switches_per_s": _switches(pair.a),
        "reference_switches_per_s": _switches(pair.b),
    }


def _switches(times: Any) -> float:
    """Involuntary context switches per second; nan where they are not known."""
    return float((times["context_switches_involuntary"] / times["makespan_s"]).median())


def _slope(judged: Judged) -> tuple[float, float, float]:
    """Factor per doubling beyond the CPUs, least squares through (reference, 1)."""
    known = [r for r in judged.rows if np.isfinite(r["ratio"])]
    x = np.log2([r["oversubscription"] for r in known])
    y = np.log2([r["ratio"] for r in known])
    value, low, high = statistics.fit_slope(x, y, judged.machine.confidence)
    return float(2**value), float(2**low), float(2**high)


def _counts(judged: Judged, slower: list[Row]) -> str:
    rows, faster = judged.rows, len(_beyond(judged, slower=False))
    same = judged.count(statistics.WITHIN)
    return (
        f"of {words.plural(len(rows), 'oversubscribed setting')} on {rows[0]['cpus']:g} CPUs, "
        f"{len(slower)} {'is' if len(slower) == 1 else 'are'} slower by more than the margin, "
        + (f"{faster} faster by more than it, " if faster else "")
        + f"{same} equivalent, {len(rows) - len(slower) - faster - same} open."
    )


def _from_first_to_worst(judged: Judged, slower: list[Row]) -> list[str]:
    first = slower[0]
    worst = max(slower, key=lambda r: (r["ratio"], r["configuration_a"]))
    parts = [
        f"It starts at {first['oversubscription']:g} times the CPUs, where "
        f"{words.setting(first)} take {judged.estimate(first, 'times the makespan')}."
    ]
    if worst is not first:
        least = "at least " if worst["remark"] == BOUNDS["at least"] else ""
        parts.append(
            f"The worst takes {least}{words.number(worst['ratio'])} times the makespan "
            f"({words.setting(worst)})."
        )
    seen, before = worst["switches_per_s"], worst["reference_switches_per_s"]
    if np.isfinite(seen) and np.isfinite(before):
        parts.append(
            f"Involuntary context switches there: {words.number(seen)} per second, "
            f"{words.number(before)} within the CPUs."
        )
    return parts
