"""What matches decided: each pair with its looks, passes and minutes."""

from __future__ import annotations

from parallel_transcription.report.pages.cells import Cell, View, amount, cell, table
from parallel_transcription.results.read import Results
from parallel_transcription.results.summaries import DecidedPair, decided_pairs
from parallel_transcription.untrusted import clean
from parallel_transcription.words import integer, number, plural, with_interval

SIZES = {"within": "equal within the margin", "open": "open"}


def matches_view(results: Results, label: str) -> View | None:
    """The pairs that matches decide on a machine; None where there are no matches."""
    mine = results.of(label)
    met = mine.matches
    if met.empty:
        return None
    of_match = met.groupby("round")
    minutes = float(of_match["match_s"].first().sum()) / 60
    passes = met[met["repeat"] > 0]
    measured = float(passes["makespan_s"].sum()) / 60 / minutes
    pairs = decided_pairs(mine)
    apart = int((~of_match["together"].first()).sum())
    ended = int(met[met["repeat"] == 0]["round"].nunique())
    told = (
        f"{plural(of_match.ngroups, 'match', 'matches')} with {integer(len(passes))} passes in "
        f"{number(minutes, 2)} minutes; {100 * measured:.0f} % of that time is measured."
    )
    if apart:
        told += f" In {integer(apart)} the sides did not fit together and were loaded in turn."
    if ended:
        told += f" {integer(ended)} ended early, as a side failed; their whole blocks count."
    return {
        "label": label,
        "told": told,
        "table": table(
            ["question", "A", "B", "matches", "passes of a side", "A / B", "outcome"],
            [_row(pair) for pair in pairs],
        )
        if pairs
        else None,
    }


def _row(pair: DecidedPair) -> list[Cell]:
    last = pair.last
    return [
        cell(clean("; ".join(pair.questions), 120)),
        cell(clean(pair.side_a, 80)),
        cell(clean(pair.side_b, 80)),
        amount(last["matches"], integer),
        amount(last["passes"], integer),
        cell(with_interval(last["ratio"], last["low"], last["high"]), numeric=True),
        cell(_outcome(pair)),
    ]


def _outcome(pair: DecidedPair) -> str:
    if pair.size == "beyond":
        return f"{'A' if pair.last['ratio'] < 1 else 'B'} faster beyond the margin"
    return SIZES.get(pair.size, pair.size)
