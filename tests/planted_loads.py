"""Run records of loads on a machine of known truth: ideal workers, and what slows them.

Nothing here was measured. A configuration serves the requests of the product's own schedules on as
many ideal workers as it can keep busy; `slower` is what it costs beyond that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parallel_transcription.measure.arrivals import schedule
from parallel_transcription.study.configuration import complete
from queues import SERVICE, load_of, served
from simple_records import make_record

EPOCH = 1_800_000_000.0


def load_record(
    number: int,
    rate: float,
    takes: list[float] = SERVICE["M/G/k"],
    slower: float = 1.0,
    crowding: float = 0.0,
    spread: float = 0.0,
    requests: int = 80,
    seed: int = 0,
    **values: Any,
) -> dict[str, Any]:
    """The record of one round under a load.

    Args:
        number: Of the round.
        rate: Requests per second.
        takes: Seconds of each file alone, on this configuration.
        slower: Factor on all service times.
        crowding: What a worker takes longer for each other that is busy (share).
        spread: Standard deviation of the log of a process's own speed.
        requests: That are counted.
        seed: Of that speed.
        values: Dimensions of the configuration.
    """
    dimensions = {
        "strategy": "one_model", "num_workers": 2, "arrivals": "poisson", "rate": f"{rate:g}",
        "requests": requests, "mix": "calls",
    } | values  # fmt: skip
    configuration = complete(dimensions)
    workers = min(configuration.total_workers, configuration.callers)
    chance = np.random.default_rng([seed, number])
    factor = slower * float(np.exp(chance.normal(0, spread)))
    told = served(takes, rate, workers, requests, number, lambda k: factor)
    if crowding:
        told = crowded(takes, rate, workers, requests, number, factor, crowding)
    record = make_record(number, **dimensions)
    begin = EPOCH + 600 * number + 10 * (hash(configuration.strategy) % 7)
    places = {f"audio/{place}.wav": place for place in range(len(takes))}
    record["audio"] = [
        {
            "path": path, "file": path.rsplit("/", 1)[-1], "sha256": f"{place:064x}",
            "seconds": 10.0 * takes[place], "reference": None,
        }
        for path, place in places.items()
    ]  # fmt: skip
    load = load_of(takes, rate, requests, number)
    record["load"] = {
        "arrivals": load.arrivals, "rate": rate, "capacity_rps": None, "requests": requests,
        "lead_in": load.lead_in, "seed": load.seed,
        "strata": [{"name": "", "weight": 1.0, "files": list(range(len(takes)))}],
    }  # fmt: skip
    start = record["starts"][0]
    counted = [one for one in told if one["counted"]]
    ends = [one["finished_s"] for one in counted]
    one = start["passes"][1] | {
        "repeat": 1,
        "started_at": begin,
        "makespan_s": max(ends) - counted[0]["submitted_s"],
        "foreign_cpu_share": 0.0,
        "foreign_cpu_s": 0.0,
        "transcriptions": [
            task
            | {
                "caller": 0, "instance": 0, "status": "ok", "error": None, "text": "one",
                "segments": 1, "last_end_s": 1.0, "language": "en", "cpu_s": 0.01,
            }
            for task in told
        ],
    }  # fmt: skip
    start["passes"] = [start["passes"][0], one]
    start["started_at"] = record["started_at"] = begin
    record["finished_at"] = begin + 100
    return record


def crowded(
    service: list[float],
    rate: float,
    workers: int,
    requests: int,
    number: int,
    factor: float,
    crowding: float,
    step: float = 0.02,
) -> list[dict[str, Any]]:
    """Requests of a pass on workers that slow each other down: each by `crowding` per other one."""
    plan = schedule(load_of(service, rate, requests, number), 1)
    kept = [k for k, at in enumerate(plan.at) if at <= plan.at[plan.end - 1] + 60]
    left = {k: service[plan.files[k]] * factor for k in kept}
    started: dict[int, float] = {}
    finished: dict[int, float] = {}
    queue, busy, now, nxt = [], [], 0.0, 0
    while len(finished) < len(kept):
        while nxt < len(kept) and plan.at[kept[nxt]] <= now:
            queue.append(kept[nxt])
            nxt += 1
        while queue and len(busy) < workers:
            k = queue.pop(0)
            started[k] = max(now, plan.at[k])
            busy.append(k)
        speed = 1 / (1 + crowding * max(0, len(busy) - 1))
        for k in list(busy):
            left[k] -= step * speed
            if left[k] <= 0:
                finished[k] = now + step
                busy.remove(k)
        now += step
    return [
        {
            "counter": k - plan.first + 1, "file": f"audio/{plan.files[k]}.wav",
            "submitted_s": plan.at[k], "sent_s": plan.at[k], "started_s": started[k],
            "finished_s": finished[k], "counted": plan.first <= k < plan.end,
        }
        for k in kept
    ]  # fmt: skip


Maker = Callable[..., dict[str, Any]]
