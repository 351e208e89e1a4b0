"""What holds a process back: the quota of its control group, and the clock and heat of its CPUs.

Read just outside of a timed window, at its two ends; nothing of this is read inside. What the
system does not tell is None, never 0. Everything takes the folder that stands for `/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")


class _Mount(NamedTuple):
    """A mounted hierarchy of control groups: which group it shows at which folder, and of what."""

    group: str
    folder: str
    kind: str
    controllers: list[str]


def levels(controller: str, root: Path = ROOT) -> Iterator[Path]:
    """The folders of this process's control group and of its parents, innermost first.

    Both versions, also side by side (cgroups(7)). In a container the group's path may be that on
    the host, while only the part from the container's own group on is mounted; what lies above
    cannot be seen. Folders that are not there are among them.
    """
    mounts = _mounts(root)
    for line in (read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            fitting = [m for m in mounts if m.kind == "cgroup2"] or [
                _Mount("/", "/sys/fs/cgroup", "cgroup2", [])
            ]
        elif controller in controllers.split(","):
            fitting = [m for m in mounts if m.kind == "cgroup" and controller in m.controllers] or [
                _Mount("/", f"/sys/fs/cgroup/{controller}", "cgroup", [])
            ]
        else:
            continue
        inner = _below(path, fitting[0].group)
        for part in (inner, *inner.parents):
            yield root / fitting[0].folder.lstrip("/") / part


def _below(path: str, group: str) -> Path:
    """Where a group lies below the mounted one; the mounted one itself where that is not seen."""
    group = "" if group == "/" else group
    inside = path == group or path.startswith(f"{group}/")
    inner = Path(path[len(group) :].lstrip("/")) if inside else Path()
    return Path() if ".." in inner.parts else inner


def _mounts(root: Path) -> list[_Mount]:
    """The mounted hierarchies (proc_pid_mountinfo(5)); spaces in paths are escaped there."""
    found = []
    for line in (read(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) >= 5 and len(kind) >= 3 and kind[0] in ("cgroup", "cgroup2"):
            group, folder = (
                re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), f) for f in fields[3:5]
            )
            found.append(_Mount(group, folder, kind[0], kind[2].split(",")))
    return found


def quota_of(level: Path) -> float | None:
    """The CPU quota of one control group in CPUs; None without one."""
    quota, period = None, None
    if text := read(level / "cpu.max"):
        quota, period = (number(part) for part in [*text.split(), "100000"][:2])
    elif text := read(level / "cpu.cfs_quota_us"):
        quota, period = number(text), number(read(level / "cpu.cfs_period_us"))
    return quota / period if quota and period and quota > 0 and period > 0 else None


def cpu_quota(root: Path = ROOT) -> float | None:
    """The CPU quota of this process in CPUs, such as 1.5; None without one. The least counts."""
    quotas = [quota for level in levels("cpu", root) if (quota := quota_of(level))]
    return min(quotas, default=None)


@dataclass(frozen=True)
class Reading:
    """Counters and clocks at one moment.

    `periods` had a quota to keep, `throttled_periods` reached it; `throttled_s` is how long CPUs
    stood still for that, added up over CPUs. `mhz` is the mean clock, `heat` how often each core
    and package was slowed down by its heat.
    """

    periods: float | None
    throttled_periods: float | None
    throttled_s: float | None
    mhz: float | None
    heat: dict[str, int]


class Limits:
    """The counters of this process's control groups and CPUs, found once.

    Throttling is added up over all levels of control groups that have a quota: at each of them the
    process may be stopped. Others in the same group are part of it.

    Args:
        cpus: The numbers of the CPUs whose clock and heat count; those of this process unless
            given.
        root: The folder that stands for `/`.
    """

    def __init__(self, cpus: Iterable[int] | None = None, root: Path = ROOT):
        if cpus is None:
            has = hasattr(os, "sched_getaffinity")
            cpus = sorted(os.sched_getaffinity(0)) if has else []
        folders = [root / f"sys/devices/system/cpu/cpu{cpu}" for cpu in cpus]
        # a hierarchy can be mounted twice; each level counts once
        self._groups = dict.fromkeys(level for level in levels("cpu", root) if quota_of(level))
        self._clocks = _there(f / "cpufreq/scaling_cur_freq" for f in folders)
        self._heat = _there(
            f / f"thermal_throttle/{part}_throttle_count"
            for f in folders
            for part in ("core", "package")
        )

    def read(self) -> Reading:
        """The counters now. Costs some µs for each file: one per level with a quota and CPU."""
        groups = [_statistics(level) for level in self._groups]
        clocks = [mhz for file in self._clocks if (mhz := number(read(file)))]
        return Reading(
            periods=_sum(group["nr_periods"] for group in groups),
            throttled_periods=_sum(group["nr_throttled"] for group in groups),
            throttled_s=_sum(group["throttled_s"] for group in groups),
            mhz=sum(clocks) / len(clocks) / 1000 if clocks else None,
            heat={
                str(file): count for file in self._heat if (count := number(read(file))) is not None
            },
        )


def between(before: Reading, after: Reading) -> dict[str, float | None]:
    """What happened between two readings, as a pass of a run record keeps it.

    quota_periods, throttled_periods and throttled_s (None without a quota); cpu_mhz_opening and
    cpu_mhz_closing; thermal_throttles: of the core or package that heat slowed down most often.
    """
    rises = [count - before.heat[f] for f, count in after.heat.items() if f in before.heat]
    return {
        "quota_periods": _minus(after.periods, before.periods),
        "throttled_periods": _minus(after.throttled_periods, before.throttled_periods),
        "throttled_s": _minus(after.throttled_s, before.throttled_s),
        "cpu_mhz_opening": before.mhz,
        "cpu_mhz_closing": after.mhz,
        "thermal_throttles": max(rises, default=None),
    }


def _statistics(level: Path) -> dict[str, float | None]:
    """A group's cpu.stat: version 2 counts throttled µs, version 1 ns."""
    lines = (line.split() for line in (read(level / "cpu.stat") or "").splitlines())
    told = {line[0]: number(line[1]) for line in lines if len(line) == 2}
    micro, nano = told.get("throttled_usec"), told.get("throttled_time")
    seconds = micro / 1e6 if micro is not None else nano / 1e9 if nano is not None else None
    return {
        "nr_periods": told.get("nr_periods"),
        "nr_throttled": told.get("nr_throttled"),
        "throttled_s": seconds,
    }


def _sum(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if not known or None in known else sum(v for v in known if v is not None)


def _minus(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _there(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.is_file()]


def read(file: Path) -> str | None:
    """The text of a small file without space around it; None if it cannot be read or is empty."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t") or None
    except OSError:
        return None


def number(text: str | None) -> int | None:
    """The integer that a text is; None if it is none."""
    try:
        return int(text) if text else None
    except ValueError:
        return None
