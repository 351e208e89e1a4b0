"""The names of runs and matches: a configuration and its round; configurations and a number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

#: Rounds above this number were fresh ones of the recommended settings, before there were matches.
MOST_ROUNDS = 900
#: Heats of a search count as rounds above this number.
FIRST_HEAT = 1000
#: Requests in matches and heats are drawn as of rounds above this number, by their seeds: anew.
FIRST_DRAWN = 1_000_000


def run_id(configuration_id: str, round_number: int) -> str:
    """The run's id: configuration and round."""
    return f"{configuration_id}-r{round_number:02d}"


def round_of(run: str) -> tuple[str, int]:
    """The configuration's id and the round that a run's id names.

    Raises:
        ValueError: if the text is no run's id.
    """
    configuration_id, _, number = run.rpartition("-r")
    return configuration_id, int(number)


def strategy_of(run: str) -> str:
    """The strategy of a configuration, by its id or by that of a run."""
    return run.partition("-")[0]


def match_key(configuration_ids: Iterable[str], workload: Iterable[str | None]) -> str:
    """What all matches of the same sides on the same workload are named by: 12 hex digits.

    Args:
        configuration_ids: Of the sides; their order does not matter.
        workload: SHA-256 of the model and of each audio file, as handed out.
    """
    what = json.dumps([sorted(configuration_ids), list(workload)])
    return hashlib.sha256(what.encode()).hexdigest()[:12]


def match_id(key: str, number: int) -> str:
    """The match's id: its key and its number, from 1."""
    return f"{key}-m{number:03d}"


def match_of(match: str) -> tuple[str, int]:
    """The key and the number that a match's id names.

    Raises:
        ValueError: if the text is no match's id.
    """
    key, _, number = match.rpartition("-m")
    return key, int(number)
