"""One machine's results in the form that findings need: its arms, rounds and pairs of arms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from parallel_transcription import statistics
from parallel_transcription.findings.together import allowed, begun, occasions, relative_times
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
from parallel_transcription.study.runs import CONFIRMATION_ABOVE


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
        self.together_h = float(self.study["together_h"])
        self.starts = runs[runs["files_in_parallel"] == 0]
        self.all_runs = runs[runs["files_in_parallel"] > 0]
        self.runs = explored(self.all_runs)
        self.timings = results.timings[results.timings["machine"] == label]
        self._times: dict[bool, dict[str, pd.DataFrame]] = {}
        self._pairs: dict[tuple[str, str, bool], Pair] = {}
        #: Pairs that were asked for; `judge` empties it before each question.
        self.asked: list[Pair] = []
        #: All comparisons of the report that verdicts rest on, once they are known (`judge`).
        self.family: statistics.Family | None = None

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
    def begun(self) -> pd.Series:
        """When the run of each (arm, round) began; see `together.begun`."""
        return begun(self.all_runs)

    @cached_property
    def allowed(self) -> pd.Series:
        """How far apart two runs of a round may have begun (s); see `together.allowed`."""
        return allowed(self.all_runs, self.together_h)

    @cached_property
    def _occasions(self) -> pd.Series:
        return occasions(self.begun, self.allowed)

    @cached_property
    def planned(self) -> pd.Series:
        """Rounds planned when each (arm, round) was measured; nan where no record tells."""
        keys = [self.all_runs["arm"], self.all_runs["round"]]
        return self.all_runs["planned_rounds"].groupby(keys).max()

    def correct(self, results: list[statistics.Comparison]) -> list[statistics.Comparison]:
        """Comparisons with their outcomes, corrected over all those of the report.

        Over themselves where the report's are not known, as when one question is asked alone.
        """
        family = self.family if self.family is not None else statistics.Family(results)
        return family.correct(results)

    def relative_times(self, arms: Iterable[str]) -> dict[str, float]:
        """Times of arms relative to each other, from rounds that they have in common.

        nan for one that was measured apart from the others, or never in time.
        """
        return relative_times({arm: self._by_occasion(arm) for arm in arms})

    def _by_occasion(self, arm: str) -> pd.Series:
        times = self.times(arm)
        calm = times[~times["censored"].astype(bool) & times["makespan_s"].notna()]
        occasion = [self._occasions[arm, number] for number in calm.index]
        return calm["makespan_s"].astype(float).set_axis(occasion)

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
        return self._told("decodings").mean()

    @cached_property
    def speech(self) -> pd.Series:
        """Seconds that were decoded per transcription, by arm; those that are not told lack."""
        return self._told("speech_s").mean()

    def _told(self, column: str) -> pd.api.typing.SeriesGroupBy:
        """A column of the transcriptions where it is known, grouped by arm."""
        arms = self.runs.groupby("run", sort=True)["arm"].first()
        told = self.timings[self.timings[column].notna()]
        return told.groupby(told["run"].map(arms))[column]

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
        """Makespans of two arms, paired by the rounds in which they were measured together."""
        key = (arm_a, arm_b, confirmation)
        if key not in self._pairs:
            self._pairs[key] = self._compare(*key)
        self.asked.append(self._pairs[key])
        return self._pairs[key]

    def _compare(self, arm_a: str, arm_b: str, confirmation: bool) -> Pair:
        a, b = self.times(arm_a, confirmation), self.times(arm_b, confirmation)
        both = a.index.intersection(b.index).sort_values()
        a, b = a.loc[both], b.loc[both]
        usable = a["makespan_s"].notna() & b["makespan_s"].notna()
        a, b = a[usable.to_numpy()], b[usable.to_numpy()]
        distance = [abs(self.begun[arm_a, n] - self.begun[arm_b, n]) for n in a.index]
        apart = np.array(distance, float) > self.allowed.reindex(a.index).to_numpy(float)
        a, b = a[~apart], b[~apart]
        plans = [self.planned[arm, n] for arm in (arm_a, arm_b) for n in a.index]
        last = int(a.index.max()) - (CONFIRMATION_ABOVE if confirmation else 0) if len(a) else 0
        result = statistics.compare(
            a["makespan_s"].to_numpy(float),
            b["makespan_s"].to_numpy(float),
            self.margin,
            self.confidence,
            a["censored"].to_numpy(bool),
            b["censored"].to_numpy(bool),
            statistics.share_of(statistics.look_at(last, plans)),
        )
        disturbed = (a["disturbed"].to_numpy(bool) | b["disturbed"].to_numpy(bool)).sum()
        untimed = int(np.isnan(np.array(distance, float)).sum())
        counts = int(apart.sum()), untimed
        return Pair(arm_a, arm_b, result, int(disturbed), a, b, *counts, confirmation)

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
            share=pair.result.share,
        )


@dataclass(frozen=True)
class Pair:
    """Two arms and their comparison; `a`, `b` are the matched rows of `Machine.rounds`.

    `apart`: rounds left out since the two sides were measured apart (`together`); `untimed`: rounds
    of records that do not tell when. `confirmation`: of the rounds that confirm chosen settings.
    """

    arm_a: str
    arm_b: str
    result: statistics.Comparison
    disturbed: int
    a: pd.DataFrame
    b: pd.DataFrame
    apart: int = 0
    untimed: int = 0
    confirmation: bool = False

    @property
    def testable(self) -> bool:
        """Whether there are rounds enough to tell a difference from noise."""
        return self.result.rounds >= 2

    @property
    def configurations(self) -> tuple[str, str]:
        """The ids of both configurations, without the workload."""
        return self.arm_a.split("|")[0], self.arm_b.split("|")[0]
