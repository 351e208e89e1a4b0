"""What a recommendation may choose from: configurations with their figures of merit and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.finding import Row

#: Endings that keep a configuration from being recommended or called best.
TROUBLE = ("failed", "killed", "stuck", "timeout")
MERITS = ("rtfx", "rtfx_low", "rtfx_high", "mean_makespan_s", "makespan_s", "cores_used",
          "memory_mb", "gpu_memory_mb", "rss_peak_mb", "load_s")  # fmt: skip


def candidates(machine: Machine) -> list[Row]:
    """One row per arm with a time: figures of merit, `trouble` (why it is no candidate)."""
    arms = machine.unaltered()
    slowest, highest = _slowest_files(machine), _highest(machine)
    rows = []
    for arm in arms.to_dict("records"):
        times = machine.times(arm["arm"])
        calm = times[~times["censored"].astype(bool)]
        trouble = [
            f"{name} in {words.plural(int(arm[f'n_{name}']), 'repeat')}"
            for name in TROUBLE
            if arm[f"n_{name}"]
        ]
        ended = machine.matches.ended(arm["arm"], on_its_own=True)
        if not ended.empty:
            matches = words.plural(ended["round"].nunique(), "match", "matches")
            trouble.append(f"{words.listing(sorted(set(ended['status'])))} in {matches}")
        if calm.empty:
            trouble = trouble or ["no time"]
        rows.append(
            {
                **arm,
                "task": machine.tasks.get(arm["workload"], arm["workload"]),
                **_merits(calm, machine.confidence),
                "rounds": len(calm),
                **{name: peaks.get(arm["arm"], float("nan")) for name, peaks in highest.items()},
                "slowest_file_s": slowest.get(arm["arm"], float("nan")),
                "all_threads": int(arm["total_workers"] * arm["threads"]),
                "trouble": "; ".join(trouble),
            }
        )
    return rows


def _merits(calm: pd.DataFrame, confidence: float) -> Row:
    """Figures of merit over the rounds of an arm; nan where there are none."""
    if calm.empty:
        return dict.fromkeys(MERITS, float("nan"))
    rtfx, low, high = statistics.geometric_interval(calm["rtfx"], confidence)
    medians = calm[["makespan_s", "cores_used", "gpu_mem_mb", "load_s"]].astype(float).median()
    memory = [float(calm[c].median()) for c in ("pss_mb", "uss_mb", "rss_peak_mb")]
    return {
        "rtfx": rtfx,
        "rtfx_low": low,
        "rtfx_high": high,
        "mean_makespan_s": statistics.geometric_interval(calm["makespan_s"])[0],
        "makespan_s": float(medians["makespan_s"]),
        "cores_used": float(medians["cores_used"]),
        "memory_mb": next((m for m in memory if m > 0), float("nan")),
        "gpu_memory_mb": float(medians["gpu_mem_mb"]),
        "rss_peak_mb": memory[2],
        "load_s": float(medians["load_s"]),
    }


def _slowest_files(machine: Machine) -> dict[str, float]:
    """The longest time of a file per arm, from its hand-out to its text (s)."""
    runs = machine.runs[machine.runs["counts"] & (machine.runs["status"] == "ok")]
    timings = machine.timings.merge(runs[["run", "repeat", "arm"]], on=["run", "repeat"])
    longest = timings.groupby("arm", sort=True)["seconds"].max().dropna()
    return {str(arm): float(seconds) for arm, seconds in longest.items()}


def _highest(machine: Machine) -> dict[str, dict[str, float]]:
    """The most memory that any repeat that counts took, by arm (MB): what a limit is held against.

    `peak_mb`: resident on the host, at the peak; where no peak is told, what it has after use.
    `gpu_peak_mb`: on all GPUs.
    """
    runs = machine.runs[machine.runs["counts"] & (machine.runs["status"] == "ok")]
    most = runs.groupby("arm", sort=True)[["rss_peak_mb", "pss_mb", "uss_mb", "gpu_mem_mb"]].max()
    peak = most["rss_peak_mb"].where(most["rss_peak_mb"] > 0)
    for name in ("pss_mb", "uss_mb"):
        peak = peak.fillna(most[name].where(most[name] > 0))
    return {"peak_mb": dict(peak), "gpu_peak_mb": dict(most["gpu_mem_mb"])}


def broken_limits(row: Row, limits: Mapping[str, Any]) -> list[str]:
    """Which of the study's limits a candidate breaks, in words. An unknown figure breaks it."""
    # what kills a container is its highest peak
    checks = [
        ("max_memory_mb", row["peak_mb"], "MB of memory at the peak"),
        ("max_cores", row["cores_used"], "cores used"),
        ("max_file_s", row["slowest_file_s"], "s for a file"),
    ]
    if row["device"] == "cuda":
        checks.append(("max_gpu_memory_mb", row["gpu_peak_mb"], "MB of memory on GPUs"))
    broken = []
    for name, value, unit in checks:
        limit = limits.get(name)
        if limit is not None and not value <= float(limit):
            broken.append(f"{words.number(value)} {unit}, limit {words.number(float(limit))}")
    return broken


def memory_field(rows: list[Row]) -> str:
    """The memory that is scarce: that of the GPUs where it is known of all, else the host's."""
    on_gpus = rows and all(row["gpu_memory_mb"] > 0 for row in rows)
    return "gpu_memory_mb" if on_gpus else "memory_mb"


def pareto(table: pd.DataFrame, memory: str = "memory_mb") -> Any:
    """True where no other row is at least as good in all of rtfx, cores, memory, better in one."""
    merit = np.column_stack(
        [-table["rtfx"].to_numpy(float), table["cores_used"].to_numpy(float),
         table[memory].to_numpy(float)]
    )  # fmt: skip
    merit = np.where(np.isnan(merit), np.inf, merit)
    front = np.ones(len(merit), bool)
    for k in range(len(merit)):
        no_worse = (merit <= merit[k]).all(axis=1)
        better = (merit < merit[k]).any(axis=1)
        front[k] = not (no_worse & better).any()
    return front
