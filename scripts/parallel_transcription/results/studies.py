"""Records of several studies under one label: a verdict rests on those of one."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from parallel_transcription.results.merge import Merged
from parallel_transcription.words import plural


def of_one_study(merged: Merged, name: str) -> Merged:
    """The tables without what another study measured of other work, each left out with a line.

    A study that got another name has the same files, options and models, so its older records
    stay. Under each label, the main study is the one of this name, else the one with the most runs
    (the older one of two).

    Args:
        merged: Records of any studies.
        name: The study's name.
    """
    runs, timings, told = [], [], []
    for label, of_label in merged.runs.groupby("machine", sort=True):
        kept, lines = _main(of_label, name)
        runs.append(kept)
        own = merged.timings[merged.timings["machine"] == label]
        timings.append(own[own["run"].isin(kept["run"])])
        told += [(f"{label}/runs/*.json", line) for line in lines]
    if not told:
        return merged
    work = set(pd.concat(runs)["workload"])
    return replace(
        merged,
        matches=merged.matches[merged.matches["workload"].isin(work)].reset_index(drop=True),
        runs=pd.concat(runs, ignore_index=True),
        timings=pd.concat(timings, ignore_index=True),
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
