"""Packed runs get cores of their own."""

import json
import os
import threading
from itertools import pairwise

import pytest

from parallel_transcription.jobs import packing
from project import Project


@pytest.fixture
def two_cpus():
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")


def test_no_packing_pins_nothing():
    with packing.slot(None) as slot:
        assert slot.cores is None and slot.gpus is None


def test_slots_at_one_time_are_disjoint(two_cpus, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "LOCKS", tmp_path / "locks")
    setting = {"jobs": 2, "cores": 1}
    with packing.slot(setting) as first, packing.slot(setting) as second:
        assert len(first.cores) == len(second.cores) == 1 and first.cores != second.cores


def test_a_third_run_waits_for_a_free_slot(two_cpus, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "LOCKS", tmp_path / "locks")
    setting = {"jobs": 2, "cores": 1}
    got = []

    def third():
        with packing.slot(setting) as slot:
            got.append(slot.cores)

    with packing.slot(setting) as first:
        with packing.slot(setting):
            thread = threading.Thread(target=third)
            thread.start()
            thread.join(0.3)
            assert got == []
        thread.join(10)
        assert len(got) == 1 and got[0] != first.cores


def test_a_slot_that_the_machine_lacks_is_refused():
    with pytest.raises(packing.PackingError, match="does not fit on the"):
        packing.cores_of(1, 10_000)


@pytest.mark.parametrize(
    ("grant", "gpus", "expected"),
    [
        (None, 2, [["0", "1"], ["2", "3"]]),
        ("3,1", 1, [["3"], ["1"]]),
        ("GPU-aa,GPU-bb", 1, [["GPU-aa"], ["GPU-bb"]]),
    ],
)
def test_slots_have_gpus_of_their_own(two_cpus, tmp_path, monkeypatch, grant, gpus, expected):
    """Out of all of the machine, or of those that a scheduler granted."""
    monkeypatch.setattr(packing, "LOCKS", tmp_path / "locks")
    monkeypatch.setattr(packing.machine, "gpus", lambda: [{"number": n} for n in range(5)])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if grant:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", grant)
    setting = {"jobs": 2, "cores": 1, "gpus": gpus}
    with packing.slot(setting) as first, packing.slot(setting) as second:
        assert sorted([first.gpus, second.gpus]) == sorted(expected)


def test_a_slot_for_which_there_are_too_few_gpus_is_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    with pytest.raises(packing.PackingError, match="slot 2 of 2 GPUs does not fit on the 3 GPUs"):
        packing.gpus_of(1, 2)


@pytest.mark.slow
def test_a_packed_study_runs_side_by_side_on_cores_of_its_own(two_cpus, tmp_path):
    study = {
        "machine": "packed",
        "audio": ["audio/english-short.opus"],
        "defaults": {"language": "en", "cpu_threads": 1},
        "rounds": 2,
        "repeats": 1,
        "warmups": 0,
        "remeasure": 0,  # other tests run at the same time
        "packing": {"jobs": 2, "cores": 1},
        "grid": [{"strategy": "one_model", "num_workers": [1, 2]}],
    }
    project = Project(tmp_path / "checkout", study)
    project.run("--until", "transcribe")
    records = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in project.folder.glob("results/packed/runs/*.json")
    ]
    assert len(records) == 4 and all(r["packed"] and r["status"] == "ok" for r in records)
    spans = sorted((r["started_at"], r["finished_at"], r["affinity"]) for r in records)
    beside = [(a, b) for a, b in pairwise(spans) if b[0] < a[1]]
    assert beside, "some runs were measured at one time"
    assert all(a[2] != b[2] for a, b in beside)
