"""What the requests of a pass under a load got: latencies, waiting, and whether it was saturated.

A request that was given up stays in the sample as infinitely late. Percentiles of latency are
given where the pass was not saturated, and where so many requests carry them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from parallel_transcription.study.loads import CARRIES

PERCENTILES = (50, 90, 95, 99)
#: Blocks of requests in which a trend of the number in the system is looked for.
_BLOCKS = 10
#: Share of the offered requests that are served in the window where the system keeps up.
_KEEPS_UP = 0.97
_LEVEL = 0.01  # of each of the tests
#: A generator is behind when it sends so much later than planned (s, share of the p95). The lag is
#: a part of the latency, so no answer moves by more: a fifth of the margin that is usual.
LAG_S, LAG_SHARE = 0.005, 0.02

SATURATED = "saturated"  # a request that was dropped when its pass was given up
Numbers = NDArray[np.float64]


def percentile(latencies: ArrayLike, which: float) -> float:
    """A percentile of latencies (s), of which some may be infinite; nan of none.

    Median-unbiased (Hyndman and Fan 1996, definition 8); infinite where it lies between a finite
    and an infinite one.
    """
    values = np.sort(np.asarray(latencies, float))
    if not len(values):
        return math.nan
    place = (len(values) + 1 / 3) * which / 100 + 1 / 3  # from 1
    below = min(len(values), max(1, math.floor(place)))
    above = min(len(values), below + 1)
    part = min(1.0, max(0.0, place - below))
    low, high = float(values[below - 1]), float(values[above - 1])
    if part == 0 or low == high:
        return low
    return low + part * (high - low) if math.isfinite(high) else math.inf


class Requests:
    """The requests of one pass, of a record's `transcriptions`, in the order in which they came.

    Attributes:
        due, sent, started, finished: Seconds since the pass began, shape (n,); nan where it did not
            come to that, `finished` infinite where it was given up, or a service gave no text.
        counted: Which are, shape (n,).
        dropped: Whether some were, as the pass was given up.
    """

    def __init__(self, transcriptions: Sequence[Mapping[str, Any]]):
        told = sorted(transcriptions, key=lambda one: (one["submitted_s"], one["counter"]))
        self.due, self.sent, self.started, self.finished = (
            np.array([math.nan if one.get(k) is None else one[k] for one in told], float)
            for k in ("submitted_s", "sent_s", "started_s", "finished_s")
        )
        self.counted = np.array([bool(one.get("counted", True)) for one in told], bool)
        statuses = [one.get("status", "ok") for one in told]
        never = np.array([status != "ok" for status in statuses], bool)
        self.dropped = SATURATED in statuses
        self.finished[self.counted & (never | np.isnan(self.finished))] = math.inf

    @property
    def latency(self) -> Numbers:
        """Seconds from the moment when it was due until its text was there, of the counted ones."""
        return np.asarray((self.finished - self.due)[self.counted], float)

    @property
    def lag(self) -> Numbers:
        """Seconds by which the counted ones were sent too late."""
        late = (self.sent - self.due)[self.counted]
        return np.asarray(late[np.isfinite(late)], float)

    def in_system(self) -> Numbers:
        """How many were in the system as each counted one came, without it; shape (counted,)."""
        gone = np.sort(np.where(np.isnan(self.finished), math.inf, self.finished))
        came = np.sort(self.due)
        at = self.due[self.counted]
        return np.asarray(
            np.searchsorted(came, at, "left") - np.searchsorted(gone, at, "right"), float
        )

    def mean_in_system(self) -> float:
        """Mean number of requests in the system while counted ones came, over time."""
        at = self.due[self.counted]
        begin, end = float(at.min()), float(at.max())
        if end <= begin:
            return math.nan
        gone = np.where(np.isfinite(self.finished), self.finished, end)
        inside = np.clip(gone, begin, end) - np.clip(self.due, begin, end)
        return float(inside.sum() / (end - begin))


def saturated_by(requests: Requests, at_once: int, given_up: str | None) -> str:
    """Why a pass was beyond what the configuration carries; "" if it was not.

    Fewer must be served than came while the counted ones came; and there must be ever more in the
    system (a t-test on the slope over means of blocks), or at the end more than twice as many as in
    the middle, and more than are served at once. A pass that was given up was, unless nothing had
    to be dropped: the last requests took long, as long files do.

    Args:
        requests: Of the pass.
        at_once: How many are served at once.
        given_up: Why it was, if so.
    """
    if given_up and requests.dropped:
        return given_up
    at = requests.due[requests.counted]
    seen = requests.in_system()
    count = len(seen)
    if count < 2 * _BLOCKS:
        return ""
    begin, end = float(at[0]), float(at[-1])
    served = int(((requests.finished > begin) & (requests.finished <= end)).sum())
    behind = served < _KEEPS_UP * count and scipy.stats.poisson.cdf(served, count) < 2 * _LEVEL
    blocks = np.array([part.mean() for part in np.array_split(seen, _BLOCKS)])
    slope = scipy.stats.linregress(np.arange(_BLOCKS), blocks)
    grows = bool(np.ptp(blocks)) and slope.slope > 0 and slope.pvalue / 2 < _LEVEL
    third = count // 3
    middle, last = seen[third : 2 * third].mean(), seen[-max(1, count // 10) :].mean()
    piled = last > 2 * middle and last > at_once
    signals = [
        f"{served} served while {count} came" if behind else "",
        "ever more requests in the system" if grows else "",
        f"{last:.0f} in the system at the end, {middle:.0f} in the middle" if piled else "",
    ]
    told = [one for one in signals if one]
    return "; ".join(told) if behind and len(told) >= 2 else ""


def columns_of(
    transcriptions: Sequence[Mapping[str, Any]], at_once: int, given_up: str | None, closed: bool
) -> dict[str, Any]:
    """The columns of a pass under a load.

    Args:
        transcriptions: Of the pass, as its record has them.
        at_once: How many are served at once.
        given_up: Why the pass was, if so.
        closed: Whether each request waited for a free caller: then none is late, and no load too
            large.
    """
    requests = Requests(transcriptions)
    latency = requests.latency
    why = "" if closed else saturated_by(requests, at_once, given_up)
    told: dict[str, Any] = {"saturated_by": why, "served": int(np.isfinite(latency).sum())}
    if not why:
        for which in PERCENTILES:
            if len(latency) >= CARRIES[which]:
                told[f"p{which}_s"] = percentile(latency, which)
        told["latency_s"] = float(latency.mean())
    if closed:
        return told
    lag = requests.lag
    told["dispatch_lag_s"] = percentile(lag, 99)
    told["in_system"] = requests.mean_in_system()
    typical = percentile(latency, 95)
    told["generator_limited"] = bool(
        len(lag) and told["dispatch_lag_s"] > max(LAG_S, LAG_SHARE * typical)
    )
    return told
