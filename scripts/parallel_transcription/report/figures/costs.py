"""Figures of what it costs: memory, starts, and the choice between throughput and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotnine as p9

from parallel_transcription import words
from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.untrusted import clean
from parallel_transcription.words import instances, integer, plural, strategy_name

SERIES = {
    "one_model": "workers of one model",
    "multi_model": "models in one process",
    "multi_process": "processes with one model each",
}
#: What a start by name found of its model.
CACHES = {"cold": "empty", "cached": "filled"}

#: What the laws of memory are made of.
MEGABYTES = ("base_mb", "worker_mb", "instance_mb")


@figure(
    "memory",
    "Memory by workers and instances",
    "Memory of the process that loading the models added (on a GPU: memory there), by number of "
    "workers, of models in one process, and of processes. Points: medians, with the range of all "
    "runs; lines: the fitted law (first model, and for each further worker or model).",
)
def memory(sources: Sources) -> p9.ggplot | None:
    """Memory that loading adds, by workers and by models, and the fitted laws as lines."""
    rows = _loaded(sources)
    if rows.empty:
        return None
    panels = list(rows["panel"].value_counts().index[:3])
    rows = rows[rows["panel"].isin(panels)]
    spread = rows.groupby(["panel", "what", "count"], sort=True)["model_mb"]
    spread = spread.agg(["median", "min", "max"]).reset_index()
    names = [n for n in SERIES.values() if n in set(spread["what"])]
    spread["what"] = axes.ordered(spread["what"], names)
    spread["panel"] = axes.ordered(spread["panel"], panels)
    law = _law(sources, spread, names, panels)
    # the same number of workers and models stand beside each other
    top = max(2.0, float(spread["count"].max()))
    steps = style.beside(names, 0.012 * top)
    spread["x"] = spread["count"] + spread["what"].map(steps).astype(float)
    breaks = sorted({float(c) for c in spread["count"]})
    breaks = [b for k, b in enumerate(breaks) if k == 0 or b - breaks[k - 1] >= 0.04 * top]
    colours, shapes, lines = (
        {SERIES[s]: table[strategy_name(s)] for s in SERIES}
        for table in (style.STRATEGY_COLOURS, style.STRATEGY_SHAPES, style.STRATEGY_LINES)
    )
    plot = p9.ggplot(spread, p9.aes("x", "median", color="what", shape="what"))
    if len(law):
        plot = plot + p9.geom_line(law, p9.aes("count", "mb", linetype="what", color="what"),
                                   size=0.5, inherit_aes=False)  # fmt: skip
    return (
        plot
        + p9.geom_linerange(p9.aes(ymin="min", ymax="max"), size=0.6)
        + p9.geom_point(size=2.4)
        + p9.facet_wrap("panel", nrow=1, scales="free_y")
        + p9.scale_color_manual(colours, limits=names)
        + p9.scale_shape_manual(shapes, limits=names)
        + p9.scale_linetype_manual(lines, limits=names)
        + p9.scale_x_continuous(breaks=breaks, labels=style.plain_labels)
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.08, 0))
        + p9.labs(x="number of workers, models or processes", y="memory added by\nloading (MB)")
        + style.theme(2.5)
    )  # fmt: skip


def _loaded(sources: Sources) -> pd.DataFrame:
    """Repeats in which one thing varies: workers of one model, or models of one worker each."""
    rows = sources.results.runs
    # on a GPU, the memory there; lists of GPUs have a model on each
    on_gpu = rows["device"] == "cuda"
    rows = rows.assign(model_mb=rows["model_mb"].where(~on_gpu, rows["gpu_model_mb"]))
    rows = rows[rows["ordinary"] & (rows["gpus"] <= 1)]
    rows = rows[(rows["status"] == "ok") & (rows["model_mb"] > 0)]
    one = rows["strategy"] == "one_model"
    rows = rows[one | (rows["num_workers"] == 1)]
    return rows.assign(
        count=rows["num_workers"].where(rows["strategy"] == "one_model", rows["instances"]),
        what=[SERIES[s] for s in rows["strategy"]],
        panel=[_panel(row) for row in rows.to_dict("records")],
    )


def _panel(row: Mapping[str, Any]) -> str:
    text = f"{clean(row['model'], 30)}, {clean(row['compute_type'], 20)}"
    return f"{text}, GPU" if row["device"] == "cuda" else text


def _law(
    sources: Sources, spread: pd.DataFrame, names: list[str], panels: list[str]
) -> pd.DataFrame:
    """The fitted laws, from the evidence, as lines."""
    # both findings have all laws as evidence; where one was not measured, the other may be
    rows = sources.evidence("memory_workers", MEGABYTES)
    rows = rows if len(rows) else sources.evidence("memory_instances", MEGABYTES)
    found = []
    for row in rows.to_dict("records"):
        panel = _panel(row)
        if row["kind"] == "processes":
            slopes = {SERIES["multi_process"]: row["instance_mb"]}
        else:
            slopes = {
                SERIES["one_model"]: row["worker_mb"],
                SERIES["multi_model"]: row["instance_mb"],
            }
        for what, slope in slopes.items():
            mine = spread[(spread["what"] == what) & (spread["panel"] == panel)]
            if mine.empty or math.isnan(slope):
                continue
            for count in (1.0, max(2.0, float(mine["count"].max()))):
                found.append({"panel": panel, "what": what, "count": count,
                              "mb": row["base_mb"] + slope * (count - 1)})  # fmt: skip
    law = pd.DataFrame(found, columns=["panel", "what", "count", "mb"])
    law["what"] = axes.ordered(law["what"], names)
    law["panel"] = axes.ordered(law["panel"], panels)
    return law


@figure(
    "init_race",
    "Starting several models at once",
    "Cold starts of several models at once, by the delay between them. Left: share of starts that "
    "failed; the line ends at the upper bound of the true share. Right: time until all models "
    "were loaded, one point for each start.",
)
def init_race(sources: Sources) -> p9.ggplot | None:
    """Starts that failed, with the upper bound of the true share, and load times, by delay."""
    return _starts(sources, "init_race")


@figure(
    "init_race_by_name",
    "Starting several models at once by a hub's name",
    "Cold starts of several models at once that are loaded by name from a hub on the loopback, by "
    "the delay between them. Left: share of starts that failed; the line ends at the upper bound "
    "of the true share, and the number above it counts the failures. Right: time until all models "
    "were loaded, one point for each start.",
)
def init_race_by_name(sources: Sources) -> p9.ggplot | None:
    """The same of starts by a hub's name."""
    return _starts(sources, "init_race_by_name")


def _starts(sources: Sources, finding: str) -> p9.ggplot | None:
    numbers = ["init_stagger_s", "instances", "starts", "failures", "rate", "upper_bound"]
    rows = sources.evidence(finding, numbers)
    if rows.empty:
        return None
    rows = rows.assign(kind=_started_at_once(rows))
    kinds = list(dict.fromkeys(rows["kind"]))[: len(style.SERIES_SHAPES)]
    rows = rows[rows["kind"].isin(kinds)]
    order = axes.levels(rows["init_stagger_s"])
    panels = ["starts that failed (%)", "time until all models are loaded (s)"]
    shares = _failures(rows).assign(panel=panels[0])
    if "load" in rows:  # so many ways that there is room for a number only
        shares["text"] = [integer(failed) for failed in rows["failures"]]
    loads = _load_times(sources, rows).assign(panel=panels[1])
    for table in (shares, loads):
        table["panel"] = axes.ordered(table["panel"], panels)
        table["delay"] = axes.as_levels(table["delay"], order)
        table["kind"] = axes.ordered(table["kind"], kinds)
    # room for a per cent of failures, so that none of them looks like none
    roof = pd.DataFrame({"delay": axes.ordered(order[:1], order), "value": [1.0],
                         "panel": axes.ordered(panels[:1], panels)})  # fmt: skip
    dodge = p9.position_dodge(width=0.5)
    plot = (
        p9.ggplot(shares, p9.aes("delay", "value", color="kind", shape="kind"))
        + p9.geom_blank(roof, p9.aes("delay", "value"), inherit_aes=False)
        + p9.geom_linerange(p9.aes(ymin="value", ymax="high"), position=dodge, size=0.8)
        + p9.geom_point(position=dodge, size=2.4)
        + p9.geom_text(p9.aes(y="high", label="text", group="kind"), va="bottom", position=dodge,
                       size=style.TEXT - 1.5, family=style.FAMILY, color=style.INK)
        + p9.facet_wrap("panel", nrow=1, scales="free_y")
        + p9.scale_x_discrete(limits=order)
        + p9.scale_y_continuous(limits=(0, None), expand=(0.03, 0, 0.16, 0))
        + p9.labs(x="delay between the starts of the models (s)", y="")
        + style.series_scales(kinds, "started at once")
        + style.theme(2.4, titled=True)
    )  # fmt: skip
    if len(loads):
        plot = plot + p9.geom_point(
            loads, alpha=0.45, size=1.5, stroke=0,
            position=p9.position_jitterdodge(jitter_width=0.25, jitter_height=0, dodge_width=0.5,
                                             random_state=1),
        )  # fmt: skip
    return plot


def _started_at_once(rows: pd.DataFrame) -> list[str]:
    """How many models each row started, and of which kind where there are several."""
    texts = [plural(int(count), "model") for count in rows["instances"]]
    if "load" in rows:
        ways = zip(rows["strategy"], rows["instances"], rows["load"], strict=True)
        texts = [f"{instances(s, n)}, cache {CACHES.get(load, '')}" for s, n, load in ways]
    if rows["model"].nunique() == 1:
        return texts
    return [f"{text}, {clean(m, 24)}" for text, m in zip(texts, rows["model"], strict=True)]


def _failures(rows: pd.DataFrame) -> pd.DataFrame:
    """The share of starts that failed, in per cent, up to its upper bound."""
    counts = zip(rows["failures"], rows["starts"], strict=True)
    return pd.DataFrame(
        {
            "delay": rows["init_stagger_s"],
            "kind": rows["kind"],
            "value": rows["rate"] * 100,
            "high": rows["upper_bound"].fillna(rows["rate"]) * 100,
            "text": [f"{integer(failed)} of {integer(starts)}" for failed, starts in counts],
        }
    )


def _load_times(sources: Sources, rows: pd.DataFrame) -> pd.DataFrame:
    """Seconds until all models were loaded, of each start that worked."""
    kind = dict(zip(rows["configuration"], rows["kind"], strict=True))
    runs = sources.results.runs
    runs = runs[(runs["files_in_parallel"] == 0) & (runs["status"] == "ok")]
    runs = runs[runs["load_s"].notna() & runs["configuration"].isin(kind)]
    return pd.DataFrame(
        {
            "delay": runs["init_stagger_s"],
            "kind": [kind[c] for c in runs["configuration"]],
            "value": runs["load_s"],
        }
    )


@figure(
    "recommendation",
    "Throughput, memory and cores of every configuration",
    "Throughput, memory and cores (size) of every setting for the same files. Filled: no other "
    "setting is at least as good in all three and better in one; hollow: beaten. The ring marks "
    "the recommended setting. Lines: confidence interval.",
)
def recommendation(sources: Sources) -> p9.ggplot | None:
    """Throughput against memory; no configuration beats those of the Pareto front."""
    numbers = ["rtfx", "low", "high", "memory_mb", "gpu_memory_mb", "cores_used"]
    rows = sources.evidence("recommendation", numbers)
    rows = rows[rows["rtfx"].notna()]
    if rows.empty:
        return None
    if rows["primary"].any():
        rows = rows[rows["primary"]]
    on_gpus = rows["gpu_memory_mb"].notna().all()
    memory, where = ("gpu_memory_mb", " on GPUs") if on_gpus else ("memory_mb", "")
    rows = rows[rows[memory].notna()]
    if rows.empty:
        return None
    rows = rows.assign(name=[strategy_name(s) for s in rows["strategy"]])
    front = zip(rows["name"], rows["pareto"], strict=True)
    rows["fill"] = [style.STRATEGY_COLOURS[name] if on_it else "white" for name, on_it in front]
    rows = style.cut_intervals(rows, "rtfx")
    plot = (
        p9.ggplot(rows, p9.aes(memory, "rtfx", color="name", shape="name"))
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), size=0.4, alpha=0.6)
        + style.cut_marks(rows, memory, "name")
        + p9.geom_point(p9.aes(fill="fill", size="cores_used"), stroke=0.7, alpha=0.85)
        + p9.scale_fill_identity()
        + p9.scale_size_area(max_size=3.6, name="cores used", limits=(0, None),
                             breaks=_size_breaks(rows["cores_used"]), labels=style.plain_labels)
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.14, 0))
        + p9.scale_x_continuous(limits=(0, None), expand=(0, 0, 0.06, 0))
        + p9.labs(x=f"memory in use{where} (MB)", y="throughput (seconds\nof audio per second)")
        + [s for s in style.strategy_scales(rows["name"], "strategy")
           if not isinstance(s, p9.scale_fill_manual)]
        + style.theme(2.5, titled=True)
    )  # fmt: skip
    chosen = rows[rows["chosen"]].head(1)
    return plot + _choice(chosen, memory, rows) if len(chosen) else plot


def _choice(chosen: pd.DataFrame, memory: str, rows: pd.DataFrame) -> list[Any]:
    """A ring around the recommended setting, and its name beside it."""
    row = chosen.iloc[0]
    workers, threads = plural(int(row["workers"]), "worker"), words.threads(row["cpu_threads"])
    text = f"recommended: {strategy_name(row['strategy'])}, {workers} of {threads}"
    top, wide = float(rows["rtfx"].max()), float(rows[memory].max())
    right = float(row[memory]) < 0.6 * wide
    return [
        p9.geom_point(chosen, p9.aes(memory, "rtfx"), shape="o", size=7.5, fill="none",
                      color=style.INK, stroke=0.8, inherit_aes=False),
        p9.geom_label(chosen.assign(text=text), p9.aes(memory, "rtfx", label="text"),
                      inherit_aes=False, ha="left" if right else "right", va="bottom",
                      label_size=0, label_padding=0.1, fill="white", alpha=0.85,
                      nudge_y=top * 0.09, nudge_x=(1 if right else -1) * wide * 0.005,
                      size=style.TEXT - 0.5, family=style.FAMILY, fontweight="bold"),
    ]  # fmt: skip


def _size_breaks(values: pd.Series) -> list[float]:
    top = float(values.max())
    if not math.isfinite(top) or top <= 0:
        return [1.0]
    if top < 1.5:
        return [0.5, 1.0]
    step = max(1, round(top / 3))
    return [float(v) for v in range(step, math.ceil(top) + 1, step)][:4]
