"""One machine's results in the form that findings need: its arms, rounds and pairs of arms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from parallel_transcription import statistics
from parallel_transcription.findings.matches import Margins, Matches
from parallel_transcription.findings.together import allowed, begun, occasions, relative_times
from parallel_transcription.record import STATUSES
from parallel_transcription.results.counting import (
    per_round,
    usable_cores,
    usable_cpus,
)
from parallel_transcription.results.endings import Ending, none_ended_well
from parallel_transcription.results.finding import Group
from parallel_transcription.results.read import Results
from parallel_transcription.study.dimensions import NAMES as DIMENSIONS

Calm = Literal["as it is", "calm matches", "calm"]
GROUP = tuple(field.name for field in fields(Group))


def groups_of(runs: pd.DataFrame) -> list[Group]:
    """The groups of equal work in a machine's runs, the study's main one first.

    That is the one with the most configurations, then with the most runs; of equal ones of a model
    the fastest.
    """
    own = runs[runs["unaltered"]]
    sizes = own.groupby(list(GROUP)).agg(
        arms=("arm", "nunique"), runs=("run", "nunique"), rtfx=("rtfx", "median")
    )
    order = sizes.reset_index().sort_values(
        ["arms", "runs", "model", "rtfx"], ascending=[False, False, True, False], kind="stable"
    )
    return [Group(*map(str, key)) for key in order[list(GROUP)].itertuples(index=False)]


class Machine:
    """One machine's tables, in the form that findings need: of all its work, or of a group.

    `arms`: a row per arm (configuration on a workload), its dimensions and counts.
    `rounds`: a row per (arm, round), see `counting.per_round`. `matches`: what was measured in
    turns, to decide; of all groups, since it is judged together.
    `starts`: the cold starts (files_in_parallel 0). `cpus`, `cores`: CPUs and physical
    cores that the runs could use.
    """

    def __init__(
        self,
        results: Results,
        label: str,
        group: Group | None = None,
        calm: Calm = "as it is",
        loads: bool = False,
    ):
        """`calm` leaves out what others disturbed: in matches, or in rounds as well.

        With `loads` its runs are those under a load, with their p95 as `makespan_s` and the margin
        of latencies; else those whose files all come at one moment.
        """
        runs = results.runs[results.runs["machine"] == label]
        self.groups = groups_of(runs)
        if group is not None:
            runs = runs[(runs[list(GROUP)] == asdict(group)).all(axis=1)]
        if calm == "calm":
            runs = runs[~runs["disturbed"]]
        self.label, self.group = label, group
        self.facts = results.machines.get(label, {})
        self.study = results.study
        self.margin = float(self.study["latency_margin" if loads else "equivalence_margin"])
        self.confidence = float(self.study["confidence"])
        self.limits = dict(self.study["limits"])
        self.together_h = float(self.study["together_h"])
        self.starts = runs[runs["files_in_parallel"] == 0]
        under_load = runs["arrivals"] != "at_once"
        if loads:
            self.runs = runs[under_load].assign(
                window_s=runs["makespan_s"], makespan_s=runs["p95_s"]
            )
        else:
            self.runs = runs[(runs["files_in_parallel"] > 0) & ~under_load]
        self.results, self._calm, self._under_load = results, calm, bool(under_load.any())
        matches = results.matches[results.matches["machine"] == label]
        self.matches = Matches(
            matches if calm == "as it is" else matches[~matches["disturbed"]],
            Margins.of(self.study),
            self.confidence,
        )
        timings = results.timings[results.timings["machine"] == label]
        self.timings = (
            timings[timings["run"].isin(runs["run"])] if group or calm == "calm" else timings
        )
        self._times: dict[str, pd.DataFrame] = {}
        self._pairs: dict[tuple[str, str, bool], Pair] = {}
        #: Pairs that were asked for; `judge` empties it before each question.
        self.asked: list[Pair] = []
        #: What questions have paired ahead of their verdicts, and the pairs that this asked for.
        self.paired: dict[str, tuple[Any, list[Pair]]] = {}
        #: All comparisons of the report that verdicts rest on, once they are known (`judge`).
        self.family: statistics.Family | None = None
        #: Seconds of matches that would decide an open pair, once planned (`deciding`); None where
        #: no reasonable number would. Pairs that matches are not to decide lack.
        self.more_s: Mapping[frozenset[str], float | None] = {}

    @property
    def alpha(self) -> float:
        """Significance level: 1 minus the study's confidence."""
        return 1 - self.confidence

    @cached_property
    def ended(self) -> Ending | None:
        """How all runs ended and what to change; None where one ended well."""
        return none_ended_well(self.runs)

    @property
    def rests_on_disturbed(self) -> bool:
        """Whether rounds count that hold nothing but disturbed repeats."""
        return bool((self.runs["counts"] & self.runs["disturbed"]).any())

    @cached_property
    def loads(self) -> Machine | None:
        """The same with the runs under a load, its p95 in the place of the makespan; None of none.

        It shares the family of comparisons that verdicts rest on, and notes what it is asked for.
        """
        if not self._under_load:
            return None
        own = Machine(self.results, self.label, self.group, self._calm, loads=True)
        own.family, own.asked, own.more_s = self.family, self.asked, self.more_s
        return own

    @cached_property
    def cpus(self) -> float | None:
        """CPUs that the runs could really use (affinity, quota); None where nothing says it."""
        return usable_cpus(self.runs, self.facts)

    @cached_property
    def cores(self) -> float | None:
        """Physical cores among them, no more than `cpus`; None where nothing says it."""
        return usable_cores(self.runs, self.facts)

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """A row per (arm, round) of the grid's rounds; see `counting.per_round`."""
        return per_round(self.runs)

    @cached_property
    def begun(self) -> pd.Series:
        """When the run of each (arm, round) began; see `together.begun`."""
        return begun(self.runs)

    @cached_property
    def allowed(self) -> pd.Series:
        """How far apart two runs of a round may have begun (s); see `together.allowed`."""
        return allowed(self.runs, self.together_h)

    @cached_property
    def _occasions(self) -> pd.Series:
        return occasions(self.begun, self.allowed)

    @cached_property
    def measured_on(self) -> pd.Series:
        """What each (arm, round) was measured on; see `counting.marked`."""
        return self.runs.groupby([self.runs["arm"], self.runs["round"]])["measured_on"].first()

    @cached_property
    def planned(self) -> pd.Series:
        """Rounds planned when each (arm, round) was measured; nan where no record tells."""
        keys = [self.runs["arm"], self.runs["round"]]
        return self.runs["planned_rounds"].groupby(keys).max()

    def correct(self, results: list[statistics.Comparison]) -> list[statistics.Comparison]:
        """Comparisons with their outcomes, corrected over all those of the report.

        Over themselves where the report's are not known, as when one question is asked alone. Those
        of matches are a family of their own, and settled.
        """
        family = self.family
        if family is None:
            family = statistics.Family(one for one in results if not one.by_matches)
        return [one if one.by_matches else family.correct([one])[0] for one in results]

    def relative_times(self, arms: Iterable[str]) -> dict[str, float]:
        """Times of arms relative to each other, from rounds that they have in common.

        nan for one that was measured apart from the others, or never in time.
        """
        return relative_times({arm: self._by_occasion(arm) for arm in arms})

    def _by_occasion(self, arm: str) -> pd.Series:
        times = self.times(arm)
        calm = times[~times["censored"].astype(bool) & times["makespan_s"].notna()]
        occasion = [
            (self._occasions[arm, number], self.measured_on[arm, number]) for number in calm.index
        ]
        return calm["makespan_s"].astype(float).set_axis(occasion)

    @cached_property
    def arms(self) -> pd.DataFrame:
        """A row per arm: dimensions, workload, in_use, total_workers, counts of statuses."""
        kept = [*DIMENSIONS, "configuration", "workload", "total_workers", "in_use", "threads",
                "gpus", "model_kind", "unaltered", "ordinary"]  # fmt: skip
        by_arm = self.runs.groupby("arm", sort=True)
        arms = by_arm[kept].first()
        for status in STATUSES:
            own = (self.runs["status"] == status) & ~self.runs["excused"]
            arms[f"n_{status}"] = own.groupby(self.runs["arm"]).sum()
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

    @cached_property
    def transcriptions(self) -> pd.DataFrame:
        """The transcriptions of the grid's rounds, with their `arm`."""
        arms = self.runs.groupby("run", sort=True)["arm"].first()
        told = self.timings.assign(arm=self.timings["run"].map(arms))
        return told[told["arm"].notna()]

    @cached_property
    def tasks(self) -> dict[str, str]:
        """What is transcribed, by workload, whatever the options: its files, by their content."""
        workloads = self.transcriptions["arm"].map(self.arms.set_index("arm")["workload"])
        files = self.transcriptions.groupby(workloads, sort=True)["audio_sha256"]
        return {str(workload): " ".join(sorted(set(own))) for workload, own in files}

    def _told(self, column: str) -> pd.api.typing.SeriesGroupBy:
        """A column of the transcriptions where it is known, grouped by arm."""
        told = self.transcriptions[self.transcriptions[column].notna()]
        return told.groupby("arm")[column]

    def ordinary(self) -> pd.DataFrame:
        """Arms that answer questions 1 to 8: no A/A replicas, planted slow-downs or batches."""
        return self.arms[self.arms["ordinary"]]

    def unaltered(self) -> pd.DataFrame:
        """Arms without A/A replicas and planted slow-downs."""
        return self.arms[self.arms["unaltered"]]

    def times(self, arm: str) -> pd.DataFrame:
        """The rows of `rounds` of an arm, by round."""
        table, known = self.rounds, self._times
        if not known and not table.empty:
            for name, group in table.groupby(level="arm"):
                known[name] = group.droplevel("arm")
        if arm not in known:
            return pd.DataFrame(columns=table.columns, index=pd.Index([], name="round"))
        return known[arm]

    def compare(self, arm_a: str, arm_b: str, in_rounds: bool = False) -> Pair:
        """Makespans of two arms: by their matches where these can tell, else by common rounds.

        `in_rounds` asks for the rounds alone, which what is to be decided is chosen by.
        """
        key = (arm_a, arm_b, in_rounds)
        if key not in self._pairs:
            met = None if in_rounds else self._compare_matches(arm_a, arm_b)
            self._pairs[key] = met or self._compare_rounds(arm_a, arm_b)
        self.asked.append(self._pairs[key])
        return self._pairs[key]

    def _compare_matches(self, arm_a: str, arm_b: str) -> Pair | None:
        result = self.matches.compare(arm_a, arm_b)
        met = self.matches.blocks(arm_a, arm_b)
        if result is None or met is None:
            return None
        a, b = self.matches.per_match(met.a), self.matches.per_match(met.b)
        return Pair(arm_a, arm_b, result, len(met.disturbed), a, b)

    def _compare_rounds(self, arm_a: str, arm_b: str) -> Pair:
        a, b = self.times(arm_a), self.times(arm_b)
        both = a.index.intersection(b.index).sort_values()
        a, b = a.loc[both], b.loc[both]
        usable = a["makespan_s"].notna() & b["makespan_s"].notna()
        a, b = a[usable.to_numpy()], b[usable.to_numpy()]
        distance = [abs(self.begun[arm_a, n] - self.begun[arm_b, n]) for n in a.index]
        apart = np.array(distance, float) > self.allowed.reindex(a.index).to_numpy(float)
        unlike = np.array(
            [self.measured_on[arm_a, n] != self.measured_on[arm_b, n] for n in a.index]
        )
        together = ~apart & ~unlike.astype(bool)
        a, b = a[together], b[together]
        plans = [self.planned[arm, n] for arm in (arm_a, arm_b) for n in a.index]
        last = int(a.index.max()) if len(a) else 0
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
        counts = int(apart.sum()), untimed, int((unlike.astype(bool) & ~apart).sum())
        return Pair(arm_a, arm_b, result, int(disturbed), a, b, *counts)

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

    def compare_meter(self, pair: Pair, meter: str) -> statistics.Comparison:
        """A meter in the rounds of a pair, in the same way (censored rounds left out).

        Of a pair that matches decide as well: only makespans are planned and paid for in matches.
        """
        if pair.by_matches:
            pair = self.compare(pair.arm_a, pair.arm_b, in_rounds=True)
        known = (
            pair.a[meter].gt(0).to_numpy(bool)
            & pair.b[meter].gt(0).to_numpy(bool)
            & ~pair.a["censored"].to_numpy(bool)
            & ~pair.b["censored"].to_numpy(bool)
        )
        return statistics.compare(
            pair.a[meter].to_numpy(float)[known],
            pair.b[meter].to_numpy(float)[known],
            self.margin,
            self.confidence,
            share=pair.result.share,
        )


def by_group(results: Results, label: str) -> list[Machine]:
    """A machine's tables, once for each group of equal work, the study's main one first."""
    runs = results.runs[results.runs["machine"] == label]
    return [Machine(results, label, group) for group in groups_of(runs)]


def alike(arms: pd.DataFrame, arm: Any, keys: Iterable[str]) -> pd.DataFrame:
    """Those of some arms that have the same values as an arm in these columns."""
    for key in keys:
        arms = arms[arms[key] == arm[key]]
    return arms


@dataclass(frozen=True)
class Pair:
    """Two arms and their comparison; `a`, `b` are the matched rows of `Machine.rounds`.

    Of pairs that matches decide, rows per match. `disturbed`: rounds or matches that rest on
    disturbed passes. `apart`: rounds left out since the two sides were measured apart
    (`together`); `untimed`: rounds of records that do not tell when; `unlike`: rounds left out
    since the two sides were measured on unlike machines (`Machine.measured_on`).
    """

    arm_a: str
    arm_b: str
    result: statistics.Comparison
    disturbed: int
    a: pd.DataFrame
    b: pd.DataFrame
    apart: int = 0
    untimed: int = 0
    unlike: int = 0

    @property
    def by_matches(self) -> bool:
        """Whether it was measured in matches."""
        return self.result.by_matches

    @property
    def testable(self) -> bool:
        """Whether there are rounds enough to tell a difference from noise."""
        return self.result.rounds >= 2

    @property
    def configurations(self) -> tuple[str, str]:
        """The ids of both configurations, without the workload."""
        return self.arm_a.split("|")[0], self.arm_b.split("|")[0]
