"""From blocks to the grid, and from the grid to the order in which it is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.configuration import check, complete, identify
from parallel_transcription.study.dimensions import NAMES
from parallel_transcription.study.rates import written

#: Dimensions whose values are compared with each other; the others are the work and its threads.
_COMPARED = frozenset(
    (
        "strategy",
        "instances",
        "num_workers",
        "callers",
        "init_stagger_s",
        "load",
        "batch_size",
        "slowdown",
        "replica",
        "discipline",
        "service",
    )
)
#: Dimensions of a load, and what they take the place of: defaults for the one say nothing of the
#: other.
_OF_LOADS = ("rate", "requests", "mix", "discipline")
_AT_ONCE = ("files_in_parallel",)
_KEPT = tuple(name for name in NAMES if name not in (*_COMPARED, *_OF_LOADS, "arrivals"))


@dataclass(frozen=True)
class GridPoint:
    """A configuration of the grid with its id and how often it is measured."""

    id: str
    configuration: Configuration
    rounds: int
    repeats: int

    @classmethod
    def of(cls, configuration: Configuration, rounds: int, repeats: int) -> GridPoint:
        """The grid point of a configuration."""
        return cls(identify(configuration), configuration, rounds, repeats)


def values_of(dimension: str, value: Any) -> list[Any]:
    """The values that a block gives a dimension, one by one; device lists become strings."""
    values = value if isinstance(value, list) else [value]
    if dimension == "rate":
        return [written(v) for v in values]
    if dimension == "device_index":
        return [",".join(map(str, v)) if isinstance(v, list) else str(v) for v in values]
    return values


def expand_block(block: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterable[Configuration]:
    """The Cartesian product of a block's values over the study's defaults.

    Raises:
        ConfigurationError: for a combination that cannot exist.
    """
    own = {k: v for k, v in block.items() if k in NAMES}
    for arrivals in values_of("arrivals", own.get("arrivals", defaults.get("arrivals", "at_once"))):
        foreign = _OF_LOADS if arrivals == "at_once" else _AT_ONCE
        given = {k: v for k, v in defaults.items() if k not in foreign}
        named = {**given, **own, "arrivals": arrivals}
        if arrivals == "closed" and "rate" not in own:
            named.pop("rate", None)
        axes = [[(name, v) for v in values_of(name, value)] for name, value in named.items()]
        for combination in product(*axes):
            configuration = complete(dict(combination))
            check(configuration)
            yield configuration


#: What configurations share that stand close together, from the widest circle to the closest:
#: the work, its files, its threads, and as many workers.
_CIRCLES = (
    tuple(name for name in _KEPT if name not in ("files_in_parallel", "cpu_threads")),
    ("files_in_parallel",),
    ("cpu_threads",),
    ("total_workers",),
)


def schedule(points: Sequence[GridPoint], name: str = "") -> list[tuple[GridPoint, int]]:
    """The runs in the order of measurement: (grid point, round), rounds interleaved.

    All points of round 1 come before any of round 2. Within a round the order is drawn at random:
    a turn that follows a rule, as AB, BA, meets a disturbance with a period of two rounds at the
    same phase in every round, and takes it for a difference. What is drawn are whole circles of
    configurations that are compared: those of equal work; in these, those of as many files, or
    under the same load; of as many threads; of as many workers; and in the last one the
    configurations themselves. So matched arms are neighbours, numbers of threads are close to each
    other, and A/A replicas are as far apart as the arms whose noise they stand for.

    Drawn is by hashes of the study's name, the round and the circle: the same everywhere, and
    another configuration changes nothing in the order of the others. The order is no part of what
    a run is told, so that a changed one reruns nothing.

    Args:
        points: The configurations.
        name: The study's, the seed.
    """
    runs: list[tuple[GridPoint, int]] = []
    for number in range(1, max((p.rounds for p in points), default=0) + 1):
        in_round = [p for p in points if p.rounds >= number]
        in_round.sort(key=lambda p: _place(p, f"{name} {number}"))
        runs += [(point, number) for point in in_round]
    return runs


def _place(point: GridPoint, seed: str) -> list[str]:
    """Where a configuration stands in a round: a draw for each circle that it belongs to."""
    told, place = seed, []
    for circle in (*_CIRCLES, None):
        values: Any = point.id
        if circle is not None:
            values = [getattr(point.configuration, name) for name in circle]
        if circle == ("files_in_parallel",) and point.configuration.under_load:
            values += [getattr(point.configuration, name) for name in ("arrivals", *_OF_LOADS[:-1])]
        told = f"{told} {values}"
        place.append(hashlib.sha256(told.encode()).hexdigest())
    return place


def matches(configuration: Configuration, configuration_id: str, only: Any) -> bool:
    """Whether a configuration is meant by a study's `only`.

    `only` is None (all), an id or the beginning of one, a mapping of dimensions to one value or
    a list of them, or a list of such (any of them).
    """
    if only is None:
        return True
    if isinstance(only, str):
        return configuration_id.startswith(only)
    if isinstance(only, list):
        return any(matches(configuration, configuration_id, one) for one in only)
    return all(
        getattr(configuration, name) in values_of(name, wanted) for name, wanted in only.items()
    )
