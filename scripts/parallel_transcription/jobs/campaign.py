"""A campaign: one measurement after another, each planned from the records of those before it.

The planner is a function of the records, which are written as they come: so a campaign can be ended
at any moment and goes on from there, and nothing is measured twice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from parallel_transcription.jobs.command_line import tied_to

Stop = TypeVar("Stop")


def run_campaign(step: Callable[[], Stop | None]) -> Stop:
    """Take one step after another until there is none; returns why it stopped.

    Args:
        step: Looks at the records, makes the next measurement and writes its record; returns why
            there is none, if so.
    """
    while (stop := step()) is None:
        pass
    return stop


def from_command_line(doc: str | None, campaign: Callable[[Path, str, Path, Path], None]) -> None:
    """The command line of a campaign's script: reads it, and runs the campaign as it says.

    Args:
        doc: What the script does, for --help.
        campaign: Takes the folder of results, the study's settings as JSON, a log, and the file
            for what it did and why it stopped.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--study", required=True, help="the study's settings as JSON")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON: what it did, why it stopped")
    parser.add_argument("--parent", type=int, default=0, help="end with this process")
    given = parser.parse_args()
    with tied_to(given.parent):
        campaign(given.results, given.study, given.log, given.out)
