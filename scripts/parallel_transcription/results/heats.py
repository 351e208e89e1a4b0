"""Heats of a search as rounds: what each side of such a match would say as a run of its own.

A heat is a match whose sides a search has chosen. Its sides were measured side by side, as those of
a round are, only closer: so all that rests on rounds takes a heat for one, with a number above all
rounds. What a match was to decide, it decides by matches of its own, which no choice has flattered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parallel_transcription.study.runs import FIRST_HEAT, match_of, run_id

FOLDER = "heats"  # of the records, beside a machine's runs and matches


def runs_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sides of a heat that began, each in the form of a run record.

    A side's part of the time is that of its loading and its passes.

    Args:
        record: A valid match record.
    """
    number = FIRST_HEAT + match_of(record["match"])[1]
    own = [_own(record, place) for place in range(len(record["sides"]))]
    took = [_took_s(start) for start in own]
    whole = record["finished_at"] - record["started_at"]
    runs = []
    for side, start, part in zip(record["sides"], own, took, strict=True):
        if start is None:
            continue
        seconds = whole * part / sum(took) if sum(took) > 0 else whole / len(own)
        runs.append(
            {
                **record,
                **side,
                "run": run_id(side["configuration_id"], number),
                "round": number,
                "protocol": record["protocol"] | {"repeats": record["protocol"]["passes"]},
                "starts": [start],
                "finished_at": record["started_at"] + seconds,
            }
        )
    return runs


def _own(record: Mapping[str, Any], place: int) -> dict[str, Any] | None:
    """A side's process with its passes, as a run record has it; None of one that never began."""
    side = record["sides"][place]
    if side["start"] is None:
        return None
    passes = [one | {"repeat": one["block"] + 1} for one in record["passes"]
              if one["side"] == place]  # fmt: skip
    return {"start": 1, **side["start"], "passes": [*side["warmups"], *passes]}


def _took_s(start: Mapping[str, Any] | None) -> float:
    if start is None:
        return 0.0
    loads = max((load["finished_s"] or 0.0 for load in start["loads"]), default=0.0)
    return float(loads + sum(one["makespan_s"] or 0.0 for one in start["passes"]))
