"""Queues of known truth: requests that arrive by a schedule and are served by ideal workers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parallel_transcription.findings.replay import waits
from parallel_transcription.measure.arrivals import Load, Stratum, schedule

#: Service times (s) of each file, by the name of the queue: M/D/k, M/G/k with a few long files.
SERVICE = {
    "M/D/k": [1.0],
    "M/G/k": [0.4] * 14 + [1.6] * 5 + [5.0],
}


def load_of(service: list[float], rate: float, requests: int, number: int,
            arrivals: str = "poisson") -> Load:  # fmt: skip
    """A load whose files take these service times."""
    return Load(
        arrivals=arrivals,
        rate=rate,
        requests=requests,
        discipline="fifo",
        strata=[Stratum("", 1.0, list(range(len(service))))],
        seconds=[10.0 * one for one in service],
        seed="test",
        round=number,
        give_up_s=60.0,
    )


def served(
    service: list[float],
    rate: float,
    workers: int,
    requests: int,
    number: int,
    slower: Callable[[int], float] = lambda k: 1.0,
) -> list[dict]:
    """The requests of a pass as a record has them, on workers that never disturb each other.

    Args:
        service: Seconds of each file.
        rate: Requests per second.
        workers: How many are served at once.
        requests: That are counted.
        number: Of the round.
        slower: Factor of the service of the k-th request.
    """
    plan = schedule(load_of(service, rate, requests, number), 1)
    takes = [service[f] * slower(k) for k, f in enumerate(plan.files)]
    wait = waits(plan.at, takes, workers)
    return [
        {
            "counter": k - plan.first + 1,
            "file": f"audio/{place}.wav",
            "submitted_s": at,
            "sent_s": at,
            "started_s": at + w,
            "finished_s": at + w + s,
            "counted": plan.first <= k < plan.end,
        }
        for k, (at, place, w, s) in enumerate(zip(plan.at, plan.files, wait, takes, strict=True))
        if at <= plan.at[plan.end - 1] + 60
    ]


def latencies(requests: list[dict]) -> np.ndarray:
    """Of the counted ones, in seconds."""
    return np.array([r["finished_s"] - r["submitted_s"] for r in requests if r["counted"]])


def true_percentile(service: list[float], rate: float, workers: int, which: float) -> float:
    """The percentile of the latency of a queue that has run for very long."""
    return float(np.percentile(latencies(served(service, rate, workers, 100_000, 0)), which))


def rate_for(service: list[float], workers: int, utilisation: float) -> float:
    """The rate at which workers are busy for such a share of the time."""
    return utilisation * workers / float(np.mean(service))
