"""How a page shows the columns of a finding's evidence: a function for each kind of column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parallel_transcription import words
from parallel_transcription.report.pages.cells import Table, cell, table, threads_text
from parallel_transcription.results.finding import Column, Finding, Kind, Row
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING, is_missing


def _number(value: Any) -> float | None:
    """`value` as a number, or None; truth values are no numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or is_missing(value):
        return None
    return float(value)


def _decimals(value: float, column: Column) -> str:
    return words.fixed(value, column.decimals)


def _p_value(value: float, column: Column) -> str:
    return "< 0.001" if value < 0.001 else words.fixed(value, 3)


def _said(show: Callable[[float], str]) -> Callable[[float, Column], str]:
    return lambda value, column: show(value)


#: The kinds whose cells are numbers of one column.
NUMBERS: dict[Kind, Callable[[float, Column], str]] = {
    Kind.INTEGER: _said(words.integer),
    Kind.DECIMALS: _decimals,
    Kind.DIGITS: _said(words.number),
    Kind.SECONDS: _said(words.seconds),
    Kind.PERCENT: _said(lambda share: words.percent(share, decimals=1)),
    Kind.AS_WRITTEN: _said(words.as_written),
    Kind.THREADS: _said(threads_text),
    Kind.P_VALUE: _p_value,
}


def _interval(row: Row, column: Column) -> str:
    """An estimate with its interval; an end that is missing is open."""
    value = _number(row.get(column.name))
    if value is None:
        return NOTHING
    low, high = (_number(row.get(name)) for name in (column.low, column.high))
    return words.with_interval(value, low, high)


def _text(row: Row, column: Column) -> str:
    """Text, or the words for a code, with that of the column `more` after it."""
    values = [row.get(name) for name in (column.name, column.more) if name]
    parts = [clean(column.words.get(str(value), value), column.limit) for value in values]
    return "; ".join(p for p in parts if p) or NOTHING


def _strategy(row: Row, column: Column) -> str:
    return words.strategy_name(row.get(column.name))


def _mark(row: Row, column: Column) -> str:
    return "yes" if row.get(column.name) is True else ""


#: The others, which look at the whole row.
OTHERS: dict[Kind, Callable[[Row, Column], str]] = {
    Kind.INTERVAL: _interval,
    Kind.TEXT: _text,
    Kind.STRATEGY: _strategy,
    Kind.MARK: _mark,
}


def shown(row: Row, column: Column) -> str:
    """What a cell says."""
    if column.kind in OTHERS:
        return OTHERS[column.kind](row, column)
    value = _number(row.get(column.name))
    return NOTHING if value is None else NUMBERS[column.kind](value, column)


def evidence_table(finding: Finding) -> Table | None:
    """The rows of a finding that a page shows, as a table; None without evidence."""
    rows = finding.shown_rows
    if not rows:
        return None
    left_out = len(finding.evidence) - len(rows)
    note = f"{words.plural(left_out, 'row')} more in findings.json." if left_out else ""
    # a column in which nothing is known says nothing
    columns = [
        c for c in finding.columns if any(shown(row, c) not in ("", NOTHING) for row in rows)
    ]
    strong = [column.name for column in columns if column.strong]
    cells = []
    for row in rows:
        stands_out = "strong" if any(row.get(name) is True for name in strong) else ""
        cells.append(
            [
                cell(
                    shown(row, column),
                    column.kind in NUMBERS or column.kind == Kind.INTERVAL,
                    classes=stands_out + (" whole" if column.kind == Kind.STRATEGY else ""),
                )
                for column in columns
            ]
        )
    return table([column.header for column in columns], cells, note)
