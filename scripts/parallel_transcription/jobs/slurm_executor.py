"""Snakemake's Slurm plugin, with what a study needs of it beside: no job of it waits for ever.

The plugin submits. What becomes of the jobs is looked at here: the plugin waits for ever for jobs
that were preempted or that Slurm forgot before they were looked at, and gives up at once where
Slurm takes no more jobs of a user for now. Written for 2.8 of the plugin.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_slurm import Executor

from parallel_transcription.jobs import queue
from parallel_transcription.jobs.cluster import ClusterError, answer
from parallel_transcription.jobs.queue import Fate, Seen
from parallel_transcription.words import plural

#: Where no job ends, the pause between two looks at the queue grows to so many times the first one.
_LONGEST_PAUSE = 3
#: A refused job is submitted again after so long,
AGAIN_S = 30.0
#: for so long after the last job of this workflow has ended: till then places become free.
PATIENCE_S = 3600.0
#: How often a preempted job is submitted again. It does not count as an attempt.
MOST_PREEMPTED = 20
#: A job is gone for good if Slurm does not know it in so many looks one after another.
_LOOKS = 2


class SlurmExecutor(Executor):
    """Submits jobs, and looks after them."""

    # The plugin looks for the first time while it is still being made.
    _first_s = _pause_s = 1.0

    def __post_init__(self, test_mode: bool = False) -> None:
        """Called by the plugin when it is made."""
        self.workflow.executor_settings.status_command = None  # we look ourselves, in both places
        super().__post_init__(test_mode)
        self._ending = threading.Event()
        self._refused = threading.local()
        self._given_up: dict[Any, str] = {}
        self._told: set[tuple[str, ...]] = set()
        self._unknown: Counter[str] = Counter()
        self._preempted: Counter[Any] = Counter()
        self._first_s = self._pause_s = float(
            self.workflow.executor_settings.init_seconds_before_status_checks
        )

    # -------------------------------------------------------------------------- submitting

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The account that the study names, else the site's default.

        The plugin would take that of the user's last job, and needs an accounting database.
        """
        account = job.resources.get("slurm_account")
        yield f" -A {shlex.quote(str(account))}" if account else ""

    def run_job(self, job: Any) -> None:
        """Submit a job; where Slurm takes no more jobs for now, wait until it does."""
        until = time.monotonic() + PATIENCE_S
        while not self._ending.is_set():
            self._refused.said, self._refused.may_wait = "", time.monotonic() < until
            super().run_job(job)
            if not self._refused.said:
                return
            if self.active_jobs:
                until = time.monotonic() + PATIENCE_S
            self._tell_once(
                ("refused",),
                f"Slurm takes no more jobs for now ({self._refused.said.split(';')[0]}); the "
                "others are submitted as soon as it does",
            )
            self._ending.wait(AGAIN_S)

    def _report_job_error_threadsafe(self, job_info: Any, msg: str) -> None:
        """A job could not be submitted: called by the plugin, in the thread that submits it."""
        found = re.search(r"The error message was '(.*?)'\.\n", msg, re.DOTALL)
        said = _words_of_sbatch(found[1]) if found else ""
        if queue.is_refused_for_now(said) and self._refused.may_wait:
            self._refused.said = said
            return
        if remedy := queue.refusal(said):
            self._give_up(job_info.job, f"Slurm refuses {_what(job_info.job)}: {said}", remedy)
        super()._report_job_error_threadsafe(job_info, msg)

    # ----------------------------------------------------------------------------- looking

    async def check_active_jobs(self, active_jobs: Sequence[Any]) -> AsyncIterator[Any]:
        """Look at the jobs: report those that ended, and hand back the others."""
        seen: dict[str, Seen] | None = {}
        if active_jobs:
            async with self.status_rate_limiter:
                seen = await asyncio.to_thread(
                    self._look, [job.external_jobid for job in active_jobs]
                )
        left = 0
        for job in active_jobs:
            if seen is None or self._lives(job, seen.get(job.external_jobid)):
                left += 1
                yield job
        quiet = left and left == len(active_jobs)
        self._pause_s = (
            min(1.5 * self._pause_s, _LONGEST_PAUSE * self._first_s) if quiet else self._first_s
        )
        self.next_seconds_between_status_checks = self._pause_s

    def _look(self, numbers: Sequence[str]) -> dict[str, Seen] | None:
        try:
            seen = queue.look(self.run_uuid, numbers)
        except ClusterError as error:
            self._tell_once(("no answer",), f"{error}; looking again until it answers")
            return None
        self._told.discard(("no answer",))
        return seen

    def _lives(self, job: Any, seen: Seen | None) -> bool:
        """Whether a job goes on; one that does not is reported, or submitted again."""
        number = job.external_jobid
        fate = queue.fate(seen)
        if fate is Fate.UNKNOWN:
            self._unknown[number] += 1
            if self._unknown[number] < _LOOKS:
                return True
            # it ended, and Slurm forgot it: its output is its only sign of life
            fate = Fate.DONE if all(Path(str(file)).exists() for file in job.job.output) else fate
        else:
            del self._unknown[number]
        match fate:
            case Fate.LIVES:
                return True
            case Fate.DONE:
                self.report_job_success(job)
            case Fate.PREEMPTED:
                self._submit_again(job, seen)
            case _:
                self._failed(job, fate, seen)
        return False

    def _failed(self, job: Any, fate: Fate, seen: Seen | None) -> None:
        named = f"job {job.external_jobid} ({_what(job.job)})"
        if fate is Fate.UNKNOWN:
            said = f"{named} left Slurm's queue without a result"
        elif fate is Fate.HOPELESS and seen:
            said = f"{named} can never start: {seen.reason}"
            self._give_up(job.job, said, queue.never(seen.reason))
        elif fate is Fate.HELD and seen:
            said = (
                f"{named} could not be started ({seen.reason}): a node is not in order, or the "
                "site's limit of requeues is reached; ask the site, or set extra: --exclude=<node>"
            )
            self._tell_once(("held", _machine(job.job)), said)
        else:
            said = f"{named} ended as {seen.state if seen else ''}"
        if fate in (Fate.HOPELESS, Fate.HELD):
            _cancel(job.external_jobid)
        self.report_job_error(job, msg=f"{said}. ", aux_logs=[str(job.aux["slurm_logfile"])])

    def _submit_again(self, job: Any, seen: Seen | None) -> None:
        """A preempted job goes back to the queue; one that was stopped would measure the pause."""
        self._preempted[job.job] += 1
        state = seen.state.lower() if seen else ""
        if self._preempted[job.job] > MOST_PREEMPTED or self._ending.is_set():
            self._failed(job, Fate.PREEMPTED, seen)
            return
        self._tell_once(
            ("preempted", _machine(job.job)),
            f"job {job.external_jobid} ({_what(job.job)}) was {state} for others; such jobs are "
            "submitted again",
        )
        _cancel(job.external_jobid)
        self._job_submission_executor.submit(self.run_job, job.job)

    # ------------------------------------------------------------------------------ ending

    def cancel_jobs(self, active_jobs: Sequence[Any]) -> None:
        """Cancel jobs: Snakemake was interrupted, and none is submitted any more."""
        self._ending.set()
        super().cancel_jobs(active_jobs)

    def shutdown(self) -> None:
        """End, with all that waits, and sum up what was given up."""
        self._ending.set()
        super().shutdown()
        summed = Counter((_machine(job), remedy) for job, remedy in self._given_up.items())
        for (machine, remedy), number in summed.items():
            self.logger.error(f"{machine}: {plural(number, 'job')} never started: {remedy}")

    async def sleep(self) -> None:
        """Wait until the next look, unless the workflow ends before."""
        until = time.monotonic() + self.next_seconds_between_status_checks
        while self.wait and time.monotonic() < until:
            await asyncio.sleep(min(0.5, self.next_seconds_between_status_checks))

    def _tell_once(self, what: tuple[str, ...], line: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self.logger.error(line)

    def _give_up(self, job: Any, said: str, remedy: str) -> None:
        """A job gets no other attempt, which would end in the same way; say so once."""
        self._given_up[job] = remedy
        self._tell_once(("given up", _machine(job), remedy), f"{said}; {remedy}")

    def handle_job_error(self, job: Any) -> None:
        """Called before Snakemake sees whether a failed job has an attempt left."""
        super().handle_job_error(job)
        if job in self._given_up:
            job.attempt = job.restart_times + 1

    def print_job_error(self, job_info: Any, msg: str | None = None, **kwargs: Any) -> None:
        """Show how a job failed; of those that were given up all is told."""
        if job_info.job not in self._given_up:
            super().print_job_error(job_info, msg, **kwargs)


def _words_of_sbatch(printed: str) -> str:
    """What sbatch says, in one line."""
    lines = (line.strip().removeprefix("sbatch: error: ") for line in printed.splitlines())
    said = (line.removeprefix("Batch job submission failed: ") for line in lines)
    return "; ".join(filter(None, said))


def _cancel(number: str) -> None:
    """Cancel a job; one that has ended already is none to cancel."""
    try:
        answer(["scancel", "--quiet", number])
    except ClusterError:
        return


def _what(job: Any) -> str:
    """A job in words: its rule, and of what it is."""
    return " ".join([job.rule.name, *map(str, job.wildcards_dict.values())])


def _machine(job: Any) -> str:
    return str(job.wildcards_dict.get("machine", ""))
