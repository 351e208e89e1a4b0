"""This study beside the published one, and machines beside each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd

from parallel_transcription.report.pages.answers import SHORT, short_answer
from parallel_transcription.report.pages.cells import (
    NARROW,
    PROSE,
    SMALL_PROSE,
    Cell,
    Group,
    Table,
    View,
    amount,
    badge,
    cell,
    effect_text,
    mapping_text,
    span_text,
    table,
)
from parallel_transcription.report.pages.description import machine_view
from parallel_transcription.report.pages.recommended import recommended_view
from parallel_transcription.results import summaries as tables
from parallel_transcription.results.read import Facts, Results
from parallel_transcription.results.summaries import Row
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING, as_written, fixed, integer, seconds, strategy_name


def published_view(results: Results, cpu: pd.DataFrame, label: str) -> list[View]:
    """The published CPU tables; beside each row the same settings on this machine."""
    if cpu.empty:
        return []
    here: dict[tuple[str, int, int, int], Row] = {}
    for one in tables.files_tables(results):
        if one.files != 2 or one.device != "cpu":
            continue
        for r in one.rows:
            if not r["variant"]:
                key = (one.strategy, int(r["instances"]), int(r["num_workers"]),
                       int(r["cpu_threads"]))  # fmt: skip
                here.setdefault(key, r)
    names = {"epyc-9334": "AMD Epyc 9334", "apple-m2": "Apple M2"}
    found = []
    for (machine, strategy), group in cpu.groupby(["machine", "strategy"], sort=False):
        rows = []
        for r in group.to_dict("records"):
            key = (str(strategy), int(r["instances"]), int(r["num_workers"]),
                   int(r["cpu_threads"]))  # fmt: skip
            mine = here.get(key)
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


def published_gpu_view(gpu: pd.DataFrame, results: Results) -> Table | None:
    """The published times on GPUs, and under each row what was measured here in the same form."""
    if gpu.empty:
        return None
    columns = ["where", "model", "compute type", "strategy", "models", "GPUs", "file 1 (s)",
               "file 2 (s)", "file 3 (s)"]  # fmt: skip
    rows = []
    for r in gpu.to_dict("records"):
        times = [r[f"file_{k}_s"] for k in (1, 2, 3)]
        rows.append(_gpu_row("published, one run", r, times))
        form = (r["strategy"], int(r["instances"]), int(r["gpus"]), int(r["files_in_parallel"]))
        rows += [_gpu_row(*found) for found in tables.like_published(results, *form)]
    alone = len(rows) == len(gpu)
    note = "Not measured here. To measure it: config/multi_gpu.yaml." if alone else ""
    return table(columns, rows, note)


def _gpu_row(where: str, row: Row, times: list[float]) -> list[Cell]:
    return [
        cell(clean(where, 40)),
        cell(clean(row["model"], 20)),
        cell(clean(row["compute_type"], 20)),
        cell(strategy_name(row["strategy"])),
        amount(row["instances"], integer),
        amount(row["gpus"], integer),
        *(amount(time, _published) for time in times),
    ]


def scoreboard_view(results: Results) -> Table | None:
    """Every claim of the published text beside what was measured here."""
    rows = [r for r in results.scoreboard if isinstance(r, dict)]
    if not rows:
        return None
    several = len({str(r.get("machine")) for r in rows if r.get("machine")}) > 1
    columns = ["claim", "what was published", "measured here", "verdict"]
    if several:
        columns.insert(2, "machine")
    cells = []
    last = None
    for r in sorted(rows, key=_claims_in_order(rows)) if several else rows:
        published = _words(r.get("published"))
        shown = clean(r.get("published_tables"), 300)
        if shown:
            published = shown if published == "no numbers" else f"{published}. {shown}"
        claim = clean(r.get("claim"), 300)
        again = claim == last
        line = [
            cell("" if again else claim),
            cell("" if again else published),
            cell(short_answer(_words(r.get("ours")), 150)),
            cell(badge(r.get("verdict")).word, badge=badge(r.get("verdict"))),
        ]
        if several:
            line.insert(2, cell(clean(r.get("machine"), 40)))
        last = claim
        cells.append(line)
    widths = [25, 26, 13, 21, 15] if several else [26, 32, 27, 15]
    return table(columns, cells, style=replace(SMALL_PROSE, widths=widths))


def _claims_in_order(rows: list[View]) -> Callable[[View], tuple[int, str]]:
    """Several machines stand below each other for each claim."""
    order = list(dict.fromkeys(str(r.get("claim")) for r in rows))
    return lambda r: (order.index(str(r.get("claim"))), str(r.get("machine")))


def _words(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return mapping_text(value) or NOTHING
    return clean(value, 300) or NOTHING


def overview_view(results: Results) -> Table:
    """The answers on several machines: a row for each question, a column for each machine."""
    labels = results.labels
    if len(labels) < 2:
        return table(["question"], [])
    # more machines than fit on a line are in the data of findings.json
    labels = labels[:4]
    by = {(f.get("id"), f.get("machine")): f for f in results.findings}
    asked = {f.get("id"): f for f in reversed(results.findings) if f.get("number")}
    rows = []
    for name in dict.fromkeys(f.get("id") for f in results.findings):
        if name not in asked:
            continue
        question = SHORT.get(str(name)) or clean(asked[name].get("question"), 120)
        rows.append([cell(question), *(_answer(by.get((name, label))) for label in labels)])
    return table(["question", *(clean(x, 40) for x in labels)], rows, style=PROSE)


def _answer(finding: Facts | None) -> Cell:
    """Verdict and effect of a finding; a dash where the machine has none."""
    if finding is None:
        return cell(NOTHING)
    return cell(effect_text(finding.get("effect")), badge=badge(finding["verdict"]), stacked=True)


def machines_side_by_side(results: Results) -> Table | None:
    """What the machines are and what their recommended settings do, a column for each."""
    labels = results.labels
    if len(labels) < 2:
        return None
    labels = labels[:6]
    facts = [machine_view(results.of(label), label) for label in labels]
    chosen = [recommended_view(results, label) for label in labels]
    rows = []
    for name in ("Processor", "Cores", "Memory", "Virtualised", "System"):
        values = [dict(f["rows"]).get(name, NOTHING) for f in facts]
        if any(v != NOTHING for v in values):
            rows.append([cell(name), *(cell(v) for v in values)])
    rows.append([cell("Recommended"), *(cell(c["snippet"] or NOTHING, classes="code")
                                        for c in chosen)])  # fmt: skip
    for name, title in (("Throughput", "Throughput"), ("CPU", "Cores used"),
                        ("Memory", "Memory in use"), ("Slowest file", "Slowest file")):  # fmt: skip
        rows.append([cell(title), *(cell(dict(c["facts"]).get(name, NOTHING)) for c in chosen)])
    return table(["", *(clean(x, 40) for x in labels)], rows, style=SMALL_PROSE)
