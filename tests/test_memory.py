"""Memory: copies and buffers, a container's limit, growth over passes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from judging import question
from merge_timings import merge_timings
from parallel_transcription import statistics
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.read import read_tables
from planted_world import World, arm, write


def judged(tmp_path, id, records, **limits):
    """One question to records; `limits` are the study's."""
    write(records, tmp_path)
    (tmp_path / "study.json").write_text(json.dumps({"limits": limits}))
    merge_timings(tmp_path, tmp_path)
    results = read_tables(tmp_path)
    return question(id).judge(Machine(results, results.labels[0]))


@pytest.mark.parametrize("n", [3, 8, 30])
def test_a_tolerance_bound_holds_for_its_share_as_often_as_it_says(n):
    rng = np.random.default_rng(1)
    bounds = [statistics.tolerance_bound(rng.normal(size=n), 0.99) for _ in range(1000)]
    assert 0.93 <= np.mean(np.array(bounds) >= 2.3263) <= 0.97


def test_a_tolerance_bound_is_never_below_what_was_seen():
    assert statistics.tolerance_bound([7.0, 7.0, 7.0]) == 7.0
    assert np.isnan(statistics.tolerance_bound([7.0]))


ARMS = [arm(w=1, t=1, f=4), arm(w=4, t=1, f=4), arm("multi_process", n=4, t=1, f=4)]


def noisy(record, point, number):
    """Peaks of 300, 340, 380 MB, more in other runs than passes."""
    for one in record["starts"][0]["passes"]:
        one["rss_peak_bytes"] = round((300 + 10 * point.num_workers + number) * 1e6)
    return record


@pytest.mark.parametrize(
    ("limit", "verdict"), [(10_000, "confirmed"), (349, "inconclusive"), (320, "refuted")]
)
def test_the_bound_of_the_peak_is_held_against_the_limit(tmp_path, limit, verdict):
    found = judged(
        tmp_path, "memory_limit", World().records(ARMS, change=noisy), max_memory_mb=limit
    )
    assert found.verdict == verdict
    rows = {(r["strategy"], r["workers_in_use"]): r for r in found.evidence}
    assert rows["one_model", 4]["peak_mb"] == 346
    assert 346 < rows["one_model", 4]["bound_mb"] < 360
    assert found.effect.value == rows["one_model", 4]["bound_mb"]


def test_without_peaks_no_limit_is_named(tmp_path):
    def change(record, point, number):
        for one in record["starts"][0]["passes"]:
            one["rss_peak_bytes"] = None
        return record

    found = judged(tmp_path, "memory_limit", World().records(ARMS, change=change))
    assert found.verdict == "not measured"


def growing(*megabytes_per_pass):
    """Passes that leave more and more, in turn for each process; the first half warms up."""

    def change(record, point, number):
        slope = megabytes_per_pass[number % len(megabytes_per_pass)]
        for place, one in enumerate(record["starts"][0]["passes"]):
            warm = 40 * min(place, 3)
            one["memory"]["uss"] = round((400 + warm + slope * place) * 1e6)
        return record

    return change


@pytest.mark.parametrize(
    ("slopes", "verdict"),
    [((0.0, 0.01), "confirmed"), ((5.0, 5.5), "refuted"), ((0.0, 3.0), "inconclusive")],
)
def test_a_leak_is_told_from_a_plateau(tmp_path, slopes, verdict):
    records = World().records([arm(w=2, t=1)], repeats=10, change=growing(*slopes))
    found = judged(tmp_path, "memory_growth", records)
    assert found.verdict == verdict
    assert found.evidence[0]["passes"] == 10 and found.evidence[0]["processes"] == 6


def test_growth_in_the_first_passes_is_no_leak(tmp_path):
    records = World().records([arm(w=2, t=1)], repeats=8, change=growing(0.0))
    assert judged(tmp_path, "memory_growth", records).verdict == "confirmed"


def test_a_few_passes_tell_nothing_of_growth(tmp_path):
    records = World().records([arm(w=2, t=1)], repeats=2, change=growing(9.0))
    assert judged(tmp_path, "memory_growth", records).verdict == "not measured"
