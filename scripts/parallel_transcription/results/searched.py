"""What a search of the grid did, as results/<machine>/search.json holds it.

The campaign writes it, the report reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

FILE = "search.json"


@dataclass(frozen=True)
class Certificate:
    """How far from the best of its kind of work the best so far may be.

    `better_by`: with a chance of 90 % no setting is better by more than this share; `expected`: the
    mean of what the best has before it; `chance`: of any that is better by more than was asked.
    """

    best: str
    better_by: float
    expected: float
    chance: float


@dataclass(frozen=True)
class Considered:
    """A configuration: `relative` to the best so far (1 is as good), with the sd of its logarithm.

    `state`: measured, out (measured, and not to be chosen), predicted, or struck; `reason`: why it
    is out or struck.
    """

    configuration: str
    strategy: str
    instances: int
    num_workers: int
    cpu_threads: int
    work: str
    name: str
    state: str
    relative: float | None
    sd: float | None
    runs: int
    reason: str


@dataclass(frozen=True)
class Raced:
    """A configuration in a heat, and what for."""

    configuration: str
    why: str


@dataclass(frozen=True)
class HeatDone:
    """A heat: its sides, each with what for, and how the search stood after it."""

    round: int
    sides: list[Raced]
    seconds: float
    best: str
    better_by: float | None
    spent_s: float


@dataclass(frozen=True)
class Searched:
    """The search of a machine: why it stopped, what it took and may take (s), what it came to.

    `grid_s`: what the whole grid would take, as predicted.
    """

    machine: str
    objective: str
    stopped: str
    gain: float
    seconds: float
    budget_s: float
    grid_s: float
    certificates: list[Certificate]
    configurations: list[Considered]
    heats: list[HeatDone]

    def count(self, *states: str) -> int:
        """How many configurations are in one of some states."""
        return sum(one.state in states for one in self.configurations)
