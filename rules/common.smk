# The study and its plan, for all rules. Holds no rules.

import os
import sys
from inspect import signature
from pathlib import Path

from snakemake.common import overwrite_function_params
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config

sys.path.insert(0, f"{workflow.basedir}/scripts")

from parallel_transcription import fingerprint, preflight, progress
from parallel_transcription.configuration import round_of
from parallel_transcription.plan import Plan, digest
from parallel_transcription.record import check_writable
from parallel_transcription.study import StudyError, build_study, typed
from parallel_transcription.study_file import read_study_file
from parallel_transcription.transcribe import measuring_code

ROOT = Path(workflow.basedir)
STATE = Path(".snakemake/parallel_transcription")

if Path.cwd().resolve() != ROOT.resolve():
    raise WorkflowError(f"Run snakemake in the project's folder: cd {ROOT}")

study_files = [
    os.path.relpath(file) for file in workflow.overwrite_configfiles or ["config/config.yaml"]
]
update_config(config, typed(workflow.config_settings.config))
try:
    for file in study_files:
        read_study_file(file)  # Snakemake's reader takes what YAML misreads
    STUDY = build_study(config, ", ".join(study_files), ROOT)
    PLAN = Plan(STUDY, ROOT, Path("results"), measuring_code(), STATE / "hashes")
except (StudyError, fingerprint.FingerprintError) as error:
    raise WorkflowError(f"The study is not valid:\n{error}") from None

LOOKS = [
    fingerprint.folder_sha256(ROOT / folder)
    for folder in (
        "scripts/parallel_transcription/templates",
        "report",
        "resources/fonts",
        "resources/published",
    )
]

# Studies that use GPUs measure in an environment that has cuBLAS (with --sdm conda).
ON_GPUS = any(point.configuration["device"] == "cuda" for point in STUDY.points.values())
MEASURE_ENV = f"../envs/{'cuda' if ON_GPUS else 'measure'}.yaml"

# One timing at a time and nothing else of ours beside it, whatever --cores and --resources say. On a
# cluster every timing has cores of its own, and the scheduler decides.
SLOTS = (STUDY.settings.get("packing") or {"jobs": 1})["jobs"]
workflow.global_resources["timing_slot"] = SLOTS if workflow.local_exec else 100_000


def of_wildcards(function):
    """A function of a job's wildcards, its signature looked up once. Snakemake would do it several
    times for every job: a tenth of the time that planning 10,000 runs takes."""
    overwrite_function_params(function, signature(function).parameters)
    return function


def code_of(script):
    """A fingerprint of a script and of what it imports: a changed step runs again."""
    return fingerprint.code_fingerprint([ROOT / "scripts" / script])


onstart:
    try:
        check_writable(Path(f"results/{STUDY.machine}/runs"))
    except OSError as error:
        raise WorkflowError(
            f"{error.filename}: {error.strerror}. No run could be recorded there."
        ) from None
    for file in STUDY.unused_files:
        logger.warning(f"{file} is checked, but not used: files_in_parallel is smaller")
    wanted = {file for job in workflow.persistence.dag.needrun_jobs() for file in job.output}
    progress.write_plan(
        STUDY.settings["name"],
        [Path(r).stem for r in PLAN.records() if r in wanted],
        local=workflow.local_exec,
    )
    # what cannot run here is said before the first job; on a cluster every run checks its own node
    if workflow.local_exec:
        runs = {Path(file).stem for file in wanted if Path(file).parent.name == "runs"}
        needed = [STUDY.points[round_of(run)[0]].configuration for run in sorted(runs)]
        if missing := preflight.problems(needed, STUDY.settings.get("packing")):
            raise WorkflowError("This machine cannot run the study:\n" + "\n".join(missing))
