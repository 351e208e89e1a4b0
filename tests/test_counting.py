"""What counts: disturbed, late and failed repeats, replicas and batches."""

import math

import numpy as np
import pandas as pd
import pytest

from parallel_transcription.results import counting
from parallel_transcription.results.columns import METERS, RECORDED, RUN_COLUMNS
from parallel_transcription.results.counting import median, per_round, times
from parallel_transcription.results.merge import runs_table
from parallel_transcription.results.summaries import configurations
from synthetic_study import configuration


def repeats(makespans, disturbed=None, status=None, **more):
    """Runs of one configuration, one round unless `more` says otherwise."""
    n = len(makespans)
    frame = pd.DataFrame(
        {
            "repeat": range(1, n + 1),
            "makespan_s": makespans,
            "status": status or ["ok"] * n,
            "disturbed": disturbed or [False] * n,
        }
    )
    missing = {c.name: {"text": "", "flag": False, "whole": 0}.get(c.kind) for c in RECORDED}
    given = {**missing, **configuration("one_model", files=1), "run": "x-r01", "machine": "m",
             "round": 1, "timeout_s": 60.0, **more}  # fmt: skip
    return runs_table(frame.assign(**{k: v for k, v in given.items() if k not in frame}))


def test_a_round_is_the_median_of_its_repeats():
    (row,) = per_round(repeats([1.0, 9.0, 2.0])).to_dict("records")
    assert (row["makespan_s"], row["censored"], row["repeats"]) == (2.0, False, 3)


@pytest.mark.parametrize(
    ("disturbed", "counts", "row"),
    [
        ([False, True, False], [True, False, True], (1.5, False, 1)),
        ([True, True, True], [True, True, True], (2.0, True, 0)),
    ],
    ids=["beside others", "alone"],
)
def test_disturbed_repeats_count_only_where_nothing_else_is_there(disturbed, counts, row):
    runs = repeats([1.0, 9.0, 2.0], disturbed)
    assert runs["counts"].to_list() == counts
    (found,) = per_round(runs).to_dict("records")
    assert (found["makespan_s"], found["disturbed"], found["left_out"]) == row


def test_who_died_counts_as_late_where_others_end_well():
    """And not what was killed beside foreign load; where none ends well there is no time."""
    runs = repeats([3.0, np.nan], [True, False], ["ok", "failed"])
    assert runs["counts"].to_list() == [False, True] and runs["died"].to_list() == [False, True]
    assert configurations(runs)["makespan_s"].to_list() == [math.inf]
    excused = repeats([3.0, np.nan], [False, True], ["ok", "killed"])
    assert excused["counts"].to_list() == [True, False]
    never = repeats([np.nan, np.nan], status=["failed", "killed"])
    assert not never["counts"].any() and per_round(never).empty


def test_disturbed_repeats_count_by_round_and_machine():
    runs = pd.concat([repeats([1.0], [True]), repeats([2.0], round=2, run="x-r02"),
                      repeats([3.0], machine="n")])  # fmt: skip
    runs = runs_table(runs)
    assert runs["counts"].all()


@pytest.mark.parametrize(
    ("makespans", "status", "expected"),
    [
        ([1.0, np.nan, 2.0], ["ok", "timeout", "ok"], (2.0, False)),
        ([1.0, np.nan, np.nan], ["ok", "timeout", "timeout"], (60.0, True)),
        ([50.0, np.nan], ["ok", "timeout"], (55.0, True)),
        ([1.0, np.nan, 2.0], ["ok", "killed", "ok"], (2.0, False)),
        ([1.0, np.nan, np.nan], ["ok", "failed", "killed"], (60.0, True)),
        ([1.0, np.nan, np.nan, 3.0], ["ok", "stuck", "stuck", "ok"], (2.0, False)),
    ],
)
def test_late_repeats_and_deaths_are_the_largest_and_stuck_ones_have_no_time(
    makespans, status, expected
):
    runs = repeats(makespans, status=status)
    (row,) = per_round(runs).to_dict("records")
    assert (row["makespan_s"], row["censored"]) == expected
    shown = configurations(runs)["makespan_s"].to_list()
    assert shown == [math.inf if expected[1] else expected[0]], "pages and findings agree"


def test_rounds_without_a_time_are_not_there():
    assert per_round(repeats([np.nan], status=["killed"])).empty
    assert list(per_round(repeats([])).columns) == list(per_round(repeats([1.0])).columns)


def test_the_median_of_nothing_is_not_known():
    assert math.isnan(median([], []).value)


def test_meters_are_medians_of_the_repeats_that_count():
    runs = repeats([1.0, 2.0, 3.0], [False, True, False], cpu_s=[1.0, 100.0, 3.0])
    assert set(METERS) <= set(per_round(runs).columns)
    assert per_round(runs)["cpu_s"].to_list() == configurations(runs)["cpu_s"].to_list() == [2.0]


@pytest.mark.parametrize(
    ("more", "unaltered", "ordinary"),
    [
        ({}, True, True),
        ({"replica": 2}, False, False),
        ({"slowdown": 0.1}, False, False),
        ({"batch_size": 4}, True, False),
    ],
)
def test_replicas_slowed_and_batched_runs_are_not_ordinary(more, unaltered, ordinary):
    (row,) = repeats([1.0], **more).to_dict("records")
    assert (row["unaltered"], row["ordinary"]) == (unaltered, ordinary)


@pytest.mark.parametrize(
    ("more", "threads", "in_use"),
    [
        ({"cpu_threads": 3}, 3, 2),
        ({"cpu_threads": 0, "logical_cpus": 2}, 2, 2),
        ({"cpu_threads": 0, "logical_cpus": 64}, 4, 2),
        ({"cpu_threads": 0, "logical_cpus": None, "callers": 0}, 4, 1),
        # the engine looks at neither affinity nor quota, but at OpenMP's variable
        ({"cpu_threads": 0, "logical_cpus": 64, "affinity_cpus": 2, "usable_cpus": 1.5}, 4, 2),
        ({"cpu_threads": 0, "logical_cpus": 2, "thread_env": "OMP_NUM_THREADS=3,1 X=1"}, 3, 2),
        ({"cpu_threads": 1, "logical_cpus": 2, "thread_env": "A=b OMP_NUM_THREADS=3"}, 1, 2),
        ({"cpu_threads": 0, "logical_cpus": 8, "thread_env": "OMP_NUM_THREADS=0"}, 4, 2),
    ],
)
def test_threads_and_workers_that_can_be_busy(more, threads, in_use):
    (row,) = repeats([1.0], **{"total_workers": 4, "callers": 2} | more).to_dict("records")
    assert (row["threads"], row["in_use"]) == (threads, in_use)


def test_times_are_those_of_repeats_that_count():
    runs = repeats([1.0, np.nan, 3.0], [False, False, True], ["ok", "timeout", "ok"])
    assert times(runs)[["value", "late"]].to_numpy().tolist() == [[1.0, False], [60.0, True]]


def test_every_column_has_the_type_of_its_kind():
    types = {"text": "str", "flag": "bool", "whole": "int64"}
    for runs in (repeats([1.0]), repeats([])):
        assert tuple(runs.columns) == RUN_COLUMNS
        for column in RECORDED:
            assert runs[column.name].dtype == types.get(column.kind, "float64"), column.name


def test_of_unlike_machines_the_number_of_cpus_is_one_that_there_is():
    runs = repeats([1.0] * 4).assign(usable_cpus=[32.0, 32.0, 64.0, 64.0])
    assert counting.usable_cpus(runs, {}) in (32.0, 64.0)
