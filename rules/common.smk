# The study and its plan, for all rules. Holds no rules.

import gc
import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config

sys.path.insert(0, f"{workflow.basedir}/scripts")

from parallel_transcription.fingerprint import code_fingerprint
from parallel_transcription.jobs import cluster, first_round, queue
from parallel_transcription.jobs.snakemake_insides import (
    command_line_config,
    ending_the_workflow,
    is_on_cluster,
    limit,
    listen,
    of_wildcards,
    replace_executor,
    stop,
    study_files,
)
from parallel_transcription.jobs.screen import take_over
from parallel_transcription.jobs.start import before_first_job, decides, records_lacking
from parallel_transcription.jobs.transcribe import measuring_code
from parallel_transcription.places import SCRIPTS
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.runs import strategy_of
from parallel_transcription.study.study import load_study, typed

ROOT = Path(workflow.basedir)

# A plan of 10,000 runs is millions of objects that live to its end. Python would look through them for
# garbage again and again, which takes a fifth of the time.
gc.set_threshold(200_000, 20, 20)

if Path.cwd().resolve() != ROOT.resolve():
    raise WorkflowError(f"Run snakemake in the project's folder: cd {ROOT}")
if not os.access(".snakemake" if os.path.exists(".snakemake") else ".", os.W_OK):
    raise WorkflowError(
        f"{ROOT}/.snakemake cannot be written to; copy the project, or mount volumes at its folders "
        "results, logs and .snakemake"
    )

for folder in ("results", "logs"):
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise WorkflowError(
            f"{ROOT}/{folder} is no folder, and has to be one: move it out of the way"
        )

SCREEN = take_over(workflow)

update_config(config, typed(command_line_config(workflow)))
ON_CLUSTER = is_on_cluster(workflow, sys.argv[1:])
with ending_the_workflow("The study is not valid:\n"):
    STUDY = load_study(study_files(workflow, "config/config.yaml"), ROOT, config, ON_CLUSTER)
    HASHES = Path(".snakemake/parallel_transcription/hashes")
    MEASURING_CODE = measuring_code(HASHES)
    PLAN = Plan(STUDY, ROOT, Path("results"), MEASURING_CODE, HASHES)
    SLURM_RESOURCES = {
        machine: cluster.resources(asked or {}) for machine, asked in STUDY.machines.items()
    }

if ON_CLUSTER and workflow.is_main_process:
    from parallel_transcription.jobs.slurm_executor import SlurmExecutor

    replace_executor("slurm", SlurmExecutor)

MACHINES = list(STUDY.machines)
INTERRUPTED = queue.Interrupted()
FIRST_ROUND = first_round.FirstRound(PLAN, lambda: stop(workflow, ON_CLUSTER))

# Studies that use GPUs measure in an environment that has cuBLAS (with --sdm conda).
ON_GPUS = any(point.configuration.gpus for point in STUDY.points.values())
MEASURE_ENV = f"../envs/{'cuda' if ON_GPUS else 'measure'}.yaml"

# What each machine's partition gives at most; asked once, by the Snakemake that hands jobs out.
LONGEST_MIN = {
    machine: queue.longest_min((asked or {}).get("partition")) if workflow.is_main_process else None
    for machine, asked in (STUDY.machines.items() if ON_CLUSTER else ())
}

# One timing at a time and nothing else of ours beside it, whatever --cores and --resources say. On a
# cluster every timing has a node of its own, and the scheduler decides; those that may share one go one
# at a time.
RETRIES = cluster.RETRIES if ON_CLUSTER else 0
SLOTS = (STUDY.settings.get("packing") or {"jobs": 1})["jobs"]
limit(workflow, timing_slot=100_000 if ON_CLUSTER else SLOTS, shared_node=1)


wildcard_constraints:
    machine="|".join(map(re.escape, MACHINES)),


def code_of(script):
    """A fingerprint of a script and of what it imports: a changed step runs again."""
    return code_fingerprint([SCRIPTS / script], HASHES)


def measuring(gpus, minutes):
    """What a job that measures takes, beside its timing slot: GPUs, and on a cluster what its machine
    asks the scheduler for. What no machine names is left to the profile's default-resources.

    gpus is a function of wildcards and input, minutes (the longest that the job takes) one of wildcards.
    """
    uses_gpus = any(map(PLAN.gpus_of, STUDY.wanted))
    if not ON_CLUSTER:
        return {"gpu": of_wildcards(gpus)} if uses_gpus else {}
    taken = {
        key: of_wildcards(lambda wildcards, key=key: SLURM_RESOURCES[wildcards.machine].get(key))
        for key in sorted({key for asked in SLURM_RESOURCES.values() for key in asked})
    }
    for key in cluster.GPU_RESOURCES if uses_gpus else ():
        taken[key] = of_wildcards(
            lambda wildcards, input, key=key: (
                SLURM_RESOURCES[wildcards.machine]
                | cluster.gpu_resources(
                    STUDY.machines[wildcards.machine] or {}, gpus(wildcards, input)
                )
            ).get(key)
        )
    taken["runtime"] = of_wildcards(
        lambda wildcards, attempt: cluster.runtime_min(
            STUDY.machines[wildcards.machine],
            minutes(wildcards),
            attempt,
            LONGEST_MIN[wildcards.machine],
        )
    )
    return taken


def captions_of(figures):
    """What scripts/draw_figures.py says of each figure, for `snakemake --report`."""
    file = Path(figures) / "captions.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


onstart:
    with ending_the_workflow():
        before_first_job(workflow, PLAN, ON_CLUSTER, logger.warning)
        FIRST_ROUND.begin(records_lacking(workflow, PLAN))
    listen(workflow, FIRST_ROUND)
    if ON_CLUSTER:
        listen(workflow, INTERRUPTED)
    if SCREEN:
        SCREEN.begin(PLAN, records_lacking(workflow, PLAN), decides(workflow))


onsuccess:
    if SCREEN:
        SCREEN.end()


onerror:
    if SCREEN:
        SCREEN.end()
    if INTERRUPTED.seen:
        with ending_the_workflow():
            queue.end_all(Path.cwd())
    if FIRST_ROUND.told:
        logger.error(
            "\n".join(filter(None, [first_round.report(Path("results")), FIRST_ROUND.told]))
        )
