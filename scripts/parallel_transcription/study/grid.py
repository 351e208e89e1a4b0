"""From blocks to the grid, and from the grid to the order in which it is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.configuration import check, complete, identify
from parallel_transcription.study.dimensions import NAMES

#: Dimensions whose values are compared with each other; the others are the work and its threads.
_COMPARED = frozenset(
    (
        "strategy",
        "instances",
        "num_workers",
        "callers",
        "init_stagger_s",
        "batch_size",
        "slowdown",
        "replica",
    )
)
_KEPT = tuple(name for name in NAMES if name not in _COMPARED)


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
    if dimension == "device_index":
        return [",".join(map(str, v)) if isinstance(v, list) else str(v) for v in values]
    return values


def expand_block(block: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterable[Configuration]:
    """The Cartesian product of a block's values over the study's defaults.

    Raises:
        ConfigurationError: for a combination that cannot exist.
    """
    named = {**defaults, **{k: v for k, v in block.items() if k in NAMES}}
    axes = [[(name, v) for v in values_of(name, value)] for name, value in named.items()]
    for combination in product(*axes):
        configuration = complete(dict(combination))
        check(configuration)
        yield configuration


def neighbourhood(configuration: Configuration) -> tuple[str, ...]:
    """What configurations measured next to each other have in common: the work and its threads."""
    return tuple(str(getattr(configuration, name)) for name in _KEPT)


def _within_neighbourhood(point: GridPoint) -> tuple[int, int, str, float, int, int]:
    c = point.configuration
    return (c.total_workers, c.callers, c.strategy, c.init_stagger_s, c.replica, c.batch_size)


def schedule(points: Sequence[GridPoint]) -> list[tuple[GridPoint, int]]:
    """The runs in the order of measurement: (grid point, round), rounds interleaved.

    All points of round 1 come before any of round 2. Within a round, points that are compared
    stand next to each other; every other round runs backwards (AB, BA, …), so that a drift of the
    machine hits both sides alike.
    """
    first_seen: dict[tuple[str, ...], int] = {}
    for point in points:
        first_seen.setdefault(neighbourhood(point.configuration), len(first_seen))
    ordered = sorted(
        points,
        key=lambda p: (first_seen[neighbourhood(p.configuration)], *_within_neighbourhood(p), p.id),
    )
    runs: list[tuple[GridPoint, int]] = []
    for round_number in range(1, max((p.rounds for p in ordered), default=0) + 1):
        in_round = [(p, round_number) for p in ordered if p.rounds >= round_number]
        runs += in_round if round_number % 2 else in_round[::-1]
    return runs


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
