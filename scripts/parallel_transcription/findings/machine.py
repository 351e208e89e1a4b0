"""The tables that findings are made from, and the numbers per round that comparisons need.

`load(folder)` reads runs.csv, timings.csv, machines.json and study.json; `Machine` is one
machine's part of them. Everything is derived from those tables; nothing here knows how they came
about.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from parallel_transcription import statistics
from parallel_transcription.errors import TableError
from parallel_transcription.results.columns import RUNS, TIMINGS, names
from parallel_transcription.study.dimensions import NAMES as DIMENSIONS

CONFIRMATION = 900  # rounds above this number are fresh rounds of the recommended settings

DEFAULTS = {
    "callers": None,
    "init_stagger_s": 0.0,
    "thread_env": "",
    "language": "auto",
    "beam_size": 5,
    "vad_filter": False,
    "word_timestamps": False,
    "condition_on_previous_text": True,
    "temperature_fallback": True,
    "batch_size": 0,
    "slowdown": 0.0,
    "replica": 1,
    "device_index": "0",
}
TEXT = names(RUNS, "text")
NUMBERS = names(RUNS, "number", "whole")
FLAGS = names(RUNS, "flag")
WHOLE = names(RUNS, "whole")
NEEDED = [
    "run",
    "machine",
    "strategy",
    "model",
    "compute_type",
    "device",
    "instances",
    "num_workers",
    "cpu_threads",
    "files_in_parallel",
    "round",
    "repeat",
    "makespan_s",
    "status",
]


@dataclass(frozen=True)
class Tables:
    runs: pd.DataFrame
    timings: pd.DataFrame
    machines: dict
    study: dict

    def labels(self) -> list[str]:
        return sorted(set(self.runs["machine"]))


def from_frames(runs, timings, machines: dict | None = None, study: dict | None = None) -> Tables:
    """Tables from DataFrames as read from the CSVs (or as made by a test)."""
    return Tables(_runs(runs), _timings(timings), machines or {}, study or {})


def load(folder: str | Path) -> Tables:
    """Reads the tables of a results folder. Raises TableError in plain words."""
    return load_files(folder)


def load_files(
    folder: str | Path,
    runs: Path | None = None,
    timings: Path | None = None,
    machines: Path | None = None,
    study: Path | None = None,
    runs_only: bool = False,
) -> Tables:
    """As `load`, with single files in place of the folder's.

    With `runs_only` everything but runs.csv may be missing where it was not asked for by name.
    """
    folder = Path(folder)

    def optional(path: Path | None, name: str, read, empty):
        if path is None and runs_only and not (folder / name).exists():
            return empty
        return read(path or folder / name)

    return from_frames(
        read_csv(runs or folder / "runs.csv"),
        optional(timings, "timings.csv", read_csv, pd.DataFrame()),
        optional(machines, "machines.json", read_json, {}),
        optional(study, "study.json", read_json, {}),
    )


def read_csv(path: Path) -> pd.DataFrame:
    texts = dict.fromkeys([*TEXT, *names(TIMINGS, "text")], str)
    try:
        return pd.read_csv(path, dtype=texts, keep_default_na=True, low_memory=False)
    except FileNotFoundError:
        raise TableError(f"{path} does not exist; scripts/merge_timings.py makes it") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise TableError(f"{path} is not a readable CSV table: {error}") from None


def read_json(path: Path) -> dict:
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TableError(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TableError(f"{path} is not readable JSON: {error}") from None
    if not isinstance(value, dict):
        raise TableError(f"{path} must hold a JSON object")
    return value


def _flag(values: pd.Series) -> pd.Series:
    truth = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    return values.map(lambda v: v if isinstance(v, bool) else truth.get(str(v).lower(), False))


def _runs(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [c for c in NEEDED if c not in frame.columns]
    if missing:
        raise TableError(f"the table of runs lacks the columns: {', '.join(missing)}")
    runs = frame.copy()
    for name in [*TEXT, *NUMBERS, *FLAGS]:
        if name not in runs.columns:
            runs[name] = DEFAULTS.get(name)
    for name in NUMBERS:
        runs[name] = pd.to_numeric(runs[name], errors="coerce").astype(float)
    for name, value in DEFAULTS.items():
        if value is not None and name not in FLAGS:
            runs[name] = runs[name].where(runs[name].notna(), value)
    runs["callers"] = runs["callers"].fillna(runs["files_in_parallel"])
    workers = runs["instances"] * runs["num_workers"]
    runs["total_workers"] = runs["total_workers"].fillna(workers)
    unreadable = runs[["instances", "num_workers", "cpu_threads", "files_in_parallel", "round"]]
    if unreadable.isna().any().any():
        row = int(np.flatnonzero(unreadable.isna().any(axis=1).to_numpy())[0])
        raise TableError(f"the table of runs has no number in a grid column (row {row + 2})")
    runs["repeat"] = runs["repeat"].fillna(1)
    for name in WHOLE:
        runs[name] = runs[name].round().astype(int)
    for name in TEXT:
        runs[name] = runs[name].astype(object).where(runs[name].notna(), "").astype(str)
    for name in FLAGS:
        runs[name] = _flag(runs[name]).astype(bool)
    nameless = runs["configuration"] == ""
    if nameless.any():
        names = runs.loc[nameless, "run"].str.replace(r"-r\d+$", "", regex=True)
        runs.loc[nameless, "configuration"] = names
    # one arm of a comparison: a configuration on a workload
    runs["arm"] = runs["configuration"] + "|" + runs["workload"]
    # cpu_threads 0 lets CTranslate2 choose: 4, or the CPUs where there are fewer
    chosen = np.minimum(4, runs["logical_cpus"].fillna(4))
    runs["threads"] = runs["cpu_threads"].where(runs["cpu_threads"] > 0, chosen).astype(int)
    runs["in_use"] = np.maximum(1, np.minimum(runs["total_workers"], runs["callers"]))
    order = ["machine", "configuration", "workload", "round", "repeat"]
    return runs.sort_values(order, kind="stable").reset_index(drop=True)


def _timings(frame: pd.DataFrame) -> pd.DataFrame:
    timings = frame.copy()
    wanted = [
        "run",
        "machine",
        "configuration",
        "file",
        "text_sha256",
        "audio_sha256",
        "status",
        "text",
        "round",
        "repeat",
        "counter",
        "callers",
        "cpu_threads",
        "started_s",
        "finished_s",
        "submitted_s",
        "seconds",
        "wer",
        "replica",
    ]
    for name in wanted:
        if name not in timings.columns:
            timings[name] = None
    texts = ("run", "machine", "configuration", "file", "text_sha256", "audio_sha256", "status")
    for name in texts:
        column = timings[name].astype(object)
        timings[name] = column.where(column.notna(), "").astype(str)
    for name in ("started_s", "finished_s", "submitted_s", "seconds", "wer", "callers", "round"):
        timings[name] = pd.to_numeric(timings[name], errors="coerce").astype(float)
    return timings


class Machine:
    """One machine's tables, in the form that findings need.

    `arms`: a row per arm (configuration on a workload), its dimensions and counts.
    `rounds`: a row per (arm, round), see `per_round`; confirmation rounds are in `confirmation`.
    `starts`: the cold starts (files_in_parallel 0). `cpus`: CPUs that the runs could use.
    """

    def __init__(self, tables: Tables, label: str):
        self.label = label
        runs = tables.runs[tables.runs["machine"] == label]
        self.facts = tables.machines.get(label, {}) or {}
        self.study = tables.study
        self.margin = float(self.study.get("equivalence_margin") or 0.05)
        self.confidence = float(self.study.get("confidence") or 0.95)
        self.limits = dict(self.study.get("limits") or {})
        self.starts = runs[runs["files_in_parallel"] == 0]
        self.all_runs = runs[runs["files_in_parallel"] > 0]
        self.runs = self.all_runs[self.all_runs["round"] <= CONFIRMATION]
        self.timings = tables.timings[tables.timings["machine"] == label]
        self._times: dict[bool, dict[str, pd.DataFrame]] = {}
        self._pairs: dict[tuple[str, str, bool], Pair] = {}

    @property
    def alpha(self) -> float:
        return 1 - self.confidence

    @cached_property
    def cpus(self) -> float | None:
        for source in ("affinity_cpus", "logical_cpus"):
            known = self.all_runs[source].dropna()
            if len(known):
                return float(known.median())
        value = self.facts.get("logical_cpus")
        return float(value) if value else None

    @cached_property
    def rounds(self) -> pd.DataFrame:
        return per_round(self.runs)

    @cached_property
    def confirmation(self) -> pd.DataFrame:
        return per_round(self.all_runs[self.all_runs["round"] > CONFIRMATION])

    @cached_property
    def arms(self) -> pd.DataFrame:
        """A row per arm: dimensions, workload, in_use, total_workers, counts of statuses."""
        columns = ["configuration", "workload", "total_workers", "in_use", "threads", "model_kind"]
        if self.runs.empty:
            counts = ["n_ok", "n_timeout", "n_failed", "n_killed", "error"]
            empty = self.runs[[*columns, *DIMENSIONS]].assign(**dict.fromkeys(counts))
            return empty.assign(arm=self.runs["arm"])
        arms = self.runs.groupby("arm", sort=True)[[*columns, *DIMENSIONS]].first()
        status = self.runs["status"]
        for name in ("ok", "timeout", "failed", "killed"):
            arms[f"n_{name}"] = (status == name).groupby(self.runs["arm"]).sum()
        wrong = self.runs[self.runs["error"] != ""].groupby("arm")["error"].first()
        arms["error"] = wrong.reindex(arms.index).fillna("")
        return arms.reset_index()

    def ordinary(self) -> pd.DataFrame:
        """Arms that answer questions 1 to 8: no A/A replicas, planted slow-downs or batches."""
        arms = self.unaltered()
        return arms[arms["batch_size"] == 0]

    def unaltered(self) -> pd.DataFrame:
        """Arms without A/A replicas and planted slow-downs."""
        arms = self.arms
        return arms[(arms["replica"] == 1) & (arms["slowdown"] == 0)]

    def times(self, arm: str, confirmation: bool = False) -> pd.DataFrame:
        """The rows of `rounds` of an arm, by round."""
        table = self.confirmation if confirmation else self.rounds
        known = self._times.setdefault(confirmation, {})
        if not known and not table.empty:
            for name, group in table.groupby(level="arm"):
                known[name] = group.droplevel("arm")
        if arm not in known:
            return pd.DataFrame(columns=table.columns, index=pd.Index([], name="round"))
        return known[arm]

    def compare(self, arm_a: str, arm_b: str, confirmation: bool = False) -> Pair:
        """Makespans of two arms, paired by round."""
        key = (arm_a, arm_b, confirmation)
        if key not in self._pairs:
            self._pairs[key] = self._compare(*key)
        return self._pairs[key]

    def _compare(self, arm_a: str, arm_b: str, confirmation: bool) -> Pair:
        a, b = self.times(arm_a, confirmation), self.times(arm_b, confirmation)
        both = a.index.intersection(b.index).sort_values()
        a, b = a.loc[both], b.loc[both]
        usable = a["makespan_s"].notna() & b["makespan_s"].notna()
        a, b = a[usable.to_numpy()], b[usable.to_numpy()]
        result = statistics.compare(
            a["makespan_s"].to_numpy(float),
            b["makespan_s"].to_numpy(float),
            self.margin,
            self.confidence,
            a["censored"].to_numpy(bool),
            b["censored"].to_numpy(bool),
        )
        disturbed = (a["disturbed"].to_numpy(bool) | b["disturbed"].to_numpy(bool)).sum()
        return Pair(arm_a, arm_b, result, int(disturbed), a, b)

    def compare_cpu(self, pair: Pair) -> statistics.Comparison:
        """CPU seconds of the rounds of a pair, in the same way (censored rounds left out)."""
        known = (
            pair.a["cpu_s"].gt(0).to_numpy(bool)
            & pair.b["cpu_s"].gt(0).to_numpy(bool)
            & ~pair.a["censored"].to_numpy(bool)
            & ~pair.b["censored"].to_numpy(bool)
        )
        return statistics.compare(
            pair.a["cpu_s"].to_numpy(float)[known],
            pair.b["cpu_s"].to_numpy(float)[known],
            self.margin,
            self.confidence,
        )


@dataclass(frozen=True)
class Pair:
    """Two arms and their comparison; `a`, `b` are the matched rows of `Machine.rounds`."""

    arm_a: str
    arm_b: str
    result: statistics.Comparison
    disturbed: int
    a: pd.DataFrame
    b: pd.DataFrame

    @property
    def configurations(self) -> tuple[str, str]:
        return self.arm_a.split("|")[0], self.arm_b.split("|")[0]


METERS = [
    "rtfx",
    "cpu_s",
    "cores_used",
    "load_s",
    "rss_peak_mb",
    "pss_mb",
    "uss_mb",
    "model_mb",
    "cpu_outside_engine_s",
    "context_switches_voluntary",
    "context_switches_involuntary",
    "gpu_util",
    "gpu_mem_mb",
    "energy_j",
    "power_w",
    "gpu_balance",
    "gpu_throttled",
    "cores_per_gpu",
]


def per_round(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per (arm, round): the unit of all statistics.

    makespan_s is the median over the repeats that count; a repeat that ran into the time limit
    counts as the largest ("> 60 s"), and if the median falls on such a one, `censored` is true and
    makespan_s is the limit. Disturbed repeats (foreign load) do not count where the round has
    undisturbed ones; where it has none, all count and `disturbed` is true. Failed and killed
    repeats have no time; a round with nothing else is not in the table. Meters are medians over
    the counted repeats. `left_out`: disturbed repeats that do not count.
    """
    columns = ["makespan_s", "censored", "disturbed", "left_out", "repeats", *METERS]
    usable = runs[
        ((runs["status"] == "ok") & (runs["makespan_s"] > 0))
        | ((runs["status"] == "timeout") & (runs["timeout_s"] > 0))
    ]
    keys = ["arm", "round"]
    if usable.empty:
        index = pd.MultiIndex.from_arrays([[], []], names=keys)
        return pd.DataFrame(columns=columns, index=index)
    late = usable["status"] == "timeout"
    usable = usable.assign(
        late=late, value=usable["makespan_s"].where(~late, usable["timeout_s"]).astype(float)
    )
    calm = (~usable["disturbed"]).groupby([usable["arm"], usable["round"]]).transform("any")
    counted = usable[~usable["disturbed"] | ~calm]
    meters = counted.groupby(keys, sort=True)[METERS].median()
    rows, index = [], []
    for key, group in counted.groupby(keys, sort=True)[["value", "late", "disturbed"]]:
        value, late = group["value"].to_numpy(), group["late"].to_numpy()
        order = np.lexsort((value, late))  # late ones are the largest
        middle = sorted({order[(len(order) - 1) // 2], order[len(order) // 2]})
        rows.append(
            {
                "makespan_s": float(value[middle].mean()),
                "censored": bool(late[middle].any()),
                "disturbed": bool(group["disturbed"].any()),
                "repeats": len(value),
            }
        )
        index.append(key)
    table = pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index, names=keys))
    table["left_out"] = usable.groupby(keys, sort=True).size() - table["repeats"]
    return table.join(meters)[columns]
