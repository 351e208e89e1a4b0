"""Guards how long a study is said to take by a trial, where no record tells."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from parallel_transcription import words
from parallel_transcription.errors import InputError
from parallel_transcription.inputs import inspected
from parallel_transcription.jobs import estimate
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.study import build_study
from project import ROOT
from simple_records import make_record

GRID = [
    {"strategy": "one_model", "num_workers": [1, 2], "cpu_threads": [0, 1]},
    {"strategy": "one_model", "num_workers": 4, "cpu_threads": 1},
    {"strategy": "one_model", "files_in_parallel": 0, "repeats": 7, "rounds": 1},
]


CACHE = Path()


def plan_of(monkeypatch, grid=GRID, **settings) -> Plan:
    """A plan of two files of ten seconds at once, three rounds of two repeats."""
    study = {"audio": ["audio/english-short.opus"], "rounds": 3, "repeats": 2,
             "defaults": {"files_in_parallel": 2}, "grid": copy.deepcopy(grid)}  # fmt: skip
    monkeypatch.setattr(inspected, "seconds", lambda _: 10.0)
    built = build_study(study | settings, "config/mine.yaml", ROOT)
    return Plan(built, ROOT, Path("results"), "code", CACHE)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """What files contain is remembered outside the checkout."""
    monkeypatch.setitem(globals(), "CACHE", tmp_path / "hashes")


@pytest.fixture
def tried(monkeypatch):
    """Trials that take 10 s each: 3 s to start, 2 s to warm up and 5 s for a pass."""
    asked = []

    def measure(run, log, record):
        asked.append(run)
        made = make_record() | {"started_at": 0.0, "finished_at": 10.0}
        passes = made["starts"][0]["passes"][:2]
        passes[0]["makespan_s"], passes[1]["makespan_s"] = 2.0, 5.0
        made["starts"][0]["passes"] = passes
        return made

    monkeypatch.setattr(estimate, "measure", measure)
    monkeypatch.setattr(estimate.models, "prepare", lambda *_: {"path": "x"})
    monkeypatch.setattr(
        inspected, "inspect_all", lambda files: [{"path": f, "seconds": 10.0} for f in files]
    )
    return asked


def test_others_are_expected_by_the_files_that_they_do_at_the_same_time(monkeypatch, tried):
    one_at_a_time, two, start = 3 + 2 + 2 * 5, 3 + 1 + 2 * 2.5, 3
    seconds = 3 * (2 * one_at_a_time + 3 * two) + 7 * start
    told = estimate.by_trial(plan_of(monkeypatch), 2)
    assert f"About {seconds / 60:.0f} min" in told
    (run,) = tried
    assert (run.configuration.num_workers, run.configuration.cpu_threads) == (1, 1)
    assert run.protocol.repeats == 1 and run.protocol.timeout_s == 200
    alone = estimate.by_trial(plan_of(monkeypatch), 1)
    assert f"About {(15 * one_at_a_time + 21) / 60:.0f} min" in alone, "two workers on one CPU"


def test_each_model_is_tried(monkeypatch, tried):
    models = [{"strategy": "one_model", "model": ["mini-en", "dummy-tiny"]}]
    assert "About 90 s" not in estimate.by_trial(plan_of(monkeypatch, models), 2)
    assert {run.configuration.model for run in tried} == {"mini-en", "dummy-tiny"}


def test_starts_of_another_model_are_tried_by_a_start(monkeypatch, tried):
    """Whose instances wait for each other as long as they are told to."""
    starts = {"strategy": "multi_model", "instances": 5, "files_in_parallel": 0, "rounds": 1}
    grid = [
        {"strategy": "one_model", "rounds": 1, "repeats": 1},
        starts | {"model": "dummy-tiny", "init_stagger_s": [0, 10], "repeats": 10},
    ]
    seconds = (3 + 2 + 5) + 10 * (3 + 3 + 4 * 10)
    assert f"About {seconds / 60:.0f} min" in estimate.by_trial(plan_of(monkeypatch, grid), 2)
    assert sorted(run.configuration.files_in_parallel for run in tried) == [0, 2]


def test_starts_alone_are_tried_by_how_they_start(monkeypatch, tried):
    starts = {"instances": 2, "files_in_parallel": 0, "rounds": 1, "repeats": 5}
    grid = [
        starts | {"strategy": ["multi_model", "multi_process"], "load": ["cold", "cached"]},
        starts | {"strategy": "multi_model", "init_stagger_s": 1},
    ]
    told = estimate.by_trial(plan_of(monkeypatch, grid), 2)
    assert len({(r.configuration.strategy, r.configuration.load) for r in tried}) == len(tried) == 5
    assert f"About {words.duration(4 * 5 * 3 + 5 * (3 - 1 + 1))}" in told


def test_what_cannot_be_tried_is_said(monkeypatch, tried):
    monkeypatch.setattr(
        estimate, "measure", lambda *_: make_record() | {"status": "failed", "error": "no memory"}
    )
    with pytest.raises(InputError, match="no memory"):
        estimate.by_trial(plan_of(monkeypatch), 2)


def test_requests_come_as_long_as_their_rate_lets_them(monkeypatch, tried):
    """A share of the capacity: that of the closed loop, which is what is tried."""
    loads = {"arrivals": "poisson", "requests": 10, "files_in_parallel": 0}
    grid = [{"strategy": "one_model", "num_workers": 2, "rate": ["50%", "1.0"]}]
    plan = plan_of(monkeypatch, grid, defaults=loads, decide={"minutes": 0})
    told = estimate.by_trial(plan, 2)
    (run,) = tried
    assert run.configuration.arrivals == "closed" and run.load is not None
    capacity = 2 / 5  # two files in five seconds
    closed, start, warm = 10, 3, 2
    passes = 1.25 * 10 / (0.5 * capacity) + 1.25 * 10 / 1.0
    seconds = closed + 3 * (2 * (start + warm) + 2 * passes)
    assert f"About {seconds / 60:.0f} min" in told


def test_files_at_once_and_requests_are_tried_each(monkeypatch, tried):
    loads = {"arrivals": "poisson", "requests": 10, "files_in_parallel": 0}
    files = {"strategy": "one_model", "files_in_parallel": 2, "arrivals": "at_once", "requests": 0}
    grid = [files, {"strategy": "one_model", "num_workers": 2, "rate": "50%"}]
    estimate.by_trial(plan_of(monkeypatch, grid, defaults=loads, decide={"minutes": 0}), 2)
    assert {run.configuration.arrivals for run in tried} == {"at_once", "closed"}


@pytest.mark.parametrize("minutes", [None, 7])
def test_a_search_takes_its_minutes_or_a_tenth_of_the_grid(monkeypatch, tried, minutes):
    grid = [{"strategy": "one_model", "num_workers": [1, 2, 3, 4, 6], "cpu_threads": [1, 2, 3, 4]}]
    search = {"minutes": minutes} if minutes else {}
    plan = plan_of(monkeypatch, grid, search=search, rounds=30, decide={"minutes": 0})
    one_at_a_time, two = 3 + 2 + 2 * 5, 3 + 1 + 2 * 2.5
    seconds = 60 * minutes if minutes else 0.1 * 30 * (4 * one_at_a_time + 16 * two)
    assert f"About {seconds / 60:.0f} min" in estimate.by_trial(plan, 2)
    assert len(tried) == 1
