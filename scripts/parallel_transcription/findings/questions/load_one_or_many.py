"""10 Under a load, one model or many: the same requests, served by one model or by several.

Claims: with equal total workers, callers and threads, the same requests have the same p95 from one
model as from many models (`load_one_or_many`) and as from many processes with one model each
(`load_processes`), within the latency margin.

Pairs: one_model against the other strategy, under the same load. Verdict:
  confirmed     every tested pair is equivalent
  refuted       some pair is shown to differ by more than the margin, in either direction
  inconclusive  otherwise
"""

from __future__ import annotations

from typing import ClassVar

from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Cases
from parallel_transcription.findings.under_load import (
    SAME,
    EqualUnderLoad,
    columns_of_pairs,
    open_arms,
)


class LoadOneAgainstOthers(EqualUnderLoad):
    """One model with N workers against N models in another form, under the same load."""

    strategy: ClassVar[str]
    figure = "load_latency"

    def cases(self, machine: Machine) -> Cases | None:
        """Matched pairs; not asked where the loads have no such side."""
        arms = open_arms(machine)
        others = arms[(arms["strategy"] == self.strategy) & (arms["instances"] > 1)]
        if others.empty:
            return None
        ones = arms[(arms["strategy"] == "one_model") & (arms["total_workers"] > 1)]
        keys = [*SAME, "total_workers", "callers", "discipline"]
        return Cases(self.matched(ones, others, keys, machine), arms=arms)


class LoadOneOrMany(LoadOneAgainstOthers):
    """Against N models."""

    id, order = "load_one_or_many", 2
    decided = 8
    asks = "For the same requests, is one model as good as many models?"
    asks_in_short = "Under a load, is one model as good as many?"
    claim = "One model with N workers serves the same requests with the same p95 as N models."
    lacks = "No matched rounds of one model and of several models under the same load."
    strategy = "multi_model"
    sides = ("one model", "many models")
    columns = columns_of_pairs(sides)


class LoadProcesses(LoadOneAgainstOthers):
    """Against N processes."""

    id, order = "load_processes", 3
    decided = 9
    asks = "For the same requests, is one model as good as many processes?"
    asks_in_short = "Under a load, is one model as good as many processes?"
    claim = "One model with N workers serves the same requests with the same p95 as N processes."
    lacks = "No matched rounds of one model and of several processes under the same load."
    strategy = "multi_process"
    sides = ("one model", "many processes")
    columns = columns_of_pairs(sides)
