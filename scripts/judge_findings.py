"""Judge every question from the tables, and compare the answers with what was published."""

import argparse
from collections import Counter
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.findings import judge
from parallel_transcription.findings.scoreboard import read_claims, scoreboard
from parallel_transcription.places import PUBLISHED
from parallel_transcription.results.read import read_tables


def judge_findings(results: Path, findings: Path, claims: Path) -> None:
    """Judge a folder's tables.

    Args:
        results: The folder with the tables of merge_timings.py.
        findings: The JSON file to write, a list of findings.
        claims: The JSON file to write, the published claims beside them.
    """
    found = judge(read_tables(results))
    write_json(findings, found, indent=2)
    write_json(claims, scoreboard(found, read_claims(PUBLISHED)), indent=2)
    counts = Counter(finding["verdict"] for finding in found)
    print(", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--findings", type=Path, required=True, help="findings.json to write")
    parser.add_argument("--scoreboard", type=Path, required=True, help="scoreboard.json to write")
    args = parser.parse_args()
    judge_findings(args.results, args.findings, args.scoreboard)


if __name__ == "__main__":
    run(main)
