"""What a study's `ladder` may measure: its configurations under a load, at any rate of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.grid import GridPoint
from parallel_transcription.study.loads import CARRIES
from parallel_transcription.study.rates import STEPS, written

MINUTES = 10.0  # unless a study says another number
MOST_ROUNDS = 12  # at a rate: what they leave open stays so
_DECADES = range(-2, 3)
#: Requests per second, ascending: a request in 100 s to 900 in one.
RATES = tuple(float(f"{step * 10.0**decade:.3g}") for decade in _DECADES for step in STEPS)
_AT_A_RATE = ("poisson", "constant", "bursts")


def climbs(configuration: Configuration) -> bool:
    """Whether its largest load can be found: requests come at a rate, and none waits in the engine.

    Of requests that do, as with more callers than workers, no long run is known
    (`findings/objectives.py`).
    """
    c = configuration
    plain = c.replica == 1 and c.slowdown == 0 and c.arrivals in _AT_A_RATE
    return plain and (bool(c.service) or c.callers <= c.total_workers)


def at_any_rate(configuration: Configuration) -> Configuration:
    """What configurations are alike in that differ in their rate."""
    return replace(configuration, rate="")


def rungs(settings: Mapping[str, Any], points: Iterable[GridPoint]) -> dict[str, GridPoint]:
    """What a study's ladder may measure of some grid points, by id; nothing without `ladder`."""
    if settings.get("ladder") is None:
        return {}
    first: dict[Configuration, GridPoint] = {}
    for point in points:
        if climbs(point.configuration):
            first.setdefault(at_any_rate(point.configuration), point)
    found = (
        GridPoint.of(replace(alike, rate=written(rate)), MOST_ROUNDS, point.repeats)
        for alike, point in first.items()
        for rate in RATES
    )
    return {point.id: point for point in found}


def check_ladder(settings: Mapping[str, Any], points: Iterable[GridPoint], file: str) -> None:
    """Refuse a ladder that leads nowhere.

    Raises:
        StudyError: where there is no objective, nothing that climbs, or too few requests to tell.
    """
    if settings.get("ladder") is None:
        return
    if not settings["slo"]:
        raise StudyError(
            f"{file}: ladder: it has no objective; say with slo how late requests may be, for "
            "instance slo: {p95: 2}"
        )
    climbing = [point.configuration for point in points if climbs(point.configuration)]
    if not climbing:
        raise StudyError(
            f"{file}: ladder: no configuration can climb; give one arrivals: "
            f"{', '.join(_AT_A_RATE)} with a rate, and no more callers than workers"
        )
    needed, name = max((CARRIES[int(name[1:])], name) for name in settings["slo"])
    fewest = min(one.requests for one in climbing)
    if fewest < needed:
        raise StudyError(
            f"{file}: ladder: requests: {fewest} say nothing of the {name} of slo; give at least "
            f"{needed}"
        )
