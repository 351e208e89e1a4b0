"""Packing: several measurements side by side, each pinned to cores of its own.

Only for studies that ask for it; their results are marked. A slot is a lock file; its number says
which cores belong to it, so two runs never share one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

LOCKS = Path(tempfile.gettempdir()) / f"parallel-transcription-slots-{os.getuid()}"


def cores_of(slot_number: int, cores: int) -> list[int]:
    """The CPU numbers of a slot, out of those that this process may use.

    Raises:
        ValueError: if the machine has too few CPUs for that slot.
    """
    usable = sorted(os.sched_getaffinity(0))
    mine = usable[slot_number * cores : (slot_number + 1) * cores]
    if len(mine) < cores:
        raise ValueError(
            f"packing: slot {slot_number + 1} of {cores} cores does not fit on the "
            f"{len(usable)} CPUs of this machine; give packing fewer jobs or cores"
        )
    return mine


@contextlib.contextmanager
def slot(packing: Mapping[str, int] | None) -> Iterator[list[int] | None]:
    """Hold a free slot; gives its CPU numbers, or None for a study without packing."""
    if packing is None:
        yield None
        return
    LOCKS.mkdir(exist_ok=True, mode=0o700)
    while True:
        for number in range(packing["jobs"]):
            with (LOCKS / f"{packing['cores']}-{number}").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield cores_of(number, packing["cores"])
                return
        time.sleep(0.05)
