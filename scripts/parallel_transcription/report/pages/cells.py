"""The cells, tables and badges that pages are made of.

Nothing is computed here but the choice of digits. Untrusted text (labels, file names, errors,
transcripts) is put on one line and kept short; the templates escape it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from parallel_transcription.results.finding import Effect
from parallel_transcription.untrusted import clean
from parallel_transcription.words import (
    NOTHING,
    as_written,
    integer,
    is_missing,
    number,
    seconds,
    value_and_interval,
)

#: What a template shows, by the names that it uses.
View = dict[str, Any]

VERDICTS = {
    "confirmed": ("✓", "confirmed"),
    "refuted": ("✗", "refuted"),
    "inconclusive": ("?", "inconclusive"),
    "not measured": (NOTHING, "not measured"),
}

#: What stands beside the results of models that were not trained for use, by kind of model.
MODEL_NOTICES = {
    "dummy": "dummy weights: real architecture and work, no meaningful text",
    "embedded": "small demonstration model",
}


# ---------------------------------------------------------------- cells


LONGEST_WORD = 14  # letters, in a cell: a longer one may be broken


@dataclass(frozen=True)
class Badge:
    """A verdict with its sign; `kind` names its look."""

    symbol: str
    word: str
    kind: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table; a badge stands in place of the text, or above it where it is stacked."""

    text: str
    numeric: bool = False
    badge: Badge | None = None
    classes: str = ""
    stacked: bool = False

    @property
    def keeps_words(self) -> bool:
        """Whether no word is so long that it may be broken."""
        return all(len(word) <= LONGEST_WORD for word in self.text.split())


def cell(
    text: Any,
    numeric: bool = False,
    badge: Badge | None = None,
    classes: str = "",
    stacked: bool = False,
) -> Cell:
    """A cell of text."""
    return Cell(str(text), numeric, badge, classes, stacked)


def amount(value: Any, show: Callable[[Any], str] = number, classes: str = "") -> Cell:
    """A cell with a number, or the dash of what is missing."""
    return Cell(NOTHING if is_missing(value) else show(value), numeric=True, classes=classes)


def badge(verdict: Any) -> Badge:
    """The badge of a verdict."""
    symbol, word = VERDICTS.get(str(verdict), ("?", clean(verdict, 30) or "not measured"))
    kind = str(verdict).replace(" ", "-") if str(verdict) in VERDICTS else "other"
    return Badge(symbol, word, kind)


# ---------------------------------------------------------------- tables


@dataclass(frozen=True)
class Style:
    """How a table looks.

    Attributes:
        classes: Its classes in the style sheet.
        size: Of its letters; as much has to fit on a line unless given.
        widths: Of its columns, in per cent of the table; as the cells need unless given.
    """

    classes: str = ""
    size: str = ""
    widths: Sequence[int] = ()


NUMBERS = Style()
NARROW = Style("narrow")
#: Sentences: every column has its share of the page.
PROSE = Style("prose")
SMALL_PROSE = Style("prose", "small")


@dataclass(frozen=True)
class Group:
    """A heading above several columns."""

    text: str
    span: int


@dataclass(frozen=True)
class Table:
    """A table for the templates.

    Attributes:
        columns: Headers, in order; numeric ones stand on the right, as their cells do.
        rows: A cell for each column.
        groups: Headings above the headers; none, or over all columns.
        classes: Its look, as classes of the style sheet.
        widths: Of the columns, in per cent; may be empty.
        wide: It needs a page across.
        whole: It is short enough to stay on one page.
        note: Stands below.
    """

    columns: list[Cell]
    rows: list[list[Cell]]
    groups: list[Group]
    classes: str
    widths: Sequence[int]
    wide: bool
    whole: bool
    note: str


def table(
    columns: Sequence[str],
    rows: list[list[Cell]],
    note: str = "",
    groups: Sequence[Group] = (),
    style: Style = NUMBERS,
) -> Table:
    """A table for the templates. Its size follows from how much has to fit on a line."""
    widths = [len(c) for c in columns]
    for row in rows:
        for i, one in enumerate(row):
            widths[i] = max(widths[i], min(len(one.text), 46))
    letters = sum(widths) + 2 * len(widths)
    size = style.size or ("normal" if letters <= 88 else "small" if letters <= 118 else "tiny")
    numeric = [
        bool(rows) and all(row[i].numeric or row[i].text in ("", NOTHING) for row in rows)
        for i in range(len(columns))
    ]
    return Table(
        columns=[Cell(c, n) for c, n in zip(columns, numeric, strict=True)],
        rows=rows,
        groups=list(groups),
        classes=" ".join(["data", f"size-{size}", *style.classes.split()]),
        widths=style.widths,
        wide=letters > 150,
        whole=len(rows) <= 14,
        note=note,
    )


# ---------------------------------------------------------------- texts


def is_empty(value: Any) -> bool:
    """Whether there is nothing to show: no value, text or list."""
    return is_missing(value) or value == "" or value == []


def notice(runs: pd.DataFrame) -> str:
    """What a page must say of the models whose results it shows."""
    kinds = set(runs["model_kind"])
    return "; ".join(text for kind, text in MODEL_NOTICES.items() if kind in kinds)


def model_notice(kind: str) -> str:
    """What stands beside the results of a model of this kind."""
    return MODEL_NOTICES.get(kind, "")


def threads_text(value: Any) -> str:
    """Threads of a worker in a column of such."""
    return "auto" if value == 0 else integer(value)


def span_text(value: float, bound: float) -> str:
    """A makespan in a column of such; beyond the limit as `> 60`."""
    if is_missing(value):
        return NOTHING
    return f"> {as_written(bound)}" if math.isinf(value) else seconds(value)


def effect_parts(effect: Effect | None) -> dict[str, str]:
    """An effect in two pieces: the value with its unit, and the interval."""
    if effect is None:
        return {"value": NOTHING, "interval": ""}
    unit = clean(effect.unit, 20)
    value, interval = value_and_interval(effect.value, effect.low, effect.high, unit)
    return {"value": value, "interval": interval}


def effect_text(effect: Effect | None) -> str:
    """An effect with its unit and interval: `1.003 s (0.991 to 1.017)`."""
    parts = effect_parts(effect)
    return f"{parts['value']} ({parts['interval']})" if parts["interval"] else parts["value"]


def mapping_text(value: Any) -> str:
    """A value out of JSON in words."""
    if isinstance(value, dict):
        return ", ".join(
            f"{clean(k, 40).replace('_', ' ')} {mapping_text(v)}"
            for k, v in value.items()
            if not is_empty(v) and v != {}
        )
    if isinstance(value, (list, tuple)):
        return " · ".join(mapping_text(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(value, 120)
