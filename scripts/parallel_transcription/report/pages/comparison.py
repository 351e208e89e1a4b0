"""Machines beside each other."""

from __future__ import annotations

from parallel_transcription.report.pages.cells import (
    PROSE,
    SMALL_PROSE,
    Cell,
    Table,
    badge,
    cell,
    effect_text,
    table,
)
from parallel_transcription.report.pages.description import machine_view
from parallel_transcription.report.pages.recommended import recommended_view
from parallel_transcription.results.finding import Finding
from parallel_transcription.results.read import Results
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING


def overview_view(results: Results) -> Table:
    """The answers on several machines: a row for each question, a column for each machine."""
    labels = results.labels
    if len(labels) < 2:
        return table(["question"], [])
    # more machines than fit on a line are in the data of findings.json
    labels = labels[:4]
    leading: dict[tuple[str, str], Finding] = {}
    of_group: dict[tuple[str, str, str], Finding] = {}
    for f in results.findings:
        if leading.setdefault((f.id, f.machine), f) is not f:
            of_group[f.id, str(f.group), f.machine] = f
    questions = {f.id: f.short_question for f in results.findings if f.number}
    rows = []
    for name, question in questions.items():
        named = clean(question, 120)
        rows.append([cell(named), *(_answer(leading.get((name, label))) for label in labels)])
        for group in sorted({g for id, g, _ in of_group if id == name}):
            others = (_answer(of_group.get((name, group, label))) for label in labels)
            rows.append([cell(clean(group, 80), classes="group"), *others])
    return table(["question", *(clean(x, 40) for x in labels)], rows, style=PROSE)


def _answer(finding: Finding | None) -> Cell:
    """Verdict and effect of a finding; a dash where the machine has none."""
    if finding is None:
        return cell(NOTHING)
    return cell(effect_text(finding.effect), badge=badge(finding.verdict), stacked=True)


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
