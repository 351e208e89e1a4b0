"""Queues of known truth: requests that arrive by a schedule and are served by ideal workers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from parallel_transcription.findings.replay import waits
from parallel_transcription.measure.arrivals import Load, Stratum, schedule

#: Service times (s) of each file, by the name of the queue: M/D/k, M/G/k with a few long files.
SERVICE = {
    "M/D/k": [1.0],
    "M/G/k": [0.4] * 17 + [1.6] * 7 + [5.0],
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


def table_of(
    service: list[float],
    rate: float,
    workers: int,
    requests: int,
    rounds: int,
    study: int,
    spread: float = 0.0,
) -> pd.DataFrame:
    """The requests of the rounds of a study, as `objectives.requests_of` gives them.

    `spread`: standard deviation of the log of a process's own speed.
    """
    parts = []
    for number in range(1, rounds + 1):
        chance = np.random.default_rng([study, number, round(1000 * rate)])
        factor = float(np.exp(chance.normal(0, spread)))
        told = served(
            service, rate, workers, requests, 1000 * study + number, lambda k, f=factor: f
        )
        parts.append(pd.DataFrame(told).assign(round=number, run=f"r{number}", repeat=1))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(
        arm="a",
        saturated=False,
        arrivals="poisson",
        latency=table["finished_s"] - table["submitted_s"],
        service_s=table["finished_s"] - table["started_s"],
        audio_sha256=table["file"],
        audio_seconds=1.0,
        share=1 / len(service),
    )


@lru_cache
def _truth(service: tuple[float, ...], rate: float, workers: int, which: float) -> float:
    runs = [latencies(served(list(service), rate, workers, 25_000, 10**6 + n)) for n in range(16)]
    return float(np.percentile(np.concatenate(runs), which))


def true_percentile(service: list[float], rate: float, workers: int, which: float) -> float:
    """The percentile of the latency of a queue that has run for very long."""
    return _truth(tuple(service), rate, workers, which)


def rate_for(service: list[float], workers: int, utilisation: float) -> float:
    """The rate at which workers are busy for such a share of the time."""
    return utilisation * workers / float(np.mean(service))
