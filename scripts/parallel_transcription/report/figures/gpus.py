"""Figures of GPUs: several of them, one model against one per GPU, and where one saturates.

Nothing is drawn where no GPU was measured.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.forest import dots_of, forest, from_pairs
from parallel_transcription.report.figures.sources import Sources, main_group
from parallel_transcription.untrusted import clean
from parallel_transcription.words import plural, strategy_name

THROUGHPUT = "times real time"


def several_gpus(sources: Sources) -> p9.ggplot | None:
    """Throughput by number of GPUs, a line per strategy; and how evenly they worked."""
    rows = sources.summary
    rows = rows[(rows["gpus"] > 0) & rows["rtfx"].notna() & (rows["files_in_parallel"] > 0)]
    rows = main_group(rows)
    if rows.empty:
        return None
    rows = rows.assign(name=[strategy_name(s) for s in rows["strategy"]])
    # only numbers of files that were measured on different numbers of GPUs
    several = rows.groupby("files_in_parallel")["gpus"].nunique()
    rows = rows[rows["files_in_parallel"].isin(several[several > 1].index)]
    if rows.empty:
        return None
    files = axes.few(rows["files_in_parallel"], 3)
    rows = rows[rows["files_in_parallel"].isin(files)]
    # the fastest configuration of each strategy on so many GPUs
    best = rows.sort_values("rtfx", kind="stable").drop_duplicates(
        ["name", "files_in_parallel", "gpus"], keep="last"
    )
    dots = sources.rounds.merge(
        best[["configuration", "workload", "gpus", "name", "files_in_parallel"]],
        on=["configuration", "workload"],
    )
    dots = dots[np.isfinite(dots["rtfx"].astype(float)) & (dots["rtfx"] > 0)]
    panels = {f: axes.files_label(f) for f in files}
    best, dots = (
        t.assign(value=t["rtfx"], panel=[panels[f] for f in t["files_in_parallel"]])
        for t in (best, dots)
    )
    # with most files, where every GPU has something to do
    even = best[(best["files_in_parallel"] == max(files)) & best["gpu_balance"].notna()]
    names = list(panels.values())
    if len(even):
        names.append(f"balance, {axes.files_label(max(files))}")
        best = pd.concat([best, even.assign(value=even["gpu_balance"], panel=names[-1])])
    order = axes.levels(best["gpus"])
    for table in (best, dots):
        table["x"] = axes.as_levels(table["gpus"], order)
        table["panel"] = axes.ordered(table["panel"], names)
    dodge = p9.position_dodge(width=0.3)
    return (
        p9.ggplot(best, p9.aes("x", "value", color="name", shape="name"))
        + p9.geom_line(p9.aes(group="name", linetype="name"), position=dodge, size=0.5)
        + p9.geom_point(dots, position=dodge, alpha=0.4, size=1.0, stroke=0)
        + p9.geom_point(position=dodge, size=2.4)
        + p9.facet_wrap("panel", nrow=1, scales="free_y")
        + p9.scale_x_discrete(limits=order)
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.1, 0))
        + p9.labs(x="GPUs", y="throughput (seconds\nof audio per second)")
        + style.strategy_scales(best["name"])
        + style.theme(2.5)
    )


def one_per_gpu(sources: Sources) -> p9.ggplot | None:
    """Makespan of one model on a list of GPUs over that of one model per GPU."""
    rows = sources.evidence("one_per_gpu", ["ratio", "low", "high", "total_workers", "gpus"])
    if rows.empty:
        return None
    rows = axes.in_order(rows).sort_values("others", kind="stable")
    texts = [
        f"{clean(r['others'], 20)}, {plural(int(r['gpus']), 'GPU')}, "
        f"{plural(int(r['total_workers']), 'worker')}, {axes.files_label(r['files'])}"
        for r in rows.to_dict("records")
    ]
    rows = axes.with_labels(rows.drop(columns="device_index"), texts)
    return forest(
        from_pairs(rows),
        dots_of(sources, rows),
        sources.margin,
        "makespan of one model / one per GPU  (below 1: one is faster)",
    )


def gpu_saturation(sources: Sources) -> p9.ggplot | None:
    """Throughput, utilisation and host cores of one GPU, by workers and by models on it."""
    rows = sources.evidence("gpu_saturation", ["rtfx", "number", "files", "gpu_util"])
    rows = main_group(rows, ("model", "files", "cpu_threads"))
    if rows.empty:
        return None
    types = axes.few(rows["compute_type"], 3)
    rows = rows[rows["compute_type"].isin(types)]
    measures = {
        THROUGHPUT: (rows["rtfx"], rows["rtfx_low"], rows["rtfx_high"]),
        "GPU busy (% of the time)": (rows["gpu_util"] * 100,) * 3,
        "CPU cores of the host": (rows["cores_per_gpu"],) * 3,
    }
    parts, panels = [], []
    for compute_type in types:
        for measure, values in measures.items():
            value, low, high = (pd.to_numeric(v, errors="coerce").astype(float) for v in values)
            part = rows.assign(value=value, low=low, high=high)
            part = part[(part["compute_type"] == compute_type) & part["value"].notna()]
            if len(part):
                panels.append(f"{measure}, {compute_type}")
                parts.append(part.assign(panel=panels[-1]))
    shown = pd.concat(parts)
    order = axes.levels(shown["number"])
    series = [s for s in ("workers", "models", "processes") if s in set(shown["series"])]
    shown["x"] = axes.as_levels(shown["number"], order)
    shown["panel"] = axes.ordered(shown["panel"], panels)
    shown["series"] = axes.ordered(shown["series"], series)
    whiskers = style.cut_intervals(shown, "value")
    dodge = p9.position_dodge(width=0.3)
    return (
        p9.ggplot(shown, p9.aes("x", "value", color="series", shape="series"))
        + p9.geom_line(p9.aes(group="series", linetype="series"), position=dodge, size=0.5)
        + p9.geom_linerange(whiskers, p9.aes(ymin="low", ymax="high"), position=dodge, size=0.7)
        + p9.geom_point(position=dodge, size=2.3)
        + p9.facet_wrap("panel", ncol=max(1, len(panels) // len(types)), scales="free_y")
        + p9.scale_x_discrete(limits=order)
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.12, 0))
        + p9.labs(x="workers of one model, models or processes on one GPU", y="")
        + style.series_scales(series, "")
        + style.theme(0.9 + 1.6 * len(types))
    )
