"""From the requests of a round to the latency of a queue that runs for ever.

Percentiles of short passes are lower than those of a queue that runs for ever, and skewed, the more
so the busier its workers are: a test over rounds would call objectives kept that are not. So a
round's percentile is corrected by a queue of the same files on as many servers, with the service
times that the round measured (a control variate): measured × simulated for ever / simulated on the
schedule of the round. What the queue does not model stays in the first factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from parallel_transcription.findings.replay import by_length, waits
from parallel_transcription.measure.arrivals import gaps
from parallel_transcription.results.latency import percentile

_LEAD_IN, _REQUESTS, _QUEUES = 1000, 500, 300
#: Share of the time that servers may be busy: above it nothing settles, and no percentile exists.
MOST_BUSY = 0.98


@dataclass(frozen=True)
class Queue:
    """A queue of files on servers that never slow down.

    `service` and `allowed` are seconds of each file, `weights` how often it comes; `servers` serve
    at once.
    """

    arrivals: str
    rate: float
    servers: int
    service: np.ndarray
    allowed: np.ndarray
    weights: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether it is known of all files how long they take."""
        return bool(np.isfinite(self.service).all())

    @property
    def busy(self) -> float:
        """Share of the time that the servers are busy; 1 and more is too much for them."""
        work = float(np.average(self.service, weights=self.weights))
        return self.rate * work / self.servers

    def lateness(self, percent: float) -> float:
        """The percentile of latency over what is allowed, in the long run.

        Simulated (Kiefer and Wolfowitz 1955); infinite where servers are busy all the time.
        """
        if self.busy > MOST_BUSY:
            return math.inf
        tables = (one.tobytes() for one in (self.service, self.allowed, self.weights))
        return _simulated(self.arrivals, self.rate, self.servers, *tables, percent)


# A campaign asks for the same ones after each of its rounds.
@lru_cache(maxsize=20_000)
def _simulated(
    arrivals: str,
    rate: float,
    servers: int,
    service_s: bytes,
    allowed_s: bytes,
    weights: bytes,
    percent: float,
) -> float:
    service, allowed, weight = (np.frombuffer(one) for one in (service_s, allowed_s, weights))
    chance = np.random.default_rng(1)
    shape = (_LEAD_IN + _REQUESTS, _QUEUES)
    between = gaps(arrivals, shape[0] * shape[1], chance).reshape(shape) / rate
    files = chance.choice(len(service), shape, p=weight / weight.sum())
    takes = service[files]
    free = np.zeros((_QUEUES, servers))  # until each server is, from the last arrival on
    late, every = np.empty(shape), np.arange(_QUEUES)
    for k in range(shape[0]):
        free = np.maximum(0.0, free - between[k][:, None])
        first = free.argmin(axis=1)
        wait = free[every, first]
        free[every, first] = late[k] = wait + takes[k]
    return float(np.quantile((late / allowed[files])[_LEAD_IN:], percent / 100))


def lateness(
    requests: pd.DataFrame,
    allowed: pd.Series,
    percent: float,
    rate: float,
    servers: int,
    others: pd.DataFrame,
) -> float:
    """The percentile of lateness of a round's requests, in the long run.

    Args:
        requests: All of a pass or of several, counted or not: `run`, `repeat`, `submitted_s`,
            `service_s`, `latency`, `audio_sha256`, `share`, `arrivals`, `counted`.
        allowed: Seconds that each may take, by the same index.
        percent: Which percentile.
        rate: Requests per second.
        servers: How many requests are served at once.
        others: Requests of all rounds: what they say of files that this one did not have.

    Returns:
        Over what is allowed; nan where it is not known how long some files take.
    """
    late = requests["latency"] / allowed
    measured = percentile(late[requests["counted"]], percent)
    if not math.isfinite(measured):
        return math.inf
    queue = queue_of(requests, rate, servers, others)
    if not queue.is_known:
        return math.nan
    names = sorted(set(others["audio_sha256"]))
    takes = requests["audio_sha256"].map(dict(zip(names, queue.service, strict=True)))
    replayed = []
    for _, one in requests.groupby(["run", "repeat"], sort=False):
        own = one.sort_values("submitted_s")
        own_takes = takes[own.index]
        waiting = waits(own["submitted_s"].to_list(), own_takes.to_list(), servers)
        counted = own["counted"].to_numpy(bool)
        replayed += list(((waiting + own_takes) / allowed[own.index])[counted])
    return measured * queue.lateness(percent) / percentile(replayed, percent)


def queue_of(requests: pd.DataFrame, rate: float, servers: int, others: pd.DataFrame) -> Queue:
    """The queue of the files of all rounds, with the service times of some requests.

    Arguments as of `lateness`; files that those requests were not for take what they did in
    `others`, and those whose time nobody knows what a line over the lengths of the others says.
    """
    of_all = others.groupby("audio_sha256", sort=True)
    service = requests.groupby("audio_sha256")["service_s"].mean()
    service = service.reindex(of_all.groups.keys()).fillna(of_all["service_s"].mean())
    lengths = of_all["audio_seconds"].first().astype(float)
    service = by_length(service.dropna().astype(float), lengths).reindex(service.index)
    kind = str(requests["arrivals"].iloc[0])
    return Queue(
        # a trace may come in bursts
        kind if kind in ("poisson", "constant") else "bursts",
        rate,
        servers,
        service.to_numpy(float).round(6),
        of_all["allowed"].first().to_numpy(float),
        of_all["share"].first().fillna(of_all.size() / len(others)).to_numpy(float),
    )
