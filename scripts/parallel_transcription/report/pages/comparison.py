"""Machines beside each other."""

from __future__ import annotations

from typing import Any

from parallel_transcription.formatting import NOTHING, clean
from parallel_transcription.report.pages.answers import effect_in_words
from parallel_transcription.report.pages.cells import badge, cell, table
from parallel_transcription.report.pages.description import machine_view
from parallel_transcription.report.pages.recommended import recommended_view
from parallel_transcription.results.read import Results


def overview_view(results: Results) -> dict[str, Any]:
    """The answers on several machines: a row for each question, a column for each machine."""
    labels = results.labels
    if len(labels) < 2:
        return table(["question"], [])
    # more machines than fit on a line are in the data of findings.json
    labels = labels[:4]
    by = {(f.id, f.machine): f for f in results.findings}
    questions = {f.id: f.short_question for f in results.findings if f.number}
    rows = []
    for name, question in questions.items():
        line = [cell(clean(question, 120))]
        for label in labels:
            f = by.get((name, label))
            line.append(
                cell(
                    effect_in_words(f.effect) if f else NOTHING,
                    badge=badge(f.verdict) if f else None,
                    stacked=True,
                )
            )
        rows.append(line)
    view = table(["question", *(clean(x, 40) for x in labels)], rows)
    view["prose"] = True
    return view


def machines_side_by_side(results: Results) -> dict[str, Any] | None:
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
