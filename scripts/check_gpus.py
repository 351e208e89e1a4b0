#!/usr/bin/env python3
"""Check whether this machine can run a study's configurations with device: cuda.

Names its GPUs and what is missing: a driver, cuBLAS, a GPU, a compute type. Snakemake does the same
before the first job.
"""

import argparse
import sys
from pathlib import Path

from parallel_transcription import errors
from parallel_transcription import host as machine
from parallel_transcription.jobs import preflight
from parallel_transcription.study.study import load_study


def main() -> int:
    """Check; returns the exit status: 0, or 1 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, nargs="?", default=Path("config/gpu.yaml"))
    given = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    study = load_study([str(given.study)], root)
    for gpu in machine.gpus():
        print(f"GPU {gpu['number']}: {gpu['name']}, driver {gpu['driver']}")
    configurations = [point.configuration for point in study.wanted.values()]
    missing = preflight.problems(configurations, study.settings.get("packing"))
    for problem in missing:
        print(f"missing: {problem}", file=sys.stderr)
    if not missing:
        on_gpus = sum(c.device == "cuda" for c in configurations)
        print(f"all {on_gpus} configurations with device: cuda can run here")
    return 1 if missing else 0


if __name__ == "__main__":
    errors.run(main)
