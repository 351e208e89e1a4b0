"""What supervisor and measured process say arrives as it was said; the window is one for all."""

import threading
import time
from typing import get_args

import pytest

from parallel_transcription.measure import messages
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.messages import Event, Order, decode, encode
from parallel_transcription.measure.transcriber import Transcript
from parallel_transcription.measure.window import Window

EVENTS = [
    messages.Prepared(0.5),
    messages.Loaded([{"instance": 0}], {"rss": 1}, {"rss": None}, None, {"ctranslate2": "4"}),
    messages.PassBegins(0, {"clock_s": 1.5, "steal_s": None}),
    messages.FileStarted(1, "ä.wav", 0.25),
    messages.FileFinished(1, "a.wav", 1.5, "RuntimeError: half a surrogate \udcff"),
    messages.WindowClosed(),
    messages.PassEnded(1, {"status": "ok", "makespan_s": 1.5}),
    messages.Failed("CudaError: no GPU", "failed"),
    messages.AllDone(),
]


def test_every_kind_of_event_is_tried_here():
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_arrives_in_one_line_as_it_was_said(event):
    line = encode(event)
    assert "\n" not in line
    assert decode(line.encode()) == event


def test_an_order_arrives_as_it_was_given():
    configuration = Configuration(strategy="multi_model", instances=2, init_stagger_s=0.5)
    order = Order(
        configuration=configuration,
        model_path="/models/ä",
        files=["a.wav"],
        warmups=1,
        repeats=3,
        affinity=[0, 1],
        walk={"a.wav": [20, 40]},
    )
    assert Order.from_json(order.to_json()) == order


def transcript(text):
    return Transcript(text, segments=1, last_end_s=1.0, language="en", cpu_s=0.0)


def transcribe(files, callers, transcriber, live=None):
    """A window as a pass opens it; returns its transcriptions."""
    window = Window(files, callers)
    threads = [
        threading.Thread(target=window.serve, args=(c, c % 2, transcriber, live), daemon=True)
        for c in range(callers)
    ]
    for thread in threads:
        thread.start()
    window.wait_for_callers()
    time.sleep(0.05)
    assert all(one.started_s is None for one in window.transcriptions), "it is not open yet"
    window.open()
    window.wait_until_over()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    return window.transcriptions


def test_every_file_is_taken_once_by_one_of_the_callers():
    done = transcribe([f"{n}.wav" for n in range(20)], 3, lambda path: transcript(path))
    assert [one.counter for one in done] == list(range(1, 21))
    assert [one.as_json()["text"] for one in done] == [f"{n}.wav" for n in range(20)]
    assert {one.caller for one in done} <= {0, 1, 2}
    assert all(one.instance == one.caller % 2 for one in done)
    assert all(0 <= one.started_s <= one.finished_s < 5 for one in done)


def test_a_file_that_fails_is_noted_and_the_others_go_on():
    def transcriber(path):
        if path == "1.wav":
            raise KeyboardInterrupt("planted")
        return transcript("words")

    said = []
    done = transcribe(["0.wav", "1.wav", "2.wav"], 1, transcriber, said.append)
    assert [one.status for one in done] == ["ok", "failed", "ok"]
    assert done[1].error == "KeyboardInterrupt: planted"
    assert done[1].as_json()["text"] is None
    kinds = [type(event).__name__ for event in said]
    assert kinds == ["FileStarted", "FileFinished"] * 3
    assert said[3].error == "KeyboardInterrupt: planted"
