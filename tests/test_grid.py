"""Blocks expand to their union; rounds interleave; matched arms are neighbours in turn AB, BA."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from parallel_transcription.study.grid import (
    GridPoint,
    expand_block,
    matches,
    neighbourhood,
    schedule,
    values_of,
)

numbers = st.lists(st.integers(1, 6), min_size=1, max_size=4, unique=True)


def points_of(*blocks, rounds=4):
    found: dict[str, GridPoint] = {}
    for block in blocks:
        for configuration in expand_block(block, {}):
            point = GridPoint.of(configuration, rounds, 3)
            found[point.id] = point
    return list(found.values())


@given(numbers, numbers)
def test_a_block_is_a_cartesian_product(workers, threads):
    block = {"strategy": "one_model", "num_workers": workers, "cpu_threads": threads}
    found = list(expand_block(block, {}))
    assert len(found) == len(workers) * len(threads)
    assert {(c.num_workers, c.cpu_threads) for c in found} == {
        (w, t) for w in workers for t in threads
    }


def test_a_block_overrides_the_defaults():
    (found,) = expand_block({"strategy": "one_model", "beam_size": 1}, {"beam_size": 7})
    assert found.beam_size == 1


def test_a_list_of_devices_is_one_value_when_nested():
    assert values_of("device_index", [[0, 1, 2], "3"]) == ["0,1,2", "3"]
    assert values_of("device_index", "0,1") == ["0,1"]


@given(numbers, numbers, st.integers(1, 5))
def test_every_run_is_scheduled_once_and_rounds_do_not_mix(workers, threads, rounds):
    points = points_of(
        {"strategy": "one_model", "num_workers": workers, "cpu_threads": threads},
        {"strategy": "multi_model", "instances": workers, "cpu_threads": threads},
        rounds=rounds,
    )
    runs = schedule(points)
    assert len(runs) == len({(p.id, r) for p, r in runs}) == len(points) * rounds
    assert [r for _, r in runs] == sorted(r for _, r in runs)


@given(numbers, numbers)
def test_every_other_round_runs_backwards(workers, threads):
    points = points_of({"strategy": "one_model", "num_workers": workers, "cpu_threads": threads})
    runs = schedule(points)
    order = {r: [p.id for p, n in runs if n == r] for r in (1, 2, 3)}
    assert order[1] == order[2][::-1] == order[3]


def test_matched_arms_run_next_to_each_other():
    points = points_of(
        {"strategy": "one_model", "num_workers": [1, 2, 4], "cpu_threads": [1, 2]},
        {"strategy": ["multi_model", "multi_process"], "instances": [2, 4], "cpu_threads": [1, 2]},
    )
    first = [p.configuration for p, r in schedule(points) if r == 1]
    arms = [(neighbourhood(c), c.total_workers) for c in first]
    changes = sum(a != b for a, b in itertools.pairwise(arms))
    assert changes == len(set(arms)) - 1, "each group of matched arms is one unbroken stretch"


def test_order_depends_on_the_study_not_on_python_hashes():
    block = {"strategy": "one_model", "num_workers": [4, 1, 2], "cpu_threads": [2, 1]}
    order = [
        (p.configuration.cpu_threads, p.configuration.num_workers)
        for p, r in schedule(points_of(block))
        if r == 1
    ]
    assert order == [(2, 1), (2, 2), (2, 4), (1, 1), (1, 2), (1, 4)]


def test_only_narrows_by_id_dimension_or_a_list_of_these():
    points = points_of({"strategy": "one_model", "num_workers": [1, 2], "cpu_threads": [1, 2]})

    def left(only):
        return [p.id for p in points if matches(p.configuration, p.id, only)]

    assert left(None) == [p.id for p in points]
    assert left(points[2].id) == [points[2].id]
    assert len(left("one_model-mini-en-int8-cpu-i1-w2")) == 2
    assert len(left({"num_workers": 2, "cpu_threads": [1, 2]})) == 2
    assert len(left([points[0].id, {"num_workers": 2, "cpu_threads": 1}])) == 2
    assert left({"strategy": "multi_model"}) == []
