"""10 Admission: how many requests should be served at once, and in which order?

Claims:
  load_callers     to serve more requests at once than there are workers never lowers the p95 by
                   more than the latency margin. Files of callers beyond the workers take turns,
                   window by window, so all of them get late together.
  load_discipline  to serve the shortest file first lowers the p95 by more than the margin.

Pairs: configurations that differ in `callers` (against as many as workers), or in `discipline`,
and in nothing else, under the same load; ratio = p95 with more callers (shortest first) / p95 with
as many (oldest first). Verdict of load_callers:
  refuted       some pair is shown to be sooner by more than the margin
  inconclusive  otherwise, while some pair is open
  confirmed     otherwise
Of load_discipline:
  confirmed     some pair is shown to be sooner by more than the margin, and none later
  refuted       no pair is open, and none is sooner
  inconclusive  otherwise
"""

from __future__ import annotations

from parallel_transcription import statistics
from parallel_transcription.findings import show
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Cases, Judged
from parallel_transcription.findings.under_load import (
    SAME,
    PairedLoadQuestion,
    columns_of_pairs,
    not_sooner,
    open_arms,
)
from parallel_transcription.results.finding import Verdict

_SPREAD = [*SAME, "strategy", "instances", "num_workers", "service"]


class LoadCallers(PairedLoadQuestion):
    """More callers than workers against as many."""

    id, order = "load_callers", 4
    decided = 10
    asks = "Should more requests be served at once than there are workers?"
    asks_in_short = "Are as many callers as workers enough under a load?"
    claim = "More requests at once than workers never lower the p95."
    lacks = "No matched rounds of as many callers as workers and of more, under the same load."
    figure = "load_latency"
    sides = ("more callers", "as many as workers")
    columns = columns_of_pairs(sides, show.integer("callers", "callers"))

    def cases(self, machine: Machine) -> Cases | None:
        """More callers against as many as workers; not asked where none has more."""
        arms = open_arms(machine)
        # how many a service serves at once is its own affair
        more = arms[(arms["callers"] > arms["total_workers"]) & (arms["service"] == "")]
        if more.empty:
            return None
        enough = arms[arms["callers"] == arms["total_workers"]]
        return Cases(self.matched(more, enough, [*_SPREAD, "discipline"], machine), arms=arms)

    def verdict(self, judged: Judged) -> Verdict:
        """Sooner in none?"""
        return not_sooner(judged)


class LoadDiscipline(PairedLoadQuestion):
    """The shortest file first against the oldest request first."""

    id, order = "load_discipline", 5
    decided = 11
    asks = "Should the shortest file be served first?"
    asks_in_short = "Does it help to serve the shortest file first?"
    claim = "To serve the shortest file first lowers the p95 by more than the margin."
    lacks = "No matched rounds of both disciplines under the same load."
    figure = None
    sides = ("shortest first", "oldest first")
    columns = columns_of_pairs(sides, show.integer("callers", "callers"))

    def cases(self, machine: Machine) -> Cases | None:
        """Shortest first against oldest first; not asked where none is shortest first."""
        arms = open_arms(machine)
        shortest = arms[arms["discipline"] == "shortest"]
        if shortest.empty:
            return None
        oldest = arms[arms["discipline"] == "fifo"]
        return Cases(self.matched(shortest, oldest, [*_SPREAD, "callers"], machine), arms=arms)

    def verdict(self, judged: Judged) -> Verdict:
        """Sooner in some, later in none?"""
        beyond = [row for row in judged.rows if row["size"] == statistics.BEYOND]
        sooner = any(row["ratio"] < 1 for row in beyond)
        later = any(row["ratio"] > 1 for row in beyond)
        if sooner:
            return Verdict.INCONCLUSIVE if later else Verdict.CONFIRMED
        return Verdict.INCONCLUSIVE if judged.count(statistics.OPEN) else Verdict.REFUTED
