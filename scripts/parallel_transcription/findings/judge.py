"""All questions to all machines: the findings of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial

from parallel_transcription.findings.deciding import Deciding
from parallel_transcription.findings.machine import Calm, Machine, by_group
from parallel_transcription.findings.question import Question
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.findings.questions.noise_floor import NoiseFloor
from parallel_transcription.findings.remarks import (
    notes_on_runs_apart,
    notes_on_unlike_runs,
    stalls_seen,
)
from parallel_transcription.findings.stalls import differ, stalls
from parallel_transcription.results.finding import Finding, Verdict
from parallel_transcription.results.read import Results
from parallel_transcription.statistics import OPEN, WITHIN, Family

DECIDED = (Verdict.CONFIRMED, Verdict.REFUTED)
#: What puts a verdict in doubt; up to the colon it stands on the first page.
MORE_THAN_NOISE = (
    "Not decided, as the same configuration measured twice differs by more than the margin: an "
    "order effect, drift or a neighbour is as large as what would be told."
)
UNLIKE_WHEN_CALM = (
    "Not decided, as foreign load decides it: with the rounds that others disturbed it is {}, "
    "without them {}."
)
STALLS = "Not decided, as typical passes are equal and one side stalls more often:"
CALMER = "Calmer measurements: nothing else on the machine, fixed clock; disturbed rounds anew."


def judge(results: Results) -> list[Finding]:
    """All findings of all machines, machines in the order of their labels."""
    return [f for label in results.labels for f in judge_machine(results, label)]


def judge_machine(results: Results, label: str) -> list[Finding]:
    """The findings of one machine, in the order of `QUESTIONS`; the study asks some or not.

    Each question is asked of each group of equal work, the study's main one first: nothing is
    pooled over groups. Where the main one has no answer and another has, that leads. First all
    comparisons that verdicts rest on are gathered, since they are corrected together.
    """
    groups = by_group(results, label)
    whole = groups or [Machine(results, label)]
    matches = whole[0].matches
    more_s = Deciding(results, label, groups if matches.table.empty else None).more_s(matches)
    family = family_of(whole)
    for machine in whole:
        machine.family, machine.more_s = family, more_s

    @cache
    def without_disturbed(machine: Machine, calm: Calm) -> Machine:
        quiet = Machine(results, label, machine.group, calm)
        quiet.family, quiet.more_s = family, more_s
        return quiet

    noisy = {machine.group for machine in whole if _differs_from_itself(machine)}
    answers = []
    for question in QUESTIONS:
        found = [
            _one(question, one, partial(without_disturbed, one), one.group in noisy)
            for one in whole
        ]
        known = [one for one in found if one is not None]
        measured = [one for one in known if one.verdict != Verdict.NOT_MEASURED]
        answers += measured or known[:1]
    return answers


def _differs_from_itself(machine: Machine) -> bool:
    found = NoiseFloor().judge(machine)
    return found is not None and found.verdict == Verdict.REFUTED


def _one(
    question: Question, machine: Machine, quiet: Callable[[Calm], Machine], noisy: bool
) -> Finding | None:
    """A question's finding for a group, with what puts it in doubt.

    Args:
        question: What is asked.
        machine: The group's tables.
        quiet: Gives the same without what others disturbed.
        noisy: Whether equal configurations differ here.
    """
    machine.asked.clear()
    answer = question.judge(machine)
    if answer is None:
        return None
    apart = notes_on_runs_apart(machine, machine.asked)
    answer = _with_notes(answer, apart, notes_on_unlike_runs(machine))
    moved = question.by_time and answer.verdict not in question.in_spite
    if not moved or answer.verdict not in DECIDED:
        return answer
    if noisy:
        return _in_doubt(answer, MORE_THAN_NOISE)
    if question.equal and answer.verdict == Verdict.CONFIRMED:
        for pair in machine.asked:
            seen = stalls(machine, pair)
            if pair.result.size == WITHIN and differ(*seen, machine.alpha):
                return _in_doubt(answer, f"{STALLS} {stalls_seen(*seen)}")
    calm = _rests_on(answer, question.tables(machine))
    if calm is not None:
        alone = question.judge(quiet(calm))
        if alone is None or alone.verdict != answer.verdict:
            without = Verdict.NOT_MEASURED if alone is None else alone.verdict
            return _in_doubt(answer, UNLIKE_WHEN_CALM.format(answer.verdict, without))
    return answer


def _rests_on(answer: Finding, machine: Machine) -> Calm | None:
    """Without what the tables must say the same; None where it rests on nothing disturbed."""
    if not answer.ladder:
        return "calm" if machine.rests_on_disturbed else None
    disturbed = [pair for pair in machine.asked if pair.disturbed]
    if any(not pair.by_matches and pair.result.size != OPEN for pair in disturbed):
        return "calm"
    return "calm matches" if any(pair.by_matches for pair in disturbed) else None


def _in_doubt(answer: Finding, why: str) -> Finding:
    """The finding as undecided, and why, first of all."""
    return replace(
        answer,
        verdict=Verdict.INCONCLUSIVE,
        answer=f"{why} By itself: {answer.answer}",
        in_short=why.split(":")[0] + ".",
        change=CALMER,
        notes=[why, *answer.notes],
        doubt=why,
    )


def _with_notes(answer: Finding, apart: list[str], mixed: list[str]) -> Finding:
    """A finding with what is to be said of its runs; if it is why there is none, as the answer."""
    if answer.verdict != Verdict.NOT_MEASURED:
        return replace(answer, notes=[*answer.notes, *apart, *mixed])
    if not apart:
        return answer
    return replace(answer, answer=" ".join(apart), change=apart[min(1, len(apart) - 1)])


def family_of(machines: Iterable[Machine]) -> Family:
    """All comparisons that the verdicts of a report rest on (`Question.comparisons`).

    One that several questions ask for is one.
    """
    results = (
        result
        for machine in machines
        for question in QUESTIONS
        for result in question.comparisons(machine)
        if not result.by_matches
    )
    return Family({id(result): result for result in results}.values())
