"""Guards the schedules of loads: the same for all, of the right rate, mix and shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_transcription.measure.arrivals import Load, Stratum, draw, schedule
from parallel_transcription.study import rates
from queues import load_of

KINDS = ("poisson", "constant", "bursts")


@pytest.mark.parametrize("kind", KINDS)
@given(rate=st.sampled_from(rates.STEPS), requests=st.integers(10, 300), number=st.integers(1, 50))
def test_requests_come_in_order_and_enough_of_them(kind, rate, requests, number):
    load = load_of([1.0] * 3, rate, requests, number, kind)
    plan = schedule(load, 1)
    assert plan.end - plan.first == requests and plan.first == load.lead_in
    assert plan.at == sorted(plan.at) and plan.at[0] >= 0
    assert len(plan.at) == len(plan.files) == plan.end + requests


@pytest.mark.parametrize("kind", KINDS)
def test_requests_come_at_the_rate_that_is_asked(kind):
    at = [schedule(load_of([1.0], 2.0, 400, n, kind), 1).at[499] for n in range(1, 60)]
    assert np.mean(at) == pytest.approx(500 / 2.0, rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_rates_of_a_round_are_scaled_copies_with_the_same_files(kind):
    slow, fast = (schedule(load_of([1.0] * 5, r, 50, 3, kind), 2) for r in (1.0, 4.0))
    assert np.allclose(np.array(slow.at), 4 * np.array(fast.at))
    assert slow.files == fast.files


def test_rounds_and_passes_differ_and_repeat_exactly():
    load = load_of([1.0] * 5, 2.0, 50, 1)
    one = schedule(load, 1)
    assert one == schedule(load, 1)
    others = [schedule(load, 2), schedule(replace(load, round=2), 1),
              schedule(replace(load, seed="other"), 1)]  # fmt: skip
    assert all(one.at != other.at and one.files != other.files for other in others)


def test_gaps_have_the_shape_of_their_kind():
    spread = {}
    for kind in KINDS:
        at = np.array(schedule(load_of([1.0], 1.0, 20_000, 1, kind), 1).at)
        gaps = np.diff(at)
        spread[kind] = gaps.std() / gaps.mean()
    assert spread["constant"] == pytest.approx(0, abs=1e-6)
    assert spread["poisson"] == pytest.approx(1, rel=0.05)
    assert spread["bursts"] == pytest.approx(2, rel=0.1)


def test_the_next_request_waits_for_a_caller_in_a_closed_loop():
    load = replace(load_of([1.0], 1.0, 20, 1), arrivals="closed", rate=0.0)
    assert set(schedule(load, 1).at) == {0.0} and load.lasts_s == 0


@given(
    weights=st.lists(st.floats(0.1, 20), min_size=1, max_size=5),
    files=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_parts_of_a_mix_come_by_their_weight_and_files_equally_often(weights, files, seed):
    strata = [
        Stratum(str(n), weight, list(range(n * files, (n + 1) * files)))
        for n, weight in enumerate(weights)
    ]
    count = 20_000
    drawn = np.bincount(draw(strata, count, np.random.default_rng(seed)),
                        minlength=files * len(weights))  # fmt: skip
    for stratum in strata:
        share = stratum.weight / sum(weights) / files
        error = (share * (1 - share) / count) ** 0.5
        assert np.abs(drawn[stratum.files] / count - share).max() < 5.5 * error + 1e-9


def test_a_trace_keeps_its_moments_and_takes_the_nearest_lengths():
    trace = [(100.0 + k, length) for k, length in enumerate([5, 50, 9, 8, 200] * 4)]
    load = Load(arrivals="trace", rate=0.0, requests=0, discipline="fifo",
                strata=[Stratum("", 1.0, [0, 1, 2])], seconds=[8.0, 60.0, 130.0], seed="x",
                round=1, give_up_s=9, trace=trace)  # fmt: skip
    plan = schedule(load, 1)
    assert plan.at == [float(k) for k in range(20)]
    assert plan.files[:5] == [0, 1, 0, 0, 2]
    assert (plan.first, plan.end) == (4, 20)


@given(st.floats(1e-3, 1e4))
def test_the_ladder_is_within_half_a_step_of_any_rate(rate):
    near = rates.on_ladder(rate)
    assert rates.is_on_ladder(near)
    assert abs(np.log(near / rate)) < np.log(1.145) / 2
    low, high = rates.around(rate * 1.0001)
    assert low < rate * 1.0002 and high > rate * 0.9999 and low != high
