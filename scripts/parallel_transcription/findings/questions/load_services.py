"""10 Services under a load: does one serve as soon as the library alone, or as another service?

Claims:
  load_services          a service serves the same requests with the same p95 as the library's own
                         model with as many workers, within the latency margin: what a service adds
                         (its protocol, its queue, its process) cannot be seen.
  load_between_services  services with as many workers serve the same requests with the same p95.

Pairs: configurations with equal workers and threads, under the same load; ratio = p95 of the
service / p95 of one model, or p95 of one service / p95 of another, in the order of their names.
Verdict:
  confirmed     every tested pair is equivalent
  refuted       some pair is shown to differ by more than the margin, in either direction
  inconclusive  otherwise
"""

from __future__ import annotations

from parallel_transcription import words
from parallel_transcription.findings import show
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Cases
from parallel_transcription.findings.under_load import (
    SAME,
    EqualUnderLoad,
    columns_of_pairs,
    open_arms,
)

_KEYS = [*SAME, "total_workers", "discipline"]


class LoadServices(EqualUnderLoad):
    """A service against the library's own model."""

    id, order = "load_services", 6
    decided = 12
    asks = "Does a service serve as soon as the library alone?"
    asks_in_short = "Is a service as good as the library alone?"
    claim = "A service serves the same requests with the same p95 as one model with its workers."
    lacks = "No matched rounds of a service and of one model under the same load."
    figure = "load_latency"
    sides = ("the service", "one model")
    columns = columns_of_pairs(
        sides, show.text("service", "service"), show.integer("instances", "processes")
    )

    def cases(self, machine: Machine) -> Cases | None:
        """Services against one model each; not asked where the loads have no service."""
        arms = open_arms(machine)
        services = arms[arms["service"] != ""]
        if services.empty:
            return None
        alone = (arms["strategy"] == "one_model") & (arms["callers"] == arms["total_workers"])
        return Cases(self.matched(services, arms[alone], _KEYS, machine), arms=arms)


class LoadBetweenServices(EqualUnderLoad):
    """A service against another, or with workers against with processes."""

    id, order = "load_between_services", 7
    decided = 13
    asks = "Does it matter which service serves, and in which form?"
    asks_in_short = "Are the services equally good?"
    claim = "Services with as many workers serve the same requests with the same p95."
    lacks = "No matched rounds of two services under the same load."
    figure = None
    sides = ("the first", "the second")
    columns = columns_of_pairs(
        sides, show.text("first", "the first"), show.text("second", "the second")
    )

    def cases(self, machine: Machine) -> Cases | None:
        """Each service against those after it; not asked of fewer than two."""
        arms = open_arms(machine)
        services = arms[arms["service"] != ""].sort_values(["service", "instances", "arm"])
        if len(services) < 2:
            return None
        tested = []
        for place, (_, one) in enumerate(services.iterrows()):
            for case in self.matched(one.to_frame().T, services.iloc[place + 1 :], _KEYS, machine):
                other = services.set_index("arm").loc[case.pair.arm_b]
                case.row.update(first=words.name_of(one), second=words.name_of(other))
                tested.append(case)
        return Cases(tested, arms=arms)
