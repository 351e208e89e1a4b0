"""Pairs that matches decide, in order of weight, as contests for the planner.

Each question names its own (`Question.deciding`); they stand in the order of `Question.decided`,
the main group first. A pair of several questions is one contest. What rounds have settled needs no
match: a pair of which every round lies further beyond the margin than noise and states reach.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from parallel_transcription import statistics
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.planner import Contest, Cost, Match
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.statistics.comparison import STATES

PROCESS_S = 0.5  # a process until it loads; records tell only what follows
REPORTED_PAIRS = 20  # as many as a report has, at least: what rounds settle is corrected for them


@dataclass(frozen=True)
class DecidingPair:
    """A pair of arms that a question wants decided; ratio = A / B."""

    question: str
    arm_a: str
    arm_b: str
    prior_sd: float = math.nan  # spread of the log ratios of its rounds
    prior: float = math.nan  # their mean
    settled: bool = False  # by rounds
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
    machine: Machine, questions: Collection[str] | None = None
) -> list[DecidingPair]:
    """The pairs of a machine in order of weight; those of `questions` only, if given."""
    asked: dict[frozenset[str], tuple[str, str]] = {}
    by: dict[frozenset[str], list[str]] = {}
    for question in sorted(QUESTIONS, key=lambda q: q.decided):
        if questions is not None and question.id not in questions:
            continue
        for arm_a, arm_b in question.deciding(machine):
            key = frozenset((arm_a, arm_b))
            asked.setdefault(key, (arm_a, arm_b))
            by.setdefault(key, []).append(question.id)
    family = max(len(asked), REPORTED_PAIRS)
    return [
        _pair(machine, arms, tuple(dict.fromkeys(by[key])), family) for key, arms in asked.items()
    ]


def _pair(
    machine: Machine, arms: tuple[str, str], questions: tuple[str, ...], family: int
) -> DecidingPair:
    rounds = machine.compare(*arms)
    a, b = (side["makespan_s"].to_numpy(float) for side in (rounds.a, rounds.b))
    censored = rounds.result.censored_a or rounds.result.censored_b
    sure = not censored and is_settled(rounds.result, np.log(a / b).tolist(), family)
    prior = float(np.log(rounds.result.ratio))
    return DecidingPair(questions[0], *arms, rounds.result.sd, prior, sure, questions)


def is_settled(rounds: statistics.Comparison, log_ratios: Sequence[float], family: int) -> bool:
    """Whether rounds show a pair so far beyond the margin that it needs no match.

    By their own test over `family` pairs, and in every round further out than states of processes
    reach.

    Args:
        rounds: The comparison, its p-values not adjusted.
        log_ratios: Of the rounds.
        family: Pairs of a report.
    """
    if not rounds.tested or not log_ratios:
        return False
    far = math.log1p(rounds.margin) + STATES
    beyond = min(rounds.alone.p_above, rounds.alone.p_below)
    sides = {math.copysign(1, log_ratio) for log_ratio in log_ratios}
    return (
        len(sides) == 1
        and min(abs(log_ratio) for log_ratio in log_ratios) > far
        and max(beyond, rounds.alone.p_difference) * family <= rounds.alpha
    )


def contests(
    pairs: Sequence[DecidingPair],
    matches: Sequence[tuple[int, Mapping[str, Sequence[float]]]] = (),
) -> list[Contest]:
    """Pairs as contests of arms, with what matches say of them.

    Args:
        pairs: In order of weight.
        matches: For each match, oldest first: its number, and the seconds of each arm's passes, as
            many of each arm, block by block.
    """
    found = []
    for pair in pairs:
        met: list[Match] = []
        stage = 0
        for number, seconds in matches:
            if pair.arm_a in seconds and pair.arm_b in seconds:
                a, b = (np.asarray(seconds[arm], float) for arm in (pair.arm_a, pair.arm_b))
                ratios = np.log(a) - np.log(b)
                met.append(tuple(float(r) for r in ratios[np.isfinite(ratios)]))
                stage = stage or number
        found.append(
            Contest(
                pair.arm_a, pair.arm_b, tuple(met), pair.prior_sd, pair.prior, stage, pair.settled
            )
        )
    return found


def costs(machine: Machine, pairs: Sequence[DecidingPair]) -> dict[str, Cost]:
    """What each arm of some pairs takes in a match, by its runs: start, load, warm-up; a pass."""
    runs = machine.all_runs
    found = {}
    for arm in dict.fromkeys(arm for pair in pairs for arm in (pair.arm_a, pair.arm_b)):
        own = runs[runs["arm"] == arm]
        load, warm, one = (
            float(own[name].astype(float).median()) for name in ("load_s", "warmup_s", "makespan_s")
        )
        one = one if math.isfinite(one) else 1.0
        start = PROCESS_S + (load if math.isfinite(load) else 0.0)
        found[arm] = Cost(start + (warm if math.isfinite(warm) else one), one)
    return found
