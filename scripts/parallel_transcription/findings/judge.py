"""All questions to all machines: the findings of a study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.findings.remarks import (
    notes_on_runs_apart,
    notes_on_unlike_runs,
)
from parallel_transcription.results.finding import Finding, Verdict
from parallel_transcription.results.read import Results
from parallel_transcription.statistics import Family


def judge(results: Results) -> list[Finding]:
    """All findings of all machines, machines in the order of their labels."""
    return [f for label in results.labels for f in judge_machine(Machine(results, label))]


def judge_machine(machine: Machine) -> list[Finding]:
    """The findings of one machine, in the order of `QUESTIONS`; the study asks some or not.

    First all comparisons that verdicts rest on are gathered, since they are corrected together.
    """
    machine.family = family_of([machine])
    mixed = notes_on_unlike_runs(machine)
    answers = []
    for question in QUESTIONS:
        machine.asked.clear()
        answer = question.judge(machine)
        if answer is not None:
            apart = notes_on_runs_apart(machine, machine.asked)
            answers.append(_with_notes(answer, apart, mixed))
    return answers


def _with_notes(answer: Finding, apart: list[str], mixed: list[str]) -> Finding:
    """A finding with what is to be said of its runs; if it is why there is none, as the answer."""
    if answer.verdict != Verdict.NOT_MEASURED:
        return replace(answer, notes=[*answer.notes, *apart, *mixed])
    if not apart:
        return answer
    return replace(answer, answer=" ".join(apart), change=" ".join(apart))


def family_of(machines: Iterable[Machine]) -> Family:
    """All comparisons that the verdicts of a report rest on (`Question.comparisons`).

    One that several questions ask for is one.
    """
    results = (
        result
        for machine in machines
        for question in QUESTIONS
        for result in question.comparisons(machine)
    )
    return Family({id(result): result for result in results}.values())
