"""How throughput rises with workers: the universal scalability law, as columns of the evidence.

Fitted to the rounds of configurations that differ in workers alone, where three or more numbers of
workers in use have enough files each: else what the law is fitted to is the end of a pass, when
some workers have nothing left to do.

A law that fits does not show that throughput falls: beyond the CPUs it only stays. That it falls is
claimed where the coherency term is shown to be above 0 (`fits.fit_scaling`) and the most workers
are shown to be slower than fewer, round by round, corrected for these being the fastest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.finding import Row

FILES_OF_A_WORKER = 4  # so that a pass is more than its beginning and its end
#: The law's coefficients as the evidence names them.
COLUMNS = {"alpha": "contention", "beta": "coherency", "peak": "falls_beyond"}


def law_of(machine: Machine, arms: pd.DataFrame) -> dict[str, Row]:
    """The columns of each arm that the law is fitted to; none where it cannot be.

    `contention`, `coherency` and `falls_beyond` (workers; None where throughput is not shown to
    fall) with their ends, and `configuration_one_worker`, over which a speed-up is one by it.

    Args:
        machine: Where they were measured.
        arms: That differ in workers alone.
    """
    used = arms[arms["files_in_parallel"] >= FILES_OF_A_WORKER * arms["in_use"]]
    ones = used.loc[used["in_use"] == 1, "configuration"]
    parts = []
    for _, arm in used.iterrows():
        times = machine.times(arm["arm"])
        calm = times.loc[~times["censored"].astype(bool), "makespan_s"].astype(float)
        parts.append(pd.DataFrame({"throughput": 1 / calm, "workers": arm["in_use"]}))
    if not parts:
        return {}
    points = pd.concat(parts)
    try:
        fit = statistics.fit_scaling(
            points["workers"], points["throughput"], machine.confidence, points.index
        )
    except ValueError:
        return {}
    falls = _falls(points, machine.alpha)
    law: Row = {"configuration_one_worker": ones.iloc[0] if len(ones) else None}
    for key, name in COLUMNS.items():
        known = fit.coefficients.get(key) if falls or key != "peak" else None
        value, low, high = known or (None, None, None)
        law |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return {str(arm): law for arm in used["arm"]}


def _falls(points: pd.DataFrame, alpha: float) -> bool:
    """Whether the most workers are shown to be slower than the number that is the fastest.

    Args:
        points: Throughput by `workers`, by round.
        alpha: The level.
    """
    by_round = points.reset_index(names="round").pivot_table("throughput", "round", "workers")
    logs = np.log(by_round.dropna())
    if len(logs) < 2:  # few rounds, or heats of a search, have all numbers of workers
        return False
    best, most = logs.mean().idxmax(), logs.columns.max()
    if best == most:
        return False
    _, p_lower = statistics.one_sided(logs[most] - logs[best], 0.0)
    return bool(p_lower * (logs.shape[1] - 1) <= alpha)


def sentences(evidence: Sequence[Row], confidence: float) -> Iterable[str]:
    """A sentence for each law in the evidence."""
    laws = {
        (row["callers"], row["cpu_threads"], row["model"]): row
        for row in evidence
        if row.get("contention") is not None
    }
    for (callers, threads, model), row in laws.items():
        told = [_coefficient(row, name, confidence) for name in ("contention", "coherency")]
        beyond = (
            "no number of workers beyond which it falls can be claimed"
            if row["falls_beyond"] is None
            else f"it falls beyond {_number(row, 'falls_beyond', ' workers', confidence)}"
        )
        yield (
            f"Scaling law for {int(callers)} callers, {words.plural(int(threads), 'thread')}, "
            f"{model}: {', '.join(told)}; {beyond}."
        )


def _coefficient(row: Row, name: str, confidence: float) -> str:
    return f"{name} {_number(row, name, '', confidence)}"


def _number(row: Row, name: str, unit: str, confidence: float) -> str:
    ends = words.interval(row[f"{name}_low"], row[f"{name}_high"], confidence)
    return f"{words.number(row[name], 2)}{unit} ({ends})"
