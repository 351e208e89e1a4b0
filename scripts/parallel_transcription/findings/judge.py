"""All questions to all machines: the findings of a study."""

from __future__ import annotations

from dataclasses import replace

from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.findings.remarks import notes_on_unlike_runs
from parallel_transcription.results.finding import Finding, Verdict
from parallel_transcription.results.read import Results


def judge(results: Results) -> list[Finding]:
    """All findings of all machines, machines in the order of their labels."""
    return [f for label in results.labels for f in judge_machine(Machine(results, label))]


def judge_machine(machine: Machine) -> list[Finding]:
    """The findings of one machine, in the order of `QUESTIONS`; the study asks some or not."""
    answers = [question.judge(machine) for question in QUESTIONS]
    mixed = notes_on_unlike_runs(machine)
    return [
        answer
        if answer.verdict == Verdict.NOT_MEASURED
        else replace(answer, notes=[*answer.notes, *mixed])
        for answer in answers
        if answer is not None
    ]
