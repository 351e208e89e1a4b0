"""What is measured: a configuration, one value for each dimension, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Requests that a client has open with a service at once, when they come by a schedule: the service
#: decides how many it serves.
CONNECTIONS = 64


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One point of the grid, as the measured process takes it.

    A field is a dimension; what it means and which values it may have is in `study.dimensions`.
    Names are made from what differs from the defaults, so a default never changes, and that of a
    new dimension is what was measured before there was one.
    """

    strategy: str
    model: str = "mini-en"
    compute_type: str = "int8"
    device: str = "cpu"
    device_index: str = "0"
    instances: int = 1
    num_workers: int = 1
    cpu_threads: int = 0
    files_in_parallel: int = 2
    callers: int = 0  # 0 becomes as many as files; under a load, as many as workers
    init_stagger_s: float = 0.0
    load: str = "folder"
    thread_env: str = "OPENBLAS_NUM_THREADS=1"
    language: str = "auto"
    beam_size: int = 5
    vad_filter: bool = False
    word_timestamps: bool = False
    condition_on_previous_text: bool = True
    temperature_fallback: bool = True
    batch_size: int = 0
    slowdown: float = 0.0
    replica: int = 1
    arrivals: str = "at_once"
    rate: str = ""
    requests: int = 0
    mix: str = ""
    discipline: str = "fifo"
    service: str = ""

    def __post_init__(self) -> None:
        if not self.callers:
            object.__setattr__(self, "callers", self.one_caller_each)

    @property
    def one_caller_each(self) -> int:
        """Callers, when every file has one; under a load, when every worker has one.

        A service that requests come to by a schedule gets them all as they come.
        """
        if self.strategy == "service" and self.under_load and self.arrivals != "closed":
            return CONNECTIONS
        return self.total_workers if self.under_load else max(1, self.files_in_parallel)

    @property
    def under_load(self) -> bool:
        """Whether files come as requests, not all at one moment."""
        return self.arrivals != "at_once"

    @property
    def served_at_once(self) -> int:
        """Requests that are served at once; of a service, as many as it says it has workers."""
        return self.total_workers if self.strategy == "service" else self.callers

    @property
    def devices(self) -> list[int]:
        """The numbers of the devices, in order."""
        return [int(number) for number in self.device_index.split(",")]

    @property
    def gpus(self) -> int:
        """How many GPUs it uses; 0 on a CPU."""
        return len(set(self.devices)) if self.device == "cuda" else 0

    @property
    def total_workers(self) -> int:
        """Workers over all instances and devices (`num_workers` counts per device)."""
        devices = len(self.devices) if self.strategy == "one_model" else 1
        return self.instances * self.num_workers * devices

    def as_json(self) -> dict[str, Any]:
        """The value of every dimension, by name."""
        return dict(vars(self))
