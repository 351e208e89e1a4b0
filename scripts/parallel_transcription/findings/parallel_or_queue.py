"""1 Parallel or queue: does one model work on several files at the same time?

Claim: one model with several workers transcribes several files at the same time, not one after
another.

Overlapping start and end times prove nothing: with one worker, which runs strictly one call at a
time, they overlap as well, because files take turns call by call. The makespan decides.

Compared, per workload, model, compute type, device and cpu_threads (one_model, several callers):
  speed-up = makespan of the same files one after another (1 caller, 1 worker) / makespan;
  gain over one worker = makespan with the same callers and ONE worker / makespan. A queue would
  leave it at 1.0 for any number of workers.
Judged are the rows with 2 or more workers in use and workers in use x threads <= usable CPUs
(beyond that a missing gain says nothing about a queue); on CUDA all of them. Tests on paired log
ratios of makespan, Holm-corrected over the judged rows:
  parallel      gain over one worker above 1 + margin is shown
  queue         gain over one worker below 1 + margin is shown
Verdict:
  confirmed     at least one judged row is parallel and none is a queue (a queue gives no gain
                anywhere)
  refuted       all judged rows are queues
  inconclusive  otherwise
  not measured  no judged row, e.g. because the runs could use one CPU only
"""

from __future__ import annotations

import math

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine, Pair

ID, NUMBER = "parallel_or_queue", 1
QUESTION = "Does one model transcribe several files at the same time, or does it queue them?"
CLAIM = (
    "One model with several workers transcribes several files at the same time, not one after "
    "another."
)

LITTLE = 1.25  # with one worker, a gain below this is work beside the model, not the model's calls


def judge(machine: Machine) -> dict:
    arms = machine.ordinary()
    arms = arms[(arms["strategy"] == "one_model") & (arms["files_in_parallel"] > 1)]
    cpus = machine.cpus
    if cpus is not None and cpus < 2 and not (arms["device"] == "cuda").any():
        return _not_measured(
            machine,
            "The runs could use one CPU only, where nothing can run in parallel: this cannot be "
            "measured here.",
        )
    rows, judged, used = [], [], set()
    scaling = []
    overlaps = overlap_shares(machine)
    keys = [*common.CONDITIONS, "device_index", "cpu_threads", "files_in_parallel"]
    for _, group in arms.groupby(keys, sort=True):
        base = group[(group["callers"] == 1) & (group["num_workers"] == 1)]
        base = base.iloc[0] if len(base) else None
        for callers, same in group[group["callers"] > 1].groupby("callers", sort=True):
            one = same[same["num_workers"] == 1]
            one = one.iloc[0] if len(one) else None
            for _, arm in same.sort_values("num_workers").iterrows():
                speed = machine.compare(base["arm"], arm["arm"]) if base is not None else None
                gain = None
                if one is not None and arm["num_workers"] > 1:
                    gain = machine.compare(one["arm"], arm["arm"])
                fits = arm["device"] != "cpu" or (
                    cpus is None or arm["in_use"] * arm["threads"] <= cpus
                )
                row = _row(machine, arm, speed, gain, fits, overlaps)
                rows.append(row)
                used.update(c["configuration"] for c in (base, one, arm) if c is not None)
                if gain is not None and gain.result.rounds and arm["in_use"] > 1 and fits:
                    judged.append((row, arm, gain, speed))
            if fit := _scaling(machine, same, int(callers)):
                scaling.append(fit)
    if not judged:
        return _not_measured(
            machine,
            "There is no pair of matched rounds with one worker and with several, for several "
            "callers and threads x workers within the CPUs.",
            rows,
            used,
        )
    family = statistics.correct([g.result for _, _, g, _ in judged])
    for (row, *_), result in zip(judged, family, strict=True):
        row["p_parallel"] = result.tests.p_above
        row["p_queue"] = result.tests.p_not_above
        if result.tests.p_above <= machine.alpha and result.tests.p_difference <= machine.alpha:
            row["outcome"] = "parallel"
        elif result.tests.p_not_above <= machine.alpha:
            row["outcome"] = "queue"
        else:
            row["outcome"] = "undecided"
    outcomes = [row["outcome"] for row, *_ in judged]
    if "parallel" in outcomes and "queue" not in outcomes:
        verdict = common.CONFIRMED
    elif set(outcomes) == {"queue"}:
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
    # the row that the answer speaks of: most workers in use, then fewest threads, fewest workers
    order = sorted(
        range(len(judged)),
        key=lambda k: (
            -judged[k][1]["in_use"],
            judged[k][1]["cpu_threads"],
            judged[k][1]["num_workers"],
            judged[k][1]["arm"],
        ),
    )
    row, arm, gain, speed = judged[order[0]]
    pairs = [(g, r) for (_, _, g, _), r in zip(judged, family, strict=True)]
    plan, sentence = common.more_rounds(machine, pairs, len(judged))
    if verdict != common.INCONCLUSIVE:
        plan = None
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        _answer(machine, verdict, row, arm, rows),
        in_short=_in_short(row, arm),
        effect=_effect(machine, row, arm),
        evidence=rows,
        runs=used,
        change=(
            "A gain over one worker that stays below "
            f"{1 + machine.margin:.2f} with threads x workers within the CPUs."
            if verdict == common.CONFIRMED
            else f"A gain over one worker shown to be above {1 + machine.margin:.2f}."
        ),
        more_rounds=plan,
        notes=[
            "Overlapping start and end times prove nothing: files take turns on one worker call by "
            "call. The makespan decides.",
            *scaling,
            sentence if plan else "",
            common.correction_note(len(judged), machine.confidence),
            *common.troubles(machine, arms),
        ],
    )


def _row(machine, arm, speed: Pair | None, gain: Pair | None, fits: bool, overlaps: dict) -> dict:
    times = machine.times(arm["arm"])
    outside = (times["cpu_outside_engine_s"] / times["cpu_s"]).astype(float)
    s = speed.result if speed is not None and speed.result.rounds else None
    g = gain.result if gain is not None and gain.result.rounds else None
    nothing = float("nan")
    return {
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "device": arm["device"],
        "files": arm["files_in_parallel"],
        "callers": arm["callers"],
        "workers": arm["num_workers"],
        "workers_in_use": arm["in_use"],
        "cpu_threads": arm["cpu_threads"],
        "fits_cpus": fits,
        "rounds": s.rounds if s else (g.rounds if g else 0),
        "makespan_s": _usual_makespan(times),
        "speed_up": s.ratio if s else None,
        "low": s.low if s else None,
        "high": s.high if s else None,
        "over_one_worker": g.ratio if g else None,
        "over_low": g.low if g else None,
        "over_high": g.high if g else None,
        "p_parallel": nothing,
        "p_queue": nothing,
        "cores_used": times["cores_used"].median() if len(times) else None,
        "cpu_outside_engine_share": outside.median() if len(times) else None,
        "overlap_in_time": overlaps.get(arm["configuration"]),
        "outcome": "one worker" if arm["num_workers"] == 1 else "not judged",
        "configuration": arm["configuration"],
        "configuration_alone": speed.configurations[0] if speed else None,
    }


def _usual_makespan(times) -> float | None:
    """The median makespan in seconds; None where half the rounds ran into the time limit."""
    late = times["censored"].astype(bool)
    return None if 2 * late.sum() >= len(times) else times.loc[~late, "makespan_s"].median()


def _answer(machine: Machine, verdict: str, row: dict, arm, rows: list[dict]) -> str:
    level = machine.confidence
    who = (
        f"{words.plural(int(arm['in_use']), 'file')} on "
        f"{words.plural(int(arm['num_workers']), 'worker')} of one model "
        f"({words.plural(int(arm['cpu_threads']), 'thread')})"
    )
    parts = []
    if verdict == common.CONFIRMED:
        parts.append("They run in parallel:")
    elif verdict == common.REFUTED:
        parts.append("They queue:")
    else:
        parts.append("Not decided:")
    if row["speed_up"] is not None:
        speed = words.estimate(
            row["speed_up"],
            row["low"],
            row["high"],
            level,
            "times as fast as one after another",
        )
        parts.append(f"{who} are done {speed},")
    else:
        parts.append(f"{who} are done")
    gain = words.estimate(
        row["over_one_worker"],
        row["over_low"],
        row["over_high"],
        level,
        "times as fast as with one worker",
    )
    parts.append(f"{gain}.")
    lone = [
        r
        for r in rows
        if r["workers"] == 1
        and r["speed_up"] is not None
        and r["cpu_threads"] == row["cpu_threads"]
        and r["files"] == row["files"]
        and r["model"] == row["model"]
        and r["callers"] == row["callers"]
    ]
    if lone:
        r = lone[0]
        text = (
            f"With one worker and {r['callers']} callers the gain over one after another is "
            f"{words.estimate(r['speed_up'], r['low'], r['high'], level)}: "
            + (
                "the model's calls wait for each other, only what is beside the model (decoding, "
                "features) overlaps"
                if r["high"] is not None and r["high"] < LITTLE
                else "more than decoding and features beside the model would explain"
                if r["low"] is not None and r["low"] > LITTLE
                else "whether more than decoding and features overlaps is open"
            )
        )
        if r["cpu_outside_engine_share"] is not None and math.isfinite(
            r["cpu_outside_engine_share"]
        ):
            text += (
                f"; {words.percent(r['cpu_outside_engine_share'])} of its CPU time is spent "
                "outside the engine"
            )
        parts.append(text + ".")
    return " ".join(parts)


def _in_short(row: dict, arm) -> str:
    speed, base = row["speed_up"], "one after another"
    if speed is None:
        speed, base = row["over_one_worker"], "with one worker"
    return (
        f"{words.plural(int(arm['in_use']), 'file')} on "
        f"{words.plural(int(arm['num_workers']), 'worker')}: {words.number(speed)} times as fast "
        f"as {base}."
    )


def _effect(machine: Machine, row: dict, arm) -> dict | None:
    if row["speed_up"] is not None:
        name = f"speed-up, {arm['in_use']} files at once on {arm['num_workers']} workers"
        values = (row["speed_up"], row["low"], row["high"])
    else:
        name = f"gain over one worker, {arm['num_workers']} workers"
        values = (row["over_one_worker"], row["over_low"], row["over_high"])
    return common.effect(name, *values, words.TIMES, machine.confidence)


def _scaling(machine: Machine, same, callers: int) -> str:
    """The universal scalability law through rows with 3 or more numbers of workers in use."""
    workers, throughput = [], []
    for _, arm in same.iterrows():
        times = machine.times(arm["arm"])
        calm = times[~times["censored"].astype(bool)]
        workers += [arm["in_use"]] * len(calm)
        throughput += list(1 / calm["makespan_s"])
    try:
        fit = statistics.fit_scaling(workers, np.asarray(throughput), machine.confidence)
    except ValueError:
        return ""
    alpha, beta = fit.coefficients["alpha"], fit.coefficients["beta"]
    first = same.iloc[0]
    return (
        f"Scaling law for {callers} callers, "
        f"{words.plural(int(first['cpu_threads']), 'thread')}, {first['model']}: contention "
        f"{words.number(alpha[0], 2)} "
        f"({words.interval(alpha[1], alpha[2], machine.confidence)}), coherency "
        f"{words.number(beta[0], 2)} "
        f"({words.interval(beta[1], beta[2], machine.confidence)})."
    )


def overlap_shares(machine: Machine) -> dict[str, float]:
    """Share of the makespan in which two or more transcriptions are open, by configuration.

    Shown beside the speed-up, because it is high even where nothing runs in parallel.
    """
    timings = machine.timings
    timings = timings[(timings["status"] == "ok") & timings["finished_s"].notna()]
    timings = timings[timings["started_s"].notna()]
    shares: dict[str, list[float]] = {}
    for (name, _, _), group in timings.groupby(["configuration", "round", "repeat"], sort=True):
        start = group["started_s"].to_numpy(float)
        end = group["finished_s"].to_numpy(float)
        if len(group) < 2 or end.max() <= start.min():
            continue
        edges = np.unique(np.concatenate([start, end]))
        middle = (edges[:-1] + edges[1:]) / 2
        count = ((start[:, None] <= middle) & (middle < end[:, None])).sum(axis=0)
        share = float(np.diff(edges)[count >= 2].sum() / (end.max() - start.min()))
        shares.setdefault(str(name), []).append(share)
    return {name: float(np.median(values)) for name, values in shares.items()}


def _not_measured(machine: Machine, why: str, rows=(), used=()) -> dict:
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        common.NOT_MEASURED,
        why
        + " To measure it: a study with one_model, files_in_parallel 2, num_workers 1 and 2, and "
        "callers 1 and 2, on at least 2 CPUs.",
        evidence=list(rows),
        runs=used,
        change=f"Rounds of those configurations: {common.command(machine)}",
    )
