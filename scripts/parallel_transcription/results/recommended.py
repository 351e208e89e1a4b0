"""Recommended settings, as results/recommended.yaml holds them, and as Python to paste.

The findings write them, the report reads them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from parallel_transcription.results.typed import plain, read_checked

HEAD = """\
# Recommended settings, made from the measured tables; `status` says whether matches
# have confirmed them. Times in seconds, memory in MB (1e6 bytes), rtfx = seconds
# of audio per second.
"""


@dataclass(frozen=True)
class Arguments:
    """What one WhisperModel is made with."""

    model_size_or_path: str
    device: str
    device_index: int | list[int]
    compute_type: str
    cpu_threads: int
    num_workers: int


@dataclass(frozen=True)
class Measured:
    """A configuration and what was measured of it; None is not known."""

    configuration: str
    strategy: str
    instances: int
    num_workers: int
    cpu_threads: int
    callers: int
    device_index: str
    rtfx: float | None
    rtfx_low: float | None
    rtfx_high: float | None
    makespan_s: float | None
    cores_used: float | None
    memory_mb: float | None
    gpu_memory_mb: float | None
    rss_peak_mb: float | None
    slowest_file_s: float | None
    load_s: float | None
    rounds: int


@dataclass(frozen=True)
class Alternative(Measured):
    """Settings that save something, and what part of the throughput they keep."""

    snippet: str
    throughput_share: float
    saved: float


@dataclass(frozen=True)
class Confirmation:
    """What matches say of the winner against the runner-up.

    `status`: `confirmed`, `not confirmed`, `not yet`; `not compared`, where nothing else was
    measured; `in doubt`, where noise or foreign load keeps the comparison open.
    """

    status: str
    matches: int = 0
    against: str | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    rtfx: float | None = None
    rtfx_low: float | None = None
    rtfx_high: float | None = None
    level: float | None = None  # confidence of `low` and `high`


@dataclass(frozen=True)
class OtherService:
    """Settings as a service takes them, and what it does with them."""

    name: str
    settings: str
    note: str


@dataclass(frozen=True)
class ForLoad:
    """The settings that carry the largest load of one kind within the study's objectives.

    `rate`: requests per second shown to be within them; `streams`: the seconds of audio that come
    per second at it; `not_at`: the lowest rate shown not to be, None where none was. Of what a
    search for the lowest p95 found, `better_by`: the share by which, with a chance of 90 %, nothing
    of the grid is better.
    """

    load: str
    objectives: str
    rate: float
    streams: float
    not_at: float | None
    configuration: str
    strategy: str
    instances: int
    callers: int
    discipline: str
    whisper_model: Arguments
    snippet: str
    better_by: float | None = None


@dataclass(frozen=True)
class Recommendation:
    """The settings for one kind of work on a machine; None where there is nothing to say.

    `others` are those for other kinds of work; the machine's own recommendation has them.
    """

    status: str
    reason: str | None = None
    model: str | None = None
    compute_type: str | None = None
    device: str | None = None
    files_in_parallel: int | None = None
    strategy: str | None = None
    whisper_model: Arguments | None = None
    instances: int | None = None
    callers: int | None = None
    environment: dict[str, str] | None = None
    snippet: str | None = None
    melvin_asr: dict[str, Any] | None = None
    services: list[OtherService] | None = None
    evidence: Measured | None = None
    confirmation: Confirmation | None = None
    limits: dict[str, Any] | None = None
    as_good: list[str] | None = None
    undecided: list[str] | None = None
    alternatives: dict[str, Alternative | None] | None = None
    notes: list[str] = field(default_factory=list)
    others: list[Recommendation] | None = None
    loads: list[ForLoad] | None = None

    def call(self) -> str:
        """Python to paste, a line for each argument; empty where nothing is recommended."""
        if not (self.whisper_model and self.strategy and self.instances and self.evidence):
            return ""
        devices = device_list(self.evidence.device_index)
        return call(self.whisper_model, self.strategy, self.instances, devices)

    def to_plain(self) -> dict[str, Any]:
        """As the file holds it: without what is not known."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.others is not None:
            values["others"] = [other.to_plain() for other in self.others]
        if not self.notes:
            del values["notes"]
        return {k: _plain(v) for k, v in values.items() if v is not None}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return plain(value)


def device_list(text: str) -> int | list[int]:
    """The devices of a device_index text: one by its number, several as a list."""
    parts = [p.strip() for p in str(text).split(",") if p.strip()]
    numbers = [int(p) for p in parts if p.isdigit()] or [0]
    return numbers[0] if len(numbers) == 1 else numbers


def call(
    arguments: Arguments,
    strategy: str,
    instances: int,
    devices: int | list[int],
    one_line: bool = False,
) -> str:
    """Python that makes the model or models.

    Args:
        arguments: Those of one model.
        strategy: How the work is spread.
        instances: Models, or processes with one each.
        devices: What the models are spread over.
        one_line: All of it on one line, else a line for each argument.
    """
    values = dataclasses.asdict(arguments)
    name = values.pop("model_size_or_path")
    spread = strategy != "one_model" and isinstance(devices, list)
    home = str(name).startswith("~")  # WhisperModel takes it for the name of a model
    given = [f"os.path.expanduser({name!r})" if home else repr(name)]
    device = f"{devices!r}[0]" if strategy == "multi_process" else "d"
    for key, value in values.items():
        given.append(f"{key}={device if key == 'device_index' and spread else repr(value)}")
    if one_line:
        made = f"WhisperModel({', '.join(given)})"
    else:
        made = "\n".join(["WhisperModel(", *(f"    {argument}," for argument in given), ")"])
    if strategy == "one_model":
        return f"model = {made}"
    if strategy == "multi_process":
        turns = " ([0] in the first, [1] in the next, …)" if spread else ""
        return f"model = {made}  # in each of {instances} processes{turns}"
    if spread:
        return f"models = [{made} for d in ({devices!r} * {instances})[:{instances}]]"
    return f"models = [{made} for _ in range({instances})]"


def write_recommended(recommended: Mapping[str, Recommendation], path: Path) -> None:
    """Write the recommendations of all machines, by label."""
    values = {label: one.to_plain() for label, one in recommended.items()}
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    path.write_text(HEAD + text, encoding="utf-8")


def read_recommended(path: Path) -> dict[str, Recommendation]:
    """The recommendations by machine, checked; none where there is no file.

    Raises:
        TableError: The file is there and holds something else.
    """
    return read_checked(path, dict[str, Recommendation], yaml.safe_load) or {}
