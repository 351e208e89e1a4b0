"""What is seen of a study while it runs: a live line on a terminal, else some thirty lines.

Snakemake says eight lines of every job; they go to its own log, and to the screen with `--verbose`.
Here a line says what a run gave, how far the study is and how long the rest will take. Warnings are
shown as they come; what failed is named at once and told in full at the end.

The line changes when a run begins and when it has ended: nothing of it happens beside a timing.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from parallel_transcription import words
from parallel_transcription.jobs.far import Far, longest, shares_of
from parallel_transcription.jobs.snakemake_insides import LogEvent, own_lines
from parallel_transcription.study.plan import Plan

#: Beginnings of what Snakemake says in passing.
_IN_PASSING = (
    "Assuming unrestricted", "Building DAG", "Complete log", "Conda environments", "Elapsed time",
    "Execute ", "Finished jobid", "Job stats", "Provided ", "Rules claiming", "Select jobs",
    "Using profile", "Using shell", "Submitted", "No wall", "SLURM run ID",
)  # fmt: skip
_SUBMITTED = re.compile(r"Job \d+ has been submitted ")
#: Warnings of what is meant: a study that names no memory leaves it to the site.
_MEANT = ("No job memory information",)
_EVENTS_IN_PASSING = frozenset(
    (LogEvent.RUN_INFO, LogEvent.WORKFLOW_STARTED, LogEvent.SHELLCMD, LogEvent.PROGRESS,
     LogEvent.RESOURCES_INFO, LogEvent.JOB_STARTED, LogEvent.GROUP_INFO, LogEvent.RULEGRAPH)
)  # fmt: skip
_FAILURES = frozenset((LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR))
#: What the first job of a rule begins.
STAGES = {
    "prepare_model": "Preparing models",
    "search": "Searching the grid",
    "ladder": "Climbing the ladder of rates",
    "decide": "Deciding in matches what the rounds left open",
    "merge_timings": "Merging the records, testing the claims",
    "draw_figures": "Drawing figures",
    "write_findings_report": "Writing reports",
    "write_machine_report": "Writing reports",
}
_MEASURES = "transcribe"
#: Settings of Snakemake that ask for its own lines.
_AS_IT_IS = ("dryrun", "verbose", "printshellcmds", "debug_dag")
_ERASE_LINE = "\r\x1b[2K"


def take_over(workflow: Any) -> Screen | None:
    """Show ours in the place of Snakemake's lines; None where those are wanted."""
    shown = own_lines(workflow, _AS_IT_IS)
    if shown is None:
        return None
    screen = Screen(shown.stream, shown.formatter)
    logger = workflow.logger_manager.logger
    logger.removeHandler(shown)
    logger.addHandler(screen)
    return screen


class Screen(logging.Handler):
    """Takes the place of Snakemake's own lines.

    Args:
        stream: Where lines go.
        formatter: How Snakemake words warnings and errors.
    """

    def __init__(self, stream: TextIO, formatter: logging.Formatter | None):
        super().__init__()
        self.setFormatter(formatter)
        self._stream = stream
        self._live = bool(stream.isatty()) and os.environ.get("TERM") != "dumb"
        self._drawn = False
        self._jobs: dict[Any, tuple[str, list[str]]] = {}
        self._stages: set[str] = set()
        self._warned: set[str] = set()
        self._failed: list[str] = []
        self._far = Far([])
        self._began = time.monotonic()

    def begin(self, plan: Plan, records: Sequence[str], decides: bool) -> None:
        """Say what is about to be measured.

        Args:
            plan: The study's.
            records: Those that are lacking, in the order in which they will be made.
            decides: Whether matches follow.
        """
        names = {one: words.of_work(p.configuration.as_json()) for one, p in
                 plan.study.wanted.items()}  # fmt: skip
        self._far = Far(records, names, shares_of(plan))
        whole = sum(len(plan.records(machine)) for machine in plan.machines)
        there = whole - len(records)
        settings = plan.study.settings
        minutes = settings["decide"]["minutes"]
        told = [
            words.plural(len(plan.study.wanted), "configuration"),
            *([f"a search among {len(plan.searched)} of them"] if plan.searched else []),
            *([f"a ladder for {len(plan.climbing)}"] if plan.climbing else []),
            words.plural(len(records), "run") + (f" ({there} are there already)" if there else ""),
        ]
        if decides and minutes:
            told.append(f"then up to {words.as_written(minutes)} min of matches")
        self._say(f"Study {settings['name']} on {', '.join(plan.machines)}: {', '.join(told)}.")
        if records:
            self._say(self._far.expected())
            if limit := longest(plan):
                self._say(limit)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record, note what it says, or pass it over."""
        try:
            self._emit(record, getattr(record, "event", None))
        except (BrokenPipeError, KeyboardInterrupt, SystemExit):
            raise
        except Exception:
            self.handleError(record)

    def _emit(self, record: logging.LogRecord, event: LogEvent | None) -> None:
        if event == LogEvent.JOB_INFO:
            told = vars(record)
            self._jobs[told["jobid"]] = told["rule_name"], list(told["output"] or [])
            self._begins(*self._jobs[told["jobid"]])
        elif event == LogEvent.JOB_FINISHED:
            rule, output = self._jobs.pop(vars(record).get("job_id"), ("", []))
            if rule == _MEASURES and output:
                self._ended(Path(output[0]))
        elif event in _FAILURES:
            self._failed.append(self.format(record))
            rule = vars(record).get("rule_name") or "a group"
            self._say(f"failed: {rule} (in full at the end)")
        elif (
            event in _EVENTS_IN_PASSING
            or record.levelno < logging.INFO
            or record.getMessage().startswith(_MEANT)
        ):
            return
        elif not self._is_in_passing(record):
            self._say(self.format(record))

    def _is_in_passing(self, record: logging.LogRecord) -> bool:
        """Whether it need not be seen: what is said of all jobs, a warning after its first time."""
        text = record.getMessage()
        if record.levelno == logging.WARNING:
            known = text in self._warned
            self._warned.add(text)
            return known
        said = text.startswith(_IN_PASSING) or _SUBMITTED.match(text) is not None
        return record.levelno <= logging.INFO and said

    def end(self) -> None:
        """Say how it went; what failed, in full."""
        self._erase()
        for text in self._failed:
            self._say(text)
        if self._far.done:
            took = words.duration(time.monotonic() - self._began)
            self._say(f"{self._far.summary()} in {took}.")

    def _begins(self, rule: str, output: list[str]) -> None:
        stage = STAGES.get(rule)
        if stage and stage not in self._stages:
            self._stages.add(stage)
            self._say(stage)
        if rule == _MEASURES and output:
            self._draw(self._far.now(Path(output[0]).stem))
        elif self._live:
            self._erase()

    def _ended(self, file: Path) -> None:
        told, ok = self._far.ended(file)
        if self._live and ok:
            self._draw(told)
        elif not ok or self._far.is_told:
            self._say(told)

    def _say(self, text: str) -> None:
        """A line that stays."""
        self._erase()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _draw(self, text: str) -> None:
        """The live line; nothing without a terminal."""
        if self._live and text:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(
                _ERASE_LINE + (text if len(text) <= width else text[: width - 1] + "…")
            )
            self._stream.flush()
            self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(_ERASE_LINE)
            self._drawn = False
