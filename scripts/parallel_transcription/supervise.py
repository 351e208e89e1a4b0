"""The supervisor: starts a fresh measured process, bounds its time, and writes the run record.

It sleeps while the measured process works. Whatever happens to that process (an exception, a
native crash, a kill, a hang), the record says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parallel_transcription import machine
from parallel_transcription.processes import how_it_ended

SCRIPTS = Path(__file__).resolve().parent.parent
PASS_STEPS = ("a warm-up", "a repeat")
GRACE_S = 60.0  # for what is neither loading nor a pass: meters, writing reports, ending

#: Prefixes of variables that steer threads or the engine; none reaches the measured process
#: unless the configuration's ``thread_env`` says so.
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
    "DNNL_",
    "ONEDNN_",
)

Progress = Callable[[dict[str, Any]], None]


@dataclass
class Start:
    """What one fresh process reported; ``deadline`` is when its present step must be over."""

    started_at: float
    deadline: float
    status: str = "ok"
    error: str | None = None
    step: str = "start"
    repeat: int | None = None
    bound_s: float = 0.0
    prepare_s: float | None = None
    loaded: dict[str, Any] = field(default_factory=dict)
    passes: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False


def clean_environment(thread_env: str) -> dict[str, str]:
    """The measured process's environment: ours without steering variables, plus ``thread_env``."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(STEERING)}
    environment.update(assignment.split("=", 1) for assignment in thread_env.split())
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
        if k.startswith(STEERING + also)
    }


def supervise(
    order: Mapping[str, Any],
    protocol: Mapping[str, Any],
    log: Path | None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run one configuration in fresh processes and tell what happened.

    Args:
        order: ``configuration`` (complete), ``model_path``, ``files``, ``affinity`` (CPU numbers or
            None) and, if need be, ``environment`` (variables that CUDA needs).
        protocol: ``repeats``, ``warmups``, ``timeout_s`` (of a pass), ``load_timeout_s``.
        log: Where the measured process's own output goes; standard error unless given.
        progress: Called with every report, while the process runs.

    Returns:
        The keys of the run record that the run itself decides: ``status``, ``error``, ``starts``,
        ``engine``, ``environment``, ``started_at``, ``finished_at``.
    """
    environment = clean_environment(order["configuration"]["thread_env"])
    environment |= order.get("environment", {})
    cold_starts = not order["files"]
    starts, engine, output = [], {}, ""
    began = time.time()
    for number in range(1, (protocol["repeats"] if cold_starts else 1) + 1):
        start, output = _one_start(order, protocol, environment, log, progress)
        engine = engine or {
            **start.loaded.get("engine", {}),
            **machine.parse_verbose(output),
        }
        starts.append(_plain(start, number))
    bad = next((s for s in starts if s["status"] != "ok"), None)
    return {
        "status": bad["status"] if bad else "ok",
        "error": bad["error"] if bad else None,
        "starts": starts,
        "engine": engine,
        "environment": stated_environment(environment),
        "started_at": began,
        "finished_at": time.time(),
    }


def _plain(start: Start, number: int) -> dict[str, Any]:
    return {
        "start": number,
        "status": start.status,
        "error": start.error,
        "stopped_in_repeat": start.repeat if start.step in PASS_STEPS else None,
        "started_at": start.started_at,
        "prepare_s": start.prepare_s,
        "loads": start.loaded.get("loads", []),
        "memory_before": start.loaded.get("memory_before"),
        "memory_after": start.loaded.get("memory_after"),
        "gpus": start.loaded.get("gpus"),
        "passes": start.passes,
    }


def _one_start(
    order: Mapping[str, Any],
    protocol: Mapping[str, Any],
    environment: Mapping[str, str],
    log: Path | None,
    progress: Progress | None,
) -> tuple[Start, str]:
    """One fresh process from its start to its end; returns what it reported and printed."""
    read_end, write_end = os.pipe()
    with _output_file(log) as output:
        offset = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "parallel_transcription.measure", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=dict(environment),
            pass_fds=[write_end],
            start_new_session=True,
        )
        os.close(write_end)
        now = time.monotonic()
        start = Start(time.time(), now + protocol["load_timeout_s"])
        start.bound_s = protocol["load_timeout_s"]
        with _killed_at_exit(process):
            more = {"live": progress is not None, "supervisor": os.getpid()}
            text = json.dumps({**order, **protocol, **more})
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(text.encode())
                process.stdin.close()
            for event in _events(read_end, start):
                _take(event, start, protocol)
                if progress:
                    progress(event)
            if start.status != "timeout":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_S)
            crashed = process.poll()
        output.seek(offset)
        printed = output.read().decode(errors="replace")
        output.seek(0, os.SEEK_END)
    if start.status == "ok" and not start.ended:
        start.status, start.error = _ending(crashed, start, printed)
    return start, printed


@contextlib.contextmanager
def _output_file(log: Path | None) -> Iterator[Any]:
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
def _killed_at_exit(process: subprocess.Popen) -> Iterator[None]:
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


def _events(descriptor: int, start: Start) -> Iterator[dict[str, Any]]:
    """The reports of the measured process, until it closes the line or misses its deadline."""
    with selectors.DefaultSelector() as selector, os.fdopen(descriptor, "rb", 0) as stream:
        selector.register(stream, selectors.EVENT_READ)
        rest = b""
        while True:
            left = start.deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                start.status = "timeout"
                what = "loading the models" if start.step == "start" else start.step
                start.error = f"{what} took longer than {start.bound_s:g} s"
                return
            chunk = os.read(stream.fileno(), 1 << 20)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _take(event: dict[str, Any], start: Start, protocol: Mapping[str, Any]) -> None:
    """Note a report, and set the deadline of the step that it opens."""

    def expect(step: str, seconds: float) -> None:
        start.step, start.bound_s = step, seconds
        start.deadline = time.monotonic() + seconds

    match event["event"]:
        case "prepared":
            start.prepare_s = event["seconds"]
        case "loaded":
            start.loaded = event
            expect("what follows loading", GRACE_S)
        case "pass":
            start.repeat = event["repeat"]
            expect(PASS_STEPS[start.repeat >= 1], protocol["timeout_s"])
        case "timed":
            expect("what follows a pass", GRACE_S)
        case "passed":
            result = {"repeat": event["repeat"], **event["result"]}
            start.passes.append(result)
            if result["status"] != "ok":
                start.status, start.error = result["status"], result["error"]
            expect("what follows a pass", GRACE_S)
        case "error":
            start.status, start.error = event["status"], event["error"]
        case "end":
            start.ended = True
            expect("ending", GRACE_S)


def _ending(code: int | None, start: Start, printed: str) -> tuple[str, str]:
    """Status and reason of a process that ended before its work was done."""
    where = f"during {start.step}" if start.step != "start" else "before its models were loaded"
    last = "; ".join(line.strip() for line in printed.strip().splitlines()[-3:])[-500:]
    status, how = how_it_ended(code)
    return status, f"{how} {where}" + (f"; last output: {last}" if status != "killed" else "")
