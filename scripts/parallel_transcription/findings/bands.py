"""What configurations carry within objectives: rates met and missed, from their rounds at each.

Rates of a configuration are held against the objectives one by one, whether the study names them or
its ladder came to them; rounds at the same rate count together, however it was written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from parallel_transcription import words
from parallel_transcription.findings.climb import shares
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.objectives import (
    MEETS,
    MISSES,
    Kept,
    Objective,
    kept,
    ladder,
    requests_of,
    standing,
)
from parallel_transcription.findings.under_load import facts, named_rates, offered, timed_arms
from parallel_transcription.results.counting import DEATHS
from parallel_transcription.results.finding import Row
from parallel_transcription.results.latency import percentile
from parallel_transcription.study.dimensions import NAMES
from parallel_transcription.study.loads import CARRIES

#: What tells configurations apart that are offered different rates.
_SPREAD = [name for name in NAMES if name != "rate"]
_SHOWN = {MEETS: "met", MISSES: "missed"}


class Band:
    """What a configuration carries: rates met and missed, from its rows.

    `rows`: of each rate, ascending; `kept`: for each, how its rounds stand to each objective;
    `requests`: those of its rounds; `arm`: its dimensions, at some rate; `configurations`: the ids
    at all its rates; `servers`: how many requests are served at once, None where some wait inside
    the engine.
    """

    def __init__(self, arms: pd.DataFrame, servers: int | None, rungs: list[_Rung]):
        self.arm, self.servers = arms.iloc[0], servers
        self.configurations = list(arms["configuration"])
        self.rows = [one.row for one in rungs]
        self.kept = [one.kept for one in rungs]
        self.requests = [one.requests for one in rungs]
        met, missed = ladder([one.standing for one in rungs])
        for k, one in enumerate(rungs):
            one.row["shown"] = _SHOWN.get(one.standing, "open")
            if k < met:
                one.row["standing"] = "met"
            elif k >= missed:
                one.row["standing"] = "saturated" if one.row["saturated"] else "missed"
            else:
                one.row["standing"] = "open"
        rows = self.rows
        self.highest = float(rows[met - 1]["rate"]) if met else 0.0
        self.lowest_missed = float(rows[missed]["rate"]) if missed < len(rows) else math.inf
        self.streams = float(rows[met - 1]["streams"]) if met else 0.0
        self.lost = missed == 0
        self.at = rows[met - 1] if met else rows[0]

    @property
    def order(self) -> tuple[float, float, float, str]:
        """What carries more stands first, then what is sooner there."""
        late = self.at["p95_s"] or math.inf
        return -self.highest, -self.lowest_missed, late, str(self.at["label"])


class _Rung:
    """The rounds of a configuration at a rate."""

    def __init__(self, row: Row, known: list[Kept], requests: pd.DataFrame, arms: pd.DataFrame):
        self.row, self.kept, self.requests, self.arms = row, known, requests, arms
        self.standing = ""


def bands_of(loads: Machine, asked: list[Objective]) -> list[Band]:
    """What each configuration carries within some objectives, the one that carries most first."""
    bands = sorted(_bands(loads, timed_arms(loads), asked), key=lambda one: one.order)
    for place, band in enumerate(bands):
        for row in band.rows:
            row["place"] = place
    return bands


def _bands(loads: Machine, arms: pd.DataFrame, asked: list[Objective]) -> Iterable[Band]:
    requests = requests_of(loads)
    arms = arms.assign(offered=[offered(arm, loads) for _, arm in arms.iterrows()])
    in_looks = loads.study.get("ladder") is not None
    of_configurations = arms.groupby(_SPREAD, sort=True, dropna=False)
    for _, own in of_configurations:
        servers, rungs = _servers(own.iloc[0]), []
        ends_well = bool(requests["arm"].isin(own["arm"]).any())
        for rate, at in own.groupby("offered", sort=True):
            mine = requests[requests["arm"].isin(at["arm"])]
            arm, lost = at.iloc[0], _lost(loads, at, ends_well)
            if mine.empty and not lost:
                continue
            known = [
                kept(mine, one, loads.confidence, float(rate), servers, in_looks, lost)
                for one in asked
            ]
            row = facts(arm, loads) | _measured(arm, mine, known, float(rate), lost)
            rungs.append(_Rung(row, known, mine, at))
        if rungs:
            _judge(rungs, loads, of_configurations.ngroups)
            yield Band(own, servers, rungs)


def _judge(rungs: list[_Rung], loads: Machine, configurations: int) -> None:
    """How each rate stands by itself: at the full level, or as its place on a ladder has it.

    That some configuration keeps all is Bonferroni's, over all of them; that one does not, its own.
    """
    to_meet = loads.alpha / configurations
    if loads.study.get("ladder") is None:
        for one in rungs:
            one.standing = standing(one.kept, to_meet, loads.alpha)
        return
    named = named_rates(loads)
    of_rates = shares({one.row["rate"]: _begun(one, loads, named) for one in rungs})
    for one in rungs:
        meets, misses = of_rates[one.row["rate"]]
        one.standing = standing(one.kept, to_meet * meets, loads.alpha * misses)


def _begun(rung: _Rung, loads: Machine, named: set[str]) -> float:
    """When a rate was first measured (s); all that the study names before all others."""
    if not named.isdisjoint(rung.arms["rate"]):
        return 0.0
    begun = loads.begun[loads.begun.index.get_level_values(0).isin(rung.arms["arm"])]
    return float(begun.min())


def _servers(arm: pd.Series) -> int | None:
    """How many requests are served at once; None where some of them wait inside the engine.

    A service is taken to serve as many as it has workers, in the order in which they come.
    """
    if arm["service"]:
        return int(arm["total_workers"])
    return None if arm["callers"] > arm["total_workers"] else int(arm["callers"])


def _lost(loads: Machine, at: pd.DataFrame, ends_well: bool) -> set[int]:
    """Rounds in which a pass at a rate failed, was killed or ran too long.

    Args:
        loads: Where it was measured.
        at: The arms at that rate.
        ends_well: Whether the configuration does, at some rate; else no rate is to blame.
    """
    runs = loads.runs[loads.runs["arm"].isin(at["arm"])]
    late = runs["counts"] & (runs["status"] == "timeout")
    dead = runs["status"].isin(DEATHS) & ~runs["excused"] & ends_well
    return set(map(int, runs.loc[runs["died"] | late | dead, "round"]))


def _measured(
    arm: pd.Series, mine: pd.DataFrame, known: list[Kept], rate: float, lost: set[int]
) -> Row:
    worst = max(known, key=lambda one: one.p_meets if one.p_meets == one.p_meets else 1.0)
    mine = mine[mine["counted"]]
    kept_up = mine[~mine["saturated"]]
    by_round = pd.Series(
        [
            percentile(own["latency"], 95)
            for _, own in kept_up.groupby("round")
            if len(own) >= CARRIES[95]
        ],
        dtype=float,
    )
    return {
        "label": words.name_of(arm),
        "configuration": arm["configuration"],
        "arm": arm["arm"],
        "rate": rate,
        "streams": rate * float(mine["audio_seconds"].mean()),
        "rounds": len(set(mine["round"]) | lost),
        "lost": len(lost),
        "p95_s": float(by_round.median()) if len(by_round) else None,
        "lateness": worst.estimate,
        "low": worst.low,
        "high": worst.high,
        "objective": str(worst.objective),
        "attainment": _attainment(mine, known, lost),
        "saturated": bool(mine.groupby("round")["saturated"].any().mean() > 0.5),
        "carried": all(one.carried for one in known),
    }


def _attainment(mine: pd.DataFrame, known: list[Kept], lost: set[int]) -> float:
    """Share of the requests that kept all objectives, of all that came; none in a lost round."""
    kept_all = pd.Series(True, index=mine.index)
    for one in known:
        kept_all &= mine["latency"] <= one.objective.allowed(mine["audio_seconds"])
    whole = kept_all[~mine["round"].isin(lost)]
    rounds = len(set(mine["round"]) | lost)
    return float(whole.mean()) * (1 - len(lost) / rounds) if len(whole) else 0.0
