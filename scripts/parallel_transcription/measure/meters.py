"""Meters of a timed window: clocks, CPU time, context switches, memory, and what else ran.

They are read at the two ends of a window only; nothing runs inside it. `snapshot` is the part that
is read right at the ends and costs little; `memory` walks the process's page tables and belongs
outside the window.

On Linux every meter exists. Elsewhere a meter that does not exist is None, never 0.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

_LINUX = sys.platform == "linux"


@dataclass(frozen=True)
class Snapshot:
    """Meters at one moment; times in seconds, all of them counting up from some start.

    `machine_busy_s` is the CPU time of everything on the machine, `steal_s` what the hypervisor
    gave to others, both summed over all logical CPUs (None where the system does not tell).
    """

    clock_s: float
    cpu_user_s: float
    cpu_system_s: float
    context_switches_voluntary: int
    context_switches_involuntary: int
    machine_busy_s: float | None
    steal_s: float | None


def snapshot() -> Snapshot:
    """All cheap meters of this process (all its threads) and of the machine, now.

    Costs 21 µs on a vCPU of an AMD EPYC (18 of them to read /proc/stat), whatever the process's
    size.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    busy, steal = _machine_times(affinity())
    return Snapshot(
        clock_s=time.monotonic(),
        cpu_user_s=usage.ru_utime,
        cpu_system_s=usage.ru_stime,
        context_switches_voluntary=usage.ru_nvcsw,
        context_switches_involuntary=usage.ru_nivcsw,
        machine_busy_s=busy,
        steal_s=steal,
    )


def snapshot_of(process: psutil.Process) -> Snapshot:
    """The meters of another process and of the helpers that it has seen end, now.

    CPU times advance in steps of 1/100 s; clock and machine are left to `snapshot` of this one.

    Raises:
        psutil.Error: if it has ended.
    """
    with process.oneshot():
        times, switches = process.cpu_times(), process.num_ctx_switches()
    return Snapshot(
        clock_s=time.monotonic(),
        cpu_user_s=times.user + times.children_user,
        cpu_system_s=times.system + times.children_system,
        context_switches_voluntary=switches.voluntary,
        context_switches_involuntary=switches.involuntary,
        machine_busy_s=None,
        steal_s=None,
    )


def _machine_times(mine: list[int] | None) -> tuple[float | None, float | None]:
    """Busy and stolen CPU seconds, since the machine started, of the CPUs a process may use.

    Busy is user + nice + system + irq + softirq. Idle and iowait are not work; guest and
    guest_nice are already in user and nice (proc_stat(5)); steal is time that this machine wanted
    and did not get. A pinned process shares its own CPUs only, so others do not count.
    """
    try:
        if mine and len(mine) < (os.cpu_count() or 1):
            every = psutil.cpu_times(percpu=True)
            times = [every[number] for number in mine]
        else:
            times = [psutil.cpu_times()]
    except (OSError, RuntimeError, IndexError, psutil.Error):
        return None, None
    parts = ("user", "nice", "system", "irq", "softirq")
    busy = sum(getattr(one, part, 0.0) for one in times for part in parts)
    if not hasattr(times[0], "steal"):
        return busy, None
    return busy, sum(one.steal for one in times)


def total(parts: Sequence[Snapshot]) -> Snapshot:
    """One snapshot of several processes that belong together, all taken at about one moment.

    Their own meters are added up. Clock and machine are those of the first one, the process
    that opens and closes the window.
    """
    return replace(
        parts[0],
        cpu_user_s=sum(part.cpu_user_s for part in parts),
        cpu_system_s=sum(part.cpu_system_s for part in parts),
        context_switches_voluntary=sum(part.context_switches_voluntary for part in parts),
        context_switches_involuntary=sum(part.context_switches_involuntary for part in parts),
    )


def difference(
    before: Snapshot, after: Snapshot, logical_cpus: int | None = None
) -> dict[str, float | int | None]:
    """What happened between two snapshots of the same process, or of the same processes.

    cpu_s = cpu_user_s + cpu_system_s in seconds; foreign_cpu_s are the CPU seconds of all other
    processes, foreign_cpu_share their share of what `logical_cpus` (default: those it may use)
    could have done in that time, 0 to 1; steal_share the same for time stolen by the hypervisor.
    The machine's counters advance in steps of 1/100 s per CPU, so that both shares of a window of
    1 s are exact to about 0.01; below 0 (from that rounding) they are given as 0.
    """
    user = after.cpu_user_s - before.cpu_user_s
    system = after.cpu_system_s - before.cpu_system_s
    usable = logical_cpus or len(affinity() or ()) or os.cpu_count() or 1
    capacity = (after.clock_s - before.clock_s) * usable
    busy = _minus(after.machine_busy_s, before.machine_busy_s)
    foreign = None if busy is None else max(0.0, busy - user - system)
    return {
        "cpu_s": user + system,
        "cpu_user_s": user,
        "cpu_system_s": system,
        "context_switches_voluntary": after.context_switches_voluntary
        - before.context_switches_voluntary,
        "context_switches_involuntary": after.context_switches_involuntary
        - before.context_switches_involuntary,
        "foreign_cpu_s": foreign,
        "foreign_cpu_share": _share(foreign, capacity),
        "steal_share": _share(_minus(after.steal_s, before.steal_s), capacity),
    }


# -------------------------------------------------------------------------------- unfinished passes


@dataclass(frozen=True)
class Begun:
    """Meters right before a pass; times as in `Snapshot`, `started_at` in seconds since 1970."""

    started_at: float
    clock_s: float
    cpu_s: float
    machine_busy_s: float | None
    steal_s: float | None


def begun(parts: Sequence[Snapshot]) -> Begun:
    """The meters of all processes of a run before a pass, for another process to go on with."""
    all_of_it = total(parts)
    return Begun(
        started_at=time.time(),
        clock_s=all_of_it.clock_s,
        cpu_s=all_of_it.cpu_user_s + all_of_it.cpu_system_s,
        machine_busy_s=all_of_it.machine_busy_s,
        steal_s=all_of_it.steal_s,
    )


def since(before: Begun, process: int, cpus: list[int] | None) -> dict[str, float | None]:
    """What happened since a pass began that does not end, as the run record keeps it.

    Read from outside, before the process is reaped. Processes that it started and that have ended
    are counted where it has seen them end; where it ended itself before them, their part is lost
    and the caller must not ask.

    Args:
        before: The meters before the pass.
        process: Id of the measured process, alive or not reaped yet.
        cpus: Those that it may use; None for all.
    """
    now = time.monotonic()
    busy, steal = _machine_times(cpus if cpus is not None else affinity())
    used = _cpu_s(process)
    seconds = now - before.clock_s
    capacity = seconds * (len(cpus or affinity() or ()) or os.cpu_count() or 1)
    own = None if used is None else max(0.0, used - before.cpu_s)
    all_busy = _minus(busy, before.machine_busy_s)
    foreign = None if own is None or all_busy is None else max(0.0, all_busy - own)
    return {
        "started_at": before.started_at,
        "seconds": seconds,
        "clock_jump_s": (time.time() - before.started_at) - seconds,
        "cpu_s": own,
        "foreign_cpu_s": foreign,
        "foreign_cpu_share": _share(foreign, capacity),
        "steal_share": _share(_minus(steal, before.steal_s), capacity),
    }


def _cpu_s(process: int) -> float | None:
    """CPU seconds of a process, of those it started and of those it saw end; None: not known."""
    try:
        main = psutil.Process(process)
        parts = [main, *main.children(recursive=True)]
        every = [part.cpu_times() for part in parts]
    except psutil.Error:
        return None
    return sum(t.user + t.system + t.children_user + t.children_system for t in every)


def _minus(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _share(part: float | None, whole: float) -> float | None:
    if part is None or whole <= 0:
        return None
    return min(1.0, max(0.0, part / whole))


# -------------------------------------------------------------------------------- memory


def memory(process: psutil.Process | None = None) -> dict[str, int | None]:
    """Memory of a process (this one) in bytes: rss, pss, uss; None where the system does not tell.

    rss counts every page in memory, pss shares pages with other processes in equal parts, uss
    counts only pages of this process alone: what its end would set free. Costs 0.5 ms for a
    process of 40 MB and 2 to 3 ms from 200 MB to 2 GB (the kernel adds up /proc/self/smaps_rollup).
    """
    process = process or psutil.Process()
    try:
        full = process.memory_full_info()
    except (psutil.Error, OSError):
        return {"rss": process.memory_info().rss, "pss": None, "uss": None}
    return {
        "rss": full.rss,
        "pss": getattr(full, "pss", None),
        "uss": getattr(full, "uss", None),
    }


def reset_peak_rss(process: int | str = "self") -> bool:
    """Start the peak of a process's resident memory anew; False where the system cannot.

    Linux: 5 written to /proc/self/clear_refs (proc_pid_clear_refs(5)); costs 15 µs.
    """
    if not _LINUX:
        return False
    try:
        Path(f"/proc/{process}/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak_rss(process: int | str = "self") -> int | None:
    """Highest resident memory of a process in bytes since `reset_peak_rss`; None: not known.

    Linux: VmHWM of /proc/self/status (proc_pid_status(5)); costs 27 µs. Unlike ru_maxrss of
    getrusage(2) it can be reset.
    """
    if not _LINUX:
        return None
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def affinity() -> list[int] | None:
    """The logical CPUs that this process may use, sorted; None where the system has no such."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    return sorted(os.sched_getaffinity(0))
