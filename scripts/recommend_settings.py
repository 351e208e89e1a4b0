"""Recommend settings for every machine: recommended.yaml."""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.findings.machine import load_files
from parallel_transcription.findings.paste import recommend
from parallel_transcription.results.recommended import write_recommended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=Path("results"),
        help="folder with runs.csv, timings.csv, machines.json, study.json (default: results)",
    )  # fmt: skip
    for name in ("runs", "timings", "machines", "study"):
        parser.add_argument(f"--{name}", type=Path, help="this file instead of the folder's")
    parser.add_argument("--output", type=Path, help="default: RESULTS/recommended.yaml")
    args = parser.parse_args()
    tables = load_files(args.results, args.runs, args.timings, args.machines, args.study)
    recommended = recommend(tables)
    write_recommended(recommended, args.output or args.results / "recommended.yaml")
    for label, settings in recommended.items():
        print(f"{label}: {settings.snippet or settings.reason} ({settings.status})")


if __name__ == "__main__":
    run(main)
