"""Loading of the instances, each in a thread, one after the other as configured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Loaded = TypeVar("Loaded")


@dataclass
class Load:
    """One instance's initialisation, in seconds since the first one's start."""

    instance: int
    started_s: float = 0.0
    finished_s: float = 0.0
    error: str | None = None
    compute_type: str | None = None


def load_staggered(
    loaders: Sequence[Callable[[], Loaded]], stagger_s: float, closing: threading.Event
) -> tuple[list[Loaded | None], list[Load]]:
    """Run all loaders in threads, each `stagger_s` after the one before it.

    The threads wait for `closing` when they have loaded. If they ended, glibc would give their
    memory arenas to the callers, whose passes would then take some per cent less system time than
    in a service that loads its models in the main thread (benchmarks/harness_overhead.py).

    Returns:
        The loaded objects (None where it failed) and their times, in the loaders' order.
    """
    loaded: list[Loaded | None] = [None] * len(loaders)
    loads = [Load(i) for i in range(len(loaders))]
    unfinished = threading.Semaphore(0)
    begin = time.monotonic()

    def work(i: int) -> None:
        time.sleep(max(0.0, i * stagger_s - (time.monotonic() - begin)))
        loads[i].started_s = time.monotonic() - begin
        try:
            loaded[i] = loaders[i]()
        except BaseException as error:  # one that ended the thread would go unseen
            loads[i].error = f"{type(error).__name__}: {error}"
        loads[i].finished_s = time.monotonic() - begin
        unfinished.release()
        closing.wait()

    for i in range(len(loaders)):
        threading.Thread(target=work, args=(i,), name=f"loader {i}", daemon=True).start()
    for _ in loaders:
        unfinished.acquire()
    return loaded, loads
