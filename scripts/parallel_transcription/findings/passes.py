"""What the files of a pass tell: their times alone, the workers that had one, what can be gained.

Files are seldom equally long, so what several workers could gain at most, and how many of them
had something to do, follows from the times of the files themselves and not from counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from parallel_transcription.findings.machine import Machine


def counted_timings(machine: Machine) -> pd.DataFrame:
    """Transcriptions of the passes that count, with `arm` and `service_s` (taken to done)."""
    runs = machine.runs[machine.runs["counts"] & (machine.runs["status"] == "ok")]
    timings = machine.timings[machine.timings["status"] == "ok"]
    timings = timings[timings["started_s"].notna() & timings["finished_s"].notna()]
    timings = timings.merge(runs[["run", "repeat", "arm"]], on=["run", "repeat"])
    return timings.assign(service_s=timings["finished_s"] - timings["started_s"])


def file_times(timings: pd.DataFrame, alone: Any | None, arm: Any) -> list[float]:
    """How long each file takes, in the order of hand-out.

    In seconds where the files were done one after another, else in seconds of audio; empty where
    neither is known.

    Args:
        timings: `counted_timings`.
        alone: The arm that did the files one after another, or None.
        arm: The arm whose files they are.
    """
    sources = [(arm, "audio_seconds")]
    if alone is not None:
        sources.insert(0, (alone, "service_s"))
    for row, column in sources:
        own = timings[timings["arm"] == row["arm"]]
        times = own.groupby("counter", sort=True)[column].median()
        if len(times) == row["files_in_parallel"] and (times > 0).all():
            return [float(t) for t in times]
    return []


def most_gain(times: Sequence[float], workers: int) -> float:
    """How many times as fast as one so many workers can be at most, for files of these times.

    No schedule is shorter than the longest file, nor than an equal share for each worker: with
    files of 11 and 60 s two workers gain 71 / 60. Where the times are not known, the workers.
    """
    if not times:
        return float(workers)
    return sum(times) / max(max(times), sum(times) / workers)


def service_times(timings: pd.DataFrame, arm: str) -> pd.Series:
    """Geometric mean of the files' times from taken to done (s), by round."""
    own = timings[(timings["arm"] == arm) & (timings["service_s"] > 0)]
    return np.exp(np.log(own["service_s"].astype(float)).groupby(own["round"], sort=True).mean())


def busy_workers(timings: pd.DataFrame, arm: Any) -> pd.Series:
    """Mean number of workers that had a file over the makespan, by round of the arm.

    A file is with a worker from its caller's taking it to its text, no more of them at once than
    there are workers.
    """
    own = timings[timings["arm"] == arm["arm"]]
    means: dict[tuple[int, int], float] = {}
    for (number, repeat), group in own.groupby(["round", "repeat"], sort=True):
        start, end = group["started_s"].to_numpy(float), group["finished_s"].to_numpy(float)
        if len(group) != arm["files_in_parallel"] or not end.max() > 0:
            continue
        edges = np.unique(np.concatenate([[0.0], start, end]))
        middle = (edges[:-1] + edges[1:]) / 2
        held = ((start[:, None] <= middle) & (middle < end[:, None])).sum(axis=0)
        busy = np.minimum(held, arm["total_workers"])
        means[int(number), int(repeat)] = float((busy * np.diff(edges)).sum() / end.max())
    if not means:
        return pd.Series(dtype=float)
    return pd.Series(means).groupby(level=0).median()


def overlap_share(timings: pd.DataFrame, arm: str) -> float | None:
    """Share of the makespan in which two or more transcriptions are open, median over passes.

    Shown beside the speed-up, because it is high even where nothing runs in parallel.
    """
    shares = []
    for _, group in timings[timings["arm"] == arm].groupby(["round", "repeat"], sort=True):
        start = group["started_s"].to_numpy(float)
        end = group["finished_s"].to_numpy(float)
        if len(group) < 2 or end.max() <= start.min():
            continue
        edges = np.unique(np.concatenate([start, end]))
        middle = (edges[:-1] + edges[1:]) / 2
        count = ((start[:, None] <= middle) & (middle < end[:, None])).sum(axis=0)
        shares.append(float(np.diff(edges)[count >= 2].sum() / (end.max() - start.min())))
    return float(np.median(shares)) if shares else None
