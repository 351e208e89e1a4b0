"""Chances that configurations keep the limits which were never measured, from those that were.

Memory: base + worker × (further workers) + instance × (further instances), by least squares. Cores:
a share of those that the threads could use. Slowest file: a multiple of the rule of thumb for all.
The spread is what the law leaves of the measured ones, and at least a tenth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy

from parallel_transcription.findings.space import Point

LEAST_SPREAD, LEAST_KNOWN = 0.1, 4
Values = Mapping[str, float]  # by id
Law = Callable[[Sequence[Point], Sequence[float]], Callable[[Point], float]]


def chances(
    points: Sequence[Point], known: Mapping[str, Values], limits: Mapping[str, float]
) -> dict[str, float]:
    """The chance of each point of keeping all limits; 1 where nothing speaks against it.

    Args:
        points: Of one kind of work.
        known: Measured figures by the name of their limit, of each measured id.
        limits: Those of the study that have a law (`LAWS`).
    """
    found = dict.fromkeys((point.id for point in points), 1.0)
    for name, limit in limits.items():
        law, own = LAWS.get(name), known.get(name, {})
        seen = [point for point in points if math.isfinite(own.get(point.id, math.nan))]
        if law is None or len(seen) < LEAST_KNOWN:
            continue
        values = [own[point.id] for point in seen]
        predict = law(seen, values)
        left = [math.log(max(v, 1e-9) / predict(p)) for p, v in zip(seen, values, strict=True)]
        spread = math.hypot(LEAST_SPREAD, float(np.std(left)))
        for point in points:
            off = math.log(limit / predict(point)) / spread
            found[point.id] *= float(scipy.stats.norm.cdf(off))
    return found


def _memory(points: Sequence[Point], values: Sequence[float]) -> Callable[[Point], float]:
    def terms(point: Point) -> list[float]:
        c = point.configuration
        further = c.instances - 1
        return [1.0, c.total_workers - c.instances, further,
                further if c.strategy == "multi_process" else 0.0]  # fmt: skip

    solved = np.linalg.lstsq(np.array([terms(p) for p in points]), np.array(values), rcond=None)[0]
    least = 0.5 * min(values)
    return lambda point: max(least, float(np.dot(terms(point), solved)))


def _in_proportion(of: Callable[[Point], float]) -> Law:
    def law(points: Sequence[Point], values: Sequence[float]) -> Callable[[Point], float]:
        factor = float(np.median([v / of(p) for p, v in zip(points, values, strict=True)]))
        return lambda point: max(1e-9, factor * of(point))

    return law


LAWS: Mapping[str, Law] = {
    "max_memory_mb": _memory,
    "max_gpu_memory_mb": _memory,
    "max_cores": _in_proportion(lambda point: min(point.cpus, point.in_use * point.threads)),
    "max_file_s": _in_proportion(lambda point: math.exp(point.expected)),
}
