"""What a ladder of rates came to: what each configuration carries, and why it was left there."""

from __future__ import annotations

from parallel_transcription.report.pages.cells import Cell, View, amount, cell, table
from parallel_transcription.results.climbed import Climbed, Ladder
from parallel_transcription.results.read import Results
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING, duration, integer, number, plural


def ladder_view(results: Results, label: str) -> View | None:
    """The ladder of a machine; None where its study had none."""
    found = results.ladders.get(label)
    if found is None:
        return None
    columns = ["settings", "met (per s)", "missed (per s)", "open (per s)", "rounds", "took",
               "why no more"]  # fmt: skip
    return {
        "label": label,
        "told": _told(found),
        "table": table(columns, [_row(one, found) for one in found.settings]),
    }


def _told(found: Ladder) -> str:
    return (
        f"Fresh runs, up and down the ladder of rates, to find the largest load within "
        f"{clean(found.objectives, 120)}: {plural(found.runs, 'run')} in "
        f"{duration(found.seconds)} of {duration(found.budget_s)}. It ended with: "
        f"{clean(found.stopped, 60)}."
    )


def _row(one: Climbed, found: Ladder) -> list[Cell]:
    several = len({other.load for other in found.settings}) > 1
    name = f"{clean(one.name, 80)}, {clean(one.load, 80)}" if several else clean(one.name, 80)
    missed = NOTHING if one.missed is None else number(one.missed)
    return [
        cell(name),
        cell(number(one.met) if one.met else NOTHING, numeric=True),
        cell(missed, numeric=True),
        cell(", ".join(number(rate) for rate in one.open) or NOTHING, numeric=True),
        amount(one.rounds, integer),
        cell(duration(one.seconds), numeric=True),
        cell(clean(one.why, 80)),
    ]
