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
What loading adds is not all: an engine may copy or repack the weights at a worker's first call. So
beside it stands what each further worker in use has added after the passes (least squares of USS
over the workers in use). Buffers of calls are part of that: on Whisper's shapes they were 60 to
200 MB for a worker, less than the model. `memory_workers` is not confirmed where each worker in
use adds more than a whole model, and more than BUFFERS_MB, which a small model's buffers reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.findings.rounds import min_rounds
from parallel_transcription.results.finding import Finding, Row, Verdict

LIMIT = 0.25
COPY, ONCE, OPEN = "a copy each", "only once", "open"
#: Largest part of a process's memory on a GPU that is no model: its context, kernels and cuBLAS's
#: workspace; a few hundred MB, by GPU and driver.
CONTEXT_MB = 800.0
#: What a worker's buffers may take beside any model (64 MB on the smallest, measured).
BUFFERS_MB = 100.0
KINDS = {
    "threads": ("one_model", "multi_model"),
    "processes": ("multi_process",),
}


class Memory(Question):
    """What a further worker or instance costs, against what the first one does."""

    number = 6
    what: ClassVar[str]  # "worker" or "instance": columns and words
    figure = "memory"
    columns = (
        show.code("kind", "models in", {"threads": "one process", "processes": "a process each"}),
        show.interval("base_mb", "first model (MB)", "base_low", "base_high"),
        show.interval("worker_mb", "further worker (MB)", "worker_low", "worker_high"),
        show.interval("instance_mb", "further model (MB)", "instance_low", "instance_high"),
        show.decimals("r2", "R²", 4),
        show.integer("runs", "runs"),
        show.text("outcome", "outcome"),
    )

    def judge(self, machine: Machine) -> Finding | None:
        """Fits the law for each model, and looks at the bounds of its coefficients."""
        rows: list[Row] = []
        used: list[str] = []
        for model, compute_type, device, group in _models(machine):
            for kind, strategies in KINDS.items():
                part = group[group["strategy"].isin(strategies)]
                fit = _fit(machine, part)
                if fit is not None:
                    fit |= _in_use(machine, part)
                    who = {"model": model, "compute_type": compute_type, "device": device}
                    rows.append({**who, "kind": kind, **fit})
                    used += part["configuration"].to_list()
        shares = [row for row in rows if row["kind"] == "threads" and self._is_known(row)]
        if not shares:
            return self.not_measured(machine, rows, used)
        for row in shares:
            row["share_low"], row["share_high"] = self._share_of_model(row)
            row["outcome"] = self.outcome(row)
        verdict = _verdict(shares)
        more = None
        if verdict == Verdict.INCONCLUSIVE:
            more = min_rounds(machine, int(machine.study.get("rounds") or 3) * 2)
        notes = [
            f"A further {self.what} counts as a copy from {100 * LIMIT:g} % of the first on "
            f"(fits over {max(r['runs'] for r in shares)} runs and fewer).",
            *(_while_used(machine, row) for row in shares),
        ]
        answer = self._answer(machine, verdict, shares)
        return self.finding(machine, verdict, answer, rows, used, more, notes)

    def _is_known(self, row: Row) -> bool:
        return row[f"{self.what}_mb"] is not None and bool(np.isfinite(row[f"{self.what}_low"]))

    def _share_of_model(self, row: Row) -> tuple[float, float]:
        """The bounds of what a further worker (instance) costs, as a share of the first model."""
        low, high, base = row[f"{self.what}_low"], row[f"{self.what}_high"], row["base_mb"]
        if row["device"] != "cuda":
            return low / base, high / base
        model = base - CONTEXT_MB
        return low / base, high / model if model > 0 else np.inf

    def outcome(self, row: Row) -> str:
        """Whether a further worker (instance) is a copy of the model."""
        if row["share_low"] > LIMIT:
            return COPY
        return ONCE if row["share_high"] < LIMIT else OPEN

    def _answer(self, machine: Machine, verdict: Verdict, shares: list[Row]) -> Answer:
        what, level = self.what, machine.confidence
        value, low, high = f"{what}_mb", f"{what}_low", f"{what}_high"
        texts = [
            f"loading {r['model']} ({r['compute_type']}) takes {words.number(r['base_mb'])} MB"
            f"{' of GPU memory' if r['device'] == 'cuda' else ''}, "
            f"each further {what} adds {words.estimate(r[value], r[low], r[high], level, 'MB')}, "
            f"{words.percent(r[value] / r['base_mb'])} of the first"
            for r in shares
        ]
        head = max(shares, key=lambda r: (r["base_mb"], r["model"], r["compute_type"]))
        return Answer(
            f"{starts()[verdict]} {'; '.join(texts[:4])}.",
            f"A further {what} adds {words.percent(head[value] / head['base_mb'])} of the first "
            f"one's {words.number(head['base_mb'])} MB.",
            effect_of(
                f"memory per further {what}, {head['model']} {head['compute_type']}",
                head[value],
                (head[low], head[high]),
                "MB",
                level,
            ),
        )


def _changes(what: str) -> dict[Verdict, str]:
    cheap = f"Every model's further {what} shown to cost less than {100 * LIMIT:g} % of the first."
    return by_verdict(
        f"A model for which a further {what} is shown to cost more than {100 * LIMIT:g} % of the "
        "first.",
        cheap,
        cheap,
    )


def _to_measure(study: str) -> str:
    return f"{study}, in at least 2 rounds, on a system that reports USS."


def _lacks(what: str) -> str:
    return f"There are no memory figures for different numbers of {what}s, or too few runs."


class MemoryWorkers(Memory):
    """The model once for all workers?"""

    id, order, what = "memory_workers", 1, "worker"
    asks = "Is the model in memory only once, however many workers?"
    asks_in_short = "One copy in memory for all workers?"
    claim = "The model is in memory only once, however many workers."
    lacks = _lacks(what)
    to_measure = _to_measure("num_workers 1, 2 and 4 in one_model")
    would_change = _changes(what)

    def outcome(self, row: Row) -> str:
        """A copy at the first call would be one as well."""
        known = super().outcome(row)
        return OPEN if known == ONCE and _as_much_as_a_model(row) else known


class MemoryInstances(Memory):
    """The model once for all instances?"""

    id, order, what = "memory_instances", 2, "instance"
    asks = "Is the model in memory only once, however many instances?"
    asks_in_short = "One copy in memory for all models?"
    claim = "The model is in memory only once, however many instances."
    lacks = _lacks(what)
    to_measure = _to_measure("one_model, and multi_model with 2 and 4 instances")
    would_change = _changes(what)


def _verdict(shares: list[Row]) -> Verdict:
    if any(r["outcome"] == COPY for r in shares):
        return Verdict.REFUTED
    if all(r["outcome"] == ONCE for r in shares):
        return Verdict.CONFIRMED
    return Verdict.INCONCLUSIVE


def _models(machine: Machine) -> Iterator[tuple[str, str, str, Any]]:
    """(model, compute type, device, runs)."""
    table = runs_table(machine)
    if len(table):
        for key, group in table.groupby(["model", "compute_type", "device"], sort=True):
            yield (*key, group)


def runs_table(machine: Machine) -> pd.DataFrame:
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


def _fit(machine: Machine, part: Any) -> Row | None:
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


def _in_use(machine: Machine, part: Any) -> Row:
    """What each further worker in use has added after the passes (MB); None where not known."""
    unknown = dict.fromkeys(("use_mb", "use_low", "use_high"))
    part = part[(part["strategy"] == "one_model") & (part["files_in_parallel"] > 0)]
    part = part[part["uss_mb"] > 0]
    if part.empty:
        return unknown
    try:
        fit = statistics.fit_linear({"use": part["in_use"]}, part["uss_mb"], machine.confidence)
    except ValueError:
        return unknown
    return dict(zip(unknown, fit.coefficients.get("use", (None, None, None)), strict=True))


def _while_used(machine: Machine, row: Row) -> str:
    """What a worker adds while it works, in a sentence; empty where it is not known."""
    if row["use_mb"] is None:
        return ""
    where = "on the GPU" if row["device"] == "cuda" else "to the process"
    added = words.estimate(row["use_mb"], row["use_low"], row["use_high"], machine.confidence, "MB")
    text = (
        f"After use, each worker that worked has added {added} {where} "
        f"({row['model']} {row['compute_type']})"
    )
    if _as_much_as_a_model(row):
        return f"{text}: more than the model itself, so that a copy at its first call is possible."
    return f"{text}."


def _as_much_as_a_model(row: Row) -> bool:
    """Whether a worker in use is shown to add more than a whole model, and than buffers take."""
    low = row["use_low"]
    return low is not None and low > max(row["base_mb"], BUFFERS_MB)
