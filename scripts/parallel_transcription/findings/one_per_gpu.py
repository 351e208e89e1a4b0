"""5 One model on a list of GPUs, or one model per GPU?

Claim: with equal total workers, callers, threads and files on the same GPUs, one model with a list
of devices takes the same time as models (or processes) of their own on each, within the margin.

Matched pairs: those of question 2 whose devices are two or more GPUs; ratio = makespan of one model
/ makespan of the others, paired by round. Holm over the pairs of this question.
Verdict: as in question 2; not measured without such pairs.
"""

from __future__ import annotations

from parallel_transcription import statistics, words
from parallel_transcription.findings import common, one_or_many
from parallel_transcription.findings.machine import Machine

ID, NUMBER = "one_per_gpu", 5
QUESTION = "Is one model on a list of GPUs as good as one model per GPU?"
CLAIM = (
    "One model with a list of devices takes the same time as one model on each of them, within "
    "the margin."
)
STUDY = "config/multi_gpu.yaml"


def judge(machine: Machine) -> dict:
    tested, notes = [], []
    for strategy in ("multi_model", "multi_process"):
        pairs, unmatched = one_or_many.matched_pairs(machine, strategy, on_several_gpus=True)
        tested += [
            ({**dims, "others": words.STRATEGY_NAMES[strategy]}, pair)
            for dims, pair in pairs
            if pair.result.rounds >= 2
        ]
        notes += unmatched
    if not tested:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "Not measured here: no matched rounds of a list of GPUs and of one model on each. To "
            f"measure it on a machine with two or more: snakemake --cores 2 --configfile {STUDY}",
            change=f"Runs on two or more GPUs: snakemake --cores 2 --configfile {STUDY}",
            notes=notes,
        )
    results = statistics.correct([pair.result for _, pair in tested])
    rows = [
        {
            **dims,
            "gpus": one_or_many.count(dims["device_index"]),
            **common.pair_row(pair, result, one_or_many.ONE, dims["others"]),
            "balance": common.median_of(pair.a, "gpu_balance"),
            "balance_others": common.median_of(pair.b, "gpu_balance"),
        }
        for (dims, pair), result in zip(tested, results, strict=True)
    ]
    verdict = one_or_many.verdict_of(results)
    plan, sentence = common.more_rounds(
        machine, [(p, r) for (_, p), r in zip(tested, results, strict=True)], len(results)
    )
    ratio, low, high = one_or_many.overall(machine, [pair for _, pair in tested])
    same = sum(r.size == statistics.WITHIN for r in results)
    start = {
        common.CONFIRMED: f"Yes, within {common.margin_words(machine)}:",
        common.REFUTED: "No:",
        common.INCONCLUSIVE: "Not decided:",
    }[verdict]
    margin = common.margin_words(machine)
    takes = words.estimate(ratio, low, high, machine.confidence, "times the makespan")
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        f"{start} over {words.plural(len(rows), 'matched pair')}, one model on a list of GPUs "
        f"takes {takes} of one model per GPU; {same} {'is' if same == 1 else 'are'} equivalent.",
        in_short=one_or_many.in_short(machine, results),
        effect=common.effect(
            "makespan of one model / one model per GPU, all pairs together",
            ratio,
            low,
            high,
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for _, pair in tested for c in pair.configurations],
        change={
            common.CONFIRMED: f"A pair shown to differ by more than {margin}.",
            common.REFUTED: f"All pairs shown to be within {margin}.",
            common.INCONCLUSIVE: "More rounds of the pairs that are open.",
        }[verdict],
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            *notes,
            sentence if verdict == common.INCONCLUSIVE else "",
            common.correction_note(len(results), machine.confidence),
        ],
    )
