"""The matches of a machine: the pairs that they were measured for, and how these stand.

A block is one pass of every side. One in which others disturbed a pass of the pair does not count,
unless its match has no other; the match is the unit (`statistics.sequential`). Only pairs that a
match was to decide are judged by matches: two sides that met for others' sake were not paid for.

What is compared is the makespan; under a load the p95 of the latency, with the margin of latencies.
A pass with more requests than its configuration carries, or with more than 5 % that got no answer,
counts as late as the limit; a block in which both sides had that tells nothing.

A match that a side ended (it failed, hung or died) keeps its whole blocks, but these are of a
survivor: what the passes that never ended would have taken nobody knows. So a side that ended a
match is shown neither to be equal nor to be faster, however its other passes look; unless it was
killed for lack of memory while the others were loaded, which alone it might not have been.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from parallel_transcription import statistics
from parallel_transcription.results.counting import killed_for_memory, per_round
from parallel_transcription.statistics import Comparison, sequential
from parallel_transcription.words import AT_ONCE

ArmPair = tuple[str, str]
SATURATED = "saturated"  # a pass that came to more than is carried


class Margins(NamedTuple):
    """Of equivalence: of makespans, and of latencies under a load."""

    makespan: float
    latency: float

    @classmethod
    def of(cls, study: Mapping[str, Any]) -> Margins:
        """Those of a study."""
        return cls(float(study["equivalence_margin"]), float(study["latency_margin"]))


class Blocks(NamedTuple):
    """The passes of two arms in the blocks that count, row by row, and which matches none calm."""

    a: pd.DataFrame
    b: pd.DataFrame
    disturbed: set[int]


class Matches:
    """The matches of one machine label.

    Args:
        table: Their rows, of `columns.MATCHES`.
        margins: Of equivalence.
        confidence: 1 minus the level, which all contests share.
    """

    def __init__(self, table: pd.DataFrame, margins: Margins, confidence: float):
        self.table = table
        self._margins, self._confidence = margins, confidence
        passes = table[(table["repeat"] > 0) & table["status"].isin(("ok", SATURATED))]
        under_load = passes["arrivals"] != AT_ONCE
        took = passes["makespan_s"].where(~under_load, passes["p95_s"])
        late = (passes["status"] == SATURATED) | np.isinf(took.astype("float64"))
        passes = passes.assign(makespan_s=took.where(~late, passes["timeout_s"]), late=late)
        keys = ["round", "repeat"]
        self._passes = {
            str(arm): own.set_index(keys).sort_index() for arm, own in passes.groupby("arm")
        }
        self._loaded = set(passes.loc[under_load, "arm"])
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

    def ended(self, arm: str, on_its_own: bool = False) -> pd.DataFrame:
        """How an arm ended matches, a row each: it failed, hung or died.

        `on_its_own` leaves out what follows from the company: killed for lack of memory while all
        sides were loaded, whose memory it was.
        """
        rows = self.table[(self.table["repeat"] == 0) & (self.table["arm"] == arm)]
        if on_its_own:
            rows = rows[~(killed_for_memory(rows) & rows["together"])]
        return rows

    def can_decide(self, arm_a: str, arm_b: str) -> bool:
        """Whether further matches can: not that a side is as good, or faster, that ended one."""
        ended = [not self.ended(arm, on_its_own=True).empty for arm in (arm_a, arm_b)]
        if not any(ended):
            return True
        ratios = [sequential.match_value(met) for met in self.log_ratios(arm_a, arm_b)]
        mean, width = float(np.mean(ratios or [0.0])), math.log1p(self.margin(arm_a, arm_b))
        return (ended[0] and mean > width) or (ended[1] and mean < -width)

    def under_load(self, arm_a: str, arm_b: str) -> bool:
        """Whether it is latencies that are compared."""
        return bool(self._loaded & {arm_a, arm_b})

    def margin(self, arm_a: str, arm_b: str) -> float:
        """That of equivalence of a pair."""
        loaded = self.under_load(arm_a, arm_b)
        return self._margins.latency if loaded else self._margins.makespan

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
        told = ~(a["late"].to_numpy(bool) & b["late"].to_numpy(bool))
        counts = (calm | ~match.isin(has_calm)) & told
        return Blocks(a[counts], b[counts], set(map(int, match)) - set(map(int, has_calm)))

    def log_ratios(self, arm_a: str, arm_b: str) -> list[tuple[float, ...]]:
        """log(A / B) of the makespans of the blocks that count, match by match, oldest first."""
        met = self.blocks(arm_a, arm_b)
        if met is None:
            return []
        ratios = np.log(met.a["makespan_s"]) - np.log(met.b["makespan_s"])
        # what is later than the limit is no sooner than what took longer than that
        ratios = ratios.mask(met.a["late"] & (ratios < 0), 0.0)
        ratios = ratios.mask(met.b["late"] & (ratios > 0), 0.0)
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
                self.margin(*pair),
                self._confidence,
                self._alike(pair, known, ratios),
            )
            for pair in known
        ]
        settled = statistics.settle_matches(results, list(known.values()))
        self._settled |= {
            pair: self._not_by_survivors(pair, result)
            for pair, result in zip(known, settled, strict=True)
            if statistics.looks_at(len(ratios[pair]))
        }

    def _not_by_survivors(self, pair: ArmPair, result: Comparison) -> Comparison:
        """Open, where a side that ended a match would be shown to be equal, or to be faster."""
        ended_a, ended_b = (not self.ended(arm, on_its_own=True).empty for arm in pair)
        faster = (ended_a and result.ratio < 1) or (ended_b and result.ratio > 1)
        if not (ended_a or ended_b) or (result.size == statistics.BEYOND and not faster):
            return result
        return replace(result, size=statistics.OPEN, outcome=statistics.INCONCLUSIVE, slightly="")

    def _alike(
        self,
        pair: ArmPair,
        stages: dict[ArmPair, int],
        ratios: dict[ArmPair, list[tuple[float, ...]]],
    ) -> Sequence[list[tuple[float, ...]]]:
        """Other pairs whose spread is shared: those of the same kind that met no later."""
        kind = self.under_load(*pair)
        return [
            ratios[other]
            for other, stage in stages.items()
            if other != pair and stage <= stages[pair] and self.under_load(*other) == kind
        ]
