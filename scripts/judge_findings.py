"""Judge every question from the tables: findings.json and scoreboard.json."""

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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Needs nothing but the tables; can be run on another machine.",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"),
        help="folder with runs.parquet, timings.parquet, machines.json, study.json",
    )  # fmt: skip
    parser.add_argument("--findings", type=Path, help="output (default: RESULTS/findings.json)")
    parser.add_argument("--scoreboard", type=Path, help="output (default: RESULTS/scoreboard.json)")
    args = parser.parse_args()
    found = judge(read_tables(args.results))
    board = scoreboard.to_json(scoreboard.scoreboard(found, read_published()))
    write_json(args.findings or args.results / "findings.json", finding.to_json(found), indent=2)
    write_json(args.scoreboard or args.results / "scoreboard.json", board, indent=2)
    counts = Counter(str(one.verdict) for one in found)
    print(", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


if __name__ == "__main__":
    run(main)
