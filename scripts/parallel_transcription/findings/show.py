"""How a page shows the columns of evidence: `show.integer("files", "files")`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parallel_transcription.results.finding import Column, Kind, Row


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


def label(header: str = "configuration") -> Column:
    """The configuration in words."""
    return text("label", header)


def files() -> Column:
    """Files in parallel."""
    return integer("files", "files")


def workers(name: str = "workers") -> Column:
    """Workers of each model, or those counted in another column."""
    return integer(name, "workers")


def in_use() -> Column:
    """Workers that have a file at the same time."""
    return integer("workers_in_use", "in use")


def rounds() -> Column:
    """Matched rounds, or those of a configuration."""
    return integer("rounds", "rounds")


def threads() -> Column:
    """cpu_threads, where 0 lets the engine choose."""
    return Column("cpu_threads", "threads", Kind.THREADS)


def p_equivalent() -> Column:
    """The p-value of the test for equivalence, of this pair alone."""
    return Column("p_equivalent", "p equivalent (alone)", Kind.P_VALUE)


def strategy() -> Column:
    """The strategy in words."""
    return Column("strategy", "strategy", Kind.STRATEGY)


def interval(name: str, header: str, low: str, high: str) -> Column:
    """An estimate with its interval, from three columns."""
    return Column(name, header, Kind.INTERVAL, low=low, high=high)


def ratio(header: str = "ratio") -> Column:
    """The ratio of a comparison with its interval."""
    return interval("ratio", header, "low", "high")


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
    """Columns for these rows.

    In front whichever of model, type and device is not always one; beside rounds matches, if any.
    """
    varying = [c for c in VARYING if len({str(row.get(c.name)) for row in rows}) > 1]
    found = [*varying, *columns]
    if any(row.get("matches") for row in rows):
        names = [c.name for c in found]
        place = names.index("rounds") + 1 if "rounds" in names else len(found)
        found.insert(place, integer("matches", "matches"))
    return found
