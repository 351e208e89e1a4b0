"""Heats of a search as rounds: what each side of such a match would say as a run of its own.

A heat is a match whose sides a search has chosen. Its sides were measured side by side, as those of
a round are, only closer: so all that rests on rounds takes a heat for one, with a number above all
rounds. What a match was to decide, it decides by matches of its own, which no choice has flattered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parallel_transcription.study.runs import FIRST_HEAT, match_of, run_id

FOLDER = "heats"  # of the records, beside a machine's runs and matches


def runs_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sides of a heat that began, each in the form of a run record.

    A side's part of the time is that of its loading and its passes; what else a heat took that a
    side ended is that side's. A side that was killed for lack of memory beside others is left out:
    alone it may fit.

    Args:
        record: A valid match record.
    """
    number = FIRST_HEAT + match_of(record["match"])[1]
    own = [_own(record, place) for place in range(len(record["sides"]))]
    runs = []
    for side, start, seconds in zip(record["sides"], own, _seconds(record, own), strict=True):
        if start is None or lacked_memory_beside_others(record, side):
            continue
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


def lacked_memory_beside_others(record: Mapping[str, Any], side: Mapping[str, Any]) -> bool:
    """Whether a side was killed, as the system does for lack of memory, while all were loaded."""
    killed = side["status"] == "killed" and "SIGKILL" in (side["error"] or "")
    return bool(record["together"] and len(record["sides"]) > 1 and killed)


def _own(record: Mapping[str, Any], place: int) -> dict[str, Any] | None:
    """A side's process with its passes, as a run record has it; None of one that never began."""
    side = record["sides"][place]
    if side["start"] is None:
        return None
    passes = [one | {"repeat": one["block"] + 1} for one in record["passes"]
              if one["side"] == place]  # fmt: skip
    return {"start": 1, **side["start"], "passes": [*side["warmups"], *passes]}


def _seconds(record: Mapping[str, Any], own: Sequence[Mapping[str, Any] | None]) -> list[float]:
    """What of a heat's time is each side's (s): all of it is that of sides that tell something."""
    whole = record["finished_at"] - record["started_at"]
    left_out = [lacked_memory_beside_others(record, side) for side in record["sides"]]
    ended = [
        side["status"] != "ok" and not out
        for side, out in zip(record["sides"], left_out, strict=True)
    ]
    measured = {one["side"] for one in record["passes"]}
    took = [
        _took_s(start) if (k in measured or ended[k]) and not left_out[k] else 0.0
        for k, start in enumerate(own)
    ]
    if any(ended):
        rest = max(0.0, whole - sum(took)) / sum(ended)
        return [part + rest if last else part for part, last in zip(took, ended, strict=True)]
    return [whole * part / sum(took) if sum(took) > 0 else whole / len(own) for part in took]


def _took_s(start: Mapping[str, Any] | None) -> float:
    if start is None:
        return 0.0
    loads = max((load["finished_s"] or 0.0 for load in start["loads"]), default=0.0)
    return float(loads + sum(one["makespan_s"] or 0.0 for one in start["passes"]))
