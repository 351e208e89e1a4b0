"""What a search of the grid may choose from; all else of the grid is measured as without one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.grid import GridPoint
from parallel_transcription.study.loads import ALIKE
from parallel_transcription.study.rates import share_of
from parallel_transcription.study.settings import P95, THROUGHPUT

GAIN = 0.02  # worth finding, unless a study says another
SHARE = 0.1  # of the time of the whole grid, which a search takes unless it is given minutes
LEAST_SPACE = 20  # configurations below which all of them are better measured
LEAST_ROUNDS = 3
#: Dimensions in which those agree that do the same work, and so compete.
WORK = ("model", "compute_type", "device", "files_in_parallel", "thread_env", "language",
        "beam_size", "word_timestamps", "arrivals", "rate", "requests", "mix")  # fmt: skip

_WHICH = {False: "files at once", True: "requests at a rate, since the objective is p95"}


def work_of(configuration: Configuration) -> tuple[Hashable, ...]:
    """What configurations have in common that compete with each other.

    A share of what the machine carries is another rate with other options of the same work.
    """
    in_percent = share_of(configuration.rate) is not None
    return tuple(getattr(configuration, name) for name in (*WORK, *(ALIKE if in_percent else ())))


def objective_of(settings: Mapping[str, Any]) -> str:
    """What a study searches for."""
    return str((settings.get("search") or {}).get("objective", THROUGHPUT))


def is_searched(configuration: Configuration, objective: str = THROUGHPUT) -> bool:
    """Whether a search may choose it: the work that it is for, nothing planted, twice or cold.

    That is files at once; of a p95, requests that come by themselves, served by the library.
    """
    c = configuration
    if c.replica != 1 or c.slowdown or c.load != "folder" or c.init_stagger_s:
        return False
    if objective == P95:
        return c.under_load and c.arrivals != "closed" and not c.service
    return c.files_in_parallel > 0 and not c.under_load


def searched(settings: Mapping[str, Any], points: Iterable[GridPoint]) -> dict[str, GridPoint]:
    """The space of a study's search, by id; nothing without `search`, or with `only`.

    What `only` names is measured by rounds, beside what a search has found.
    """
    if settings.get("search") is None or settings.get("only") is not None:
        return {}
    objective = objective_of(settings)
    return {point.id: point for point in points if is_searched(point.configuration, objective)}


def check_search(settings: Mapping[str, Any], points: Iterable[GridPoint], file: str) -> None:
    """Refuse to search what is sooner measured.

    Raises:
        StudyError: for a space that is too small, or too few rounds to be a tenth of.
    """
    if settings.get("search") is None or settings.get("only") is not None:
        return
    space = searched(settings, points)
    of_load = objective_of(settings) == P95
    if len(space) < LEAST_SPACE:
        raise StudyError(
            f"{file}: search: {len(space)} configurations to choose from are too few; measure the "
            f"grid: leave search out, or give at least {LEAST_SPACE} ({_WHICH[of_load]}, no "
            "replicas)"
        )
    most = max(point.rounds for point in space.values())
    if most < LEAST_ROUNDS and "minutes" not in settings["search"]:
        raise StudyError(
            f"{file}: search: a tenth of a grid with rounds: {most} is too little; set rounds to "
            f"at least {LEAST_ROUNDS}, or give search.minutes"
        )
