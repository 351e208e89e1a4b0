"""A machine's ladder, from its results: who climbs, what its rounds show, what comes next.

Everything follows from the study and the records, so the campaign that measures, the largest load
as a finding and the page that tells of it see the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import pandas as pd

from parallel_transcription.findings.bands import Band, bands_of
from parallel_transcription.findings.climb import Climber, Run, Rung, Stop, plan
from parallel_transcription.findings.long_run import queue_of
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.objectives import Kept, objectives
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.results.read import Results
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.dimensions import NAMES
from parallel_transcription.study.ladders import MINUTES, MOST_ROUNDS, at_any_rate, climbs
from parallel_transcription.study.loads import ALIKE
from parallel_transcription.study.study import grid_of

BEGINS_S = 10.0  # of a run beyond its requests, where none was made yet
EXPECTED_REQUESTS = 1.25  # that come in a pass, for each that counts


class Climbing:
    """The ladder of a machine.

    Args:
        results: Runs and study.
        label: The machine.
    """

    def __init__(self, results: Results, label: str):
        self._study, self._grid = results.study, grid_of(results.study)
        self._loads = Machine(results, label).loads
        self._asked = objectives(results.study["slo"])

    @property
    def budget_s(self) -> float:
        """Seconds that it may take."""
        return 60 * float((self._study.get("ladder") or {}).get("minutes", MINUTES))

    @cached_property
    def _bands(self) -> dict[str, Band]:
        """What each configuration that climbs carries, as the findings see it."""
        if self._loads is None:
            return {}
        bands = [(self._configuration(one), one) for one in bands_of(self._loads, self._asked)]
        return {identify(alike): band for alike, band in bands if climbs(alike)}

    def _configuration(self, band: Band) -> Configuration:
        """What a band is of, without its rate: of the study, since tables hide home folders."""
        named = (self._grid[one] for one in band.configurations if one in self._grid)
        row: Mapping[str, Any] = band.arm
        point = next(named, None)
        told = point.configuration if point else complete({name: row[name] for name in NAMES})
        return at_any_rate(told)

    @property
    def configurations(self) -> dict[str, Configuration]:
        """Those that climb, by id, without a rate."""
        return {name: self._configuration(band) for name, band in self._bands.items()}

    def band(self, name: str) -> Band:
        """What one of them carries."""
        return self._bands[name]

    def own_runs(self, name: str) -> pd.DataFrame:
        """The runs that the ladder has made of one of them."""
        runs = self._runs_of(self._bands[name])
        return runs[runs["own"].astype(bool)]

    @cached_property
    def _runs(self) -> pd.DataFrame:
        """A row for each run under a load: `configuration`, `round`, `rate`, `run_s`, `own`."""
        if self._loads is None:
            return pd.DataFrame(columns=["configuration", "round", "rate", "run_s", "own"])
        runs = self._loads.runs.groupby("run", sort=True).first()
        named = pd.to_numeric(runs["rate"], errors="coerce")  # not those in percent
        # what a ladder made is above the rounds that were planned then, or on a rung
        planned = runs["planned_rounds"].astype(float)
        ids = runs["configuration"]
        older = [self._grid[one].rounds if one in self._grid else 0 for one in ids]
        planned = planned.where(planned.notna(), older)
        on_a_rung = ~ids.isin(list(self._grid)) & (planned == MOST_ROUNDS)
        own = (runs["round"] > planned) | on_a_rung
        return runs.assign(rate=runs["offered_rps"].astype(float).fillna(named), own=own)

    @property
    def made(self) -> int:
        """Runs that the ladder has made."""
        return int(self._runs["own"].sum())

    @property
    def spent_s(self) -> float:
        """Seconds that they took."""
        return float(self._runs.loc[self._runs["own"].astype(bool), "run_s"].sum())

    def _runs_of(self, band: Band) -> pd.DataFrame:
        return self._runs[self._runs["configuration"].isin(band.configurations)]

    def next(self) -> Run | Stop:
        """The next run, or why there is none."""
        return plan(
            [self._climber(*one) for one in self._bands.items()], self.budget_s - self.spent_s
        )

    def _climber(self, name: str, band: Band) -> Climber:
        configuration, runs = self._configuration(band), self._runs_of(band)
        rounds = runs.groupby("rate")["round"]
        rungs = tuple(
            Rung(
                rate=float(row["rate"]),
                shown=row["shown"],
                state="missed" if row["standing"] == "saturated" else row["standing"],
                rounds=int(row["rounds"]),
            )
            for row in band.rows
        )
        return Climber(
            id=name,
            kind=tuple(getattr(configuration, name) for name in ("arrivals", *ALIKE)),
            rungs=rungs,
            expected=_expected(band),
            took=_took(runs, configuration.requests),
            last={float(rate): int(last) for rate, last in rounds.max().items()},
            made=int(runs["own"].sum()),
            lost=int(rounds.nunique().sum()) - sum(rung.rounds for rung in rungs),
        )


def expectation(
    requests: pd.DataFrame, known: Sequence[Kept], rate: float, servers: int | None
) -> Callable[[float], float]:
    """The lateness (1 is allowed) at any rate: a queue's, times what it was off where measured.

    Args:
        requests: Those of the rounds at a rate.
        known: How they stand to each objective.
        rate: Theirs.
        servers: How many requests are served at once; None where some wait inside the engine.
    """
    queues = []
    for kept in known:
        own = requests.assign(allowed=kept.objective.allowed(requests["audio_seconds"]))
        if own["service_s"].isna().all() or servers is None:
            return lambda _: math.inf
        queue = queue_of(own, rate, servers, own)
        if not queue.is_known:
            return lambda _: math.inf
        modelled = queue.lateness(kept.objective.percent)
        comparable = math.isfinite(kept.estimate) and math.isfinite(modelled)
        off = kept.estimate / modelled if comparable else 1.0
        queues.append((queue, kept.objective.percent, off))

    def expected(at: float) -> float:
        return max(
            off * replace(queue, rate=at).lateness(percent) for queue, percent, off in queues
        )

    return expected


def _expected(band: Band) -> Callable[[float], float]:
    """What is expected of a configuration: by the rate that most is known of, else the lowest."""
    known = [k for k, of in enumerate(band.kept) if all(math.isfinite(one.estimate) for one in of)]
    at = max(known, key=lambda k: (band.rows[k]["rounds"], k), default=0)
    rate = float(band.rows[at]["rate"])
    return expectation(band.requests[at], band.kept[at], rate, band.servers)


def _took(runs: pd.DataFrame, requests: int) -> Callable[[float], float]:
    """Seconds of a run at a rate: what its requests take to come, and the median of the rest."""
    rest = (runs["run_s"] - EXPECTED_REQUESTS * requests / runs["rate"]).dropna()
    more = max(0.0, float(rest.median())) if len(rest) else BEGINS_S
    return lambda rate: EXPECTED_REQUESTS * requests / rate + more
