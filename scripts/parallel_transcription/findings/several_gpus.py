"""5 Does one model use several GPUs?

Claim: one model with a list of devices works on all of them: with G devices it is faster than on
one by more than the margin.

Compared: one_model with device cuda and a device_index list against the same model on the first
of its devices (equal workload, cpu_threads, callers >= number of devices, num_workers); ratio =
makespan on one / makespan on G, paired by round, Holm over the pairs. Beside it, many models (one
or more per device) against the list, at equal total workers, as in question 2.
Verdict:
  confirmed     some pair has a speed-up above 1 + margin, and none is shown to be below it
  refuted       all pairs are shown to be below 1 + margin
  inconclusive  otherwise
  not measured  no rows with two or more GPUs
"""

from __future__ import annotations

from parallel_transcription import statistics
from parallel_transcription.findings import common, one_or_many
from parallel_transcription.findings.tables import Machine

ID, NUMBER = "several_gpus", 5
QUESTION = "Does one model use several GPUs, and as well as one model per GPU?"
CLAIM = (
    "One model with a list of devices works on all of them: it is faster than on one by more than "
    "the margin."
)
STUDY = "config/multi_gpu.yaml"


def judge(machine: Machine) -> dict:
    arms = machine.ordinary()
    arms = arms[arms["device"] == "cuda"]
    lists = arms[(arms["strategy"] == "one_model") & arms["device_index"].str.contains(",")]
    entries = []
    for _, arm in lists.sort_values("arm").iterrows():
        count = len(one_or_many.devices(arm["device_index"]).split(","))
        if arm["callers"] < count or count < 2:
            continue
        single = arms[
            (arms["strategy"] == "one_model")
            & ~arms["device_index"].str.contains(",")
            & (arms["num_workers"] == arm["num_workers"])
        ]
        for key in [*common.CONDITIONS, "cpu_threads", "files_in_parallel", "callers"]:
            single = single[single[key] == arm[key]]
        for _, base in single.sort_values(["device_index", "arm"]).head(1).iterrows():
            pair = machine.compare(base["arm"], arm["arm"])
            if pair.result.rounds >= 2:
                entries.append((arm, count, pair))
    if not entries:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "Not measured here: there are no matched rounds on one and on several GPUs. To measure "
            "it on a machine with two or more: "
            f"snakemake --cores 2 --configfile {STUDY}",
            change=f"Runs on two or more GPUs: snakemake --cores 2 --configfile {STUDY}",
            notes=common.troubles(machine, lists),
        )
    results = statistics.correct([p.result for *_, p in entries])
    rows = []
    for (arm, count, pair), result in zip(entries, results, strict=True):
        outcome = "open"
        if result.tests.p_above <= machine.alpha and result.tests.p_difference <= machine.alpha:
            outcome = "uses them"
        elif result.tests.p_not_above <= machine.alpha:
            outcome = "does not use them"
        rows.append(
            {
                "comparison": "several GPUs / one GPU",
                "model": arm["model"],
                "compute_type": arm["compute_type"],
                "device_index": arm["device_index"],
                "devices": count,
                "workers_per_device": arm["num_workers"],
                "callers": arm["callers"],
                **common.pair_row(pair, result, "one GPU", "several GPUs"),
                "verdict": outcome,
            }
        )
    outcomes = [r["verdict"] for r in rows]
    if "uses them" in outcomes and "does not use them" not in outcomes:
        verdict = common.CONFIRMED
    elif set(outcomes) == {"does not use them"}:
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
    head = max(rows, key=lambda r: (r["devices"], r["ratio"], r["configuration_b"]))
    plan, sentence = common.more_rounds(
        machine, [(p, r) for (_, _, p), r in zip(entries, results, strict=True)], len(results)
    )
    many, _ = one_or_many.matched_pairs(machine, "multi_model")
    many = [(d, p) for d, p in many if "," in d["device_index"] and p.result.rounds >= 2]
    for (dims, pair), result in zip(
        many, statistics.correct([p.result for _, p in many]), strict=True
    ):
        rows.append(
            {
                "comparison": "one model / many models on the same GPUs",
                "model": dims["model"],
                "compute_type": dims["compute_type"],
                "device_index": dims["device_index"],
                "devices": len(one_or_many.devices(dims["device_index"]).split(",")),
                "workers_per_device": dims["workers_per_instance"],
                "callers": dims["callers"],
                **common.pair_row(pair, result, "one model", "many models"),
                "verdict": result.outcome,
            }
        )
    start = {
        common.CONFIRMED: "Yes:",
        common.REFUTED: "No:",
        common.INCONCLUSIVE: "Not decided:",
    }[verdict]
    speed = common.estimate(
        head["ratio"], head["low"], head["high"], machine.confidence, "times as fast as on one"
    )
    answer = f"{start} one model on {head['devices']} GPUs is {speed}."
    if many:
        same = sum(r["size"] == statistics.WITHIN for r in rows[len(entries) :])
        answer += (
            f" Against one model per GPU, {same} of {common.plural(len(many), 'matched pair')} "
            f"{'is' if same == 1 else 'are'} equivalent."
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
            f"speed-up of {head['devices']} GPUs",
            head["ratio"],
            head["low"],
            head["high"],
            common.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for r in rows for c in (r["configuration_a"], r["configuration_b"])],
        change=f"A speed-up shown to be on the other side of {1 + machine.margin:.2f}.",
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            sentence if verdict == common.INCONCLUSIVE else "",
            *common.troubles(machine, lists),
        ],
    )
