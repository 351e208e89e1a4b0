"""A finding: the answer to one question for one kind of work on a machine, as findings.json has it.

The findings write it, the report reads it, and neither knows the other: a finding describes itself,
with the columns of its evidence, the rows that a page shows, and its chapter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from parallel_transcription.results.typed import read_checked, unusable

#: A row of evidence: its values by column.
Row = dict[str, Any]


class Verdict(StrEnum):
    """What a finding says of its claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, order=True)
class Group:
    """Equal work on one kind of device: verdicts are given for one at a time."""

    model: str
    compute_type: str
    device: str

    def __str__(self) -> str:
        where = " on GPUs" if self.device == "cuda" else ""
        return f"{self.model}, {self.compute_type}{where}"


@dataclass(frozen=True)
class Effect:
    """A number with its interval (an end that is None is open or not known), in its unit."""

    name: str
    value: float
    low: float | None
    high: float | None
    unit: str
    confidence: float


@dataclass(frozen=True)
class MoreRounds:
    """So many rounds in all would decide what is open; the command measures them."""

    rounds: int
    command: str


@dataclass(frozen=True)
class MoreMinutes:
    """So many minutes more of matches would decide what is open; the command measures them."""

    minutes: int
    command: str


class Kind(StrEnum):
    """How a page shows the values of a column."""

    INTEGER = "integer"
    DECIMALS = "decimals"  # so many `decimals`
    DIGITS = "digits"  # three significant digits
    SECONDS = "seconds"
    PERCENT = "percent"  # of a share
    AS_WRITTEN = "as_written"  # a number as someone wrote it in a study
    THREADS = "threads"  # 0 is "auto"
    P_VALUE = "p_value"
    INTERVAL = "interval"  # with its ends in the columns `low` and `high`
    TEXT = "text"  # in `words` where it is a code; that of the column `more` after it
    STRATEGY = "strategy"
    MARK = "mark"  # "yes" where it is true


@dataclass(frozen=True)
class Column:
    """A column of evidence that a page shows."""

    name: str
    header: str
    kind: Kind
    decimals: int = 2
    low: str = ""
    high: str = ""
    more: str = ""
    limit: int = 120  # letters of a text
    words: dict[str, str] = field(default_factory=dict)
    strong: bool = False  # rows with this mark stand out

    def to_json(self) -> Row:
        """What differs from the defaults."""
        known = {f.name: f for f in dataclasses.fields(self)}
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if value != known[name].default and not (name == "words" and not value)
        }


@dataclass(frozen=True)
class Finding:
    """The answer to one question on one machine, for one group of equal work.

    `doubt`: what keeps it open whatever its own rule says; "" for nothing. `evidence` rows all have
    the same keys. `figure` is the id of its figure, None where there is
    nothing to draw. `shown` are the rows of evidence that a page shows, in their order there.
    """

    id: str
    number: int
    question: str
    claim: str
    machine: str
    verdict: Verdict
    answer: str
    in_short: str
    effect: Effect | None
    evidence: list[Row]
    figure: str | None
    runs: list[str]
    change: str
    more_rounds: MoreRounds | None
    notes: list[str]
    short_question: str
    chapter: str
    columns: list[Column]
    shown: list[int]
    group: Group | None = None
    more_minutes: MoreMinutes | None = None
    ladder: list[Row] = field(default_factory=list)  # looks at the matches that decide it
    doubt: str = ""

    @property
    def shown_rows(self) -> list[Row]:
        """The rows of evidence that a page shows."""
        return [self.evidence[k] for k in self.shown]

    def to_json(self) -> Row:
        """The finding as findings.json holds it."""
        return dataclasses.asdict(self) | {"columns": [c.to_json() for c in self.columns]}


def to_json(findings: Iterable[Finding]) -> list[Row]:
    """The content of findings.json."""
    return [finding.to_json() for finding in findings]


def read_findings(path: Path) -> list[Finding]:
    """The findings that a file holds, checked; none where there is no file.

    Raises:
        TableError: The file is there and holds something else.
    """
    found = read_checked(path, list[Finding]) or []
    for finding in found:
        if not all(0 <= k < len(finding.evidence) for k in finding.shown):
            raise unusable(path, f"{finding.id}.shown names rows that are not there")
    return found
