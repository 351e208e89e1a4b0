"""0 The noise floor: the same configuration against itself.

Claim: the same configuration measured twice in a round takes the same time, within the margin.

Pairs: replica 2 against replica 1 of a configuration (A/A). Where a study has no replicas, many
models that differ in nothing but num_workers, with no more callers than instances: each instance
then serves one call at a time and num_workers is a placebo. Ratio = replica 2 / replica 1 (or more
/ fewer placebo workers), paired by round; Holm over the pairs.
Verdict:
  confirmed     every pair is equivalent
  refuted       some pair differs by more than the margin: the measurements are not to be trusted
  inconclusive  otherwise (too few rounds for this spread)
  not measured  no such pair
The spread of the log ratios (pooled, with its interval), the smallest difference that the rounds
of the study can find with 90 % power, and how many A/A pairs were called "faster" are given.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import near, show
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.one_against_others import verdict_of
from parallel_transcription.findings.question import (
    Answer,
    Case,
    Cases,
    Judged,
    PairedQuestion,
    effect_of,
)
from parallel_transcription.findings.remarks import by_verdict
from parallel_transcription.results.finding import Verdict
from parallel_transcription.statistics import Comparison
from parallel_transcription.study.dimensions import NAMES as DIMENSIONS

REPLICA, PLACEBO = "replica", "placebo workers"


class NoiseFloor(PairedQuestion):
    """Configurations against themselves."""

    id, number, order = "noise_floor", 0, 1
    by_time = False  # it is what tells
    decided = 7
    asks = "How much do two measurements of the same thing differ?"
    claim = (
        "The same configuration measured twice in a round takes the same time, within the margin."
    )
    lacks = "There are no two matched rounds of a configuration and its replica."
    to_measure = "a study with replica [1, 2]."
    would_change = by_verdict(
        "An A/A pair shown to differ by more than the margin.",
        "Calmer measurements: nothing else on the machine, fixed clock.",
        "More measurements of the pairs that are open.",
    )
    columns = (
        show.label("configuration, measured twice"),
        show.seconds("makespan_a_s", "second (s)"),
        show.seconds("makespan_b_s", "first (s)"),
        show.ratio(),
        show.percent("spread", "spread"),
        show.rounds(),
        show.outcome(("second", "first"), with_remark=False),
    )

    def cases(self, machine: Machine) -> Cases:
        """Replicas against their originals; without any, placebo workers."""
        arms, kind = machine.arms, REPLICA
        pairs = [pair for _, pair in machine.against(arms, "replica", base=1)]
        if not pairs:
            kind, pairs = PLACEBO, _placebos(machine)
        labels = {arm["arm"]: words.name_of(arm) for arm in arms.to_dict("records")}
        return Cases(
            [Case(p, {"kind": kind, "label": labels[p.arm_b]}) for p in pairs],
            arms=arms[arms["arm"].isin({a for p in pairs for a in (p.arm_a, p.arm_b)})],
        )

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """The replica of the settings nearest to the recommended ones."""
        pairs = [(p.arm_a, p.arm_b) for _, p in machine.against(machine.arms, "replica", base=1)]
        return near.nearest(machine, pairs)[:1]

    def verdict(self, judged: Judged) -> Verdict:
        """Equal within the margin in all pairs?"""
        return verdict_of(judged)

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """The spread, and what it lets the study find."""
        results, level = judged.results, judged.machine.confidence
        sd, low, high = _spread(judged)
        rounds = int(np.median([r.rounds for r in _in_rounds(judged)]))
        smallest = statistics.detectable_ratio(rounds, sd, alpha=judged.machine.alpha)
        false = sum(r.outcome in (statistics.A_FASTER, statistics.B_FASTER) for r in results)
        return Answer(
            f"Two measurements of the same configuration in the same round differ by "
            f"{words.percent(sd)} (standard deviation of the log ratio, "
            f"{words.interval(100 * low, 100 * high, level, '%')}). With {rounds} rounds a true "
            f"difference of {words.percent(smallest - 1) if smallest else 'unknown size'} is found "
            f"in 9 of 10 studies. {false} of {words.plural(len(results), 'A/A pair')} "
            f"{'was' if false == 1 else 'were'} called faster, "
            f"{judged.count(statistics.WITHIN)} equivalent.",
            "",
            effect_of("spread of A/A log ratios", 100 * sd, (100 * low, 100 * high), "%", level),
        )

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What the spread asks for, and what it means for the other questions."""
        machine = judged.machine
        sd, _, _ = _spread(judged)
        needed = statistics.rounds_needed(sd, machine.margin, alpha=machine.alpha)
        if needed:
            yield (
                f"At this spread, {needed} rounds show equivalence within ±"
                f"{100 * machine.margin:g} % of one pair with a chance of 90 %."
            )
        if judged.rows[0]["kind"] != REPLICA:
            yield (
                "No replicas were measured: many models that differ only in num_workers, which "
                "each serve one call at a time, stand in."
            )
        if verdict == Verdict.REFUTED:
            yield (
                "A difference between A/A pairs is an order effect or drift; verdicts of the other "
                "questions are then in doubt."
            )


def _placebos(machine: Machine) -> list[Pair]:
    many = machine.ordinary()
    many = many[
        many["strategy"].isin(["multi_model", "multi_process"])
        & (many["callers"] <= many["instances"])
        & (many["instances"] > 1)
    ]
    pairs = []
    same = [*(d for d in DIMENSIONS if d != "num_workers"), "workload"]
    for _, group in many.groupby(same, sort=True, dropna=False):
        group = group.sort_values("num_workers")
        for (_, a), (_, b) in itertools.pairwise(group.iterrows()):
            pairs.append(machine.compare(b["arm"], a["arm"]))
    return [p for p in pairs if p.testable]


def _in_rounds(judged: Judged) -> list[Comparison]:
    """The pairs by their rounds alone: the spread is that of rounds, whatever matches decide."""
    return [judged.machine.compare(p.arm_a, p.arm_b, in_rounds=True).result for p in judged.pairs]


def _spread(judged: Judged) -> tuple[float, float, float]:
    """The standard deviation of the log ratios, pooled over the pairs, and its interval."""
    calm = [r for r in _in_rounds(judged) if not (r.censored_a or r.censored_b)]
    sd, freedom = statistics.pooled_sd([(r.rounds, r.sd) for r in calm])
    return (sd, *statistics.sd_interval(sd, freedom, judged.machine.confidence))
