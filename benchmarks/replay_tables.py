"""Complete grids that a search is replayed on: measured ones from benchmarks/tables, and surfaces.

A measured table is a CSV with a row per run (dimensions, round, makespan_s, run_s) and a YAML file
beside it that says where it was measured. Surfaces are synthetic: they plant a truth (a ridge, two
peaks, a corner, a knife-edge limit, a configuration that crashes) under noise, and are never shown
as measurements.

    python benchmarks/replay_tables.py results NAME    makes a table of a finished study
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.searching import measured
from parallel_transcription.findings.space import Point
from parallel_transcription.results.read import read_tables
from parallel_transcription.study.configuration import complete, identify

TABLES = Path(__file__).parent / "tables"
DIMENSIONS = ("strategy", "instances", "num_workers", "cpu_threads")
ROUNDS = 12  # of a surface


@dataclass(frozen=True)
class Table:
    """A complete grid: log throughput and seconds of each (point, round); nan is a failure.

    `broken`: points that break a limit, known once they are measured. `chance`: of keeping it, as a
    law would tell of those that were not.
    """

    name: str
    points: list[Point]
    values: np.ndarray  # (points, rounds)
    seconds: np.ndarray
    synthetic: bool = True
    broken: Mapping[str, str] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    true: np.ndarray | None = None  # log throughput, where it was planted


def read(name: str) -> Table:
    """A measured table."""
    about = yaml.safe_load((TABLES / f"{name}.yaml").read_text(encoding="utf-8"))
    rows = pd.read_csv(TABLES / f"{name}.csv")
    lengths = tuple(map(float, about["seconds"]))
    points, values, seconds = [], [], []
    for key, own in rows.groupby(list(DIMENSIONS), sort=True):
        told = dict(zip(DIMENSIONS, key, strict=True))
        configuration = complete({**told, "files_in_parallel": len(lengths)})
        points.append(Point(identify(configuration), configuration, about["cpus"], lengths))
        own = own.sort_values("round")
        values.append(-np.log(own["makespan_s"].to_numpy(float)))
        seconds.append(own["run_s"].to_numpy(float))
    return Table(name, points, np.array(values), np.array(seconds), synthetic=False)


def names() -> list[str]:
    """The measured tables that are there."""
    return sorted(path.stem for path in TABLES.glob("*.csv"))


def make(results: Path, name: str) -> None:
    """Write the table of a finished study of one machine, whose rounds are complete."""
    found = read_tables(results)
    (label,) = found.labels
    machine = Machine(found, label)
    runs = machine.runs.drop_duplicates(["configuration", "round"])
    values = measured(machine, set(runs["configuration"]), "throughput")
    rows = [
        {
            **{d: runs.loc[runs["configuration"] == one.id, d].iloc[0] for d in DIMENSIONS},
            "round": one.round,
            "makespan_s": round(math.exp(-one.value), 4) if math.isfinite(one.value) else None,
            "run_s": round(one.seconds, 3),
        }
        for one in values
    ]
    table = pd.DataFrame(rows)
    counts = table.groupby(list(DIMENSIONS)).size()
    if counts.nunique() > 1:
        raise SystemExit(f"not complete: {counts.min()} to {counts.max()} rounds")
    TABLES.mkdir(exist_ok=True)
    table.sort_values([*DIMENSIONS, "round"]).to_csv(TABLES / f"{name}.csv", index=False)
    widest = machine.timings.groupby(["run", "repeat"]).size().idxmax()
    own = machine.timings.set_index(["run", "repeat"]).loc[[widest]].sort_values("counter")
    first = machine.runs.iloc[0]
    about = {
        "machine": found.machines[label]["cpu_model"],
        "cpus": float(machine.cpus or 0),
        "virtualised": bool(found.machines[label].get("virtualised")),
        "model": str(first["model"]),
        "compute_type": str(first["compute_type"]),
        "measured": str(machine.runs["started_at"].min())[:10],
        "licence": "CC0-1.0",
        "seconds": [round(float(one), 3) for one in own["audio_seconds"]],
    }
    (TABLES / f"{name}.yaml").write_text(yaml.safe_dump(about, sort_keys=False))


# --- surfaces -------------------------------------------------------------------------------------

CPUS = 16
Surface = Callable[[Point], float]


def _grid() -> list[Point]:
    """Settings of a machine with 16 CPUs."""
    points = []
    for workers in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32):
        for threads in (1, 2, 3, 4, 6, 8, 16):
            for strategy in ("one_model", "multi_model"):
                if strategy == "multi_model" and workers == 1:
                    continue
                told = {"strategy": strategy, "cpu_threads": threads, "files_in_parallel": 32}
                told["num_workers" if strategy == "one_model" else "instances"] = workers
                configuration = complete(told)
                points.append(
                    Point(identify(configuration), configuration, float(CPUS), (10.0,) * 32)
                )
    return points


def _smooth(best_workers: float, best_threads: float, width: float = 1.0) -> Surface:
    def value(point: Point) -> float:
        x, y = math.log2(point.in_use / best_workers), math.log2(point.threads / best_threads)
        return -0.12 * (x / width) ** 2 - 0.12 * (y / width) ** 2

    return value


def _ridge(point: Point) -> float:
    """As good wherever workers times threads are the CPUs; a little better in its middle."""
    off = math.log2(point.in_use * point.threads / CPUS)
    return -0.25 * off**2 - 0.02 * math.log2(point.threads / 2) ** 2


def _two_peaks(point: Point) -> float:
    far, near = _smooth(16, 1, 0.7)(point), _smooth(2, 8, 0.7)(point)
    return max(far - 0.06, near)


def _corner(point: Point) -> float:
    return 0.15 * math.log2(point.in_use / 32) + 0.05 * math.log2(point.threads / 16)


def _knife_edge(point: Point) -> float:
    """The best at 16 workers of one thread; a limit forbids all of more than 11 workers."""
    return _smooth(16, 1, 1.4)(point)


SURFACES: Mapping[str, tuple[Surface, float, float]] = {
    # value, noise of a run, drift from round to round
    "smooth": (_smooth(8, 2), 0.03, 0.0),
    "ridge": (_ridge, 0.03, 0.0),
    "two peaks": (_two_peaks, 0.03, 0.0),
    "corner": (_corner, 0.03, 0.0),
    "knife-edge limit": (_knife_edge, 0.03, 0.0),
    "noise of 8 %": (_smooth(8, 2), 0.08, 0.0),
    "drift of 10 %": (_smooth(8, 2), 0.03, 0.1),
    "a setting that crashes": (_smooth(8, 2), 0.03, 0.0),
}


def surface(name: str, seed: int) -> Table:
    """A synthetic complete grid."""
    of, noise, drift = SURFACES[name]
    chance = np.random.default_rng(seed)
    points = _grid()
    true = np.array([of(point) for point in points])
    rounds = drift * np.linspace(-0.5, 0.5, ROUNDS)[None, :]
    values = true[:, None] + rounds + noise * chance.standard_normal((len(points), ROUNDS))
    seconds = (
        3.0
        + 6.0 * np.exp(-values)
        + 0.3 * np.array([[point.configuration.instances] for point in points])
    )
    broken: dict[str, str] = {}
    likely: dict[str, float] = {}
    if name == "knife-edge limit":
        broken = {p.id: "over the limit" for p in points if p.in_use > 11}
        # as a law would tell: sure far from the edge, not at it
        likely = {p.id: 0.5 if p.in_use in (8, 12) else float(p.in_use <= 11) for p in points}
    if name == "a setting that crashes":
        best = int(np.argmax(true))
        values[best], broken = np.nan, {points[best].id: "failed"}
    return Table(name, points, values, seconds, True, broken, likely, true)


def main() -> None:
    """Make a table of a finished study."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("name")
    given = parser.parse_args()
    make(given.results, given.name)


if __name__ == "__main__":
    main()
