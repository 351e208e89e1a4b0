"""3 Does cpu_threads limit the cores used, per worker and per instance?

Claim: cpu_threads limits the CPU cores used to cpu_threads x workers in use.

Expected cores of a configuration: cpu_threads x workers in use (workers of all instances, but not
more than callers), and not more than the usable CPUs. Seen: CPU seconds inside the engine (all
CPU seconds less those of the callers' own threads: decoding, features, tokens) / makespan, one
value per round. Where the split is not known, all CPU seconds count and a tenth of a core is
allowed per caller. Tolerance: 5 %.
  over     seen above expected + 5 % is shown (one-sided t test over rounds, Holm)
  within   seen below expected + 5 % is shown
Only configurations whose expected cores stay below the usable CPUs can tell a limit from the
machine's own; the rest is shown, not judged.
Per worker and per instance: with 2 or more workers (instances) in use and expected cores within
the CPUs, the limit counts per worker (instance) if more than cpu_threads x 1.05 cores are shown
to be used: it is not a limit of the whole process.
Verdict:
  confirmed     every judged configuration is within
  refuted       some judged configuration is over
  inconclusive  otherwise
  not measured  no CPU seconds, or nothing to judge
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine

ID, NUMBER = "threads_limit", 3
QUESTION = "Does cpu_threads limit the cores used, per worker and per instance?"
CLAIM = f"cpu_threads limits the CPU cores used to cpu_threads {words.TIMES} workers in use."
TOLERANCE = 0.05
ALLOWANCE = 0.1  # cores per caller, where the engine's share of the CPU time is unknown


def judge(machine: Machine) -> dict:
    arms = machine.ordinary()
    arms = arms[(arms["device"] == "cpu") & (arms["cpu_threads"] > 0)]
    cpus = machine.cpus
    rows, used = [], []
    for _, arm in arms.sort_values("arm").iterrows():
        times = machine.times(arm["arm"])
        times = times[(times["cpu_s"] > 0) & ~times["censored"].astype(bool)]
        if times.empty:
            continue
        rows.append(_row(machine, arm, times, cpus))
        used.append(arm["configuration"])
    judged = [r for r in rows if r["informative"] and r["rounds"] >= 2]
    if not judged:
        return common.finding(
            machine,
            ID,
            NUMBER,
            QUESTION,
            CLAIM,
            common.NOT_MEASURED,
            "There is no configuration with CPU seconds, two rounds and fewer expected cores than "
            "the machine has, so that a limit could be told from the machine's own. To measure it: "
            "num_workers 1 with cpu_threads 1 on a machine with at least 2 CPUs.",
            evidence=rows,
            runs=used,
            change=f"Such rounds: {common.command(machine)}",
        )
    over = statistics.adjust([r["p_over"] for r in judged])
    within = statistics.adjust([r["p_within"] for r in judged])
    for row, p_over, p_within in zip(judged, over, within, strict=True):
        row["p_over"], row["p_within"] = p_over, p_within
        if p_over <= machine.alpha:
            row["outcome"] = "over"
        elif p_within <= machine.alpha:
            row["outcome"] = "within"
        else:
            row["outcome"] = "undecided"
    outcomes = [r["outcome"] for r in judged]
    if "over" in outcomes:
        verdict = common.REFUTED
    elif set(outcomes) == {"within"}:
        verdict = common.CONFIRMED
    else:
        verdict = common.INCONCLUSIVE
    parts = {
        common.CONFIRMED: ["Yes:"],
        common.REFUTED: ["No:"],
        common.INCONCLUSIVE: ["Not decided:"],
    }[verdict]
    level = machine.confidence
    top = max(judged, key=lambda r: (r["cores"] / r["expected_cores"], r["configuration"]))
    parts.append(
        f"in {outcomes.count('within')} of {words.plural(len(judged), 'configuration')} that can "
        f"tell, the engine stayed within cpu_threads {words.TIMES} workers in use; at most it "
        f"used {words.estimate(top['cores'], top['low'], top['high'], level, 'cores')} where "
        f"{top['expected_cores']:g} {'was' if top['expected_cores'] == 1 else 'were'} expected."
    )
    per_worker = _beyond_one(machine, rows, "worker")
    per_instance = _beyond_one(machine, rows, "instance")
    parts += [per_worker[0], per_instance[0]]
    rounds = max(r["rounds"] for r in judged)
    plan = None
    if verdict == common.INCONCLUSIVE:
        names = [r["configuration"] for r in judged if r["outcome"] == "undecided"]
        wanted = max(2 * rounds, rounds + 3)
        plan = {"rounds": wanted, "command": common.command(machine, f"min_rounds={wanted}", names)}
    return common.finding(
        machine,
        ID,
        NUMBER,
        QUESTION,
        CLAIM,
        verdict,
        " ".join(p for p in parts if p),
        in_short=(
            f"At most {words.number(top['cores'])} cores where {top['expected_cores']:g} "
            f"{'was' if top['expected_cores'] == 1 else 'were'} expected."
        ),
        effect=common.effect(
            "cores used by the engine / expected, where it is highest",
            top["cores"] / top["expected_cores"],
            top["low"] / top["expected_cores"],
            top["high"] / top["expected_cores"],
            words.TIMES,
            machine.confidence,
        ),
        evidence=rows,
        runs=used,
        change=(
            f"A configuration shown to use more than cpu_threads {words.TIMES} workers in use "
            "plus 5 %."
            if verdict != common.REFUTED
            else "Every configuration shown to stay within, for example with thread variables of "
            "the environment removed."
        ),
        more_rounds=plan,
        notes=[
            "Threads that wait in a spin loop count as used: cores used is not useful work.",
            "CPU seconds of the callers' own threads (decoding, features, tokens) are not the "
            "engine's and are taken off."
            if any(r["split_known"] for r in rows)
            else "The engine's share of the CPU time is not known here; a tenth of a core is "
            "allowed per caller.",
            *common.troubles(machine, arms),
        ],
    )


def _row(machine: Machine, arm, times, cpus: float | None) -> dict:
    outside = times["cpu_outside_engine_s"].astype(float)
    known = bool(outside.notna().all())
    engine = (times["cpu_s"].astype(float) - (outside if known else 0)) / times["makespan_s"]
    engine = engine.to_numpy(float)
    if not known:
        engine = engine - ALLOWANCE * arm["callers"]
    asked = float(arm["cpu_threads"] * arm["in_use"])
    expected = asked if cpus is None else min(asked, cpus)
    mean, low, high = statistics.t_interval(engine, machine.confidence)
    limit = expected * (1 + TOLERANCE)
    p_over, p_within = _one_sided(engine, limit)
    level = "model"
    if arm["instances"] > 1:
        level = "instance"
    elif arm["in_use"] > 1:
        level = "worker"
    return {
        "strategy": arm["strategy"],
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "instances": arm["instances"],
        "workers": arm["num_workers"],
        "workers_in_use": arm["in_use"],
        "callers": arm["callers"],
        "files": arm["files_in_parallel"],
        "cpu_threads": arm["cpu_threads"],
        "expected_cores": expected,
        "cores": mean,
        "low": low,
        "high": high,
        "cores_all": float(times["cores_used"].median()),
        "rounds": len(engine),
        "informative": bool(cpus is None or asked <= cpus - 0.5),
        "level": level,
        "p_over": p_over,
        "p_within": p_within,
        "p_more_than_threads": _one_sided(engine, arm["cpu_threads"] * (1 + TOLERANCE))[0],
        "fits_cpus": bool(cpus is None or asked <= cpus),
        "split_known": known,
        "limit_counts_per_level": "",
        "outcome": "not judged",
        "configuration": arm["configuration"],
    }


def _one_sided(values: np.ndarray, limit: float) -> tuple[float, float]:
    """p of "mean > limit" and of "mean < limit" (one-sided t tests); nan for one value."""
    if len(values) < 2:
        return float("nan"), float("nan")
    if np.ptp(values) < 1e-12:
        return (0.0, 1.0) if values[0] > limit else (1.0, 0.0)
    p = float(stats.ttest_1samp(values, limit, alternative="greater").pvalue)
    return p, 1 - p


def _beyond_one(machine: Machine, rows: list[dict], level: str) -> tuple[str, bool | None]:
    """A sentence on whether the limit counts per worker (instance), and the verdict on it."""
    chosen = [
        r
        for r in rows
        if r["level"] == level and r["fits_cpus"] and r["rounds"] >= 2 and r["workers_in_use"] >= 2
    ]
    if not chosen:
        return f"Per {level}: not measured.", None
    p = statistics.adjust([r["p_more_than_threads"] for r in chosen])
    for row, value in zip(chosen, p, strict=True):
        row["limit_counts_per_level"] = "shown" if value <= machine.alpha else "not shown"
    best = max(chosen, key=lambda r: (r["cores"] / r["cpu_threads"], r["configuration"]))
    many = words.plural(best["workers_in_use"], "worker" if level == "worker" else "instance")
    numbers = (
        f"{many} in use with {words.plural(best['cpu_threads'], 'thread')} use "
        f"{words.number(best['cores'])} cores"
    )
    if (p <= machine.alpha).all():
        return f"The limit counts per {level}: {numbers}.", True
    if (p <= machine.alpha).any():
        return f"In part the limit is seen to count per {level}: {numbers}.", None
    return f"That the limit counts per {level} is not shown: {numbers}.", False
