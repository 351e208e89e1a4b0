"""Guards the way from a traffic to machines and costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_transcription.findings.sizing import by_hour, size
from parallel_transcription.results.recommended import Arguments, ForLoad, Recommendation
from parallel_transcription.results.sizing import read_sizing, write_sizing

ARGUMENTS = Arguments("mini-en", "cpu", 0, "int8", 1, 2)


def carried(rate: float, length: float = 20.0) -> dict[str, Recommendation]:
    load = ForLoad("poisson", "p95 ≤ 2 s", rate, rate * length, None, "c", "one_model", 1, 2,
                   "fifo", ARGUMENTS, "model = …")  # fmt: skip
    return {"m": Recommendation("confirmed", loads=[load])}


def test_a_day_with_a_busy_hour():
    traffic = [3600.0] * 23 + [3600 * 9.0]  # one a second, nine in the last hour
    (one,) = size(traffic, {"m": {"per_hour": 0.5, "currency": "EUR"}}, carried(4.0))
    assert one.machines == 3 and one.peak_rate == 9.0
    assert one.machine_hours_fixed == 72 and one.machine_hours_following == 23 + 3
    audio = (23 + 9) * 3600 * 20 / 3600
    assert one.audio_hours == pytest.approx(audio)
    assert one.cost_fixed == pytest.approx(72 * 0.5 / audio)
    assert one.cost_following == pytest.approx(26 * 0.5 / audio)


@given(rate=st.floats(0.1, 100), requests=st.floats(1, 1e6))
def test_no_machine_gets_more_than_it_carries_and_none_is_too_many(rate, requests):
    (one,) = size(by_hour(requests), {}, carried(rate))
    each = requests / 3600 / one.machines
    assert each <= rate * (1 + 1e-6)
    assert one.machines == 1 or requests / 3600 / (one.machines - 1) > rate * (1 - 1e-6)
    assert 0 < one.busy <= 1 + 1e-6
    assert one.cost_fixed is None


def test_without_a_traffic_or_a_load_nothing_is_sized():
    assert size(by_hour(0), {}, carried(4.0)) == []
    assert size(by_hour(100), {}, {"m": Recommendation("nothing to recommend")}) == []


def test_what_was_held_against_no_objective_is_not_sized():
    soonest = replace(carried(4.0)["m"].loads[0], objectives="", better_by=0.02)
    told = {"m": Recommendation("confirmed", loads=[soonest])}
    assert size([100.0] * 24, {}, told) == []


def test_what_is_written_is_read_again(tmp_path):
    found = size(by_hour(7200), {"m": {"per_hour": 1.0, "currency": "EUR"}}, carried(4.0))
    write_sizing(found, tmp_path / "s.yaml")
    (again,) = read_sizing(tmp_path / "s.yaml")
    assert (again.machine, again.machines, again.currency) == ("m", 1, "EUR")
    assert read_sizing(tmp_path / "none.yaml") == []
