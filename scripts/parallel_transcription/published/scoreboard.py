"""The scoreboard: every claim of the published text, its numbers, ours, and the verdict.

Claims and the way each is judged are data (resources/published/claims.yaml); the numbers on our
side come from the findings alone, those on the published side from its own tables. One entry per
claim and machine. A claim whose finding or rows do not exist is "not measured".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallel_transcription import words
from parallel_transcription.published.claims import Bounds, Claim, Published, Rows, Rule
from parallel_transcription.results.finding import Finding, Row, Verdict
from parallel_transcription.results.typed import read_checked

NOT_HERE = "Not measured here."
#: What the ratios are of, and their column, where a claim is judged by another column than times.
_RATIOS = {"cpu_standing": ("CPU seconds", "cpu_ratio"), "cores_standing": ("cores", "cores_ratio")}
UNJUDGED = (None, "", "not judged")


@dataclass(frozen=True)
class Line:
    """A claim beside what was measured on a machine, as scoreboard.json holds it."""

    id: str
    claim: str
    source: str
    published: str
    published_tables: str
    ours: str
    verdict: Verdict
    machine: str
    finding: str | None
    ours_in_short: str


@dataclass(frozen=True)
class Judged:
    """The verdict on a claim, with our numbers in words."""

    verdict: Verdict
    ours: str
    in_short: str


def scoreboard(findings: Iterable[Finding], published: Published) -> list[Line]:
    """One entry per machine and claim, machines by label, claims in their order."""
    by_machine: dict[str, dict[str, list[Finding]]] = {}
    for finding in findings:
        by_machine.setdefault(finding.machine, {}).setdefault(finding.id, []).append(finding)
    return [
        _line(claim, machine, by_machine[machine], published)
        for machine in sorted(by_machine)
        for claim in published.claims
    ]


def to_json(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """The content of scoreboard.json."""
    return [dataclasses.asdict(line) for line in lines]


def read_scoreboard(path: Path) -> list[Line]:
    """The scoreboard that a file holds, checked; none where there is no file.

    Raises:
        TableError: The file is there and holds something else.
    """
    return read_checked(path, list[Line]) or []


def _line(claim: Claim, machine: str, own: dict[str, list[Finding]], published: Published) -> Line:
    rule = claim.judged_by
    if rule is None:
        judged = Judged(Verdict.NOT_MEASURED, claim.ours, claim.ours)
    else:
        # of the leading group of work, or of the first that measured it
        found: list[Finding | None] = [*own.get(rule.finding, [])]
        each = [judge_claim(finding, rule) for finding in found or [None]]
        judged = next((one for one in each if one.verdict != Verdict.NOT_MEASURED), each[0])
    return Line(
        id=claim.id,
        claim=claim.claim,
        source=f"{published.source}: {claim.source}",
        published=claim.published,
        published_tables=published.says(claim),
        ours=judged.ours,
        verdict=judged.verdict,
        machine=machine,
        finding=rule.finding if rule else None,
        ours_in_short=judged.in_short,
    )


def judge_claim(finding: Finding | None, rule: Rule) -> Judged:
    """The verdict on a claim, from its finding."""
    if finding is None:
        return Judged(Verdict.NOT_MEASURED, NOT_HERE, NOT_HERE)
    not_measured = finding.verdict == Verdict.NOT_MEASURED
    if rule.rows is None or (not_measured and not finding.evidence):
        return Judged(finding.verdict, finding.answer, finding.in_short or NOT_HERE)
    chosen = [row for row in finding.evidence if _is_chosen(row, rule.rows.where)]
    if rule.rows.above is not None:
        verdict, numbers = _above(chosen, rule.rows.above)
    else:
        verdict, numbers = _by_values(chosen, rule.rows)
    if finding.doubt and verdict != Verdict.NOT_MEASURED:  # it is of all times of the group
        return Judged(Verdict.INCONCLUSIVE, f"{finding.doubt} {numbers}", finding.in_short)
    return Judged(verdict, numbers, numbers)


def _is_chosen(row: Row, where: dict[str, Any]) -> bool:
    return all(
        row.get(column) in (value if isinstance(value, list) else [value])
        for column, value in where.items()
    )


def _by_values(rows: list[Row], rule: Rows) -> tuple[Verdict, str]:
    values = [row[rule.column] for row in rows if row.get(rule.column) not in UNJUDGED]
    if not values:
        return Verdict.NOT_MEASURED, NOT_HERE
    some = set(values)
    numbers = "; ".join(
        f"{values.count(v)} of {len(values)}: {rule.said.get(v, v)}" for v in sorted(some)
    )
    what, column = _RATIOS.get(rule.column, ("makespan", "ratio"))
    numbers += _range(what, [r[column] for r in rows if r.get(column) is not None])
    if some & set(rule.refuted_if_any):
        return Verdict.REFUTED, numbers
    if some <= set(rule.confirmed_if_all) or some & set(rule.confirmed_if_any):
        return Verdict.CONFIRMED, numbers
    if some <= set(rule.refuted_if_all):
        return Verdict.REFUTED, numbers
    return Verdict.INCONCLUSIVE, numbers


def _range(what: str, ratios: list[float]) -> str:
    if not ratios:
        return ""
    low, high = words.times(min(ratios)), words.times(max(ratios))
    return f" ({what} ratio {low if low == high else f'{low} to {high}'})"


def _above(rows: list[Row], bounds: Bounds) -> tuple[Verdict, str]:
    known = [r for r in rows if r.get(bounds.low) is not None]
    if not known:
        return Verdict.NOT_MEASURED, NOT_HERE
    low, high, values = (
        [r[name] for r in known] for name in (bounds.low, bounds.high, bounds.estimate)
    )
    numbers = f"{words.times(min(values))} to {words.times(max(values))} times as fast"
    if len(values) == 1:
        level = known[0].get(f"{bounds.low}_level") or 0.95
        numbers = words.estimate(values[0], low[0], high[0], level, of="times as fast")
    if all(v > bounds.limit for v in low):
        return Verdict.CONFIRMED, numbers
    if all(v is not None and v < bounds.limit for v in high):
        return Verdict.REFUTED, numbers
    return Verdict.INCONCLUSIVE, numbers
