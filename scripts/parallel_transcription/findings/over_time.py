"""Two results of the same configurations, measured at two times: faster, slower, equivalent?

Rounds of two times are no pairs, so what is compared are means of log times of two independent
samples of rounds, with unlike variances (Welch). Equivalence is shown by two one-sided tests within
the margin; "faster" and "slower" are beyond it, Holm-corrected over all configurations. What now
is given up at the time limit is at least that slow; what never ends well any more fails. What
differs between the times beside what was changed (another host of the same kind, a warmer machine)
is in the ratio and not in its interval: a configuration that did not change is the measure of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.read import Results

FASTER, SLOWER, EQUIVALENT = "faster", "slower", "equivalent"
FAILS = "fails now"
OPEN, NOT_COMPARABLE = "open", "not comparable"
#: Facts of a machine that must be equal: else another machine was measured.
HARDWARE = ("cpu_model", "usable_cpus", "physical_cores", "gpus")


@dataclass(frozen=True)
class Changed:
    """What became of a configuration on a machine.

    `before` and `after` are geometric means over rounds, in seconds: of makespans, under a load of
    p95. `ratio` is after / before, `low` and `high` the ends of its interval; nan where they are
    not known. `why` says what is in the way.
    """

    machine: str
    name: str
    outcome: str
    why: str = ""
    before: float = math.nan
    after: float = math.nan
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_slower: float = math.nan
    p_faster: float = math.nan


def over_time(before: Results, after: Results, margin: float, confidence: float) -> list[Changed]:
    """All configurations of both results, by machine and name.

    Args:
        before: The results of before.
        after: Those of now.
        margin: Makespans that differ by less are equal; latencies, by the study's own margin.
        confidence: Of intervals, and 1 minus the level of the tests.
    """
    found: list[Changed] = []
    for label in sorted({*before.labels, *after.labels}):
        if label not in before.labels or label not in after.labels:
            where = "before" if label in before.labels else "now"
            found.append(Changed(label, "all", NOT_COMPARABLE, f"measured {where} alone"))
            continue
        unlike = [
            name
            for name in HARDWARE
            if _kind(before.machines[label].get(name)) != _kind(after.machines[label].get(name))
        ]
        if unlike:
            why = f"other hardware ({', '.join(unlike)})"
            found.append(Changed(label, "all", NOT_COMPARABLE, why))
            continue
        found += _of_machine(before, after, label, margin, confidence)
    return _corrected(found, 1 - confidence)


def _kind(fact: Any) -> Any:
    """A fact of the hardware; of GPUs which they are: another driver is no other machine."""
    return [gpu.get("name") for gpu in fact] if isinstance(fact, list) else fact


def _of_machine(
    before: Results, after: Results, label: str, margin: float, confidence: float
) -> Iterator[Changed]:
    sides = [Machine(results, label) for results in (before, after)]
    for loads in (False, True):
        both = [side.loads if loads else side for side in sides]
        tables = [{} if side is None else _names(side) for side in both]
        for arm in sorted({*tables[0], *tables[1]}, key=lambda arm: (tables[0] | tables[1])[arm]):
            name = (tables[0] | tables[1])[arm]
            if arm not in tables[0] or arm not in tables[1]:
                same = [other for other in tables if name in other.values()]
                when = "before" if arm in tables[0] else "now"
                why = "other audio, model or options" if len(same) > 1 else f"measured {when} alone"
                yield Changed(label, name, NOT_COMPARABLE, why)
                continue
            times = [side.times(arm) for side in both if side is not None]
            own = float(after.study["latency_margin"]) if loads else margin
            yield _compared(label, name, times, own, confidence)


def _names(side: Machine) -> dict[str, str]:
    """The arms of a machine in words."""
    return {
        row["arm"]: words.of_work(row)
        for row in side.arms.to_dict("records")
        if row["unaltered"] and row["files_in_parallel"] > 0
    }


def _compared(
    label: str, name: str, times: Sequence[pd.DataFrame], margin: float, confidence: float
) -> Changed:
    values = [np.log(one["makespan_s"].to_numpy(float)) for one in times]
    late, late_now = (bool(one["censored"].any()) for one in times)
    means = [float(np.exp(v.mean())) if len(v) else math.nan for v in values]
    known = Changed(label, name, OPEN, before=means[0], after=means[1])
    rounds = [len(v) for v in values]
    if rounds[0] >= statistics.LEAST_ROUNDS and not rounds[1]:
        return replace(known, outcome=FAILS, why="no round of now ended well")
    if late:
        return replace(
            known,
            outcome=NOT_COMPARABLE,
            why="some passes before ran into timeout_s, failed or were killed",
        )
    if min(rounds) < statistics.LEAST_ROUNDS:
        why = f"{rounds[0]} and {rounds[1]} rounds; {statistics.LEAST_ROUNDS} of each are the least"
        return replace(known, outcome=NOT_COMPARABLE, why=why)
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    now, then = (DescrStatsW(v) for v in reversed(values))
    means_of_both = CompareMeans(now, then)
    low, high = means_of_both.tconfint_diff(alpha=1 - confidence, usevar="unequal")
    bound = math.log1p(margin)
    p_equal, (below, above) = means_of_both.ttost_ind(-bound, bound, usevar="unequal")
    # states of processes, as in comparisons of pairs: none where all rounds are further apart
    floor, far = 4.0 ** -min(rounds), bound + statistics.STATES
    slower, faster = (
        0.0 if later.min() - sooner.max() > far else floor
        for later, sooner in (reversed(values), values)
    )
    shown = p_equal <= 1 - confidence and not late_now
    return replace(
        known,
        outcome=EQUIVALENT if shown else OPEN,
        ratio=means[1] / means[0],
        low=math.exp(low),
        high=math.exp(high),
        p_slower=max(slower, 1 - float(above[1])),
        p_faster=1.0 if late_now else max(faster, 1 - float(below[1])),
        why="some passes ran into timeout_s, failed or were killed" if late_now else "",
    )


def _corrected(found: list[Changed], alpha: float) -> list[Changed]:
    """Faster and slower, corrected over all that was tested."""
    tested = [k for k, one in enumerate(found) if not math.isnan(one.p_slower)]
    if not tested:
        return found
    p_values = [min(1.0, 2 * min(found[k].p_slower, found[k].p_faster)) for k in tested]
    for k, p, alone in zip(tested, statistics.adjust(p_values), p_values, strict=True):
        if p > alpha >= alone and found[k].outcome == OPEN:
            why = f"it would be told alone, among {len(tested)} it takes more rounds"
            found[k] = replace(found[k], why=why)
        if p <= alpha:
            slower = found[k].p_slower < found[k].p_faster
            found[k] = replace(found[k], outcome=SLOWER if slower else FASTER)
    return found
