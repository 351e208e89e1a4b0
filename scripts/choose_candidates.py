"""Choose what to measure again: the winner and the runner-up of a machine, for fresh rounds.

From the run records of the study's own machine, RESULTS/<machine>/runs/. Rounds above 900, the
fresh ones, take no part in the choice.
"""

import argparse
import sys
from pathlib import Path

from parallel_transcription.errors import TableError, run
from parallel_transcription.files import write_json
from parallel_transcription.findings.recommendation import candidates_to_confirm
from parallel_transcription.results.merge import merge_records
from parallel_transcription.results.read import Results
from parallel_transcription.results.records import set_aside
from parallel_transcription.study.study import expand_grid, settings_from_json


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument(
        "--study", required=True, help="the study's settings as JSON, or a file that holds them"
    )
    parser.add_argument("--machine", help="label of the machine; the study's unless given")
    parser.add_argument("--out", type=Path, help="default: RESULTS/candidates.json")
    args = parser.parse_args()
    settings = _settings(args.study)
    label = args.machine or settings.get("machine")
    results = _from_records(args.results, settings, label)
    chosen = candidates_to_confirm(results, label)
    write_json(args.out or args.results / "candidates.json", chosen, indent=2)
    for name in chosen["configurations"]:
        print(name)


def _settings(given: str) -> dict:
    text = given
    if not given.lstrip().startswith("{"):
        text = Path(given).read_text(encoding="utf-8")
    return settings_from_json(text)


def _from_records(results: Path, settings: dict, label: str | None) -> Results:
    if not label:
        raise TableError("the study names no machine; give --machine")
    grid = expand_grid(settings, settings["file"])
    folder = results / label / "runs"
    paths = sorted(folder.glob("*.json"))
    merged = merge_records(paths, settings, lambda record: record["configuration_id"] in grid)
    left_out = set_aside(merged.left_out, folder, grid)
    for file, reason in left_out:
        print(f"warning: left out {file}: {reason}", file=sys.stderr)
    if merged.runs.empty:
        raise TableError(f"no run records of this study under {folder}")
    return Results(merged.runs, merged.timings, merged.machines, settings)


if __name__ == "__main__":
    run(main)
