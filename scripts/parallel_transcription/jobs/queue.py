"""What Slurm says of a workflow's jobs: who lives, who ended and how, who waits in vain.

A job that asks for more than its partition, account or quality of service ever gives is taken by
many sites and never started, or refused: the reason that Slurm gives tells it from one that waits
its turn. A job that ended is soon forgotten (MinJobAge): then the accounting database tells, where
there is one.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from parallel_transcription.jobs.cluster import ClusterError, LiveJob, answer, live_jobs
from parallel_transcription.jobs.snakemake_insides import INTERRUPTED

#: Reasons that no waiting changes, as patterns, with what to change in `machines` of the study.
NEVER = {
    r"PartitionTimeLimit": "its partition gives less time: lower runtime_min, or set partition",
    r"PartitionNodeLimit": "its partition has no such nodes: set partition",
    r"PartitionConfig": (
        "its partition never gives it: lower runtime_min, cores or mem_mb, or set partition"
    ),
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
#: Reasons of a job that Slurm could not start, and holds: another attempt may do better.
HELD = re.compile(r"launch.failed.requeued.held|JobHoldMaxRequeue", re.IGNORECASE)
#: What sbatch says where it takes no job now but may take it later.
_FOR_NOW = re.compile(
    r"(QOS|Assoc)\w*Submit\w*Limit|Unable to contact slurm controller|temporarily unable"
)
#: What sbatch says where it never takes a job, with what to change; the first one counts.
_REFUSALS = {
    r"Submit\w*Limit": "no more jobs of this user or account are taken: set qos or account",
    r"accounting/QOS policy": (
        "its qos or account never gives so much: lower runtime_min, cores or mem_mb, or set qos "
        "or account"
    ),
    r"GRES option unsupported": "this Slurm knows no --gpus: set gpu_request: gres",
    r"generic resource|[Gg]res": "no such GPUs: set gpu_model, gpu_request or partition",
    r"account or account/partition": "its account is not taken: set account",
    r"[Ii]nvalid account": "its account is not taken: set account",
    r"[Ii]nvalid qos": "its qos is not taken: set qos",
    r"[Ii]nvalid partition|partition.*(not|denied|unavailable)": (
        "its partition is not taken: set partition"
    ),
    r"[Ii]nvalid feature": "no node has this feature: set constraint",
    r"[Ii]nvalid node name": "no such node: set extra",
    r"Memory specification": "no node has so much memory: lower mem_mb, or set partition",
    r"time limit": "its partition gives less time: lower runtime_min, or set partition",
    r"node configuration|Node count|More processors": (
        "no node has what it asks for: set partition, constraint, gpu_model, cores or mem_mb"
    ),
}
_ENDED = frozenset(
    ("BOOT_FAIL", "CANCELLED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
     "RECONFIG_FAIL", "REVOKED", "TIMEOUT")
)  # fmt: skip


class Fate(enum.Enum):
    """What is to be done about a job."""

    LIVES = enum.auto()
    DONE = enum.auto()
    FAILED = enum.auto()
    #: Others took its place, or its processes were stopped: what it measured is worth nothing.
    PREEMPTED = enum.auto()
    #: Waits for what no waiting changes (`NEVER`).
    HOPELESS = enum.auto()
    #: Could not be started, and would be held for ever (`HELD`).
    HELD = enum.auto()
    #: Slurm knows nothing of it.
    UNKNOWN = enum.auto()


@dataclass(frozen=True)
class Seen:
    """A job as Slurm shows it: its state, and why it waits."""

    state: str
    reason: str = ""


def fate(seen: Seen | None) -> Fate:
    """What is to be done about a job that Slurm shows so; None where it shows nothing."""
    match seen:
        case None:
            return Fate.UNKNOWN
        case Seen("COMPLETED"):
            return Fate.DONE
        case Seen("PREEMPTED" | "SUSPENDED"):
            return Fate.PREEMPTED
        case Seen("PENDING", reason) if never(reason):
            return Fate.HOPELESS
        case Seen("PENDING", reason) if HELD.search(reason):
            return Fate.HELD
    return Fate.FAILED if seen.state in _ENDED else Fate.LIVES


def never(reason: str) -> str:
    """What to change for a job that waits for this reason; empty where it is right to wait."""
    return next((remedy for kind, remedy in NEVER.items() if re.fullmatch(kind, reason)), "")


def is_refused_for_now(said: str) -> bool:
    """Whether sbatch may take a job later that it refuses with these words."""
    return bool(_FOR_NOW.search(said))


def refusal(said: str) -> str:
    """What to change for a job that sbatch refuses with these words; empty if that is not known."""
    return never(_reason_in(said)) or next(
        (remedy for kind, remedy in _REFUSALS.items() if re.search(kind, said)), ""
    )


def _reason_in(said: str) -> str:
    found = re.search(r"\b(?:QOS|Assoc)\w+", said)
    return found[0] if found else ""


def look(run: str, jobs: Collection[str]) -> dict[str, Seen]:
    """What Slurm shows of the jobs of a workflow, by number; those that it forgot are not there.

    Args:
        run: The name that all its jobs share.
        jobs: Numbers of those that are wanted.

    Raises:
        ClusterError: if squeue does not answer.
    """
    told = answer(
        ["squeue", "--me", "--noheader", "--states=all", f"--name={run}", "--format=%A\t%T\t%r"]
    )
    rows = (line.split("\t", 2) for line in told.splitlines())
    seen = {number: Seen(state, reason) for number, state, reason in rows}
    if forgotten := sorted(set(jobs) - seen.keys()):
        seen |= _accounted(forgotten)
    return seen


class Interrupted(logging.Handler):
    """Hears whether Snakemake was interrupted, so that its jobs are to be cancelled (`end_all`)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of what it says then."""
        self.seen = self.seen or record.getMessage().startswith(INTERRUPTED)


def end_all(folder: Path) -> list[LiveJob]:
    """Cancel all jobs of a folder; returns them.

    Snakemake cancels them itself, but not those that it is just asking Slurm about.

    Raises:
        ClusterError: if Slurm does not answer.
    """
    live = live_jobs(folder)
    if live:
        with contextlib.suppress(ClusterError):  # one may have ended just now
            answer(["scancel", *(job.id for job in live)])
    return live


def _accounted(jobs: Collection[str]) -> dict[str, Seen]:
    """Ended jobs by the accounting database; nothing where there is none.

    Of jobs that live the queue is the better witness: the database may be late, or never told.
    """
    try:
        told = answer(
            ["sacct", "--noheader", "--allocations", "--parsable2", "--format=JobIDRaw,State",
             f"--jobs={','.join(jobs)}"]
        )  # fmt: skip
    except ClusterError:
        return {}
    rows = (line.partition("|")[::2] for line in told.splitlines())
    seen = {number: Seen(state.split(" ")[0]) for number, state in rows}  # "CANCELLED by 1000"
    return {n: one for n, one in seen.items() if fate(one) is not Fate.LIVES}


def longest_min(partition: str | None) -> int | None:
    """The longest time in minutes that a partition gives; None where it is unlimited or not told.

    Args:
        partition: Its name; None for the site's default.
    """
    try:
        told = answer(["sinfo", "--noheader", "--format=%P\t%l"])
    except ClusterError:
        return None
    for line in told.splitlines():
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
