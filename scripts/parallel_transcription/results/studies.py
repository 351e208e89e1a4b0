"""Records of several studies: a verdict rests on those of one, and no study is another machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from parallel_transcription.results.merge import Merged
from parallel_transcription.words import plural


def of_one_study(merged: Merged, name: str, machines: Sequence[str] = ()) -> Merged:
    """The tables without what another study measured of other work, each left out with a line.

    A study that got another name has the same files, options and models, so its older records
    stay. Under each label, the main study is the one of this name, else the one with the most runs
    (the older one of two).

    Args:
        merged: Records of any studies.
        name: The study's name.
        machines: The study's own, whose records are those of its grid.
    """
    runs, timings, told = [], [], []
    for label, of_label in merged.runs.groupby("machine", sort=True):
        kept, lines = (of_label, []) if label in machines else _main(of_label, name)
        runs.append(kept)
        own = merged.timings[merged.timings["machine"] == label]
        timings.append(own[own["run"].isin(kept["run"])])
        told += [(f"{label}/runs/*.json", line) for line in lines]
    if told:
        merged = _with(merged, pd.concat(runs), pd.concat(timings), told)
    return without_other_work(merged, name, machines)


def without_other_work(merged: Merged, name: str, labels: Sequence[str] = ()) -> Merged:
    """The tables without labels on which nothing but other studies was measured, each with a line.

    Their answers would stand beside the study's as those of another machine.

    Args:
        merged: Records of any studies.
        name: The study's name.
        labels: The study's machines; where none are known, those with records of its name, else
            those with the work of which there are most runs.
    """
    runs = merged.runs
    if runs.empty or runs["machine"].nunique() < 2:
        return merged
    named = set(runs.loc[runs["study"] == name, "machine"])
    most = runs["workload"] == runs["workload"].value_counts().index[0]
    own = runs["machine"].isin(list(labels) or named or set(runs.loc[most, "machine"]))
    if not own.any():
        return merged
    other = ~runs["machine"].isin(named) & ~own
    work = set(runs.loc[~other, "workload"])
    shared = set(runs.loc[runs["workload"].isin(work), "machine"])
    other &= ~runs["machine"].isin(shared)
    if not other.any():
        return merged
    told = [
        (
            f"{label}/runs/*.json",
            f"{plural(of_label['run'].nunique(), 'record')} of {studies(of_label)}, of other "
            f"files, options or models: {label} is no second machine of study {name!r}; "
            "for a report of its own: make reports RESULTS=FOLDER with a copy of that folder alone",
        )
        for label, of_label in runs[other].groupby("machine", sort=True)
    ]
    gone = set(runs.loc[other, "machine"])
    timings = merged.timings[~merged.timings["machine"].isin(gone)]
    return _with(merged, runs[~other], timings, told)


def studies(runs: pd.DataFrame) -> str:
    """The names of the studies of some runs, in words."""
    names = sorted(set(runs["study"]))
    return ("study " if len(names) == 1 else "studies ") + ", ".join(map(repr, names))


def _with(
    merged: Merged, runs: pd.DataFrame, timings: pd.DataFrame, told: Sequence[tuple[str, str]]
) -> Merged:
    """The tables with a part of the runs, and of the matches those of the same work there."""
    labels = set(runs["machine"])
    kept = set(zip(runs["machine"], runs["workload"], strict=True))
    matches = merged.matches
    own = [pair in kept for pair in zip(matches["machine"], matches["workload"], strict=True)]
    return replace(
        merged,
        matches=matches.loc[own].reset_index(drop=True),
        runs=runs.reset_index(drop=True),
        timings=timings.reset_index(drop=True),
        machines={label: facts for label, facts in merged.machines.items() if label in labels},
        left_out=sorted([*merged.left_out, *told]),
    )


def _main(runs: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The runs of a label's main study, and a line for each other study."""
    of_study = runs.groupby("study").agg(count=("run", "nunique"), first=("started_at", "min"))
    if len(of_study) < 2:
        return runs, []
    most = of_study.sort_values(["count", "first"], ascending=[False, True]).index[0]
    main = name if name in of_study.index else most
    work = set(runs.loc[runs["study"] == main, "workload"])
    other = (runs["study"] != main) & ~runs["workload"].isin(work)
    lines = [
        f"{plural(own['run'].nunique(), 'record')} of study {study!r}, of other files, options or "
        f"models than study {main!r}; give each study a label of its own"
        for study, own in runs[other].groupby("study", sort=True)
    ]
    return runs[~other], lines
