"""Judge every question from the tables, and compare the answers with what was published."""

import argparse
from collections import Counter
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.findings.judge import judge
from parallel_transcription.published import scoreboard
from parallel_transcription.published.claims import read_published
from parallel_transcription.results import finding
from parallel_transcription.results.read import read_tables


def judge_findings(results: Path, findings: Path, claims: Path) -> None:
    """Judge a folder's tables.

    Args:
        results: The folder with the tables of merge_timings.py.
        findings: The JSON file to write, a list of findings.
        claims: The JSON file to write, the published claims beside them.
    """
    found = judge(read_tables(results))
    board = scoreboard.to_json(scoreboard.scoreboard(found, read_published()))
    write_json(findings, finding.to_json(found), indent=2)
    write_json(claims, board, indent=2)
    counts = Counter(str(one.verdict) for one in found)
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
