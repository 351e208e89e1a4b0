"""What Slurm's queue says of jobs that wait: some would wait for ever, and are ended.

A job that asks for more than its partition, account or quality of service ever gives is taken by
many sites and never started. The reason that the queue gives tells it from one that waits its turn.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from parallel_transcription.jobs.cluster import ClusterError, LiveJob, live_jobs

LOOKS_S = 20.0
#: Reasons that no waiting changes, as patterns, with what to change in `machines` of the study.
NEVER = {
    r"PartitionTimeLimit": "its partition gives less time: lower runtime_min, or set partition",
    r"PartitionNodeLimit|PartitionConfig": "its partition has no such nodes: set partition",
    r"(QOS|Assoc)\w*WallDuration\w*": (
        "its qos or account gives less time: lower runtime_min, or set qos or account"
    ),
    r"(QOS|Assoc)(Max|Min)\w*(PerJob|PerNode|NotSatisfied)\w*|MaxMemPerLimit": (
        "its qos or account never gives so much at once: lower cores or mem_mb, or set qos or "
        "account"
    ),
    r"BadConstraints": "no node has what it asks for: set constraint, gpu_model, cores or mem_mb",
    r"InvalidAccount|AccountNotAllowed": "its account is not taken: set account",
    r"InvalidQOS|QOSNotAllowed": "its qos is not taken: set qos",
}


def never(reason: str) -> str:
    """What to change for a job that waits for this reason; empty where it is right to wait."""
    return next((remedy for kind, remedy in NEVER.items() if re.fullmatch(kind, reason)), "")


def end_hopeless(folder: Path, tell: Callable[[str], None]) -> list[LiveJob]:
    """Cancel the jobs of a folder that can never start, and say why; returns them.

    Raises:
        ClusterError: if squeue does not answer.
    """
    hopeless = [job for job in live_jobs(folder) if job.state == "PENDING" and never(job.reason)]
    for job in hopeless:
        tell(f"job {job.id} ({job.what}) can never start: {job.reason}; {never(job.reason)}")
        subprocess.run(["scancel", job.id], capture_output=True, timeout=60)
    return hopeless


def end_all(folder: Path) -> list[LiveJob]:
    """Cancel all jobs of a folder; returns them.

    What Snakemake cancels at its end lacks those that it is just asking Slurm about.

    Raises:
        ClusterError: if squeue does not answer.
    """
    live = live_jobs(folder)
    if live:
        command = ["scancel", *(job.id for job in live)]
        subprocess.run(command, capture_output=True, timeout=60)
    return live


def watch(folder: Path, tell: Callable[[str], None]) -> None:
    """Look for such jobs from time to time, until this process ends.

    This host measures nothing then: it only hands jobs out.
    """

    def look() -> None:
        while not ended.wait(LOOKS_S):
            try:
                end_hopeless(folder, tell)
            except (ClusterError, OSError, subprocess.TimeoutExpired):
                continue  # the controller may be away for a while

    ended = threading.Event()
    threading.Thread(target=look, name="queue", daemon=True).start()


def longest_min(partition: str | None) -> int | None:
    """The longest time in minutes that a partition gives; None where it is unlimited or not told.

    Args:
        partition: Its name; None for the site's default.
    """
    try:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%P\t%l"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    for line in done.stdout.splitlines():
        name, _, limit = line.strip().partition("\t")
        if name.removesuffix("*") == partition or (partition is None and name.endswith("*")):
            return _minutes(limit)
    return None


def _minutes(limit: str) -> int | None:
    """Whole minutes of a time as Slurm writes it; None for no limit.

    Forms: minutes, minutes:seconds, hours:minutes:seconds, and days-hours with or without more.
    """
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", limit):
        return None
    days, _, rest = limit.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:
        hours, minutes = [*parts, 0][:2]
    elif len(parts) == 3:
        hours, minutes = parts[:2]
    else:
        hours, minutes = 0, parts[0]
    return int(days or 0) * 1440 + hours * 60 + minutes
