# The study and its plan, for all rules. Holds no rules.

import gc
import json
import os
import re
import sys
from inspect import signature
from pathlib import Path

from snakemake.common import overwrite_function_params
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config

sys.path.insert(0, f"{workflow.basedir}/scripts")

from parallel_transcription.jobs import cluster
from parallel_transcription import fingerprint
from parallel_transcription.jobs import preflight
from parallel_transcription.jobs import progress
from parallel_transcription.study.runs import round_of, strategy_of
from parallel_transcription.study.plan import Plan, digest
from parallel_transcription.files import check_writable
from parallel_transcription.study.study import StudyError, load_study, typed
from parallel_transcription.jobs.transcribe import is_measured, measuring_code

ROOT = Path(workflow.basedir)
STATE = Path(".snakemake/parallel_transcription")

# A plan of 10,000 runs is millions of objects that live to its end. Python would look through them for
# garbage again and again, which takes a fifth of the time.
gc.set_threshold(200_000, 20, 20)

if Path.cwd().resolve() != ROOT.resolve():
    raise WorkflowError(f"Run snakemake in the project's folder: cd {ROOT}")

study_files = [
    os.path.relpath(file) for file in workflow.overwrite_configfiles or ["config/config.yaml"]
]
update_config(config, typed(workflow.config_settings.config))
# Snakemake starts itself again only on a node of the cluster.
ON_CLUSTER = not workflow.is_main_process or cluster.is_executor(sys.argv[1:])
try:
    STUDY = load_study(study_files, ROOT, config, ON_CLUSTER)
    PLAN = Plan(STUDY, ROOT, Path("results"), measuring_code(), STATE / "hashes")
    ASKED = {machine: cluster.resources(asked or {}) for machine, asked in STUDY.machines.items()}
except (StudyError, fingerprint.FingerprintError, cluster.ClusterError) as error:
    raise WorkflowError(f"The study is not valid:\n{error}") from None

LOOKS = [
    fingerprint.folder_sha256(ROOT / folder)
    for folder in (
        "scripts/parallel_transcription/report/templates",
        "report",
        "resources/fonts",
        "resources/published",
    )
]
MACHINES = list(STUDY.machines)

# Studies that use GPUs measure in an environment that has cuBLAS (with --sdm conda).
ON_GPUS = any(point.configuration.gpus for point in STUDY.points.values())
MEASURE_ENV = f"../envs/{'cuda' if ON_GPUS else 'measure'}.yaml"

# One timing at a time and nothing else of ours beside it, whatever --cores and --resources say. On a
# cluster every timing has a node of its own, and the scheduler decides; those that may share one go one
# at a time.
RETRIES = cluster.RETRIES if ON_CLUSTER else 0
SLOTS = (STUDY.settings.get("packing") or {"jobs": 1})["jobs"]
workflow.global_resources["timing_slot"] = 100_000 if ON_CLUSTER else SLOTS
workflow.global_resources["shared_node"] = 1


wildcard_constraints:
    machine="|".join(map(re.escape, MACHINES)),


def of_wildcards(function):
    """A function of a job's wildcards, its signature looked up once. Snakemake would do it several
    times for every job: a tenth of the time that planning 10,000 runs takes."""
    overwrite_function_params(function, signature(function).parameters)
    return function


def code_of(script):
    """A fingerprint of a script and of what it imports: a changed step runs again."""
    return fingerprint.code_fingerprint([ROOT / "scripts" / script])


def measuring(gpus, minutes, runs=1):
    """What a job that measures takes, beside its timing slot: GPUs, and on a cluster what its machine
    asks the scheduler for. What no machine names is left to the profile's default-resources.

    gpus is a function of wildcards and input, minutes (the longest that a run takes) one of wildcards;
    runs is how many follow each other in the job.
    """
    taken = {"gpu": of_wildcards(gpus)} if any(map(PLAN.gpus_of, STUDY.wanted)) else {}
    if not ON_CLUSTER:
        return taken
    for key in sorted({key for asked in ASKED.values() for key in asked}):
        taken[key] = of_wildcards(lambda wildcards, key=key: ASKED[wildcards.machine].get(key))
    taken["runtime"] = of_wildcards(
        lambda wildcards, attempt: attempt
        * runs
        * cluster.runtime_min(STUDY.machines[wildcards.machine], minutes(wildcards))
    )
    taken["gpu_model"] = of_wildcards(
        lambda wildcards, input: (
            STUDY.machines[wildcards.machine].get("gpu_model") if gpus(wildcards, input) else None
        )
    )
    return taken


def candidates(file):
    """The configurations that are measured again."""
    return json.loads(Path(file).read_text(encoding="utf-8"))["configurations"]


def adopt_records():
    """Take over records that Snakemake knows nothing of: those of jobs that outlived it, or copied ones.

    What it notes of them is what it would have noted at their end, so that a later change is seen.
    """
    dag, strangers = workflow.persistence.dag, []
    for job in dag.jobs:
        if job.rule.name == "transcribe" and not dag.needrun(job) and dag.reason(job).no_metadata:
            if is_measured(Path(job.output[0]), job.params.specification):
                workflow.async_run(workflow.persistence.finished(job))
            else:
                strangers.append(str(job.output[0]))
    if strangers:
        raise WorkflowError(
            f"{len(strangers)} records were measured from something else than this study says, and "
            "Snakemake does not know from what. Remove them and start again, for instance "
            + ", ".join(strangers[:3])
        )


onstart:
    try:
        for machine in MACHINES:
            check_writable(Path(f"results/{machine}/runs"))
    except OSError as error:
        raise WorkflowError(
            f"{error.filename}: {error.strerror}. No run could be recorded there."
        ) from None
    for file in STUDY.unused_files:
        logger.warning(f"{file} is checked, but not used: files_in_parallel is smaller")
    if ON_CLUSTER:
        try:
            cluster.refuse_beside(cluster.live_jobs(Path.cwd()))
        except cluster.ClusterError as error:
            raise WorkflowError(str(error)) from None
        for note in cluster.confined(
            STUDY.machines, (point.configuration for point in STUDY.wanted.values())
        ):
            logger.warning(note)
    adopt_records()
    wanted = {file for job in workflow.persistence.dag.needrun_jobs() for file in job.output}
    progress.begin(
        [
            f"{machine}/{run}"
            for run in PLAN.runs
            for machine in MACHINES
            if PLAN.record(machine, run) in wanted
        ],
        local=not ON_CLUSTER,
    )
    # what cannot run here is said before the first job; on a cluster every run checks its own node
    if not ON_CLUSTER:
        runs = {Path(file).stem for file in wanted if Path(file).parent.name == "runs"}
        needed = [STUDY.points[round_of(run)[0]].configuration for run in sorted(runs)]
        if missing := preflight.problems(needed, STUDY.settings.get("packing")):
            raise WorkflowError("This machine cannot run the study:\n" + "\n".join(missing))
