"""Recommend settings for every machine: recommended.yaml."""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.findings.paste import recommend
from parallel_transcription.results.read import read_tables
from parallel_transcription.results.recommended import write_recommended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=Path("results"),
        help="folder with runs.parquet, timings.parquet, machines.json, study.json",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, help="default: RESULTS/recommended.yaml")
    args = parser.parse_args()
    recommended = recommend(read_tables(args.results))
    write_recommended(recommended, args.output or args.results / "recommended.yaml")
    for label, settings in recommended.items():
        print(f"{label}: {settings.snippet or settings.reason} ({settings.status})")


if __name__ == "__main__":
    run(main)
