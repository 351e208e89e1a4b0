"""Which pairs are nearest to what is recommended: those that are worth deciding first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parallel_transcription.findings.choose import GROUP, choices
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.finding import Row

ArmPair = tuple[str, str]

#: Apart from `GROUP`, in order of weight.
ALIKE = ("total_workers", "cpu_threads", "files_in_parallel", "callers", "strategy")


def recommended(machine: Machine) -> Row | None:
    """The settings that page 1 recommends, a row of `choose.candidates`; None without any."""
    found = choices(machine)
    return found[0].winner if found else None


def _arms(machine: Machine) -> dict[str, Row]:
    """Rows of `Machine.arms` by arm, with their `task`."""
    return {
        row["arm"]: row | {"task": machine.tasks.get(row["workload"], row["workload"])}
        for row in machine.arms.to_dict("records")
    }


def nearest(machine: Machine, pairs: Iterable[ArmPair]) -> list[ArmPair]:
    """Pairs by how near their sides are to the recommended settings; in equals, as they come.

    First those of the same model, compute type, device and workload, then by `ALIKE`. Of the two
    sides the nearer one counts: the other one differs in what the question asks.
    """
    target = recommended(machine)
    pairs = list(pairs)
    if target is None:
        return pairs
    arms = _arms(machine)

    def distance(arm: str) -> tuple[Any, ...]:
        row = arms[arm]
        return tuple(bool(row[name] != target[name]) for name in (*GROUP, *ALIKE))

    return sorted(pairs, key=lambda pair: min(distance(arm) for arm in pair))


def in_main_group(machine: Machine, pairs: Iterable[ArmPair]) -> list[ArmPair]:
    """Those of `nearest` of which no side is of another model, compute type, device or workload."""
    target = recommended(machine)
    if target is None:
        return []
    arms = _arms(machine)
    return [
        pair
        for pair in nearest(machine, pairs)
        if all(arms[arm][name] == target[name] for arm in pair for name in GROUP)
    ]
