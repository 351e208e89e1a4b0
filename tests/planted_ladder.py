"""Ladders climbed on queues of known truth: the product's planner, and rounds that it asks for.

Nothing here was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from parallel_transcription.findings.climb import DONE, Climber, Run, Rung, Stop, plan, shares
from parallel_transcription.findings.climbing import expectation
from parallel_transcription.findings.objectives import (
    MEETS,
    MISSES,
    Kept,
    Objective,
    judged,
    kept,
    ladder,
    standing,
)
from parallel_transcription.study.ladders import MOST_ROUNDS
from queues import table_of, true_percentile

WORKERS, LEVEL = 2, 0.05
SHOWN = {MEETS: "met", MISSES: "missed"}


@dataclass
class Planted:
    """A configuration that serves requests as a queue of ideal workers does, in one study.

    `begun` are its rates in the order in which they were first measured, each with its rounds;
    `spread` is the standard deviation of the log of a process's own speed.
    """

    name: str
    service: list[float]
    objective: Objective
    requests: int
    study: int
    begun: dict[float, int]
    first: int = 1  # of `begun`, how many rates the study itself names
    made: int = 0
    spread: float = 0.0

    def kept(self, rate: float, rounds: int) -> Kept:
        """How so many rounds at a rate stand to the objective."""
        whole = self._whole(rate)[1]
        return judged(self.objective, whole.lateness[:rounds], True, 0.95, in_looks=True)

    def _whole(self, rate: float) -> tuple[pd.DataFrame, Kept]:
        """All rounds at a rate that there may be, and how they stand."""
        return _whole(tuple(self.service), self.objective, self.requests, self.study, self.spread,
                      rate)  # fmt: skip

    def expected(self, rate: float) -> Callable[[float], float]:
        """What is expected by the first rounds at a rate."""
        table, _ = self._whole(rate)
        few = min(5, self.begun[rate])
        return expectation(table[table["round"] <= few], [self.kept(rate, few)], rate, WORKERS)

    def climber(self) -> Climber:
        """As the planner sees it."""
        return _climber(self, lambda rate: 1.25 * self.requests / rate)


def _climber(one: Planted | Drawn, took: Callable[[float], float]) -> Climber:
    rates = sorted(one.begun)
    order = {rate: max(0, k - one.first + 1) for k, rate in enumerate(one.begun)}
    of_rates = shares(order)
    told = [
        standing([one.kept(r, one.begun[r])], *(LEVEL * share for share in of_rates[r]))
        for r in rates
    ]
    met, missed = ladder(told)
    rungs = tuple(
        Rung(
            rate,
            SHOWN.get(told[k], "open"),
            "met" if k < met else "missed" if k >= missed else "open",
            one.begun[rate],
        )
        for k, rate in enumerate(rates)
    )
    known = max(rates, key=lambda rate: (one.begun[rate], rate))
    return Climber(
        id=one.name,
        kind="load",
        rungs=rungs,
        expected=one.expected(known),
        took=took,
        last=dict(one.begun),
        made=one.made,
    )


@lru_cache(maxsize=32)
def _whole(
    service: tuple[float, ...],
    objective: Objective,
    requests: int,
    study: int,
    spread: float,
    rate: float,
) -> tuple[pd.DataFrame, Kept]:
    table = table_of(list(service), rate, WORKERS, requests, MOST_ROUNDS, study, spread)
    return table, kept(table, objective, 0.95, rate, WORKERS)


def true_p95(service: list[float], rate: float, spread: float) -> float:
    """The p95 of a queue that has run for very long: the geometric mean over its processes (s)."""
    if not spread:
        return true_percentile(service, rate, WORKERS, 95)
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    logs = []
    for node in nodes:  # a process that is slower by f is a queue at a rate that is higher by it
        f = float(np.exp(spread * node))
        logs.append(np.log(f * true_percentile(service, rate * f, WORKERS, 95)))
    return float(np.exp(np.average(logs, weights=weights)))


class Drawn:
    """A configuration whose lateness in a round is drawn: what it truly is at the rate, and noise.

    `true` gives the first by rate; the logarithm of the second has mean 0 and standard deviation
    `spread`, normal or, where `skewed`, with a long tail of late rounds.
    """

    def __init__(self, true: Callable[[float], float], spread: float, study: int, begun: float,
                 skewed: bool = False):  # fmt: skip
        self.name, self.true, self.spread, self.skewed = "a", true, spread, skewed
        self.study, self.begun, self.made, self.first = study, {begun: 1}, 0, 1
        self._told: dict[tuple[float, int], Kept] = {}

    def kept(self, rate: float, rounds: int) -> Kept:
        """How so many rounds at a rate stand to the objective."""
        if (rate, rounds) not in self._told:
            chance = np.random.default_rng([self.study, round(1000 * rate)])
            noise = chance.gamma(2, 2**-0.5, MOST_ROUNDS) - 2**0.5
            if not self.skewed:
                noise = chance.normal(0, 1, MOST_ROUNDS)
            values = self.true(rate) * np.exp(self.spread * noise[:rounds])
            self._told[rate, rounds] = judged(Objective(95, 1, 0), values, True, 0.95, True)
        return self._told[rate, rounds]

    def expected(self, rate: float) -> Callable[[float], float]:
        """What is expected by the rounds at a rate."""
        off = self.kept(rate, self.begun[rate]).estimate / self.true(rate)
        return lambda at: off * self.true(at)

    def climber(self) -> Climber:
        """As the planner sees it."""
        return _climber(self, lambda rate: 10.0)


def climb(planted: Sequence[Planted | Drawn], left_s: float = 1e9) -> tuple[Stop, list[Run]]:
    """Climb until nothing is left; returns why it stopped, and the runs."""
    runs: list[Run] = []
    by_name = {one.name: one for one in planted}
    while True:
        climbers = [one.climber() for one in planted]
        planned = plan(climbers, left_s)
        if isinstance(planned, Stop):
            return planned, runs
        runs.append(planned)
        one = by_name[planned.id]
        left_s -= one.climber().took(planned.rate)
        one.begun[planned.rate] = planned.round
        one.made += 1


__all__ = ["DONE", "Planted", "climb"]
