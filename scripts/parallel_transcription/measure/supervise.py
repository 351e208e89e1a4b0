"""The supervisor: starts a fresh measured process, bounds its time, and tells what happened.

It sleeps while the measured process works. Whatever happens to that process (an exception, a
native crash, a kill, a hang), the record says so, and in which step. Only a pass that takes too
long has status `timeout`: a load, a warm-up or an end that does is `stuck`, which is no time of any
pass. A pass that was cut off beside foreign load is measured again, in a fresh process.
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from parallel_transcription.measure import disturbance, meters
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

#: The steps of a process as its record names them, and as messages do.
STEPS = {
    "loading": "loading the models",
    "warm-up": "a warm-up",
    "pass": "a repeat",
    "between": "what follows a pass",
    "ending": "ending",
}
IN_A_PASS = ("warm-up", "pass")
GRACE_S = 60.0  # for what is neither loading nor a pass: meters, writing reports, ending
#: Cut off or killed in a pass beside foreign load: the load may be why, so it is tried again.
_TRIED_AGAIN = ("timeout", "stuck", "killed")

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
    """What one fresh process reported; `deadline` is when its present step must be over.

    `unfinished` is what happened in a pass that did not end.
    """

    started_at: float
    deadline: float
    bound_s: float
    loads_until: float
    status: str = "ok"
    error: str | None = None
    step: str = "loading"
    repeat: int | None = None
    prepare_s: float | None = None
    loaded: Loaded | None = None
    begun: meters.Begun | None = None
    unfinished: dict[str, Any] | None = None
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
                self.expect("loading", GRACE_S)
            case PassBegins(repeat, before):
                self.repeat, self.begun = repeat, meters.Begun(**before)
                if repeat >= 1:
                    self.expect("pass", timeout_s)
                else:  # at first use, things are made once: kernels compiled, caches filled
                    first_use_s = max(0.0, self.loads_until - time.monotonic())
                    self.expect("warm-up", round(first_use_s + timeout_s, 1))
            case WindowClosed():
                self.expect("between", GRACE_S)
            case PassEnded(repeat, result):
                self.passes.append({"repeat": repeat, **result})
                if result["status"] != "ok":
                    self.status, self.error = result["status"], result["error"]
                self.expect("between", GRACE_S)
            case Failed(error, status):
                self.status, self.error = status, error
            case AllDone():
                self.all_done = True
                self.expect("ending", GRACE_S)

    def missed(self) -> None:
        """The deadline of the present step has passed."""
        self.status = "timeout" if self.step == "pass" else "stuck"
        self.error = f"{STEPS[self.step]} took longer than {self.bound_s:g} s"

    def as_json(self, number: int) -> dict[str, Any]:
        """The process as the run record keeps it, one of its starts."""
        loaded = self.loaded
        return {
            "start": number,
            "status": self.status,
            "error": self.error,
            "step": None if self.status == "ok" else self.step,
            "stopped_in_repeat": self.repeat if self.step in IN_A_PASS else None,
            "unfinished": self.unfinished,
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
    plans = _Plans(task, protocol)
    while (order := plans.next(starts, live=listener is not None)) is not None:
        bounds = replace(protocol, load_timeout_s=plans.load_timeout_s(starts))
        process, printed = _one_start(task, bounds, order, environment, log, listener)
        if not engine:
            engine = (process.loaded.engine if process.loaded else {}) | parse_verbose(printed)
        starts.append(process.as_json(len(starts) + 1))
    # a process that was cut off and measured again is told of in its start alone
    last = starts if not task.files else starts[-1:]
    bad = next((start for start in last if start["status"] != "ok"), None)
    return {
        "status": bad["status"] if bad else "ok",
        "error": bad["error"] if bad else None,
        "starts": starts,
        "engine": engine,
        "environment": stated_environment(environment),
        "started_at": began,
        "finished_at": time.time(),
    }


class _Plans:
    """Which processes a run starts, one after another."""

    def __init__(self, task: Task, protocol: Protocol):
        self._task, self._protocol = task, protocol
        self._where = disturbance.place(
            task.configuration,
            os.cpu_count(),
            len(task.affinity or meters.affinity() or ()) or os.cpu_count(),
            [task.quota_cpus],
        )

    def next(self, starts: list[dict[str, Any]], live: bool) -> Order | None:
        """The order of the next process; None when the run is done.

        Cold starts are `repeats` processes. Else it is one; and another for the repeats that are
        lacking, where the one before was cut off in a pass that others disturbed, as long as
        `remeasure` allows.
        """
        protocol = self._protocol
        first, repeats, remeasure = 1, protocol.repeats, protocol.remeasure
        if not self._task.files:
            if len(starts) == protocol.repeats:
                return None
        elif starts:
            lacking = self._lacking(starts)
            if lacking is None:
                return None
            first, repeats, remeasure = lacking
        return Order(
            configuration=self._task.configuration,
            model_path=self._task.model_path,
            files=self._task.files,
            warmups=protocol.warmups,
            repeats=repeats,
            affinity=self._task.affinity,
            live=live,
            supervisor=os.getpid(),
            walk=self._task.walk,
            first=first,
            remeasure=remeasure,
            disturbed_above=protocol.disturbed_above,
            quota_cpus=self._task.quota_cpus,
        )

    def _lacking(self, starts: list[dict[str, Any]]) -> tuple[int, int, int] | None:
        """Number of the next repeat, how many are lacking, and how many more may be disturbed."""
        last = starts[-1]
        cut_off = last["step"] in IN_A_PASS and last["status"] in _TRIED_AGAIN
        if not (cut_off and self._disturbed(last["unfinished"] or {}, None)):
            return None
        passes = [(one, start["gpus"]) for start in starts for one in start["passes"]]
        counted = [(one, gpus) for one, gpus in passes if one["repeat"] >= 1]
        calm = sum(not self._disturbed(one, gpus) for one, gpus in counted)
        most = self._protocol.repeats + self._protocol.remeasure
        left = most - len(counted) - len(starts)  # a pass of each start did not end
        repeats = min(self._protocol.repeats - calm, left)
        first = max(0, last["stopped_in_repeat"]) + 1
        return (first, repeats, left - repeats) if repeats > 0 else None

    def _disturbed(self, one: dict[str, Any], gpus: list[dict[str, Any]] | None) -> bool:
        above = self._protocol.disturbed_above
        return bool(disturbance.of_pass(one, self._where, above, gpus).at_all)

    def load_timeout_s(self, starts: list[dict[str, Any]]) -> float:
        """What is left for the next process to start and load in; cold starts have all of it."""
        whole = self._protocol.load_timeout_s
        if not (starts and self._task.files):
            return whole
        loads = [max((load["finished_s"] for load in s["loads"]), default=0.0) for s in starts]
        prepared = [start["prepare_s"] or 0.0 for start in starts]
        return max(min(GRACE_S, whole), whole - sum(loads) - sum(prepared))


def _one_start(
    task: Task,
    protocol: Protocol,
    order: Order,
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
        until = time.monotonic() + bound_s
        measured = MeasuredProcess(time.time(), until, bound_s, until)
        with _killed_at_exit(process):
            _give(process, order)
            for event in _events(read_end, measured):
                measured.apply(event, protocol.timeout_s)
                if listener:
                    listener(event)
            measured.unfinished = _unfinished(measured, process.pid, task)
            if measured.status not in ("timeout", "stuck"):
                _wait(process, measured)
            code = process.poll()
        output.seek(offset)
        printed = output.read().decode(errors="replace")
        output.seek(0, os.SEEK_END)
    if measured.status == "ok" and not measured.all_done:
        measured.status, measured.error = _why_it_ended(code, measured.step, printed)
    return measured, printed


def _unfinished(
    measured: MeasuredProcess, process: int, task: Task
) -> dict[str, float | None] | None:
    """What others did in the pass that the process is in; None in another step.

    A process that ended by itself left its helpers to the system: what these used would be taken
    for others', so of `multi_process` it is told only where the process is there.
    """
    if measured.step not in IN_A_PASS or measured.begun is None:
        return None
    told: dict[str, float | None] = dict(meters.since(measured.begun, process, task.affinity))
    alone = task.configuration.strategy != "multi_process"
    if not alone and measured.status == "ok":  # it closed the line and said nothing
        told |= {"cpu_s": None, "foreign_cpu_s": None, "foreign_cpu_share": None}
    return told


def _wait(process: subprocess.Popen[bytes], measured: MeasuredProcess) -> None:
    """Let a process end that has said all; one that does not is stuck, and killed."""
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        if measured.status == "ok" and measured.all_done:
            measured.bound_s = GRACE_S
            measured.missed()


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
                measured.missed()
                return
            chunk = os.read(stream.fileno(), 1 << 20)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield decode(line)


def _why_it_ended(code: int | None, step: str, printed: str) -> tuple[str, str]:
    """Status and reason of a process that ended before its work was done."""
    where = f"during {STEPS[step]}" if step != "loading" else "before its models were loaded"
    last = "; ".join(line.strip() for line in printed.strip().splitlines()[-3:])[-500:]
    status, how = how_it_ended(code)
    return status, f"{how} {where}" + (f"; last output: {last}" if status != "killed" else "")
