"""Recommend settings for every machine: recommended.yaml."""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.findings.recommendation import recommend, write_yaml
from parallel_transcription.results.read import read_tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=Path("results"),
        help="folder with runs.parquet, timings.parquet, machines.json, study.json",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help="default: RESULTS/recommended.yaml")
    args = parser.parse_args()
    results = read_tables(args.results)
    recommended = recommend(results)
    write_yaml(recommended, args.output or args.results / "recommended.yaml")
    for label, settings in recommended.items():
        print(f"{label}: {settings.get('snippet', settings.get('reason'))} ({settings['status']})")


if __name__ == "__main__":
    run(main)
