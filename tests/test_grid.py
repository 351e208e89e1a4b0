"""Blocks expand to their union; rounds interleave; matched arms are neighbours in random turns."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_transcription.study.grid import (
    GridPoint,
    expand_block,
    matches,
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


MATCHED = (
    {"strategy": "one_model", "num_workers": [1, 2, 4], "cpu_threads": [1, 2], "replica": [1, 2]},
    {"strategy": ["multi_model", "multi_process"], "instances": [2, 4], "cpu_threads": [1, 2]},
)
names = st.text(max_size=12)


@pytest.mark.slow
@given(names)
@settings(max_examples=30, deadline=None)
def test_matched_arms_stay_together_in_every_round(name):
    """Whatever is drawn: each group of matched arms is one unbroken stretch, so is its work."""
    points = points_of(*MATCHED)
    for number in (1, 2, 3, 4):
        order = [p.configuration for p, r in schedule(points, name) if r == number]
        assert len(order) == len(points)
        for group in (
            lambda c: (c.files_in_parallel, c.cpu_threads, c.total_workers),
            lambda c: (c.files_in_parallel, c.cpu_threads),
        ):
            arms = [group(c) for c in order]
            changes = sum(a != b for a, b in itertools.pairwise(arms))
            assert changes == len(set(arms)) - 1


@given(names, st.sets(st.integers(0, 9)))
@settings(max_examples=30, deadline=None)
def test_more_configurations_do_not_change_the_order_of_the_others(name, left_out):
    points = points_of(*MATCHED)
    fewer = [p for k, p in enumerate(points) if k not in left_out]
    kept = {p.id for p in fewer}
    assert [(p.id, r) for p, r in schedule(points, name) if p.id in kept] == [
        (p.id, r) for p, r in schedule(fewer, name)
    ]
    assert schedule(points[::-1], name) == schedule(points, name)


SEEDS = [f"study {k}" for k in range(60)]


def slots(points, name):
    """The slot of each configuration in each round, from 0: shape (rounds, configurations)."""
    runs = schedule(points, name)
    place = {p.id: k for k, p in enumerate(points)}
    found = np.empty((max(r for _, r in runs), len(points)))
    for k, (p, r) in enumerate(runs):
        found[r - 1, place[p.id]] = k % len(points)
    return found


def test_each_of_two_comes_first_as_often_in_odd_as_in_even_rounds():
    """A period of two rounds has no phase of its own: AB, BA would have given 1 and 0."""
    points = points_of({"strategy": "one_model", "num_workers": 2, "replica": [1, 2]}, rounds=8)
    first = np.array([slots(points, name)[:, 0] == 0 for name in SEEDS])
    for rounds in (first[:, ::2], first[:, 1::2]):
        assert 0.38 < rounds.mean() < 0.62  # 240 draws: four standard deviations
    turns = {tuple(row) for row in first}
    assert len(turns) > 40, "studies of other names are measured in other turns"


@pytest.mark.parametrize("period", [2.0, 3.0, 1.0, 0.5])
def test_a_disturbance_with_a_period_biases_no_pair(period):
    """Of any phase; and of no study it is the same sign in all rounds by rule."""
    points = points_of(*MATCHED, rounds=8)
    pairs = list(itertools.combinations(range(len(points)), 2))
    biases = []
    for name in SEEDS:
        when = np.arange(8)[:, None] + slots(points, name) / len(points)
        effect = np.sin(2 * np.pi * when / period + 0.7)
        biases.append([(effect[:, a] - effect[:, b]).mean() for a, b in pairs])
    mean = np.abs(np.mean(biases, axis=0))
    limit = 5 * np.std(biases, axis=0) / np.sqrt(len(SEEDS))
    assert (mean <= limit).all()


def test_a_drift_cancels_on_average():
    points = points_of(*MATCHED, rounds=5)
    biases = []
    for name in SEEDS:
        place = slots(points, name)
        biases.append([(place[:, a] - place[:, 0]).mean() for a in range(1, len(points))])
    limit = 5 * np.std(biases, axis=0) / np.sqrt(len(SEEDS))
    assert (np.abs(np.mean(biases, axis=0)) <= limit).all()


def test_replicas_are_as_far_apart_as_the_arms_whose_noise_they_stand_for():
    points = points_of(
        {"strategy": "one_model", "num_workers": 4, "replica": [1, 2]},
        {"strategy": ["multi_model", "multi_process"], "instances": 4},
    )
    strategy = [(p.configuration.strategy, p.configuration.replica) for p in points]
    one, again = strategy.index(("one_model", 1)), strategy.index(("one_model", 2))
    other = strategy.index(("multi_model", 1))
    place = np.array([slots(points, name) for name in SEEDS])
    apart = np.abs(place[..., one] - place[..., again]).mean()
    assert apart == pytest.approx(np.abs(place[..., one] - place[..., other]).mean(), abs=0.3)
    assert apart > 1.3


def test_order_depends_on_the_study_not_on_python_hashes():
    block = {"strategy": "one_model", "num_workers": [4, 1, 2], "cpu_threads": [2, 1]}
    order = [
        (p.configuration.cpu_threads, p.configuration.num_workers)
        for p, r in schedule(points_of(block), "a study")
        if r == 1
    ]
    assert order == [(1, 4), (1, 2), (1, 1), (2, 1), (2, 2), (2, 4)]


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
