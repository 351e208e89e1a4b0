"""A service that is measured from outside: started fresh, waited for, asked, and ended.

This process is its client: it sends what a load says, and does nothing else. The service's own
meters are read through the system, of the process that the command started and of all that it
started; those of a service that runs already, here or elsewhere, are not known.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from parallel_transcription.measure import clients, meters
from parallel_transcription.measure.clients import Ask, NoAnswer, Service
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.decoded import Decoded
from parallel_transcription.measure.loading import Load
from parallel_transcription.measure.processes import die_with_parent, how_it_ended
from parallel_transcription.measure.transcriber import Transcriber, Transcript

_LOOKS_S = 0.02  # between looks whether it is ready
_ENDS_IN_S = 10.0
_LAST_LINES, _LAST_BYTES = 3, 500
_MEMORY = ("rss", "pss", "uss")
#: Of our environment; they are for the measured process, not for others' programs.
_OURS = ("PYTHONPATH", "PYTHONFAULTHANDLER")


class ServiceEnded(RuntimeError):
    """A service ended while it was measured; `status` is that of the run."""

    def __init__(self, name: str, code: int | None, when: str):
        self.status, how = how_it_ended(code)
        said = _last_output()
        also = said and f"; its last output: {said}"
        super().__init__(f"the service {name!r} {how} {when}{also}")


class ServiceStrategy:
    """A service as a strategy: one instance, which is asked by every caller.

    Args:
        configuration: What is measured.
        service: How it is started and asked.
        files: All that it will be asked for.
    """

    def __init__(self, configuration: Configuration, service: Service, files: Sequence[str]):
        self.configuration = configuration
        self.service = service
        self.files = files
        self.requests: Mapping[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.ask: Ask = _not_prepared

    def prepare(self) -> None:
        """Make what is sent, find a port, and open the client."""
        self.requests = clients.prepared(self.service, self.files)
        if self.service.command is not None:
            self.service = self.service.at(_free_port())
            _check_free(self.service)
        self.ask = clients.client(self.service)

    def load(self) -> list[Load]:
        """Start it and wait until it is ready; one that runs already is asked whether it is."""
        begin = time.monotonic()
        load = Load(0)
        try:
            if self.service.command is not None:
                self.process = _start(self.service)
            self._wait_until_ready()
        except (OSError, RuntimeError) as error:
            load.error = str(error)
        load.finished_s = time.monotonic() - begin
        return [load]

    def _wait_until_ready(self) -> None:
        while not clients.is_ready(self.service):
            if self.process is None:
                host, port = self.service.address
                raise RuntimeError(
                    f"no service {self.service.name!r} is ready at {host}:{port}; start it, or "
                    "give its command"
                )
            if self.process.poll() is not None:
                code = self.process.returncode
                raise ServiceEnded(self.service.name, code, "before it was ready")
            time.sleep(_LOOKS_S)

    def transcriber(self, caller: int, warming: bool = False) -> Transcriber:
        """All callers share a client; a warm-up asks for whole files."""

        def transcribe(path: str) -> Transcript:
            before = time.thread_time()
            try:
                text, language = self.ask(self.requests[path])
            except NoAnswer:
                self._check_alive()
                raise
            return Transcript(text, None, None, language, time.thread_time() - before)

        return transcribe

    def _check_alive(self) -> None:
        if self.process is not None and (code := self.process.poll()) is not None:
            raise ServiceEnded(self.service.name, code, "while it was asked")

    def _family(self) -> list[psutil.Process]:
        """The service's processes; none of one that is not ours."""
        if self.process is None:
            return []
        try:
            main = psutil.Process(self.process.pid)
            return [main, *main.children(recursive=True)]
        except psutil.Error:
            return []

    def _of_each(self, ask: Callable[[psutil.Process], Any]) -> list[Any]:
        answers = []
        for one in self._family():
            with contextlib.suppress(psutil.Error):  # a helper may end at any moment
                answers.append(ask(one))
        return answers

    def snapshots(self) -> list[meters.Snapshot]:
        """The client's, then those of the service's processes; it must be there."""
        self._check_alive()
        return [meters.snapshot(), *self._of_each(meters.snapshot_of)]

    def memory(self) -> list[dict[str, int | None]]:
        """Those of the service's processes alone; nothing of one that is not ours."""
        if self.service.command is None:
            return [dict.fromkeys(_MEMORY)]
        return self._of_each(meters.memory) or [dict.fromkeys(_MEMORY, 0)]

    def reset_peaks(self) -> None:
        """Start a new peak of resident memory in each of the service's processes."""
        self._of_each(lambda one: meters.reset_peak_rss(one.pid))

    def peaks(self) -> list[int | None]:
        """Peaks of the service's processes since the last reset."""
        return self._of_each(lambda one: meters.peak_rss(one.pid))

    def decoded(self) -> list[Decoded]:
        """A service does not tell how it decoded."""
        return []

    def close(self) -> None:
        """Ask it to end, and end it."""
        if self.process is None or self.process.poll() is not None:
            return
        family = self._family()
        self.process.terminate()
        _, left = psutil.wait_procs(family, timeout=_ENDS_IN_S)
        for one in left:
            with contextlib.suppress(psutil.Error):
                one.kill()
        self.process.wait()


def _last_output() -> str:
    """The last lines of our output, which is the service's as well; "" where it cannot be read."""
    try:
        size = os.fstat(1).st_size
        printed = os.pread(1, _LAST_BYTES, max(0, size - _LAST_BYTES)).decode(errors="replace")
    except OSError:
        return ""
    return "; ".join(line.strip() for line in printed.strip().splitlines()[-_LAST_LINES:])


def _not_prepared(_: Any) -> tuple[str, str]:
    raise RuntimeError("the service was not prepared")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _check_free(service: Service) -> None:
    """Refuse a port on which somebody answers already: it would be measured in its place."""
    try:
        with socket.create_connection(service.address, timeout=1):
            pass
    except OSError:
        return
    host, port = service.address
    raise RuntimeError(
        f"{host}:{port} is in use by another program; end it, or write {{port}} in the service's "
        "command and url for a free one"
    )


def _start(service: Service) -> subprocess.Popen[bytes]:
    """The command, in the measured process's group, so that nothing of it outlives the run."""
    assert service.command
    environment = {k: v for k, v in os.environ.items() if k not in _OURS} | service.environment
    program = shutil.which(service.command[0], path=environment.get("PATH"))
    if program is None:
        raise RuntimeError(f"{service.command[0]!r} is no program of this machine")
    parent = os.getpid()
    return subprocess.Popen(
        [program, *service.command[1:]],
        stdin=subprocess.DEVNULL,
        env=environment,
        preexec_fn=lambda: die_with_parent(parent),
    )
