"""Results as the report shows them: read the files, pick, pivot, take best and median.

No statistics: everything a figure or a page shows comes through here from the files in
``results/``; verdicts and intervals are taken from ``findings.json`` as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from parallel_transcription import words
from parallel_transcription.errors import TableError
from parallel_transcription.results import columns
from parallel_transcription.results.columns import Column
from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.untrusted import clean
from parallel_transcription.words import as_written, plural, strategy_name, strategy_place

#: Rounds above this measure the recommended settings again; they were not used to choose.
CONFIRMATION_ROUNDS_ABOVE = 900

STATUSES = ("ok", "timeout", "failed", "killed")

#: What a table of one strategy varies; all other dimensions make another table or a variant.
TABLE_DIMENSIONS = ("instances", "num_workers", "cpu_threads")


@dataclass(frozen=True)
class Results:
    """All that a results folder holds, read once."""

    runs: pd.DataFrame
    timings: pd.DataFrame
    machines: dict[str, dict] = field(default_factory=dict)
    study: dict[str, Any] = field(default_factory=dict)
    findings: list[dict] = field(default_factory=list)
    scoreboard: list[dict] = field(default_factory=list)
    recommended: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """Labels of the machines, in alphabetical order."""
        seen = {str(label) for label in self.runs["machine"].unique()} | set(self.machines)
        return sorted(seen)

    def of(self, machine: str) -> Results:
        """The same, for one machine."""
        return Results(
            runs=self.runs[self.runs["machine"] == machine].reset_index(drop=True),
            timings=self.timings[self.timings["machine"] == machine].reset_index(drop=True),
            machines={k: v for k, v in self.machines.items() if k == machine},
            study=self.study,
            findings=[f for f in self.findings if f.get("machine") == machine],
            scoreboard=[s for s in self.scoreboard if s.get("machine") in (machine, None, "")],
            recommended=_of_machine(self.recommended, machine),
            left_out=[f for f in self.left_out if Path(f).parent.parent.name == machine],
        )

    def finding(self, name: str) -> dict | None:
        """The finding ``name`` of the (first) machine."""
        return next((f for f in self.findings if f.get("id") == name), None)


def _of_machine(recommended: Any, machine: str) -> dict:
    if not isinstance(recommended, dict):
        return {}
    inner = recommended.get("machines", recommended)
    mine = inner.get(machine) if isinstance(inner, dict) else None
    return {machine: mine} if mine else {}


# ---------------------------------------------------------------- reading


def read_results(folder: Path | str) -> Results:
    """Read a results folder. What is missing is empty, so that a report can say so.

    Raises:
        TableError: for a file that is there and cannot be read.
    """
    folder = Path(folder)
    findings = _read_json(folder / "findings.json", [])
    return Results(
        runs=_read_table(folder / "runs.csv", columns.RUNS),
        timings=_read_table(folder / "timings.csv", columns.TIMINGS),
        machines=_read_json(folder / "machines.json", {}),
        study=_read_json(folder / "study.json", {}),
        findings=[f for f in findings if isinstance(f, dict)],
        scoreboard=_read_json(folder / "scoreboard.json", []),
        recommended=_read_yaml(folder / "recommended.yaml"),
        left_out=_read_left_out(folder / "left_out.csv"),
    )


def _read_left_out(path: Path) -> list[str]:
    """The files that are no valid run records."""
    return pd.read_csv(path, dtype=str)["file"].to_list() if path.is_file() else []


def _read_json(path: Path, otherwise: Any) -> Any:
    if not path.is_file():
        return otherwise
    try:
        value = json.loads(path.read_text(encoding="utf-8") or "null")
    except (ValueError, RecursionError) as error:
        raise _unusable(path, "JSON", error) from None
    return value if isinstance(value, type(otherwise)) else otherwise


def _read_yaml(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise _unusable(path, "YAML", error) from None
    return value if isinstance(value, dict) else {}


def _unusable(path: Path, kind: str, error: Exception) -> TableError:
    reason = " ".join(str(error).split())[:200]
    return TableError(f"{path} is not {kind} ({reason}); remove it and make it again")


def _read_table(path: Path, agreed: Iterable[Column]) -> pd.DataFrame:
    """A CSV file, every agreed column in its type; labels such as ``007`` or ``nan`` stay text."""
    if path.is_file() and path.stat().st_size:
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        except ValueError as error:  # pandas' errors are all of this kind
            raise _unusable(path, "a CSV table", error) from None
    else:
        table = pd.DataFrame()
    typed: dict[str, Any] = {}
    index = table.index
    for column in agreed:
        name = column.name
        cells = table[name] if name in table else pd.Series("", index=index, dtype=object)
        if column.kind == "flag":
            typed[name] = cells.astype(str).str.lower().isin(["true", "1", "yes"])
        elif column.kind == "text":
            typed[name] = cells.astype(object)
        else:
            typed[name] = pd.to_numeric(cells, errors="coerce").astype(float)
    return pd.DataFrame(typed, index=index)


# ---------------------------------------------------------------- medians that know of censoring


def median(values: Iterable[float]) -> float:
    """The median, where a censored value is infinite. NaN where there is no value."""
    known = sorted(v for v in values if not math.isnan(v))
    if not known:
        return math.nan
    middle = len(known) // 2
    if len(known) % 2:
        return float(known[middle])
    low, high = known[middle - 1], known[middle]
    return math.inf if math.isinf(high) else float((low + high) / 2)


def counted(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows that count for tables and figures: no confirmation rounds."""
    return runs[~(runs["round"] > CONFIRMATION_ROUNDS_ABOVE)]


def undisturbed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that count where something else disturbed the machine.

    Disturbed repeats do not count where their round has undisturbed ones; where it has none, all
    of the round count. The statistics do the same.
    """
    if not rows["disturbed"].any():
        return rows
    keys = ["machine", "configuration", "workload", "round"]
    all_disturbed = rows.groupby(keys, dropna=False)["disturbed"].transform("all")
    return rows[~rows["disturbed"] | all_disturbed]


def makespans(rows: pd.DataFrame) -> list[float]:
    """Makespans of the rows; a timeout is infinite, a failure is left out."""
    values = rows["makespan_s"].astype(float).to_list()
    statuses = rows["status"].to_list()
    return [
        math.inf if status == "timeout" else value
        for value, status in zip(values, statuses, strict=True)
        if status == "timeout" or (status == "ok" and not math.isnan(value))
    ]


# ---------------------------------------------------------------- one row per configuration


def status_text(rows: pd.DataFrame) -> str:
    """The statuses of one configuration in words: ``ok``, ``> 60 s``, ``failed: …``."""
    statuses = rows["status"].to_list()
    total = len(statuses)
    parts = []
    for status in STATUSES[1:]:
        count = statuses.count(status)
        if not count:
            continue
        if status == "timeout":
            bound = rows.loc[rows["status"] == "timeout", "timeout_s"].max()
            text = f"> {as_written(bound)} s" if not math.isnan(bound) else "timeout"
        else:
            errors = [e for e in rows.loc[rows["status"] == status, "error"] if e]
            text = f"{status}: {clean(errors[0], 80)}" if errors else status
        parts.append(text if count == total else f"{count} of {total} {text}")
    return "; ".join(parts) or "ok"


_DEFAULTS = {d.name: d.default for d in DIMENSIONS}


def configurations(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per machine and configuration: best, median and status of its repeats.

    ``makespan_s`` is the median (infinite where the median run passed the time limit), ``best_s``
    the shortest, ``rounds`` and ``repeats`` count what was measured, ``censored`` the timeouts.
    Repeats that something else disturbed are counted and left out of best and median.
    """
    runs = counted(runs)
    rows = []
    for (machine, configuration, _), group in runs.groupby(
        ["machine", "configuration", "workload"], sort=True, dropna=False
    ):
        first = group.iloc[0]
        calm = undisturbed(group)
        good = calm[calm["status"] == "ok"]
        spans = makespans(calm)
        row = {name: first[name] for name in _KEPT}
        row.update(
            machine=machine,
            configuration=configuration,
            rounds=int(group["round"].nunique()),
            repeats=len(group),
            ok=len(good),
            censored=int((group["status"] == "timeout").sum()),
            disturbed=int(group["disturbed"].sum()),
            packed=bool(group["packed"].any()),
            makespan_s=median(spans),
            best_s=min(spans, default=math.nan),
            bound_s=float(group["timeout_s"].max()),
            status=status_text(group),
            variant=words.variant(first, _DEFAULTS),
        )
        for name in _MEDIANS:
            row[name] = median(good[name].to_list())
        row["rtfx"] = _rtfx(row)
        rows.append(row)
    columns = [*_KEPT, *_ADDED, *_MEDIANS, "rtfx"]
    return pd.DataFrame(rows, columns=list(dict.fromkeys(columns)))


def _rtfx(row: dict) -> float:
    """Throughput of the median run; NaN where that run failed or passed the limit."""
    if not math.isfinite(row["makespan_s"]) or row["makespan_s"] <= 0:
        return math.nan
    return row["audio_total_s"] / row["makespan_s"]


_KEPT = [
    *(d.name for d in DIMENSIONS),
    "machine",
    "configuration",
    "total_workers",
    "audio_total_s",
    "workload",
    "model_kind",
    "logical_cpus",
    "affinity_cpus",
]
_ADDED = [
    "rounds",
    "repeats",
    "ok",
    "censored",
    "disturbed",
    "packed",
    "makespan_s",
    "best_s",
    "bound_s",
    "status",
    "variant",
]
_MEDIANS = [
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
    "gpu_balance",
    "cores_per_gpu",
]


# ---------------------------------------------------------------- the tables of the published study


@dataclass(frozen=True)
class FilesTable:
    """One table in the form of the published study: a strategy and a number of files."""

    strategy: str
    model: str
    model_kind: str
    compute_type: str
    device: str
    files: int
    audio_s: float
    workload: str
    file_names: list[str]
    rows: list[dict]

    @property
    def title(self) -> str:
        return f"{strategy_name(self.strategy)}, {plural(self.files, 'file')}"


def files_tables(results: Results) -> list[FilesTable]:
    """The tables of one machine; each row one configuration, with times of each file."""
    summary = configurations(results.runs)
    summary = summary[summary["files_in_parallel"] > 0]
    timings = counted(results.timings)
    timings = timings[timings["status"].isin(["ok", ""])]
    # times of the repeats that count, with the workload of their run
    calm = undisturbed(counted(results.runs))
    keys = calm[["run", "repeat", "workload"]].drop_duplicates(["run", "repeat"])
    timings = timings.merge(keys, on=["run", "repeat"])
    per_file = dict(list(timings.groupby(["configuration", "workload", "counter"], sort=True)))
    keys = ["model", "compute_type", "device", "files_in_parallel", "strategy", "workload"]
    tables = []
    groups = list(summary.groupby(keys, sort=True, dropna=False))
    groups.sort(key=lambda item: (*item[0][:4], strategy_place(item[0][4]), item[0][5]))
    for key, group in groups:
        model, compute_type, device, files, strategy, workload = key
        group = group.sort_values(
            ["replica", "slowdown", "callers", *TABLE_DIMENSIONS, "variant", "configuration"],
            ascending=[True, True, False, True, True, True, True, True],
        )
        names: list[str] = []
        rows = []
        for row in group.to_dict("records"):
            times = []
            for counter in range(1, int(files) + 1):
                part = per_file.get((row["configuration"], row["workload"], float(counter)))
                taken = [] if part is None else part["seconds"].dropna().to_list()
                times.append(
                    {"best": min(taken, default=math.nan), "median": median(taken)},
                )
                if part is not None and len(names) < counter:
                    names.append(str(part["file"].iloc[0]))
            rows.append({**row, "files": times})
        tables.append(
            FilesTable(
                strategy=str(strategy),
                model=str(model),
                model_kind=str(group["model_kind"].iloc[0]),
                compute_type=str(compute_type),
                device=str(device),
                files=int(files),
                audio_s=float(group["audio_total_s"].iloc[0]),
                workload=str(workload),
                file_names=names,
                rows=rows,
            )
        )
    return tables


def cold_starts(results: Results) -> pd.DataFrame:
    """One row per configuration that only loads models: starts, failures, load time."""
    runs = counted(results.runs)
    runs = runs[runs["files_in_parallel"] == 0]
    rows = []
    for _, group in runs.groupby("configuration", sort=True):
        first = group.iloc[0]
        good = group[group["status"] == "ok"]
        rows.append(
            {
                "strategy": first["strategy"],
                "model": first["model"],
                "compute_type": first["compute_type"],
                "instances": first["instances"],
                "init_stagger_s": first["init_stagger_s"],
                "starts": len(group),
                "failures": len(group) - len(good),
                "load_s": median(good["load_s"].to_list()),
                "status": status_text(group),
                "model_kind": first["model_kind"],
            }
        )
    table = pd.DataFrame(rows)
    return (
        table
        if table.empty
        else table.sort_values(["model", "strategy", "instances", "init_stagger_s"]).reset_index(
            drop=True
        )
    )


# ---------------------------------------------------------------- transcripts


def transcripts(timings: pd.DataFrame) -> list[dict]:
    """The text of each file by each model: as most often heard, with its reference and WER."""
    rows = []
    timings = timings[timings["status"].isin(["ok", ""])]
    for (model, compute_type, file), group in timings.groupby(
        ["model", "compute_type", "file"], sort=True
    ):
        counts = group["text_sha256"].value_counts()
        if counts.empty:
            continue
        # the most frequent text; of equally frequent ones the first by name, so that it is stable
        common = sorted(counts[counts == counts.max()].index)[0]
        shown = group[group["text_sha256"] == common].iloc[0]
        rows.append(
            {
                "model": model,
                "compute_type": compute_type,
                "file": file,
                "audio_s": float(shown["audio_seconds"]),
                "transcriptions": len(group),
                "texts": int(counts.size),
                "same": int(counts.max()),
                "text": str(shown["text"]),
                "reference": str(shown["reference"]),
                "wer": float(shown["wer"]),
            }
        )
    return rows


# ---------------------------------------------------------------- the published numbers


def read_published(root: Path | str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The numbers of melvin-asr's study that ship with this project (CPU, GPU)."""
    found = []
    for name in ("published_cpu.csv", "published_gpu.csv"):
        paths = sorted(Path(root).rglob(name))
        found.append(pd.read_csv(paths[0]) if paths else pd.DataFrame())
    return found[0], found[1]


def like_published(
    results: Results, strategy: str, instances: int, gpus: int, files: int
) -> list[tuple[str, dict, list[float]]]:
    """Configurations in the form of a published GPU row: machine, settings, median of each file."""
    rows = counted(results.timings)
    in_batches = results.runs.loc[results.runs["batch_size"] > 0, "configuration"]
    rows = rows[
        ~rows["configuration"].isin(in_batches)
        & (rows["device"] == "cuda")
        & (rows["device_index"].str.count(",") + 1 == gpus)
        & (rows["strategy"] == strategy)
        & (rows["instances"] == instances)
        & (rows["num_workers"] == 1)
        & (rows["files_in_parallel"] == files)
        & (rows["callers"] == files)
        & (rows["replica"] == 1)
        & (rows["status"] == "ok")
    ]
    found = []
    for (machine, _), group in rows.groupby(["machine", "configuration"], sort=True):
        of_files = group.groupby("counter", sort=True)["seconds"].median()
        settings = group.iloc[0].to_dict() | {"gpus": gpus}
        found.append((str(machine), settings, of_files.to_list()))
    return found


# ---------------------------------------------------------------- what belongs together


def scenes(runs: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """(model, compute type, device, files) with measured makespans, those with most rows first."""
    timed = counted(runs)
    timed = timed[timed["files_in_parallel"] > 0]
    if timed.empty:
        return []
    keys = ["model", "compute_type", "device", "files_in_parallel"]
    counts = timed.groupby(keys, sort=True)["configuration"].nunique()
    counts = counts.sort_values(ascending=False, kind="stable")
    return [(str(m), str(c), str(d), int(f)) for m, c, d, f in counts.index]
