"""5 Does one model use several GPUs?

Claim: one model with a list of devices works on all of them: with G devices it is faster than on
one by more than the margin.

Compared: one_model with device cuda and a device_index list against the same model on the first
of its devices (equal workload, cpu_threads, callers >= number of devices, num_workers); ratio =
makespan on one / makespan on G, paired by round, Holm over the pairs. Beside it, how evenly the
GPUs of the list worked (utilisation of the least busy over that of the busiest), their energy and
the host's CPU cores per GPU.
Verdict:
  confirmed     some pair has a speed-up above 1 + margin, and none is shown to be below it
  refuted       all pairs are shown to be below 1 + margin
  inconclusive  otherwise
  not measured  no rows with two or more GPUs
"""

from __future__ import annotations

from parallel_transcription import statistics, words
from parallel_transcription.findings import common, one_or_many
from parallel_transcription.findings.machine import Machine

ID, NUMBER = "several_gpus", 5
QUESTION = "Does one model use several GPUs?"
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
        count = one_or_many.count(arm["device_index"])
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
                "model": arm["model"],
                "compute_type": arm["compute_type"],
                "device_index": arm["device_index"],
                "devices": count,
                "workers_per_device": arm["num_workers"],
                "files": arm["files_in_parallel"],
                "callers": arm["callers"],
                **common.pair_row(pair, result, "one GPU", "several GPUs"),
                "verdict": outcome,
                "balance": common.median_of(pair.b, "gpu_balance"),
                "utilisation": common.median_of(pair.b, "gpu_util"),
                "utilisation_of_one": common.median_of(pair.a, "gpu_util"),
                "cores_per_gpu": common.median_of(pair.b, "cores_per_gpu"),
                "energy_ratio": _over(pair.b["energy_j"].median(), pair.a["energy_j"].median()),
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
    start = {
        common.CONFIRMED: "Yes:",
        common.REFUTED: "No:",
        common.INCONCLUSIVE: "Not decided:",
    }[verdict]
    speed = words.estimate(
        head["ratio"], head["low"], head["high"], machine.confidence, "times as fast as on one"
    )
    answer = f"{start} one model on {head['devices']} GPUs is {speed}."
    if head["balance"] is not None:
        answer += (
            f" The least busy of them works {words.percent(head['balance'])} as much as the "
            "busiest."
        )
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        answer,
        in_short=(
            f"One model on {head['devices']} GPUs is {words.times(head['ratio'])} times as fast "
            "as on one."
        ),
        effect=common.effect(
            f"speed-up of {head['devices']} GPUs",
            head["ratio"],
            head["low"],
            head["high"],
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for r in rows for c in (r["configuration_a"], r["configuration_b"])],
        change=f"A speed-up shown to be on the other side of {1 + machine.margin:.2f}.",
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            "num_workers counts for each GPU: 2 workers on 3 GPUs are 6 in all.",
            "" if head["balance"] is not None else common.NO_UTILISATION,
            sentence if verdict == common.INCONCLUSIVE else "",
            *common.troubles(machine, lists),
        ],
    )


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
