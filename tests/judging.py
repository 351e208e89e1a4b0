"""Findings of made-up tables, for the tests of what is judged, drawn and reported."""

from __future__ import annotations

import pandas as pd

from parallel_transcription.findings.judge import judge
from parallel_transcription.findings.machine import Machine, Tables, from_frames
from parallel_transcription.findings.question import Question
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.results.finding import Finding


def tables_of(made: dict) -> Tables:
    """The tables that a synthetic study gives; those it lacks are empty."""
    timings = made.get("timings", pd.DataFrame())
    return from_frames(made["runs"], timings, made.get("machines"), made.get("study"))


def judged(made: dict) -> list[Finding]:
    """All findings of a synthetic study."""
    return judge(tables_of(made))


def question(id: str) -> Question:
    """The question of this id."""
    return next(one for one in QUESTIONS if one.id == id)


def judge_one(runs, id: str, timings=None, machines=None, study=None) -> Finding | None:
    """One question to the (first) machine of these tables."""
    timings = pd.DataFrame() if timings is None else timings
    tables = from_frames(runs, timings, machines, study)
    return question(id).judge(Machine(tables, tables.labels()[0]))
