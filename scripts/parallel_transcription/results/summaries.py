"""Tables of results as pages and figures show them: picked, pivoted, with best and median.

No statistics: verdicts and intervals are taken from the findings as they are.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from parallel_transcription import words
from parallel_transcription.record import STATUSES
from parallel_transcription.results.columns import METERS
from parallel_transcription.results.counting import median, times
from parallel_transcription.results.latency import percentile
from parallel_transcription.results.read import Results
from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.study.loads import CARRIES
from parallel_transcription.untrusted import in_brief
from parallel_transcription.words import (
    as_written,
    name_of,
    plural,
    strategy_name,
    strategy_place,
)

Row = dict[Hashable, Any]  # cells by column

#: What a table of one strategy varies; all other dimensions make another table or a variant.
TABLE_DIMENSIONS = ("instances", "num_workers", "cpu_threads")


def status_text(rows: pd.DataFrame) -> str:
    """The statuses of one configuration in words: `ok`, `> 60 s`, `failed: …`."""
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
            text = f"{status}: {in_brief(errors[0])}" if errors else status
        parts.append(text if count == total else f"{count} of {total} {text}")
    return "; ".join(parts) or "ok"


_DEFAULTS = {d.name: d.default for d in DIMENSIONS}


def at_once(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows whose files all came at one moment, or that only loaded models."""
    return runs[runs["arrivals"] == words.AT_ONCE]


def loads(results: Results) -> pd.DataFrame:
    """One row per machine and configuration under a load: what its requests got, medians of passes.

    Columns: `machine`, `settings` and `load` in words, `rounds`, `passes`, `saturated` (of these),
    `generator_limited`, and meters of the passes that kept up: `offered_rps`, `served_rps`, `p50_s`
    … `p99_s`, `latency_s`, `in_system`, `rtfx`, `core_hours` (of an hour of audio),
    `dispatch_lag_s`.
    """
    meters = ["offered_rps", "served_rps", "p50_s", "p90_s", "p95_s", "p99_s", "latency_s",
              "in_system", "rtfx", "core_hours", "dispatch_lag_s"]  # fmt: skip
    runs = results.runs[results.runs["arrivals"] != words.AT_ONCE]
    runs = runs.assign(
        served_rps=runs["served"] / runs["makespan_s"],
        core_hours=runs["cores_used"] / runs["rtfx"],
    )
    rows = []
    for (machine, _), group in runs.groupby(["machine", "arm"], sort=True):
        first = group.iloc[0]
        passes = group[group["status"].isin(("ok", "saturated"))]
        rows.append(
            {
                "machine": machine,
                "settings": name_of(first),
                "load": words.load(first),
                "rounds": int(group["round"].nunique()),
                "passes": len(passes),
                "saturated": int((passes["status"] == "saturated").sum()),
                "generator_limited": int(passes["generator_limited"].sum()),
                "status": status_text(group),
                **passes.loc[passes["counts"], meters].median().to_dict(),
            }
        )
    columns = ["machine", "settings", "load", "rounds", "passes", "saturated",
               "generator_limited", "status", *meters]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    order = ["machine", "load", "offered_rps", "settings"]
    return table.sort_values(order, kind="stable", ignore_index=True)


def parts_of_loads(results: Results) -> pd.DataFrame:
    """One row per machine, load, settings and part of the mix: its requests and their latency.

    Columns: `machine`, `load`, `offered_rps`, `settings`, `part`, `requests`, and `p50_s`, `p95_s`
    over all rounds that kept up, nan where too few requests carry them. None of a mix of one part.
    """
    runs = results.runs
    runs = runs[~runs["arrivals"].isin((words.AT_ONCE, "closed"))]
    runs = runs[runs["counts"] & (runs["status"] == "ok")]
    timings = results.timings[results.timings["counted"]]
    rows = []
    for (machine, _), group in runs.groupby(["machine", "arm"], sort=True):
        first = group.iloc[0]
        own = timings.merge(group[["run", "repeat"]], on=["run", "repeat"])
        if own["part"].nunique() < 2:
            continue
        for part, requests in own.groupby("part", sort=True):
            late = requests["seconds"].fillna(math.inf)
            found = {
                f"p{which}_s": percentile(late, which) if len(late) >= CARRIES[which] else math.nan
                for which in (50, 95)
            }
            rows.append(
                {
                    "machine": machine,
                    "load": words.load(first),
                    "offered_rps": group["offered_rps"].median(),
                    "settings": name_of(first),
                    "part": str(part),
                    "requests": len(requests),
                    "length_s": requests["audio_seconds"].mean(),
                    **found,
                }
            )
    columns = ["machine", "load", "offered_rps", "settings", "part", "requests", "length_s",
               "p50_s", "p95_s"]  # fmt: skip
    order = ["machine", "load", "offered_rps", "settings", "length_s"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(order, kind="stable", ignore_index=True)


def configurations(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per machine, configuration and workload: best, median and status of its repeats.

    `makespan_s` is the median (infinite where the median run passed the time limit), `best_s`
    the shortest, `rounds` and `repeats` count what was measured, `censored` the timeouts.
    Best and median are those of the repeats that count. Confirmation rounds are no part of it.
    """
    groups = runs.groupby(["machine", "arm"], sort=True)
    rows = [_configuration(group) for _, group in groups]
    columns = [*_KEPT, *_ADDED, *(name for name in METERS if name != "rtfx"), "rtfx"]
    return pd.DataFrame(rows, columns=columns)


def _configuration(group: pd.DataFrame) -> Row:
    first = group.iloc[0]
    timed = times(group)
    makespan = _span(timed)
    meters = group[group["counts"] & (group["status"] == "ok")]
    row = {name: first[name] for name in _KEPT}
    row |= {name: meters[name].median() for name in METERS}
    return row | {
        "rounds": int(group["round"].nunique()),
        "repeats": len(group),
        "ok": len(meters),
        "censored": int((group["status"] == "timeout").sum()),
        "disturbed": int(group["disturbed"].sum()),
        "packed": bool(group["packed"].any()),
        "makespan_s": makespan,
        "best_s": timed["value"].where(~timed["late"], math.inf).min(),
        "bound_s": group["timeout_s"].max(),
        "status": status_text(group),
        "variant": words.variant(first, _DEFAULTS),
        # of the median run, not the median of the repeats'
        "rtfx": first["audio_total_s"] / makespan if math.isfinite(makespan) else math.nan,
    }


def _span(timed: pd.DataFrame) -> float:
    """The median makespan, infinite where it is beyond the limit."""
    middle = median(timed["value"], timed["late"])
    return math.inf if middle.censored else middle.value


_KEPT = [
    *(d.name for d in DIMENSIONS),
    "machine",
    "configuration",
    "workload",
    "total_workers",
    "audio_total_s",
    "model_kind",
    "logical_cpus",
    "affinity_cpus",
    "gpus",
    "ordinary",
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
    file_names: list[str]
    rows: list[Row]

    @property
    def title(self) -> str:
        """Its heading: the strategy's name and the number of files."""
        return f"{strategy_name(self.strategy)}, {plural(self.files, 'file')}"


def files_tables(results: Results) -> list[FilesTable]:
    """The tables of one machine; each row one configuration, with times of each file."""
    summary = configurations(at_once(results.runs))
    summary = summary[summary["files_in_parallel"] > 0]
    of_files = _file_times(results)
    keys = ["model", "compute_type", "device", "files_in_parallel", "strategy", "workload"]
    groups = list(summary.groupby(keys, sort=True))
    groups.sort(key=lambda item: (*item[0][:4], strategy_place(item[0][4]), item[0][5]))
    return [_files_table(group, of_files) for _, group in groups]


def _file_times(results: Results) -> pd.DataFrame:
    """Name, best and median time of each file, by configuration, workload and place in the order.

    Of the repeats that count; confirmation rounds are no part of it.
    """
    repeats = results.runs
    repeats = repeats.loc[repeats["counts"], ["run", "repeat", "workload"]].drop_duplicates()
    timings = results.timings[results.timings["status"] == "ok"]
    timings = timings.merge(repeats, on=["run", "repeat"])
    return timings.groupby(["configuration", "workload", "counter"], sort=True).agg(
        file=("file", "first"), best=("seconds", "min"), median=("seconds", "median")
    )


def _files_table(group: pd.DataFrame, of_files: pd.DataFrame) -> FilesTable:
    group = group.sort_values(
        ["replica", "slowdown", "callers", *TABLE_DIMENSIONS, "variant", "configuration"],
        ascending=[True, True, False, True, True, True, True, True],
    )
    first = group.iloc[0]
    counters = range(1, int(first["files_in_parallel"]) + 1)
    names: dict[int, str] = {}
    rows = []
    for row in group.to_dict("records"):
        keys = [(row["configuration"], row["workload"], counter) for counter in counters]
        found = of_files.reindex(keys)
        times_of = found[["best", "median"]].to_dict("records")
        rows.append({**row, "files": times_of})
        for counter, name in zip(counters, found["file"], strict=True):
            if isinstance(name, str):
                names.setdefault(counter, name)
    return FilesTable(
        strategy=first["strategy"],
        model=first["model"],
        model_kind=first["model_kind"],
        compute_type=first["compute_type"],
        device=first["device"],
        files=len(counters),
        audio_s=first["audio_total_s"],
        file_names=[names[counter] for counter in sorted(names)],
        rows=rows,
    )


def cold_starts(results: Results) -> pd.DataFrame:
    """One row per configuration that only loads models: starts, failures, load time."""
    runs = results.runs
    runs = runs[runs["files_in_parallel"] == 0]
    kept = [
        "strategy",
        "model",
        "compute_type",
        "load",
        "instances",
        "init_stagger_s",
        "model_kind",
    ]
    rows = []
    for _, group in runs.groupby("configuration", sort=True):
        good = group[group["status"] == "ok"]
        rows.append(
            {name: group[name].iloc[0] for name in kept}
            | {
                "starts": len(group),
                "failures": len(group) - len(good),
                "load_s": good["load_s"].median(),
                "status": status_text(group),
            }
        )
    table = pd.DataFrame(rows, columns=[*kept, "starts", "failures", "load_s", "status"])
    order = ["model", "load", "strategy", "instances", "init_stagger_s"]
    return table.sort_values(order, ignore_index=True)


# ---------------------------------------------------------------- transcripts


def transcripts(timings: pd.DataFrame) -> list[Row]:
    """The text of each file by each model: as most often heard, with its reference and WER."""
    rows: list[Row] = []
    heard = timings[timings["status"] == "ok"]
    for (model, compute_type, file), group in heard.groupby(
        ["model", "compute_type", "file"], sort=True
    ):
        counts = group["text_sha256"].value_counts()
        # the most frequent text; of equally frequent ones the first by name, so that it is stable
        common = min(counts[counts == counts.max()].index)
        shown = group[group["text_sha256"] == common].iloc[0]
        rows.append(
            {
                "model": model,
                "compute_type": compute_type,
                "file": file,
                "audio_s": shown["audio_seconds"],
                "transcriptions": len(group),
                "texts": len(counts),
                "same": int(counts.max()),
                "text": shown["text"],
                "reference": shown["reference"],
                "wer": shown["wer"],
                "cer": shown["cer"],
            }
        )
    return rows


# ---------------------------------------------------------------- groups of comparable runs


def scenes(rows: pd.DataFrame) -> list[tuple[str, str, str, int]]:
    """(model, compute type, device, files) of rows that transcribed, those with most rows first."""
    timed = at_once(rows[rows["files_in_parallel"] > 0])
    keys = ["model", "compute_type", "device", "files_in_parallel"]
    counts = timed.groupby(keys, sort=True)["configuration"].nunique()
    counts = counts.sort_values(ascending=False, kind="stable")
    return [(str(m), str(c), str(d), int(f)) for m, c, d, f in counts.index]


@dataclass(frozen=True)
class DecidedPair:
    """A pair that matches decide or are to decide: what asked, both sides in words, the looks."""

    machine: str
    questions: list[str]
    side_a: str
    side_b: str
    size: str
    looks: list[dict[str, Any]]

    @property
    def last(self) -> dict[str, Any]:
        """The latest look: matches, passes, ratio A / B, low, high."""
        return self.looks[-1]


def decided_pairs(results: Results) -> list[DecidedPair]:
    """The pairs of which findings have looks at matches, in the order of the findings."""
    runs = results.runs.drop_duplicates(["machine", "configuration"])
    names = {(r["machine"], r["configuration"]): name_of(r) for r in runs.to_dict("records")}
    found: dict[tuple[str, frozenset[str]], DecidedPair] = {}
    for finding in results.findings:
        by_pair: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for look in finding.ladder:
            pair = (look["configuration_a"], look["configuration_b"])
            by_pair.setdefault(pair, []).append(look)
        for (a, b), looks in by_pair.items():
            key = finding.machine, frozenset((a, b))
            if key in found:
                found[key].questions.append(finding.short_question)
                continue
            one, other = (names.get((finding.machine, side), side) for side in (a, b))
            asks = [finding.short_question]
            size = str(looks[-1]["size"])
            found[key] = DecidedPair(finding.machine, asks, one, other, size, looks)
    return list(found.values())
