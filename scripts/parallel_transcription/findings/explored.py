"""What the runs of a machine have shown so far: the results that a campaign plans from."""

from __future__ import annotations

import sys
from pathlib import Path

from parallel_transcription.results.heats import FOLDER as HEATS
from parallel_transcription.results.merge import merge_records
from parallel_transcription.results.read import Results
from parallel_transcription.results.records import set_aside
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.settings import KeptSettings


def explored(results: Path, machine: str, plan: Plan, settings: KeptSettings) -> Results:
    """The runs and heats of the plan's grid on a machine; no row where none was made yet.

    Records that cannot be read are set aside, and named on the screen.

    Args:
        results: The folder with the records.
        machine: Its label.
        plan: The study's plan.
        settings: The study's settings.
    """
    folder, grid = results / machine / "runs", plan.study.points
    merged = merge_records(
        sorted(folder.glob("*.json")),
        settings,
        lambda record: record["configuration_id"] in grid,
        heats=sorted((results / machine / HEATS).glob("*.json")),
    )
    for file, reason in set_aside(merged.left_out, folder, grid):
        print(f"warning: left out {file}: {reason}", file=sys.stderr)
    return Results(merged.runs, merged.timings, merged.machines, settings)
