"""3 What happens when threads x workers exceed the CPUs?

Claim: once threads x workers in use exceed the usable CPUs, the makespan gets longer by more than
the margin.

Every setting with threads x workers in use > CPUs is compared with a reference that is fixed
before any time is looked at: the setting with equal num_workers and the most cpu_threads that
still fits the CPUs (all else equal); if none fits, the setting with the most threads x workers in
use that fits, fewest workers first. Strategies are judged apart. Ratio = makespan of the
oversubscribed setting / reference; Holm over all of them. Settings that ran into the time limit
count as at least that long.
Steepness: least-squares slope of log2(ratio) over log2(threads x workers in use / CPUs) through
the reference (factor per doubling), and involuntary context switches per second against those of
the reference.
Verdict:
  confirmed     some setting is slower by more than the margin, none is faster by more than it
  refuted       all are within the margin
  inconclusive  otherwise
  not measured  no setting exceeds the CPUs, or none fits
"""

from __future__ import annotations

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine

ID, NUMBER = "oversubscription", 3
QUESTION = f"What happens when threads {words.TIMES} workers exceed the CPUs?"
CLAIM = (
    f"Once threads {words.TIMES} workers in use exceed the usable CPUs, the makespan gets longer "
    "by more than the margin."
)


def judge(machine: Machine) -> dict:
    arms = machine.ordinary()
    arms = arms[(arms["device"] == "cpu") & (arms["callers"] > 1)]
    cpus = machine.cpus
    entries = []
    if cpus is not None:
        arms = arms.assign(load=arms["in_use"] * arms["threads"])
        keys = [*common.CONDITIONS, "strategy", "files_in_parallel", "callers"]
        for _, group in arms.groupby(keys, sort=True):
            fitting = group[group["load"] <= cpus]
            for _, arm in group[group["load"] > cpus].sort_values("arm").iterrows():
                if reference := _reference(fitting, arm):
                    pair = machine.compare(arm["arm"], reference["arm"])
                    entries.append((arm, reference, pair))
    tested = [e for e in entries if e[2].result.rounds >= 2]
    if not tested:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            f"There are no matched rounds of a setting whose threads {words.TIMES} workers exceed "
            "the CPUs and of one that fits them. To measure it: a study whose largest cpu_threads "
            f"{words.TIMES} num_workers is twice the CPUs or more.",
            change=f"Such rounds: {common.command(machine)}",
            notes=common.troubles(machine, arms),
        )
    results = statistics.correct([p.result for *_, p in tested])
    rows = []
    for (arm, reference, pair), result in zip(tested, results, strict=True):
        rows.append(_row(machine, arm, reference, pair, result, cpus))
    rows.sort(key=lambda r: (r["oversubscription"], r["strategy"], r["configuration_a"]))
    slower = [r for r in rows if r["size"] == statistics.BEYOND and r["ratio"] > 1]
    faster = [r for r in rows if r["size"] == statistics.BEYOND and r["ratio"] < 1]
    if slower and not faster:
        verdict = common.CONFIRMED
    elif all(r["size"] == statistics.WITHIN for r in rows):
        verdict = common.REFUTED
    else:
        verdict = common.INCONCLUSIVE
    plan, sentence = common.more_rounds(
        machine, [(p, r) for (_, _, p), r in zip(tested, results, strict=True)], len(results)
    )
    slope = _slope(rows, machine)
    head = next(iter(slower), rows[0])  # where it starts
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        _answer(machine, verdict, rows, slower, faster, slope, cpus),
        in_short=_in_short(rows, slower, cpus),
        effect=common.effect(
            f"makespan at {head['oversubscription']:g} times the CPUs / within them "
            f"({words.setting(head)})",
            *(head[key] for key in ("ratio", "low", "high")),
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=[c for r in rows for c in (r["configuration_a"], r["configuration_b"])],
        change={
            common.CONFIRMED: "All oversubscribed settings shown to be within the margin.",
            common.REFUTED: "An oversubscribed setting shown to be slower by more than the margin.",
            common.INCONCLUSIVE: "More rounds of the settings that are open.",
        }[verdict],
        more_rounds=plan if verdict == common.INCONCLUSIVE else None,
        notes=[
            sentence if verdict == common.INCONCLUSIVE else "",
            "The steepness counts settings that ran into the time limit with that limit, so it is "
            "at least this steep."
            if any(r["censored_rounds"] for r in rows)
            else "",
            common.correction_note(len(results), machine.confidence),
            *common.troubles(machine, arms),
        ],
    )


def _in_short(rows: list[dict], slower: list[dict], cpus: float) -> str:
    text = f"{len(slower)} of {words.plural(len(rows), 'setting')} beyond {cpus:g} CPUs "
    text += "is slower" if len(slower) == 1 else "are slower"
    if not slower:
        return f"{text} by more than the margin."
    worst = max(r["ratio"] for r in slower)
    return f"{text}, the worst {words.number(worst)} times as long."


def _reference(fitting, arm):
    same = fitting[
        (fitting["num_workers"] == arm["num_workers"]) & (fitting["instances"] == arm["instances"])
    ]
    if len(same):
        return same.sort_values(["threads", "arm"]).iloc[-1].to_dict()
    if len(fitting):
        order = fitting.sort_values(
            ["load", "total_workers", "threads", "arm"], ascending=[False, True, True, True]
        )
        return order.iloc[0].to_dict()
    return None


def _row(machine, arm, reference, pair, result, cpus) -> dict:
    def switches(times):
        if times.empty:
            return float("nan")
        return float((times["context_switches_involuntary"] / times["makespan_s"]).median())

    row = common.pair_row(pair, result, "oversubscribed", "within the CPUs")
    return {
        "strategy": arm["strategy"],
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "files": arm["files_in_parallel"],
        "callers": arm["callers"],
        "instances": arm["instances"],
        "workers": arm["num_workers"],
        "workers_in_use": arm["in_use"],
        "cpu_threads": arm["cpu_threads"],
        "reference_workers": reference["num_workers"],
        "reference_threads": reference["cpu_threads"],
        "cpus": cpus,
        "oversubscription": arm["load"] / cpus,
        **row,
        "switches_per_s": switches(pair.a),
        "reference_switches_per_s": switches(pair.b),
    }


def _slope(rows: list[dict], machine: Machine) -> tuple[float, float, float]:
    """Factor per doubling beyond the CPUs, least squares through (reference, 1)."""
    known = [r for r in rows if np.isfinite(r["ratio"])]
    x = np.log2([r["oversubscription"] for r in known])
    y = np.log2([r["ratio"] for r in known])
    return tuple(float(2**v) for v in statistics.fit_slope(x, y, machine.confidence))


def _answer(machine, verdict, rows, slower, faster, slope, cpus) -> str:
    n = words.plural(len(rows), "oversubscribed setting")
    same = sum(r["size"] == statistics.WITHIN for r in rows)
    parts = {
        common.CONFIRMED: ["It gets slower:"],
        common.REFUTED: ["Nothing, within the margin:"],
        common.INCONCLUSIVE: ["Not decided:"],
    }[verdict]
    parts.append(
        f"of {n} on {cpus:g} CPUs, {len(slower)} "
        f"{'is' if len(slower) == 1 else 'are'} slower by more than the margin, "
        + (f"{len(faster)} faster by more than it, " if faster else "")
        + f"{same} equivalent, {len(rows) - len(slower) - len(faster) - same} open."
    )
    if slower:
        first = slower[0]
        worst = max(slower, key=lambda r: (r["ratio"], r["configuration_a"]))
        takes = words.estimate(
            first["ratio"], first["low"], first["high"], machine.confidence, "times the makespan"
        )
        parts.append(
            f"It starts at {first['oversubscription']:g} times the CPUs, where "
            f"{words.setting(first)} take {takes}."
        )
        least = "at least " if worst["remark"].startswith("ratio at least") else ""
        if worst is not first:
            parts.append(
                f"The worst takes {least}{words.number(worst['ratio'])} times the makespan "
                f"({words.setting(worst)})."
            )
        seen, before = worst["switches_per_s"], worst["reference_switches_per_s"]
        if np.isfinite(seen) and np.isfinite(before):
            parts.append(
                f"Involuntary context switches there: {words.number(seen)} per second, "
                f"{words.number(before)} within the CPUs."
            )
    if np.isfinite(slope[0]):
        parts.append(
            f"Each doubling beyond the CPUs multiplies the makespan by "
            f"{words.estimate(*slope, machine.confidence)}."
        )
    return " ".join(parts)
