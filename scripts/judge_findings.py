"""Judge every question from the tables: findings.json and scoreboard.json."""

import argparse
from collections import Counter
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.findings.judge import judge
from parallel_transcription.findings.machine import load_files
from parallel_transcription.published import scoreboard
from parallel_transcription.published.claims import read_published
from parallel_transcription.record import write_json
from parallel_transcription.results import finding


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Needs nothing but the tables; can be run on another machine.",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"),
        help="folder with runs.csv, timings.csv, machines.json, study.json (default: results)",
    )  # fmt: skip
    for name in ("runs", "timings", "machines", "study"):
        parser.add_argument(f"--{name}", type=Path, help="this file instead of the folder's")
    parser.add_argument("--findings", type=Path, help="output (default: RESULTS/findings.json)")
    parser.add_argument("--scoreboard", type=Path, help="output (default: RESULTS/scoreboard.json)")
    args = parser.parse_args()
    tables = load_files(args.results, args.runs, args.timings, args.machines, args.study)
    found = judge(tables)
    board = scoreboard.scoreboard(found, read_published())
    write_json(args.findings or args.results / "findings.json", finding.to_json(found))
    write_json(args.scoreboard or args.results / "scoreboard.json", scoreboard.to_json(board))
    counts = Counter(str(one.verdict) for one in found)
    print(", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


if __name__ == "__main__":
    run(main)
