"""Whatever happens to the measured process, the outcome says so, and no process stays behind."""

import json
import os
import platform
import signal
import threading
import time
import wave
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import psutil
import pytest
from faster_whisper import decode_audio
from hypothesis import given
from hypothesis import strategies as st

import studies
from measuring import BRIEF, CLIP, PROTOCOL, task
from parallel_transcription.measure.loading import load_staggered
from parallel_transcription.measure.messages import PassBegins
from parallel_transcription.measure.supervise import (
    clean_environment,
    stated_environment,
    supervise,
)
from parallel_transcription.measure.transcriber import SHORTEST_WINDOW_S, WINDOW_S, windows
from project import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_process_left")]  # measures

LONG = str(ROOT / "audio" / "english-long.opus")
#: What windows that are decoded together cannot do.
ONCE = {"condition_on_previous_text": False, "temperature_fallback": False}


def send(number, at, repeat=1):
    """A listener that sends a signal to the measured process at a moment of its life."""

    def listener(event):
        if isinstance(event, at) and event.repeat == repeat:
            for child in psutil.Process().children():
                child.send_signal(number)

    return listener


@pytest.mark.parametrize(
    ("strategy", "values"),
    [
        ("one_model", {"num_workers": 2}),
        ("multi_model", {"instances": 2, "init_stagger_s": 0.1}),
        ("multi_process", {"instances": 2}),
    ],
)
def test_each_strategy_hears_the_same_words(strategy, values):
    outcome = supervise(task(strategy=strategy, **values), PROTOCOL, None)
    assert outcome["status"] == "ok", outcome["error"]
    (start,) = outcome["starts"]
    assert [one["repeat"] for one in start["passes"]] == [0, 1]
    warm, whole = ({one["text"] for one in each["transcriptions"]} for each in start["passes"])
    assert len(whole) == 1 and len(next(iter(whole)).split()) > 5
    assert all(text and next(iter(whole)).startswith(text) for text in warm), "the first window"
    assert len(start["loads"]) == values.get("instances", 1)
    assert start["passes"][1]["cpu_s"] > 0
    assert start["memory_after"]["uss"] > start["memory_before"]["uss"]


@pytest.mark.parametrize("values", [{}, {"vad_filter": True}, {"strategy": "multi_process"}])
def test_batches_hear_all_of_a_long_file(values):
    """Whatever the size of the batches, the words are those of the reference."""
    reference = Path(LONG).with_suffix(".txt").read_text(encoding="utf-8").split()
    for batch_size in (1, 3):
        outcome = supervise(
            task(files=[LONG], batch_size=batch_size, **ONCE, **values), BRIEF, None
        )
        assert outcome["status"] == "ok", outcome["error"]
        (one,) = outcome["starts"][0]["passes"][0]["transcriptions"]
        assert jiwer.wer(" ".join(reference), one["text"].replace(".", "")) < 0.15
        assert one["segments"] > 4 and one["last_end_s"] > 100


def write_wav(file, sound):
    with wave.open(str(file), "wb") as opened:
        opened.setparams((1, 2, 16_000, 0, "NONE", ""))
        opened.writeframes((sound * 32_767).astype("<i2").tobytes())


@pytest.mark.parametrize(("extra", "expected"), [(0, 1), (1, 1), (160, 1), (3_000, 1), (8_000, 2)])
def test_a_rest_of_almost_nothing_gets_no_window_and_no_words(tmp_path, extra, expected):
    write_wav(tmp_path / "long.wav", np.resize(decode_audio(CLIP), 30 * 16_000 + extra))
    files = [str(tmp_path / "long.wav")]
    outcome = supervise(task(files=files, batch_size=4, **ONCE), BRIEF, None)
    assert outcome["status"] == "ok", outcome["error"]
    (one,) = outcome["starts"][0]["passes"][0]["transcriptions"]
    assert one["decoded"]["windows"] == expected
    assert one["last_end_s"] <= 30 * expected


@pytest.mark.parametrize("vad_filter", [False, True])
def test_both_sides_decode_the_same_audio(tmp_path, vad_filter):
    """Pauses of 0.3 to 1.5 s: the pipeline's own voice detector would leave most of them out."""
    clip = decode_audio(CLIP)
    pauses = [np.zeros(int(16_000 * s), np.float32) for s in (0.3, 0.8, 1.5)]
    write_wav(tmp_path / "a.wav", np.concatenate([part for p in pauses for part in (clip, p)]))
    heard = []
    for batch_size in (0, 4):
        settings = {"batch_size": batch_size, "vad_filter": vad_filter}
        outcome = supervise(task(files=[str(tmp_path / "a.wav")], **settings, **ONCE), BRIEF, None)
        (one,) = outcome["starts"][0]["passes"][0]["transcriptions"]
        heard.append(one["decoded"]["speech_s"])
    assert heard[0] == pytest.approx(heard[1], rel=0.01)


@given(st.floats(0.01, 10_000))
def test_windows_cover_a_file_but_for_a_rest_without_room_for_a_word(seconds):
    found = windows(seconds)
    assert found[0]["start"] == 0 and all(a["end"] == b["start"] for a, b in pairwise(found))
    assert all(0 < one["end"] - one["start"] <= WINDOW_S for one in found)
    assert 0 <= seconds - found[-1]["end"] < SHORTEST_WINDOW_S


@pytest.mark.alone
def test_a_stagger_separates_the_starts_of_initialisations():
    staggered = task(strategy="multi_model", instances=3, init_stagger_s=0.2)
    loads = supervise(staggered, PROTOCOL, None)["starts"][0]["loads"]
    gaps = [b["started_s"] - a["started_s"] for a, b in pairwise(loads)]
    assert all(0.15 < gap < 1 for gap in gaps)


def test_threads_that_loaded_live_until_the_end_so_that_no_caller_gets_their_memory_arena():
    def loaders():
        return {thread for thread in threading.enumerate() if thread.name.startswith("loader")}

    closing = threading.Event()
    objects, loads = load_staggered([lambda: "a model", lambda: 1 / 0], 0.0, closing)
    assert objects == ["a model", None]
    assert loads[0].error is None and "ZeroDivisionError" in loads[1].error
    parked = loaders()
    assert len(parked) == 2
    closing.set()
    for thread in parked:
        thread.join(5)
    assert not loaders()


def test_one_caller_takes_one_file_after_another():
    outcome = supervise(task(callers=1), PROTOCOL, None)
    first, second = outcome["starts"][0]["passes"][1]["transcriptions"]
    assert first["finished_s"] <= second["started_s"]
    assert first["caller"] == second["caller"] == 0


@pytest.mark.alone
def test_several_callers_start_at_one_moment():
    outcome = supervise(task(files=[CLIP] * 4, num_workers=1), PROTOCOL, None)
    last = outcome["starts"][0]["passes"][1]
    assert max(one["started_s"] for one in last["transcriptions"]) < 0.5 * last["makespan_s"]


def test_cold_starts_are_fresh_processes_that_only_load():
    cold = task(files=(), strategy="multi_model", instances=2)
    outcome = supervise(cold, replace(PROTOCOL, repeats=3), None)
    assert [start["start"] for start in outcome["starts"]] == [1, 2, 3]
    assert all(start["passes"] == [] and start["status"] == "ok" for start in outcome["starts"])


def test_an_exception_in_a_caller_is_recorded_with_its_reason(tmp_path):
    outcome = supervise(task(files=[CLIP, str(tmp_path / "gone.wav")]), PROTOCOL, None)
    assert outcome["status"] == "failed"
    assert "gone.wav" in outcome["error"]
    tasks = outcome["starts"][0]["passes"][0]["transcriptions"]
    assert [task["status"] for task in tasks] == ["ok", "failed"]


def test_a_model_that_does_not_load_is_recorded(tmp_path):
    outcome = supervise(replace(task(), model_path=str(tmp_path)), PROTOCOL, None)
    assert outcome["status"] == "failed"
    assert "1 of 1 instances did not load" in outcome["error"]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_native_crash_is_recorded(number):
    outcome = supervise(task(), PROTOCOL, None, send(number, PassBegins))
    assert outcome["status"] == "failed"
    assert signal.Signals(number).name in outcome["error"]
    assert outcome["starts"][0]["stopped_in_repeat"] == 1


def test_a_kill_is_recorded_as_such():
    outcome = supervise(task(), PROTOCOL, None, send(signal.SIGKILL, PassBegins))
    assert outcome["status"] == "killed"
    assert len(outcome["starts"][0]["passes"]) == 1, "the warm-up that was over is kept"


def test_a_hang_ends_at_the_timeout():
    protocol = replace(PROTOCOL, timeout_s=2.0)
    begin = time.monotonic()
    outcome = supervise(task(), protocol, None, send(signal.SIGSTOP, PassBegins))
    assert outcome["status"] == "timeout"
    assert "2 s" in outcome["error"]
    assert time.monotonic() - begin < 30


def test_the_measured_process_sees_only_the_stated_thread_environment(monkeypatch):
    """Snakemake exports OMP_NUM_THREADS and MKL_NUM_THREADS, which would override cpu_threads."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CT2_USE_MKL"):
        monkeypatch.setenv(name, "7")
    environment = clean_environment("OMP_WAIT_POLICY=passive")
    stated = stated_environment(environment)
    assert stated["OMP_WAIT_POLICY"] == "passive"
    assert not {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"} & set(stated)
    assert "CT2_USE_MKL" not in environment
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="oneDNN's kernels of x86")
def test_a_record_names_the_kernel_that_a_shells_cap_leaves(tmp_path, monkeypatch):
    """Through the record, since what caps the kernel and what is told of it are two things."""
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "SSE41")
    command = ["transcribe_one_model.py", "--model", "mini-en", "--language", "en", CLIP]
    done = studies.script(*command, "--repeats", "1", "--record", tmp_path / "record.json")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert record["environment"]["DNNL_MAX_CPU_ISA"] == "SSE41"
    used = record["engine"]["int8_kernel"]
    if used["backend"] != "DNNL":
        pytest.skip(f"the engine multiplies with {used['backend']} here")
    assert used["isa"] == "SSE41" and used["saturates"]


def test_the_log_keeps_what_the_engine_says_of_itself(tmp_path):
    log = tmp_path / "logs" / "run.log"
    outcome = supervise(task(), PROTOCOL, log)
    assert "Selected ISA: " in log.read_text()
    assert outcome["engine"]["isa"]
    assert outcome["engine"]["compute_type"] == "int8_float32"
