"""Recommend settings for every machine, from the tables."""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.findings.paste import recommend
from parallel_transcription.results.read import read_tables
from parallel_transcription.results.recommended import write_recommended


def recommend_settings(results: Path, out: Path) -> None:
    """Recommend from a folder's tables.

    Args:
        results: The folder with the tables of merge_timings.py.
        out: The YAML file to write, settings by machine.
    """
    recommended = recommend(read_tables(results))
    write_recommended(recommended, out)
    for label, settings in recommended.items():
        print(f"{label}: {settings.snippet or settings.reason} ({settings.status})")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--out", type=Path, required=True, help="recommended.yaml to write")
    args = parser.parse_args()
    recommend_settings(args.results, args.out)


if __name__ == "__main__":
    run(main)
