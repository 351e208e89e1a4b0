"""The measured numbers as tables: the published form, cold starts, all data, transcripts."""

from __future__ import annotations

import math

from parallel_transcription.formatting import (
    NOTHING,
    clean,
    fixed,
    integer,
    is_missing,
    number,
    percent,
    seconds,
    setting,
    strategy_name,
    strategy_place,
)
from parallel_transcription.report.pages.cells import (
    cell,
    model_notice,
    span_text,
    table,
    threads_text,
)
from parallel_transcription.results import summaries as tables
from parallel_transcription.results.summaries import FilesTable, Results


def files_table_view(one: FilesTable) -> dict:
    """A table of the published form: settings, cores in use, each file best and median."""
    several = any(r["instances"] != 1 for r in one.rows)
    variants = any(r["variant"] for r in one.rows)
    columns, groups = ["threads", "workers"], [{"text": "", "span": 2}]
    if several:
        columns.insert(0, "models")
        groups[0]["span"] += 1
    columns.append("cores in use")
    groups[0]["span"] += 1
    files = one.files
    # up to four files with best and median; more get the median only, very many only the range
    full, some = files <= 4, files <= 10
    if full:
        for k in range(1, files + 1):
            columns += ["best", "median"]
            groups.append({"text": f"file {k} (s)", "span": 2})
    elif some:
        columns += [str(k) for k in range(1, files + 1)]
        groups.append({"text": "median of file (s)", "span": files})
    else:
        columns += ["first", "last"]
        groups.append({"text": "median of a file (s)", "span": 2})
    columns += ["best", "median", "RTFx", "n"]
    groups += [{"text": "makespan (s)", "span": 2}, {"text": "", "span": 2}]
    columns.append("status")
    groups.append({"text": "", "span": 1})
    if variants:
        columns.append("variant")
        groups.append({"text": "", "span": 1})
    rows = []
    for r in one.rows:
        cells = []
        if several:
            cells.append(cell(integer(r["instances"]), True))
        cells += [
            cell(threads_text(r["cpu_threads"]), True),
            cell(integer(r["num_workers"]), True),
            cell(fixed(r["cores_used"], 2), True),
        ]
        medians = [t["median"] for t in r["files"]]
        if full:
            for t in r["files"]:
                cells += [cell(seconds(t["best"]), True), cell(seconds(t["median"]), True)]
        elif some:
            cells += [cell(seconds(m), True) for m in medians]
        else:
            known = [m for m in medians if not math.isnan(m)]
            cells += [
                cell(seconds(min(known, default=None)), True),
                cell(seconds(max(known, default=None)), True),
            ]
        cells += [
            cell(span_text(r["best_s"], r["bound_s"]), True),
            cell(span_text(r["makespan_s"], r["bound_s"]), True, classes="strong"),
            cell(number(r["rtfx"]), True),
            cell(integer(r["repeats"]), True),
            cell(r["status"]),
        ]
        if variants:
            cells.append(cell(r["variant"]))
        rows.append(cells)
    return {
        "title": one.title,
        "model": clean(one.model, 80),
        "compute_type": clean(one.compute_type, 20),
        "device": clean(one.device, 20),
        "notice": model_notice(one.model_kind),
        "audio": seconds(one.audio_s),
        "file_names": [clean(n.rsplit("/", 1)[-1], 60) for n in one.file_names],
        "table": table(columns, rows, groups=groups),
    }


def cold_start_view(results: Results) -> dict | None:
    starts = tables.cold_starts(results)
    if starts.empty:
        return None
    columns = ["strategy", "models", "delay (s)", "starts", "failed", "load (s)", "status"]
    rows = [
        [
            cell(strategy_name(r["strategy"])),
            cell(integer(r["instances"]), True),
            cell(setting(r["init_stagger_s"]), True),
            cell(integer(r["starts"]), True),
            cell(integer(r["failures"]), True),
            cell(seconds(r["load_s"]), True),
            cell(r["status"]),
        ]
        for r in starts.to_dict("records")
    ]
    return table(columns, rows)


def data_view(results: Results) -> list[dict]:
    """One table per model: every configuration with its medians."""
    summary = tables.configurations(results.runs)
    found = []
    keys = ["machine", "model", "compute_type", "device"]
    for key, group in summary.groupby(keys, sort=True, dropna=False):
        machine, model, compute_type, device = key
        columns = [
            "strategy", "models", "workers", "threads", "files", "makespan (s)", "RTFx", "cores",
            "CPU (s)", "load (s)", "model (MB)", "memory (MB)", "peak (MB)", "rounds", "n",
            "disturbed", "status", "variant",
        ]  # fmt: skip
        group = group.assign(
            place=[strategy_place(s) for s in group["strategy"]],
            starts=group["files_in_parallel"] == 0,
        ).sort_values(
            ["starts", "files_in_parallel", "place", "instances", "num_workers", "cpu_threads",
             "variant", "configuration"]
        )  # fmt: skip
        rows = [
            [
                cell(strategy_name(r["strategy"])),
                cell(integer(r["instances"]), True),
                cell(integer(r["num_workers"]), True),
                cell(threads_text(r["cpu_threads"]), True),
                cell(integer(r["files_in_parallel"]), True),
                cell(span_text(r["makespan_s"], r["bound_s"]), True, classes="strong"),
                cell(number(r["rtfx"]), True),
                cell(fixed(r["cores_used"], 2), True),
                cell(number(r["cpu_s"]), True),
                cell(seconds(r["load_s"]), True),
                cell(number(r["model_mb"]), True),
                cell(integer(r["pss_mb"]), True),
                cell(integer(r["rss_peak_mb"]), True),
                cell(integer(r["rounds"]), True),
                cell(integer(r["repeats"]), True),
                cell(integer(r["disturbed"]), True),
                cell(r["status"]),
                cell(r["variant"] + (" packed" if r["packed"] else "")),
            ]
            for r in group.to_dict("records")
        ]
        found.append(
            {
                "machine": clean(machine, 80),
                "model": clean(model, 80),
                "compute_type": clean(compute_type, 20),
                "device": clean(device, 20),
                "notice": model_notice(str(group["model_kind"].iloc[0])),
                "table": table(columns, rows),
            }
        )
    return found


def saturates(results: Results, compute_type: str) -> str:
    """What stands beside a word error rate in int8 where the machine's kernel is not exact."""
    kernels = [k for m in results.machines.values() for k in m.get("int8_kernels") or []]
    if not compute_type.startswith("int8") or not any(k["saturates"] for k in kernels):
        return ""
    return "int8 products saturate on this CPU, so words may differ from those in float32"


def transcripts_view(results: Results) -> list[dict]:
    kinds = dict(zip(results.runs["model"], results.runs["model_kind"], strict=True))
    found = []
    for r in tables.transcripts(results.timings):
        found.append(
            {
                "file": clean(r["file"].rsplit("/", 1)[-1], 120),
                "model": clean(r["model"], 80),
                "notice": model_notice(str(kinds.get(r["model"], ""))),
                "audio": seconds(r["audio_s"]),
                "wer": percent(r["wer"]) if not is_missing(r["wer"]) else NOTHING,
                "same": f"{integer(r['same'])} of {integer(r['transcriptions'])}",
                "remark": saturates(results, r["compute_type"]),
                "all_same": r["texts"] == 1,
                "text": clean(r["text"], 4000),
                "reference": clean(r["reference"], 4000),
            }
        )
    return found
