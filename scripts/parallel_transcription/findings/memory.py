"""6 Is the model in memory only once?

Claims: the model is in memory only once, however many workers (`memory_workers`); the same,
however many instances (`memory_instances`).

Law, per model and compute type, least squares over the runs (one value per run: what loading
added to the process's own memory, USS, in MB):
  model_mb = base + worker x (workers - instances) + instance x (instances - 1)
On a GPU it is the memory that loading took there (gpu_model_mb); only runs on one GPU count.
one_model and multi_model give the coefficients; processes are fitted apart, for the table.
A worker (instance) is a copy of the model if it costs a quarter of `base` or more: a true copy
costs all of it, an engine's bookkeeping far less; LIMIT is fixed beforehand. On a GPU `base` holds
CUDA's context too, up to CONTEXT_MB that no copy repeats: the share of the model lies between that
of `base` and that of `base` - CONTEXT_MB, and a verdict must hold for both.
Verdict, per claim, over the models:
  confirmed     the upper end of worker / base (instance / base) is below 25 % for every model
  refuted       the lower end is above 25 % for some model
  inconclusive  otherwise
  not measured  no memory figures, or only one number of workers (instances)
Beside it: what each worker in use adds while it works (activations), from USS after the repeats.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings import common
from parallel_transcription.findings.machine import Machine

NUMBER = 6
LIMIT = 0.25
#: Largest part of a process's memory on a GPU that is no model: its context, kernels and cuBLAS's
#: workspace; a few hundred MB, by GPU and driver.
CONTEXT_MB = 800.0
QUESTIONS = {
    "worker": (
        "memory_workers",
        "Is the model in memory only once, however many workers?",
        "The model is in memory only once, however many workers.",
        "num_workers 1, 2 and 4 in one_model",
    ),
    "instance": (
        "memory_instances",
        "Is the model in memory only once, however many instances?",
        "The model is in memory only once, however many instances.",
        "one_model, and multi_model with 2 and 4 instances",
    ),
}


def runs_table(machine: Machine):
    """One row per run: strategy, model, compute type, workers, instances, model_mb, uss_mb.

    On a GPU the two are the memory there.
    """
    table = pd.concat([machine.runs, machine.starts])
    on_gpu = table["device"] == "cuda"
    table = table.assign(
        model_mb=table["model_mb"].where(~on_gpu, table["gpu_model_mb"]),
        uss_mb=table["uss_mb"].where(~on_gpu, table["gpu_mem_mb"]),
    )
    table = table[table["ordinary"] & (table["gpus"] <= 1)]
    table = table[(table["status"] == "ok") & (table["model_mb"] > 0)]
    if table.empty:
        return table
    # every cold start is a process of its own; a run's repeats share one load
    table = table.assign(
        process=table["run"]
        + np.where(table["files_in_parallel"] == 0, "-" + table["repeat"].astype(str), "")
    )
    keys = ["strategy", "model", "compute_type", "device", "process"]
    more = ["instances", "num_workers", "total_workers", "in_use", "files_in_parallel"]
    first = table.groupby(keys, sort=True)[[*more, "configuration"]].first()
    medians = table.groupby(keys, sort=True)[["model_mb", "uss_mb"]].median()
    return first.join(medians).reset_index()


def judge(machine: Machine, what: str = "worker") -> dict:
    id, question, claim, study = QUESTIONS[what]
    table = runs_table(machine)
    rows, shares = [], []
    used: list[str] = []
    activations = []
    if len(table):
        for (model, compute_type, device), group in table.groupby(
            ["model", "compute_type", "device"], sort=True
        ):
            for kind, part in (
                ("threads", group[group["strategy"].isin(["one_model", "multi_model"])]),
                ("processes", group[group["strategy"] == "multi_process"]),
            ):
                row = _fit(machine, part)
                if row is None:
                    continue
                row = {
                    "model": model,
                    "compute_type": compute_type,
                    "device": device,
                    "kind": kind,
                    **row,
                }
                rows.append(row)
                used += sorted(set(part["configuration"]))
                known = row[f"{what}_mb"] is not None and np.isfinite(row[f"{what}_low"])
                if kind == "threads" and known:
                    shares.append(row)
            activations.append(_activations(machine, model, compute_type, group))
    if not shares:
        return common.finding(
            machine,
            id,
            NUMBER,
            question,
            claim,
            common.NOT_MEASURED,
            f"There are no memory figures for different numbers of {what}s, or too few runs. To "
            f"measure it: {study}, in at least 2 rounds, on a system that reports USS.",
            evidence=rows,
            figure="memory",
            runs=used,
            change=f"Such rounds: {common.command(machine)}",
        )
    for row in shares:
        row["share_low"], row["share_high"] = _share_of_model(row, what)
    low = [r["share_low"] for r in shares]
    high = [r["share_high"] for r in shares]
    if any(v > LIMIT for v in low):
        verdict = common.REFUTED
    elif all(v < LIMIT for v in high):
        verdict = common.CONFIRMED
    else:
        verdict = common.INCONCLUSIVE
    for row in shares:
        row["outcome"] = (
            "a copy each"
            if row["share_low"] > LIMIT
            else "only once"
            if row["share_high"] < LIMIT
            else "open"
        )
    head = max(shares, key=lambda r: (r["base_mb"], r["model"], r["compute_type"]))
    start = {
        common.CONFIRMED: "Yes:",
        common.REFUTED: "No:",
        common.INCONCLUSIVE: "Not decided:",
    }[verdict]
    texts = []
    for r in shares:
        more = words.estimate(
            r[f"{what}_mb"], r[f"{what}_low"], r[f"{what}_high"], machine.confidence, "MB"
        )
        share = r[f"{what}_mb"] / r["base_mb"]
        texts.append(
            f"loading {r['model']} ({r['compute_type']}) takes {words.number(r['base_mb'])} MB"
            f"{' of GPU memory' if r['device'] == 'cuda' else ''}, "
            f"each further {what} adds {more}, {words.percent(share)} of the first"
        )
    wanted = max(r["runs"] for r in shares)
    plan = None
    if verdict == common.INCONCLUSIVE:
        rounds = int(machine.study.get("rounds") or 3) * 2
        plan = {"rounds": rounds, "command": common.command(machine, f"min_rounds={rounds}")}
    return common.finding(
        machine,
        id,
        NUMBER,
        question,
        claim,
        verdict,
        f"{start} {'; '.join(texts[:4])}.",
        in_short=(
            f"A further {what} adds {words.percent(head[f'{what}_mb'] / head['base_mb'])} of the "
            f"first one's {words.number(head['base_mb'])} MB."
        ),
        effect=common.effect(
            f"memory per further {what}, {head['model']} {head['compute_type']}",
            head[f"{what}_mb"],
            head[f"{what}_low"],
            head[f"{what}_high"],
            "MB",
            machine.confidence,
        ),
        evidence=rows,
        figure="memory",
        runs=used,
        change=(
            f"A model for which a further {what} is shown to cost more than {100 * LIMIT:g} % of "
            "the first."
            if verdict == common.CONFIRMED
            else f"Every model's further {what} shown to cost less than {100 * LIMIT:g} % of the "
            "first."
        ),
        more_rounds=plan,
        notes=[
            f"A further {what} counts as a copy from {100 * LIMIT:g} % of the first on "
            f"(fits over {wanted} runs and fewer).",
            *[a for a in activations if a],
        ],
    )


def _share_of_model(row: dict, what: str) -> tuple[float, float]:
    """The bounds of what a further worker (instance) costs, as a share of the first model."""
    low, high, base = row[f"{what}_low"], row[f"{what}_high"], row["base_mb"]
    if row["device"] != "cuda":
        return low / base, high / base
    model = base - CONTEXT_MB
    return low / base, high / model if model > 0 else np.inf


def _fit(machine: Machine, part) -> dict | None:
    """The law's row, or None where it cannot be fitted."""
    if part.empty:
        return None
    try:
        fit = statistics.fit_memory(
            part["model_mb"], part["total_workers"], part["instances"], machine.confidence
        )
    except ValueError:
        return None
    base = fit.coefficients["base"]
    worker = fit.coefficients.get("worker", (None, None, None))
    instance = fit.coefficients.get("instance", (None, None, None))
    return {
        "base_mb": base[0],
        "base_low": base[1],
        "base_high": base[2],
        "worker_mb": worker[0],
        "worker_low": worker[1],
        "worker_high": worker[2],
        "instance_mb": instance[0],
        "instance_low": instance[1],
        "instance_high": instance[2],
        "r2": fit.r2 if len(fit.coefficients) > 1 else None,  # a constant explains nothing
        "runs": fit.n,
        "outcome": "",
    }


def _activations(machine: Machine, model: str, compute_type: str, group) -> str:
    part = group[(group["strategy"] == "one_model") & (group["files_in_parallel"] > 0)]
    part = part[part["uss_mb"] > 0]
    if part.empty:
        return ""
    try:
        fit = statistics.fit_linear({"use": part["in_use"]}, part["uss_mb"], machine.confidence)
    except ValueError:
        return ""
    if "use" not in fit.coefficients:
        return ""
    value, low, high = fit.coefficients["use"]
    where = "on the GPU" if (part["device"] == "cuda").all() else "to the process"
    return (
        f"After use, each worker that worked has added "
        f"{words.estimate(value, low, high, machine.confidence, 'MB')} {where} "
        f"({model} {compute_type})."
    )
