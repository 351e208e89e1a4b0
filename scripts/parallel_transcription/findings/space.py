"""The space of a search: what is expected of each configuration before it is measured.

A rule of thumb, as a simulation: workers take files in turn, as they come; a worker with t threads
does 1 / (s + (1 - s) / t) of the work of one thread (Amdahl 1967), as long as CPUs are left; where
they are not, all get their share. Measurements correct it (`statistics.surrogate`): by terms for
workers, threads, CPUs that lack, instances, strategies and options, and by a residual that is alike
for configurations that are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.results.counting import MOST_AUTOMATIC_THREADS
from parallel_transcription.statistics.surrogate import Array, Surrogate
from parallel_transcription.study.rates import share_of

SERIAL = 0.4  # of a transcription, that further threads do not help
WORKERS_OF_A_GPU = 1.5  # workers that one GPU can keep busy, before anything is known
USUAL_SHARE = 0.6  # of what the machine carries, of a rate that says no share
GOLDEN = (math.sqrt(5) - 1) / 2
#: How far each term may lie off the rule of thumb: spreads of log values.
ANYWHERE, WORKERS, THREADS, LACKING, OTHERS, OPTIONS = 3.0, 0.2, 0.4, 0.3, 0.1, 0.5


@dataclass(frozen=True)
class Point:
    """A configuration on a machine: `cpus` that it may use, `seconds` of its files in order.

    `group`: what is compared shares it; another machine's points have groups of their own.
    """

    id: str
    configuration: Configuration
    cpus: float
    seconds: tuple[float, ...]
    group: Hashable = ""

    @property
    def threads(self) -> int:
        """Threads of a worker, also where the engine chooses them itself."""
        automatic = max(1, min(MOST_AUTOMATIC_THREADS, int(self.cpus)))
        return self.configuration.cpu_threads or automatic

    @property
    def in_use(self) -> int:
        """Workers that have a file at once."""
        c = self.configuration
        return max(1, min(c.total_workers, c.callers, len(self.seconds)))

    @property
    def expected(self) -> float:
        """Logarithm of the makespan by the rule of thumb, in units of a second of audio.

        Under a load, that of the p95 of the latency.
        """
        c = self.configuration
        machine = (self.in_use, self.threads, self.cpus, c.gpus * WORKERS_OF_A_GPU, self.seconds)
        if c.under_load:
            return _p95(*machine, share_of(c.rate) or USUAL_SHARE, c.discipline == "shortest")
        return _makespan(*machine)

    @property
    def expected_cost(self) -> float:
        """Logarithm of the time of a pass, as `expected`: requests come as long to all."""
        return 0.0 if self.configuration.under_load else self.expected


def _speeds(threads: int, cpus: float, gpus: float) -> Callable[[int], float]:
    """The speed of each worker while so many are busy, in seconds of audio of one thread alone."""
    used = min(threads, cpus)
    alone = 1.0 if gpus else 1 / (SERIAL + (1 - SERIAL) / used)

    def speed(busy: int) -> float:
        return alone * (min(1.0, gpus / busy) if gpus else min(1.0, cpus / (busy * used)))

    return speed


@lru_cache(maxsize=65536)
def _makespan(
    workers: int, threads: int, cpus: float, gpus: float, seconds: tuple[float, ...]
) -> float:
    """Of files that come at one moment and are taken in turn."""
    speed = _speeds(threads, cpus, gpus)
    waiting, took = list(seconds), 0.0
    left: list[float] = []
    while waiting or left:
        while waiting and len(left) < workers:
            left.append(waiting.pop(0))
        step = min(left)
        took += step / speed(len(left))
        left = [one - step for one in left if one - step > 1e-9]
    return math.log(took)


@lru_cache(maxsize=65536)
def _p95(
    workers: int,
    threads: int,
    cpus: float,
    gpus: float,
    seconds: tuple[float, ...],
    share: float,
    shortest: bool,
) -> float:
    """Of the latency of requests that come at a share of what one thread on each CPU would do.

    The moments are those of a Poisson process, evenly spread instead of drawn.
    """
    speed = _speeds(threads, cpus, gpus)
    mean = sum(seconds) / len(seconds)  # the unit of the simulation, so that no time gets large
    every = 1 / (share * (gpus or cpus))
    spread = [(k + 0.5) * GOLDEN % 1 for k in range(len(seconds))]
    arrivals = list(accumulate(-every * math.log(1 - one) for one in spread))
    coming = [(at, one / mean) for at, one in zip(arrivals, seconds, strict=True)][::-1]
    waiting: list[tuple[float, float]] = []
    left: list[tuple[float, float]] = []  # what is left of each, and when it came
    now, latency = 0.0, []
    while coming or left:
        ends = now + min(left)[0] / speed(len(left)) if left else math.inf
        until = min(ends, coming[-1][0] if coming else math.inf)
        done = (until - now) * speed(len(left)) if left else 0.0
        now, left = until, [(one - done, at) for one, at in left]
        latency += [now - at for one, at in left if one <= 1e-9]
        left = [(one, at) for one, at in left if one > 1e-9]
        while coming and coming[-1][0] <= now:
            at, one = coming.pop()
            waiting.append((one, at))
        if shortest:
            waiting.sort()
        while waiting and len(left) < workers:
            left.append(waiting.pop(0))
    return math.log(mean * np.quantile(latency, 0.95))


def surrogate_of(points: Sequence[Point], log_costs: bool = False) -> Surrogate:
    """What is expected of the points, as log values: the higher the better.

    Args:
        points: All of a space, and those of other machines.
        log_costs: Of times and other costs, which rise where throughput falls.
    """
    groups = list(dict.fromkeys(point.group for point in points))
    strategies = sorted({point.configuration.strategy for point in points})
    types = sorted({point.configuration.compute_type for point in points})
    linear, places = [], []
    for point in points:
        c, workers, threads = point.configuration, point.in_use, point.threads
        on_gpus = c.device == "cuda"
        lacking = 0.0 if on_gpus else math.log(max(1.0, workers * threads / point.cpus))
        batch, instances = math.log1p(c.batch_size), math.log(c.instances)
        # more at once than workers, and the order, matter where requests wait
        beyond = math.log(max(1.0, c.callers / c.total_workers)) if c.under_load else 0.0
        shortest = c.discipline == "shortest"
        linear.append([
            *(ANYWHERE * (point.group == group) for group in groups),
            WORKERS * math.log(workers),
            THREADS * math.log(min(threads, max(1.0, point.cpus))),
            LACKING * lacking,
            WORKERS * (0.0 if on_gpus else math.log(max(1.0, workers / point.cpus))),
            OTHERS * instances,
            OTHERS * math.log(max(1, c.gpus)),
            OTHERS * (c.cpu_threads == 0),
            OPTIONS * batch,
            OPTIONS * (batch > 0),
            OPTIONS * c.vad_filter,
            OPTIONS * beyond,
            OPTIONS * shortest,
            *(OTHERS * (c.strategy == one) for one in strategies),
            *(OTHERS * (c.compute_type == one) for one in types),
        ])  # fmt: skip
        places.append([
            math.log2(workers),
            math.log2(threads),
            instances,
            batch,
            float(c.vad_filter),
            math.log2(max(1, c.gpus)),
            math.log2(max(1.0, c.total_workers / workers)),
            beyond,
            float(shortest),
            *(0.7 * (c.strategy == one) for one in strategies),
            *(1.0 * (c.compute_type == one) for one in types),
            *(0.8 * (point.group == group) for group in groups),
        ])  # fmt: skip
    expected = np.array([p.expected_cost if log_costs else -p.expected for p in points])
    return Surrogate(expected, np.array(linear), np.array(places))


def distance(a: Array, b: Array) -> Array:
    """How unlike places are, from one place `a` to each row of `b`."""
    return np.asarray(np.sqrt(((b - a[None, :]) ** 2).sum(axis=1)))
