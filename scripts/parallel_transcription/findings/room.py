"""Whether a machine had CPUs, or a GPU, left for more: shown by its runs, not believed.

How many CPUs a process may use is often not what it sees: a quota of a container, a hypervisor
or a neighbour takes some. Whatever takes them, a run that used more cores shows that they were
there, and one that asked for more and did not get them shows that they were not.
"""

from __future__ import annotations

from typing import Any

from parallel_transcription.findings.machine import Machine

FULL = 0.8  # a GPU that is busy for a larger share of the time may be full


def room_on_cpus(machine: Machine, cores: float) -> bool | None:
    """Whether so many cores were there to be used; None where nothing tells.

    True where some run used them. False where a run asked for as many and got fewer, in a way that
    no queue explains: threads of one worker, models or processes of their own. Without either, the
    usable CPUs tell, if the quota is known to be among what they rest on.
    """
    asked = False
    for arm, used in _used(machine):
        if used >= cores:
            return True
        queue = arm["strategy"] == "one_model" and arm["in_use"] > 1
        asked |= not queue and arm["in_use"] * arm["threads"] >= cores
    if asked or (machine.cpus is not None and machine.cpus < cores):
        return False
    runs = machine.runs
    quota_read = "usable_cpus" in runs and bool(runs["usable_cpus"].notna().any())
    return True if quota_read and machine.cpus is not None else None


def room_on_gpu(utilisation: float | None) -> bool | None:
    """Whether a GPU that is busy for this share of the time has something left."""
    return None if utilisation is None else utilisation < FULL


def _used(machine: Machine) -> list[tuple[dict[str, Any], float]]:
    arms = machine.arms[machine.arms["device"] == "cpu"]
    found = []
    for arm in arms.to_dict("records"):
        used = machine.times(arm["arm"])["cores_used"].astype(float).median()
        if used > 0:
            found.append((arm, float(used)))
    return found
