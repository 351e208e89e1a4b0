"""6 Which memory limit must a container have?

Claim: the memory that the runs take at their peak stays below what they may have: the study's
`max_memory_mb`, else the container's own limit, else the machine's memory.

A container is killed at its peak, not at what stands after a pass, and the peak grows with the
workers in use. Per strategy, instances and workers in use: the highest resident set of each run
(over its passes; of several processes together), one value per run. The bound is the upper
tolerance limit for SHARE of such runs at the study's confidence, of a normal law (Hahn and Meeker,
Statistical Intervals, 1991): what to put into a container's limit, with BESIDE of it for what else
runs in there. A run that was killed for lack of memory has no peak that is known, and memory that
grows with every pass (`memory_growth`) has no bound: neither lets "below the limit" stand.
Verdict:
  confirmed     every bound is below the limit, no run was killed for memory, none goes on growing
  refuted       some run's peak was above it
  inconclusive  otherwise
  not measured  no peaks of 3 runs of a configuration, or no limit is known
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import settings_of
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.questions.memory_growth import (
    growing_configurations,
    killed_configurations,
)
from parallel_transcription.findings.remarks import MOST_NAMED, by_verdict, starts
from parallel_transcription.results.finding import Finding, Row, Verdict

SHARE = 0.99
LEAST_RUNS = 3


class MemoryLimit(Question):
    """The peak of memory by workers in use, against what the runs may have."""

    id, number, order = "memory_limit", 6, 3
    asks = "Which memory limit must a container have?"
    asks_in_short = "Does the peak of memory fit?"
    claim = "The memory that the runs take at their peak stays below what they may have."
    lacks = f"There are no {LEAST_RUNS} runs of a configuration that tell their peak of memory."
    to_measure = f"a study of {LEAST_RUNS} or more rounds, on a system that reports peaks."
    would_change = by_verdict(
        "A run whose peak is above the limit, or more workers in use.",
        "Fewer workers or models, or more memory.",
        "More rounds, or more memory.",
    )
    columns = (
        show.strategy(),
        show.integer("instances", "models"),
        show.in_use(),
        show.decimals("loaded_mb", "loaded (MB)", 0),
        show.decimals("peak_mb", "highest peak (MB)", 0),
        show.decimals("bound_mb", "bound (MB)", 0),
        show.integer("runs", "runs"),
    )
    sorted_by = ("model", "compute_type", "strategy", "instances", "workers_in_use")
    figure = None

    def judge(self, machine: Machine) -> Finding | None:
        """Peaks of each configuration's runs, and the bound that they give."""
        rows = _rows(machine)
        if not rows:
            return self.not_measured(machine)
        limit, whose = _limit(machine)
        if limit is None:
            return self.not_measured(
                machine, rows, why="Neither the study nor the machine tells a limit of memory."
            )
        killed, growing = killed_configurations(machine), growing_configurations(machine)
        verdict = _verdict(rows, limit, bounded=not killed and not growing)
        worst = max(rows, key=lambda r: (r["bound_mb"], r["configuration"]))
        of_one = [r for r in rows if r["strategy"] == "one_model"]
        named = max(of_one or rows, key=lambda r: (r["workers_in_use"], r["bound_mb"]))
        level = words.level(machine.confidence)
        text = (
            f"{starts()[verdict]} {_who(named)} needs up to "
            f"{words.number(named['bound_mb'])} MB ({100 * SHARE:g} % of runs stay below, at "
            f"{level} confidence; highest seen {words.number(named['peak_mb'])} MB), of "
            f"{words.number(limit)} MB {whose}."
        )
        if worst is not named:
            text += f" The most: {_who(worst)}, {words.number(worst['bound_mb'])} MB."
        name = f"memory at the peak, {_who(named)}"
        effect = effect_of(name, named["bound_mb"], (None, None), "MB", machine.confidence)
        return self.finding(
            machine,
            verdict,
            Answer(text, f"{_who(named)}: {words.number(named['bound_mb'])} MB.", effect),
            rows,
            [row["configuration"] for row in rows],
            notes=[
                *_notes_on_what_has_no_bound(machine, killed, growing),
                "What else runs in the container (a server, its requests) comes on top.",
                "Peaks of several processes are added up, with what they share counted in each.",
            ],
        )


def _notes_on_what_has_no_bound(
    machine: Machine, killed: dict[str, int], growing: list[str]
) -> list[str]:
    notes = [
        f"{name}: {words.plural(passes, 'pass', 'passes')} killed, as the system does for lack of "
        "memory; how much these would have taken is not known."
        for name, passes in sorted(killed.items())
    ]
    if growing:
        notes.append(
            f"{words.listing(growing[:MOST_NAMED])}: memory goes on growing with every pass, so "
            "the bound holds for as many passes as were measured."
        )
    return notes


def _rows(machine: Machine) -> list[Row]:
    """Per configuration with peaks enough: what was loaded, the highest peak, the bound."""
    runs = machine.runs
    runs = runs[runs["ordinary"] & (runs["status"] == "ok") & (runs["rss_peak_mb"] > 0)]
    rows = []
    for configuration, group in runs.groupby("configuration", sort=True):
        peaks = group.groupby("run")["rss_peak_mb"].max()
        if len(peaks) < LEAST_RUNS:
            continue
        first = group.iloc[0]
        rows.append(
            {
                **settings_of(first, "device", "strategy"),
                "instances": int(first["instances"]),
                "workers_in_use": int(first["in_use"]),
                "cpu_threads": int(first["cpu_threads"]),
                "loaded_mb": _median(group["model_mb"]),
                "peak_mb": float(peaks.max()),
                "bound_mb": statistics.tolerance_bound(peaks, SHARE, machine.confidence),
                "runs": len(peaks),
                "configuration": str(configuration),
            }
        )
    return rows


def _median(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.median()) if len(known) else None


def _limit(machine: Machine) -> tuple[float | None, str]:
    """What the runs may have in MB, and whose word that is."""
    told: list[tuple[Any, str]] = [
        (machine.limits.get("max_memory_mb"), "that the study allows"),
        (machine.facts.get("cgroup_memory_mb"), "that the container may have"),
        (machine.facts.get("memory_mb"), "that the machine has"),
    ]
    return next(((float(mb), whose) for mb, whose in told if mb), (None, ""))


def _verdict(rows: list[Row], limit: float, bounded: bool) -> Verdict:
    if any(row["peak_mb"] > limit for row in rows):
        return Verdict.REFUTED
    if bounded and all(row["bound_mb"] < limit for row in rows):
        return Verdict.CONFIRMED
    return Verdict.INCONCLUSIVE


def _who(row: Row) -> str:
    what = {
        "one_model": "one model",
        "multi_model": words.plural(row["instances"], "model"),
        "multi_process": words.plural(row["instances"], "process", "processes"),
    }[row["strategy"]]
    return f"{what} with {words.plural(row['workers_in_use'], 'worker')} in use"
