"""Whether others disturbed a pass: what they used against what the run left idle.

Foreign are the CPU seconds of all that is not the measured process: other programs, and the
kernel's own threads, also where they work for the run (kswapd, khugepaged, a GPU driver's), which
nobody can tell apart. They are counted on the CPUs whose times were read: those that the run is
pinned to, else all of the host, also from inside a container.

The same rule is asked twice: in the measured process, which measures a disturbed pass again, and
of every record that is read, with the study's present limit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from parallel_transcription.measure.configuration import Configuration

LONGEST_CLOCK_JUMP_S = 1.0  # more than this: the machine slept, or its clock was set
#: CPUs that may be lacking: a desktop's own doings, which move to whichever CPU is free.
LACKING_CPUS = 0.25
MOST_OF_IDLE = 0.5  # of the idle CPUs: with more, siblings of the busy ones are used as well
TICK_S = 0.01  # the step in which Linux counts a CPU's time
MOST_AUTOMATIC_THREADS = 4  # CTranslate2 takes so many for cpu_threads 0, or the CPUs if fewer
GROWN_BYTES = 64_000_000  # memory of others on a GPU that came while the run was there
#: Reasons for which a GPU is always slower when it works: its power limit, and its siblings'.
_USUAL_THROTTLING = ("power", "sync_boost")
_OMP_THREADS = re.compile(r"(?:^|\s)OMP_NUM_THREADS=(\d+)")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a pass runs.

    `counted` are the CPUs on which others are counted, `usable` those that the run may really use
    (affinity, quota), `wanted` those that its threads can keep busy.
    """

    counted: float
    usable: float
    wanted: float

    @property
    def limited(self) -> bool:
        """Whether a quota leaves the run fewer CPUs than others are counted on."""
        return self.usable < self.counted


class Disturbed(NamedTuple):
    """Whether others held a pass up; None where it cannot be told."""

    by_load: bool | None
    on_gpu: bool | None

    @property
    def at_all(self) -> bool | None:
        """True if one is, None if none is known to be and one is not known."""
        if self.by_load or self.on_gpu:
            return True
        return None if self.by_load is None else False


def place(
    configuration: Configuration,
    logical_cpus: float | None,
    affinity_cpus: float | None,
    limits: Sequence[float | None] = (),
) -> Place:
    """The CPUs of a run.

    Args:
        configuration: What runs.
        logical_cpus: Those of the host.
        affinity_cpus: Those that the process may run on.
        limits: Others that there may be, such as a quota.
    """
    counted = float(affinity_cpus or logical_cpus or 1)
    usable = min((float(one) for one in (counted, *limits) if one), default=counted)
    threads = threads_of(configuration, logical_cpus)
    in_use = max(1, min(configuration.total_workers, configuration.callers))
    return Place(counted=counted, usable=usable, wanted=min(float(in_use * threads), usable))


def threads_of(configuration: Configuration, logical_cpus: float | None) -> int:
    """Threads that each worker keeps busy; on a GPU that of its caller."""
    if configuration.device == "cuda":
        return 1
    if configuration.cpu_threads:
        return configuration.cpu_threads
    said = _OMP_THREADS.search(configuration.thread_env)
    if said and int(said[1]):
        return int(said[1])
    return int(min(MOST_AUTOMATIC_THREADS, logical_cpus or MOST_AUTOMATIC_THREADS))


def by_foreign_cpus(foreign: float, seconds: float, where: Place, above: float) -> bool | None:
    """Whether so many foreign CPUs hold a run up.

    They do where CPUs are lacking for the run, and where they take more than the share `above` of
    all and most of what is idle: hardware threads of one core, caches, memory and clocks are shared
    as well. Under a quota the latter says nothing of the run: most of the host is not its own.

    Args:
        foreign: CPU seconds of others per second.
        seconds: Length of the window.
        where: The CPUs.
        above: The study's limit (`disturbed_above`), 0 to 1.

    Returns:
        None where the window is too short for the system's clock ticks to tell.
    """
    idle = where.counted - where.wanted
    allowed = idle + LACKING_CPUS
    if not where.limited:
        allowed = min(allowed, max(above * where.counted, MOST_OF_IDLE * idle))
    error = TICK_S * math.sqrt(2 * where.counted) / seconds if seconds > 0 else math.inf
    if foreign > allowed + error:
        return True
    return None if foreign > allowed - error and error > 0.1 * allowed else foreign > allowed


def of_pass(
    one: Mapping[str, Any],
    where: Place,
    above: float,
    loaded: Sequence[Mapping[str, Any]] | None = None,
) -> Disturbed:
    """Whether others disturbed a pass.

    Args:
        one: The pass as the run record keeps it, or what is known of one that did not end
            (`seconds` in place of `makespan_s`).
        where: Its CPUs.
        above: The study's limit (`disturbed_above`), 0 to 1.
        loaded: Its GPUs after loading, as the run record keeps them.
    """
    on_gpu = _on_gpus(one.get("gpus"), loaded, above)
    seconds = one.get("makespan_s") or one.get("seconds") or 0.0
    jump, steal = one.get("clock_jump_s") or 0.0, one.get("steal_share") or 0.0
    if steal > above or abs(jump) > LONGEST_CLOCK_JUMP_S:
        return Disturbed(True, on_gpu)
    foreign, share = one.get("foreign_cpu_s"), one.get("foreign_cpu_share")
    if foreign is not None and seconds:
        cpus = foreign / seconds
    elif share is not None:
        cpus = share * where.counted
    else:
        return Disturbed(None, on_gpu)
    return Disturbed(by_foreign_cpus(cpus, seconds, where, above), on_gpu)


def _on_gpus(
    gpus: Sequence[Mapping[str, Any]] | None,
    loaded: Sequence[Mapping[str, Any]] | None,
    above: float,
) -> bool | None:
    """Whether others came onto a GPU of the run, or heat or a fault slowed it; None without one."""
    if not gpus:
        return None
    for k, gpu in enumerate(gpus):
        slowed = [v for name, v in gpu["throttled"].items() if name not in _USUAL_THROTTLING]
        if any(share is not None and share > above for share in slowed):
            return True
        was = loaded[k] if loaded and len(loaded) == len(gpus) else None
        others, before = _others(gpu), None if was is None else _others(was)
        if others is not None and before is not None and others - before > GROWN_BYTES:
            return True
    return False


def _others(gpu: Mapping[str, Any]) -> float | None:
    """Bytes on a GPU that are not the run's."""
    used, own = gpu["used_bytes"], gpu["own_bytes"]
    return None if used is None or own is None else used - own
