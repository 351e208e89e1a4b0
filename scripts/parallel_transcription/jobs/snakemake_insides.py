"""All that this workflow takes from inside Snakemake, whose public interface has no way to it.

The one place to mend when a new version of Snakemake moves something. Written for 9.21 to 9.27.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from snakemake.api import ExecutorPluginRegistry
from snakemake.cli import parse_args
from snakemake.common import overwrite_function_params
from snakemake.exceptions import WorkflowError
from snakemake.logging import LogEvent as LogEvent

from parallel_transcription.errors import InputError

#: How it begins what it says when it was interrupted.
INTERRUPTED = "Terminating processes on user request"


@contextlib.contextmanager
def ending_the_workflow(where: str = "") -> Iterator[None]:
    """Say what stops the workflow as Snakemake says what is wrong: without a traceback."""
    try:
        yield
    except InputError as error:
        raise WorkflowError(f"{where}{error}") from None


def own_lines(workflow: Any, verbose: Sequence[str]) -> logging.StreamHandler[Any] | None:
    """What shows Snakemake's lines on the screen, where they may be others in their place.

    None where they are wanted as they are (a dry run, `--verbose` and its like, another logger),
    and in the jobs that Snakemake starts itself again for.

    Args:
        workflow: Snakemake's.
        verbose: Settings that ask for its own lines.
    """
    manager = workflow.logger_manager
    settings = manager.settings
    if not workflow.is_main_process or any(getattr(settings, one, False) for one in verbose):
        return None
    shown = [one for one in manager.logger.handlers if one.name == "DefaultStreamHandler"]
    return shown[0] if len(shown) == 1 and not settings.quiet else None


def listen(workflow: Any, handler: logging.Handler) -> None:
    """Let a handler hear of all that happens."""
    workflow.logger_manager.logger.addHandler(handler)


def stop(workflow: Any, on_cluster: bool) -> None:
    """Let no further job start, and end when those that run have ended; for a handler of its log.

    Its scheduler holds its lock when it tells of a finished job, so the signal that it has for this
    would wait for itself. On a cluster all jobs were handed out: they are cancelled.

    Args:
        workflow: Snakemake's.
        on_cluster: Whether jobs go to a scheduler.
    """
    workflow.scheduler._user_kill = "graceful"
    if on_cluster:
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()


def study_files(workflow: Any, default: str) -> list[str]:
    """The files of `--configfile`, or the default, as seen from the working directory."""
    return [os.path.relpath(file) for file in workflow.overwrite_configfiles or [default]]


def command_line_config(workflow: Any) -> dict[str, Any]:
    """What `--config` gives."""
    return dict(workflow.config_settings.config)


def limit(workflow: Any, **resources: int) -> None:
    """Set how much there is of resources, whatever `--resources` says."""
    workflow.global_resources.update(resources)


def is_on_cluster(workflow: Any, arguments: Sequence[str]) -> bool:
    """Whether jobs go to a scheduler, or this is one of its jobs.

    Snakemake starts itself again only on a node of the cluster.

    Args:
        workflow: Snakemake's.
        arguments: Those of its command line.
    """
    return not workflow.is_main_process or hands_out_jobs(arguments)


def hands_out_jobs(arguments: Sequence[str]) -> bool:
    """Whether a Snakemake command line, with its profiles, hands jobs to more than this host.

    Rules cannot ask the workflow: it learns of its executor when they have been read. What is no
    command line of Snakemake (it was started through its API) counts as this host.
    """
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            _, parsed = parse_args(list(arguments))
        except SystemExit:
            return False
    return parsed.executor not in (None, "local", "dryrun", "touch")


def replace_executor(name: str, executor: type) -> None:
    """Let jobs be run by another executor than that of a plugin, if the plugin is installed.

    Args:
        name: The plugin's, as on the command line.
        executor: Derived from the plugin's.
    """
    plugins = ExecutorPluginRegistry().plugins
    if name in plugins:
        plugins[name].executor = executor


def of_wildcards(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a job's wildcards, its signature looked up once.

    Snakemake would do it several times for every job: a tenth of the time that planning 10,000 runs
    takes.
    """
    overwrite_function_params(function, signature(function).parameters)
    return function


def wanted_files(workflow: Any) -> set[str]:
    """What the jobs that are about to run will write."""
    return {file for job in workflow.persistence.dag.needrun_jobs() for file in job.output}


def adopt_files(workflow: Any, rule: str, is_ours: Callable[[Path, Any], bool]) -> list[str]:
    """Take over files that Snakemake knows nothing of: of jobs that outlived it, or copied ones.

    What it notes of them is what it would have noted at their end, so that a later change is seen.

    Args:
        workflow: Snakemake's, with its jobs planned.
        rule: The rule whose output, one file, is looked at.
        is_ours: Whether a file may be taken over, by its path and the parameters of its job.

    Returns:
        The files that may not.
    """
    dag, mismatched = workflow.persistence.dag, []
    for job in dag.jobs:
        if job.rule.name == rule and not dag.needrun(job) and dag.reason(job).no_metadata:
            if is_ours(Path(job.output[0]), job.params):
                workflow.async_run(workflow.persistence.finished(job))
            else:
                mismatched.append(str(job.output[0]))
    return mismatched
