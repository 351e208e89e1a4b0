"""What a ladder of rates came to, as results/<machine>/ladder.json holds it.

The campaign writes it, the report reads it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from parallel_transcription.files import write_json
from parallel_transcription.results.typed import plain, read_checked

FILE = "ladder.json"


@dataclass(frozen=True)
class Climbed:
    """What a configuration carries: the rate that is met (0 for none) and the one missed, if any.

    `open`: rates between or beyond them that were measured and say neither; `runs`: of the ladder;
    `why`: it needs no more runs, or gets none.
    """

    configuration: str
    name: str
    load: str
    met: float
    missed: float | None
    open: list[float]
    rounds: int
    runs: int
    seconds: float
    why: str


@dataclass(frozen=True)
class Ladder:
    """The ladder of a machine: what for, why it stopped, what it took and may take (s)."""

    machine: str
    objectives: str
    stopped: str
    seconds: float
    budget_s: float
    runs: int
    settings: list[Climbed]


def write_ladder(found: Ladder, path: Path) -> None:
    """Write what a ladder came to."""
    write_json(path, plain(dataclasses.asdict(found)), indent=2)


def read_ladders(folder: Path) -> dict[str, Ladder]:
    """The ladders of a results folder by machine, checked; none where there is no file.

    Raises:
        TableError: A file is there and holds something else.
    """
    found = {}
    for path in sorted(folder.glob(f"*/{FILE}")):
        one = read_checked(path, Ladder, json.loads)
        if one is not None:
            found[path.parent.name] = one
    return found
