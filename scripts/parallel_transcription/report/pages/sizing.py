"""Machines for a traffic, as a table."""

from __future__ import annotations

from parallel_transcription.report.pages.cells import Cell, Table, amount, cell, table
from parallel_transcription.results.read import Results
from parallel_transcription.results.sizing import Sizing
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING, integer, number, percent


def sizing_view(results: Results) -> Table | None:
    """What each kind of machine takes of the traffic and costs; None without a traffic."""
    if not results.sizing:
        return None
    columns = ["machine", "load", "settings", "requests per s of one", "in the busiest hour",
               "machines", "busy", "audio a day (h)", "machine hours a day",
               "cost of an hour of audio"]  # fmt: skip
    return table(columns, [_row(one) for one in results.sizing])


def _row(one: Sizing) -> list[Cell]:
    hours = f"{number(one.machine_hours_following)} to {number(one.machine_hours_fixed)}"
    cost = NOTHING
    if one.cost_fixed is not None and one.cost_following is not None:
        cost = f"{number(one.cost_following)} to {number(one.cost_fixed)} {clean(one.currency, 10)}"
        if one.note:
            cost += f" ({clean(one.note, 80)})"
    return [
        cell(clean(one.machine, 60)),
        cell(f"{clean(one.load, 60)}, {clean(one.objectives, 60)}"),
        cell(clean(one.snippet, 200)),
        amount(one.rate),
        amount(one.peak_rate),
        amount(one.machines, integer),
        cell(percent(one.busy, decimals=0), numeric=True),
        amount(one.audio_hours),
        cell(hours, numeric=True),
        cell(cost, numeric=True),
    ]
