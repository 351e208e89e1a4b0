"""Whether another side of a match fits into memory beside those that are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from parallel_transcription.measure.limits import ROOT, levels, number, read
from parallel_transcription.measure.messages import Task

MORE = 1.1  # what a side may need beyond what is expected of it
_FILES = (  # of control groups, version 2 and 1: limit, use, and what can be given back at once
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_bytes(root: Path = ROOT) -> int:
    """Memory that can be had without swapping: that of the host, or less in a control group."""
    free = [psutil.virtual_memory().available]
    for level in levels("memory", root):
        for limit_file, use_file, cache in _FILES:
            limit, use = number(read(level / limit_file)), number(read(level / use_file))
            if limit is not None and use is not None:
                free.append(limit - use + _statistic(level, cache))
    return max(0, min(free))


def _statistic(level: Path, name: str) -> int:
    for line in (read(level / "memory.stat") or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return number(value) or 0
    return 0


def lacking(
    loaded: Sequence[tuple[Task, Mapping[str, Any]]], task: Task, root: Path = ROOT
) -> str | None:
    """Why a side should not be loaded beside others; None if it may be, or nothing is known.

    It is expected to need what another side took at its highest, for each of its models. On GPUs
    it is tried: a model that does not fit fails, and the match goes on apart.

    Args:
        loaded: The sides that live, as a match record has them.
        task: The next side.
        root: The folder that stands for `/`.
    """
    needed = 0.0
    for other, side in loaded:
        after = ((side["start"] or {}).get("memory_after") or {}).get("rss") or 0
        peak = max([after, *(one["rss_peak_bytes"] or 0 for one in side["warmups"])])
        models = task.configuration.instances / other.configuration.instances
        needed = max(needed, MORE * peak * models)
    free = free_bytes(root)
    if needed <= free:
        return None
    return f"the next side needs about {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free"
