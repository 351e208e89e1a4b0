"""The timed window of a pass: its two ends, and the files that callers take in it."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from parallel_transcription.measure.messages import FileFinished, FileStarted, Report
from parallel_transcription.measure.transcriber import Transcriber, Transcript


@dataclass
class Transcription:
    """One file handed to one caller; times in seconds since the window opened."""

    counter: int
    file: str
    caller: int = -1
    instance: int = -1
    submitted_s: float = 0.0
    started_s: float | None = None
    finished_s: float | None = None
    status: str = "ok"
    error: str | None = None
    transcript: Transcript | None = None

    def as_json(self) -> dict[str, Any]:
        """The transcription as the run record keeps it."""
        own = {key: value for key, value in vars(self).items() if key != "transcript"}
        if self.transcript:
            return own | asdict(self.transcript)
        return own | {field.name: None for field in fields(Transcript)}


class Window:
    """Opens for all callers at one moment; is over when the last file is finished.

    Callers are threads that run `serve`. Inside the window nothing else of this process runs but
    the engine: the one who opened it sleeps until it is over.
    """

    def __init__(self, files: Iterable[str], callers: int):
        self.transcriptions = [Transcription(i, file) for i, file in enumerate(files, 1)]
        self._waiting = deque(self.transcriptions)
        self._ready = threading.Barrier(callers + 1)
        self._open = threading.Event()
        self._finished = threading.Semaphore(0)
        self._opened_at = math.inf  # until it opens

    def wait_for_callers(self) -> None:
        """Sleep until every caller stands ready."""
        self._ready.wait()

    def lead_in(self) -> None:
        """What comes before the timed window: nothing, where all files come at one moment."""

    def open(self) -> None:
        """Hand all files out, now."""
        self._opened_at = time.monotonic()
        self._open.set()

    def wait_until_over(self) -> None:
        """Sleep until the last file is finished."""
        for _ in self.transcriptions:
            self._finished.acquire()

    def close(self) -> None:
        """Hand no more out: all files are done."""

    @property
    def told(self) -> Sequence[Transcription]:
        """What the record tells of."""
        return self.transcriptions

    @property
    def error(self) -> str | None:
        """Why the pass failed: a file did; None where none did."""
        return next((one.error for one in self.told if one.status == "failed"), None)

    @property
    def makespan_s(self) -> float:
        """From the first file's submission to the last one's end."""
        return max(one.finished_s for one in self.told if one.finished_s is not None)

    def since(self) -> float:
        """Seconds since the window opened."""
        return time.monotonic() - self._opened_at

    def serve(
        self, caller: int, instance: int, transcriber: Transcriber, live: Report | None
    ) -> None:
        """The life of a caller: take one file after another until there is none.

        Args:
            caller: Its number.
            instance: The number of its instance.
            transcriber: What it hands its files to.
            live: Told of every file as it starts and finishes.
        """
        self._ready.wait()
        self._open.wait()
        while (task := self._next()) is not None:
            task.caller, task.instance = caller, instance
            task.started_s = self.since()
            if live:
                live(FileStarted(task.counter, task.file, task.started_s))
            try:
                task.transcript = transcriber(task.file)
            except BaseException as error:  # a panic of the tokenizers library is no Exception
                task.status = self._status_of(error)
                task.error = f"{type(error).__name__}: {error}"
            task.finished_s = self.since()
            if live:
                seconds = task.finished_s - task.submitted_s
                live(FileFinished(task.counter, task.file, seconds, task.error))
            self._finish(task)

    def _status_of(self, error: BaseException) -> str:
        """How a file stands whose transcription raised this."""
        return "failed"

    def _next(self) -> Transcription | None:
        """What a caller that is free does next; None where nothing is left."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _finish(self, task: Transcription) -> None:
        """A file is done."""
        self._finished.release()
