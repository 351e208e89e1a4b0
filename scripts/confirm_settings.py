#!/usr/bin/env python3
"""Measure the best settings again, in fresh rounds that had no part in choosing them.

A round that was measured before from the same specification is kept.
"""

import argparse
import contextlib
import json
import sys
from pathlib import Path

from parallel_transcription.errors import TableError, run
from parallel_transcription.files import write_json
from parallel_transcription.jobs.command_line import tied_to
from parallel_transcription.jobs.transcribe import (
    describe,
    is_measured,
    measure_specified,
    measuring_code,
)
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.study import Study, build_study_again, settings_from_json


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--study", required=True, help="the study's settings as JSON")
    parser.add_argument("--candidates", type=Path, required=True, help="from choose_candidates.py")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON list of the runs")
    parser.add_argument("--parent", type=int, default=0, help="end with this process")
    given = parser.parse_args()
    with tied_to(given.parent):
        confirm_settings(given.results, given.study, given.candidates, given.log, given.out)


def confirm_settings(results: Path, study: str, candidates: Path, log: Path, out: Path) -> None:
    """Measure what is not measured yet, and write the list of runs.

    Args:
        results: The folder with the manifests, which takes the records.
        study: The study's settings with this machine's label, JSON from `Plan.settings_json`.
        candidates: What choose_candidates.py wrote.
        log: Takes the measured processes' own output.
        out: The JSON file to write, with the ids of the runs.
    """
    built = build_study_again(settings_from_json(study), PROJECT_ROOT)
    cache = Path(".snakemake/parallel_transcription/hashes")
    plan = Plan(built, PROJECT_ROOT, results, measuring_code(), cache)
    (machine,) = plan.machines
    runs = plan.confirmations(_candidates(candidates, built))
    name = built.settings["name"]
    for run_id in runs:
        specification = plan.specification(machine, run_id)
        record = Path(plan.record(machine, run_id))
        if not is_measured(record, specification):
            manifests, planned = plan.manifests(run_id), plan.planned(run_id)
            done = measure_specified(specification, name, manifests, log, record, planned)
            with contextlib.suppress(OSError):
                print(describe(done), file=sys.stderr, flush=True)
    write_json(out, runs)


def _candidates(file: Path, study: Study) -> list[str]:
    try:
        chosen = json.loads(file.read_text(encoding="utf-8"))["configurations"]
        unknown = [one for one in chosen if one not in study.points]
    except (ValueError, KeyError, TypeError):
        raise TableError(f"{file} is not what choose_candidates.py writes") from None
    if unknown:
        raise TableError(f"{file}: {unknown[0]} is no configuration of the study")
    return chosen


if __name__ == "__main__":
    run(main)
