"""What a search did: what was measured, what came next and why, and how sure its end is."""

from __future__ import annotations

from dataclasses import replace

from parallel_transcription.report.pages.cells import (
    PROSE,
    Cell,
    Table,
    View,
    amount,
    cell,
    table,
)
from parallel_transcription.results.read import Results
from parallel_transcription.results.searched import Considered, HeatDone, Searched
from parallel_transcription.untrusted import clean
from parallel_transcription.words import NOTHING, duration, integer, listing, percent, plural

OBJECTIVES = {
    "throughput": "the most throughput",
    "core_seconds": "the fewest core-seconds for a second of audio",
    "slowest_file": "the shortest time for the slowest file",
    "p95": "the lowest p95 of the latency",
}
STATES = {
    "measured": "measured",
    "predicted": "not measured",
    "out": "measured, not to be chosen",
    "struck": "struck without measuring",
}
MOST_ROWS = 12
#: Of the columns of the best settings, in parts of those that there are.
WIDTHS = {"setting": 40, "work": 26, "state": 16, "runs": 7, "against the best": 17, "why": 26}


def search_view(results: Results, label: str) -> View | None:
    """The search of a machine; None where its study had none."""
    found = results.searches.get(label)
    if found is None:
        return None
    return {
        "label": label,
        "told": _told(found),
        "certificates": [_certificate(found, k) for k in range(len(found.certificates))],
        "table": _best_settings(found),
        "heats": table(
            ["heat", "measured, and what for", "took (s)", "best after it", "nothing better by"],
            [_heat(one, _names(found)) for one in found.heats],
            style=replace(PROSE, widths=(6, 50, 9, 21, 14)),
        ),
    }


def _told(found: Searched) -> str:
    measured, whole = found.count("measured", "out"), len(found.configurations)
    struck = found.count("struck")
    share = percent(found.seconds / found.grid_s, decimals=0) if found.grid_s > 0 else NOTHING
    text = (
        f"Searched for {OBJECTIVES.get(found.objective, found.objective)}: "
        f"{integer(measured)} of {plural(whole, 'configuration')} measured in "
        f"{plural(len(found.heats), 'heat')} and {duration(found.seconds)}, {share} of what the "
        f"whole grid would take ({duration(found.grid_s)}, as predicted). "
    )
    if struck:
        text += f"{integer(struck)} were struck without measuring. "
    return text + f"It ended with: {clean(found.stopped, 60)}."


def _certificate(found: Searched, place: int) -> str:
    one, names = found.certificates[place], _names(found)
    work = next((c.work for c in found.configurations if c.configuration == one.best), "")
    return (
        f"{clean(work, 80)}: best so far {names.get(one.best, NOTHING)}. With a chance of 90 % no "
        f"setting of the grid is better by more than {percent(one.better_by)}; what the best of "
        f"the grid has before it is expected to be {percent(one.expected)}."
    )


def _names(found: Searched) -> dict[str, str]:
    return {one.configuration: clean(one.name, 80) for one in found.configurations}


def _shown(found: Searched) -> list[Considered]:
    """The best, measured or not, then what is out."""
    order = {"measured": 0, "predicted": 0, "out": 1, "struck": 2}
    ranked = sorted(
        found.configurations, key=lambda c: (order.get(c.state, 3), -(c.relative or 0.0))
    )
    return ranked[:MOST_ROWS]


def _best_settings(found: Searched) -> Table:
    """Columns that would say the same in each row, or nothing in any, are left out."""
    shown = _shown(found)
    works, reasons = len({one.work for one in shown}) > 1, any(one.reason for one in shown)
    columns = ["setting", *(["work"] if works else []), "state", "runs", "against the best"]
    rows = [
        [
            cell(clean(one.name, 80)),
            *([cell(clean(one.work, 80))] if works else []),
            cell(STATES.get(one.state, clean(one.state, 40))),
            amount(one.runs, integer),
            cell(_against(one), numeric=True),
            *([cell(clean(one.reason, 160))] if reasons else []),
        ]
        for one in shown
    ]
    columns += ["why"] if reasons else []
    whole = sum(WIDTHS[name] for name in columns)
    widths = [round(100 * WIDTHS[name] / whole) for name in columns]
    return table(columns, rows, style=replace(PROSE, widths=widths))


def _against(one: Considered) -> str:
    if one.relative is None or one.sd is None:
        return NOTHING
    return f"{percent(one.relative - 1, decimals=1)} ± {percent(2 * one.sd, decimals=1)}"


def _heat(one: HeatDone, names: dict[str, str]) -> list[Cell]:
    reasons: dict[str, list[str]] = {}
    for side in one.sides:
        reasons.setdefault(side.why, []).append(names.get(side.configuration, NOTHING))
    told = "; ".join(f"{clean(why, 30)}: {listing(sides)}" for why, sides in reasons.items())
    bound = NOTHING if one.better_by is None else percent(one.better_by)
    return [
        amount(one.round, integer),
        cell(told),
        amount(one.seconds),
        cell(names.get(one.best, NOTHING)),
        cell(bound, numeric=True),
    ]
