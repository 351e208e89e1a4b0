"""What is done before the first job of a workflow: checks, notes, and records taken over."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from parallel_transcription.errors import InputError, reason
from parallel_transcription.files import check_writable
from parallel_transcription.inputs import inspected
from parallel_transcription.jobs import cluster, preflight, progress
from parallel_transcription.jobs.snakemake_insides import adopt_files, wanted_files
from parallel_transcription.jobs.transcribe import is_measured
from parallel_transcription.places import SCRIPTS
from parallel_transcription.study.plan import DECIDED, SEARCHED, Plan
from parallel_transcription.study.runs import round_of


def before_first_job(
    workflow: Any, plan: Plan, on_cluster: bool, warn: Callable[[str], None]
) -> None:
    """Check that what is planned can be measured and recorded.

    Args:
        workflow: Snakemake's, with its jobs planned.
        plan: The study's.
        on_cluster: Whether jobs go to a scheduler. What a node lacks is then seen on the node.
        warn: Takes what is worth knowing and stops nothing.

    Raises:
        InputError: for folders that take no record, records of something else, jobs of an earlier
            workflow, and what this machine lacks.
    """
    _check_folders(plan)
    _check_prepared(plan)
    for remark in plan.study.remarks:
        warn(remark)
    if on_cluster:
        cluster.refuse_beside(cluster.live_jobs(Path.cwd()))
        wanted = [point.configuration for point in plan.study.wanted.values()]
        machines = plan.study.machines
        for note in cluster.confined(machines, wanted) + cluster.sliced(machines, wanted):
            warn(note)
    _adopt_records(workflow)
    files = wanted_files(workflow)
    progress.begin(local=not on_cluster)
    _inspect_audio(plan, files, warn)
    if not on_cluster:
        _check_machine(plan, files)


def _check_folders(plan: Plan) -> None:
    try:
        for machine in plan.machines:
            check_writable(plan.results / machine / "runs")
    except OSError as error:
        raise InputError(
            f"{error.filename}: {reason(error)}; no run could be recorded there"
        ) from None


def _check_prepared(plan: Plan) -> None:
    """Refuse manifests that are no JSON: a job that reads one fails when its record is gone."""
    damaged = []
    for path in sorted((plan.results / "prepared").glob("*/*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            damaged.append(str(path))
    if damaged:
        raise InputError(
            f"cut off or damaged: {', '.join(damaged)}; remove it and start again: it is made anew"
        )


def _adopt_records(workflow: Any) -> None:
    mismatched = adopt_files(
        workflow, "transcribe", lambda file, params: is_measured(file, params.specification)
    )
    if mismatched:
        raise InputError(
            f"{len(mismatched)} records were measured from something else than this study says, "
            "and Snakemake does not know from what. Remove them and start again, for instance "
            + ", ".join(mismatched[:3])
        )


def _inspect_audio(plan: Plan, files: set[str], warn: Callable[[str], None]) -> None:
    """Look into all new audio files at once, on all CPUs, and name all bad ones.

    Their jobs find what was seen. Where this Python cannot decode (--sdm conda), they look.
    """
    names = [name for key, name in plan.audio_of_key.items() if plan.audio_manifest(key) in files]
    unknown = inspected.unknown(names)
    if unknown and find_spec("faster_whisper"):
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / "inspect_audio.py"), "--", *unknown],
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            lines = [line.removeprefix("error: ") for line in done.stderr.strip().splitlines()]
            raise InputError("Some audio cannot be used:\n" + "\n".join(lines))
    for remark in inspected.remarks(names):
        warn(remark)


def records_lacking(workflow: Any, plan: Plan) -> list[str]:
    """The records that are about to be made, in the order of measurement."""
    files = wanted_files(workflow)
    every = (plan.record(machine, run) for run in plan.runs for machine in plan.machines)
    return [record for record in every if record in files]


def decides(workflow: Any) -> bool:
    """Whether matches are about to be made, or looked at again, to decide what rounds left open."""
    return any(Path(file).name == DECIDED for file in wanted_files(workflow))


def _check_machine(plan: Plan, files: set[str]) -> None:
    """What cannot run here is said before the first job."""
    runs = {Path(file).stem for file in files if Path(file).parent.name == "runs"}
    needed = [plan.study.points[round_of(run)[0]].configuration for run in sorted(runs)]
    if any(Path(file).name == SEARCHED for file in files):
        needed += [point.configuration for point in plan.searched.values()]
    if missing := preflight.problems(needed, plan.study.settings.get("packing")):
        raise InputError("This machine cannot run the study:\n" + "\n".join(missing))
