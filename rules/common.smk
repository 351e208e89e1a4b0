# The study and its plan, for all rules. Holds no rules.

import json
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{workflow.basedir}/scripts")

from parallel_transcription import fingerprint, progress
from parallel_transcription.plan import Plan, digest
from parallel_transcription.study import StudyError, build_study
from parallel_transcription.transcribe import measuring_code

ROOT = Path(workflow.basedir)
SCRIPTS = f"{workflow.basedir}/scripts"
RESULTS = Path("results")
STUDY_FILES = workflow.overwrite_configfiles or [ROOT / "config" / "config.yaml"]
PROGRESS = ".snakemake/parallel_transcription/progress.json"

try:
    STUDY = build_study(config, ", ".join(map(str, STUDY_FILES)), ROOT)
except StudyError as error:
    raise WorkflowError(f"The study is not valid:\n{error}") from None

PLAN = Plan(
    STUDY, ROOT, RESULTS, measuring_code(), Path(".snakemake/parallel_transcription/hashes")
)

# One timing at a time and nothing else of ours beside it, whatever --cores and --resources say. On a
# cluster every timing has cores of its own, and the scheduler decides.
SLOTS = (STUDY.settings.get("packing") or {"jobs": 1})["jobs"]
workflow.global_resources["timing_slot"] = SLOTS if workflow.local_exec else 100_000


def code_of(script):
    """A fingerprint of a script and of what it imports: a changed step runs again."""
    return fingerprint.code_fingerprint([f"{SCRIPTS}/{script}"])


onstart:
    planned = {f for job in workflow.persistence.dag.needrun_jobs() for f in job.output}
    progress.write_plan(Path(PROGRESS), [Path(r).stem for r in PLAN.records() if r in planned])
