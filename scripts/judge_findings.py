"""Judge every question from the tables, and compare the answers with what was published."""

from collections import Counter
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.findings.judge import judge
from parallel_transcription.options import given_paths
from parallel_transcription.published import scoreboard as published
from parallel_transcription.published.claims import read_published
from parallel_transcription.results import finding
from parallel_transcription.results.read import read_tables


def judge_findings(results: Path, findings: Path, scoreboard: Path) -> None:
    """Judge a folder's tables.

    Args:
        results: The folder with the tables of merge_timings.py.
        findings: The JSON file to write, a list of findings.
        scoreboard: The JSON file to write, the published claims beside them.
    """
    found = judge(read_tables(results))
    board = published.to_json(published.scoreboard(found, read_published()))
    write_json(findings, finding.to_json(found), indent=2)
    write_json(scoreboard, board, indent=2)
    counts = Counter(str(one.verdict) for one in found)
    print(", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


def main() -> None:
    """The command line."""
    given = given_paths(
        __doc__,
        results="folder with the tables",
        findings="findings.json to write",
        scoreboard="scoreboard.json to write",
    )
    judge_findings(**given)


if __name__ == "__main__":
    run(main)
