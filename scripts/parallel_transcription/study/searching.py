"""What a search of the grid may choose from; all else of the grid is measured as without one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.grid import GridPoint

GAIN = 0.02  # worth finding, unless a study says another
SHARE = 0.1  # of the time of the whole grid, which a search takes unless it is given minutes
LEAST_SPACE = 20  # configurations below which all of them are better measured
LEAST_ROUNDS = 3
#: Dimensions in which those agree that do the same work, and so compete.
WORK = ("model", "compute_type", "device", "files_in_parallel", "thread_env", "language",
        "beam_size", "word_timestamps")  # fmt: skip


def work_of(configuration: Configuration) -> tuple[Hashable, ...]:
    """What configurations have in common that compete with each other."""
    return tuple(getattr(configuration, name) for name in WORK)


def is_searched(configuration: Configuration) -> bool:
    """Whether a search may choose it: files at once, and nothing planted, twice or cold."""
    c = configuration
    plain = c.replica == 1 and c.slowdown == 0 and c.load == "folder" and c.init_stagger_s == 0
    return plain and c.files_in_parallel > 0 and not c.under_load


def searched(settings: Mapping[str, Any], points: Iterable[GridPoint]) -> dict[str, GridPoint]:
    """The space of a study's search, by id; nothing without `search`, or with `only`.

    What `only` names is measured by rounds, beside what a search has found.
    """
    if settings.get("search") is None or settings.get("only") is not None:
        return {}
    return {point.id: point for point in points if is_searched(point.configuration)}


def check_search(settings: Mapping[str, Any], points: Iterable[GridPoint], file: str) -> None:
    """Refuse to search what is sooner measured.

    Raises:
        StudyError: for a space that is too small, or too few rounds to be a tenth of.
    """
    if settings.get("search") is None or settings.get("only") is not None:
        return
    space = searched(settings, points)
    if len(space) < LEAST_SPACE:
        raise StudyError(
            f"{file}: search: {len(space)} configurations to choose from are too few; measure the "
            f"grid: leave search out, or give at least {LEAST_SPACE} (files at once, no replicas)"
        )
    most = max(point.rounds for point in space.values())
    if most < LEAST_ROUNDS and "minutes" not in settings["search"]:
        raise StudyError(
            f"{file}: search: a tenth of a grid with rounds: {most} is too little; set rounds to "
            f"at least {LEAST_ROUNDS}, or give search.minutes"
        )
