"""0 The planted effect: an arm slowed on purpose must be found slower.

Only where a study has rows with `slowdown` > 0 (a sleep per segment; a check of the whole chain,
not of the engine). Claim: an arm slowed by a known share is found slower.

Pairs: a slowed configuration against the same one without slow-down; ratio = slowed / plain,
paired by round, Holm.
Verdict:
  confirmed     every pair with a planted share above the margin is shown slower, and no slowed arm
                is called faster
  refuted       some slowed arm is called faster, or one with a share above twice the margin is
                called equivalent
  inconclusive  otherwise
"""

from __future__ import annotations

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import DIMENSIONS, Machine

ID, NUMBER = "planted_effect", 0
QUESTION = "Is an arm that was slowed on purpose found slower?"
CLAIM = "An arm slowed by a known share is found slower."


def judge(machine: Machine) -> dict | None:
    arms = machine.arms
    if arms.empty or not (arms["slowdown"] > 0).any():
        return None
    entries = []
    same = [d for d in DIMENSIONS if d != "slowdown"]
    for _, group in arms.groupby([*same, "workload"], sort=True, dropna=False):
        plain = group[group["slowdown"] == 0]
        for _, slow in group[group["slowdown"] > 0].sort_values("slowdown").iterrows():
            if len(plain):
                pair = machine.compare(slow["arm"], plain.iloc[0]["arm"])
                if pair.result.rounds >= 2:
                    entries.append((slow, pair))
    if not entries:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There are slowed rows, but no two matched rounds of the same configuration without "
            "slow-down.",
            change=f"Such rounds: {common.command(machine)}",
        )
    results = statistics.correct([p.result for _, p in entries])
    rows = []
    for (arm, pair), result in zip(entries, results, strict=True):
        rows.append(
            {
                "label": words.name_of(arm),
                "planted": arm["slowdown"],
                **common.pair_row(pair, result, "slowed", "plain"),
            }
        )
    large = [r for r in rows if r["planted"] > machine.margin]
    wrong = [
        r
        for r in rows
        if r["outcome"] == "slowed faster"
        or (r["outcome"] == statistics.EQUIVALENT and r["planted"] > 2 * machine.margin)
    ]
    if wrong:
        verdict = common.REFUTED
    elif large and all(r["outcome"] == "plain faster" for r in large):
        verdict = common.CONFIRMED
    else:
        verdict = common.INCONCLUSIVE
    head = max(rows, key=lambda r: (r["planted"], r["configuration_a"]))
    plan, sentence = common.more_rounds(
        machine, [(p, r) for (_, p), r in zip(entries, results, strict=True)], len(results)
    )
    as_long = words.estimate(
        head["ratio"], head["low"], head["high"], machine.confidence, "times as long"
    )
    found = sum(r["outcome"] == "plain faster" for r in rows)
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        f"{found} of {words.plural(len(rows), 'slowed arm')} "
        f"{'was' if found == 1 else 'were'} found slower. Slowed by "
        f"{words.percent(head['planted'])}, the makespan is {as_long}.",
        effect=common.effect(
            f"makespan, slowed by {words.percent(head['planted'])} / plain",
            head["ratio"],
            head["low"],
            head["high"],
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        figure=None,
        runs=[c for _, p in entries for c in p.configurations],
        change="A slowed arm that is called faster or equivalent.",
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            "The sleep is per segment of each file; with several callers, others can use the CPU "
            "meanwhile, so the makespan may grow by less than the planted share.",
            sentence if verdict == common.INCONCLUSIVE else "",
            common.correction_note(len(results), machine.confidence),
        ],
    )
