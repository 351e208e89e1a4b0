"""Figures of speed: workers, threads, more threads than CPUs, and all settings at a glance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources, main_group, main_model
from parallel_transcription.words import TIMES, as_written, number, strategy_name


@figure(
    "parallel_or_queue",
    "Speed-up over the same files one after another",
    "Speed-up over the same files handed out one after another, by workers of one model. Large "
    "points and lines: estimate and confidence interval; small points: single rounds. The grey "
    "line at 1 is what a queue would give, the dashed line what it would be if every worker "
    "counted in full.",
)
def parallel_or_queue(sources: Sources) -> p9.ggplot | None:
    """Speed-up over the same files one after another, by workers."""
    needed = ["speed_up", "low", "high", "workers", "files", "callers", "cpu_threads"]
    rows = sources.evidence("parallel_or_queue", needed)
    rows = main_group(rows[rows["speed_up"].notna()]) if len(rows) else rows
    if rows.empty:
        return None
    threads = axes.few(rows["cpu_threads"], 4)
    files = axes.few(rows["files"], 4)
    rows = rows[rows["cpu_threads"].isin(threads) & rows["files"].isin(files)].copy()
    order = axes.levels(rows["workers"])
    series = axes.levels(threads)
    panels = [axes.files_label(f) for f in files]
    dots = _speedups(sources, rows)
    for table in (rows, dots):
        table["x"] = axes.as_levels(table["workers"], order)
        table["threads"] = axes.as_levels(table["cpu_threads"], series)
        table["panel"] = axes.ordered([axes.files_label(f) for f in table["files"]], panels)
    rows = style.cut_intervals(rows, "speed_up", dots)
    # what the files allow: with one that is longer than all others, less than every worker
    ideal = rows.groupby(["panel", "x"], observed=True)["at_most"].max().dropna()
    ideal = ideal.astype(float).groupby(level="panel", observed=True).cummax()
    ideal = ideal.reset_index(name="value")
    # the reference lines are named once, in the panel with the most room
    words = ideal.tail(1)
    words = pd.concat(
        [words.assign(text="every worker counts"), words.assign(text="a queue", value=1.0)]
    )
    dodge = p9.position_dodge(width=0.5)
    return (
        p9.ggplot(rows, p9.aes("x", "speed_up", color="threads", shape="threads"))
        + p9.geom_hline(yintercept=1, color=style.GREY, size=0.5)
        + p9.geom_line(ideal, p9.aes("x", "value", group=1), color=style.GREY, size=0.5,
                       linetype="dashed", inherit_aes=False)
        + p9.geom_text(words, p9.aes("x", "value", label="text"), inherit_aes=False, ha="right",
                       va="bottom", size=style.TEXT - 1.5, color=style.GREY,
                       position=p9.position_nudge(x=0.25, y=0.06), family=style.FAMILY)
        + p9.geom_point(dots, p9.aes("x", "ratio"), position=dodge, alpha=0.4, size=1.0, stroke=0)
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), position=dodge, size=0.7)
        + style.cut_marks(rows, "x", "threads", position=dodge)
        + p9.geom_point(position=dodge, size=2.4)
        + p9.facet_wrap("panel", nrow=1, scales="free_y")
        + p9.scale_x_discrete(limits=order)
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.1, 0))
        + p9.labs(x="workers of one model",
                  y=f"speed-up over the files\none after another ({TIMES})")
        + style.series_scales(series, "threads per worker")
        + style.theme(2.5, titled=True)
    )  # fmt: skip


def _speedups(sources: Sources, rows: pd.DataFrame) -> pd.DataFrame:
    """Speed-up of each round, against the same files one after another on one worker."""
    shown = ["workers", "files", "cpu_threads"]
    found = [
        sources.ratios(row["configuration_alone"], row["configuration"]).assign(
            **{name: row[name] for name in shown}
        )
        for row in rows.to_dict("records")
    ]
    return pd.concat(found)[[*shown, "ratio"]]


@figure(
    "threads_limit",
    "CPU cores used, by threads and workers",
    "CPU cores that the engine used, by the threads that could be busy at the same time (threads "
    "times workers that have a file). Dashed: one core for each thread, up to the CPUs of the "
    "machine.",
)
def threads_limit(sources: Sources) -> p9.ggplot | None:
    """Cores that the engine used against the threads that could be busy."""
    needed = ["cores", "low", "high", "cpu_threads", "workers_in_use"]
    rows = sources.evidence("threads_limit", needed)
    rows = rows[(rows["cores"] > 0) & (rows["cpu_threads"] > 0)] if len(rows) else rows
    if rows.empty:
        return None
    cpus = sources.cpus
    rows = rows.assign(
        able=rows["cpu_threads"] * rows["workers_in_use"],
        name=[strategy_name(s) for s in rows["strategy"]],
    )
    top = max(float(rows["able"].max()), 2.0)
    xs = np.geomspace(1, top, 80)
    limit = pd.DataFrame({"able": xs, "cores": np.minimum(xs, cpus)})
    # strategies stand beside each other, so that equal values do not hide one another
    names = [n for n in style.STRATEGY_COLOURS if n in set(rows["name"])]
    shift = {n: 2 ** (0.09 * (k - (len(names) - 1) / 2)) for k, n in enumerate(names)}
    rows["x"] = [a * shift.get(n, 1.0) for a, n in zip(rows["able"], rows["name"], strict=True)]
    rows = style.cut_intervals(rows, "cores", log=True)
    return (
        p9.ggplot(rows, p9.aes("x", "cores"))
        + p9.geom_line(limit, p9.aes("able", "cores"), color=style.GREY, linetype="dashed",
                       size=0.5)
        + p9.annotate("text", x=top * 2**0.3, y=cpus * 1.04, label=f"{as_written(cpus)} CPUs",
                      ha="right", va="bottom", size=style.TEXT - 1.5, color=style.GREY,
                      family=style.FAMILY)
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high", color="name"), size=0.6)
        + p9.geom_point(p9.aes(color="name", shape="name"), size=2.2, alpha=0.9)
        + p9.scale_x_continuous(trans="log2", breaks=style.powers(1, top),
                                labels=style.plain_labels)
        + p9.scale_y_continuous(trans="log2", labels=style.plain_labels,
                                breaks=style.powers(float(rows["cores"].min()), max(cpus, 1.0)),
                                expand=(0.06, 0, 0.14, 0))
        + p9.labs(x=f"threads that can be busy: threads {TIMES} workers with a file",
                  y="CPU cores used\nby the engine")
        + style.strategy_scales(rows["name"])
        + style.theme(2.5)
    )  # fmt: skip


@figure(
    "best_threads",
    "Throughput by threads of each worker",
    "Throughput by threads of each worker, a line for each number of workers. Lines at the "
    "points: confidence interval; small points: single rounds. A hollow point with an arrow ran "
    "into the time limit: its throughput is lower.",
)
def best_threads(sources: Sources) -> p9.ggplot | None:
    """Throughput by threads of each worker; a line per number of workers."""
    rows = sources.evidence("best_threads", ["rtfx", "low", "high", "workers", "cpu_threads",
                                             "files"])  # fmt: skip
    rows = main_group(rows, ("model", "compute_type"))
    if rows.empty or rows["rtfx"].isna().all():
        return None
    rows, files, kept = _that_vary(rows)
    order, series = axes.levels(rows["cpu_threads"]), axes.levels(kept)
    names = {"0": "auto"}
    order_names = [names.get(o, o) for o in order]
    panels = [axes.files_label(f) for f in files]
    dots = sources.rounds.merge(
        rows[["configuration", "workers", "cpu_threads", "files"]], on="configuration"
    )
    dots = dots[np.isfinite(dots["rtfx"].astype(float)) & (dots["rtfx"] > 0)]
    facts = sources.summary.set_index("configuration")[["audio_total_s", "bound_s"]]
    facts = facts[~facts.index.duplicated()]
    rows = rows.join(facts, on="configuration")
    for table in (rows, dots):
        table["threads"] = axes.ordered(
            [names.get(as_written(t), as_written(t)) for t in table["cpu_threads"]], order_names
        )
        table["kind"] = axes.as_levels(table["workers"], series)
        table["panel"] = axes.ordered([axes.files_label(f) for f in table["files"]], panels)
    late = rows[rows["rtfx"].isna()].copy()
    rows = style.cut_intervals(rows[rows["rtfx"].notna()], "rtfx", dots)
    best = rows[rows["standing"] == "best"]
    dodge = p9.position_dodge(width=0.35)
    plot = (
        p9.ggplot(rows, p9.aes("threads", "rtfx", color="kind", shape="kind"))
        + p9.geom_line(p9.aes(group="kind", linetype="kind"), position=dodge, size=0.5)
        + p9.geom_point(dots, position=dodge, alpha=0.4, size=1.0, stroke=0)
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), position=dodge, size=0.7)
        + style.cut_marks(rows, "threads", "kind", position=dodge)
        + p9.geom_point(position=dodge, size=2.3)
        + p9.geom_text(best, p9.aes("threads", "high"), label="best", inherit_aes=False,
                       va="bottom", nudge_y=float(rows["rtfx"].max()) * 0.03,
                       size=style.TEXT - 1, family=style.FAMILY, fontweight="bold")
        + p9.facet_wrap("panel", nrow=1)
        + p9.scale_x_discrete(limits=order_names)
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.12, 0))
        + p9.labs(x="threads of each worker (cpu_threads)",
                  y="throughput (seconds\nof audio per second)")
        + style.series_scales(series, "workers")
        + style.theme(2.6, titled=True)
    )  # fmt: skip
    if len(late):
        late["rtfx"] = late["audio_total_s"] / late["bound_s"]
        plot = plot + style.bounds(
            late[late["rtfx"].notna()], "threads", "rtfx", "kind", below=True
        )
    return plot


def _that_vary(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Any], list[Any]]:
    """Rows with several numbers of threads; their numbers of files and of workers."""
    # a number of files for which only one number of threads was measured shows nothing here
    several = rows.groupby("files")["cpu_threads"].nunique()
    several = set(several[several > 1].index) or set(several.index)
    rows = rows[rows["files"].isin(several)]
    files = axes.few(rows["files"], 3)
    workers = axes.few(rows["workers"], len(style.SERIES_SHAPES))
    return rows[rows["files"].isin(files) & rows["workers"].isin(workers)].copy(), files, workers


@figure(
    "oversubscription",
    "More threads than CPUs",
    "Settings with more threads times workers than CPUs. Left: makespan over that of the matching "
    "setting within the CPUs, with confidence intervals; right: how often per second the system "
    "took the CPU away from the process. Both axes double at each step. A hollow point with an "
    "arrow ran into the time limit: the true value is higher.",
)
def oversubscription(sources: Sources) -> p9.ggplot | None:
    """Makespan over that within the CPUs, and forced context switches, by threads per CPU."""
    needed = ["oversubscription", "ratio", "low", "high", "switches_per_s"]
    rows = sources.evidence("oversubscription", needed)
    rows = rows[rows["ratio"].notna()] if len(rows) else rows
    if rows.empty:
        return None
    names = [strategy_name(s) for s in rows["strategy"]]
    order = [n for n in style.STRATEGY_COLOURS if n in set(names)]
    shift = {n: 2 ** (0.12 * (k - (len(order) - 1) / 2)) for k, n in enumerate(order)}
    rows = rows.assign(
        name=names,
        x=[x * shift.get(n, 1.0) for x, n in zip(rows["oversubscription"], names, strict=True)],
        late=rows["high"].isna() | rows["low"].isna(),
        below=rows["low"].isna() & rows["high"].notna(),
    )
    panels = [f"makespan over that within the CPUs ({TIMES})", "forced context switches per second"]
    first = rows.assign(panel=panels[0], value=rows["ratio"])
    second = rows.assign(panel=panels[1], value=rows["switches_per_s"], low=math.nan,
                         high=math.nan, late=False)  # fmt: skip
    shown = pd.concat([first, second[second["value"] > 0]])
    shown["panel"] = axes.ordered(shown["panel"], panels)
    exact = style.cut_intervals(shown[~shown["late"]], "value", log=True)
    whiskers = exact[exact["low"].notna() & exact["high"].notna()]
    late = shown[shown["late"]]
    band = sources.margin
    zone = pd.DataFrame({"panel": axes.ordered([panels[0]], panels), "low": [band[0]],
                         "high": [band[1]]})  # fmt: skip
    top = max(4.0, float(shown["x"].max()) * 1.1)
    plot = (
        p9.ggplot(shown, p9.aes("x", "value", color="name", shape="name"))
        + p9.geom_rect(zone, p9.aes(xmin=-math.inf, xmax=math.inf, ymin="low", ymax="high"),
                       fill=style.SKY, alpha=0.2, inherit_aes=False)
        + p9.geom_hline(zone.assign(one=1.0), p9.aes(yintercept="one"), color=style.GREY, size=0.5)
        + p9.geom_blank(_room(shown))
        + p9.geom_linerange(whiskers, p9.aes(ymin="low", ymax="high"), size=0.7)
        + style.cut_marks(exact, "x", "name")
        + p9.geom_point(exact, size=2.2, alpha=0.9)
        + p9.facet_wrap("panel", nrow=1, scales="free_y")
        + p9.scale_x_continuous(trans="log2", breaks=style.powers(1, top),
                                labels=style.plain_labels, limits=(1, top))
        + p9.scale_y_continuous(trans="log2", labels=style.plain_labels,
                                breaks=style.doubling_breaks, expand=(0.06, 0, 0.1, 0))
        + p9.labs(x=f"threads {TIMES} workers with a file, per CPU", y="")
        + style.strategy_scales(shown["name"])
        + style.theme(2.7)
    )  # fmt: skip
    for below in (True, False):
        part = late[late["below"] == below]
        if len(part):
            plot = plot + style.bounds(part, "x", "value", "name", below=below)
    return plot


def _room(shown: pd.DataFrame) -> pd.DataFrame:
    """Each panel spans at least about two doublings, so that small differences look small."""
    parts = [
        shown.groupby("panel", observed=True)["value"].agg(how).reset_index()
        for how in (lambda v: v.min() / 1.5, lambda v: v.max() * 1.5)
    ]
    return pd.concat(parts).assign(x=1.5, name=shown["name"].iloc[0])


@figure(
    "throughput",
    "Throughput by threads and workers",
    "Seconds of audio per second of time, by threads of each worker and workers in all; median of "
    "all repeats. Darker is faster. Grey: beyond the time limit, or failed.",
)
def throughput(sources: Sources) -> p9.ggplot | None:
    """Throughput of every threads and workers, a panel per strategy and number of files."""
    rows = sources.summary
    rows = rows[(rows["files_in_parallel"] > 0) & (rows["variant"] == "")]
    rows = main_model(rows)
    if rows.empty:
        return None
    rows = rows.assign(
        panel=[
            f"{strategy_name(s)}, {axes.files_label(f)}"
            for s, f in zip(rows["strategy"], rows["files_in_parallel"], strict=True)
        ],
        place=[list(style.STRATEGY_COLOURS).index(strategy_name(s))
               if strategy_name(s) in style.STRATEGY_COLOURS else 9 for s in rows["strategy"]],
    )  # fmt: skip
    sizes = rows.groupby("panel")["configuration"].nunique()
    kept = set(sizes.sort_values(ascending=False, kind="stable").index[: axes.MOST_PANELS])
    order = rows.drop_duplicates("panel").sort_values(["files_in_parallel", "place"])
    panels = [p for p in order["panel"] if p in kept]
    # where several configurations have the same workers and threads, the fastest is shown
    rows = rows[rows["panel"].isin(kept)].sort_values("makespan_s", kind="stable")
    rows = rows.drop_duplicates(["panel", "total_workers", "cpu_threads"])
    threads, workers = axes.levels(rows["cpu_threads"]), axes.levels(rows["total_workers"])
    rows["panel"] = axes.ordered(rows["panel"], panels)
    rows["threads"] = axes.as_levels(rows["cpu_threads"], threads)
    rows["workers"] = axes.as_levels(rows["total_workers"], workers)
    room = 3 if len(threads) <= 5 else 2 if len(threads) <= 9 else 1
    columns = 2 if len(panels) == 4 and room > 1 else min(room, len(panels))
    narrow = len(threads) * columns > 18
    rows["text"] = [
        number(r, 2 if narrow else 3) if not math.isnan(r) else _why(m, b)
        for r, m, b in zip(rows["rtfx"], rows["makespan_s"], rows["bound_s"], strict=True)
    ]
    top = rows["rtfx"].max()
    rows["ink"] = np.where(rows["rtfx"] > 0.5 * (0 if math.isnan(top) else top), "white", style.INK)
    lines = -(-len(panels) // columns)
    return (
        p9.ggplot(rows, p9.aes("threads", "workers", fill="rtfx"))
        + p9.geom_tile(color="white", size=1.0)
        + p9.geom_text(p9.aes(label="text", color="ink"), size=style.TEXT - (3 if narrow else 1.5),
                       family=style.FAMILY)
        + p9.scale_color_identity()
        + p9.scale_fill_gradient(low="#EAF2F8", high="#08457A", na_value="#E3E6EA",
                                 limits=(0, top if top == top else 1))
        + p9.facet_wrap("panel", ncol=columns)
        + p9.scale_x_discrete(limits=threads, labels=["auto" if t == "0" else t for t in threads])
        + p9.scale_y_discrete(limits=workers)
        + p9.labs(x="threads of each worker", y="workers in all")
        + style.theme(min(8.5, 0.5 + lines * (0.5 + 0.21 * len(workers))),
                      panel_grid_major=p9.element_blank(), legend_position="none")
    )  # fmt: skip


def _why(span: float, bound: float) -> str:
    """Why there is no throughput: beyond the limit, or failed."""
    return f"> {as_written(bound)} s" if math.isinf(span) else "failed"
