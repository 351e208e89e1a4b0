"""The measured numbers as tables: the published form, cold starts, all data, transcripts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from parallel_transcription.report.pages.cells import (
    Cell,
    Group,
    Table,
    View,
    amount,
    cell,
    model_notice,
    span_text,
    table,
    threads_text,
)
from parallel_transcription.results import summaries as tables
from parallel_transcription.results.read import Results
from parallel_transcription.results.summaries import FilesTable, Row
from parallel_transcription.untrusted import clean
from parallel_transcription.words import (
    LOADS,
    as_written,
    fixed,
    integer,
    is_missing,
    percent,
    seconds,
    strategy_name,
    strategy_place,
)


@dataclass(frozen=True)
class Columns:
    """Columns that stand side by side, below a heading of their own unless it is empty."""

    heading: str
    headers: list[str]
    cells: Callable[[Row], list[Cell]]


def assemble(parts: Sequence[Columns], rows: Sequence[Row]) -> Table:
    """The table of these columns, from left to right."""
    return table(
        [header for part in parts for header in part.headers],
        [[one for part in parts for one in part.cells(row)] for row in rows],
        groups=[Group(part.heading, len(part.headers)) for part in parts],
    )


def _cores(value: Any) -> Cell:
    return amount(value, lambda v: fixed(v, 2))


def _span(row: Row, name: str, classes: str = "") -> Cell:
    return cell(span_text(row[name], row["bound_s"]), numeric=True, classes=classes)


# ---------------------------------------------------------------- times of each file


def files_table_view(one: FilesTable) -> View:
    """A table of the published form: settings, cores in use, each file best and median."""
    parts = [
        Columns("", ["threads", "workers", "cores in use"], _settings),
        *_times_of_files(one.files),
        Columns("makespan (s)", ["best", "median"], _makespans),
        Columns("", ["RTFx", "n"], lambda r: [amount(r["rtfx"]), amount(r["repeats"], integer)]),
        Columns("", ["status"], lambda r: [cell(r["status"])]),
    ]
    if any(r["instances"] != 1 for r in one.rows):
        parts.insert(0, Columns("", ["models"], lambda r: [amount(r["instances"], integer)]))
    if any(r["variant"] for r in one.rows):
        parts.append(Columns("", ["variant"], lambda r: [cell(r["variant"])]))
    return {
        "title": one.title,
        "model": clean(one.model, 80),
        "compute_type": clean(one.compute_type, 20),
        "device": clean(one.device, 20),
        "notice": model_notice(one.model_kind),
        "audio": seconds(one.audio_s),
        "file_names": [clean(n.rsplit("/", 1)[-1], 60) for n in one.file_names],
        "table": assemble(parts, one.rows),
    }


def _settings(row: Row) -> list[Cell]:
    return [
        amount(row["cpu_threads"], threads_text),
        amount(row["num_workers"], integer),
        _cores(row["cores_used"]),
    ]


def _makespans(row: Row) -> list[Cell]:
    return [_span(row, "best_s"), _span(row, "makespan_s", "strong")]


def _times_of_files(files: int) -> list[Columns]:
    """Best and median of up to four files; of more the median, of very many only its range."""
    if files <= 4:
        return [
            Columns(f"file {k + 1} (s)", ["best", "median"], partial(_one_file, place=k))
            for k in range(files)
        ]
    if files <= 10:
        headers = [str(k + 1) for k in range(files)]
        return [Columns("median of file (s)", headers, _medians)]
    return [Columns("median of a file (s)", ["first", "last"], _first_and_last)]


def _one_file(row: Row, place: int) -> list[Cell]:
    times = row["files"][place]
    return [amount(times["best"], seconds), amount(times["median"], seconds)]


def _medians(row: Row) -> list[Cell]:
    return [amount(times["median"], seconds) for times in row["files"]]


def _first_and_last(row: Row) -> list[Cell]:
    known = [t["median"] for t in row["files"] if not math.isnan(t["median"])]
    ends = (min(known, default=None), max(known, default=None))
    return [amount(end, seconds) for end in ends]


# ---------------------------------------------------------------- all of it


def cold_start_view(results: Results) -> Table | None:
    """Starts of several models at once: how many failed, and how long they took."""
    starts = tables.cold_starts(results)
    if starts.empty:
        return None
    columns = ["strategy", "models", "from", "delay (s)", "starts", "failed", "load (s)", "status"]
    rows = [
        [
            cell(strategy_name(r["strategy"])),
            amount(r["instances"], integer),
            cell(LOADS[r["load"]]),
            amount(r["init_stagger_s"], as_written),
            amount(r["starts"], integer),
            amount(r["failures"], integer),
            amount(r["load_s"], seconds),
            cell(r["status"]),
        ]
        for r in starts.to_dict("records")
    ]
    return table(columns, rows)


def loads_view(results: Results) -> Table | None:
    """What requests got under each load; None where there was none."""
    loads = tables.loads(results)
    if loads.empty:
        return None
    columns = ["load", "settings", "requests per s", "served per s", "p50 (s)", "p90 (s)",
               "p95 (s)", "p99 (s)", "mean (s)", "in system", "RTFx", "core-h per h", "rounds",
               "saturated"]  # fmt: skip
    rows = [
        [
            cell(r["load"]),
            cell(r["settings"]),
            *(amount(r[name]) for name in ("offered_rps", "served_rps")),
            *(amount(r[f"p{which}_s"], seconds) for which in (50, 90, 95, 99)),
            amount(r["latency_s"], seconds),
            amount(r["in_system"]),
            amount(r["rtfx"]),
            amount(r["core_hours"]),
            amount(r["rounds"], integer),
            cell(f"{integer(r['saturated'])} of {integer(r['passes'])}", numeric=True),
        ]
        for r in loads.to_dict("records")
    ]
    return table(columns, rows)


def parts_view(results: Results) -> Table | None:
    """Latency by part of a mix: a short request behind a long one; None where no mix has parts."""
    parts = tables.parts_of_loads(results)
    if parts.empty:
        return None
    columns = ["load", "settings", "part", "mean length (s)", "requests", "p50 (s)", "p95 (s)"]
    rows = [
        [
            cell(r["load"]),
            cell(r["settings"]),
            cell(clean(r["part"], 40)),
            amount(r["length_s"], seconds),
            amount(r["requests"], integer),
            *(amount(r[f"p{which}_s"], seconds) for which in (50, 95)),
        ]
        for r in parts.to_dict("records")
    ]
    return table(columns, rows)


def _data_columns(on_gpus: bool) -> list[Columns]:
    """The columns of a table of configurations; on GPUs with what was in use there."""
    gpus = Columns(
        "GPUs",
        ["in use", "model (MB)", "memory (MB)", "energy (J)"],
        lambda r: [
            amount(r["gpu_util"], lambda share: percent(share, decimals=0)),
            amount(r["gpu_model_mb"], integer),
            amount(r["gpu_mem_mb"], integer),
            amount(r["energy_j"], integer),
        ],
    )
    return [
        Columns(
            "", ["strategy", "models", "workers", "threads", "files", "makespan (s)"], _configured
        ),
        Columns("", ["RTFx", "cores", "CPU (s)", "load (s)"], _worked),
        Columns("", ["model (MB)", "memory (MB)", "peak (MB)"], _remembered),
        *([gpus] if on_gpus else []),
        Columns("", ["rounds", "n", "disturbed", "status", "variant"], _ended),
    ]


def data_view(results: Results) -> list[View]:
    """One table per model: every configuration with its medians."""
    summary = tables.configurations(tables.at_once(results.runs))
    found = []
    keys = ["machine", "model", "compute_type", "device"]
    for key, group in summary.groupby(keys, sort=True, dropna=False):
        machine, model, compute_type, device = key
        group = group.assign(
            place=[strategy_place(s) for s in group["strategy"]],
            starts=group["files_in_parallel"] == 0,
        ).sort_values(
            ["starts", "files_in_parallel", "place", "instances", "num_workers", "cpu_threads",
             "variant", "configuration"]
        )  # fmt: skip
        found.append(
            {
                "machine": clean(machine, 80),
                "model": clean(model, 80),
                "compute_type": clean(compute_type, 20),
                "device": clean(device, 20),
                "notice": model_notice(str(group["model_kind"].iloc[0])),
                "table": assemble(_data_columns(device != "cpu"), group.to_dict("records")),
            }
        )
    return found


def _configured(row: Row) -> list[Cell]:
    return [
        cell(strategy_name(row["strategy"])),
        amount(row["instances"], integer),
        amount(row["num_workers"], integer),
        amount(row["cpu_threads"], threads_text),
        amount(row["files_in_parallel"], integer),
        _span(row, "makespan_s", "strong"),
    ]


def _worked(row: Row) -> list[Cell]:
    return [
        amount(row["rtfx"]),
        _cores(row["cores_used"]),
        amount(row["cpu_s"]),
        amount(row["load_s"], seconds),
    ]


def _remembered(row: Row) -> list[Cell]:
    return [
        amount(row["model_mb"]),
        amount(row["pss_mb"], integer),
        amount(row["rss_peak_mb"], integer),
    ]


def _ended(row: Row) -> list[Cell]:
    return [
        amount(row["rounds"], integer),
        amount(row["repeats"], integer),
        amount(row["disturbed"], integer),
        cell(row["status"]),
        cell(row["variant"] + (" packed" if row["packed"] else "")),
    ]


def saturates(results: Results, compute_type: str) -> str:
    """What stands beside a word error rate in int8 where the machine's kernel is not exact."""
    kernels = [k for m in results.machines.values() for k in m.get("int8_kernels") or []]
    if not compute_type.startswith("int8") or not any(k["saturates"] for k in kernels):
        return ""
    return "int8 products saturate on this CPU, so words may differ from those in float32"


def transcripts_view(results: Results) -> list[View]:
    """What was heard in each file, beside its reference."""
    kinds = dict(zip(results.runs["model"], results.runs["model_kind"], strict=True))
    found = []
    for r in tables.transcripts(results.timings):
        found.append(
            {
                "file": clean(r["file"].rsplit("/", 1)[-1], 120),
                "model": clean(r["model"], 80),
                "notice": model_notice(str(kinds.get(r["model"], ""))),
                "audio": seconds(r["audio_s"]),
                "errors": _error_rate(r["wer"], r["cer"]),
                "same": f"{integer(r['same'])} of {integer(r['transcriptions'])}",
                "remark": saturates(results, r["compute_type"]),
                "text": clean(r["text"], 4000),
                "reference": clean(r["reference"], 4000),
            }
        )
    return found


def _error_rate(wer: float | None, cer: float | None) -> str:
    """An error rate with its name; empty where there is none."""
    if is_missing(wer) and is_missing(cer):
        return ""
    name, value = ("character", cer) if is_missing(wer) else ("word", wer)
    return f"{name} error rate {percent(value, decimals=1)}"
