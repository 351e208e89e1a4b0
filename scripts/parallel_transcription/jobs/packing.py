"""Packing: several measurements side by side, each with cores, and GPUs, of its own.

Only for studies that ask for it; their results are marked. A slot is a lock file; its number says
which cores and GPUs belong to it, so two runs never share one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parallel_transcription import cpus
from parallel_transcription import host as machine
from parallel_transcription.errors import InputError
from parallel_transcription.measure import cuda
from parallel_transcription.measure.limits import cpu_quota
from parallel_transcription.study.settings import Packing

LOCKS = Path(tempfile.gettempdir()) / f"parallel-transcription-slots-{os.getuid()}"


class PackingError(InputError):
    """A slot that does not fit on this machine; the message says what to change."""


@dataclass(frozen=True)
class Slot:
    """What a run may use: CPU numbers and GPUs as CUDA names them; None is all there are."""

    cores: list[int] | None = None
    gpus: list[str] | None = None


def cores_of(slot_number: int, cores: int) -> list[int]:
    """The CPU numbers of a slot: whole physical cores, out of those that this process may use.

    Raises:
        PackingError: if the machine has too few cores for that slot.
    """
    fitting = cpus.slots(cores)
    if slot_number < len(fitting):
        return fitting[slot_number]
    mine = cpus.mine()
    found = sum(map(len, cpus.slots(1)))
    whole = len(cpus.slots(1))
    which = f"the {whole} physical cores" if found == len(mine) else f"the {whole} fastest cores"
    raise PackingError(
        f"packing: slot {slot_number + 1} of {cores} cores does not fit on {which} of the "
        f"{len(mine)} CPUs that may be used here; give packing fewer jobs or cores"
    )


def slots_of(packing: Packing) -> list[list[int]]:
    """The CPU numbers of all slots of a study.

    Raises:
        PackingError: if the machine has too few cores for them, or its quota does not carry them.
    """
    slots = [cores_of(number, packing["cores"]) for number in range(packing["jobs"])]
    quota, wanted = cpu_quota(), sum(map(len, slots))
    if quota is not None and quota < wanted:
        raise PackingError(
            f"packing: {packing['jobs']} runs with {wanted} CPUs together do not fit into the "
            f"quota of {quota:g} CPUs of this control group: they would hold each other up; give "
            "packing fewer jobs or cores, or leave it out"
        )
    return slots


def gpus_of(slot_number: int, gpus: int) -> list[str]:
    """The GPUs of a slot, out of those that this process may use.

    Raises:
        PackingError: if there are too few GPUs for that slot.
    """
    usable = cuda.granted()
    if usable is None:
        usable = [str(gpu["number"]) for gpu in machine.gpus()]
    mine = usable[slot_number * gpus : (slot_number + 1) * gpus]
    if len(mine) < gpus:
        raise PackingError(
            f"packing: slot {slot_number + 1} of {gpus} GPUs does not fit on the {len(usable)} "
            "GPUs that can be used here; give packing fewer jobs or gpus"
        )
    return mine


@contextlib.contextmanager
def slot(packing: Packing | None) -> Iterator[Slot]:
    """Hold a free slot; one without bounds for a study without packing."""
    if packing is None:
        yield Slot()
        return
    cores, gpus = packing["cores"], packing.get("gpus", 0)
    slots = slots_of(packing)
    LOCKS.mkdir(exist_ok=True, mode=0o700)
    while True:
        for number in range(packing["jobs"]):
            with (LOCKS / f"{cores}-{gpus}-{number}").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield Slot(slots[number], gpus_of(number, gpus) if gpus else None)
                return
        time.sleep(0.05)
