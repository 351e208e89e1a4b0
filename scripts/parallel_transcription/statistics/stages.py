"""Pairs of matches decided together: the family of a machine, in stages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from parallel_transcription.statistics.comparison import (
    A_FASTER,
    B_FASTER,
    BEYOND,
    EQUIVALENT,
    INCONCLUSIVE,
    OPEN,
    WITHIN,
    Comparison,
    Tests,
    size_of,
)
from parallel_transcription.statistics.families import adjust


class PValues(NamedTuple):
    """p-values of a pair, not adjusted: within the margin, different, beyond on the seen side.

    `stage` orders pairs by when their first match was; see `sizes`.
    """

    within: float
    different: float
    beyond: float
    stage: int = 0

    @classmethod
    def of(cls, tests: Tests, ratio: float, stage: int = 0) -> PValues:
        """Those of a comparison that nobody has adjusted."""
        beyond = tests.p_below if ratio < 1 else tests.p_above
        return cls(float(tests.p_equivalent), float(tests.p_difference), float(beyond), stage)


def sizes(family: Sequence[PValues], alpha: float = 0.05) -> list[str]:
    """How each pair that has matches stands to the margin: all pairs of a machine together.

    A pair errs in one way only: "within" is false where it is beyond, and the other way round. So
    pairs shown beyond do not count among those that may be within, nor the other way round. Within:
    Hochberg's step-up (1988), as p-values of pairs with a common side depend positively; beyond:
    Holm's. Pairs are taken in stages (Westfall and Krishen 2001): those whose first match came
    later count together with what is still open of earlier stages, and never change what these
    have decided. `benchmarks/simulate_decide.py` checks all of it at the margin's edges.
    """
    size = [OPEN] * len(family)
    for stage in sorted({member.stage for member in family}):
        places = [k for k, member in enumerate(family) if member.stage == stage]
        waiting = sum(size[k] == OPEN for k, member in enumerate(family) if member.stage < stage)
        for _ in range(2):  # each kind once more without those that the other has decided
            _decide(family, places, size, waiting, alpha)
    return size


def settle_matches(comparisons: Sequence[Comparison], stages: Sequence[int]) -> list[Comparison]:
    """The comparisons of a machine's matches with the sizes and outcomes that `sizes` gives them.

    They are a family of their own, apart from those of rounds. `stages`: the number of the match
    in which each pair was first.
    """
    if not comparisons:
        return []
    family = [
        PValues.of(one.alone, one.ratio, stage)
        for one, stage in zip(comparisons, stages, strict=True)
    ]
    found = []
    for one, size in zip(comparisons, sizes(family, comparisons[0].alpha), strict=True):
        faster = A_FASTER if one.ratio < 1 else B_FASTER
        outcome = {WITHIN: EQUIVALENT, BEYOND: faster, OPEN: INCONCLUSIVE}[size]
        slightly = one.slightly if size == WITHIN else ""
        one = replace(one, size=size, outcome=outcome, slightly=slightly)
        if size != OPEN:  # decided at the level of the one-sided tests, so shown at it
            ends, level = (one.low_equivalence, one.high_equivalence), 2 * one.confidence - 1
            one = replace(one, low=ends[0], high=ends[1], level=level)
        found.append(one)
    return found


def _decide(
    family: Sequence[PValues], places: list[int], size: list[str], waiting: int, alpha: float
) -> None:
    """Decides pairs of one stage, in place; `waiting` pairs of earlier ones are open."""
    ones = [1.0] * waiting

    def adjusted(name: str, without: str, method: str) -> dict[int, float]:
        among = [k for k in places if size[k] != without]
        p = [getattr(family[k], name) for k in among]
        p = [1.0 if math.isnan(one) else one for one in p]
        return dict(zip(among, adjust([*p, *ones], method), strict=False))

    beyond, different = adjusted("beyond", WITHIN, "holm"), adjusted("different", WITHIN, "holm")
    for k, p in beyond.items():
        size[k] = BEYOND if size_of(1.0, different[k], p, alpha) == BEYOND else size[k]
    for k, p in adjusted("within", BEYOND, "hochberg").items():
        size[k] = WITHIN if p <= alpha else size[k]
