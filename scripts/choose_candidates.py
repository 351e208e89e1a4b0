"""Choose what to measure again: the winner and the runner-up of a machine, for fresh rounds.

Chosen from the machine's own run records of this study. Rounds above 900, the fresh ones, take no
part in the choice.
"""

import argparse
import sys
from pathlib import Path

from parallel_transcription.errors import TableError, run
from parallel_transcription.files import write_json
from parallel_transcription.findings.choose import candidates_to_confirm
from parallel_transcription.results.merge import merge_records
from parallel_transcription.results.read import Results
from parallel_transcription.results.records import set_aside
from parallel_transcription.study.study import expand_grid, settings_from_json


def choose_candidates(records: Path, study: str, out: Path) -> None:
    """Choose for one machine.

    Args:
        records: The folder with the machine's run records.
        study: The study's settings with this machine's label, JSON from `Plan.settings_json`.
        out: The JSON file to write, with the ids of the chosen configurations.
    """
    settings = settings_from_json(study)
    grid = expand_grid(settings, settings["file"])
    paths = sorted(records.glob("*.json"))
    merged = merge_records(paths, settings, lambda record: record["configuration_id"] in grid)
    for file, reason in set_aside(merged.left_out, records, grid):
        print(f"warning: left out {file}: {reason}", file=sys.stderr)
    if merged.runs.empty:
        raise TableError(f"no run records of this study under {records}")
    found = Results(merged.runs, merged.timings, merged.machines, settings)
    chosen = candidates_to_confirm(found, settings["machine"])
    write_json(out, chosen, indent=2)
    print(*chosen["configurations"], sep="\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True, help="folder of run records")
    parser.add_argument("--study", required=True, help="the study's settings as JSON")
    parser.add_argument("--out", type=Path, required=True, help="candidates.json to write")
    args = parser.parse_args()
    choose_candidates(args.records, args.study, args.out)


if __name__ == "__main__":
    run(main)
