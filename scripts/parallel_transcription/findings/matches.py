"""The matches of a machine: the pairs that they were measured for, and how these stand.

A block is one pass of every side. One in which others disturbed a pass of the pair does not count,
unless its match has no other; the match is the unit (`statistics.sequential`). Only pairs that a
match was to decide are judged by matches: two sides that met for others' sake were not paid for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from parallel_transcription import statistics
from parallel_transcription.results.counting import per_round
from parallel_transcription.statistics import Comparison

ArmPair = tuple[str, str]


class Blocks(NamedTuple):
    """The passes of two arms in the blocks that count, row by row, and which matches none calm."""

    a: pd.DataFrame
    b: pd.DataFrame
    disturbed: set[int]


class Matches:
    """The matches of one machine label.

    Args:
        table: Their rows, of `columns.MATCHES`.
        margin: Of equivalence.
        confidence: 1 minus the level, which all contests share.
    """

    def __init__(self, table: pd.DataFrame, margin: float, confidence: float):
        self.table = table
        self._margin, self._confidence = margin, confidence
        passes = table[(table["repeat"] > 0) & (table["status"] == "ok")]
        keys = ["round", "repeat"]
        self._passes = {
            str(arm): own.set_index(keys).sort_index() for arm, own in passes.groupby("arm")
        }
        self._settled: dict[ArmPair, Comparison] = {}

    @property
    def count(self) -> int:
        """How many matches there are."""
        return int(self.table["round"].nunique())

    @property
    def seconds(self) -> float:
        """What all of them took (s)."""
        return float(self.table.groupby("round")["match_s"].first().sum())

    @property
    def failing(self) -> set[str]:
        """Arms that ended two matches or more: they will end the next ones as well."""
        ended = self.table[self.table["repeat"] == 0].groupby("arm")["round"].nunique()
        return set(ended.index[ended >= 2])

    @cached_property
    def contests(self) -> dict[ArmPair, int]:
        """The pairs that matches were to decide, and the first match of each (its stage)."""
        found: dict[ArmPair, int] = {}
        for number, rows in self.table.groupby("round", sort=True):
            arms = dict(zip(rows["configuration"], rows["arm"], strict=True))
            for text in str(rows["contests"].iloc[0]).split():
                pair = tuple(arms.get(name, "") for name in text.split("/"))
                if len(pair) == 2 and all(pair) and pair[::-1] not in found:
                    found.setdefault((pair[0], pair[1]), int(str(number)))
        return found

    def stage(self, arm_a: str, arm_b: str) -> int:
        """The first match that was to decide a pair; 0 for none."""
        return self.contests.get((arm_a, arm_b)) or self.contests.get((arm_b, arm_a), 0)

    def blocks(self, arm_a: str, arm_b: str) -> Blocks | None:
        """The passes of two arms side by side; None where they never met."""
        if arm_a not in self._passes or arm_b not in self._passes:
            return None
        a, b = self._passes[arm_a], self._passes[arm_b]
        both = a.index.intersection(b.index).sort_values()
        if both.empty:
            return None
        a, b = a.loc[both], b.loc[both]
        calm = ~(a["disturbed"].to_numpy(bool) | b["disturbed"].to_numpy(bool))
        match = both.get_level_values("round")
        has_calm = set(match[calm])
        counts = calm | ~match.isin(has_calm)
        return Blocks(a[counts], b[counts], set(map(int, match)) - set(map(int, has_calm)))

    def log_ratios(self, arm_a: str, arm_b: str) -> list[tuple[float, ...]]:
        """log(A / B) of the makespans of the blocks that count, match by match, oldest first."""
        met = self.blocks(arm_a, arm_b)
        if met is None:
            return []
        ratios = np.log(met.a["makespan_s"]) - np.log(met.b["makespan_s"])
        by_match = ratios[np.isfinite(ratios)].groupby(level="round", sort=True)
        return [tuple(map(float, own)) for _, own in by_match]

    def per_match(self, passes: pd.DataFrame) -> pd.DataFrame:
        """The passes of an arm as a row per match, in the form of `counting.per_round`."""
        rows = passes.reset_index().assign(counts=True)
        return per_round(rows).droplevel("arm")

    def compare(self, arm_a: str, arm_b: str) -> Comparison | None:
        """Two arms by their matches, with the outcome; None before the first look."""
        if (arm_a, arm_b) not in self._settled:
            self._settle(arm_a, arm_b)
        return self._settled.get((arm_a, arm_b))

    def _settle(self, arm_a: str, arm_b: str) -> None:
        """All contests together, that of these two this way round."""
        asked = [(arm_a, arm_b) if set(pair) == {arm_a, arm_b} else pair for pair in self.contests]
        if (arm_a, arm_b) not in asked:
            return
        ratios = {pair: self.log_ratios(*pair) for pair in asked}
        known = {pair: stage for pair, stage in zip(asked, self.contests.values(), strict=True)
                 if ratios[pair]}  # fmt: skip
        if not statistics.looks_at(len(ratios[arm_a, arm_b])):
            return
        results = [
            statistics.compare_matches(
                ratios[pair],
                self._margin,
                self._confidence,
                self._alike(pair, known, ratios),
            )
            for pair in known
        ]
        settled = statistics.settle_matches(results, list(known.values()))
        self._settled |= {
            pair: result
            for pair, result in zip(known, settled, strict=True)
            if statistics.looks_at(len(ratios[pair]))
        }

    def _alike(
        self,
        pair: ArmPair,
        stages: dict[ArmPair, int],
        ratios: dict[ArmPair, list[tuple[float, ...]]],
    ) -> Sequence[list[tuple[float, ...]]]:
        """Other pairs whose spread is shared: those that met no later."""
        return [ratios[o] for o, stage in stages.items() if o != pair and stage <= stages[pair]]
