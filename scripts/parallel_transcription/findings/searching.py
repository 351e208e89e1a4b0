"""A machine's search, from its results: the space, what was measured, where it stands.

Everything follows from the study and the records, so the campaign that measures, the choice of
settings and the page that tells of it see the same.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd

from parallel_transcription.findings import candidates as merits
from parallel_transcription.findings.laws import LAWS, chances
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.search import Heat, Known, Measured, Search, State, Stop
from parallel_transcription.findings.space import Point
from parallel_transcription.findings.texts import not_as_good
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.results.finding import Row
from parallel_transcription.results.read import Results
from parallel_transcription.study.configuration import complete
from parallel_transcription.study.dimensions import NAMES
from parallel_transcription.study.grid import GridPoint
from parallel_transcription.study.runs import FIRST_HEAT
from parallel_transcription.study.searching import (
    GAIN,
    SHARE,
    is_searched,
    objective_of,
    searched,
    work_of,
)
from parallel_transcription.study.settings import P95
from parallel_transcription.study.study import grid_of

#: Passes of a side in a heat: at most, and in the first one; and what a process takes to begin (s).
MOST_BLOCKS, FIRST_BLOCKS, BEGIN_S = 4, 2, 0.5
MOST_REQUESTS = 200  # of a load, that the rule of thumb looks at
#: Points of other machines, and what was measured of them.
Elsewhere = tuple[list[Point], list[Measured]]
#: What a figure of a candidate is held against.
LIMITED = {"max_memory_mb": "rss_peak_mb", "max_gpu_memory_mb": "gpu_memory_mb",
           "max_cores": "cores_used", "max_file_s": "slowest_file_s"}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A heat as it was: its number, its sides and what for, and how the search stood after it.

    Rounds of the grid that were there before count from 1 as well; heats go on from them.
    """

    number: int
    sides: tuple[tuple[str, str], ...]  # id, why
    seconds: float
    best: str
    gain: float  # of the certificate after it (log)
    spent_s: float


class Searching:
    """The search of a machine.

    Args:
        results: Runs and study; matches in it do not matter.
        label: The machine.
        cpus: That it may use, where no run tells yet.
        elsewhere: What other machines have measured (`elsewhere`); looked up in the results unless
            given.
    """

    def __init__(
        self,
        results: Results,
        label: str,
        cpus: float | None = None,
        elsewhere: Elsewhere | None = None,
    ):
        settings = results.study
        self._asked: Mapping[str, Any] = settings.get("search") or {}
        self.objective = objective_of(settings)
        self._machine = _machine(results, label, self.objective)
        self._space = space_of(settings)
        cpus = self._machine.cpus or cpus or 1.0
        seconds = _lengths(self._machine, self.objective)
        points = [_point(one, cpus, seconds) for one in self._space.values()]
        rounds = [one.rounds for one in self._space.values()]
        far = elsewhere_of(results, label, self.objective) if elsewhere is None else elsewhere
        gain = float(self._asked.get("gain", GAIN))
        self.search = Search(points, gain, rounds, *far)
        self.measured = measured(self._machine, self._space, self.objective)
        self._known = known(self._machine, points)

    @property
    def state(self) -> State:
        """How it stands now."""
        return self.search.at(self.measured, self._known)

    def budget_s(self, state: State) -> float:
        """Seconds that it may take: as the study says, or a tenth of the grid's."""
        minutes = self._asked.get("minutes")
        return 60 * float(minutes) if minutes else SHARE * state.grid_s

    def next(self) -> Heat | Stop:
        """The next heat, or why there is none."""
        state = self.state
        if not self.measured:
            return state.next(math.inf)
        return state.next(self.budget_s(state))

    @property
    def blocks(self) -> int:
        """Passes of each side in the next heat: about as long as it takes to begin."""
        runs = self._machine.runs[self._machine.runs["configuration"].isin(list(self._space))]
        begins = BEGIN_S + runs["load_s"].fillna(0) + runs["warmup_s"].fillna(0)
        ratio = float((begins / _window(runs)).median()) if len(runs) else math.nan
        first = 1 if self.objective == P95 else FIRST_BLOCKS  # requests come for long
        return max(1, min(MOST_BLOCKS, math.ceil(ratio))) if math.isfinite(ratio) else first

    def history(self) -> list[Step]:
        """The heats so far, each with how the search stood after it.

        What speaks for or against a side is as known today; the order of the heats is as it was.
        """
        found = []
        for number, in_round in enumerate(sorted({one.round for one in self.measured}), 1):
            before = [one for one in self.measured if one.round < in_round]
            own = [one for one in self.measured if one.round == in_round]
            state = self.search.at([*before, *own], self._known)
            certificates = [one for one in state.certificates() if one is not None]
            group = {p.id: p.group for p in self.search.space}
            of_group = [c for c in certificates if group[c.best] == group[own[0].id]]
            # seeds were chosen before lengths of files were known
            other = "seed" if not before and in_round >= FIRST_HEAT else "measured before"
            planned = self.search.at(before, self._known).next(math.inf)
            why = {s.id: s.why for s in planned.sides} if isinstance(planned, Heat) else {}
            found.append(
                Step(
                    number,
                    tuple((one.id, why.get(one.id, other)) for one in own),
                    sum(one.seconds for one in own),
                    of_group[0].best if of_group else "",
                    of_group[0].gain if of_group else math.nan,
                    state.spent_s,
                )
            )
        return found


def space_of(settings: Mapping[str, Any]) -> dict[str, GridPoint]:
    """The configurations that a study's search may choose from; none without a search."""
    if settings.get("search") is None or not settings.get("grid"):
        return {}
    points = grid_of(settings, str(settings.get("file", "")))  # rungs are a ladder's to measure
    return searched(settings, points.values())


#: Of machines that are still looked at: every question asks.
_FOUND: WeakKeyDictionary[Machine, Searching] = WeakKeyDictionary()


def search_of(machine: Machine) -> Searching | None:
    """A machine's search among files at once; None of none, or where nothing of it was measured.

    What a search under a load found is recommended as any setting under a load is.
    """
    if machine.study.get("search") is None or objective_of(machine.study) == P95:
        return None
    if machine not in _FOUND:
        _FOUND[machine] = Searching(machine.results, machine.label)
    found = _FOUND[machine]
    return found if found.measured else None


def _machine(results: Results, label: str, objective: str) -> Machine:
    """The tables of a machine that an objective is told by: of files at once, or of loads."""
    return Machine(results, label, loads=objective == P95)


def _window(runs: pd.DataFrame) -> pd.Series:
    """How long passes took (s): of a load the makespan's column holds the p95."""
    return runs["window_s"] if "window_s" in runs else runs["makespan_s"]


def measured(
    machine: Machine, space: Container[str], objective: str, by: str = "configuration"
) -> list[Measured]:
    """What was measured of a space: a value for each (configuration, round), oldest round first.

    Args:
        machine: Its tables, those of loads where the objective is `p95`.
        space: Ids of configurations.
        objective: What the value is of.
        by: The column that has the ids.
    """
    runs = machine.runs[[one in space for one in machine.runs[by]]]
    if runs.empty:
        return []
    begins = BEGIN_S + runs["load_s"].fillna(0) + runs["warmup_s"].fillna(0)
    passes = int(machine.study.get("repeats", 1)) * _window(runs)
    runs = runs.assign(grid_s=begins + passes, id=runs[by])
    took = runs.groupby(["arm", "round"])[["id", "run_s", "grid_s"]].first()
    rounds = machine.rounds
    slowest = _slowest(machine) if objective == "slowest_file" else None
    found = []
    for (arm, number), row in took.iterrows():
        value = math.nan
        if (arm, number) in rounds.index and not rounds.loc[(arm, number), "censored"]:
            own = rounds.loc[(arm, number)]
            cost = float(own["makespan_s"])
            if objective == "core_seconds":
                cost *= float(own["cores_used"])
            elif slowest is not None:
                cost = float(slowest.get((arm, number), math.nan))
            value = -math.log(cost) if cost > 0 else math.nan
        seconds, grid_s = float(row["run_s"]), float(row["grid_s"])
        found.append(Measured(row["id"], int(number), value, seconds, grid_s))
    return sorted(found, key=lambda one: (one.round, one.id))


def _slowest(machine: Machine) -> pd.Series:
    """The longest time of a file in each (arm, round), in passes that count (s)."""
    runs = machine.runs[machine.runs["counts"] & (machine.runs["status"] == "ok")]
    keys = ["run", "repeat"]
    timings = machine.timings.merge(runs[[*keys, "arm"]], on=keys)
    return timings.groupby(["arm", "round"])["seconds"].max()


def known(machine: Machine, points: Sequence[Point]) -> Known:
    """What failed or breaks a limit, and the chances of what was not measured to keep them."""
    rows = merits.candidates(machine)
    if not rows:
        return Known()
    works: dict[object, list[Row]] = {}
    for row in rows:
        works.setdefault(work_of(_configuration(row)), []).append(row)
    worse: dict[str, str] = {}
    for own in works.values():
        worse |= not_as_good(machine, own)
    beyond = _beyond(machine)
    out: dict[str, str] = {}
    figures: dict[str, dict[str, float]] = {name: {} for name in LAWS}
    for row in rows:
        name = str(row["configuration"])
        row["trouble"] = beyond.get(row["arm"], row["trouble"])
        reasons = [row["trouble"]] if row["trouble"] else merits.broken_limits(row, machine.limits)
        if not row["trouble"] and row["arm"] in worse:
            reasons = [*reasons, worse[row["arm"]]]
        if reasons:
            out[name] = "; ".join(reasons)
        for limit, field in LIMITED.items():
            figures[limit][name] = float(row[field])
    limits = {name: float(value) for name, value in machine.limits.items() if name in LAWS}
    chance: dict[str, float] = {}
    for group in {point.group for point in points}:
        chance |= chances([p for p in points if p.group == group], figures, limits)
    return Known(out, chance)


def _beyond(machine: Machine) -> dict[str, str]:
    """Arms that do not carry their load: in half of their rounds or more it was more than that."""
    late = machine.rounds["censored"].astype(bool)
    share = late.groupby(level="arm").mean()
    if "window_s" not in machine.runs:
        return {}
    return dict.fromkeys(share.index[share >= 0.5], "more than it carries")


def _point(one: GridPoint, cpus: float, seconds: Sequence[float]) -> Point:
    c = one.configuration
    count = min(c.requests or MOST_REQUESTS, MOST_REQUESTS) if c.under_load else c.files_in_parallel
    lengths = tuple(seconds[k % len(seconds)] for k in range(count))
    return Point(one.id, c, cpus, lengths, work_of(c))


def _lengths(machine: Machine, objective: str, workload: str | None = None) -> list[float]:
    """Lengths of the files in their order, of the run with most of them; equal ones of none (s)."""
    timings = machine.timings
    if workload is not None:
        runs = machine.runs.loc[machine.runs["workload"] == workload, "run"]
        timings = timings[timings["run"].isin(set(runs))]
    under_load = timings["arrivals"] != "at_once"
    own = timings[under_load == (objective == P95)]
    if own.empty:
        return [1.0]
    widest = own.groupby(["run", "repeat"]).size().idxmax()
    chosen = own[(own["run"] == widest[0]) & (own["repeat"] == widest[1])]
    return [float(one) for one in chosen.sort_values("counter")["audio_seconds"]] or [1.0]


def elsewhere_of(results: Results, label: str, objective: str) -> Elsewhere:
    """What other machines have measured of the same kinds of work, a value for each arm."""
    points: list[Point] = []
    there: list[Measured] = []
    for other in results.labels:
        if other == label:
            continue
        machine = _machine(results, other, objective)
        arms = machine.runs[machine.runs["ordinary"]].drop_duplicates("arm")
        lengths = {
            workload: _lengths(machine, objective, workload) for workload in set(arms["workload"])
        }
        of_arms: dict[str, list[Measured]] = {}
        for one in measured(machine, set(arms["arm"]), objective, by="arm"):
            if math.isfinite(one.value):
                of_arms.setdefault(one.id, []).append(one)
        for row in arms.to_dict("records"):
            configuration, workload = _configuration(row), str(row["workload"])
            values = of_arms.get(row["arm"], [])
            if not values or not is_searched(configuration, objective):
                continue
            name = f"{other}/{row['arm']}"
            grid_point = GridPoint(name, configuration, 1, 1)
            point = _point(grid_point, machine.cpus or 1.0, lengths[workload])
            # of other files nothing is known but what differs among them
            group = (other, workload, point.group)
            points.append(Point(name, configuration, point.cpus, point.seconds, group))
            mean = sum(m.value for m in values) / len(values)
            took = sum(m.seconds for m in values) / len(values)
            there.append(Measured(name, 0, mean, took))
    return points, there


def _configuration(row: Row) -> Configuration:
    return complete({name: row[name] for name in NAMES if name in row})
