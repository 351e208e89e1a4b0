"""Findings of made-up tables, for the tests of what is judged, drawn and reported."""

from __future__ import annotations

from parallel_transcription.findings.judge import judge
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Question
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.results.finding import Finding
from synthetic_study import as_results


def judged(made: dict) -> list[Finding]:
    """All findings of a synthetic study; all but its runs may be missing."""
    return judge(as_results(made))


def question(id: str) -> Question:
    """The question of this id."""
    return next(one for one in QUESTIONS if one.id == id)


def judge_one(runs, id: str, timings=None, machines=None, study=None) -> Finding | None:
    """One question to the (first) machine of these tables."""
    tables = {"runs": runs, "machines": machines, "study": study}
    results = as_results(tables if timings is None else tables | {"timings": timings})
    return question(id).judge(Machine(results, results.labels[0]))
