"""10 Capacity: which load does this machine carry within the study's objectives?

Claim: some configuration keeps all objectives of `slo` at some rate that was measured.

Per configuration, over its rates from the lowest up (`objectives`): a rate is *met* when all
objectives are shown to be kept in the long run and all lower rates are met; it is *missed* when one
is shown not to be kept, and at all higher rates too. A saturated rate keeps none, and a round in
which a run died or ran too long keeps none either. The answer is a band: from the highest rate met
to the lowest one missed. Rates in between are open and widen it.
With `ladder` rounds were added, and rates chosen, by what was seen: that is paid for (`climb`).
Verdict:
  confirmed     some configuration has a rate that is met
  refuted       all configurations miss at all of their rates
  inconclusive  otherwise
  not measured  without `slo`, or without rounds that carry its percentiles
"""

from __future__ import annotations

import math

from parallel_transcription import words
from parallel_transcription.findings import show
from parallel_transcription.findings.bands import Band, bands_of
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.objectives import Objective, objectives
from parallel_transcription.findings.question import Answer, effect_of
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.findings.under_load import (
    LoadQuestion,
    rate_column,
    timed_arms,
)
from parallel_transcription.results.finding import Finding, Row, Verdict

SAID = {
    "met": "met",
    "missed": "missed",
    "saturated": "missed: saturated",
    "open": "open",
}


class MaxLoad(LoadQuestion):
    """The largest rate within the objectives, by configuration."""

    id, order = "max_load", 1
    by_time = True
    in_spite = frozenset({Verdict.CONFIRMED})  # others on the machine make requests later only
    asks = "Which load does this machine carry?"
    asks_in_short = "Does this machine carry a load within the objectives?"
    claim = "Some settings keep the study's objectives at a rate that was measured."
    lacks = "The study has no slo, or its passes have too few requests for it."
    to_measure = "slo: {p95: 3} in the study, and at least 40 requests in a pass (200 for a p99)."
    would_change = by_verdict(
        "Another mix, another model, or longer passes, in which more requests wait at the end.",
        "Lower rates, or objectives that allow more.",
        "More rounds, or rates further from the objective; a ladder in the study chooses both.",
    )
    columns = (
        show.label("settings"),
        rate_column(),
        show.digits("streams", "live streams"),
        show.integer("rounds", "rounds"),
        show.seconds("p95_s", "p95 of a pass (s)"),
        show.interval("lateness", "long run / allowed", "low", "high"),
        show.percent("attainment", "in time"),
        show.code("standing", "objectives", SAID),
    )
    sorted_by = ("place", "rate")
    figure = "load_latency"

    def judge(self, machine: Machine) -> Finding | None:
        """Each configuration up its rates; the one that is met highest leads."""
        loads = self.loads_of(machine)
        if loads is None:
            return None
        asked = objectives(loads.study["slo"])
        arms = timed_arms(loads)
        if not asked or arms.empty:
            return self.not_measured(loads)
        bands = bands_of(loads, asked)
        rows = [row for band in bands for row in band.rows]
        if not any(row["carried"] for row in rows):
            return self.not_measured(loads, rows)
        met = [band for band in bands if band.highest > 0]
        lost = all(band.lost for band in bands)
        verdict = Verdict.CONFIRMED if met else Verdict.REFUTED if lost else Verdict.INCONCLUSIVE
        return self.finding(
            loads,
            verdict,
            _answer(bands, asked, verdict, loads.confidence),
            rows,
            arms["configuration"],
            notes=_notes(loads, rows),
        )


def _answer(
    bands: list[Band], asked: list[Objective], verdict: Verdict, confidence: float
) -> Answer:
    best = bands[0]
    limits = words.listing([str(one) for one in asked])
    if verdict == Verdict.CONFIRMED:
        end = (
            f"at {words.number(best.lowest_missed)} it does not"
            if math.isfinite(best.lowest_missed)
            else "no higher rate was shown to be too much"
        )
        text = (
            f"{words.number(best.highest)} requests per second "
            f"({words.number(best.streams)} s of audio per second: as many live streams) within "
            f"{limits}, with {best.at['label']}; {end}."
        )
        short = f"{words.number(best.highest)} requests per s within {limits}: {best.at['label']}."
    elif verdict == Verdict.REFUTED:
        text = f"No settings keep {limits} at any rate that was measured."
        short = f"None keeps {limits}."
    else:
        text = f"No rate is shown to keep {limits}, nor all to miss it."
        short = f"Open whether {limits} is kept."
    high = best.lowest_missed if math.isfinite(best.lowest_missed) else None
    effect = effect_of(
        "largest load within the objectives", best.highest or None, (best.highest, high),
        "requests/s",
        confidence,
    )  # fmt: skip
    return Answer(f"{starts('Yes:')[verdict]} {text}", short, effect)


def _notes(loads: Machine, rows: list[Row]) -> list[str]:
    notes = [
        "A pass begins in a nearly empty system, so its p95 is lower than that of a queue that "
        "runs for ever; objectives are held against the long run, by the service times of the "
        "pass."
    ]
    if loads.study.get("ladder") is not None:
        notes.append(
            "Rounds were added at a rate until it could be told, and rates chosen by what was "
            "seen; tests are at the levels that pay for it, and begin with 5 rounds."
        )
    if any(row["service"] for row in rows):
        notes.append(
            "A service does not say when it begins with a request: its long run is that of a queue "
            "of as many workers, oldest first, by what requests took that found one free."
        )
    if any(row["callers"] > row["total_workers"] and not row["service"] for row in rows):
        notes.append(
            "With more callers than workers, requests wait inside the engine, which no queue of "
            "ours models: their long run is not known, and their rates are open."
        )
    if any(not row["carried"] for row in rows):
        notes.append(
            "Some passes have too few requests for a percentile of the objectives: 20 for a p90, "
            "40 for a p95, 200 for a p99."
        )
    for row in rows:
        if row["lost"]:
            notes.append(
                f"{row['label']} at {words.number(row['rate'])} requests per s: in {row['lost']} "
                f"of {words.plural(row['rounds'], 'round')} a pass failed, was killed or ran too "
                "long; its requests count as infinitely late."
            )
    limited = loads.runs["generator_limited"].astype(bool)
    if limited.any():
        notes.append(
            f"{words.plural(int(limited.sum()), 'pass', 'passes')} in which requests were sent "
            "late: the machine was too busy to send them in time."
        )
    if any(row["standing"] == "open" for row in rows):
        notes.append("Open rates widen the band; more rounds of them narrow it.")
    return notes
