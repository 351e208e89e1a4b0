"""One machine's results in the form that findings need: its arms, rounds and pairs of arms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from parallel_transcription import statistics
from parallel_transcription.record import STATUSES
from parallel_transcription.results.counting import (
    confirming,
    explored,
    per_round,
    usable_cores,
    usable_cpus,
)
from parallel_transcription.results.read import Results
from parallel_transcription.study.dimensions import NAMES as DIMENSIONS


class Machine:
    """One machine's tables, in the form that findings need.

    `arms`: a row per arm (configuration on a workload), its dimensions and counts.
    `rounds`: a row per (arm, round), see `counting.per_round`; confirmation rounds are in
    `confirmation`.
    `starts`: the cold starts (files_in_parallel 0). `cpus`, `cores`: CPUs and physical
    cores that the runs could use.
    """

    def __init__(self, results: Results, label: str):
        runs = results.runs[results.runs["machine"] == label]
        self.label = label
        self.facts = results.machines.get(label, {})
        self.study = results.study
        self.margin = float(self.study["equivalence_margin"])
        self.confidence = float(self.study["confidence"])
        self.limits = dict(self.study["limits"])
        self.starts = runs[runs["files_in_parallel"] == 0]
        self.all_runs = runs[runs["files_in_parallel"] > 0]
        self.runs = explored(self.all_runs)
        self.timings = results.timings[results.timings["machine"] == label]
        self._times: dict[bool, dict[str, pd.DataFrame]] = {}
        self._pairs: dict[tuple[str, str, bool], Pair] = {}

    @property
    def alpha(self) -> float:
        """Significance level: 1 minus the study's confidence."""
        return 1 - self.confidence

    @cached_property
    def cpus(self) -> float | None:
        """CPUs that the runs could really use (affinity, quota); None where nothing says it."""
        return usable_cpus(self.all_runs, self.facts)

    @cached_property
    def cores(self) -> float | None:
        """Physical cores among them, no more than `cpus`; None where nothing says it."""
        return usable_cores(self.all_runs, self.facts)

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """A row per (arm, round) of the grid's rounds; see `counting.per_round`."""
        return per_round(self.runs)

    @cached_property
    def confirmation(self) -> pd.DataFrame:
        """As `rounds`, of the rounds that confirm chosen settings."""
        return per_round(confirming(self.all_runs))

    @cached_property
    def arms(self) -> pd.DataFrame:
        """A row per arm: dimensions, workload, in_use, total_workers, counts of statuses."""
        kept = [*DIMENSIONS, "configuration", "workload", "total_workers", "in_use", "threads",
                "gpus", "model_kind", "unaltered", "ordinary"]  # fmt: skip
        by_arm = self.runs.groupby("arm", sort=True)
        arms = by_arm[kept].first()
        for status in STATUSES:
            arms[f"n_{status}"] = (self.runs["status"] == status).groupby(self.runs["arm"]).sum()
        wrong = self.runs[self.runs["error"] != ""].groupby("arm")["error"].first()
        arms["error"] = wrong.reindex(arms.index).fillna("")
        return arms.reset_index()

    @cached_property
    def decodings(self) -> pd.Series:
        """Decodings of a window per transcription, by arm; those that records do not tell lack.

        A window that fails faster-whisper's thresholds is decoded up to six times.
        """
        arms = self.runs.groupby("run", sort=True)["arm"].first()
        told = self.timings[self.timings["decodings"].notna()]
        return told.groupby(told["run"].map(arms))["decodings"].mean()

    def ordinary(self) -> pd.DataFrame:
        """Arms that answer questions 1 to 8: no A/A replicas, planted slow-downs or batches."""
        return self.arms[self.arms["ordinary"]]

    def unaltered(self) -> pd.DataFrame:
        """Arms without A/A replicas and planted slow-downs."""
        return self.arms[self.arms["unaltered"]]

    def times(self, arm: str, confirmation: bool = False) -> pd.DataFrame:
        """The rows of `rounds` of an arm, by round."""
        table = self.confirmation if confirmation else self.rounds
        known = self._times.setdefault(confirmation, {})
        if not known and not table.empty:
            for name, group in table.groupby(level="arm"):
                known[name] = group.droplevel("arm")
        if arm not in known:
            return pd.DataFrame(columns=table.columns, index=pd.Index([], name="round"))
        return known[arm]

    def compare(self, arm_a: str, arm_b: str, confirmation: bool = False) -> Pair:
        """Makespans of two arms, paired by round."""
        key = (arm_a, arm_b, confirmation)
        if key not in self._pairs:
            self._pairs[key] = self._compare(*key)
        return self._pairs[key]

    def _compare(self, arm_a: str, arm_b: str, confirmation: bool) -> Pair:
        a, b = self.times(arm_a, confirmation), self.times(arm_b, confirmation)
        both = a.index.intersection(b.index).sort_values()
        a, b = a.loc[both], b.loc[both]
        usable = a["makespan_s"].notna() & b["makespan_s"].notna()
        a, b = a[usable.to_numpy()], b[usable.to_numpy()]
        result = statistics.compare(
            a["makespan_s"].to_numpy(float),
            b["makespan_s"].to_numpy(float),
            self.margin,
            self.confidence,
            a["censored"].to_numpy(bool),
            b["censored"].to_numpy(bool),
        )
        disturbed = (a["disturbed"].to_numpy(bool) | b["disturbed"].to_numpy(bool)).sum()
        return Pair(arm_a, arm_b, result, int(disturbed), a, b)

    def against(self, arms: pd.DataFrame, dimension: str, base: int) -> Iterator[tuple[Any, Pair]]:
        """Pairs that can be tested of arms and those that differ from them in one dimension.

        Args:
            arms: Rows of `arms`.
            dimension: The only one in which the arms of a pair differ.
            base: Its value in the arm compared with; the other arm's is larger.

        Yields:
            The row of the arm with the larger value, and its pair, the base on side B.
        """
        same = [*(d for d in DIMENSIONS if d != dimension), "workload"]
        for _, group in arms.groupby(same, sort=True, dropna=False):
            bases, others = group[group[dimension] == base], group[group[dimension] > base]
            if bases.empty:
                continue
            for _, arm in others.sort_values(dimension).iterrows():
                pair = self.compare(arm["arm"], bases.iloc[0]["arm"])
                if pair.testable:
                    yield arm, pair

    def compare_cpu(self, pair: Pair) -> statistics.Comparison:
        """CPU seconds of the rounds of a pair, in the same way (censored rounds left out)."""
        known = (
            pair.a["cpu_s"].gt(0).to_numpy(bool)
            & pair.b["cpu_s"].gt(0).to_numpy(bool)
            & ~pair.a["censored"].to_numpy(bool)
            & ~pair.b["censored"].to_numpy(bool)
        )
        return statistics.compare(
            pair.a["cpu_s"].to_numpy(float)[known],
            pair.b["cpu_s"].to_numpy(float)[known],
            self.margin,
            self.confidence,
        )


@dataclass(frozen=True)
class Pair:
    """Two arms and their comparison; `a`, `b` are the matched rows of `Machine.rounds`."""

    arm_a: str
    arm_b: str
    result: statistics.Comparison
    disturbed: int
    a: pd.DataFrame
    b: pd.DataFrame

    @property
    def testable(self) -> bool:
        """Whether there are rounds enough to tell a difference from noise."""
        return self.result.rounds >= 2

    @property
    def configurations(self) -> tuple[str, str]:
        """The ids of both configurations, without the workload."""
        return self.arm_a.split("|")[0], self.arm_b.split("|")[0]
