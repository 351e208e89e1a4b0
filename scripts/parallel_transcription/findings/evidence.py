"""The evidence of a finding: what a row of a comparison holds, and how a page shows its columns.

Rows hold numbers and codes; the words for codes stand in the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from parallel_transcription import formatting, statistics
from parallel_transcription.findings.machine import Pair
from parallel_transcription.results.finding import Column, Kind, Row
from parallel_transcription.statistics import Comparison

NOT_JUDGED = "not judged"
# codes of `outcome` and `remark`
OUTCOMES = {statistics.A_FASTER: "a_faster", statistics.B_FASTER: "b_faster"}
SLIGHTLY = {"A": "a_slightly_faster", "B": "b_slightly_faster"}
BOUNDS = {"at least": "ratio_at_least", "at most": "ratio_at_most"}


def median_of(rounds: pd.DataFrame, name: str) -> float | None:
    """A meter's median over the rounds that have it; None where none has."""
    known = rounds[name].dropna()
    return float(known.median()) if len(known) else None


def pair_row(pair: Pair, result: Comparison) -> Row:
    """What a row of evidence holds of a comparison; ratios are A / B of makespans."""
    a, b = pair.configurations
    return {
        "rounds": result.rounds,
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "low_equivalence": result.low_equivalence,
        "high_equivalence": result.high_equivalence,
        "median_ratio": result.median_ratio,
        "median_low": result.median_low,
        "median_high": result.median_high,
        "outcome": OUTCOMES.get(result.outcome, result.outcome),
        "size": result.size,
        "remark": BOUNDS.get(result.bound) or SLIGHTLY.get(result.slightly, ""),
        "p_equivalent": result.tests.p_equivalent,
        "p_difference": result.tests.p_difference,
        "spread": result.sd,
        "makespan_a_s": pair.a["makespan_s"].median() if len(pair.a) else None,
        "makespan_b_s": pair.b["makespan_s"].median() if len(pair.b) else None,
        "censored_rounds": result.censored_a + result.censored_b + result.censored_both,
        "disturbed_rounds": pair.disturbed,
        "configuration_a": a,
        "configuration_b": b,
    }


def faster_than_margin(result: Comparison, alpha: float, yes: str, no: str, neither: str) -> str:
    """`yes` where B is shown to be faster than A by more than the margin, `no` where it is not."""
    if result.tests.p_above <= alpha and result.tests.p_difference <= alpha:
        return yes
    return no if result.tests.p_not_above <= alpha else neither


def in_order(rows: Sequence[Row], keys: Sequence[str]) -> list[int]:
    """Places of the rows by these values: numbers by size, then words, then what is missing."""
    return sorted(range(len(rows)), key=lambda k: [_place(key, rows[k].get(key)) for key in keys])


def _place(key: str, value: Any) -> tuple[int, float, str]:
    if key == "strategy":
        value = formatting.strategy_place(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, float(value), ""
    return 2 if value is None else 1, 0.0, str(value)


# --- columns ------------------------------------------------------------------------------------


def integer(name: str, header: str) -> Column:
    """A whole number."""
    return Column(name, header, Kind.INTEGER)


def decimals(name: str, header: str, places: int = 2) -> Column:
    """A number with so many decimals."""
    return Column(name, header, Kind.DECIMALS, decimals=places)


def digits(name: str, header: str) -> Column:
    """A number with three significant digits."""
    return Column(name, header, Kind.DIGITS)


def seconds(name: str, header: str) -> Column:
    """A time in seconds."""
    return Column(name, header, Kind.SECONDS)


def percent(name: str, header: str) -> Column:
    """A share, in per cent."""
    return Column(name, header, Kind.PERCENT)


def as_written(name: str, header: str) -> Column:
    """A number as someone wrote it in a study."""
    return Column(name, header, Kind.AS_WRITTEN)


def threads() -> Column:
    """cpu_threads, where 0 lets the engine choose."""
    return Column("cpu_threads", "threads", Kind.THREADS)


def p_equivalent() -> Column:
    """The p-value of the test for equivalence."""
    return Column("p_equivalent", "p equivalent", Kind.P_VALUE)


def strategy() -> Column:
    """The strategy in words."""
    return Column("strategy", "strategy", Kind.STRATEGY)


def interval(name: str, header: str, low: str, high: str, places: int = 3) -> Column:
    """An estimate with its interval, from three columns."""
    return Column(name, header, Kind.INTERVAL, places, low, high)


def ratio(header: str = "ratio", places: int = 3) -> Column:
    """The ratio of a comparison with its interval."""
    return interval("ratio", header, "low", "high", places)


def mark(name: str, header: str, strong: bool = False) -> Column:
    """Yes or nothing; rows with a `strong` mark stand out."""
    return Column(name, header, Kind.MARK, strong=strong)


def text(name: str, header: str, more: str = "", limit: int = 120) -> Column:
    """Text, with that of the column `more` after it."""
    return Column(name, header, Kind.TEXT, more=more, limit=limit)


def code(name: str, header: str, said: dict[str, str]) -> Column:
    """A code that a page says in words; one without words is shown as it is."""
    return Column(name, header, Kind.TEXT, words=said)


def outcome(sides: tuple[str, str], header: str = "outcome", with_remark: bool = True) -> Column:
    """What came out of a comparison of two sides, in words."""
    a, b = sides
    said = {
        "a_faster": f"{a} faster",
        "b_faster": f"{b} faster",
        "a_slightly_faster": f"equivalent, {a} slightly faster",
        "b_slightly_faster": f"equivalent, {b} slightly faster",
        "ratio_at_least": "ratio at least this (time limit reached)",
        "ratio_at_most": "ratio at most this (time limit reached)",
    }
    more = "remark" if with_remark else ""
    return Column("outcome", header, Kind.TEXT, more=more, words=said)


# shown before the others where their values differ
VARYING = (
    text("model", "model", limit=40),
    text("compute_type", "type", limit=20),
    text("device", "device", limit=20),
)


def with_varying(columns: Iterable[Column], rows: Sequence[Row]) -> list[Column]:
    """Columns for these rows: in front, whichever of model, type and device is not always one."""
    varying = [c for c in VARYING if len({str(row.get(c.name)) for row in rows}) > 1]
    return [*varying, *columns]
