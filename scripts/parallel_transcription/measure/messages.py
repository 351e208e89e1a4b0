"""What the supervisor and the measured process say to each other: the order, then events.

The order is the first line on the measured process's standard input. In a match each line after it
is the number of a pass that may begin, a warm-up where it is below 1; where the lines end, the
process ends. A run has no such lines: its order says how many passes there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from parallel_transcription.measure.arrivals import Load
from parallel_transcription.measure.clients import Service
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.loopback_hub import Served
from parallel_transcription.measure.walk import Planned


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be measured.

    `configuration` numbers its devices as the measured process does (see `cuda.place`);
    `affinity` are CPU numbers, None for all; `quota_cpus` are those that a quota leaves, None
    without one; `environment` are variables that CUDA needs; `walk` is what dummy weights must say
    (`walk.planned`), None for other models; `served` is the model as a hub has it, None where it is
    loaded from its folder, `model_path`; `load` is what it is to serve, None where all files come
    at one moment; `service` is the one that is asked, None for the library's models.
    """

    configuration: Configuration
    model_path: str
    files: list[str]
    affinity: list[int] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    walk: Planned | None = None
    quota_cpus: float | None = None
    served: Served | None = None
    load: Load | None = None
    service: Service | None = None

    @property
    def loads(self) -> str:
        """What each instance is given to load: a folder, or a name."""
        return self.served.repository if self.served else self.model_path


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How it is measured: passes, and seconds that a pass and the start may take.

    `load_timeout_s` is for the start, the load, and what is done once at first use: what the load
    leaves of it, the first warm-up may take beyond `timeout_s`. `remeasure`: at most so many
    passes more, for those that others disturbed (`disturbance.py`, with `disturbed_above`).
    """

    repeats: int
    warmups: int
    timeout_s: float
    load_timeout_s: float
    remeasure: int = 0
    disturbed_above: float = 0.05


@dataclass(frozen=True, kw_only=True)
class MatchProtocol:
    """How a match is measured.

    `passes` are blocks, each of them one pass of every side; `warmups` passes of a side before its
    first; `timeout_s` and `load_timeout_s` as of a run.
    """

    passes: int
    warmups: int
    timeout_s: float
    load_timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the measured process is told.

    `first` is the number of its first repeat: above 1 where a process before it was cut off.
    `live`: report every file while it runs. `in_turns`: a side of a match, which is told when each
    pass may begin; its warm-ups reach all workers, also where there are fewer files.
    """

    configuration: Configuration
    model_path: str
    files: list[str]
    warmups: int
    repeats: int
    affinity: list[int] | None = None
    live: bool = False
    supervisor: int = 0  # its process id
    walk: Planned | None = None
    first: int = 1
    remeasure: int = 0
    disturbed_above: float = 0.05
    quota_cpus: float | None = None
    in_turns: bool = False
    load: Load | None = None
    service: Service | None = None

    def to_json(self) -> str:
        """The order as it goes to the measured process: one line."""
        return json.dumps(asdict(self))

    @property
    def warm_callers(self) -> int:
        """Callers of a warm-up; of a service, as many as its workers."""
        if self.service:
            return self.configuration.total_workers
        all_workers = self.in_turns or self.load
        workers = self.configuration.total_workers if all_workers else 0
        return max(self.configuration.callers, workers)

    @property
    def warm_files(self) -> list[str]:
        """Files of a warm-up: from the start again where there are fewer than its callers."""
        wanted = max(len(self.files), self.warm_callers if self.in_turns else 0)
        if self.load:
            wanted = self.warm_callers
        return [self.files[i % len(self.files)] for i in range(wanted)]

    @classmethod
    def from_json(cls, text: str) -> Order:
        """The order that `to_json` wrote."""
        content = json.loads(text)
        load, service = content["load"], content["service"]
        return cls(
            **content
            | {
                "configuration": Configuration(**content["configuration"]),
                "load": load and Load.of(load),
                "service": service and Service(**service),
            }
        )


# What the measured process reports, in this order.


@dataclass(frozen=True)
class Prepared:
    """Libraries are imported, helper processes are there."""

    seconds: float


@dataclass(frozen=True)
class Loaded:
    """All instances were loaded, or failed to; all but `engine` as in the record's start."""

    loads: list[dict[str, Any]]
    memory_before: dict[str, int | None]
    memory_after: dict[str, int | None]
    gpus: list[dict[str, Any]] | None
    engine: dict[str, Any]


@dataclass(frozen=True)
class PassBegins:
    """A pass, a warm-up where `repeat` is below 1, is about to begin.

    `before` are the meters right before it (`meters.Begun`), for a pass that does not end.
    """

    repeat: int
    before: dict[str, Any]


@dataclass(frozen=True)
class FileStarted:
    """A caller took a file, `at` seconds after the window opened; only where `live`."""

    counter: int
    file: str
    at: float


@dataclass(frozen=True)
class FileFinished:
    """A file's text is there, or it failed; only where `live`."""

    counter: int
    file: str
    seconds: float
    error: str | None


@dataclass(frozen=True)
class WindowClosed:
    """The pass is over; what the GPU's driver kept of it is fetched now."""


@dataclass(frozen=True)
class PassEnded:
    """A pass as the record keeps it, but for its number."""

    repeat: int
    result: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """An exception ends the process; `status` is that of the run."""

    error: str
    status: str


@dataclass(frozen=True)
class AllDone:
    """Nothing is left to do but to end."""


Event = (
    Prepared
    | Loaded
    | PassBegins
    | FileStarted
    | FileFinished
    | WindowClosed
    | PassEnded
    | Failed
    | AllDone
)
Report = Callable[[Event], None]

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


def encode(event: Event) -> str:
    """An event as a line of JSON."""
    return json.dumps([type(event).__name__, vars(event)])


def decode(line: bytes) -> Event:
    """The event that `encode` wrote."""
    kind, content = json.loads(line)
    return _KINDS[kind](**content)
