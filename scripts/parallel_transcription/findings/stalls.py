"""Passes that stalled: which "equal", being said of typical ones, would leave out.

The time of a round is the median of its repeats, that of a match leaves its extremes out: one pass
held up by a neighbour then moves nothing. But a side that stalls again and again is not as good as
one that does not, so passes much longer than usual are counted on both sides.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from parallel_transcription import statistics
from parallel_transcription.findings.machine import Machine, Pair

STALLED = 1.5  # times as long as the side's median pass


class Seen(NamedTuple):
    """The passes of a side, and how many of them stalled."""

    stalls: int
    passes: int


def stalls(machine: Machine, pair: Pair) -> tuple[Seen, Seen]:
    """What was seen on both sides of a pair, in the rounds or blocks that it rests on."""
    if pair.by_matches:
        met = machine.matches.blocks(pair.arm_a, pair.arm_b)
        if met is not None:
            return _seen(met.a["makespan_s"]), _seen(met.b["makespan_s"])
    runs = machine.runs[machine.runs["counts"] & machine.runs["round"].isin(pair.a.index)]
    a, b = (runs.loc[runs["arm"] == arm, "makespan_s"] for arm in (pair.arm_a, pair.arm_b))
    return _seen(a), _seen(b)


def _seen(seconds: pd.Series) -> Seen:
    known = seconds.dropna()
    return Seen(int((known > STALLED * known.median()).sum()), len(known))


def differ(a: Seen, b: Seen, alpha: float) -> bool:
    """Whether one side is shown to stall more often (Fisher's exact test, two-sided)."""
    p = min(statistics.rate_higher(*a, *b), statistics.rate_higher(*b, *a))
    return 2 * p <= alpha
