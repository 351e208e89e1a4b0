#!/usr/bin/env python3
"""Check a study and list its configurations with their ids, in the order of measurement."""

import argparse
import sys
from pathlib import Path

from parallel_transcription import cpus
from parallel_transcription.errors import run
from parallel_transcription.jobs.estimate import by_trial
from parallel_transcription.jobs.far import Far, longest
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.runs import run_id
from parallel_transcription.study.searching import searched
from parallel_transcription.study.study import load_study

HASHES = PROJECT_ROOT / ".snakemake" / "parallel_transcription" / "hashes"


def main() -> None:
    """Check and list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?", default=Path("config/config.yaml"))
    parser.add_argument("--runs", action="store_true", help="list every run, not configurations")
    parser.add_argument(
        "--trial",
        action="store_true",
        help="measure a pass of the simplest configuration to say how long the study will take",
    )
    parser.add_argument("--check", action="store_true", help="say nothing but what is wrong")
    given = parser.parse_args()
    study = load_study([str(given.study)], PROJECT_ROOT, on_cluster=None)
    if given.check:
        return
    shown = set()
    for point, round_number in study.schedule:
        if given.runs:
            print(run_id(point.id, round_number))
        elif point.id not in shown:
            shown.add(point.id)
            print(f"{point.id}  {point.rounds} rounds × {point.repeats} repeats")
    for remark in study.remarks:
        print(remark, file=sys.stderr)
    runs = [run_id(point.id, number) for point, number in study.schedule]
    if space := searched(study.settings, study.wanted.values()):
        print(f"search: chooses among {len(space)} of them", file=sys.stderr)
    far = Far([f"results/{label}/runs/{run}.json" for label in study.machines for run in runs])
    print(
        f"{len(study.wanted)} of {len(study.points) - len(study.climbed)} configurations, "
        f"{len(study.schedule)} runs on each of {', '.join(study.machines)}",
        file=sys.stderr,
    )
    plan = Plan(study, PROJECT_ROOT, Path("results"), "", HASHES)
    expected = by_trial(plan, cpus.usable()) if given.trial else far.expected()
    for told in filter(None, (expected, longest(plan))):
        print(told, file=sys.stderr)


if __name__ == "__main__":
    run(main, refused=2)
