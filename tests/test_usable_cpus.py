"""Usable CPUs from the record to the page: one number, for new records and old ones."""

import pytest

from parallel_transcription.report.pages.limits import held_up, limits
from parallel_transcription.results.counting import usable_cores, usable_cpus
from parallel_transcription.results.read import Results
from parallel_transcription.results.rows import rows_of
from parallel_transcription.words import cpus
from simple_records import make_record, tables_of


def of_host(tmp_path, affinity=None, packed=False, **host):
    """The tables of a record on a machine with such facts."""
    record = make_record()
    record["host"] |= host
    record |= {"affinity": affinity, "packed": packed}
    return tables_of(tmp_path, record)


@pytest.mark.parametrize(
    ("host", "affinity", "expected"),
    [
        # as it is recorded now
        ({"logical_cpus": 8, "affinity_cpus": 8, "usable_cpus": 1.5, "cgroup_cpus": 1.5,
          "usable_cores": 4}, None, (1.5, 1.5)),
        ({"logical_cpus": 8, "affinity_cpus": 8, "usable_cpus": 8.0, "usable_cores": 4}, None,
         (8, 4)),
        ({"logical_cpus": 8, "affinity_cpus": 2, "usable_cpus": 2.0, "usable_cores": 1}, [0, 4],
         (2, 1)),
        # records of before: the quota was told, and the cores of the whole machine
        ({"logical_cpus": 8, "affinity_cpus": 8, "cgroup_cpus": 3.0, "physical_cores": 4}, None,
         (3, 3)),
        ({"logical_cpus": 8, "affinity_cpus": 8, "physical_cores": 4}, [0, 1], (2, None)),
        ({"logical_cpus": 8, "affinity_cpus": 8, "physical_cores": 8, "threads_per_core": 1},
         [0, 1], (2, 2)),
        ({"logical_cpus": 8, "affinity_cpus": None}, None, (8, None)),
        ({"logical_cpus": None, "affinity_cpus": None}, None, (None, None)),
    ],
)  # fmt: skip
def test_usable_cpus_and_cores_of_a_record(tmp_path, host, affinity, expected):
    merged = of_host(tmp_path, affinity, **host)
    facts = merged.machines["m"]
    assert usable_cpus(merged.runs, facts) == expected[0]
    assert usable_cores(merged.runs, facts) == expected[1]


def test_tables_without_the_column_say_it_by_the_others(tmp_path):
    runs = of_host(tmp_path, logical_cpus=8, affinity_cpus=4).runs
    runs["usable_cpus"] = float("nan")
    assert usable_cpus(runs, {}) == 4
    runs[["affinity_cpus", "logical_cpus"]] = float("nan")
    assert usable_cpus(runs, {"cgroup_cpus": 0.5, "logical_cpus": 8}) == 0.5


def throttled(*seconds):
    """A record whose repeats were throttled for so long; they take 3 and 4 s."""
    record = make_record()
    counted = record["starts"][0]["passes"][1:]
    for one, value in zip(counted, seconds, strict=True):
        one |= {
            "quota_periods": 30,
            "throttled_periods": 12,
            "throttled_s": value,
            "cpu_mhz_opening": 800.0,
            "cpu_mhz_closing": 3000.0,
            "thermal_throttles": 0,
        }
    return record


@pytest.mark.parametrize(
    ("seconds", "flags"),
    [((0.0, 0.0), [0, 0]), ((0.05, 0.05), [0, 0]), ((0.07, 0.07), [1, 0]), ((6.0, 8.0), [1, 1])],
)
def test_a_pass_that_the_quota_held_up_is_marked(tmp_path, seconds, flags):
    runs = tables_of(tmp_path, throttled(*seconds)).runs
    assert runs["throttled"].tolist() == [bool(flag) for flag in flags]
    assert runs["throttled_s"].tolist() == list(seconds)
    assert runs["throttled_periods"].tolist() == [12, 12]
    assert runs["cpu_mhz"].tolist() == [3000, 3000]
    assert runs["counts"].all(), "a mark is no disturbance: the quota belongs to the machine"


def test_older_passes_have_no_throttling_rather_than_none_at_all():
    runs, _ = rows_of(make_record(), 0.05)
    assert runs[0]["throttled_s"] is None and runs[0]["throttled"] is False


def results_of(merged):
    return Results(
        runs=merged.runs,
        timings=merged.timings,
        machines=merged.machines,
        study={},
        findings=[],
        recommended={},
        left_out=[],
    )


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ({}, []),
        ({"logical_cpus": 8, "affinity_cpus": 8, "cgroup_cpus": 1.5}, ["1.5 CPUs of 8 (CPU quota"]),
        ({"logical_cpus": 8, "affinity_cpus": 8, "cgroup_cpus": 0.5}, ["0.5 CPUs of 8 (CPU quota"]),
        ({"logical_cpus": 8, "cpuset": "2-3"}, ["2 CPUs of 8 (cpuset"]),
        ({"logical_cpus": 8, "cpuset": "0-7"}, ["2 CPUs of 8 (CPU affinity"]),
        ({"usable_cores": 1}, ["2 CPUs are the two threads of one core"]),
        (
            {"logical_cpus": 8, "affinity_cpus": 8, "usable_cores": 4, "cgroup_memory_mb": 2000,
             "memory_mb": 16000, "cgroup_cpus": 64},
            ["8 CPUs are the hardware threads of 4 cores", "2.0 of 16.0 GB"],
        ),
        ({"cgroup_memory_mb": 99000, "memory_mb": 16000}, []),
    ],
)  # fmt: skip
def test_what_is_left_of_a_machine_stands_on_the_page(tmp_path, host, said):
    merged = of_host(tmp_path, **host)
    texts = limits(results_of(merged), merged.machines["m"])
    assert len(texts) == len(said)
    for text, part in zip(texts, said, strict=True):
        assert part in text


def test_throttled_and_hot_passes_are_counted_on_the_page(tmp_path):
    record = throttled(1.0, 0.0)
    record["starts"][0]["passes"][2]["thermal_throttles"] = 3
    quota, heat = held_up(results_of(tables_of(tmp_path, record)))
    assert quota.startswith("1 of 2 passes") and heat.startswith("In 1 of 2 passes")
    assert held_up(results_of(tables_of(tmp_path / "calm", make_record()))) == []


def test_runs_under_other_limits_are_told(tmp_path):
    first, second = make_record(), make_record(round_number=2)
    second["host"] |= {"cgroup_cpus": 1.0}
    assert tables_of(tmp_path, first, second).machines["m"]["mixed_limits"]
    assert not tables_of(tmp_path / "alike", first).machines["m"]["mixed_limits"]


@pytest.mark.parametrize(("count", "text"), [(1.0, "1 CPU"), (1.5, "1.5 CPUs"), (0.5, "0.5 CPUs"),
                                             (16, "16 CPUs")])  # fmt: skip
def test_cpus_in_words(count, text):
    assert cpus(count) == text
