"""What a study says of loads: its mixes of files, its traces, and what a share of the capacity is.

A rate in percent is one of what the first configuration under load carries: it serves the same mix
in a closed loop, once, before the others are measured, and all get the same rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from parallel_transcription import words
from parallel_transcription.inputs import patterns, traces
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.dimensions import NAMES
from parallel_transcription.study.file import Problems, StudyError
from parallel_transcription.study.grid import GridPoint
from parallel_transcription.study.rates import share_of

TRACE = "trace:"
LONGEST_PASS_S = traces.LONGEST_S
#: Requests from which on at least one of two is expected beyond a percentile: n ≥ 2 / (1 - p).
CARRIES = {50: 10, 90: 20, 95: 40, 99: 200}
#: Dimensions in which configurations differ that get the same rate for the same share.
_SPREAD = ("strategy", "instances", "num_workers", "cpu_threads", "callers", "init_stagger_s",
           "thread_env", "slowdown", "replica", "arrivals", "rate", "requests", "discipline",
           "device_index", "service")  # fmt: skip
#: The others: what those have in common that do the same work.
ALIKE = tuple(name for name in NAMES if name not in _SPREAD)


@dataclass(frozen=True)
class Part:
    """Files of a mix that stand for one kind of request, and how often it comes."""

    name: str
    weight: float
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Loads:
    """The loads of a study: parts of each mix by name, and requests of each trace by its file."""

    mixes: Mapping[str, tuple[Part, ...]]
    traces: Mapping[str, list[tuple[float, float]]]

    def beside(self, audio: list[Path]) -> Loads:
        """These, and the study's files as the mix of the empty name."""
        return replace(self, mixes={"": (Part("", 1.0, tuple(audio)),), **self.mixes})

    def files(self, mix: str) -> list[Path]:
        """The files of a mix, each once."""
        return list(dict.fromkeys(file for part in self.mixes[mix] for file in part.files))


def trace_of(configuration: Configuration) -> str | None:
    """The file of a trace that requests follow; None for other arrivals."""
    arrivals = configuration.arrivals
    return arrivals.removeprefix(TRACE) if arrivals.startswith(TRACE) else None


def read_loads(
    configurations: Iterable[Configuration],
    mixes: Mapping[str, Any],
    file: str,
    root: Path,
) -> Loads:
    """The loads that some configurations are under.

    Args:
        configurations: Those of the grid.
        mixes: The study's setting.
        file: The study's, for messages.
        root: The folder that patterns and traces are relative to.

    Raises:
        StudyError: with a line for each mix that is not there or has no files, and for what is no
            trace, or one that takes longer than a pass may.
    """
    problems, configurations = Problems(), list(configurations)
    found: dict[str, tuple[Part, ...]] = {}
    for name, said in mixes.items():
        with problems.of():
            found[name] = tuple(_parts(name, said, file, root))
    known = ", ".join(sorted(mixes)) or "none"
    for mix in sorted({one.mix for one in configurations} - {"", *mixes}):
        problems.add(f"{file}: mix: {mix!r} is none of mixes ({known}); name it there")
    read: dict[str, list[tuple[float, float]]] = {}
    for trace in sorted({trace for one in configurations if (trace := trace_of(one))}):
        try:
            read[trace] = traces.read(root / trace, trace)
        except traces.TraceError as error:
            problems.add(f"{file}: arrivals: {error}")
    for one in configurations:
        with problems.of():
            _check_lasts(one, file)
    problems.end()
    return Loads(found, read)


def _check_lasts(configuration: Configuration, file: str) -> None:
    """Refuse requests that come for longer than any pass may take."""
    rate = configuration.rate
    if not rate or share_of(rate) is not None:
        return
    seconds = 1.25 * configuration.requests / float(rate)
    if seconds > LONGEST_PASS_S:
        raise StudyError(
            f"{file}: rate: {rate} per second is {words.duration(seconds)} for requests: "
            f"{configuration.requests}; a pass may take {words.duration(LONGEST_PASS_S)}, so give "
            "fewer requests or a higher rate"
        )


def _parts(name: str, said: Any, file: str, root: Path) -> Iterable[Part]:
    said = [said] if isinstance(said, str) else said
    if all(isinstance(one, str) for one in said):
        said = [{"files": said}]
    for number, one in enumerate(said):
        named = one["files"]
        try:
            files = patterns.expand([named] if isinstance(named, str) else named, root).files
            patterns.check_files(files, root)
        except patterns.AudioError as error:
            where = f"{file}: mixes.{name}[{number}].files"
            lines = [f"{where}: {line}" for line in str(error).split("\n")]
            raise StudyError("\n".join(lines)) from None
        yield Part(one.get("name", ""), float(one.get("weight", 1)), tuple(files))


def capacities(points: Mapping[str, GridPoint]) -> tuple[dict[str, GridPoint], dict[str, str]]:
    """What tells the capacity that rates in percent are shares of.

    Args:
        points: The grid, in its order.

    Returns:
        Grid points that are measured for it, one round each, by id; and for each point with such a
        rate the id of its own.
    """
    first: dict[tuple[object, ...], GridPoint] = {}
    measured: dict[str, GridPoint] = {}
    of: dict[str, str] = {}
    for point in points.values():
        if share_of(point.configuration.rate) is None:
            continue
        c = point.configuration
        same = tuple(getattr(c, name) for name in ALIKE)
        if same not in first:
            closed = replace(
                c, arrivals="closed", rate="", discipline="fifo", replica=1, slowdown=0,
                callers=0 if c.callers == c.one_caller_each else c.callers,
            )  # fmt: skip
            first[same] = GridPoint.of(closed, 1, 1)
        measured[first[same].id] = first[same]
        of[point.id] = first[same].id
    return measured, of
