"""What a ladder of rates came to, as results/<machine>/ladder.json holds it.

The campaign writes it, the report reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

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
