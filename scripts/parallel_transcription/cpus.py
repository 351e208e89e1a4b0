"""The CPUs that a process may use: how many there really are, and which belong together.

Linux only, from /proc and /sys; what a system does not tell is None or empty. Everything takes the
folder that stands for `/`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from parallel_transcription.measure.limits import ROOT, cpu_quota, levels, number, read

_ALIKE = 0.9  # CPUs of one kind: their best clocks differ by a few percent at most
_NOT_A_LIMIT = 1 << 60  # bytes; version 1 writes about 2**63 for none


def mine() -> list[int]:
    """The numbers of the CPUs that this process may use; all where the system has no affinity."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe(cpus: Sequence[int] | None = None, root: Path = ROOT) -> dict[str, Any]:
    """What a process that may use these CPUs has of the machine, plain JSON.

    Args:
        cpus: Their numbers; those of this process unless given.
        root: The folder that stands for `/`.

    Returns:
        affinity_cpus (how many), affinity (which, such as "0-3,8"), cgroup_cpus (quota in CPUs),
        usable_cpus (the least of both and of all CPUs), usable_cores (physical cores among them),
        cpuset (CPUs of its control group), cgroup_memory_mb (1e6 bytes), numa_nodes (CPUs among
        them by node), cpu_kinds (cpus, max_mhz of each kind, fastest first; empty where all are
        alike or nothing is told), max_mhz.
    """
    has_affinity = cpus is not None or hasattr(os, "sched_getaffinity")
    own = list(mine() if cpus is None else cpus)
    found = kinds(own, root)
    unlike = found if len(found) > 1 else []
    return {
        "affinity_cpus": len(own) if has_affinity else None,
        "affinity": as_list(own) if has_affinity else None,
        "cgroup_cpus": cpu_quota(root),
        "usable_cpus": usable(own, root),
        "usable_cores": len(groups) if (groups := cores(own, root)) else None,
        "cpuset": cpuset(root),
        "cgroup_memory_mb": memory_limit_mb(root),
        "numa_nodes": numa_nodes(own, root),
        "cpu_kinds": [{"cpus": len(k), "max_mhz": _highest_mhz(k, root)} for k in unlike],
        "max_mhz": _highest_mhz(own, root),
    }


def usable(cpus: Sequence[int] | None = None, root: Path = ROOT) -> float:
    """How many CPUs a process can really use: affinity or quota, whichever is less.

    A quota may be a fraction: 1.5 CPUs, or half of one.
    """
    count = len(mine() if cpus is None else cpus)
    return float(min(count, cpu_quota(root) or count))


def cores(cpus: Iterable[int], root: Path = ROOT) -> list[list[int]]:
    """The physical cores among some CPUs: of each the numbers of its hardware threads.

    Those of one NUMA node stand together. Empty where the system does not tell.
    """
    wanted = set(cpus)
    groups: dict[tuple[int, ...], list[int]] = {}
    for cpu in sorted(wanted):
        topology = _folder(cpu, root) / "topology"
        text = read(topology / "core_cpus_list") or read(topology / "thread_siblings_list")
        if text is None:
            return []
        siblings = tuple(sorted({cpu, *(wanted & set(parse(text)))}))
        groups.setdefault(siblings, list(siblings))
    node = {cpu: name for name, members in _nodes(root).items() for cpu in members}
    return sorted(groups.values(), key=lambda group: (node.get(group[0], 0), group))


def kinds(cpus: Iterable[int], root: Path = ROOT) -> list[list[int]]:
    """CPUs of a hybrid processor by kind, the fastest first; all in one where they are alike.

    By the capacity that the kernel gives them, else by the highest clock. Small differences are
    those of good and bad pieces of one kind.
    """
    own = sorted(cpus)
    capacity = {cpu: number(read(_folder(cpu, root) / "cpu_capacity")) or 0 for cpu in own}
    if not all(capacity.values()) or len(set(capacity.values())) == 1:
        capacity = {cpu: round(_max_mhz(cpu, root) or 0) for cpu in own}
    if not all(capacity.values()):
        return [own] if own else []
    found: list[list[int]] = []
    best = 0
    for cpu in sorted(own, key=lambda one: (-capacity[one], one)):
        if not found or capacity[cpu] < _ALIKE * best:
            found.append([])
            best = capacity[cpu]
        found[-1].append(cpu)
    return [sorted(kind) for kind in found]


def slots(size: int, allowed: Sequence[int] | None = None, root: Path = ROOT) -> list[list[int]]:
    """CPUs for several runs side by side, each with so many physical cores of its own.

    The hardware threads of a core stay together: two runs on them would share the core. All slots
    are made of the fastest kind of cores, so that one is as good as another.

    Args:
        size: Physical cores of a slot.
        allowed: CPUs to take them from; those of this process unless given.
        root: The folder that stands for `/`.

    Returns:
        As many slots as fit, each with the numbers of its CPUs.
    """
    fastest = kinds(mine() if allowed is None else allowed, root)[0]
    groups = cores(fastest, root) or [[cpu] for cpu in fastest]
    starts = range(0, len(groups) - size + 1, size)
    return [sorted(cpu for core in groups[i : i + size] for cpu in core) for i in starts]


def numa_nodes(cpus: Iterable[int], root: Path = ROOT) -> dict[str, int]:
    """How many of some CPUs each NUMA node has; nodes without any are left out."""
    own = set(cpus)
    counts = {str(name): len(own & members) for name, members in _nodes(root).items()}
    return {name: count for name, count in counts.items() if count}


def cpuset(root: Path = ROOT) -> str | None:
    """The CPUs that the control group allows, such as "0-3"; None where none says so."""
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    for level in levels("cpuset", root):
        for name in names:
            if text := read(level / name):
                return text
    return None


def memory_limit_mb(root: Path = ROOT) -> int | None:
    """The memory limit of this process in MB (1e6 bytes); None without one. The least counts."""
    limits = [
        number(read(level / name))
        for level in levels("memory", root)
        for name in ("memory.max", "memory.limit_in_bytes")
    ]
    known = [limit for limit in limits if limit and limit < _NOT_A_LIMIT]
    return round(min(known) / 1e6) if known else None


def parse(text: str) -> list[int]:
    """The numbers of a list as Linux writes it: "0-2,8" is 0, 1, 2, 8."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if (low := number(first)) is not None:
            high = number(last)
            numbers += range(low, (low if high is None else high) + 1)
    return numbers


def as_list(numbers: Iterable[int]) -> str:
    """Numbers as Linux writes them: 0, 1, 2, 8 is "0-2,8"."""
    runs: list[list[int]] = []
    for one in sorted(set(numbers)):
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def governors(cpus: Iterable[int], root: Path = ROOT) -> str | None:
    """Governors of the clocks of some CPUs, as Linux names them; several with commas."""
    texts = (read(_folder(cpu, root) / "cpufreq/scaling_governor") for cpu in cpus)
    return ", ".join(sorted({text for text in texts if text})) or None


def _nodes(root: Path) -> dict[int, set[int]]:
    """The CPUs of each NUMA node."""
    found = {}
    for folder in (root / "sys/devices/system/node").glob("node[0-9]*"):
        name = number(folder.name.removeprefix("node"))
        if name is not None:
            found[name] = set(parse(read(folder / "cpulist") or ""))
    return dict(sorted(found.items()))


def _folder(cpu: int, root: Path) -> Path:
    return root / f"sys/devices/system/cpu/cpu{cpu}"


def _highest_mhz(cpus: Iterable[int], root: Path) -> float | None:
    return max((mhz for cpu in cpus if (mhz := _max_mhz(cpu, root))), default=None)


def _max_mhz(cpu: int, root: Path) -> float | None:
    khz = number(read(_folder(cpu, root) / "cpufreq/cpuinfo_max_freq"))
    return khz / 1000 if khz else None
