"""A campaign: one measurement after another, each planned from the records of those before it.

The planner is a function of the records, which are written as they come: so a campaign can be ended
at any moment and goes on from there, and nothing is measured twice.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from parallel_transcription.jobs.command_line import tied_to
from parallel_transcription.jobs.transcribe import measuring_code
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.study import build_study_again, settings_from_json

Stop = TypeVar("Stop")


class Campaign:
    """What a campaign knows of its study, and where its records are.

    Args:
        results: The folder with manifests and records, which takes the campaign's own as well.
        study: The study's settings with one machine's label, JSON from `Plan.settings_json`.
        log: Takes the measured processes' own output; its folder, where a campaign has many.
    """

    def __init__(self, results: Path, study: str, log: Path):
        self._results, self._log = results, log
        self._settings = settings_from_json(study)
        built = build_study_again(self._settings, PROJECT_ROOT)
        cache = Path(".snakemake/parallel_transcription/hashes")
        self._plan = Plan(built, PROJECT_ROOT, results, measuring_code(), cache)
        (self._machine,) = self._plan.machines

    def _records(self, kind: str) -> list[Path]:
        """The machine's records of a kind, which is the name of their folder."""
        return sorted((self._results / self._machine / kind).glob("*.json"))

    @staticmethod
    def say(line: str) -> None:
        """Say how it stands; a screen that is gone ends no campaign."""
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


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
