"""Guards the window of a load: who is served when, what counts, and that it ends."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from parallel_transcription.measure.arrivals import Load, Stratum
from parallel_transcription.measure.load_window import LoadWindow
from parallel_transcription.measure.transcriber import Transcript

SECONDS = [1.0, 9.0]


def play(load: Load, callers: int, takes: dict[str, float]) -> LoadWindow:
    """Play a load on callers that sleep for each file."""
    window = LoadWindow(load, 1, ["short", "long"], callers, callers)

    def transcribe(path: str) -> Transcript:
        time.sleep(takes[path])
        return Transcript(path, 1, 1.0, "en", 0.0)

    threads = [
        threading.Thread(target=window.serve, args=(c, 0, transcribe, None), daemon=True)
        for c in range(callers)
    ]
    for thread in threads:
        thread.start()
    window.wait_for_callers()
    window.lead_in()
    window.open()
    window.wait_until_over()
    window.close()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    return window


def load(arrivals: str = "poisson", rate: float = 50.0, requests: int = 20, **more) -> Load:
    return Load(
        **{"arrivals": arrivals, "rate": rate, "requests": requests, "discipline": "fifo",
           "strata": [Stratum("", 1.0, [0, 1])], "seconds": SECONDS, "seed": "s", "round": 1,
           "give_up_s": 20.0} | more
    )  # fmt: skip


def counted(window: LoadWindow) -> list:
    return [one for one in window.told if one.counted]


def test_all_counted_requests_are_served_in_their_order_and_none_before_it_is_due():
    window = play(load(), 2, {"short": 0.005, "long": 0.01})
    told = counted(window)
    assert len(told) == 20 and [one.counter for one in told] == list(range(1, 21))
    assert all(one.status == "ok" and one.finished_s > one.started_s for one in told)
    assert all(one.started_s >= one.sent_s >= one.submitted_s for one in told)
    begun = [one.started_s for one in window.told]
    assert begun == sorted(begun)
    assert window.given_up is None
    assert window.makespan_s == pytest.approx(
        max(one.finished_s for one in told) - told[0].submitted_s
    )


def test_requests_come_before_and_after_those_that_count():
    window = play(load(), 2, {"short": 0.01, "long": 0.03})
    others = [one for one in window.told if not one.counted]
    assert sum(one.counter < 1 for one in others) == load().lead_in
    assert any(one.counter > 20 for one in others)


def test_a_closed_loop_keeps_all_callers_busy_and_no_request_waits():
    window = play(load("closed", 0.0), 3, {"short": 0.01, "long": 0.01})
    told = counted(window)
    assert all(one.submitted_s == pytest.approx(one.started_s, abs=0.005) for one in told)
    # 20 requests of 10 ms on three callers; a machine under load may be slower, never faster
    assert window.makespan_s >= 20 * 0.01 / 3 * 0.9


def test_the_shortest_waiting_file_is_served_first():
    window = play(load(rate=500.0, discipline="shortest"), 1, {"short": 0.005, "long": 0.005})
    later = counted(window)[6:]
    mean = {
        name: sum(o.started_s - o.submitted_s for o in later if o.file == name)
        for name in ("short", "long")
    }
    assert mean["short"] < mean["long"]


def test_what_cannot_be_served_in_time_is_given_up_and_the_window_ends():
    began = time.monotonic()
    window = play(load(rate=200.0, give_up_s=0.5), 1, {"short": 0.2, "long": 0.2})
    assert time.monotonic() - began < 10
    assert window.given_up
    lost = [one for one in counted(window) if one.status == "saturated"]
    assert lost and all(one.finished_s is None for one in lost)
    assert any(one.finished_s is not None for one in window.told)


def test_a_backlog_without_end_is_given_up_long_before_all_requests_came():
    window = play(load(rate=400.0, requests=400), 1, {"short": 0.05, "long": 0.05})
    assert "in the system" in window.given_up
    assert sum(one.status == "saturated" for one in counted(window)) > 200


def test_a_window_that_is_given_up_twice_ends_with_what_was_being_served():
    """The backlog drops what waits; counted ones in service then last beyond the patience."""

    class QuickAtFirst(dict):
        """Files of the lead-in take no time, all others long."""

        def __missing__(self, path):
            return 0.0 if next(served) < slow.lead_in else 0.8

    served, slow = itertools.count(), load(rate=400.0, requests=60, give_up_s=0.2)
    window = play(slow, 3, QuickAtFirst())
    told = counted(window)
    assert "in the system" in window.given_up
    assert {one.status for one in told} == {"ok", "saturated"}
    last = max(one.finished_s for one in told if one.finished_s is not None)
    assert last > max(one.submitted_s for one in told) + slow.give_up_s, "patience was over"


def test_an_error_fails_its_request_and_no_other():
    window = LoadWindow(load(), 1, ["short", "long"], 1, 1)

    def transcribe(path: str) -> Transcript:
        if path == "long":
            raise OSError("no such file")
        return Transcript(path, 1, 1.0, "en", 0.0)

    thread = threading.Thread(target=window.serve, args=(0, 0, transcribe, None), daemon=True)
    thread.start()
    window.wait_for_callers()
    window.lead_in()
    window.wait_until_over()
    window.close()
    thread.join(10)
    status = {one.file: one.status for one in counted(window)}
    assert status == {"short": "ok", "long": "failed"}
