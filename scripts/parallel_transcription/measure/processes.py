"""Processes that end with the one that started them, and how a process ended, in words."""

from __future__ import annotations

import os
import signal
import sys

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


def end_with(process: int) -> None:
    """Have this process told to stop (SIGTERM) when another one ends, however that happens.

    A thread sleeps in the kernel until then; it uses no CPU time. Linux only: elsewhere nothing
    happens.

    Args:
        process: Its process id; 0, a process outside this container, is not watched.

    Raises:
        ProcessLookupError: if it has ended already.
    """
    if process <= 0 or not hasattr(os, "pidfd_open"):
        return
    import select
    import threading

    descriptor = os.pidfd_open(process)

    def watch() -> None:
        select.select([descriptor], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process when the thread that started it ends, however that happens.

    Raises:
        SystemExit: if the parent has ended already, before the kernel was asked.
    """
    if sys.platform != "linux":
        return
    import ctypes

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the process that started this one has ended")


def how_it_ended(code: int | None) -> tuple[str, str]:
    """The status of a run whose process ended too early, and what happened, in words.

    Args:
        code: The exit code; negative for a signal, None where it is not known.
    """
    if code is None:
        return "failed", "did not go on and did not end"
    if code >= 0:
        return "failed", f"ended with code {code}"
    if -code == signal.SIGKILL:
        return "killed", "killed by SIGKILL (most likely out of memory)"
    name = signal.Signals(-code).name
    return "failed", f"native crash ({name})" if -code in CRASHES else f"ended by {name}"
