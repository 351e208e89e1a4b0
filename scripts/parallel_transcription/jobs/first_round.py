"""A study that can only time out ends after its first round, with the value to set.

Where every pass of the first round ran into `timeout_s`, further rounds would as well. What was
measured is kept, and reported.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from parallel_transcription import words
from parallel_transcription.errors import InputError
from parallel_transcription.jobs.snakemake_insides import LogEvent
from parallel_transcription.places import SCRIPTS
from parallel_transcription.study.longest import enough_s
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.runs import round_of


class FirstRound(logging.Handler):
    """Looks at each record of the first round as it comes, until one gives hope.

    Args:
        plan: The study's.
        stop: Lets no further job start.
    """

    def __init__(self, plan: Plan, stop: Callable[[], None]):
        super().__init__()
        self._plan, self._stop = plan, stop
        self._awaited: set[str] = set()
        self._records: list[dict[str, Any]] = []
        self._outputs: dict[Any, list[str]] = {}
        #: Why the study was ended and what to set; empty where it was not.
        self.told = ""

    def begin(self, lacking: Sequence[str]) -> None:
        """Look at the records of the first round that are there.

        Args:
            lacking: The records that are about to be made.

        Raises:
            InputError: where they say already that nothing but time-outs can come.
        """
        every = [
            (self._plan.record(machine, run), round_of(run)[1])
            for machine in self._plan.machines
            for run in self._plan.runs
            if self._has_passes(run)
        ]
        first = {record for record, number in every if number == 1}
        later = {record for record, number in every if number > 1}
        if not later & set(lacking):
            return
        self._awaited = first & set(lacking)
        for record in sorted(first - self._awaited):
            self._look(record)
        if self._records and not self._awaited:
            raise InputError(self._explain())

    def _has_passes(self, run: str) -> bool:
        configuration = self._plan.study.points[round_of(run)[0]].configuration
        return configuration.files_in_parallel > 0 and not configuration.under_load

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of jobs that begin and end."""
        event, told = getattr(record, "event", None), vars(record)
        if event == LogEvent.JOB_INFO:
            self._outputs[told["jobid"]] = list(map(str, told["output"] or []))
        elif event == LogEvent.JOB_FINISHED:
            for file in self._outputs.pop(told.get("job_id"), []):
                if file in self._awaited:
                    self._look(file)
                    if self._records and not self._awaited:
                        self.told = self._explain()
                        self._stop()

    def _look(self, file: str) -> None:
        """Note a record; where it is no time-out, no other need be looked at."""
        self._awaited.discard(file)
        try:
            record = json.loads(Path(file).read_text(encoding="utf-8"))
            late = record["status"] == "timeout" and not any(_measured(record))
        except (OSError, ValueError, LookupError, TypeError):
            late = False
        if late:
            self._records.append(record)
        else:
            self._awaited, self._records = set(), []

    def _explain(self) -> str:
        limit = max(float(one["protocol"]["timeout_s"]) for one in self._records)
        value, why = enough_s(limit, [took for one in self._records for took in _warmups(one)])
        runs = words.plural(len(self._records), "run")
        return (
            f"Every pass of the first round ({runs}) ran longer than timeout_s: "
            f"{words.as_written(limit)}, and others would as well: the study ends here. "
            f"Set timeout_s: {value} ({why}) in {self._plan.study.file}."
        )


def _measured(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The passes that ended in time, warm-ups left out."""
    return [p for start in record["starts"] for p in start["passes"] if p["repeat"] >= 1]


def _warmups(record: dict[str, Any]) -> list[tuple[float, float]]:
    """How long each warm-up took, with the mean length of its files."""
    lengths = [float(sound["seconds"]) for sound in record["audio"]]
    return [
        (float(one["makespan_s"]), sum(lengths) / len(lengths))
        for start in record["starts"]
        for one in start["passes"]
        if one["repeat"] < 1 and one["status"] == "ok"
    ]


def report(results: Path) -> str:
    """Build the reports of what was measured; returns where they are, empty if they cannot be."""
    if find_spec("pandas") is None:  # --sdm conda: in the environments of rules alone
        return ""
    command = [sys.executable, str(SCRIPTS / "build_reports.py"), "--results", str(results)]
    done = subprocess.run([*command], capture_output=True)
    return "" if done.returncode else f"What was measured: {results}/reports/findings.pdf"
