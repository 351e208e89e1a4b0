"""Packed runs get cores of their own; the time estimate counts what is left."""

import os
import threading

import pytest

from parallel_transcription import packing, progress


@pytest.fixture
def two_cpus():
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")


def test_no_packing_pins_nothing():
    with packing.slot(None) as cores:
        assert cores is None


def test_slots_at_one_time_are_disjoint(two_cpus, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "LOCKS", tmp_path / "locks")
    setting = {"jobs": 2, "cores": 1}
    with packing.slot(setting) as first, packing.slot(setting) as second:
        assert len(first) == len(second) == 1 and first != second


def test_a_third_run_waits_for_a_free_slot(two_cpus, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "LOCKS", tmp_path / "locks")
    setting = {"jobs": 2, "cores": 1}
    got = []

    def third():
        with packing.slot(setting) as cores:
            got.append(cores)

    with packing.slot(setting) as first:
        with packing.slot(setting):
            thread = threading.Thread(target=third)
            thread.start()
            thread.join(0.3)
            assert got == []
        thread.join(10)
        assert len(got) == 1 and got[0] != first


def test_a_slot_that_the_machine_lacks_is_refused():
    with pytest.raises(ValueError, match="does not fit on the"):
        packing.cores_of(1, 10_000)


def test_the_estimate_counts_down(tmp_path):
    plan = tmp_path / "plan.json"
    progress.write_plan("study", ["a-r01", "b-r01", "a-r02", "b-r02"], plan)
    assert progress.advance("a-r01", 10.0, plan) == " · 1 of 4 · about 30 s left"
    assert progress.advance("b-r01", 30.0, plan) == " · 2 of 4 · about 40 s left"
    assert progress.advance("b-r02", 30.0, plan) == " · 3 of 4 · about 10 s left"
    assert progress.advance("a-r02", 10.0, plan) == " · 4 of 4"


def test_a_new_plan_forgets_the_old_one(tmp_path):
    plan = tmp_path / "plan.json"
    progress.write_plan("study", ["a-r01", "b-r01"], plan)
    progress.advance("a-r01", 5.0, plan)
    progress.write_plan("study", ["b-r01", "c-r01"], plan)
    assert progress.advance("b-r01", 5.0, plan).startswith(" · 1 of 2")


def test_long_estimates_read_as_minutes_and_hours(tmp_path):
    plan = tmp_path / "plan.json"
    progress.write_plan("study", [f"a-r{i:03d}" for i in range(101)], plan)
    assert progress.advance("a-r000", 10.0, plan).endswith("about 17 min left")
    progress.write_plan("study", [f"a-r{i:03d}" for i in range(101)], plan)
    assert progress.advance("a-r000", 100.0, plan).endswith("about 2.8 h left")


def test_without_a_plan_there_is_no_estimate(tmp_path):
    assert progress.advance("a-r01", 1.0, tmp_path / "none.json") == ""
