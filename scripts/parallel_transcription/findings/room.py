"""Whether a machine had CPUs, or a GPU, left for more: shown by its runs, not believed.

How many CPUs a process may use is often not what it sees: a quota of a container, a hypervisor
or a neighbour takes some. Whatever takes them, a run that used more cores shows that they were
there, and one that asked for more and did not get them shows that they were not.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import WeakKeyDictionary

from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.passes import busy_workers, counted_timings

FULL = 0.8  # a GPU that is busy for a larger share of the time may be full


class _Use(NamedTuple):
    """Cores that an arm used, and those that it asked for in a way that no queue explains."""

    used: float
    asked: float


#: Of machines that are still looked at: many rows ask.
_USES: WeakKeyDictionary[Machine, list[_Use]] = WeakKeyDictionary()


def room_on_cpus(machine: Machine, cores: float) -> bool | None:
    """Whether so many cores were there to be used; None where nothing tells.

    True where some run used them. False where a run asked for as many and got fewer, in a way that
    no queue explains: threads of one worker, models or processes of their own while they have a
    file. Without either, the usable CPUs tell, if the quota is known to be among what they rest on.
    """
    if machine not in _USES:
        _USES[machine] = _uses(machine)
    uses = _USES[machine]
    if any(one.used >= cores for one in uses):
        return True
    asked = any(one.asked >= cores for one in uses)
    if asked or (machine.cpus is not None and machine.cpus < cores):
        return False
    runs = machine.runs
    quota_read = "usable_cpus" in runs and bool(runs["usable_cpus"].notna().any())
    return True if quota_read and machine.cpus is not None else None


def room_on_gpu(utilisation: float | None) -> bool | None:
    """Whether a GPU that is busy for this share of the time has something left."""
    return None if utilisation is None else utilisation < FULL


def _uses(machine: Machine) -> list[_Use]:
    arms, timings = machine.arms[machine.arms["device"] == "cpu"], counted_timings(machine)
    found = []
    for arm in arms.to_dict("records"):
        used = machine.times(arm["arm"])["cores_used"].astype(float).median()
        if used > 0:
            queue = arm["strategy"] == "one_model" and arm["in_use"] > 1
            busy = busy_workers(timings, arm)
            workers = float(busy.median()) if len(busy) else float(arm["in_use"])
            found.append(_Use(float(used), 0.0 if queue else workers * arm["threads"]))
    return found
