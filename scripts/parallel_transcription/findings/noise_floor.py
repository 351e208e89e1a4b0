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

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import DIMENSIONS, Machine

ID, NUMBER = "noise_floor", 0
QUESTION = "How much do two measurements of the same thing differ?"
CLAIM = "The same configuration measured twice in a round takes the same time, within the margin."


def pairs_of(machine: Machine) -> tuple[str, list]:
    """("replica" or "placebo workers", pairs)."""
    arms = machine.arms
    if arms.empty:
        return "replica", []
    same = [d for d in DIMENSIONS if d != "replica"]
    pairs = []
    for _, group in arms.groupby([*same, "workload"], sort=True, dropna=False):
        first = group[group["replica"] == 1]
        for _, again in group[group["replica"] > 1].sort_values("replica").iterrows():
            if len(first):
                pairs.append(machine.compare(again["arm"], first.iloc[0]["arm"]))
    pairs = [p for p in pairs if p.result.rounds >= 2]
    if pairs:
        return "replica", pairs
    many = machine.ordinary()
    many = many[
        many["strategy"].isin(["multi_model", "multi_process"])
        & (many["callers"] <= many["instances"])
        & (many["instances"] > 1)
    ]
    same = [d for d in DIMENSIONS if d != "num_workers"]
    for _, group in many.groupby([*same, "workload"], sort=True, dropna=False):
        group = group.sort_values("num_workers")
        for (_, a), (_, b) in itertools.pairwise(group.iterrows()):
            pairs.append(machine.compare(b["arm"], a["arm"]))
    return "placebo workers", [p for p in pairs if p.result.rounds >= 2]


def judge(machine: Machine) -> dict:
    kind, pairs = pairs_of(machine)
    if not pairs:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There are no two matched rounds of a configuration and its replica. To measure it: a "
            "study with replica [1, 2].",
            change=f"Such rounds: {common.command(machine)}",
        )
    results = statistics.correct([p.result for p in pairs])
    rows = []
    for pair, result in zip(pairs, results, strict=True):
        rows.append(
            {
                "kind": kind,
                **common.pair_row(pair, result, "second", "first"),
                "label": words.name_of(_arm(machine, pair.arm_b)),
            }
        )
    calm = [r for r in results if not (r.censored_a or r.censored_b)]
    sd, freedom = statistics.pooled_sd([(r.rounds, r.sd) for r in calm])
    low, high = statistics.sd_interval(sd, freedom, machine.confidence)
    rounds = int(np.median([r.rounds for r in results]))
    smallest = statistics.detectable_ratio(rounds, sd, alpha=machine.alpha)
    needed = statistics.rounds_needed(sd, machine.margin, alpha=machine.alpha)
    false = sum(r.outcome in (statistics.A_FASTER, statistics.B_FASTER) for r in results)
    if all(r.size == statistics.WITHIN for r in results):
        verdict = common.CONFIRMED
    elif any(r.size == statistics.BEYOND for r in results):
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
    plan, sentence = common.more_rounds(
        machine, list(zip(pairs, results, strict=True)), len(results)
    )
    level = machine.confidence
    answer = (
        f"Two measurements of the same configuration in the same round differ by "
        f"{words.percent(sd)} (standard deviation of the log ratio, "
        f"{words.interval(100 * low, 100 * high, level, '%')}). With {rounds} rounds a true "
        f"difference of {words.percent(smallest - 1) if smallest else 'unknown size'} is found in "
        f"9 of 10 studies. {false} of {words.plural(len(results), 'A/A pair')} "
        f"{'was' if false == 1 else 'were'} called faster, "
        f"{sum(r.size == statistics.WITHIN for r in results)} equivalent."
    )
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        answer,
        effect=common.effect(
            "spread of A/A log ratios", 100 * sd, 100 * low, 100 * high, "%", level
        ),
        evidence=rows,
        runs=[c for p in pairs for c in p.configurations],
        change={
            common.CONFIRMED: "An A/A pair shown to differ by more than the margin.",
            common.REFUTED: "Calmer measurements: nothing else on the machine, fixed clock.",
            common.INCONCLUSIVE: "More rounds of the pairs that are open.",
        }[verdict],
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            f"At this spread, {needed} rounds show equivalence within ±"
            f"{100 * machine.margin:g} % of one pair with a chance of 90 %."
            if needed
            else "",
            "No replicas were measured: many models that differ only in num_workers, which each "
            "serve one call at a time, stand in."
            if kind != "replica"
            else "",
            "A difference between A/A pairs is an order effect or drift; verdicts of the other "
            "questions are then in doubt."
            if verdict == common.REFUTED
            else "",
            sentence if verdict == common.INCONCLUSIVE else "",
            common.correction_note(len(results), machine.confidence),
            *common.troubles(
                machine,
                machine.arms[
                    machine.arms["arm"].isin({a for p in pairs for a in (p.arm_a, p.arm_b)})
                ],
            ),
        ],
    )


def _arm(machine: Machine, arm: str):
    return machine.arms[machine.arms["arm"] == arm].iloc[0]
