"""2 One model or many: one model with N workers against N models, and against N processes.

Claims: with equal total workers, callers, threads and files, one model takes the same time as
many models (`one_or_many`) and as many processes with one model each (`processes`), within the
margin.

Pairs and verdict: those of `one_against_others`, with one device each (lists of GPUs are question
5). Holm over the pairs of the question. Not measured without two common rounds of a pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from parallel_transcription import statistics, words
from parallel_transcription.findings import near, show
from parallel_transcription.findings import one_against_others as matched
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import (
    Answer,
    Cases,
    Judged,
    PairedQuestion,
)
from parallel_transcription.findings.remarks import by_verdict, margin_words, starts
from parallel_transcription.results.finding import Column, Verdict


def columns(instances: str, other: str) -> tuple[Column, ...]:
    """The columns of one model against others with as many workers."""
    return (
        show.files(),
        show.workers("total_workers"),
        show.threads(),
        show.integer("instances", instances),
        show.seconds("makespan_a_s", "one model (s)"),
        show.seconds("makespan_b_s", f"{instances} (s)"),
        show.ratio(),
        show.p_equivalent(),
        show.rounds(),
        show.outcome((matched.ONE, other)),
    )


class OneAgainstOthers(PairedQuestion):
    """One model with N workers against N models in another form."""

    number = 2
    equal = True
    to_measure = (
        "a study with both strategies, 2 or more instances, and as many workers in one_model, in "
        "at least 4 rounds."
    )
    remedy_sets = "min_rounds=4"
    would_change = by_verdict(
        "A matched pair shown to differ by more than {margin}, or left open by a wider grid.",
        "All pairs shown to be within {margin}, for example with another model or engine version.",
        "More measurements of the pairs that are open.",
    )
    sorted_by = (
        "model", "compute_type", "files", "total_workers", "instances", "cpu_threads", "callers",
    )  # fmt: skip
    strategy: ClassVar[str]
    other: ClassVar[str]

    def cases(self, machine: Machine) -> Cases:
        """Matched pairs with two or more common rounds."""
        found, notes = matched.matched_pairs(machine, self.strategy)
        for case in found:
            if not case.pair.testable:
                one, other = case.pair.configurations
                rounds = words.plural(case.pair.result.rounds, "common round")
                notes.append(f"{one} and {other}: {rounds}, too few to test.")
        arms = machine.ordinary()
        arms = arms[arms["strategy"].isin(["one_model", self.strategy]) & (arms["callers"] > 1)]
        tested = [case for case in found if case.pair.testable]
        return Cases(tested, arms=arms, notes=notes)

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """The pair nearest to the recommended settings."""
        found, _ = matched.matched_pairs(machine, self.strategy)
        return near.nearest(machine, [(c.pair.arm_a, c.pair.arm_b) for c in found])[:1]

    def verdict(self, judged: Judged) -> Verdict:
        """Equal within the margin in all pairs?"""
        return matched.verdict_of(judged)

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """Counts of pairs, and the one that decided."""
        same, beyond = judged.count(statistics.WITHIN), judged.count(statistics.BEYOND)
        still = judged.count(statistics.OPEN)
        row = matched.deciding(judged)
        takes = judged.estimate(row, f"times the makespan of {self.other}")
        parts = [
            starts(f"Yes, within {margin_words(judged.machine)}:")[verdict],
            f"of {words.plural(len(judged.rows), 'matched pair')}, {same} "
            f"{'is' if same == 1 else 'are'} equivalent, {beyond} "
            f"{'differs' if beyond == 1 else 'differ'} by more than the margin, {still} "
            f"{'is' if still == 1 else 'are'} open.",
            f"{'In it' if len(judged.rows) == 1 else 'In the one furthest from equal'} "
            f"({words.plural(int(row['total_workers']), 'worker')} in all, "
            f"{words.threads(row['cpu_threads'])}), one model takes {takes}.",
        ]
        effect = judged.effect(row, matched.told(row, self.other))
        return Answer(" ".join(parts), matched.in_short(judged), effect)


def _lacks(strategy: str) -> str:
    return f"There are no two matched rounds of one_model and {strategy} here."


class OneOrMany(OneAgainstOthers):
    """One model against many models."""

    id, order = "one_or_many", 1
    decided = 2
    strategy, other = "multi_model", "many models"
    asks = "Is one model with N workers as good as N models?"
    asks_in_short = "Is one model as fast as many?"
    claim = "One model with N workers takes the same time as N models, within the margin."
    lacks = _lacks(strategy)
    columns = columns("models", other)


class Processes(OneAgainstOthers):
    """One model against many processes with one model each."""

    id, order = "processes", 2
    decided = 3
    strategy, other = "multi_process", "many processes"
    asks = "Is one model with N workers as good as N processes with one model each?"
    asks_in_short = "Is it as fast as many processes?"
    claim = "One model with N workers takes the same time as N processes, within the margin."
    lacks = _lacks(strategy)
    columns = columns("processes", other)
