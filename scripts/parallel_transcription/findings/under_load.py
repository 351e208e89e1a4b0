"""Questions that compare what configurations get under the same load: who serves sooner.

What is compared is the p95 of the latency, round by round or match by match: all arms of a round,
and all sides of a block, get the same requests at the same moments, so the pairs carry less noise
than either side. Margin: the study's `latency_margin`. Passes beyond what a configuration carries
count as later than the limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import CONDITIONS, settings_of
from parallel_transcription.findings.machine import Machine, alike
from parallel_transcription.findings.one_against_others import verdict_of
from parallel_transcription.findings.question import (
    Answer,
    Case,
    Judged,
    PairedQuestion,
    Question,
)
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.finding import Column, Finding, Row, Verdict
from parallel_transcription.statistics import Comparison
from parallel_transcription.study.study import grid_of

NUMBER = 10  # the chapter
#: What must be equal beside the conditions: the requests are part of the workload.
SAME = [*CONDITIONS, "device_index", "cpu_threads", "batch_size"]
TO_MEASURE = (
    "requests that arrive by a schedule, for instance arrivals: poisson, rate: 70%, requests: 60, "
    "in at least 4 rounds (config/load.yaml)."
)


def timed_arms(loads: Machine) -> pd.DataFrame:
    """Arms to which requests come on their own, without A/A replicas and planted slow-downs."""
    arms = loads.unaltered()
    return arms[arms["arrivals"] != "closed"]


def open_arms(loads: Machine) -> pd.DataFrame:
    """Those of them at rates that the study names: not those that its ladder came to."""
    arms = timed_arms(loads)
    if loads.study.get("ladder") is None:
        return arms
    return arms[arms["rate"].isin(named_rates(loads))]


def named_rates(loads: Machine) -> set[str]:
    """The rates that a study names, as it writes them: a ladder comes to others."""
    return {point.configuration.rate for point in grid_of(loads.study).values()}


def facts(arm: Any, loads: Machine) -> Row:
    """What a row of evidence says of an arm."""
    told = (
        "device", "strategy", "instances", "workers", "total_workers", "callers", "cpu_threads",
        "discipline", "service", "mix", "requests",
    )  # fmt: skip
    return settings_of(arm, *told) | {
        "arrivals": arm["arrivals"].split(":")[0],
        "rate": offered(arm, loads),
    }


def offered(arm: Any, loads: Machine) -> float | None:
    """Requests per second that came to an arm, or that were to come where no pass ended."""
    runs = loads.runs
    for own in (runs["arm"] == arm["arm"], runs["rate"] == arm["rate"]):
        told = runs.loc[own, "offered_rps"].dropna()
        if len(told):
            return float(told.median())
    said = pd.to_numeric(arm["rate"], errors="coerce")
    return float(said) if pd.notna(said) else None


def rate_column() -> Column:
    """Requests per second that came."""
    return show.digits("rate", "requests per s")


class LoadQuestion(Question):
    """A question to the runs under a load; not asked where there are none."""

    number = NUMBER
    to_measure: ClassVar[str] = TO_MEASURE

    @staticmethod
    def loads_of(machine: Machine) -> Machine | None:
        """The tables of the runs under a load, with what is known of the report's comparisons."""
        loads = machine.loads
        if loads is not None:
            loads.family, loads.more_s = machine.family, machine.more_s
        return loads

    def tables(self, machine: Machine) -> Machine:
        """The loads; all where there are none."""
        return self.loads_of(machine) or machine


class PairedLoadQuestion(LoadQuestion, PairedQuestion):
    """Pairs of configurations under the same load; ratio = p95 of A / p95 of B."""

    would_change = by_verdict(
        "A pair that says otherwise, at another rate or of another mix.",
        "All pairs shown to keep the claim, for example at another rate.",
        "More rounds of the pairs that are open, or more requests in each.",
    )
    sorted_by = ("model", "compute_type", "mix", "rate", "total_workers", "callers")
    sides: ClassVar[tuple[str, str]]

    def judge(self, machine: Machine) -> Finding | None:
        """As of any paired question, on the tables of the loads."""
        loads = self.loads_of(machine)
        return None if loads is None else super().judge(loads)

    def comparisons(self, machine: Machine) -> list[Comparison]:
        """Those of its pairs."""
        loads = self.loads_of(machine)
        return [] if loads is None else super().comparisons(loads)

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """The pair at the highest rate that both sides carry in most rounds."""
        loads = self.loads_of(machine)
        cases = self.cases(loads) if loads is not None else None
        carried = [
            case
            for case in (cases.tested if cases else [])
            if 2 * max(case.pair.result.censored_a, case.pair.result.censored_b)
            < case.pair.result.rounds
        ]
        best = max(carried, key=lambda case: case.row["rate"] or 0.0, default=None)
        return [(best.pair.arm_a, best.pair.arm_b)] if best else []

    def matched(self, ones: pd.DataFrame, others: pd.DataFrame, keys: list[str], loads: Machine
                ) -> list[Case]:  # fmt: skip
        """Each of `ones` against each of `others` that is equal in `keys`, if it can be tested."""
        cases = []
        for _, one in ones.sort_values("arm").iterrows():
            for _, other in alike(others, one, keys).sort_values("arm").iterrows():
                pair = loads.compare(one["arm"], other["arm"])
                if pair.testable:
                    cases.append(Case(pair, facts(one, loads)))
        return cases

    def in_short(self, judged: Judged) -> str:
        """How many pairs are equal, sooner, later and open."""
        margin = f"{100 * judged.machine.margin:g} %"
        beyond = [row for row in judged.rows if row["size"] == statistics.BEYOND]
        counts = {
            f"equal within ±{margin}": judged.count(statistics.WITHIN),
            f"{self.sides[0]} later": sum(row["ratio"] > 1 for row in beyond),
            f"{self.sides[0]} sooner": sum(row["ratio"] < 1 for row in beyond),
            "open": judged.count(statistics.OPEN),
        }
        parts = [f"{number} {word}" for word, number in counts.items() if number]
        return f"Of {words.plural(len(judged.results), 'pair')}: {', '.join(parts)}."

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """Counts of pairs, and the one furthest from equal."""
        row = furthest(judged)
        name = (
            f"p95 of {self.sides[0]} / {self.sides[1]}, {words.number(row['rate'])} requests per "
            f"s, {words.plural(int(row['total_workers']), 'worker')}"
        )
        text = (
            f"{starts()[verdict]} {self.in_short(judged)} Furthest from equal: the p95 of "
            f"{self.sides[0]} is {judged.estimate(row, f'times that of {self.sides[1]}')} at "
            f"{words.number(row['rate'])} requests per second."
        )
        return Answer(text, self.in_short(judged), judged.effect(row, name))


class EqualUnderLoad(PairedLoadQuestion):
    """Pairs that are claimed to be equal within the margin."""

    def verdict(self, judged: Judged) -> Verdict:
        """Equal within the margin in all pairs?"""
        return verdict_of(judged)


def furthest(judged: Judged) -> Row:
    """The row that is furthest from equal; of those beyond the margin, if there are any."""
    beyond = [row for row in judged.rows if row["size"] == statistics.BEYOND]

    def reach(row: Row) -> tuple[float, str]:
        ratio = row["ratio"]
        far = max(ratio, 1 / ratio) if ratio and ratio > 0 else 0.0
        return far, str(row["configuration_a"])

    return max(beyond or judged.rows, key=reach)


def columns_of_pairs(sides: tuple[str, str], *more: Column) -> tuple[Column, ...]:
    """The columns of pairs under the same load."""
    return (
        rate_column(),
        show.workers("total_workers"),
        *more,
        show.threads(),
        show.seconds("makespan_a_s", f"p95, {sides[0]} (s)"),
        show.seconds("makespan_b_s", f"p95, {sides[1]} (s)"),
        show.ratio(),
        show.p_equivalent(),
        show.rounds(),
        show.outcome(sides),
    )


def not_sooner(judged: Judged) -> Verdict:
    """Of the claim that A never is sooner by more than the margin."""
    beyond = [row for row in judged.rows if row["size"] == statistics.BEYOND]
    if any(row["ratio"] < 1 for row in beyond):
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE if judged.count(statistics.OPEN) else Verdict.CONFIRMED
