"""Judge every question from the tables: findings.json and scoreboard.json."""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.findings import judge
from parallel_transcription.findings.scoreboard import read_claims, scoreboard
from parallel_transcription.results.read import read_tables

PUBLISHED = Path(__file__).resolve().parent.parent / "resources" / "published"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Needs nothing but the tables; can be run on another machine.",
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"),
        help="folder with runs.parquet, timings.parquet, machines.json, study.json",
    )  # fmt: skip
    parser.add_argument(
        "--published", type=Path, default=PUBLISHED,
        help="folder with claims.yaml and the published tables",
    )  # fmt: skip
    parser.add_argument("--findings", type=Path, help="output (default: RESULTS/findings.json)")
    parser.add_argument("--scoreboard", type=Path, help="output (default: RESULTS/scoreboard.json)")
    args = parser.parse_args()
    results = read_tables(args.results)
    published = read_claims(args.published)
    found = judge(results)
    write_json(args.findings or args.results / "findings.json", found, indent=2)
    board = scoreboard(found, published)
    write_json(args.scoreboard or args.results / "scoreboard.json", board, indent=2)
    counts: dict[str, int] = {}
    for finding in found:
        counts[finding["verdict"]] = counts.get(finding["verdict"], 0) + 1
    print(", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())))


if __name__ == "__main__":
    run(main)
