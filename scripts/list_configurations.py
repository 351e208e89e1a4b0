#!/usr/bin/env python3
"""Check a study and list its configurations with their ids, in the order of measurement."""

import argparse
import sys
from pathlib import Path

from parallel_transcription.study.file import StudyError
from parallel_transcription.study.runs import run_id
from parallel_transcription.study.study import load_study

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Check and list; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?", default=Path("config/config.yaml"))
    parser.add_argument("--runs", action="store_true", help="list every run, not configurations")
    given = parser.parse_args()
    try:
        study = load_study([str(given.study)], ROOT, on_cluster=None)
    except StudyError as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 2
    shown = set()
    for point, round_number in study.schedule:
        if given.runs:
            print(run_id(point.id, round_number))
        elif point.id not in shown:
            shown.add(point.id)
            print(f"{point.id}  {point.rounds} rounds × {point.repeats} repeats")
    for file in study.unused_files:
        print(f"not used: {file} (files_in_parallel is smaller than the list)", file=sys.stderr)
    print(
        f"{len(study.wanted)} of {len(study.points)} configurations, "
        f"{len(study.schedule)} runs on each of {', '.join(study.machines)}",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
