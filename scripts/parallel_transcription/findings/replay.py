"""What an ideal machine would make of the same requests: a queue before servers that never slow.

The schedule is replayed with the time that each file takes while it is alone (Kiefer and Wolfowitz
1955: a request waits for the server that is free first). What latencies lack to that is what
requests cost each other by being served side by side.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

LEAST_KNOWN = 4  # files that a line over lengths is drawn through


def waits(due: Sequence[float], service: Sequence[float], servers: int) -> np.ndarray:
    """Seconds that each request waits for the first free server, oldest first; shape (n,).

    Args:
        due: When they come (s), ascending.
        service: How long each takes (s).
        servers: How many are served at once.
    """
    free = [0.0] * servers
    heapq.heapify(free)
    found = np.empty(len(due))
    for k, (at, takes) in enumerate(zip(due, service, strict=True)):
        begins = max(at, heapq.heappop(free))
        heapq.heappush(free, begins + takes)
        found[k] = begins - at
    return found


def alone(requests: pd.DataFrame) -> pd.Series:
    """Seconds that each file takes while nobody else is served: medians, by `audio_sha256`.

    Of the requests during whose service no other of the pass was served; files that never were
    alone lack.

    Args:
        requests: Served ones, all of a pass: `run`, `repeat`, `started_s`, `finished_s`,
            `service_s`, `audio_sha256`.
    """
    parts = []
    for _, one in requests.groupby(["run", "repeat"], sort=False):
        own = one.sort_values("started_s")
        begin, end = own["started_s"].to_numpy(float), own["finished_s"].to_numpy(float)
        before = np.concatenate([[-np.inf], np.maximum.accumulate(end)[:-1]])
        after = np.concatenate([begin[1:], [np.inf]])
        parts.append(own[(before <= begin) & (after >= end)])
    if not parts:
        return pd.Series(dtype=float)
    return pd.concat(parts).groupby("audio_sha256")["service_s"].median()


def by_length(known: pd.Series, seconds: pd.Series) -> pd.Series:
    """Times alone of all files: those known, and of the others a straight line over their length.

    Args:
        known: As from `alone`.
        seconds: Length of every file (s), by `audio_sha256`.

    Returns:
        Times by `audio_sha256`; of files that are not known only where 4 or more others are.
    """
    lacking = [name for name in seconds.index if name not in known.index]
    if not lacking or len(known) < LEAST_KNOWN:
        return known
    lengths = seconds[known.index]
    alike = np.ptp(lengths.to_numpy(float)) == 0
    slope, start = (0.0, float(known.mean())) if alike else np.polyfit(lengths, known, 1)
    shortest = float(known.min())
    line = {name: max(shortest, start + slope * float(seconds[name])) for name in lacking}
    return pd.concat([known, pd.Series(line)])


@dataclass(frozen=True)
class Parts:
    """Mean latency of a round (s), and what it is made of: they add up to it.

    `service_s`: the files alone. `queue_s`: waiting on an ideal machine. `interference_s`: the
    rest, which is served side by side taking longer, and the waiting that follows from it.
    """

    latency_s: float
    service_s: float
    queue_s: float

    @property
    def interference_s(self) -> float:
        """What requests cost each other."""
        return self.latency_s - self.service_s - self.queue_s


def explain(one: pd.DataFrame, by_itself: pd.Series, servers: int) -> Parts | None:
    """The mean latency of a pass explained; None where a file's time alone is not known.

    Args:
        one: Its requests, counted or not, with `submitted_s`, `seconds`, `counted`.
        by_itself: As from `alone`.
        servers: Workers that can be busy.
    """
    own = one.sort_values(["submitted_s", "counter"])
    service = own["audio_sha256"].map(by_itself).astype(float)
    counted = own["counted"].to_numpy(bool)
    if service.isna().any() or own.loc[counted, "seconds"].isna().any():
        return None
    queue = waits(own["submitted_s"].to_list(), service.to_list(), servers)
    return Parts(
        latency_s=float(own["seconds"].to_numpy(float)[counted].mean()),
        service_s=float(service.to_numpy(float)[counted].mean()),
        queue_s=float(queue[counted].mean()),
    )
