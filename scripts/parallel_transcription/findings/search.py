"""Which configurations next, or stop: a pure function of what was measured, the same every time.

A search measures heats: matches of some configurations, which take turns, pass by pass, each in a
process of its own. The best so far takes part in each but the first, so that challengers are
compared with it side by side.

1. Struck for nothing: what has more workers than files while another has just as many, and what
   laws fitted to the measurements put beyond a limit (`Known.chance`).
2. Seeds, in the first heat: rules of thumb (a worker for each CPU; one worker on all CPUs; the
   root of both) and the best of each strategy, as far as it can be known (`space.surrogate_of`),
   other machines' records included.
3. Then the challengers whose measurement is expected to gain most in a second (knowledge gradient
   for correlated beliefs over the difference to the best: Frazier, Powell and Dayanik 2009), each
   chosen as if the one before were measured. Every fourth is the closest neighbour of the best that
   was never measured: a safeguard against a surrogate that is wrong.
4. It stops when nothing in the space is expected to be better than the best by more than `gain`
   with a chance of 90 % (`Certificate`), or when the time is over.

Values are logarithms, the higher the better; differences of 0.01 are one per cent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy

from parallel_transcription.findings.space import Point, distance, surrogate_of
from parallel_transcription.statistics.surrogate import Array, Posterior, Seen, Surrogate

LEAST_SEEDS, MOST_SEEDS = 2, 5  # of the first heat, where the group has as many
CHALLENGERS = 3  # in a heat, beside the best so far
NEIGHBOUR = 4  # every so many challengers is a neighbour of the best
LEAST_CHANCE = 0.05  # of keeping the limits, below which a configuration is struck
SURE = 0.9  # of a certificate
DRAWS, MOST_DRAWN = 1000, 100
ELSEWHERE_SD = 0.05  # noise beside it of what another machine measured
FOUND, OVER = "nothing better expected", "budget spent"
NOTHING = "no setting keeps the limits"
Why = Literal["seed", "best so far", "most to gain", "neighbour"]


@dataclass(frozen=True)
class Measured:
    """A configuration in a round or heat, and its log value: the higher the better, nan for none.

    `seconds`: what it took; `grid_s`: what a run of the grid takes, by default as much.
    """

    id: str
    round: int
    value: float
    seconds: float
    grid_s: float = math.nan


@dataclass(frozen=True)
class Known:
    """What is known of configurations beside their values, by id.

    `out`: measured ones that failed or break a limit, and why; `chance`: of keeping all limits, of
    those that were not measured (1 where nothing speaks against it).
    """

    out: Mapping[str, str] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """A configuration of a heat, and what for."""

    id: str
    why: Why


@dataclass(frozen=True)
class Heat:
    """The next measurements, and what they are expected to take (s)."""

    sides: tuple[Side, ...]
    seconds: float


@dataclass(frozen=True)
class Certificate:
    """How far from the best of a group the best so far may be.

    `gain`: with a chance of `SURE` nothing is better by more (log); `expected`: the mean of what
    the best of the space has before it; `chance`: of anything better by more than what is asked.
    """

    best: str
    gain: float
    expected: float
    chance: float


@dataclass(frozen=True)
class Stop:
    """No further heat, and why."""

    why: str


@dataclass(frozen=True)
class Standing:
    """A configuration as the search sees it: log value against the best, its sd, its runs."""

    id: str
    value: float
    sd: float
    runs: int
    state: Literal["measured", "struck", "predicted", "out"]
    reason: str = ""


class Search:
    """A search through a space, on one machine.

    Args:
        space: The configurations; each group of them has a best of its own.
        gain: What is worth finding (log value).
        rounds: Of the whole grid, which a share of the time is a share of: of each configuration,
            or the same of all.
        elsewhere: Points of other machines.
        there: What was measured of them.
    """

    def __init__(
        self,
        space: Sequence[Point],
        gain: float = 0.02,
        rounds: int | Sequence[int] = 5,
        elsewhere: Sequence[Point] = (),
        there: Sequence[Measured] = (),
    ):
        self.space, self.gain = list(space), math.log1p(gain)
        self.rounds = np.broadcast_to(np.asarray(rounds, float), len(self.space))
        points = [*space, *elsewhere]
        self._place = {point.id: k for k, point in enumerate(space)}
        self._elsewhere = {point.id: len(space) + k for k, point in enumerate(elsewhere)}
        self._there = [one for one in there if math.isfinite(one.value)]
        self._values = surrogate_of(points)
        self._costs = surrogate_of(points, log_costs=True)
        self._idle = self._with_idle_workers()

    def at(self, seen: Sequence[Measured], known: Known | None = None) -> State:
        """How the search stands after some measurements."""
        return State(self, sorted(seen, key=lambda one: (one.round, one.id)), known or Known())

    def _with_idle_workers(self) -> dict[str, str]:
        """Those with workers that never get a file, where another has just enough of them."""
        enough = {
            _but_workers(point)
            for point in self.space
            if point.configuration.total_workers <= point.in_use
        }
        return {
            point.id: "workers that never get a file"
            for point in self.space
            if point.configuration.total_workers > point.in_use and _but_workers(point) in enough
        }

    def seen(self, measured: Sequence[Measured], name: Literal["value", "seconds"]) -> Seen:
        """Measurements as a surrogate takes them, those of other machines among them."""
        own = [(self._place[one.id], one.round, one, 0.0) for one in measured]
        far = [(self._elsewhere[o.id], -1 - k, o, ELSEWHERE_SD) for k, o in enumerate(self._there)]
        rows = [
            (place, number, one.value if name == "value" else math.log(one.seconds), sd)
            for place, number, one, sd in (*own, *far)
            if math.isfinite(one.value) and one.seconds > 0
        ]
        place, number, value, sd = zip(*rows, strict=True) if rows else ((), (), (), ())
        return Seen(
            np.array(place, int), np.array(number, int), np.array(value, float), np.array(sd, float)
        )


class State:
    """How a search stands: what it knows, and what follows."""

    def __init__(self, search: Search, measured: list[Measured], known: Known):
        self._search, self._measured, self._known = search, measured, known
        self.space = search.space
        self.spent_s = sum(one.seconds for one in measured)
        self._runs: dict[str, int] = {}
        for one in measured:
            self._runs[one.id] = self._runs.get(one.id, 0) + 1
        self._timed = {one.id for one in measured if math.isfinite(one.value)}
        self.values = _fit(search._values, search.seen(measured, "value"))
        costs = _fit(search._costs, search.seen(measured, "seconds"))
        self._seconds = np.exp(np.clip(costs.mean[: len(self.space)], -5, 12))

    @property
    def grid_s(self) -> float:
        """What the whole grid is expected to take, its rounds and all (s)."""
        known = [one for one in self._measured if math.isfinite(one.grid_s) and one.seconds > 0]
        of_runs = (
            sum(one.grid_s for one in known) / sum(one.seconds for one in known) if known else 1
        )
        return float(self._seconds @ self._search.rounds) * of_runs

    def groups(self) -> list[list[int]]:
        """Places of the space, group by group."""
        found: dict[object, list[int]] = {}
        for k, point in enumerate(self.space):
            found.setdefault(point.group, []).append(k)
        return list(found.values())

    def best_of(self, group: Sequence[int]) -> int | None:
        """The best so far of a group; None where none was measured that may be chosen."""
        fit = [k for k in group if self._state(k) == "measured"]
        return max(fit, key=lambda k: float(self.values.mean[k]), default=None)

    def _state(self, k: int) -> Literal["measured", "struck", "predicted", "out"]:
        name = self.space[k].id
        if name in self._runs and name in self._known.out:
            return "out"
        if name in self._timed:
            return "measured"
        if name in self._search._idle or self._chance(k) < LEAST_CHANCE:
            return "struck"
        return "predicted"

    def _chance(self, k: int) -> float:
        """Of keeping the limits."""
        name = self.space[k].id
        if name in self._runs:
            return 0.0 if name in self._known.out else 1.0
        return float(self._known.chance.get(name, 1.0))

    def standings(self) -> list[Standing]:
        """Every configuration of the space, with its value against the best of its group."""
        found = []
        for group in self.groups():
            best = self.best_of(group)
            for k in group:
                state = self._state(k)
                name = self.space[k].id
                reason = self._known.out.get(name, "")
                if state == "struck":
                    reason = self._search._idle.get(name, "would break a limit, as predicted")
                off = self.values.mean[k] - self.values.mean[best] if best is not None else math.nan
                sd = self._sd_against(k, best) if best is not None else float(self.values.sd[k])
                found.append(Standing(name, float(off), sd, self._runs.get(name, 0), state, reason))
        return found

    def _sd_against(self, k: int, best: int) -> float:
        """Of the difference to the best so far."""
        two = np.array([k, best])
        c = self.values.covariance(two, two)
        return math.sqrt(max(0.0, float(c[0, 0] + c[1, 1] - 2 * c[0, 1])))

    def certificates(self) -> list[Certificate | None]:
        """One for each group; None where nothing of it can be chosen yet."""
        return [self._certificate(group) for group in self.groups()]

    def _certificate(self, group: Sequence[int]) -> Certificate | None:
        best = self.best_of(group)
        if best is None:
            return None
        open_ = [k for k in group if self._state(k) in ("measured", "predicted") and k != best]
        reach = [float(self.values.mean[k] + 3 * self.values.sd[k]) for k in open_]
        chosen = [open_[k] for k in np.argsort(reach)[::-1][:MOST_DRAWN]]
        places = np.array([best, *chosen])
        seed = len(self._measured)
        draws = self.values.draws(places, DRAWS, seed)
        chances = np.array([1.0, *(self._chance(k) for k in chosen)])
        allowed = np.random.default_rng(seed + 1).random(draws.shape) < chances
        allowed[:, 0] = True
        ahead = np.where(allowed, draws, -np.inf).max(axis=1) - draws[:, 0]
        return Certificate(
            self.space[best].id,
            float(np.quantile(ahead, SURE)),
            float(ahead.mean()),
            float((ahead > self._search.gain).mean()),
        )

    def next(self, budget_s: float) -> Heat | Stop:
        """The next heat, or why there is none."""
        groups = self.groups()
        for group in groups:
            if not any(self.space[k].id in self._runs for k in group):
                if self._runs and self.spent_s >= budget_s:
                    return Stop(OVER)
                return self._heat([Side(self.space[k].id, "seed") for k in self._seeds(group)])
        certificates = self.certificates()
        open_groups = [
            group
            for group, one in zip(groups, certificates, strict=True)
            if (one is None or one.gain > self._search.gain)
            and any(self._state(k) in ("measured", "predicted") for k in group)
        ]
        if not open_groups:
            return Stop(FOUND if any(certificates) else NOTHING)
        left = budget_s - self.spent_s
        heats = [self._challenge(group, left) for group in open_groups]
        worth, sides = max(heats, key=lambda heat: heat[0], default=(0.0, []))
        if worth <= 0 or not sides:
            return Stop(OVER)
        return self._heat(sides)

    def _heat(self, sides: Sequence[Side]) -> Heat:
        seconds = sum(self._seconds[self._search._place[side.id]] for side in sides)
        return Heat(tuple(sides), float(seconds))

    def _seeds(self, group: Sequence[int]) -> list[int]:
        """Rules of thumb, and the best of each strategy as far as is known."""
        allowed = [k for k in group if self._state(k) == "predicted"] or list(group)
        points = self.space
        cpus = max(1.0, points[allowed[0]].cpus)
        gpus = points[allowed[0]].configuration.gpus
        most = max(points[k].in_use for k in allowed)
        rules = (
            [(1, 1), (2 * gpus, 1), (4 * gpus, 1)]
            if gpus
            else [(cpus, 1), (1, cpus), (math.sqrt(cpus), math.sqrt(cpus))]
        )
        found = [self._closest(allowed, min(most, w), t) for w, t in rules]
        for strategy in dict.fromkeys(points[k].configuration.strategy for k in allowed):
            of_it = [k for k in allowed if points[k].configuration.strategy == strategy]
            found.append(max(of_it, key=lambda k: float(self.values.mean[k])))
        seeds = list(dict.fromkeys(found))[:MOST_SEEDS]
        rest = [k for k in allowed if k not in seeds]  # rules that agree name a single one
        rest.sort(key=lambda k: -float(self.values.mean[k]))
        return [*seeds, *rest[: max(0, LEAST_SEEDS - len(seeds))]]

    def _closest(self, allowed: Sequence[int], workers: float, threads: float) -> int:
        """The point with about so many workers of so many threads, of the fewest instances."""

        def off(k: int) -> tuple[float, int, int]:
            point = self.space[k]
            far = abs(math.log(point.in_use / workers)) + abs(math.log(point.threads / threads))
            return round(far, 6), point.configuration.instances, k

        return min(allowed, key=off)

    def _challenge(self, group: Sequence[int], left: float) -> tuple[float, list[Side]]:
        """A heat of a group: what a second of it is expected to gain, and its sides."""
        best = self.best_of(group)
        fit = [k for k in group if self._state(k) in ("measured", "predicted") and k != best]
        if best is None:  # all that was measured is out: what is most likely better
            fit.sort(key=lambda k: -float(self.values.mean[k]))
            chosen = fit[:CHALLENGERS]
            sides = [Side(self.space[k].id, "most to gain") for k in chosen]
            cost = float(sum(self._seconds[k] for k in chosen))
            return (math.inf if sides and cost <= left else 0.0), sides
        reach = sorted(fit, key=lambda k: -float(self.values.mean[k] + 3 * self.values.sd[k]))
        fit = reach[:MOST_DRAWN]
        sides, worth = [Side(self.space[best].id, "best so far")], 0.0
        spent = float(self._seconds[best])
        gains = _Gains(self.values, best, fit)
        told = len(self._measured)
        for turn in range(CHALLENGERS):
            can = [
                k
                for k in fit
                if spent + self._seconds[k] <= left and self.space[k].id not in _ids(sides)
            ]
            if not can:
                break
            chances = np.array([self._chance(k) for k in can])
            per_s = gains.of(can) * chances / self._seconds[can]
            index = dict(zip(can, map(float, per_s), strict=True))
            new = [k for k in can if self.space[k].id not in self._runs]
            why: Why = "most to gain"
            chosen_one = max(can, key=lambda k: index[k])
            if new and (told // CHALLENGERS + turn) % NEIGHBOUR == NEIGHBOUR - 1:
                chosen_one, why = self._neighbour(best, new), "neighbour"
            worth += index[chosen_one] * float(self._seconds[chosen_one])
            spent += float(self._seconds[chosen_one])
            sides.append(Side(self.space[chosen_one].id, why))
            gains.measure(chosen_one)
        return (max(worth, 1e-12) / spent if len(sides) > 1 else 0.0), sides

    def _neighbour(self, best: int, among: Sequence[int]) -> int:
        places = self._search._values.places
        far = distance(places[best], places[list(among)])
        return among[int(np.argmin(far))]


class _Gains:
    """What measuring a point beside the best is expected to gain (log), one after another.

    Args:
        values: What is known.
        best: The best so far.
        points: Those that can be measured.
    """

    def __init__(self, values: Posterior, best: int, points: Sequence[int]):
        self._places = {k: n for n, k in enumerate(points)}
        all_ = np.array([*points, best])
        covariance = values.covariance(all_, all_)
        of_best, alone = covariance[:-1, -1], covariance[-1, -1]
        # of differences to the best
        self._c: Array = covariance[:-1, :-1] - of_best[:, None] - of_best[None, :] + alone
        self._off = values.mean[np.array(points, int)] - values.mean[best]
        self._noise = 2 * values.noise_sd**2

    def of(self, points: Sequence[int]) -> Array:
        """E max(0, difference) after the measurement of each, less what is there before it."""
        places = [self._places[k] for k in points]
        variance = np.maximum(0.0, np.diag(self._c)[places])
        sd = np.maximum(1e-9, variance / np.sqrt(variance + self._noise))
        off = self._off[places]
        u = off / sd
        return np.asarray(
            off * scipy.special.ndtr(u) + sd * np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)
        )

    def measure(self, k: int) -> None:
        """Go on as if a point were measured, and what is expected of it were seen."""
        n = self._places[k]
        row = self._c[n].copy()
        self._c = self._c - np.outer(row, row) / (row[n] + self._noise)


def _ids(sides: Sequence[Side]) -> set[str]:
    return {side.id for side in sides}


def _but_workers(point: Point) -> tuple[object, ...]:
    """All that tells a point from others, but how many workers an instance has."""
    values = point.configuration.as_json()
    return tuple((name, str(values[name])) for name in sorted(values) if name != "num_workers")


def _fit(prior: Surrogate, seen: Seen) -> Posterior:
    """What measurements say; before the first one, what the rule of thumb says."""
    if len(seen.point):
        return prior.fit(seen)
    nothing = Seen(np.array([0]), np.array([0]), prior.mean[:1], np.array([1e3]))
    return prior.fit(nothing)
