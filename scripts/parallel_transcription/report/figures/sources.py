"""What figures show, picked from the results: evidence of a finding, medians, values per round."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from parallel_transcription.results.counting import per_round, usable_cpus
from parallel_transcription.results.read import Results
from parallel_transcription.results.summaries import configurations, scenes
from parallel_transcription.statistics import band


@dataclass(frozen=True)
class Sources:
    """The results of one machine, and what several figures need of them, made once."""

    results: Results

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per configuration, workload and round, as `per_round` has them.

        `span` is the makespan, infinite beyond the limit; there, `rtfx` is unknown.
        """
        runs = self.results.runs
        found = per_round(runs[runs["files_in_parallel"] > 0]).reset_index()
        late = found["censored"].astype(bool)
        found = found.assign(
            span=found["makespan_s"].where(~late, math.inf), rtfx=found["rtfx"].where(~late)
        )
        arms = runs.drop_duplicates("arm")[["arm", "configuration", "workload"]]
        return found.merge(arms, on="arm")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per ordinary configuration, with medians over all its repeats."""
        return configurations(self.results.runs[self.results.runs["ordinary"]])

    @cached_property
    def margin(self) -> tuple[float, float]:
        """The band of ratios in which two settings count as equally fast."""
        return band(float(self.results.study["equivalence_margin"]))

    @cached_property
    def cpus(self) -> float:
        """CPUs that the measured processes could use."""
        facts = next(iter(self.results.machines.values()), {})
        return usable_cpus(self.results.runs, facts) or 1.0

    def evidence(self, finding: str, numbers: Iterable[str] = ()) -> pd.DataFrame:
        """The evidence of a finding as a table; `numbers` are columns of floats, NaN if missing.

        Where there is no evidence, the table has these columns and no row.
        """
        found = self.results.finding(finding)
        numbers = list(numbers)
        rows = found.evidence if found else []
        table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=numbers)
        return table.assign(**{n: pd.to_numeric(table[n]).astype(float) for n in numbers})

    def ratios(self, first: str, second: str, value: str = "span") -> pd.DataFrame:
        """Ratios of two configurations by `round`; unknown and infinite ones are left out."""
        a = self.rounds[self.rounds["configuration"] == first]
        b = self.rounds[self.rounds["configuration"] == second]
        both = a.merge(b, on=["workload", "round"], suffixes=("_a", "_b"))
        ratio = both[f"{value}_a"].astype(float) / both[f"{value}_b"].astype(float)
        both = both.assign(ratio=ratio)
        return both.loc[np.isfinite(ratio) & (ratio > 0), ["round", "ratio"]]


def main_group(
    rows: pd.DataFrame, names: Sequence[str] = ("model", "compute_type", "device")
) -> pd.DataFrame:
    """The rows of the model, compute type and device that most rows are of."""
    if rows.empty:
        return rows
    sizes = rows.groupby(list(names), sort=True, dropna=False).size()
    key = sizes.sort_values(ascending=False, kind="stable").index[0]
    key = key if isinstance(key, tuple) else (key,)
    for name, value in zip(names, key, strict=True):
        rows = rows[rows[name] == value]
    return rows


def main_model(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows (of the run table's form) of the model, compute type and device measured most."""
    found = scenes(rows)
    if not found:
        return rows.iloc[:0]
    model, compute_type, device, _ = found[0]
    rows = rows[
        (rows["model"] == model)
        & (rows["compute_type"] == compute_type)
        & (rows["device"] == device)
    ]
    # the same number of files may have been other files once: only one of these is shown
    counts = rows.groupby(["files_in_parallel", "workload"])["configuration"].nunique()
    kept = counts.sort_values(ascending=False, kind="stable").reset_index()
    kept = kept.drop_duplicates("files_in_parallel")[["files_in_parallel", "workload"]]
    return rows.merge(kept, on=["files_in_parallel", "workload"])
