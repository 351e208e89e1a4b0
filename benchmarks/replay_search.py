"""The search, replayed on complete grids: what it finds, for what part of the grid's time.

A replay hands out what a table holds: for each heat a whole round, so that what was measured side
by side stays side by side, at the seconds that it took. The search sees odd rounds; the truth is
the geometric mean of even ones (of surfaces what was planted), so that no lucky run flatters it.
What it picks is compared with what the whole grid picks of the same odd rounds, and with other ways
of spending as much:

    rule of thumb    a worker for each CPU, one thread each; nothing is measured
    random           configurations drawn at random, once each
    halving          successive halving: all that the budget carries once, the better half again, …
    hill climb       from the rule of thumb to the best neighbour, until none is better
    Optuna           its TPE sampler (optuna 5), if it is installed; asked one by one

Regret: throughput below the best admissible setting. Nothing is measured here.

    python benchmarks/replay_search.py --replays 1000
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a replay is small, and many run at once

import numpy as np
import replay_tables
from replay_tables import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from parallel_transcription.findings.search import FOUND, Heat, Known, Measured, Search, State
from parallel_transcription.study.searching import GAIN, SHARE

ROUNDS = 5  # of the grid that a tenth is taken of
NEAR = 0.02
MOST_EXCESS, LEAST_NEAR, MOST_FALSE = 0.01, 0.95, 0.05


@dataclass(frozen=True)
class Outcome:
    """A replay: regret (log), what part of the grid's seconds it took, and its certificate."""

    regret: float
    cost: float
    certified: float = math.nan  # nothing better by more, it says (log)
    stopped: bool = False  # since nothing better was expected


class Oracle:
    """Hands out a table's odd rounds, heat by heat, and counts what they cost."""

    def __init__(self, table: Table, seed: int):
        self.table, self.chance = table, np.random.default_rng(seed)
        odd = np.arange(0, table.values.shape[1], 2)
        self.rounds = self.chance.permutation(odd)
        self.place = {point.id: k for k, point in enumerate(table.points)}
        self.spent, self.heats = 0.0, 0
        self.budget = SHARE * self.grid_s

    @property
    def grid_s(self) -> float:
        """What the grid takes, with as many rounds as a study has."""
        odd = self.table.seconds[:, 0::2]
        return float(odd.mean(axis=1).sum()) * ROUNDS

    def heat(self, places: list[int]) -> list[tuple[float, float]]:
        """Value and seconds of some points, in the next round."""
        number = self.rounds[self.heats % len(self.rounds)]
        self.heats += 1
        found = [
            (float(self.table.values[k, number]), float(self.table.seconds[k, number]))
            for k in places
        ]
        self.spent += sum(seconds for _, seconds in found)
        return found

    def one(self, k: int) -> float:
        """The value of a point, -inf where it may not be chosen."""
        ((value, _),) = self.heat([k])
        fit = math.isfinite(value) and self.table.points[k].id not in self.table.broken
        return value if fit else -math.inf

    def affords(self, k: int) -> bool:
        """Whether the budget carries another run of a point."""
        return self.spent + float(self.table.seconds[k].mean()) <= self.budget


def truth(table: Table) -> np.ndarray:
    """What is true, or mean log values of even rounds; -inf of what may not be chosen."""
    even = table.values[:, 1::2].mean(axis=1) if table.true is None else table.true
    fit = np.array([point.id not in table.broken for point in table.points])
    return np.where(fit & np.isfinite(even), even, -np.inf)


def search(oracle: Oracle) -> tuple[int, State, bool]:
    """Our planner."""
    table = oracle.table
    planner = Search(table.points, GAIN, ROUNDS)
    seen: list[Measured] = []
    while True:
        ids = {one.id for one in seen}
        out = {name: why for name, why in table.broken.items() if name in ids}
        state = planner.at(seen, Known(out, table.chance))
        budget = SHARE * state.grid_s if seen else math.inf
        heat = state.next(budget)
        if not isinstance(heat, Heat):
            best = state.best_of(range(len(table.points)))
            return best if best is not None else 0, state, heat.why == FOUND
        sides = [oracle.place[side.id] for side in heat.sides]
        got = oracle.heat(sides)
        number = oracle.heats
        seen += [
            Measured(side.id, number, value, seconds)
            for side, (value, seconds) in zip(heat.sides, got, strict=True)
        ]


def _thumb_place(table: Table) -> int:
    def off(k: int) -> tuple[float, int]:
        point = table.points[k]
        far = abs(math.log(point.in_use / point.cpus)) + abs(math.log(point.threads))
        return far, point.configuration.instances

    allowed = [k for k in range(len(table.points)) if table.points[k].id not in table.broken]
    return min(allowed, key=off)


def thumb(oracle: Oracle) -> int:
    """A worker for each CPU, one thread each."""
    return _thumb_place(oracle.table)


def at_random(oracle: Oracle) -> int:
    """As many as the budget carries, once each."""
    found: dict[int, float] = {}
    for k in oracle.chance.permutation(len(oracle.table.points)):
        if not oracle.affords(int(k)):
            break
        found[int(k)] = oracle.one(int(k))
    return max(found, key=lambda k: found[k])


def halving(oracle: Oracle) -> int:
    """Successive halving over rounds."""
    mean_s = float(oracle.table.seconds.mean())
    first = max(2, int(oracle.budget / mean_s / 2))
    left = [int(k) for k in oracle.chance.permutation(len(oracle.table.points))[:first]]
    sums: dict[int, list[float]] = {k: [] for k in left}
    while left:
        for k in left:
            if not oracle.affords(k):
                break
            sums[k].append(oracle.one(k))
        ranked = sorted(left, key=lambda k: -float(np.mean(sums[k])) if sums[k] else math.inf)
        if len(left) == 1 or not oracle.affords(ranked[0]):
            return ranked[0]
        left = ranked[: max(1, len(left) // 2)]
    return 0


def hill_climb(oracle: Oracle) -> int:
    """From the rule of thumb to better neighbours, each measured once."""
    table = oracle.table
    known: dict[int, float] = {}
    here = _thumb_place(table)
    known[here] = oracle.one(here)
    places = np.array([
        [math.log2(p.in_use), math.log2(p.threads), 1.0 * (p.configuration.instances > 1)]
        for p in table.points
    ])  # fmt: skip
    while True:
        far = ((places - places[here]) ** 2).sum(axis=1)
        near = [int(k) for k in np.argsort(far)[1:7] if int(k) not in known]
        for k in near:
            if not oracle.affords(k):
                return max(known, key=lambda k: known[k])
            known[k] = oracle.one(k)
        best = max(known, key=lambda k: known[k])
        if best == here:
            return here
        here = best


def optuna_tpe(oracle: Oracle) -> int:
    """Optuna's TPE over the grid's places, by its own dimensions."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = oracle.table
    seed = int(oracle.chance.integers(1 << 30))
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True)
    )
    keys: dict[tuple[str | int, ...], int] = {}
    for k, point in enumerate(table.points):
        c = point.configuration
        keys[c.strategy, c.instances, c.num_workers, c.cpu_threads] = k
    choices = [sorted({key[n] for key in keys}) for n in range(4)]
    known: dict[int, list[float]] = {}
    for _ in range(1000):
        trial = study.ask()
        key = tuple(
            trial.suggest_categorical(name, values)
            for name, values in zip(("s", "i", "w", "t"), choices, strict=True)
        )
        k = keys.get(key)
        if k is None:  # no such setting: costs nothing
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        if not oracle.affords(k):
            break
        value = oracle.one(k)
        known.setdefault(k, []).append(value)
        if math.isfinite(value):
            study.tell(trial, value)
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return max(known, key=lambda k: float(np.mean(known[k])))


BASELINES: dict[str, Callable[[Oracle], int]] = {
    "rule of thumb": thumb,
    "random": at_random,
    "halving": halving,
    "hill climb": hill_climb,
}
if find_spec("optuna"):
    BASELINES["Optuna"] = optuna_tpe


def _table(name: str, seed: int) -> Table:
    known = name in replay_tables.SURFACES
    return replay_tables.surface(name, seed) if known else replay_tables.read(name)


def replay(name: str, seed: int) -> dict[str, Outcome]:
    """One replay of everything on one table."""
    table = _table(name, seed)
    true = truth(table)
    best = float(true.max())
    odd = table.values[:, 0::2][:, :ROUNDS].mean(axis=1)
    fit = np.isfinite(true) & np.isfinite(odd)
    grid = int(np.argmax(np.where(fit, odd, -np.inf)))
    found = {"whole grid": Outcome(best - float(true[grid]), 1.0)}
    oracle = Oracle(table, seed)
    picked, state, stopped = search(oracle)
    (certificate,) = state.certificates()
    found["search"] = Outcome(
        best - float(true[picked]),
        oracle.spent / oracle.grid_s,
        certificate.gain if certificate else math.nan,
        stopped,
    )
    for kind, spend in BASELINES.items():
        oracle = Oracle(table, seed)
        place = spend(oracle)
        found[kind] = Outcome(best - float(true[place]), oracle.spent / oracle.grid_s)
    return found


def told(name: str, outcomes: list[dict[str, Outcome]], synthetic: bool) -> bool:
    """Print a table's lines; whether the bounds are kept."""
    print(f"\n{name}{' (synthetic)' if synthetic else ''}: {len(outcomes)} replays")
    for kind in outcomes[0]:
        own = [one[kind] for one in outcomes]
        regret = np.array([min(one.regret, 5.0) for one in own])
        spent = 100 * np.mean([one.cost for one in own])
        print(
            f"  {kind:14} regret {100 * regret.mean():6.2f} %  within 2 %: "
            f"{100 * (regret <= NEAR).mean():5.1f} %  cost {spent:5.1f} %"
        )
    excess = np.array([one["search"].regret - one["whole grid"].regret for one in outcomes])
    upper = excess.mean() + 1.645 * excess.std(ddof=1) / math.sqrt(len(excess))
    regret = np.array([one["search"].regret for one in outcomes])
    cost = float(np.mean([one["search"].cost for one in outcomes]))
    held = np.mean([
        one["search"].regret <= max(0.0, one["search"].certified) for one in outcomes
    ])  # fmt: skip
    false = np.mean([one["search"].stopped and one["search"].regret > NEAR for one in outcomes])
    print(
        f"  excess over the grid {100 * excess.mean():.2f} % (upper 95 %: {100 * upper:.2f} %), "
        f"certificate held in {100 * held:.1f} %, stopped by it and wrong in {100 * false:.1f} %"
    )
    kept = upper <= MOST_EXCESS and cost <= SHARE + 0.005 and (regret <= NEAR).mean() >= LEAST_NEAR
    return bool(kept and false <= MOST_FALSE)


def main() -> None:
    """Replay, print, and say whether the bounds are kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--tables", nargs="*", help="names; all unless given")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    tables = given.tables or [*replay_tables.names(), *replay_tables.SURFACES]
    kept = []
    with ProcessPoolExecutor(given.processes) as pool:
        for name in tables:
            outcomes = list(pool.map(partial(replay, name), range(given.replays), chunksize=5))
            kept.append(told(name, outcomes, name in replay_tables.SURFACES))
    missed = len(kept) - sum(kept)
    print(f"\nbound missed on {missed} of {len(kept)} tables" if missed else "\nbound kept")
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
