"""The findings as pages show them: questions, answers, evidence, sections."""

from __future__ import annotations

from parallel_transcription.report.pages.cells import View, badge, effect_parts, effect_text, notice
from parallel_transcription.report.pages.evidence import evidence_table
from parallel_transcription.results.finding import Effect, Finding, Verdict
from parallel_transcription.results.read import Results
from parallel_transcription.study.configuration import slug
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING, integer, level, plural


def finding_view(finding: Finding, results: Results) -> View:
    """A finding as a section shows it; with its group where the machine has several."""
    more, effect = finding.more_rounds, finding.effect
    own = results.of(finding.machine)
    same = [f for f in own.findings if f.id == finding.id]
    # one that stands for all work of the machine needs no name
    several = len(same) > 1 or (finding.group is not None and own.groups[0] != finding.group)
    return {
        "id": clean(finding.id, 60),
        "anchor": _anchor(finding),
        "number": finding.number,
        "question": clean(finding.question, 200),
        "short_question": clean(finding.short_question, 60),
        "claim": clean(finding.claim, 300),
        "machine": clean(finding.machine, 80),
        "label": finding.machine,
        "group": clean(finding.group, 80) if several else "",
        "leads": finding is same[0],
        "badge": badge(finding.verdict),
        "answer": clean(finding.answer, 1200),
        "in_short": _in_short(finding),
        "effect": effect_text(effect),
        "effect_parts": effect_parts(effect),
        "effect_name": clean(effect.name, 80) if effect else "",
        "confidence": _confidence(effect),
        "figure": finding.figure,
        "scaling": any(row.get("contention") is not None for row in finding.evidence),
        "evidence": evidence_table(finding),
        "change": clean(finding.change, 600),
        "more_rounds": more
        and {"rounds": integer(more.rounds), "command": clean(more.command, 2000)},
        "more_minutes": finding.more_minutes
        and {
            "minutes": plural(finding.more_minutes.minutes, "more minute"),
            "command": clean(finding.more_minutes.command, 2000),
        },
        "notes": [clean(n, 600) for n in finding.notes],
        "notice": notice(own.runs),
    }


def _anchor(finding: Finding) -> str:
    """What links to the finding are to: its question, machine and group, as an id of HTML."""
    parts = (finding.id, finding.machine, str(finding.group or ""))
    return "-".join(slug(part) for part in parts if part)


def _in_short(finding: Finding) -> str:
    """What the first page says; of a finding that has no data, where to read on."""
    if finding.verdict == Verdict.NOT_MEASURED and finding.number:
        return f"Section {finding.number} says how to measure it."
    return clean(finding.in_short, 200)


def _confidence(effect: Effect | None) -> str:
    if effect is None or (effect.low is None and effect.high is None):
        return ""
    return level(effect.confidence)


def sections(results: Results) -> list[View]:
    """The questions with a number, each with its findings on every machine."""
    found = []
    aside = set_aside(results)
    for number in sorted({f.number for f in results.findings if f.number}):
        findings = [f for f in results.findings if f.number == number]
        order = list(dict.fromkeys(f.id for f in findings))
        alone = len(order) == 1
        findings.sort(key=lambda f: (order.index(f.id), f.machine))  # groups stay in order
        found.append(
            {
                "number": number,
                # a section of one question has it as its title
                "title": clean(findings[0].question if alone else findings[0].chapter, 200),
                "alone": alone,
                "set_aside": number in aside,
                "findings": _figures_once([finding_view(f, results) for f in findings]),
            }
        )
    return found


def set_aside(results: Results) -> list[int]:
    """Sections that the first page sums up in a line: a study of loads alone, or of starts alone.

    Where most questions are not measured, those of sections without any answer.
    """
    asked = [f for f in results.findings if f.number]
    open_ones = [f for f in asked if f.verdict == Verdict.NOT_MEASURED]
    if 2 * len(open_ones) <= len(asked):
        return []
    measured = {f.number for f in asked if f.verdict != Verdict.NOT_MEASURED}
    return sorted({f.number for f in asked} - measured) if measured else []


def set_aside_view(results: Results) -> View | None:
    """Those sections in a line; None without any."""
    numbers = set_aside(results)
    if not numbers:
        return None
    rows = [
        {
            "number": f.number,
            "question": clean(f.question, 200),
            "how": clean(f.answer, 500),
        }
        for f in sorted(results.findings, key=lambda f: f.number)
        if f.number in numbers
    ]
    # one line for each question, whatever the machine and the group
    rows = list({row["question"]: row for row in rows}.values())
    text = "Not measured in this study; the section of that name says how to measure it."
    return {"numbers": _ranges(numbers), "text": text, "rows": rows}


def _ranges(numbers: list[int]) -> str:
    """Numbers in a row with dashes: "1–8, 10"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{p[0]}{NOTHING}{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def _figures_once(views: list[View]) -> list[View]:
    """Mark findings whose figure another one of the section has shown already."""
    seen: set[tuple[str, str | None]] = set()
    marked = []
    for view in views:
        key = (view["label"], view["figure"])
        # a figure is drawn of the leading group
        marked.append({**view, "figure_shown": key in seen or not view["leads"]})
        seen.add(key)
    return marked
