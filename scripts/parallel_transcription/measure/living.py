"""A measured process that lives: how it is started and told what to do, and what it says.

It is started fresh, its time is bounded, and none of its group is left when its user is done with
it. A run tells it all at once (`supervise.py`), a match one pass at a time (`match.py`).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from parallel_transcription.measure import meters
from parallel_transcription.measure.messages import (
    AllDone,
    Event,
    Failed,
    Loaded,
    Order,
    PassBegins,
    PassEnded,
    Prepared,
    Task,
    WindowClosed,
    decode,
)
from parallel_transcription.measure.processes import how_it_ended

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
ASLEEP_S, ASLEEP_AT_LATEST_S = 0.025, 1.0
TICK_S = 0.01  # the step in which Linux tells a process's CPU time


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


class Living:
    """A measured process that lives: the line to it, what it reports, and what it printed.

    Args:
        process: The process, which waits for its order.
        reports: Where its reports arrive.
        output: The file that takes what it prints, others' prints before and after it.
        task: What it measures.
        load_timeout_s: The longest that it may start and load.
        timeout_s: The longest that a pass may take.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reports: BinaryIO,
        output: BinaryIO,
        task: Task,
        load_timeout_s: float,
        timeout_s: float,
    ):
        until = time.monotonic() + load_timeout_s
        self.process = process
        self.measured = MeasuredProcess(time.time(), until, load_timeout_s, until)
        self._task, self._timeout_s = task, timeout_s
        self._reports, self._output = reports, output
        self._printed_from = os.fstat(output.fileno()).st_size
        self._selector = selectors.DefaultSelector()
        self._selector.register(reports, selectors.EVENT_READ)
        self._events: deque[bytes] = deque()
        self._rest = b""
        self._family: list[psutil.Process] = []

    def tell(self, text: str) -> None:
        """Write a line to the process; one that has ended already is told of elsewhere."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(f"{text}\n".encode())
                self.process.stdin.flush()

    def no_more(self) -> None:
        """There is nothing more to tell: it ends after what it was told."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()

    def go(self, number: int) -> None:
        """Let it run one pass, a warm-up where the number is below 1."""
        self.measured.expect(self.measured.step, GRACE_S)
        self.tell(str(number))

    def dismiss(self) -> None:
        """Let one that waits for its turn end."""
        if self.measured.status == "ok":
            self.measured.expect(self.measured.step, GRACE_S)
        self.no_more()

    def next_event(self) -> Event | None:
        """What it reports next, noted; None if it has ended, or missed its deadline."""
        while not self._events:
            if self.measured.status in ("timeout", "stuck"):
                return None
            left = self.measured.deadline - time.monotonic()
            if left <= 0 or not self._selector.select(left):
                self.measured.missed()
                return None
            chunk = os.read(self._reports.fileno(), 1 << 20)
            if not chunk:
                return None
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._events.extend(lines)
        event = decode(self._events.popleft())
        self.measured.apply(event, self._timeout_s)
        return event

    def printed(self) -> str:
        """What the output file took since the process began."""
        descriptor = self._output.fileno()  # its position is the process's as well: leave it
        size = os.fstat(descriptor).st_size - self._printed_from
        return os.pread(descriptor, max(0, size), self._printed_from).decode(errors="replace")

    def end(self) -> None:
        """It reports nothing more: note what it left undone, and how it ended if it did not say."""
        measured = self.measured
        measured.unfinished = _unfinished(measured, self.process.pid, self._task)
        if measured.status not in ("timeout", "stuck"):
            self._wait()
        if measured.status == "ok" and not measured.all_done:
            code = self.process.poll()
            measured.status, measured.error = _why_it_ended(code, measured.step, self.printed())

    def _wait(self) -> None:
        """Let a process end that has said all; one that does not is stuck, and killed."""
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            if self.measured.status == "ok" and self.measured.all_done:
                self.measured.bound_s = GRACE_S
                self.measured.missed()

    def meet_family(self) -> None:
        """Note the processes that it started, all of which are there once it has loaded."""
        with contextlib.suppress(psutil.Error):
            main = psutil.Process(self.process.pid)
            self._family = [main, *main.children(recursive=True)]

    def cpu_s(self) -> float | None:
        """CPU seconds of all its processes, in steps of 0.01; None where one has ended."""
        try:
            times = [one.cpu_times() for one in self._family]
        except psutil.Error:
            return None
        return sum(t.user + t.system for t in times) if times else None

    def fall_asleep(self) -> None:
        """Wait until no thread of it runs: those of OpenMP spin a while after the last work."""
        latest = time.monotonic() + ASLEEP_AT_LATEST_S
        before = self.cpu_s()
        while time.monotonic() < latest and before is not None:
            time.sleep(ASLEEP_S)
            now = self.cpu_s()
            if now is None or now - before < TICK_S / 2:
                return
            before = now


@contextlib.contextmanager
def started(
    task: Task,
    order: Order,
    load_timeout_s: float,
    timeout_s: float,
    environment: Mapping[str, str],
    log: Path | None,
) -> Iterator[Living]:
    """A fresh process that has its order; at the end none of its group is left.

    Args:
        task: What it measures.
        order: What it is told.
        load_timeout_s: The longest that it may start and load.
        timeout_s: The longest that a pass may take.
        environment: The process's.
        log: Takes its own output; nowhere unless given.
    """
    read_end, write_end = os.pipe()
    with _output_file(log) as output, os.fdopen(read_end, "rb", 0) as reports:
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
        with _killed_at_exit(process):
            living = Living(process, reports, output, task, load_timeout_s, timeout_s)
            living.tell(order.to_json())
            yield living


def _unfinished(
    measured: MeasuredProcess, process: int, task: Task
) -> dict[str, float | None] | None:
    """What others did in the pass that the process is in; None in another step.

    A process that ended by itself left its helpers to the system: what these used would be taken
    for others', so of strategies with more of them it is told only where the process
    is there.
    """
    if measured.step not in IN_A_PASS or measured.begun is None:
        return None
    told: dict[str, float | None] = dict(meters.since(measured.begun, process, task.affinity))
    alone = task.configuration.strategy not in ("multi_process", "service")
    if not alone and measured.status == "ok":  # it closed the line and said nothing
        told |= {"cpu_s": None, "foreign_cpu_s": None, "foreign_cpu_share": None}
    return told


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
        family = _family_of(process)  # a service may have left the group
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        for number, handler in previous.items():
            signal.signal(number, handler)


def _family_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All that a process has started and that is still there."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


def _why_it_ended(code: int | None, step: str, printed: str) -> tuple[str, str]:
    """Status and reason of a process that ended before its work was done."""
    where = f"during {STEPS[step]}" if step != "loading" else "before its models were loaded"
    last = "; ".join(line.strip() for line in printed.strip().splitlines()[-3:])[-500:]
    status, how = how_it_ended(code)
    return status, f"{how} {where}" + (f"; last output: {last}" if status != "killed" else "")
