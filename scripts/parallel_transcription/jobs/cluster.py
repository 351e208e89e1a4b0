"""Jobs on a Slurm cluster: what each asks for, what an earlier run left, and which one this is.

What Snakemake calls resources is described in its Slurm plugin's documentation
(https://snakemake.github.io/snakemake-plugin-catalog/plugins/executor/slurm.html).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallel_transcription.errors import InputError
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.settings import Resources

#: How often a job is submitted again that ended without a record: its node died, it was cancelled,
#: or its time was over. A configuration that fails writes a record, and is not tried again.
RETRIES = 2
_SAME_NAME = ("account", "partition")  # these have a prefix in Snakemake
#: What `gpu_resources` may set.
GPU_RESOURCES = ("gpu", "gpu_model", "gres", "slurm_extra")
#: What the plugin takes as a name of a GPU; Slurm also takes a100-sxm4-80gb and 1g.10gb+me.
_PLUGIN_TAKES = re.compile(r"[A-Za-z0-9_.]+")
#: Slices of a GPU, as NVIDIA names them; a site may put the GPU's name before it.
_MIG = re.compile(r"(.*[_-])?\d+g\.\d+gb(\+.*)?")
_UNCHANGED = ("qos", "constraint")
_SLACK_MIN = 5  # to start two Snakemakes, the measured process and its meters


class ClusterError(InputError):
    """What stands in the way of submitting jobs, and what to do about it."""


def resources(machine: Resources) -> dict[str, Any]:
    """What a measurement asks for, beside GPUs and time, as Snakemake's Slurm plugin names it.

    GPUs may add to its slurm_extra (`gpu_resources`).

    Args:
        machine: What the study's `machines` says of the label.

    Raises:
        ClusterError: if its `extra` sets what has a key of its own.
    """
    exclusive = machine.get("exclusive", True)
    asked: dict[str, Any] = {
        "nodes": 1,
        # A negative number leaves --cpus-per-task out: the step has all CPUs of the allocation.
        "cpus_per_task": machine.get("cores", -1),
        "shared_node": 0 if exclusive else 1,
        # 0 leaves --mem out; Snakemake's own default would be a guess from the size of the input.
        "mem_mb": machine.get("mem_mb", 0),
    }
    asked |= {f"slurm_{key}": value for key, value in machine.items() if key in _SAME_NAME}
    asked |= {key: value for key, value in machine.items() if key in _UNCHANGED}
    extra = " ".join([*(["--exclusive"] if exclusive else []), machine.get("extra", "")]).strip()
    if extra:
        _check_extra(extra)
        asked["slurm_extra"] = extra
    return asked


def gpu_resources(machine: Resources, count: int) -> dict[str, Any]:
    """What asks for so many GPUs of a machine, as Snakemake's Slurm plugin names it.

    With nodes=1 the three ways ask for the same. A name that the plugin refuses goes by
    --gpus-per-node, which Slurm takes as --gres, also where it knows no --gpus (select/cons_res).

    Args:
        machine: What the study's `machines` says of the label.
        count: How many; with 0 nothing is asked for.
    """
    if not count:
        return {}
    model = machine.get("gpu_model")
    if model and not _PLUGIN_TAKES.fullmatch(model):
        options = [resources(machine).get("slurm_extra", ""), f"--gpus-per-node={model}:{count}"]
        return {"slurm_extra": " ".join(filter(None, options))}
    if machine.get("gpu_request") == "gres":
        return {"gres": ":".join(filter(None, ["gpu", model, str(count)]))}
    return {"gpu": count} | ({"gpu_model": model} if model else {})


def runtime_min(
    machine: Resources, minutes: int, attempt: int = 1, longest: int | None = None
) -> int:
    """A job's time limit in minutes: the machine's, else longer than the measurement can take.

    So Slurm is not the first to stop it. Each attempt has more, up to what the partition gives; a
    limit that the study itself names is asked for as it is named.

    Args:
        machine: What is asked for on it.
        minutes: What the measurement takes at most.
        attempt: How often it was tried, this time included.
        longest: What the partition gives at most, where that is known.
    """
    if "runtime_min" in machine:
        return attempt * machine["runtime_min"]
    return min(attempt * (minutes + _SLACK_MIN), longest or sys.maxsize)


def confined(
    machines: Mapping[str, Resources | None], configurations: Iterable[Configuration]
) -> list[str]:
    """Notes on machines whose `cores` are fewer than the threads of some configurations.

    These configurations then measure oversubscription.
    """
    threads = [c.total_workers * max(1, c.cpu_threads) for c in configurations]
    notes = []
    for label, machine in machines.items():
        cores = machine.get("cores") if machine else None
        if cores and (above := sum(n > cores for n in threads)):
            notes.append(
                f"machines.{label}.cores: {cores}: {above} of {len(threads)} configurations have "
                f"more threads (up to {max(threads)}) and share these cores"
            )
    return notes


def sliced(
    machines: Mapping[str, Resources | None], configurations: Iterable[Configuration]
) -> list[str]:
    """Notes on machines whose GPUs are slices (MIG), of which CUDA gives a process one."""
    several = sum(c.gpus > 1 for c in configurations)
    return [
        f"machines.{label}.gpu_model: {model} is a slice of a GPU (MIG), of which CUDA gives a "
        f"process one: configurations that name more in device_index will fail ({several})"
        for label, machine in machines.items()
        if several and machine and (model := machine.get("gpu_model")) and _MIG.fullmatch(model)
    ]


def _check_extra(extra: str) -> None:
    """Refuse options for sbatch that the plugin sets by itself."""
    from snakemake_executor_plugin_slurm.validation import get_forbidden_slurm_options

    for pattern, name in get_forbidden_slurm_options().items():
        if found := re.search(pattern, extra + " "):
            raise ClusterError(
                f"machines: extra: {found[0].strip()}: the workflow sets the {name} by itself, "
                "partly from other keys (config/README.md); leave it out"
            )


def answer(command: Sequence[str]) -> str:
    """What a command of Slurm prints.

    Raises:
        ClusterError: if there is no such command, or it does not answer in a minute.
    """
    name = command[0]
    try:
        return subprocess.run(
            [*command], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except FileNotFoundError:
        raise ClusterError(
            f"{name}: no such command; start on a node that can submit jobs"
        ) from None
    except subprocess.CalledProcessError as error:
        raise ClusterError(f"{name}: {error.stderr.strip()[:500]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"{name}: {error}") from None


# --------------------------------------------------------------------------- after a crash


@dataclass(frozen=True)
class LiveJob:
    """A job in Slurm's queue; `run` is the name that all jobs of one Snakemake share."""

    id: str
    state: str
    run: str
    what: str


def live_jobs(folder: Path) -> list[LiveJob]:
    """Jobs that a Snakemake in this folder submitted and that have not ended.

    Raises:
        ClusterError: if squeue does not answer.
    """
    told = answer(["squeue", "--me", "--noheader", "--format=%A\t%T\t%j\t%Z\t%k"])
    rows = (line.split("\t", 4) for line in told.splitlines())
    return [
        LiveJob(number, state, run, what.removeprefix("rule_").replace("_wildcards_", " "))
        for number, state, run, where, what in rows
        if state != "COMPLETING" and what.startswith("rule_") and _same(Path(where), folder)
    ]


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def refuse_beside(jobs: Sequence[LiveJob]) -> None:
    """Never submit beside jobs of an earlier run: the same measurement would run twice at a time.

    Raises:
        ClusterError: if there are such jobs, with the commands to see, await or cancel them.
    """
    if not jobs:
        return
    names = ",".join(sorted({job.run for job in jobs}))
    shown = "\n".join(f"  {job.id}  {job.state}  {job.what}" for job in jobs[:10])
    more = f"\n  and {len(jobs) - 10} more" if len(jobs) > 10 else ""
    raise ClusterError(
        f"{len(jobs)} jobs that an earlier Snakemake submitted from this folder have not ended:\n"
        f"{shown}{more}\n"
        "Wait for them and start again: what they measure is kept. See them with:\n"
        f"  squeue --me --name={names}\n"
        "Or cancel them, and start again:\n"
        f"  scancel --me --name={names}"
    )


# ------------------------------------------------------------------------------ on the node


def this_job() -> dict[str, Any] | None:
    """The Slurm job that this process is a part of; None outside of one.

    scheduler, job_id, node (as Slurm names it), partition, gpus (what the job sees of them, by
    number), log (of the whole job).
    """
    number = os.environ.get("SLURM_JOB_ID")
    if not number:
        return None
    shown = _shown(number)
    return {
        "scheduler": "slurm",
        "job_id": number,
        "node": os.environ.get("SLURMD_NODENAME"),
        "partition": shown.get("Partition"),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "log": _from_here(shown.get("StdOut")),
    }


def _shown(number: str) -> dict[str, str]:
    """What Slurm tells of a job; empty if it does not answer."""
    try:
        told = answer(["scontrol", "show", "job", number])
    except ClusterError:
        return {}
    # A path may hold spaces and stands on a line of its own.
    return dict(
        re.findall(r"^ *(Partition)=(\S+)", told, re.MULTILINE)
        + re.findall(r"^ *(StdOut)=(.+)$", told, re.MULTILINE)
    )


def _from_here(path: str | None) -> str | None:
    if path is None:
        return None
    here = Path.cwd().resolve()
    whole = Path(path).resolve()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
