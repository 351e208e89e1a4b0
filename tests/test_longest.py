"""Guards how long a pass may take: the study says, or its audio; no record is out of date by it."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from parallel_transcription.inputs import inspected
from parallel_transcription.jobs.far import longest
from parallel_transcription.jobs.transcribe import specified
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.study import build_study
from project import ROOT

STUDY = {
    "audio": ["audio/english-short.opus", "audio/english-1.opus"],
    "grid": [{"strategy": "one_model", "files_in_parallel": [0, 1, 3]}],
}
LENGTHS = (4.0, 61.5)


@pytest.fixture
def plan_of(tmp_path, monkeypatch):
    def plan_of(**settings) -> Plan:
        """A plan whose files were looked into if `known`; a third is the first again."""
        known = settings.pop("known", True)
        study = build_study(copy.deepcopy(STUDY) | settings, "config/mine.yaml", ROOT)
        plan = Plan(study, ROOT, Path("results"), "code", tmp_path / "cache")
        lengths = dict(zip(plan._sha256.values(), LENGTHS, strict=True))
        monkeypatch.setattr(inspected, "seconds", lengths.get if known else lambda _: None)
        return plan

    return plan_of


def by_files(plan: Plan, what) -> list[float]:
    points = sorted(plan.study.points.values(), key=lambda p: p.configuration.files_in_parallel)
    return [what(point.id) for point in points]


def test_unless_the_study_says_it_is_ten_times_the_audio_of_the_pass(plan_of):
    plan = plan_of()
    assert by_files(plan, plan.timeout_s) == [60, 60, 10 * (4 + 61.5 + 4)]
    said = plan_of(timeout_s=90)
    assert by_files(said, said.timeout_s) == [90, 90, 90]
    early = plan_of(known=False)
    assert by_files(early, early.timeout_s) == [60, 60, 60]


def test_the_plan_says_it_before_anything_is_measured(plan_of):
    assert "60 s to 12 min" in longest(plan_of())
    assert "10 times the length" in longest(plan_of(known=False))
    assert "2 min (timeout_s)" in longest(plan_of(timeout_s=120))
    starts = [{"strategy": "one_model", "files_in_parallel": 0}]
    assert longest(plan_of(grid=starts)) == ""


def test_a_job_on_a_cluster_has_time_for_it(plan_of):
    def minutes(plan):
        return by_files(plan, lambda one: plan.minutes(f"{one}-r001"))

    least, _, long = minutes(plan_of())
    assert minutes(plan_of(timeout_s=60)) == [least] * 3
    assert long > 5 * (695 // 60) + least


def test_no_specification_tells_it_so_nothing_is_measured_again(plan_of):
    """The text is that of before there was a multiple, where the default was 60."""
    texts = [
        [plan.specification(plan.machines[0], run) for run in plan.runs]
        for plan in (plan_of(), plan_of(timeout_s=60))
    ]
    assert texts[0] == texts[1] and '"timeout_s":60' in texts[0][0]


@pytest.mark.parametrize(("settings", "expected"), [({}, 695.0), ({"timeout_s": 90}, 90)])
def test_the_run_is_told(plan_of, tmp_path, settings, expected):
    plan = plan_of(**settings)
    (run,) = {run for run in plan.runs if "-f3-" in run and run.endswith("-r01")}
    for manifest, content in zip(
        plan.manifests(run), [{}, *([{"seconds": s}] for s in LENGTHS)], strict=True
    ):
        (tmp_path / Path(manifest).name).write_text(json.dumps(content))
    text = plan.specification(plan.machines[0], run)
    made = specified(text, "s", tmp_path.iterdir(), plan.planned(run))
    assert made.protocol.timeout_s == expected
    assert len(made.audio) == 3
    assert specified(text, "s", tmp_path.iterdir()).protocol.timeout_s == settings.get(
        "timeout_s", 60
    )


def test_under_a_load_it_is_as_before(plan_of):
    grid = [{"strategy": "one_model", "arrivals": "poisson", "rate": 1, "requests": 40}]
    plan = plan_of(grid=grid)
    assert by_files(plan, plan.timeout_s) == [60]
