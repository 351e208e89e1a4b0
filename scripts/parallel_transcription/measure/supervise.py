"""The supervisor: starts a fresh measured process, bounds its time, and tells what happened.

It sleeps while the measured process works. Whatever happens to that process (an exception, a
native crash, a kill, a hang), the record says so, and in which step. Only a pass that takes too
long has status `timeout`: a load, a warm-up or an end that does is `stuck`, which is no time of any
pass. A pass that was cut off beside foreign load is measured again, in a fresh process.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from parallel_transcription.measure import disturbance, meters
from parallel_transcription.measure.by_name import ByName
from parallel_transcription.measure.engine import parse_verbose
from parallel_transcription.measure.living import GRACE_S, IN_A_PASS, MeasuredProcess, started
from parallel_transcription.measure.messages import Order, Protocol, Report, Task
from parallel_transcription.places import SCRIPTS

#: Cut off or killed in a pass beside foreign load: the load may be why, so it is tried again.
_TRIED_AGAIN = ("timeout", "stuck", "killed")

#: Prefixes of variables that steer threads or the engine; none reaches the measured process
#: unless the configuration's `thread_env` says so.
STEERING = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "GOTO_",
    "BLIS_",
    "NUMEXPR_",
    "VECLIB_",
    "CT2_",
)
#: Prefixes of variables that cap oneDNN's instructions: who sets them wants another CPU's kernels,
#: so they reach the measured process, and its record.
CAPS = ("DNNL_", "ONEDNN_")


def clean_environment(thread_env: str) -> dict[str, str]:
    """The measured process's environment: ours without steering variables, plus `thread_env`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(STEERING)}
    for assignment in thread_env.split():
        name, _, value = assignment.partition("=")
        environment[name] = value
    environment["CT2_VERBOSE"] = "1"  # the engine names its instruction set and back ends
    environment["HF_HUB_OFFLINE"] = "1"  # a download would be timed
    environment["PYTHONPATH"] = str(SCRIPTS)
    environment["PYTHONFAULTHANDLER"] = "1"
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def environment_of(task: Task) -> dict[str, str]:
    """The environment of a task's measured process."""
    by_name = {"HF_HUB_OFFLINE": "0"} if task.served else {}  # a hub on the loopback is asked
    return clean_environment(task.configuration.thread_env) | task.environment | by_name


def stated_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that can change what is measured."""
    also = ("MALLOC_", "LD_PRELOAD", "CUDA_", "NVIDIA_", "PYTHONMALLOC", "HF_HUB_OFFLINE")
    return {
        k: re.sub(r"\b(GPU|MIG)-[\w/-]+", r"\1-…", v)  # serial numbers of a kind
        for k, v in sorted(environment.items())
        if k.startswith(STEERING + CAPS + also)
    }


def supervise(
    task: Task, protocol: Protocol, log: Path | None, listener: Report | None = None
) -> dict[str, Any]:
    """Run one configuration in fresh processes and tell what happened.

    Args:
        task: What to measure.
        protocol: How.
        log: Where the measured process's own output goes; nowhere unless given.
        listener: Called with every event, while the process runs.

    Returns:
        The keys of the run record that the run itself decides: `status`, `error`, `starts`,
        `engine`, `environment`, `started_at`, `finished_at`.
    """
    environment = environment_of(task)
    starts: list[dict[str, Any]] = []
    engine: dict[str, Any] = {}
    began = time.time()
    plans = _Plans(task, protocol)
    with _hub(task, environment, protocol) as hub:
        while (order := plans.next(starts, live=listener is not None)) is not None:
            bounds = replace(protocol, load_timeout_s=plans.load_timeout_s(starts))
            with _environment_of_start(hub, environment) as (own, asked):
                process, printed = _one_start(task, bounds, order, own, log, listener)
            if not engine:
                engine = (process.loaded.engine if process.loaded else {}) | parse_verbose(printed)
            starts.append(process.as_json(len(starts) + 1) | asked)
    # a process that was cut off and measured again is told of in its start alone
    last = starts if not task.files else starts[-1:]
    bad = next((start for start in last if start["status"] != "ok"), None)
    return {
        "status": bad["status"] if bad else "ok",
        "error": bad["error"] if bad else None,
        "starts": starts,
        "engine": engine,
        "environment": stated_environment(environment),
        "started_at": began,
        "finished_at": time.time(),
    }


@contextmanager
def _hub(task: Task, environment: Mapping[str, str], protocol: Protocol) -> Iterator[ByName | None]:
    """The hub of a run that loads by name; None where models come from a folder."""
    if task.served is None:
        yield None
    else:
        bound = protocol.load_timeout_s
        with ByName(task.served, task.configuration.load, environment, bound) as hub:
            yield hub


@contextmanager
def _environment_of_start(
    hub: ByName | None, environment: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, str], dict[str, Any]]]:
    """A start's environment; and, once it is over, what it asked of a hub, for its record."""
    asked: dict[str, Any] = {}
    if hub is None:
        yield environment, asked
        return
    requests, sent = hub.answered
    with hub.start() as own:
        yield own, asked
    asked["hub"] = {
        "requests": hub.answered[0] - requests,
        "bytes": hub.answered[1] - sent,
    }


class _Plans:
    """Which processes a run starts, one after another."""

    def __init__(self, task: Task, protocol: Protocol):
        self._task, self._protocol = task, protocol
        self._where = disturbance.place(
            task.configuration,
            os.cpu_count(),
            len(task.affinity or meters.affinity() or ()) or os.cpu_count(),
            [task.quota_cpus],
        )

    def next(self, starts: list[dict[str, Any]], live: bool) -> Order | None:
        """The order of the next process; None when the run is done.

        Cold starts are `repeats` processes. Else it is one; and another for the repeats that are
        lacking, where the one before was cut off in a pass that others disturbed, as long as
        `remeasure` allows.
        """
        protocol = self._protocol
        first, repeats, remeasure = 1, protocol.repeats, protocol.remeasure
        if not self._task.files:
            if len(starts) == protocol.repeats:
                return None
        elif starts:
            lacking = self._lacking(starts)
            if lacking is None:
                return None
            first, repeats, remeasure = lacking
        return Order(
            configuration=self._task.configuration,
            model_path=self._task.loads,
            files=self._task.files,
            warmups=protocol.warmups,
            repeats=repeats,
            affinity=self._task.affinity,
            live=live,
            supervisor=os.getpid(),
            walk=self._task.walk,
            first=first,
            remeasure=remeasure,
            disturbed_above=protocol.disturbed_above,
            quota_cpus=self._task.quota_cpus,
            load=self._task.load,
            service=self._task.service,
        )

    def _lacking(self, starts: list[dict[str, Any]]) -> tuple[int, int, int] | None:
        """Number of the next repeat, how many are lacking, and how many more may be disturbed."""
        last = starts[-1]
        cut_off = last["step"] in IN_A_PASS and last["status"] in _TRIED_AGAIN
        if not (cut_off and self._disturbed(last["unfinished"] or {}, None)):
            return None
        passes = [(one, start["gpus"]) for start in starts for one in start["passes"]]
        counted = [(one, gpus) for one, gpus in passes if one["repeat"] >= 1]
        calm = sum(not self._disturbed(one, gpus) for one, gpus in counted)
        most = self._protocol.repeats + self._protocol.remeasure
        left = most - len(counted) - len(starts)  # a pass of each start did not end
        repeats = min(self._protocol.repeats - calm, left)
        first = max(0, last["stopped_in_repeat"]) + 1
        return (first, repeats, left - repeats) if repeats > 0 else None

    def _disturbed(self, one: dict[str, Any], gpus: list[dict[str, Any]] | None) -> bool:
        above = self._protocol.disturbed_above
        return bool(disturbance.of_pass(one, self._where, above, gpus).at_all)

    def load_timeout_s(self, starts: list[dict[str, Any]]) -> float:
        """What is left for the next process to start and load in; cold starts have all of it."""
        whole = self._protocol.load_timeout_s
        if not (starts and self._task.files):
            return whole
        loads = [max((load["finished_s"] for load in s["loads"]), default=0.0) for s in starts]
        prepared = [start["prepare_s"] or 0.0 for start in starts]
        return max(min(GRACE_S, whole), whole - sum(loads) - sum(prepared))


def longest_pass_s(task: Task, timeout_s: float) -> float:
    """How long a pass may take: under a load, after its requests have come and are given up."""
    if task.load is None:
        return timeout_s
    return task.load.lasts_s + task.load.give_up_s + timeout_s


def _one_start(
    task: Task,
    protocol: Protocol,
    order: Order,
    environment: Mapping[str, str],
    log: Path | None,
    listener: Report | None,
) -> tuple[MeasuredProcess, str]:
    """One fresh process from its start to its end; returns what it reported and printed."""
    limits = protocol.load_timeout_s, longest_pass_s(task, protocol.timeout_s)
    with started(task, order, *limits, environment, log) as living:
        living.no_more()
        while event := living.next_event():
            if listener:
                listener(event)
        living.end()
        return living.measured, living.printed()
