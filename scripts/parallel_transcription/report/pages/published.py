"""This study beside the published one."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from parallel_transcription.formatting import (
    NOTHING,
    clean,
    fixed,
    integer,
    seconds,
    setting,
    strategy_name,
)
from parallel_transcription.published.beside import OnGpus, cpu_form, on_cpus, on_gpus
from parallel_transcription.published.claims import read_published
from parallel_transcription.published.scoreboard import Line
from parallel_transcription.report.pages.cells import badge, cell, span_text, table
from parallel_transcription.results.read import Results


def chapter(results: Results, lines: list[Line]) -> dict[str, Any]:
    """What the chapter shows.

    Args:
        results: Of all machines.
        lines: The scoreboard.
    """
    published = read_published()
    return {
        "machines": [
            {
                "machine": clean(label, 80),
                "key": label,
                "tables": cpu_view(results.of(label), published.cpu, label),
            }
            for label in results.labels
        ],
        "gpu": gpu_view(published.gpu, results),
        "scoreboard": scoreboard_view(lines),
    }


def cpu_view(results: Results, cpu: pd.DataFrame, label: str) -> list[dict[str, Any]]:
    """The published CPU tables; beside each row the same settings on this machine."""
    here = on_cpus(results)
    names = {"epyc-9334": "AMD Epyc 9334", "apple-m2": "Apple M2"}
    found = []
    for (machine, strategy), group in cpu.groupby(["machine", "strategy"], sort=False):
        unit = str(group["cpu_in_use_unit"].iloc[0])
        rows = []
        for r in group.to_dict("records"):
            mine = here.get(cpu_form(r))
            status = str(r["status"])
            other = {"over_60s": "> 60", "not_measured": NOTHING}.get(status)
            in_use = setting(r["cpu_in_use"]) + (" %" if unit == "percent" else "")
            rows.append(
                [
                    cell(integer(r["cpu_threads"]), True),
                    cell(integer(r["num_workers"]), True),
                    cell(in_use, True),
                    cell(other or fixed(r["file_1_s"], 1), True),
                    cell(other or fixed(r["file_2_s"], 1), True),
                    *_here_cells(mine),
                ]
            )
        found.append(
            {
                "title": f"{names.get(str(machine), clean(machine, 40))}, "
                f"{strategy_name(strategy)}",
                "table": {**table(
                    ["threads", "workers", "in use", "file 1", "file 2",
                     "cores", "file 1", "file 2", "makespan"],
                    rows,
                    groups=[
                        {"text": "", "span": 2},
                        {"text": "published (best, s)", "span": 3},
                        {"text": f"{clean(label, 40)} (median, s)", "span": 4},
                    ],
                ), "narrow": True},
            }
        )  # fmt: skip
    return found


def _here_cells(mine: dict[str, Any] | None) -> list[dict[str, Any]]:
    if mine is None:
        return [cell(NOTHING, True, classes="faint") for _ in range(4)]
    medians = [t["median"] for t in mine["files"]]
    medians = [*medians, math.nan, math.nan][:2]
    return [
        cell(fixed(mine["cores_used"], 2), True),
        cell(seconds(medians[0]), True),
        cell(seconds(medians[1]), True),
        cell(span_text(mine["makespan_s"], mine["bound_s"]), True),
    ]


def gpu_view(gpu: pd.DataFrame, results: Results) -> dict[str, Any]:
    """The published times on GPUs, and under each row what was measured here in the same form."""
    columns = ["where", "model", "compute type", "strategy", "models", "GPUs", "file 1 (s)",
               "file 2 (s)", "file 3 (s)"]  # fmt: skip
    rows = []
    for r in gpu.to_dict("records"):
        form = (r["strategy"], int(r["instances"]), int(r["gpus"]))
        times = [r[f"file_{k}_s"] for k in (1, 2, 3)]
        published = OnGpus("published, one run", r["model"], r["compute_type"], *form, times)
        ours = on_gpus(results, *form, int(r["files_in_parallel"]))
        rows += [_gpu_row(one) for one in (published, *ours)]
    alone = len(rows) == len(gpu)
    note = "Not measured here. To measure it: config/multi_gpu.yaml." if alone else ""
    return table(columns, rows, note)


def _gpu_row(one: OnGpus) -> list[dict[str, Any]]:
    return [
        cell(clean(one.machine, 40)),
        cell(clean(one.model, 20)),
        cell(clean(one.compute_type, 20)),
        cell(strategy_name(one.strategy)),
        cell(integer(one.instances), True),
        cell(integer(one.gpus), True),
        *(cell(fixed(time, 1), True) for time in one.seconds),
    ]


def scoreboard_view(lines: list[Line]) -> dict[str, Any] | None:
    """Every claim of the published text; several machines stand below each other for each."""
    if not lines:
        return None
    several = len({line.machine for line in lines}) > 1
    columns = ["claim", "what was published", "measured here", "verdict"]
    if several:
        columns.insert(2, "machine")
        order = list(dict.fromkeys(line.claim for line in lines))
        lines = sorted(lines, key=lambda line: (order.index(line.claim), line.machine))
    cells, last = [], None
    for line in lines:
        again = line.claim == last
        last = line.claim
        row = [
            cell("" if again else clean(line.claim, 300)),
            cell("" if again else _published(line)),
            cell(clean(line.ours_in_short, 300)),
            cell(badge(line.verdict)["word"], badge=badge(line.verdict)),
        ]
        if several:
            row.insert(2, cell(clean(line.machine, 40)))
        cells.append(row)
    widths = [25, 26, 13, 21, 15] if several else [26, 32, 27, 15]
    return {**table(columns, cells), "size": "small", "prose": True, "widths": widths}


def _published(line: Line) -> str:
    """The numbers that the text gives, and what its tables say."""
    parts = [line.published, line.published_tables]
    if line.published_tables and line.published == "no numbers":
        parts = parts[1:]
    return ". ".join(clean(part, 300) for part in parts if part)
