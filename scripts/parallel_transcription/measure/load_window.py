"""The timed window of a pass under a load: requests come by a schedule, whoever is free takes them.

The window opens as the first counted request is due and is over when the last of them is done;
before and after it requests come as well, so that what is counted neither meets an empty system nor
sees it empty. Latency is from the scheduled moment: a request that waits, waits.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parallel_transcription.measure.arrivals import Load, schedule
from parallel_transcription.measure.clients import NoAnswer
from parallel_transcription.measure.window import Transcription, Window

#: A pass is given up when more requests are in the system than so many times those served at once,
#: and more than the least: the load is beyond what is carried, and each one more only waits.
BACKLOG_PER_SERVED = 10
LEAST_BACKLOG = 40
#: Status of a counted request that was given up: it was in time for nobody.
SATURATED = "saturated"


@dataclass
class Request(Transcription):
    """A request for a file's text; `submitted_s` is when it was due, `sent_s` when it was sent."""

    counted: bool = True
    sent_s: float | None = None
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The request as the run record keeps it."""
        return {key: value for key, value in super().as_json().items() if key != "seconds"}


class LoadWindow(Window):
    """A window in which requests come by the schedule of a load.

    The one who opened it sends them, and sleeps in between; the callers do the rest.

    Args:
        load: What is to be served.
        number: Of the pass.
        files: The files that places in the schedule mean.
        callers: How many requests are sent on at once.
        served: How many of them are served at once.
    """

    def __init__(self, load: Load, number: int, files: Sequence[str], callers: int, served: int):
        super().__init__([], callers)
        self._load = load
        self._plan = schedule(load, number)
        self._requests = [
            Request(
                counter=i - self._plan.first + 1,
                file=files[place],
                submitted_s=at,
                counted=self._plan.first <= i < self._plan.end,
                seconds=load.seconds[place],
            )
            for i, (at, place) in enumerate(zip(self._plan.at, self._plan.files, strict=True))
        ]
        self._closed_loop = load.arrivals == "closed"
        self._most = max(LEAST_BACKLOG, BACKLOG_PER_SERVED * served)
        self._queue: list[tuple[float, int, Request]] = []
        self._changed = threading.Condition()
        self._sent = self._done = 0
        self._lacking = self._plan.end - self._plan.first  # counted ones that are not done
        self._closing = False
        self._cpu_before = 0.0
        self._counting = threading.Event()  # the first counted request is taken
        self._over = threading.Event()
        self.given_up: str | None = None
        #: CPU seconds of the thread that sends, in the window.
        self.sender_cpu_s: float | None = None

    def lead_in(self) -> None:
        """Open, and send what comes before the first counted request."""
        super().open()
        if self._closed_loop:
            with self._changed:
                for request in self._requests:
                    self._push(request)
                self._changed.notify_all()
            self._counting.wait()
            return
        while self._sent < self._plan.first:
            self._send_next()
        due = self._requests[self._sent].submitted_s
        time.sleep(max(0.0, due - self.since() - 0.01))  # the meters are read until it is due

    def open(self) -> None:
        """Go on: the next request is counted."""
        self._cpu_before = time.thread_time()

    def wait_until_over(self) -> None:
        """Send what is due, until the last counted request is done or no more can be."""
        if self._closed_loop:
            self._over.wait()
        else:
            self._send_until_over()
        self.sender_cpu_s = time.thread_time() - self._cpu_before

    def _send_until_over(self) -> None:
        latest = self._plan.at[self._plan.end - 1] + self._load.give_up_s
        while self._sent < len(self._requests) and not self._over.is_set():
            if self._requests[self._sent].submitted_s > latest:
                break
            self._send_next()
            if self._sent - self._done > self._most:
                self._give_up(f"more than {self._most} requests in the system")
                break
        if not self._over.wait(max(0.0, latest - self.since())):
            self._give_up(f"requests left {self._load.give_up_s:g} s after the last one came")
            self._over.wait()

    def close(self) -> None:
        """Hand no more out; callers end."""
        with self._changed:
            self._closing = True
            self._queue.clear()
            self._changed.notify_all()

    @property
    def told(self) -> Sequence[Request]:
        """Counted requests, and those beside them that somebody took."""
        return [one for one in self._requests if one.counted or one.started_s is not None]

    @property
    def error(self) -> str | None:
        """Why the pass failed: a file did, or a service gave no text for any counted request."""
        refused = [one for one in self.told if one.counted and one.status == NoAnswer.status]
        if refused and not any(one.counted and one.status == "ok" for one in self.told):
            return refused[0].error
        return super().error

    @property
    def makespan_s(self) -> float:
        """From the moment when the first counted request was due to the last one's end."""
        counted = [one for one in self._requests if one.counted]
        ends = [one.finished_s for one in counted if one.finished_s is not None]
        return max(ends, default=self.since()) - counted[0].submitted_s

    def _send_next(self) -> None:
        request = self._requests[self._sent]
        if self._over.wait(max(0.0, request.submitted_s - self.since())):
            return
        request.sent_s = self.since()
        with self._changed:
            self._push(request)
            self._changed.notify()

    def _push(self, request: Request) -> None:
        first = request.seconds if self._load.discipline == "shortest" else 0.0
        heapq.heappush(self._queue, (first, request.counter, request))
        self._sent += 1

    def _give_up(self, why: str) -> None:
        """Drop what nobody has taken; those that are being served are waited for."""
        with self._changed:
            if self.given_up is not None:  # all was dropped that could be
                return
            self.given_up = why
            for _, _, request in self._queue:
                if request.counted:
                    request.status, request.error = SATURATED, why
                    self._lacking -= 1
            for request in self._requests[self._sent :]:
                if request.counted:
                    request.status, request.error = SATURATED, why
                    self._lacking -= 1
            self._queue.clear()
            if self._lacking == 0:
                self._over.set()

    def _status_of(self, error: BaseException) -> str:
        """A request that a service does not answer is one that is never in time."""
        return NoAnswer.status if isinstance(error, NoAnswer) else super()._status_of(error)

    def _next(self) -> Transcription | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if self._closing or not self._queue:
                return None
            request = heapq.heappop(self._queue)[2]
        if self._closed_loop:
            request.submitted_s = request.sent_s = self.since()
            if request.counted:
                self._counting.set()
        return request

    def _finish(self, task: Transcription) -> None:
        with self._changed:
            self._done += 1
            if isinstance(task, Request) and task.counted:
                self._lacking -= 1
                if self._lacking == 0:
                    self._over.set()
