"""The supervisor: starts a fresh measured process, bounds its time, and tells what happened.

It sleeps while the measured process works. Whatever happens to that process (an exception, a
native crash, a kill, a hang), the record says so.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from parallel_transcription.measure.engine import parse_verbose
from parallel_transcription.measure.messages import (
    AllDone,
    Event,
    Failed,
    Loaded,
    Order,
    PassBegins,
    PassEnded,
    Prepared,
    Protocol,
    Report,
    Task,
    WindowClosed,
    decode,
)
from parallel_transcription.measure.processes import how_it_ended
from parallel_transcription.places import SCRIPTS

PASS_STEPS = ("a warm-up", "a repeat")
GRACE_S = 60.0  # for what is neither loading nor a pass: meters, writing reports, ending

#: Prefixes of variables that steer threads or the engine; none reaches the measured process
#: unless the configuration's `thread_env` says so.
STEERING = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "GOTO_",
    "BLIS_",
    "NUMEXPR_",
    "VECLIB_",
    "CT2_",
)
#: Prefixes of variables that cap oneDNN's instructions: who sets them wants another CPU's kernels,
#: so they reach the measured process, and its record.
CAPS = ("DNNL_", "ONEDNN_")


@dataclass
class MeasuredProcess:
    """What one fresh process reported; `deadline` is when its present step must be over."""

    started_at: float
    deadline: float
    bound_s: float
    status: str = "ok"
    error: str | None = None
    step: str = "start"
    repeat: int | None = None
    prepare_s: float | None = None
    loaded: Loaded | None = None
    passes: list[dict[str, Any]] = field(default_factory=list)
    all_done: bool = False

    def expect(self, step: str, seconds: float) -> None:
        """Another step begins, and must be over in so many seconds."""
        self.step, self.bound_s = step, seconds
        self.deadline = time.monotonic() + seconds

    def apply(self, event: Event, timeout_s: float) -> None:
        """Note an event, and set the deadline of the step that it opens."""
        match event:
            case Prepared(seconds):
                self.prepare_s = seconds
            case Loaded():
                self.loaded = event
                self.expect("what follows loading", GRACE_S)
            case PassBegins(repeat):
                self.repeat = repeat
                self.expect(PASS_STEPS[repeat >= 1], timeout_s)
            case WindowClosed():
                self.expect("what follows a pass", GRACE_S)
            case PassEnded(repeat, result):
                self.passes.append({"repeat": repeat, **result})
                if result["status"] != "ok":
                    self.status, self.error = result["status"], result["error"]
                self.expect("what follows a pass", GRACE_S)
            case Failed(error, status):
                self.status, self.error = status, error
            case AllDone():
                self.all_done = True
                self.expect("ending", GRACE_S)

    def as_json(self, number: int) -> dict[str, Any]:
        """The process as the run record keeps it, one of its starts."""
        loaded = self.loaded
        return {
            "start": number,
            "status": self.status,
            "error": self.error,
            "stopped_in_repeat": self.repeat if self.step in PASS_STEPS else None,
            "started_at": self.started_at,
            "prepare_s": self.prepare_s,
            "loads": loaded.loads if loaded else [],
            "memory_before": loaded.memory_before if loaded else None,
            "memory_after": loaded.memory_after if loaded else None,
            "gpus": loaded.gpus if loaded else None,
            "passes": self.passes,
        }


def clean_environment(thread_env: str) -> dict[str, str]:
    """The measured process's environment: ours without steering variables, plus `thread_env`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(STEERING)}
    for assignment in thread_env.split():
        name, _, value = assignment.partition("=")
        environment[name] = value
    environment["CT2_VERBOSE"] = "1"  # the engine names its instruction set and back ends
    environment["HF_HUB_OFFLINE"] = "1"  # a download would be timed
    environment["PYTHONPATH"] = str(SCRIPTS)
    environment["PYTHONFAULTHANDLER"] = "1"
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def stated_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that can change what is measured."""
    also = ("MALLOC_", "LD_PRELOAD", "CUDA_", "NVIDIA_", "PYTHONMALLOC", "HF_HUB_OFFLINE")
    return {
        k: re.sub(r"\b(GPU|MIG)-[\w/-]+", r"\1-…", v)  # serial numbers of a kind
        for k, v in sorted(environment.items())
        if k.startswith(STEERING + CAPS + also)
    }


def supervise(
    task: Task, protocol: Protocol, log: Path | None, listener: Report | None = None
) -> dict[str, Any]:
    """Run one configuration in fresh processes and tell what happened.

    Args:
        task: What to measure.
        protocol: How.
        log: Where the measured process's own output goes; nowhere unless given.
        listener: Called with every event, while the process runs.

    Returns:
        The keys of the run record that the run itself decides: `status`, `error`, `starts`,
        `engine`, `environment`, `started_at`, `finished_at`.
    """
    environment = clean_environment(task.configuration.thread_env) | task.environment
    starts: list[dict[str, Any]] = []
    engine: dict[str, Any] = {}
    began = time.time()
    cold_starts = not task.files
    for number in range(1, (protocol.repeats if cold_starts else 1) + 1):
        process, printed = _one_start(task, protocol, environment, log, listener)
        if not engine:
            engine = (process.loaded.engine if process.loaded else {}) | parse_verbose(printed)
        starts.append(process.as_json(number))
    bad = next((start for start in starts if start["status"] != "ok"), None)
    return {
        "status": bad["status"] if bad else "ok",
        "error": bad["error"] if bad else None,
        "starts": starts,
        "engine": engine,
        "environment": stated_environment(environment),
        "started_at": began,
        "finished_at": time.time(),
    }


def _one_start(
    task: Task,
    protocol: Protocol,
    environment: Mapping[str, str],
    log: Path | None,
    listener: Report | None,
) -> tuple[MeasuredProcess, str]:
    """One fresh process from its start to its end; returns what it reported and printed."""
    read_end, write_end = os.pipe()
    with _output_file(log) as output:
        offset = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "parallel_transcription.measure.process", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=dict(environment),
            pass_fds=[write_end],
            start_new_session=True,
        )
        os.close(write_end)
        bound_s = protocol.load_timeout_s
        measured = MeasuredProcess(time.time(), time.monotonic() + bound_s, bound_s)
        with _killed_at_exit(process):
            _give(process, _order(task, protocol, live=listener is not None))
            for event in _events(read_end, measured):
                measured.apply(event, protocol.timeout_s)
                if listener:
                    listener(event)
            if measured.status != "timeout":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_S)
            code = process.poll()
        output.seek(offset)
        printed = output.read().decode(errors="replace")
        output.seek(0, os.SEEK_END)
    if measured.status == "ok" and not measured.all_done:
        measured.status, measured.error = _why_it_ended(code, measured.step, printed)
    return measured, printed


def _order(task: Task, protocol: Protocol, live: bool) -> Order:
    return Order(
        configuration=task.configuration,
        model_path=task.model_path,
        files=task.files,
        warmups=protocol.warmups,
        repeats=protocol.repeats,
        affinity=task.affinity,
        live=live,
        supervisor=os.getpid(),
        walk=task.walk,
    )


def _give(process: subprocess.Popen[bytes], order: Order) -> None:
    """Write the order to a process; one that has ended already is told of elsewhere."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as stream:
            stream.write(order.to_json().encode())


@contextlib.contextmanager
def _output_file(log: Path | None) -> Iterator[BinaryIO]:
    """The file that takes the measured process's output: the log, or one that goes away."""
    if log is None:
        import tempfile

        with tempfile.TemporaryFile("w+b") as output:
            yield output
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a+b") as output:
            yield output


@contextlib.contextmanager
def _killed_at_exit(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave no process behind: the whole group is killed, also when we are told to stop."""

    def stop(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    previous = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _events(descriptor: int, measured: MeasuredProcess) -> Iterator[Event]:
    """What the measured process reports, until it closes the line or misses its deadline."""
    with selectors.DefaultSelector() as selector, os.fdopen(descriptor, "rb", 0) as stream:
        selector.register(stream, selectors.EVENT_READ)
        rest = b""
        while True:
            left = measured.deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                measured.status = "timeout"
                what = "loading the models" if measured.step == "start" else measured.step
                measured.error = f"{what} took longer than {measured.bound_s:g} s"
                return
            chunk = os.read(stream.fileno(), 1 << 20)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield decode(line)


def _why_it_ended(code: int | None, step: str, printed: str) -> tuple[str, str]:
    """Status and reason of a process that ended before its work was done."""
    where = f"during {step}" if step != "start" else "before its models were loaded"
    last = "; ".join(line.strip() for line in printed.strip().splitlines()[-3:])[-500:]
    status, how = how_it_ended(code)
    return status, f"{how} {where}" + (f"; last output: {last}" if status != "killed" else "")
