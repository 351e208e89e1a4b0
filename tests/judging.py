"""Findings and results of made-up tables, for the tests of what is judged, drawn and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parallel_transcription.findings.judge import judge
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.paste import recommend
from parallel_transcription.findings.question import Question
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.results.finding import Finding, to_json
from parallel_transcription.results.read import Results, read_results
from parallel_transcription.results.recommended import write_recommended
from synthetic_study import as_results, make_tables, write_tables

#: A study in which nothing goes wrong and nothing else runs on the machine.
CALM = {
    "init_starts": 0,
    "timeouts": False,
    "failures": False,
    "spread": 0.01,
    "disturbed_share": 0.0,
}


def calm_tables(seed: int = 1, points: list[dict] | None = None, **given: Any) -> dict:
    """The tables of a calm study of these configurations; see `synthetic_study.make_tables`."""
    return make_tables(seed, configurations=points, **CALM | given)


def finish(folder: Path, made: dict) -> Results:
    """A results folder as the workflow leaves it, from the tables of a study."""
    write_tables(made, folder)
    found = []
    if len(made["runs"]):
        found = judged(made)
        write_recommended(recommend(as_results(made), found), folder / "recommended.yaml")
    (folder / "findings.json").write_text(json.dumps(to_json(found)))
    return read_results(folder)


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
