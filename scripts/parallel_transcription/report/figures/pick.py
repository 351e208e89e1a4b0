"""What a figure shows, picked from the tables: evidence of a finding, values per round, labels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from parallel_transcription.formatting import (
    TIMES,
    clean,
    is_missing,
    plural,
    setting,
    shorten_middle,
    strategy_name,
)
from parallel_transcription.results.counting import explored, times
from parallel_transcription.results.read import Results
from parallel_transcription.results.summaries import configurations, scenes
from parallel_transcription.statistics import band

#: At most so many panels side by side; more would be too small to read.
MOST_PANELS = 6
#: At most so many rows below each other.
MOST_ROWS = 40


@dataclass(frozen=True)
class Sources:
    """The results of one machine, and what several figures need of them, made once."""

    results: Results
    published: pd.DataFrame = field(default_factory=pd.DataFrame)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Repeats that transcribed something or ran into the limit, and that count."""
        runs = explored(self.results.runs)
        runs = times(runs[runs["files_in_parallel"] > 0])
        return runs.assign(
            name=[strategy_name(s) for s in runs["strategy"]],
            span=runs["value"].where(~runs["late"], math.inf),
        )

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per configuration, workload and round: medians; infinite beyond the limit."""
        keys = ["configuration", "workload", "round"]
        values = ["span", "cpu_s", "cores_used", "timeout_s", "audio_total_s"]
        known = self.runs[self.runs["span"].notna()]
        if known.empty:
            return pd.DataFrame(columns=[*keys, *values, "rtfx"])
        found = known.groupby(keys, sort=True)[values].median().reset_index()
        found["rtfx"] = found["audio_total_s"] / found["span"]
        return found

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
        for name in ("affinity_cpus", "logical_cpus"):
            known = self.results.runs[name].dropna()
            if len(known):
                return float(known.median())
        for machine in self.results.machines.values():
            if isinstance(machine, dict) and machine.get("logical_cpus"):
                return float(machine["logical_cpus"])
        return 1.0

    def evidence(self, finding: str, needed: Iterable[str] = ()) -> pd.DataFrame:
        """The evidence of a finding as a table; numbers in the ``needed`` columns, or empty."""
        found = self.results.finding(finding) or {}
        rows = [r for r in found.get("evidence") or [] if isinstance(r, dict)]
        table = pd.DataFrame(rows)
        for name in needed:
            if name not in table:
                return table.iloc[:0]
            table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
        return table

    def round_ratios(self, first: Any, second: Any, value: str = "span") -> list[float]:
        """Ratios per round of two configurations; infinite and unknown ones are left out."""
        keys = ["workload", "round"]
        a = self.rounds[self.rounds["configuration"] == first]
        b = self.rounds[self.rounds["configuration"] == second]
        both = a.merge(b, on=keys, suffixes=("_a", "_b"))
        ratios = both[f"{value}_a"].astype(float) / both[f"{value}_b"].astype(float)
        return [r for r in ratios if math.isfinite(r) and r > 0]


def main_group(rows: pd.DataFrame, names: Iterable[str] = ("model", "compute_type", "device")):
    """The rows of the model, compute type and device that most rows are of."""
    names = [n for n in names if n in rows]
    if rows.empty or not names:
        return rows
    sizes = rows.groupby(names, sort=True, dropna=False).size()
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


# ---------------------------------------------------------------- discrete axes


def levels(values: Iterable[Any]) -> list[str]:
    """Different numbers in order, as text: the levels of a discrete axis."""
    return [setting(v) for v in sorted({float(v) for v in values if not is_missing(v)})]


def as_levels(values: pd.Series, order: list[str] | None = None) -> pd.Categorical:
    """Numbers as an ordered category of their texts."""
    return pd.Categorical(
        [setting(v) for v in values], categories=order or levels(values), ordered=True
    )


def ordered(values: Iterable[str], order: list[str]) -> pd.Categorical:
    return pd.Categorical(list(values), categories=list(dict.fromkeys(order)), ordered=True)


def files_label(files: Any) -> str:
    return plural(int(files), "file")


def few(values: pd.Series, most: int) -> list[Any]:
    """The most frequent values, at most ``most``, in order."""
    counts = values.value_counts()
    return sorted(counts.sort_values(ascending=False, kind="stable").index[:most])


# ---------------------------------------------------------------- labels of settings


def setting_label(row: dict, workers: str = "workers") -> str:
    """``2 workers x 1 thread, 2 files``; threads 0 are those that the engine chooses."""
    threads = row.get("cpu_threads")
    text = plural(int(row[workers]), "worker")
    if not is_missing(threads):
        amount = "automatic threads" if threads == 0 else plural(int(threads), "thread")
        text += f" {TIMES} {amount}"
    if not is_missing(row.get("files")):
        text += f", {files_label(row['files'])}"
    return text


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows by model, files, workers, models and threads, as numbers."""
    keys = [
        "model",
        "compute_type",
        "files",
        "total_workers",
        "workers",
        "instances",
        "cpu_threads",
    ]
    keys = [k for k in keys if k in rows]
    return rows.sort_values(keys, kind="stable") if keys else rows


def with_labels(rows: pd.DataFrame, texts: list[str]) -> pd.DataFrame:
    """``rows`` with a column ``label``: the texts, made unique by what else differs."""
    texts = list(texts)
    for name in ("model", "compute_type", "device", "device_index"):
        if name in rows and rows[name].nunique() > 1:
            texts = [
                f"{t}, {shorten_middle(v, 24)}" for t, v in zip(texts, rows[name], strict=True)
            ]
    seen: dict[str, int] = {}
    unique = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        unique.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return rows.assign(label=[clean(t, 90) for t in unique])
