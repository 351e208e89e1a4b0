"""This study beside the published one."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from parallel_transcription.published.beside import OnGpus, cpu_form, on_cpus, on_gpus
from parallel_transcription.published.claims import read_published
from parallel_transcription.published.scoreboard import Line
from parallel_transcription.report.pages.cells import (
    NARROW,
    SMALL_PROSE,
    Cell,
    Group,
    Table,
    View,
    amount,
    badge,
    cell,
    span_text,
    table,
)
from parallel_transcription.results.read import Results
from parallel_transcription.results.summaries import Row
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING, as_written, fixed, integer, seconds, strategy_name


def chapter(results: Results, lines: list[Line]) -> View:
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


def cpu_view(results: Results, cpu: pd.DataFrame, label: str) -> list[View]:
    """The published CPU tables; beside each row the same settings on this machine."""
    here = on_cpus(results)
    names = {"epyc-9334": "AMD Epyc 9334", "apple-m2": "Apple M2"}
    found = []
    for (machine, strategy), group in cpu.groupby(["machine", "strategy"], sort=False):
        rows = []
        for r in group.to_dict("records"):
            mine = here.get(cpu_form(r))
            status = str(r["status"])
            other = {"over_60s": "> 60", "not_measured": NOTHING}.get(status)
            rows.append(
                [
                    amount(r["cpu_threads"], integer),
                    amount(r["num_workers"], integer),
                    _in_use(r),
                    cell(other, True) if other else amount(r["file_1_s"], _published),
                    cell(other, True) if other else amount(r["file_2_s"], _published),
                    *_here_cells(mine),
                ]
            )
        found.append(
            {
                "title": f"{names.get(str(machine), clean(machine, 40))}, "
                f"{strategy_name(strategy)}",
                "table": table(
                    ["threads", "workers", "in use", "file 1", "file 2",
                     "cores", "file 1", "file 2", "makespan"],
                    rows,
                    groups=[
                        Group("", 2),
                        Group("published (best, s)", 3),
                        Group(f"{clean(label, 40)} (median, s)", 4),
                    ],
                    style=NARROW,
                ),
            }
        )  # fmt: skip
    return found


def _in_use(row: Row) -> Cell:
    per_cent = " %" if row["cpu_in_use_unit"] == "percent" else ""
    return amount(row["cpu_in_use"], lambda value: as_written(value) + per_cent)


def _published(value: float) -> str:
    return fixed(value, 1)


def _here_cells(mine: Row | None) -> list[Cell]:
    if mine is None:
        return [cell(NOTHING, True, classes="faint") for _ in range(4)]
    medians = [t["median"] for t in mine["files"]]
    medians = [*medians, math.nan, math.nan][:2]
    return [
        amount(mine["cores_used"], lambda v: fixed(v, 2)),
        amount(medians[0], seconds),
        amount(medians[1], seconds),
        cell(span_text(mine["makespan_s"], mine["bound_s"]), True),
    ]


def gpu_view(gpu: pd.DataFrame, results: Results) -> Table:
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


def _gpu_row(one: OnGpus) -> list[Cell]:
    return [
        cell(clean(one.machine, 40)),
        cell(clean(one.model, 20)),
        cell(clean(one.compute_type, 20)),
        cell(strategy_name(one.strategy)),
        amount(one.instances, integer),
        amount(one.gpus, integer),
        *(amount(time, _published) for time in one.seconds),
    ]


def scoreboard_view(lines: list[Line]) -> Table | None:
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
            cell("" if again else _said(line)),
            cell(clean(line.ours_in_short, 300)),
            cell(badge(line.verdict).word, badge=badge(line.verdict)),
        ]
        if several:
            row.insert(2, cell(clean(line.machine, 40)))
        cells.append(row)
    widths = [25, 26, 13, 21, 15] if several else [26, 32, 27, 15]
    return table(columns, cells, style=replace(SMALL_PROSE, widths=widths))


def _said(line: Line) -> str:
    """The numbers that the text gives, and what its tables say."""
    parts = [line.published, line.published_tables]
    if line.published_tables and line.published == "no numbers":
        parts = parts[1:]
    return ". ".join(clean(part, 300) for part in parts if part)
