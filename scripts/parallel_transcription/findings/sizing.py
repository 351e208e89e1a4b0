"""From a traffic to machines: how many, how busy, and what an hour of audio costs on them.

A machine takes as many requests per second as were shown to be within the study's objectives; of
more than one, each takes its share. That is cautious: many machines with one queue before them
carry a little more. Prices are those of the study; none ship.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from parallel_transcription.results.recommended import ForLoad, Recommendation
from parallel_transcription.results.sizing import Sizing

HOURS = 24


def by_hour(traffic: float | Sequence[float] | None) -> list[float]:
    """Requests in each hour of a day, shape (24,); of one number, the same in all."""
    if traffic is None:
        return []
    if isinstance(traffic, int | float):
        return [float(traffic)] * HOURS
    return [float(one) for one in traffic]


def size(
    traffic: Sequence[float],
    prices: Mapping[str, Mapping[str, Any]],
    recommended: Mapping[str, Recommendation],
) -> list[Sizing]:
    """Each machine for the traffic, by label and kind of load; none without a traffic.

    What a search found to be the soonest at a rate was held against no objective: not sized.

    Args:
        traffic: Requests in each hour of a day, shape (24,).
        prices: By label: `per_hour`, `currency`, `note`.
        recommended: By label, with the loads that each carries.
    """
    if not traffic or not sum(traffic):
        return []
    return [
        _one(label, load, traffic, prices.get(label, {}))
        for label, told in sorted(recommended.items())
        for load in told.loads or []
        if load.better_by is None
    ]


def _one(label: str, load: ForLoad, traffic: Sequence[float], price: Mapping[str, Any]) -> Sizing:
    rates = [requests / 3600 for requests in traffic]
    needed = [math.ceil(rate / load.rate - 1e-9) for rate in rates]
    machines = max(needed)
    audio_hours = sum(traffic) * load.streams / load.rate / 3600
    fixed, following = float(machines * HOURS), float(sum(needed))
    per_hour = price.get("per_hour")

    def cost(hours: float) -> float | None:
        return None if per_hour is None else hours * float(per_hour) / audio_hours

    return Sizing(
        machine=label,
        load=load.load,
        objectives=load.objectives,
        snippet=load.snippet,
        callers=load.callers,
        rate=load.rate,
        peak_rate=max(rates),
        machines=machines,
        busy=sum(rates) / HOURS / (machines * load.rate),
        audio_hours=audio_hours,
        machine_hours_fixed=fixed,
        machine_hours_following=following,
        cost_fixed=cost(fixed),
        cost_following=cost(following),
        currency=price.get("currency"),
        note=price.get("note"),
    )
