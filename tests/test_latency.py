"""Guards what a pass under a load is said to be: percentiles, saturation, the number in it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_transcription.findings.replay import alone, waits
from parallel_transcription.results.latency import (
    Requests,
    columns_of,
    percentile,
    saturated_by,
)
from queues import SERVICE, latencies, rate_for, served


@given(st.lists(st.floats(0.01, 1e3), min_size=1, max_size=80), st.sampled_from([50, 90, 95, 99]))
def test_percentiles_are_median_unbiased_ones(values, which):
    expected = np.quantile(values, which / 100, method="median_unbiased")
    assert percentile(values, which) == pytest.approx(expected)


def test_what_was_given_up_counts_as_infinitely_late():
    values = [1.0] * 97 + [math.inf] * 3
    assert percentile(values, 95) == 1.0
    assert percentile(values, 99) == math.inf
    assert math.isnan(percentile([], 95))


@pytest.mark.parametrize("queue", SERVICE)
@pytest.mark.parametrize("utilisation", [0.5, 0.7, 0.85])
def test_a_load_that_is_carried_is_rarely_called_saturated(queue, utilisation):
    service = SERVICE[queue]
    rate = rate_for(service, 2, utilisation)
    called = [
        bool(saturated_by(Requests(served(service, rate, 2, 80, n)), 2, None)) for n in range(60)
    ]
    assert np.mean(called) <= 0.05


@pytest.mark.parametrize("queue", SERVICE)
def test_a_load_far_beyond_what_is_carried_is_called_saturated(queue):
    service = SERVICE[queue]
    rate = rate_for(service, 2, 2.0)
    called = [
        bool(saturated_by(Requests(served(service, rate, 2, 80, n)), 2, None)) for n in range(60)
    ]
    assert np.mean(called) >= 0.9


def test_the_number_in_the_system_obeys_littles_law():
    service = SERVICE["M/G/k"]
    rate = rate_for(service, 2, 0.7)
    requests = served(service, rate, 2, 20_000, 1)
    mean = Requests(requests).mean_in_system()
    assert mean == pytest.approx(rate * latencies(requests).mean(), rel=0.02)


def test_percentiles_only_where_requests_carry_them_and_none_of_a_saturated_pass():
    service = SERVICE["M/D/k"]
    few = columns_of(served(service, 0.5, 1, 25, 1), 1, None, closed=False)
    assert {"p50_s", "p90_s"} <= set(few) and not {"p95_s", "p99_s"} & set(few)
    lost = columns_of(served(service, 3.0, 1, 80, 1), 1, None, closed=False)
    assert lost["saturated_by"] and not {"p50_s", "p95_s", "latency_s"} & set(lost)
    well = served(service, 0.5, 1, 80, 1)
    # given up while the last ones were served, with none to drop: they took long, no more
    assert not columns_of(well, 1, "given up", False)["saturated_by"]
    last = max(well, key=lambda one: one["submitted_s"] if one["counted"] else 0)
    last |= {"status": "saturated", "finished_s": None}
    assert columns_of(well, 1, "given up", False)["saturated_by"] == "given up"


def test_a_generator_that_is_late_is_named():
    requests = served(SERVICE["M/D/k"], 0.5, 1, 40, 1)
    assert not columns_of(requests, 1, None, False)["generator_limited"]
    late = [one | {"sent_s": one["sent_s"] + 0.1} for one in requests]
    assert columns_of(late, 1, None, False)["generator_limited"]


def test_waiting_is_that_of_the_first_free_server():
    assert list(waits([0, 0, 0, 10], [4, 2, 3, 1], 2)) == [0, 0, 2, 0]


def test_files_alone_are_those_that_nobody_was_served_beside():
    import pandas as pd

    table = pd.DataFrame(
        {
            "run": "r", "repeat": 1,
            "started_s": [0.0, 5.0, 6.0, 20.0], "finished_s": [4.0, 9.0, 7.0, 23.0],
            "service_s": [4.0, 4.0, 1.0, 3.0], "audio_sha256": ["a", "b", "c", "a"],
        }
    )  # fmt: skip
    assert alone(table).to_dict() == {"a": 3.5}
