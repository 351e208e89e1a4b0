"""How long a study will take on a machine without records of it, by a trial of each model.

Its simplest configuration is measured once, in a process of its own, and no record is kept. The
others are expected to take as long for as much audio, divided by the files that they work on at the
same time. That is rough: threads, memory and what is switched on or off change it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parallel_transcription import words
from parallel_transcription.errors import InputError
from parallel_transcription.inputs import inspected, models
from parallel_transcription.inputs.model_names import parse_model
from parallel_transcription.jobs import load
from parallel_transcription.jobs.command_line import MODELS_FOLDER
from parallel_transcription.jobs.transcribe import Run, measure, measuring_code
from parallel_transcription.measure.messages import Protocol
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.study.grid import GridPoint
from parallel_transcription.study.ladders import MINUTES
from parallel_transcription.study.loads import trace_of
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.rates import share_of
from parallel_transcription.study.runs import round_of, run_id
from parallel_transcription.study.searching import SHARE


def by_trial(plan: Plan, cpus: float) -> str:
    """Measure a trial of each model; returns what they let expect, as a sentence.

    Args:
        plan: The study's.
        cpus: That a run may use.

    Raises:
        InputError: where there is nothing to try, or a trial does not end well.
    """
    files = [str(PROJECT_ROOT / file) for file in plan.audio_of_key.values()]
    audio = {one["path"]: one for one in inspected.inspect_all(files)}
    runs, searched = _alike(_points_of_runs(plan)), _alike(_points_of_search(plan))
    seconds, grid_s, took = 0.0, 0.0, 0.0
    for kind in runs | searched:
        ours, theirs = runs.get(kind, []), searched.get(kind, [])
        tried = _simplest([*ours, *theirs])
        record = _measure(plan, tried, audio)
        if record["status"] != "ok":
            raise InputError(f"the trial of {tried.id}: {record['status']} ({record['error']})")
        seconds += expected_s(plan, ours, tried, record, cpus)
        grid_s += expected_s(plan, theirs, tried, record, cpus)
        took += _took_s(record)
    seconds += _campaigns_s(plan, grid_s)
    return (
        f"About {words.duration(seconds)}, by a trial of the simplest configuration of each model "
        f"({words.duration(took)}); matches and reports come to it."
    )


def _campaigns_s(plan: Plan, grid_s: float) -> float:
    """How long a search and a ladder may take: their minutes, or a share of the searched grid."""
    settings = plan.study.settings
    seconds = 0.0
    if plan.searched:
        minutes = (settings.get("search") or {}).get("minutes")
        seconds += 60 * minutes * len(plan.machines) if minutes else SHARE * grid_s
    if plan.climbing:
        seconds += 60 * (settings.get("ladder") or {}).get("minutes", MINUTES) * len(plan.machines)
    return seconds


def expected_s(
    plan: Plan,
    points: Sequence[GridPoint],
    tried: GridPoint,
    record: Mapping[str, Any],
    cpus: float,
) -> float:
    """How long all runs of some configurations will take, in seconds.

    Args:
        plan: The study's, with known lengths of its audio.
        points: The configurations, one for each run.
        tried: The one of the trial.
        record: The trial's: one pass after its warm-ups.
        cpus: That a run may use.
    """
    passes = [one for start in record["starts"] for one in start["passes"]]
    warm_s = sum(one["makespan_s"] for one in passes if one["repeat"] < 1)
    pass_s = sum(one["makespan_s"] for one in passes if one["repeat"] >= 1)
    at_once_s = _took_s(record) - warm_s - pass_s - _staggered_s(tried)
    work = _share(plan, tried, cpus)
    seconds = 0.0
    for point in points:
        start_s = at_once_s + _staggered_s(point)
        if point.configuration.files_in_parallel == 0:
            seconds += point.repeats * start_s  # each in a process of its own
            continue
        share = _share(plan, point, cpus) / work
        lasts_s = _arriving_s(plan, point, record) or share * pass_s
        seconds += start_s + share * warm_s + point.repeats * lasts_s
    return seconds * len(plan.machines)


def _arriving_s(plan: Plan, point: GridPoint, record: Mapping[str, Any]) -> float | None:
    """How long the requests of a pass come; None where they come as they are served."""
    c = point.configuration
    if not c.under_load or c.arrivals == "closed":
        return None
    share = share_of(c.rate)  # of what a closed loop tells, which is then what was tried
    return plan.arriving_s(point.id, share * load.capacity_of(record) if share else math.nan)


def _staggered_s(point: GridPoint) -> float:
    """How long the last instance waits before it loads."""
    return (point.configuration.instances - 1) * point.configuration.init_stagger_s


def _took_s(record: Mapping[str, Any]) -> float:
    return float(record["finished_at"] - record["started_at"])


def _points_of_runs(plan: Plan) -> list[GridPoint]:
    """The configuration of each run."""
    return [plan.study.points[round_of(run)[0]] for run in plan.runs]


def _points_of_search(plan: Plan) -> list[GridPoint]:
    """The configurations that a search chooses from, one for each round of the whole grid."""
    return [point for point in plan.searched.values() for _ in range(point.rounds)]


def _alike(points: Iterable[GridPoint]) -> dict[tuple[object, ...], list[GridPoint]]:
    """Those that a trial of one tells of together.

    Passes tell of starts of their model as well. Where there are starts alone, processes and hubs
    take unlike times, and each kind is tried: a start takes a second or two.
    """
    found: dict[tuple[object, ...], list[GridPoint]] = {}
    for point in points:
        c = point.configuration
        key = (c.model, c.compute_type, c.device, c.under_load)
        found.setdefault(key, []).append(point)
    for kind, own in list(found.items()):
        if all(point.configuration.files_in_parallel == 0 for point in own):
            del found[kind]
            for point in own:
                c = point.configuration
                found.setdefault((*kind, c.strategy, c.load), []).append(point)
    return found


def _share(plan: Plan, point: GridPoint, cpus: float) -> float:
    """Seconds of audio of a pass, for each file that is worked on at the same time."""
    c = point.configuration
    lengths = plan.lengths_s(point.id)
    seconds = sum(lengths)
    if c.under_load:
        trace = trace_of(c)
        requests = len(plan.study.loads.traces[trace]) if trace else c.requests
        seconds *= requests / len(lengths)
    files = math.inf if c.under_load else c.files_in_parallel
    return seconds / max(1.0, min(c.total_workers, c.callers, files, cpus))


def _simplest(points: Sequence[GridPoint]) -> GridPoint:
    """Of the library and few workers; under a load a closed loop, which tells a capacity.

    Cold starts alone are told by one of them; where there are passes, these tell of starts as well.
    """
    # 0 threads are as many as the engine likes
    return min(
        points,
        key=lambda p: (
            p.configuration.files_in_parallel == 0,
            p.configuration.arrivals != "closed",
            bool(p.configuration.service),
            p.configuration.total_workers,
            p.configuration.cpu_threads or math.inf,
        ),
    )


def _measure(plan: Plan, point: GridPoint, audio: Mapping[str, Any]) -> dict[str, Any]:
    settings, model = plan.study.settings, parse_model(point.configuration.model)
    told = json.loads(plan.specification(plan.machines[0], run_id(point.id, 1)))
    run = Run(
        study=settings["name"],
        machine=plan.machines[0],
        configuration=point.configuration,
        round=1,
        protocol=Protocol(
            repeats=1,
            warmups=settings["warmups"],
            timeout_s=plan.timeout_s(point.id),
            load_timeout_s=settings["load_timeout_s"],
            remeasure=0,
            disturbed_above=settings["disturbed_above"],
        ),
        model=models.prepare(model, MODELS_FOLDER),
        audio=[audio[str(PROJECT_ROOT / file)] for file in plan.files_of(point)],
        code=measuring_code(),
        load=load.ToldLoad(**told["load"]) if "load" in told else None,
        service=told.get("service"),
    )
    return measure(run, None, None)
