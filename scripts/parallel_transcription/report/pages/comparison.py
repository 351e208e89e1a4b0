"""This study beside the published one, and machines beside each other."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from parallel_transcription.formatting import (
    NOTHING,
    clean,
    effect_text,
    fixed,
    integer,
    seconds,
    setting,
    strategy_name,
)
from parallel_transcription.report.pages.answers import SHORT, short_answer
from parallel_transcription.report.pages.cells import badge, cell, mapping_text, span_text, table
from parallel_transcription.report.pages.description import machine_view
from parallel_transcription.report.pages.recommended import recommended_view
from parallel_transcription.results import summaries as tables
from parallel_transcription.results.read import Results


def published_view(results: Results, cpu: pd.DataFrame, label: str) -> list[dict]:
    """The published CPU tables; beside each row the same settings on this machine."""
    if cpu.empty:
        return []
    here = {}
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
        unit = str(group["cpu_in_use_unit"].iloc[0])
        rows = []
        for r in group.to_dict("records"):
            key = (str(strategy), int(r["instances"]), int(r["num_workers"]),
                   int(r["cpu_threads"]))  # fmt: skip
            mine = here.get(key)
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


def _here_cells(mine: dict | None) -> list[dict]:
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


def published_gpu_view(gpu: pd.DataFrame, results: Results) -> dict | None:
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


def _gpu_row(where: str, row: dict, times: list[float]) -> list[dict]:
    return [
        cell(clean(where, 40)),
        cell(clean(row["model"], 20)),
        cell(clean(row["compute_type"], 20)),
        cell(strategy_name(row["strategy"])),
        cell(integer(row["instances"]), True),
        cell(integer(row["gpus"]), True),
        *(cell(fixed(time, 1), True) for time in times),
    ]


def scoreboard_view(results: Results) -> dict | None:
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
            cell(badge(r.get("verdict"))["word"], badge=badge(r.get("verdict"))),
        ]
        if several:
            line.insert(2, cell(clean(r.get("machine"), 40)))
        last = claim
        cells.append(line)
    widths = [25, 26, 13, 21, 15] if several else [26, 32, 27, 15]
    return {**table(columns, cells), "size": "small", "prose": True, "widths": widths}


def _claims_in_order(rows: list[dict]):
    """Several machines stand below each other for each claim."""
    order = list(dict.fromkeys(str(r.get("claim")) for r in rows))
    return lambda r: (order.index(str(r.get("claim"))), str(r.get("machine")))


def _words(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return mapping_text(value) or NOTHING
    return clean(value, 300) or NOTHING


def machines_view(results: Results, numbered: bool = False) -> dict | None:
    """Several machines side by side: every verdict and effect; ``numbered``: questions 1 to 8."""
    labels = results.labels
    if len(labels) < 2:
        return None
    # more machines than fit on a line are in the data of findings.json
    labels = labels[:4]
    by = {(f.get("id"), f.get("machine")): f for f in results.findings}
    order = list(dict.fromkeys(f.get("id") for f in results.findings))
    rows = []
    for name in order:
        first = next(f for f in results.findings if f.get("id") == name)
        if numbered and not first.get("number"):
            continue
        question = SHORT.get(str(name)) if numbered else None
        line = [cell(question or clean(first.get("question"), 120))]
        for label in labels:
            f = by.get((name, label))
            line.append(
                cell(effect_text(f.get("effect")) if f else NOTHING,
                     badge=badge(f.get("verdict")) if f else None, stacked=True)
            )  # fmt: skip
        rows.append(line)
    view = table(["question", *(clean(x, 40) for x in labels)], rows)
    view["prose"] = True
    return view


def overview_view(results: Results) -> dict:
    """The answers on several machines: a row for each question, a column for each machine."""
    view = machines_view(results, numbered=True)
    return view or table(["question"], [])


def machines_side_by_side(results: Results) -> dict | None:
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
    for name in ("Throughput", "CPU", "Memory", "Slowest file"):
        values = [dict(c["facts"]).get(name, NOTHING) for c in chosen]
        title = {"CPU": "cores used", "Memory": "memory in use"}.get(name, name.lower())
        rows.append([cell(title.capitalize()), *(cell(v) for v in values)])
    view = table(["", *(clean(x, 40) for x in labels)], rows)
    return {**view, "size": "small", "prose": True}
