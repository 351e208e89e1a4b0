"""Pairs that matches decide, in order of weight, as contests for the planner.

Each question names its own (`Question.deciding`); they stand in the order of `Question.decided`,
the main group first. A pair of several questions is one contest. What rounds have settled needs no
match: a pair of which every round lies further beyond the margin than noise and states reach.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from parallel_transcription.findings.choose import settled_by_rounds
from parallel_transcription.findings.machine import Machine, by_group
from parallel_transcription.findings.matches import Margins, Matches
from parallel_transcription.findings.planner import (
    OF_LATENCIES,
    OF_MAKESPANS,
    Contest,
    Cost,
    Measure,
    Stop,
    next_match,
)
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.measure.arrivals import LEAD_IN
from parallel_transcription.results.read import Results

PROCESS_S = 0.5  # a process until it loads; records tell only what follows


@dataclass(frozen=True)
class DecidingPair:
    """A pair of arms that a question wants decided; ratio = A / B."""

    question: str
    arm_a: str
    arm_b: str
    prior_sd: float = math.nan  # spread of the log ratios of its rounds
    prior: float = math.nan  # their mean
    settled: bool = False  # by rounds
    under_load: bool = False  # what is compared is the p95
    questions: tuple[str, ...] = field(default=(), compare=False)  # all that ask for it

    @property
    def configurations(self) -> tuple[str, str]:
        """The ids of both configurations, without the workload."""
        return self.arm_a.split("|")[0], self.arm_b.split("|")[0]

    @property
    def workload(self) -> str:
        """The workload of both."""
        return self.arm_a.split("|", 1)[1] if "|" in self.arm_a else ""


def deciding_pairs(
    machines: Iterable[Machine], questions: Collection[str] | None = None
) -> list[DecidingPair]:
    """The pairs of a machine in order of weight; those of `questions` only, if given.

    Group by group, as the machine's tables are given. These are of rounds alone, so that no match
    ever changes what is decided, but one that a side ended: that side is no candidate any more.
    """
    found: list[DecidingPair] = []
    for machine in machines:
        asked: dict[frozenset[str], tuple[str, str]] = {}
        by: dict[frozenset[str], list[str]] = {}
        for question in sorted(QUESTIONS, key=lambda q: q.decided):
            if questions is not None and question.id not in questions:
                continue
            for arm_a, arm_b in question.deciding(machine):
                key = frozenset((arm_a, arm_b))
                asked.setdefault(key, (arm_a, arm_b))
                by.setdefault(key, []).append(question.id)
        found += [_pair(machine, arms, tuple(dict.fromkeys(by[k]))) for k, arms in asked.items()]
    return found


def _pair(machine: Machine, arms: tuple[str, str], questions: tuple[str, ...]) -> DecidingPair:
    loads = machine.loads
    under_load = loads is not None and bool(loads.runs["arm"].isin(arms).any())
    pair = (loads if loads and under_load else machine).compare(*arms, in_rounds=True)
    return DecidingPair(
        question=questions[0],
        arm_a=arms[0],
        arm_b=arms[1],
        prior_sd=pair.result.sd,
        prior=float(np.log(pair.result.ratio)) if pair.result.rounds else math.nan,
        settled=settled_by_rounds(pair),
        under_load=under_load,
        questions=questions,
    )


class Deciding:
    """What matches are to decide on a machine, and which is next: from its records alone.

    Args:
        results: Runs and study; of matches in it only who ended one.
        label: The machine.
        groups: Its tables by group, where they are there and have no matches.
    """

    def __init__(self, results: Results, label: str, groups: Sequence[Machine] | None = None):
        settings = results.study["decide"]
        # of matches no more than which sides ended one: these are recommended no more
        explored = replace(results, matches=results.matches[results.matches["repeat"] == 0])
        self.pairs = deciding_pairs(groups or by_group(explored, label), settings.get("questions"))
        self.budget_s = 60 * float(settings.get("minutes", 0))
        self._machine = Machine(explored, label)
        self._margins = Margins.of(explored.study)
        self._costs = costs(self._machine, self.pairs)

    def matches(self, table: pd.DataFrame) -> Matches:
        """The machine's matches, of rows of `columns.MATCHES`."""
        return Matches(table, self._margins, self._machine.confidence)

    def open_pairs(self, matches: Matches) -> list[DecidingPair]:
        """Those that can be decided: no side fails again and again in matches."""
        failing = matches.failing
        return [
            p
            for p in self.pairs
            if not {p.arm_a, p.arm_b} & failing and matches.can_decide(p.arm_a, p.arm_b)
        ]

    def next(self, matches: Matches, budget_s: float | None = None) -> Measure | Stop:
        """The next match, or why there is none; within the study's budget unless one is given."""
        factor = self._slower(matches)
        priced = {
            arm: Cost(factor * cost.start_s, factor * cost.pass_s)
            for arm, cost in self._costs.items()
        }
        pairs = self.open_pairs(matches)
        planned = {frozenset((p.arm_a, p.arm_b)) for p in pairs}
        others = [
            DecidingPair("", *arms, under_load=matches.under_load(*arms))
            for arms in matches.contests
            if frozenset(arms) not in planned
        ]
        return next_match(
            contests(pairs, matches, self._margins),
            priced,
            self.budget_s if budget_s is None else budget_s,
            matches.seconds,
            self._machine.alpha,
            contests(others, matches, self._margins),
        )

    def more_s(self, matches: Matches) -> dict[frozenset[str], float | None]:
        """Seconds that decide each pair that is open, alone; None where hardly any number would."""
        stop = self.next(matches, budget_s=matches.seconds)
        if not isinstance(stop, Stop):
            return {}
        pairs = zip(self.open_pairs(matches), stop.standings, strict=True)
        return {frozenset((p.arm_a, p.arm_b)): standing.more_s for p, standing in pairs}

    def _slower(self, matches: Matches) -> float:
        """How much longer matches took than the runs let expect: where sides are apart, say."""
        table = matches.table
        known = table["arm"].isin(list(self._costs)) & (table["repeat"] > 0)
        rows = table[known.groupby(table["round"]).transform("all")]  # what hangs says nothing
        took = float(rows.groupby("round")["match_s"].first().sum())
        expected = sum(
            cost.start_s * int(own["round"].nunique()) + cost.pass_s * len(own)
            for arm, cost in self._costs.items()
            if len(own := rows[rows["arm"] == arm])
        )
        return min(20.0, max(0.5, took / expected)) if expected else 1.0


def contests(pairs: Sequence[DecidingPair], matches: Matches, margins: Margins) -> list[Contest]:
    """Pairs as contests of arms, in order of weight, with what matches say of them."""
    return [
        Contest(
            pair.arm_a,
            pair.arm_b,
            tuple(matches.log_ratios(pair.arm_a, pair.arm_b)),
            pair.prior_sd,
            pair.prior,
            matches.stage(pair.arm_a, pair.arm_b),
            pair.settled,
            margins.latency if pair.under_load else margins.makespan,
            OF_LATENCIES if pair.under_load else OF_MAKESPANS,
            matches.stage(pair.arm_a, pair.arm_b) > 0,
        )
        for pair in pairs
    ]


def costs(machine: Machine, pairs: Sequence[DecidingPair]) -> dict[str, Cost]:
    """What each arm of some pairs takes in a match, by its runs: start, load, warm-up; a pass.

    Under a load a pass begins before what is counted.
    """
    found = {}
    for pair in pairs:
        if pair.under_load and machine.loads:
            runs, window, lead_in = machine.loads.runs, "window_s", 1 + LEAD_IN
        else:
            runs, window, lead_in = machine.runs, "makespan_s", 1.0
        for arm in (pair.arm_a, pair.arm_b):
            if arm not in found:
                found[arm] = _cost(runs[runs["arm"] == arm], window, lead_in)
    return found


def _cost(runs: pd.DataFrame, window: str, lead_in: float) -> Cost:
    load, warm, one = (
        float(runs[name].astype(float).median()) for name in ("load_s", "warmup_s", window)
    )
    one = lead_in * one if math.isfinite(one) else 1.0
    start = PROCESS_S + (load if math.isfinite(load) else 0.0)
    return Cost(start + (warm if math.isfinite(warm) else one), one)
