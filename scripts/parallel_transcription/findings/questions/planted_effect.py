"""0 The planted effect: an arm slowed on purpose must be found slower.

Only where a study has rows with `slowdown` > 0 (a sleep per segment; a check of the whole chain,
not of the engine). Claim: an arm slowed by a known share is found slower.

Pairs: a slowed configuration against the same one without slow-down; ratio = slowed / plain,
paired by round, Holm.
Verdict:
  confirmed     every pair with a planted share above the margin is shown slower, and no slowed arm
                is called faster
  refuted       some slowed arm is called faster, or one with a share above twice the margin is
                called equivalent
  inconclusive  otherwise
"""

from __future__ import annotations

from collections.abc import Iterable

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import OUTCOMES
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict
from parallel_transcription.results.finding import Verdict

UNNOTICED = "A slowed arm that is called faster or equivalent."
FASTER, SLOWER = OUTCOMES[statistics.A_FASTER], OUTCOMES[statistics.B_FASTER]


class PlantedEffect(PairedQuestion):
    """Slowed configurations against the same ones without a slow-down."""

    id, number, order = "planted_effect", 0, 3
    asks = "Is an arm that was slowed on purpose found slower?"
    claim = "An arm slowed by a known share is found slower."
    lacks = (
        "There are slowed rows, but no two matched rounds of the same configuration without "
        "slow-down."
    )
    would_change = by_verdict(UNNOTICED, UNNOTICED, UNNOTICED)
    columns = (
        show.label(),
        show.percent("planted", "slowed by"),
        show.ratio(),
        show.rounds(),
        show.outcome(("slowed", "plain"), with_remark=False),
    )
    figure = None

    def cases(self, machine: Machine) -> Cases | None:
        """Slowed arms against plain ones."""
        arms = machine.arms
        if arms.empty or not (arms["slowdown"] > 0).any():
            return None
        cases = Cases()
        for slow, pair in machine.against(arms, "slowdown", base=0):
            row = {"label": words.name_of(slow), "planted": slow["slowdown"]}
            cases.tested.append(Case(pair, row))
        return cases

    def verdict(self, judged: Judged) -> Verdict:
        """Every large slow-down found, and none taken for the opposite?"""
        margin = judged.machine.margin
        if any(
            row["outcome"] == FASTER
            or (row["outcome"] == statistics.EQUIVALENT and row["planted"] > 2 * margin)
            for row in judged.rows
        ):
            return Verdict.REFUTED
        large = [row for row in judged.rows if row["planted"] > margin]
        found = large and all(row["outcome"] == SLOWER for row in large)
        return Verdict.CONFIRMED if found else Verdict.INCONCLUSIVE

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """How many were found, and the largest one."""
        head = max(judged.rows, key=lambda r: (r["planted"], r["configuration_a"]))
        found = sum(row["outcome"] == SLOWER for row in judged.rows)
        planted = words.percent(head["planted"])
        return Answer(
            f"{found} of {words.plural(len(judged.rows), 'slowed arm')} "
            f"{'was' if found == 1 else 'were'} found slower. Slowed by {planted}, the makespan is "
            f"{judged.estimate(head, 'times as long')}.",
            "",
            judged.effect(head, f"makespan, slowed by {planted} / plain"),
        )

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """Why less than the planted share may be seen."""
        yield (
            "The sleep is per segment of each file; with several callers, others can use the CPU "
            "meanwhile, so the makespan may grow by less than the planted share."
        )
