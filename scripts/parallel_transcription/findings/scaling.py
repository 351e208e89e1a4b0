"""How throughput rises with workers: the universal scalability law, as columns of the evidence.

Fitted to the rounds of configurations that differ in workers alone, where three or more numbers of
workers in use have enough files each: else what the law is fitted to is the end of a pass, when
some workers have nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    law: Row = {"configuration_one_worker": ones.iloc[0] if len(ones) else None}
    for key, name in COLUMNS.items():
        value, low, high = fit.coefficients.get(key, (None, None, None))
        law |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return {str(arm): law for arm in used["arm"]}


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
