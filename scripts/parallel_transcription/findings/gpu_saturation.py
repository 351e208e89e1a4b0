"""5 Where does one GPU saturate?

Claim: one worker of one model does not fill a GPU: more workers, or more models on it, raise the
throughput by more than the margin.

Compared on one GPU, with equal workload, cpu_threads, files and callers (two or more): one_model
with num_workers 1 against one_model with more workers, and against multi_model and multi_process
with more instances of one worker each; gain = makespan with one / makespan with more, paired by
round, Holm over all of them.
Verdict:
  confirmed     some gain above 1 + margin is shown
  refuted       all gains are shown to be below 1 + margin
  inconclusive  otherwise
  not measured  no such pairs on a GPU
A series (workers of one model, models, processes) is saturated from its smallest number on beyond
which no larger one is shown to be faster (Holm over the pairs of the series).
Beside it: utilisation, memory, energy and the host's CPU cores per GPU, medians over rounds.
"""

from __future__ import annotations

from itertools import combinations

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine

ID, NUMBER = "gpu_saturation", 5
QUESTION = "Where does one GPU saturate: how many workers or models does it take?"
CLAIM = (
    "One worker does not fill a GPU: more workers or models on it raise the throughput by more "
    "than the margin."
)
STUDY = "config/gpu.yaml"
SERIES = {"one_model": "workers", "multi_model": "models", "multi_process": "processes"}
METERS = ("gpu_util", "gpu_mem_mb", "power_w", "energy_j", "cores_per_gpu", "gpu_throttled")


def judge(machine: Machine) -> dict:
    arms = machine.ordinary()
    arms = arms[(arms["device"] == "cuda") & ~arms["device_index"].str.contains(",")]
    arms = arms[arms["callers"] > 1]
    rows, pairs, saturated = [], [], []
    keys = [*common.CONDITIONS, "device_index", "cpu_threads", "files_in_parallel", "callers"]
    for _, group in arms.groupby(keys, sort=True):
        one = group[(group["strategy"] == "one_model") & (group["num_workers"] == 1)]
        if one.empty:
            continue
        one = one.iloc[0]
        for strategy, series in SERIES.items():
            members = {1: one}
            for _, arm in group[group["strategy"] == strategy].iterrows():
                if strategy == "one_model":
                    members[int(arm["num_workers"])] = arm
                elif arm["num_workers"] == 1 and arm["instances"] > 1:
                    members[int(arm["instances"])] = arm
            members = {n: members[n] for n in sorted(members) if _has_rounds(machine, members[n])}
            if len(members) < 2 or 1 not in members:
                continue
            enough = _enough(machine, members)
            saturated.append((series, enough, list(members), one))
            for number, arm in members.items():
                row = _row(machine, arm, series, number, number == enough)
                rows.append(row)
                pair = machine.compare(one["arm"], arm["arm"])
                if number > 1 and pair.result.rounds >= 2:
                    pairs.append((row, pair))
    if not pairs:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "Not measured here: no matched rounds with one and with several workers on a GPU. To "
            f"measure it on a machine with one: snakemake --cores 2 --configfile {STUDY}",
            change=f"Runs on a GPU: snakemake --cores 2 --configfile {STUDY}",
            notes=common.troubles(machine, arms),
        )
    results = statistics.correct([pair.result for _, pair in pairs])
    for (row, pair), result in zip(pairs, results, strict=True):
        outcome = "open"
        if result.tests.p_above <= machine.alpha and result.tests.p_difference <= machine.alpha:
            outcome = "faster than one"
        elif result.tests.p_not_above <= machine.alpha:
            outcome = "no gain"
        row |= common.pair_row(pair, result, "one", "more") | {"verdict": outcome}
    outcomes = [row["verdict"] for row, _ in pairs]
    if "faster than one" in outcomes:
        verdict = common.CONFIRMED
    elif set(outcomes) == {"no gain"}:
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
    head, _ = max(pairs, key=lambda p: (p[0]["ratio"], p[0]["configuration_b"]))
    plan, sentence = common.more_rounds(
        machine, [(p, r) for (_, p), r in zip(pairs, results, strict=True)], len(results)
    )
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        _answer(machine, verdict, head, saturated),
        in_short=(
            f"{head['number']} {head['series']} on one GPU are {words.times(head['ratio'])} times "
            "as fast as one."
        ),
        effect=common.effect(
            f"throughput of {head['number']} {head['series']} over that of one",
            head["ratio"],
            head["low"],
            head["high"],
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for _, pair in pairs for c in pair.configurations],
        change=f"Gains shown to be on the other side of {1 + machine.margin:.2f}.",
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            sentence if verdict == common.INCONCLUSIVE else "",
            "" if any(row["gpu_util"] is not None for row in rows) else common.NO_UTILISATION,
            common.correction_note(len(results), machine.confidence),
            *common.troubles(machine, arms),
        ],
    )


def _has_rounds(machine: Machine, arm) -> bool:
    return len(machine.times(arm["arm"])) > 0


def _enough(machine: Machine, members: dict) -> int:
    """The smallest number beyond which no larger one is shown to be faster."""
    steps = list(combinations(members, 2))
    compared = [machine.compare(members[a]["arm"], members[b]["arm"]).result for a, b in steps]
    tested = [(s, r) for s, r in zip(steps, compared, strict=True) if r.rounds >= 2]
    better = {
        a
        for (a, _), r in zip(
            [s for s, _ in tested], statistics.correct([r for _, r in tested]), strict=True
        )
        if r.tests.p_difference <= machine.alpha and r.ratio > 1
    }
    return next(number for number in members if number not in better)


def _row(machine: Machine, arm, series: str, number: int, enough: bool) -> dict:
    rounds = machine.times(arm["arm"])
    rtfx, low, high = statistics.geometric_interval(rounds["rtfx"].dropna(), machine.confidence)
    return {
        "series": series,
        "number": number,
        "strategy": arm["strategy"],
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "device_index": arm["device_index"],
        "files": arm["files_in_parallel"],
        "callers": arm["callers"],
        "cpu_threads": arm["cpu_threads"],
        "rtfx": rtfx,
        "rtfx_low": low,
        "rtfx_high": high,
        **{name: common.median_of(rounds, name) for name in METERS},
        "enough": enough,
        "configuration": arm["configuration"],
    }


def _answer(machine: Machine, verdict: str, head: dict, saturated: list) -> str:
    start = {
        common.CONFIRMED: "More than one worker pays:",
        common.REFUTED: "One worker is enough:",
        common.INCONCLUSIVE: "Not decided:",
    }[verdict]
    speed = words.estimate(
        head["ratio"], head["low"], head["high"], machine.confidence, "times as fast as one"
    )
    text = f"{start} {head['number']} {head['series']} on one GPU are {speed}."
    if head["gpu_util"] is not None:
        text += f" The GPU is then busy {words.percent(head['gpu_util'])} of the time."
    if head["cores_per_gpu"] is not None:
        text += f" It takes {words.number(head['cores_per_gpu'], 2)} CPU cores of the host."
    # series of more numbers tell more
    ends = []
    for series, enough, numbers, one in sorted(saturated, key=lambda s: -len(s[2])):
        most = " (the most measured)" if enough == numbers[-1] else ""
        files = words.plural(int(one["files_in_parallel"]), "file")
        ends.append(f"{enough} {series}{most}, {one['model']} {one['compute_type']}, {files}")
    return text + f" Beyond these no more are shown to be faster: {'; '.join(ends[:3])}."
