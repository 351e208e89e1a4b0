"""Objectives of a service, held against what requests got, round by round.

An objective says how late so many percent of the requests may be at most: a number of seconds, a
share of the length of their audio, or the larger of both. `lateness` of a request is its latency
over what it is allowed; a round keeps an objective if that percentile of lateness is 1 or less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.latency import CARRIES, percentile

MEETS, MISSES, UNDECIDED = "meets", "misses", "undecided"


@dataclass(frozen=True)
class Objective:
    """So many percent of the requests must be there in `seconds`, or `of_length` of their audio."""

    percent: int
    seconds: float
    of_length: float

    def allowed(self, audio_seconds: pd.Series) -> pd.Series:
        """Seconds that requests of these lengths (s) may take."""
        return (self.of_length * audio_seconds).clip(lower=self.seconds)

    def __str__(self) -> str:
        length = f"{words.as_written(self.of_length)} {words.TIMES} the length"
        if not self.of_length:
            allowed = f"{words.as_written(self.seconds)} s"
        elif not self.seconds:
            allowed = length
        else:
            allowed = f"{words.as_written(self.seconds)} s or {length}"
        return f"p{self.percent} ≤ {allowed}"


def objectives(slo: Mapping[str, Any]) -> list[Objective]:
    """The objectives of a study's `slo`, by their percentile."""
    found = []
    for name, said in slo.items():
        told = said if isinstance(said, Mapping) else {"seconds": said}
        found.append(
            Objective(int(name[1:]), float(told.get("seconds", 0)), float(told.get("of_length", 0)))
        )
    return sorted(found, key=lambda one: one.percent)


@dataclass(frozen=True)
class Kept:
    """How rounds of an arm stand to an objective.

    `lateness`: of each round, shape (n,), infinite where it was saturated or a request was given
    up at that percentile. `estimate`, `low`, `high`: its geometric mean with the interval at
    the study's confidence; nan where a round is infinite.
    """

    objective: Objective
    lateness: np.ndarray
    carried: bool
    estimate: float
    low: float
    high: float
    p_meets: float
    p_misses: float


def requests_of(loads: Machine) -> pd.DataFrame:
    """The counted requests of the rounds that count, a row each.

    Columns `arm`, `round`, `run`, `repeat`, `latency` (s, infinite where given up), `saturated` (of
    its pass), and those of the table of timings.
    """
    runs = loads.runs[loads.runs["counts"] & loads.runs["status"].isin(("ok", "saturated"))]
    passes = runs[["run", "repeat", "arm", "status"]]
    told = loads.timings[loads.timings["counted"] & (loads.timings["arrivals"] != "at_once")]
    found = told.drop(columns="status").merge(passes, on=["run", "repeat"])
    latency = found["seconds"].where(found["seconds"].notna(), math.inf)
    return found.assign(latency=latency, saturated=found["status"] == "saturated")


def kept(requests: pd.DataFrame, arm: str, objective: Objective, confidence: float) -> Kept | None:
    """How the rounds of an arm stand to an objective; None without any.

    Shown by one-sided t tests on the logarithm of the lateness; what is infinite misses. The
    p-values are of each test alone.

    Args:
        requests: As from `requests_of`.
        arm: Whose.
        objective: What is asked.
        confidence: Of the interval.
    """
    own = requests[requests["arm"] == arm]
    if own.empty:
        return None
    late = own["latency"] / objective.allowed(own["audio_seconds"])
    rounds = late.groupby(own["round"])
    saturated = own.groupby("round")["saturated"].any()
    values = np.array([
        math.inf if saturated[number] else percentile(group, objective.percent)
        for number, group in rounds
    ])  # fmt: skip
    carried = bool(rounds.size().min() >= CARRIES[objective.percent])
    finite = values[np.isfinite(values)]
    p_meets = p_misses = math.nan
    estimate = low = high = math.nan
    if len(finite) == len(values):
        estimate, low, high = statistics.geometric_interval(values, confidence)
        if len(values) >= statistics.LEAST_ROUNDS:
            p_misses, p_meets = statistics.one_sided(np.log(values), 0.0)
    elif len(values) >= statistics.LEAST_ROUNDS and 2 * len(finite) < len(values):
        p_misses, p_meets = 0.0, 1.0  # most rounds were saturated, each by a test of its own
    return Kept(objective, values, carried, estimate, low, high, p_meets, p_misses)


def standing(of: list[Kept], alpha: float) -> str:
    """Whether all objectives are kept: all shown to be, or one shown not to be.

    "All" is an intersection-union test, which needs no correction; "one" is Bonferroni's.
    """
    if not of or not all(one.carried for one in of):
        return UNDECIDED
    if all(one.p_meets <= alpha for one in of):
        return MEETS
    if any(one.p_misses <= alpha / len(of) for one in of):
        return MISSES
    return UNDECIDED


def ladder(standings: list[str]) -> tuple[int, int]:
    """What is shown of rising rates: (how many from below are met, where from above misses begin).

    A rate counts as met only if all below it are, and as missed only if all above it are: tests in
    a fixed sequence, each at the full level (Maurer, Hothorn and Lehmacher 1995).

    Args:
        standings: Of each rate, the lowest first.
    """
    met = next((k for k, one in enumerate(standings) if one != MEETS), len(standings))
    from_above = next(
        (k for k, one in enumerate(reversed(standings)) if one != MISSES), len(standings)
    )
    return met, len(standings) - from_above
