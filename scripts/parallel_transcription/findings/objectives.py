"""Objectives of a service, held against what requests got, round by round.

An objective says how late so many percent of the requests may be at most: a number of seconds, a
share of the length of their audio, or the larger of both. `lateness` of a request is its latency
over what it is allowed; a round keeps an objective if that percentile of lateness is 1 or less.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from parallel_transcription import statistics, words
from parallel_transcription.findings.long_run import lateness
from parallel_transcription.findings.machine import Machine
from parallel_transcription.statistics.sequential import looks_at, spending_p
from parallel_transcription.study.loads import CARRIES

#: What rounds spread by at least (log): the simulated percentile is no surer.
LEAST_SPREAD = 0.03
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

    `lateness`: of each round in the long run (`long_run`), shape (n,), infinite where it was
    saturated, a run of it died, or nothing would settle. `estimate`, `low`, `high`: its geometric
    mean with the interval at the study's confidence; nan where a round is infinite.
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
    """The requests of the rounds that count, a row each, whether they are counted or not.

    Columns `arm`, `round`, `run`, `repeat`, `counted`, `latency` (s, infinite where given up),
    `saturated` (of its pass), and those of the table of timings.
    """
    runs = loads.runs[loads.runs["counts"] & loads.runs["status"].isin(("ok", "saturated"))]
    passes = runs[["run", "repeat", "arm", "status"]]
    told = loads.timings[loads.timings["arrivals"] != "at_once"]
    found = told.drop(columns="status").merge(passes, on=["run", "repeat"])
    latency = found["seconds"].where(found["seconds"].notna(), math.inf)
    workers = loads.arms.set_index("arm")["total_workers"]
    seen = found["service"] != ""
    found.loc[seen, "service_s"] = _service_s(found[seen], workers)
    return found.assign(latency=latency, saturated=found["status"] == "saturated")


def _service_s(requests: pd.DataFrame, workers: pd.Series) -> pd.Series:
    """Seconds that a service took for requests, as far as they can be told from outside.

    It does not say when it began with one. A request that found fewer in the system than workers
    was served at once, so its latency is that time; of others it is not known.
    """
    known = pd.Series(math.nan, index=requests.index)
    for (_, _, arm), own in requests.groupby(["run", "repeat", "arm"], sort=False):
        came = own["submitted_s"].to_numpy(float)
        gone = np.sort((own["submitted_s"] + own["seconds"].fillna(math.inf)).to_numpy(float))
        before = np.searchsorted(np.sort(came), came, "left")
        inside = before - np.searchsorted(gone, came, "right")
        alone = own.index[inside < workers[arm]]
        known.loc[alone] = own.loc[alone, "seconds"]
    return known


def kept(
    own: pd.DataFrame,
    objective: Objective,
    confidence: float,
    rate: float,
    servers: int | None,
    in_looks: bool = False,
    lost: Collection[int] = (),
) -> Kept:
    """How the rounds of an arm stand to an objective, in the long run.

    Shown by one-sided t tests on the logarithm of the lateness; what is infinite misses. The
    p-values are of each test alone; `in_looks` of all looks at the rounds so far, as they were
    added one by one (`statistics.sequential`).

    Args:
        own: The arm's requests, as from `requests_of`.
        objective: What is asked.
        confidence: Of the interval.
        rate: Requests per second.
        servers: How many requests are served at once; None where that is not known, and so
            nothing of the long run.
        in_looks: Whether rounds were added until there was an answer.
        lost: Rounds in which a run died: their requests are infinitely late.
    """
    allowed = objective.allowed(own["audio_seconds"])
    everything = own.assign(allowed=allowed)

    def late(one: pd.DataFrame) -> float:
        if one["saturated"].any():
            return math.inf
        if servers is None:
            return math.nan
        return lateness(one, allowed[one.index], objective.percent, rate, servers, everything)

    of_rounds = {int(str(number)): late(one) for number, one in own.groupby("round")}
    of_rounds |= dict.fromkeys(lost, math.inf)
    values = np.array([of_rounds[number] for number in sorted(of_rounds)])
    counted = own[own["counted"]].groupby("round").size()
    carried = counted.empty or bool(counted.min() >= CARRIES[objective.percent])
    return judged(objective, values, carried, confidence, in_looks)


def judged(
    objective: Objective, values: np.ndarray, carried: bool, confidence: float, in_looks: bool
) -> Kept:
    """How some lateness in rounds, oldest first, stands to an objective; see `kept`."""
    estimate = low = high = math.nan
    if np.isfinite(values).all():
        middle, error = _mean_and_error(values)
        half = float(scipy.stats.t.ppf(0.5 + confidence / 2, max(1, len(values) - 1))) * error
        estimate, low, high = (math.exp(one) for one in (middle, middle - half, middle + half))
    p_meets = p_misses = math.nan
    if carried:
        p_meets, p_misses = _in_looks(values) if in_looks else _tests(values)
    return Kept(objective, values, carried, estimate, low, high, p_meets, p_misses)


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    """Mean logarithm of some lateness, and its standard error; nan of a single round's."""
    logs = np.log(values)
    spread = math.hypot(logs.std(ddof=1), LEAST_SPREAD) if len(logs) > 1 else math.nan
    return float(logs.mean()), spread / math.sqrt(len(logs))


def _tests(values: np.ndarray, skewed: bool = False) -> tuple[float, float]:
    """One-sided p-values of lateness, in rounds: (all is kept, it is not); nan where none tells.

    Where some rounds are infinite nothing is kept, and for the other test they count as the largest
    of the others; where most are, each by a test of its own, nothing more is asked. `skewed` spends
    power on rounds that are skewed (`_less_skewed`).
    """
    if len(values) < statistics.LEAST_ROUNDS or np.isnan(values).any():
        return math.nan, math.nan
    finite = values[np.isfinite(values)]
    if 2 * len(finite) < len(values):
        return 1.0, 0.0
    values = np.minimum(values, finite.max())
    middle, error = _mean_and_error(values)
    below, above = middle / error, -middle / error
    if skewed:
        below = _less_skewed(below, np.log(values))
        above = _less_skewed(above, -np.log(values))
    p_meets, p_misses = (float(scipy.stats.t.cdf(one, len(values) - 1)) for one in (below, above))
    return (p_meets if len(finite) == len(values) else 1.0), p_misses


def _less_skewed(t: float, values: np.ndarray) -> float:
    """A t value whose lower tail errs no more where values have a tail above: Hall's (1992).

    A few rounds that are late by much are often not among the first ones, and their mean then looks
    low and sure. Skewness the other way round changes nothing.
    """
    n, off = len(values), values - values.mean()
    spread = math.sqrt(float(np.mean(off**2)))
    if spread == 0 or n < 3:
        return t
    skewness = float(np.mean(off**3)) / spread**3 * math.sqrt(n * (n - 1)) / (n - 2)
    g = max(0.0, skewness)
    return t + g * t**2 / (3 * math.sqrt(n)) + g**2 * t**3 / (27 * n) + g / (6 * math.sqrt(n))


def _in_looks(values: np.ndarray) -> tuple[float, float]:
    """Repeated p-values: the smallest levels to spend at which some look so far shows it."""
    meets = misses = 1.0
    for look in looks_at(len(values)):
        p_meets, p_misses = _tests(values[:look], skewed=True)
        if not math.isnan(p_meets):
            meets = min(meets, spending_p(look, p_meets))
            misses = min(misses, spending_p(look, p_misses))
    return meets, misses


def standing(of: list[Kept], alpha: float, alpha_misses: float | None = None) -> str:
    """Whether all objectives are kept: all shown to be, or one shown not to be.

    "All" is an intersection-union test, which needs no correction; "one" is Bonferroni's.

    Args:
        of: How each objective stands.
        alpha: The level.
        alpha_misses: That of "one is not kept", if another.
    """
    alpha_misses = alpha if alpha_misses is None else alpha_misses
    if not of or not all(one.carried for one in of):
        return UNDECIDED
    if all(one.p_meets <= alpha for one in of):
        return MEETS
    if any(one.p_misses <= alpha_misses / len(of) for one in of):
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
