"""Whatever goes wrong inside a measured process, its outcome says so and why."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from measuring import CLIP, PROTOCOL, task
from parallel_transcription.measure.messages import FileStarted, Loaded, PassBegins, PassEnded
from parallel_transcription.measure.supervise import supervise
from parallel_transcription.results.merge import merge_records
from parallel_transcription.study.settings import DEFAULTS
from project import ROOT
from simple_records import make_record, save

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_process_left")]
IN_A_REPEAT = "if calls > 2:  # the first two are the warm-up\n    "
IN_A_HELPER = "if HELPER and path.endswith('unseen-voice.opus'):\n    "
VOICES = [CLIP, CLIP.replace("short", "unseen-voice")]
SEGFAULT = "ctypes.string_at(0)"
ABORT = "ctypes.CDLL(None).abort()"
STUCK_WITH_THE_GIL = "ctypes.PyDLL(None).sleep(600)"
STUCK_WITHOUT_IT = "ctypes.CDLL(None).sleep(600)"
NO_MORE_MEMORY = """
now = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (now + 1_000_000, -1))
"""


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("raise RuntimeError('planted')", "failed", "RuntimeError: planted"),
        ("raise type('Panic', (BaseException,), {})('planted')", "failed", "Panic: planted"),
        ("raise SystemExit(3)", "failed", "SystemExit: 3"),
        (SEGFAULT, "failed", "native crash (SIGSEGV) during a repeat"),
        (ABORT, "failed", "native crash (SIGABRT) during a repeat"),
        ("os._exit(7)", "failed", "ended with code 7 during a repeat"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "failed", "ended by SIGTERM during a repeat"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed", "most likely out of memory"),
        (STUCK_WITH_THE_GIL, "timeout", "a repeat took longer than 2 s"),
        (STUCK_WITHOUT_IT, "timeout", "a repeat took longer than 2 s"),
    ],
)
def test_a_fault_in_a_repeat(plant, fault, status, words):
    plant(in_call=IN_A_REPEAT + fault)
    outcome = supervise(task(num_workers=2), replace(PROTOCOL, timeout_s=2.0), None)
    assert (outcome["status"], words in outcome["error"]) == (status, True), outcome["error"]
    passes = outcome["starts"][0]["passes"]
    assert passes[0]["status"] == "ok", "the warm-up, which was over, is kept"


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("raise RuntimeError('planted')", "failed", "1 of 2 instances did not load"),
        ("raise SystemExit(3)", "failed", "1 of 2 instances did not load"),
        (SEGFAULT, "failed", "native crash (SIGSEGV) before its models were loaded"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed", "most likely out of memory"),
        (STUCK_WITH_THE_GIL, "stuck", "loading the models took longer than 4 s"),
        (STUCK_WITHOUT_IT, "stuck", "loading the models took longer than 4 s"),
    ],
)
def test_a_fault_while_loading(plant, fault, status, words):
    plant(in_load="if loads == 2:\n    " + fault)
    outcome = supervise(
        task(strategy="multi_model", instances=2), replace(PROTOCOL, load_timeout_s=4.0), None
    )
    assert (outcome["status"], words in outcome["error"]) == (status, True), outcome["error"]


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "killed",
            " of 2 of the multi_process strategy: killed",
        ),
        (SEGFAULT, "failed", " of 2 of the multi_process strategy: native crash (SIGSEGV)"),
        ("os._exit(0)", "failed", " of 2 of the multi_process strategy: ended with code 0"),
        ("raise SystemExit(3)", "failed", "SystemExit: 3"),
        (STUCK_WITH_THE_GIL, "timeout", "a repeat took longer than 2 s"),
    ],
)
def test_a_fault_in_one_of_several_processes(plant, fault, status, words):
    """The others live on and wait; the run ends all the same."""
    plant(in_call=IN_A_HELPER + fault)
    several = task(strategy="multi_process", instances=2, files=VOICES)
    begin = time.monotonic()
    outcome = supervise(several, replace(PROTOCOL, warmups=0, timeout_s=2.0), None)
    assert (outcome["status"], words in outcome["error"]) == (status, True), outcome["error"]
    assert time.monotonic() - begin < 30


def test_one_of_several_processes_is_killed_while_loading(plant):
    plant(in_load="if HELPER:\n    os.kill(os.getpid(), signal.SIGKILL)")
    outcome = supervise(task(strategy="multi_process", instances=2), PROTOCOL, None)
    assert outcome["status"] == "killed"
    assert "of the multi_process strategy: killed by SIGKILL" in outcome["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
@pytest.mark.parametrize("strategy", ["one_model", "multi_process"])
def test_memory_that_is_refused_is_a_failure(plant, strategy):
    """An allocation that fails is an exception or a crash of the engine, not a kill."""
    plant(in_call=NO_MORE_MEMORY)
    outcome = supervise(task(strategy=strategy), replace(PROTOCOL, timeout_s=20.0), None)
    assert outcome["status"] == "failed", outcome["error"]
    words = ("memory", "bad_alloc", "SIGABRT", "SIGSEGV", "resource", "thread")
    assert any(word in outcome["error"] for word in words), outcome["error"]


@contextlib.contextmanager
def memory_limit(megabytes):
    """The `tasks` file of a memory control group (version 1 or 2) with a limit."""
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    group = (first if first.is_dir() else second) / f"parallel-transcription-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if first.is_dir() else "memory.max"
    try:
        group.mkdir()
        (group / limit).write_text(str(megabytes * 1_000_000))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"needs a memory control group of its own: {error}")
    try:
        yield group / "cgroup.procs"
    finally:
        deadline = time.monotonic() + 10
        while group.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                group.rmdir()
            time.sleep(0.05)


@pytest.mark.parametrize("strategy", ["one_model", "multi_process"])
def test_the_kernel_kills_a_process_that_takes_too_much_memory(plant, strategy):
    with memory_limit(100) as members:
        eat = f"open({str(members)!r}, 'w').write(str(os.getpid())); eaten = bytearray(400_000_000)"
        plant(in_call="if calls > 1:\n    " + eat)
        outcome = supervise(
            task(strategy=strategy, instances=1), replace(PROTOCOL, timeout_s=30.0), None
        )
    assert outcome["status"] == "killed", outcome["error"]
    assert "most likely out of memory" in outcome["error"]


def test_an_audio_file_removed_in_mid_run(tmp_path):
    clip = Path(shutil.copy(CLIP, tmp_path / "mine.opus"))

    def remove(event):
        if isinstance(event, PassEnded) and event.repeat == 0:
            clip.unlink()

    several = replace(PROTOCOL, repeats=20)  # the next pass may have begun before it is gone
    outcome = supervise(task(files=[CLIP, str(clip)]), several, None, remove)
    assert outcome["status"] == "failed" and "mine.opus" in outcome["error"]
    statuses = [one["status"] for one in outcome["starts"][0]["passes"]]
    assert statuses[0] == "ok" and statuses.count("failed") == 1 and statuses[-1] == "failed"


def test_a_model_folder_removed_in_mid_run(tmp_path):
    """A loaded model is in memory and goes on; the next start cannot load it."""
    model = Path(shutil.copytree(task().model_path, tmp_path / "model"))

    def remove(event):
        if isinstance(event, Loaded):
            shutil.rmtree(model, ignore_errors=True)

    outcome = supervise(replace(task(), model_path=str(model)), PROTOCOL, None, remove)
    assert outcome["status"] == "ok", outcome["error"]
    shutil.copytree(task().model_path, model)
    cold = replace(task(files=()), model_path=str(model))
    outcome = supervise(cold, replace(PROTOCOL, repeats=2), None, remove)
    assert [start["status"] for start in outcome["starts"]] == ["ok", "failed"]
    assert "did not load" in outcome["error"]


def test_a_machine_that_slept_is_marked_as_disturbed(plant, tmp_path):
    """The wall clock runs on while a machine sleeps, the monotonic one does not."""
    plant(
        in_call="""
        if calls == 3:
            wall = time.time
            time.time = lambda: wall() + 3600
        """
    )
    outcome = supervise(task(), PROTOCOL, None)
    assert outcome["status"] == "ok", "an hour of sleep is no timeout"
    one = outcome["starts"][0]["passes"][1]
    assert 3590 < one["clock_jump_s"] < 3610
    assert one["makespan_s"] < 60
    record = make_record()
    record["starts"][0]["passes"][1]["clock_jump_s"] = one["clock_jump_s"]
    runs = merge_records(save(tmp_path, record), {**DEFAULTS, "disturbed_above": 1.0}).runs
    assert list(runs["disturbed"]) == [True, False]


@pytest.mark.parametrize("jump", [-7200.0, 7200.0])
def test_a_wall_clock_that_is_set_moves_no_deadline(monkeypatch, jump):
    wall = time.time

    def set_the_clock(event):
        if isinstance(event, PassBegins):
            monkeypatch.setattr(time, "time", lambda: wall() + jump)

    outcome = supervise(task(), PROTOCOL, None, set_the_clock)
    assert outcome["status"] == "ok", outcome["error"]


def test_a_suspended_process_that_goes_on_in_time_is_only_slower():
    begun = []

    def suspend(event):
        begun.append(type(event))
        if isinstance(event, FileStarted) and begun.count(FileStarted) == 3:
            children = psutil.Process().children()  # a tracker of multiprocessing may be another
            (measured,) = [c for c in children if "parallel_transcription" in " ".join(c.cmdline())]
            measured.send_signal(signal.SIGSTOP)
            time.sleep(1)
            measured.send_signal(signal.SIGCONT)

    outcome = supervise(task(), PROTOCOL, None, suspend)
    assert outcome["status"] == "ok"
    _, repeat = outcome["starts"][0]["passes"]
    assert repeat["makespan_s"] > 1, "the second in which it stood still counts"


def test_two_timings_at_once_on_one_machine_are_both_marked(tmp_path):
    """Two checkouts, two users: each sees the other as foreign load."""
    command = [
        sys.executable, "scripts/transcribe_one_model.py", "--language=en", "--cpu-threads=1",
        "--repeats=15",
    ]  # fmt: skip
    records = [tmp_path / f"{name}.json" for name in "ab"]
    both = [
        subprocess.Popen(
            [*command, f"--record={path}", CLIP, CLIP], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        for path in records
    ]
    assert [one.wait(120) for one in both] == [0, 0]
    passes = [
        [(p["started_at"], p["makespan_s"], p["foreign_cpu_share"]) for p in start["passes"]]
        for start in (json.loads(path.read_text())["starts"][0] for path in records)
    ]
    begin = max(one[0][0] for one in passes)
    end = min(one[-1][0] for one in passes)
    for one in passes:
        beside = [share for start, took, share in one if begin < start and start + took < end]
        assert len(beside) >= 5, "the two did not run side by side"
        marked = sum(share > DEFAULTS["disturbed_above"] for share in beside)
        assert marked >= 0.8 * len(beside)
