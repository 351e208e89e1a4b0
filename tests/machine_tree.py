"""Folders that look like `/proc` and `/sys` of machines and containers that we do not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

V2 = "30 20 0:26 {group} {folder} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "31 30 0:29 {group} {folder} rw,nosuid - cgroup cgroup rw,{controllers}"


def tree(
    root: Path,
    groups: str = "0::/",
    mounts: str = V2.format(group="/", folder="/sys/fs/cgroup"),
    files: Mapping[str, str] | None = None,
) -> Path:
    """A folder with this process's control groups, what is mounted, and files by their paths."""
    write(root, {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **(files or {})})
    return root


def write(root: Path, files: Mapping[str, str]) -> None:
    """Files below a folder, as the kernel writes them."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")


def processor(cores: int, threads: int = 1, apart: bool = True) -> dict[str, str]:
    """The topology of a processor: siblings n, n + cores … (`apart`), or next to each other."""
    files = {}
    for core in range(cores):
        numbers = [core + i * cores if apart else core * threads + i for i in range(threads)]
        for cpu in numbers:
            name = f"sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list"
            files[name] = ",".join(map(str, sorted(numbers)))
    return files
