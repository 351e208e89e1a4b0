"""Run records together: a table of runs, a table of timings, what each machine label stands for.

The tables' columns are a contract; `columns.py` lists them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from parallel_transcription.results import columns
from parallel_transcription.results.counting import marked
from parallel_transcription.results.heats import runs_of
from parallel_transcription.results.records import read_matches, read_records
from parallel_transcription.results.rows import HOST_KIND, Row, rows_of, rows_of_match
from parallel_transcription.study.configuration import canonical_json

#: What a record says beforehand of itself alone, and not of how it will be judged.
_NOT_JUDGED_WITH = ("rounds", "timeout_of_length")


@cache
def no_matches() -> pd.DataFrame:
    """The table of matches without any; a copy of it is one's own."""
    return matches_table([])


@dataclass(frozen=True)
class Merged:
    """What the records add up to.

    `machines` has the facts of each label; `left_out` names files that are no valid records,
    and why.
    """

    runs: pd.DataFrame
    timings: pd.DataFrame
    machines: dict[str, dict[str, Any]]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    matches: pd.DataFrame = field(default_factory=lambda: no_matches().copy())


@dataclass
class Hardware:
    """What the runs under one label saw of their machines, taken record by record."""

    facts: dict[str, Any] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)
    limits: set[str] = field(default_factory=set)
    gpus: set[frozenset[tuple[Any, Any]]] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    kernels: set[str] = field(default_factory=set)
    planned: set[str] = field(default_factory=set)
    repeats: set[int] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    runs_s: float = 0.0
    timed_s: float = 0.0

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one record in; the first one describes the machine."""
        host = record["host"]
        if not self.facts:
            self.facts = {**host, "engine": record["engine"]}
        self.facts["engine"] = self.facts["engine"] or record["engine"]
        if len(host.get("gpus") or []) > len(self.facts.get("gpus") or []):
            self.facts["gpus"] = host["gpus"]
        self.facts["scheduler"] = (record.get("job") or {}).get("scheduler")
        self.hosts.add(canonical_json({key: host.get(key) for key in HOST_KIND}))
        left = ("affinity_cpus", "cgroup_cpus", "cgroup_memory_mb")
        self.limits.add(canonical_json({key: host.get(key) for key in left}))
        self.versions.add(canonical_json(host.get("versions")))
        self.gpus.add(frozenset((gpu["name"], gpu["memory_mb"]) for gpu in host.get("gpus") or []))
        self.codes.add(record["code"])
        if planned := record.get("planned"):
            judged = {k: v for k, v in planned.items() if k not in _NOT_JUDGED_WITH}
            self.planned.add(canonical_json(judged))
        if kernel := record["engine"].get("int8_kernel"):
            self.kernels.add(canonical_json(kernel))
        if record["configuration"]["files_in_parallel"]:
            self.repeats.add(record["protocol"]["repeats"])
        self.statuses[record["status"]] += 1
        self.runs_s += record["finished_at"] - record["started_at"]
        self.timed_s += _timed_s(record)

    def told(self) -> dict[str, Any]:
        """The facts, with counts of the records and what differs between them."""
        return self.facts | {
            "records": self.statuses.total(),
            "statuses": dict(sorted(self.statuses.items())),
            "runs_s": self.runs_s,
            "timed_s": self.timed_s,
            "mixed_hardware": len(self.hosts) > 1 or self._gpus_differ(),
            "mixed_limits": len(self.limits) > 1,
            "mixed_versions": len(self.versions) > 1,
            "mixed_code": len(self.codes) > 1,
            "planned": [json.loads(planned) for planned in sorted(self.planned)],
            "repeats": sorted(self.repeats),
            "int8_kernels": [json.loads(kernel) for kernel in sorted(self.kernels)],
        }

    def _gpus_differ(self) -> bool:
        """Whether runs saw GPUs of different models.

        On a cluster a run may see only its own, or none: seeing fewer is no difference.
        """
        return frozenset().union(*self.gpus) not in self.gpus


def _timed_s(record: Mapping[str, Any]) -> float:
    """Seconds of a run in counted passes; of cold starts, in which the models loaded."""
    starts = record["starts"]
    if record["configuration"]["files_in_parallel"] == 0:
        return sum(max((x["finished_s"] for x in s["loads"]), default=0.0) for s in starts)
    passes = (one for start in starts for one in start["passes"] if one["repeat"] >= 1)
    return sum(one["makespan_s"] or 0.0 for one in passes)


def merge_records(
    paths: Iterable[Path],
    settings: Mapping[str, Any],
    wanted: Callable[[Mapping[str, Any]], bool] = lambda record: True,
    references: Mapping[str, str | None] | None = None,
    heats: Iterable[Path] = (),
) -> Merged:
    """Merge run records.

    Args:
        paths: The record files, `<machine>/runs/<run>.json`.
        settings: The study's; `disturbed_above` decides which repeats are marked.
        wanted: Says of a valid record whether it belongs to the study.
        references: Reference transcripts by the audio's SHA-256, where they are newer than the
            records' own.
        heats: Records of a search's heats, `<machine>/heats/<match>.json`, which count as rounds.
    """
    left_out: list[tuple[str, str]] = []
    runs: list[Row] = []
    timings: list[Row] = []
    machines: dict[str, Hardware] = {}
    of_heats = (
        (path, run) for path, heat in read_matches(heats, left_out) for run in runs_of(heat)
    )
    for path, record in chain(read_records(paths, left_out), of_heats):
        if not wanted(record):
            continue
        try:
            for sound in record["audio"]:
                sound["reference"] = (references or {}).get(sound["sha256"], sound["reference"])
            of_runs, of_timings = rows_of(record, settings["disturbed_above"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            left_out.append((str(path), f"is not a run record: {error!r}"[:200]))
            continue
        runs += of_runs
        timings += of_timings
        machines.setdefault(record["machine"], Hardware()).add(record)
    return Merged(
        runs=runs_table(runs),
        timings=timings_table(timings),
        machines={label: machine.told() for label, machine in sorted(machines.items())},
        left_out=sorted(left_out),
    )


def merge_matches(
    paths: Iterable[Path],
    settings: Mapping[str, Any],
    wanted: Callable[[Mapping[str, Any]], bool] = lambda record: True,
) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """The table of matches, and the files that are no valid records of one, with the reason.

    Args:
        paths: The record files, `<machine>/matches/<match>.json`.
        settings: The study's.
        wanted: Says of a valid record whether it belongs to the study.
    """
    left_out: list[tuple[str, str]] = []
    rows: list[Row] = []
    for path, record in read_matches(paths, left_out):
        if not wanted(record):
            continue
        try:
            rows += rows_of_match(record, settings["disturbed_above"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            left_out.append((str(path), f"is not a match record: {error!r}"[:200]))
    return matches_table(rows) if rows else no_matches().copy(), left_out


def matches_table(rows: Iterable[Row] | pd.DataFrame) -> pd.DataFrame:
    """The table of matches of some rows: columns in their types, what follows from them, in order.

    A machine's matches are numbered by when they began.
    """
    frame = pd.DataFrame(rows, columns=list(columns.names(columns.RECORDED_OF_MATCHES)))
    frame = columns.typed(frame, columns.RECORDED_OF_MATCHES)
    began = frame.groupby(["machine", "run"], as_index=False)["started_at"].min()
    began = began.sort_values(["machine", "started_at", "run"])
    place = began.groupby("machine").cumcount() + 1
    places = dict(zip(zip(began["machine"], began["run"], strict=True), place, strict=True))
    keys = zip(frame["machine"], frame["run"], strict=True)
    frame = marked(frame.assign(round=[places[key] for key in keys]))
    order = ["machine", "round", "turn", "configuration"]
    return columns.typed(frame, columns.MATCHES).sort_values(
        order, kind="stable", ignore_index=True
    )


def runs_table(rows: Iterable[Row] | pd.DataFrame) -> pd.DataFrame:
    """The table of runs of some rows: columns in their types, what follows from them, in order."""
    frame = pd.DataFrame(rows, columns=list(columns.names(columns.RECORDED)))
    runs = marked(columns.typed(frame, columns.RECORDED))[list(columns.RUN_COLUMNS)]
    order = ["machine", "configuration", "round", "repeat"]
    return runs.sort_values(order, kind="stable", ignore_index=True)


def timings_table(rows: Iterable[Row] | pd.DataFrame) -> pd.DataFrame:
    """The table of timings of some rows: columns in their types, in order."""
    frame = pd.DataFrame(rows, columns=list(columns.TIMING_COLUMNS))
    order = ["machine", "configuration", "round", "repeat", "counter"]
    return columns.typed(frame, columns.TIMINGS).sort_values(
        order, kind="stable", ignore_index=True
    )
