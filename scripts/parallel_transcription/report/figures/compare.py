"""Figures that compare: one model with many, with processes, with itself, with published ones."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription import words
from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.forest import (
    arrows,
    cut,
    dots_of,
    forest,
    from_pairs,
    ratio_range,
    ratio_scale,
)
from parallel_transcription.report.figures.sources import Sources, main_model
from parallel_transcription.untrusted import clean
from parallel_transcription.words import TIMES, plural, strategy_name


def one_or_many(sources: Sources) -> p9.ggplot | None:
    """Makespan of one model over that of many models, for each matched pair."""
    return _arms(sources, "one_or_many", "multi_model")


def processes(sources: Sources) -> p9.ggplot | None:
    """Makespan of one model over that of many processes, for each matched pair."""
    return _arms(sources, "processes", "multi_process")


def _arms(sources: Sources, finding: str, other: str) -> p9.ggplot | None:
    rows = sources.evidence(finding, ["ratio", "low", "high", "total_workers", "cpu_threads"])
    if rows.empty:
        return None
    rows = axes.in_order(rows)
    texts = []
    for row in rows.to_dict("records"):
        text = axes.setting_label(row, "total_workers")
        if row["instances"] != row["total_workers"]:
            text += f" ({words.instances(other, row['instances'])})"
        texts.append(text)
    rows = axes.with_labels(rows, texts)
    name = strategy_name(other)
    return forest(
        from_pairs(rows),
        dots_of(sources, rows),
        sources.margin,
        f"makespan of one model / {name}  (below 1: one model is faster)",
        style.STRATEGY_COLOURS[name],
        style.STRATEGY_SHAPES[name],
    )


def batching(sources: Sources) -> p9.ggplot | None:
    """Makespan in batches over that one after another, for each matched pair."""
    needed = ["ratio", "low", "high", "workers", "instances", "cpu_threads", "batch_size"]
    rows = sources.evidence("batching", needed)
    if rows.empty:
        return None
    rows = axes.in_order(rows)
    texts = []
    for row in rows.to_dict("records"):
        each = axes.setting_label(row)
        if row["instances"] > 1:
            each = f"{words.instances(row['strategy'], row['instances'])}, {each}"
        texts.append(f"{words.batches(row['batch_size'])}, {each}")
    rows = axes.with_labels(rows, texts)
    return forest(
        from_pairs(rows),
        dots_of(sources, rows),
        sources.margin,
        "makespan in batches / one by one  (below 1: faster)",
        style.PURPLE,
        "D",
    )


def workers_equal_files(sources: Sources) -> p9.ggplot | None:
    """Makespan and CPU time with fewer and more workers, over those with as many as files."""
    needed = ["ratio", "low", "high", "workers", "files", "cpu_threads"]
    rows = sources.evidence("workers_equal_files", needed)
    if rows.empty:
        return None
    rows = axes.in_order(rows)
    rows = axes.with_labels(rows, [axes.setting_label(r) for r in rows.to_dict("records")]).head(
        axes.MOST_ROWS
    )
    panels = ["makespan", "CPU time"]
    parts, dots = [], []
    for prefix, panel, value in (("", panels[0], "span"), ("cpu_", panels[1], "cpu_s")):
        part = from_pairs(rows, prefix)
        if len(part):
            parts.append(part.assign(panel=panel))
            dots.append(dots_of(sources, rows, value).assign(panel=panel))
    if not parts:
        return None
    shown, dots = pd.concat(parts), pd.concat(dots)
    relation = dict(zip(rows["label"], rows["relation"], strict=True))
    shown["kind"] = [f"{relation[text]} than files" for text in shown["label"]]
    kinds = ["fewer workers than files", "more workers than files"]
    order = list(rows["label"])[::-1]
    for table in (shown, dots):
        table["label"] = axes.ordered(table["label"], order)
        table["panel"] = axes.ordered(table["panel"], panels)
    low, high = ratio_range(shown, dots, sources.margin)
    shown, marks = cut(shown, low, high)
    dots = dots[(dots["ratio"] >= low) & (dots["ratio"] <= high)]
    band = sources.margin
    return (
        p9.ggplot(shown, p9.aes("ratio", "label", color="kind", shape="kind"))
        + p9.annotate("rect", xmin=band[0], xmax=band[1], ymin=-math.inf, ymax=math.inf,
                      fill=style.SKY, alpha=0.2)
        + p9.geom_vline(xintercept=1, color=style.GREY, size=0.5)
        + p9.geom_point(dots, color=style.GREY, alpha=0.55, size=1.0, stroke=0, shape="o",
                        position=p9.position_nudge(y=-0.28))
        + p9.geom_segment(p9.aes(x="low", xend="high", y="label", yend="label"), size=0.7)
        + p9.geom_point(shown[shown["inside"]], size=2.5)
        + arrows(marks, "kind")
        + p9.facet_wrap("panel", nrow=1)
        + ratio_scale("x", low, high, most=5)
        + p9.scale_y_discrete(limits=order, expand=(0, 0.75))
        + p9.labs(x="over that with as many workers as files  (below 1: less)", y="")
        + style.series_scales(kinds, "")
        + style.theme(1.1 + style.ROW * max(2, len(order)),
                      panel_grid_major_y=p9.element_blank(), axis_ticks_major_y=p9.element_blank())
    )  # fmt: skip


def noise_floor(sources: Sources) -> p9.ggplot | None:
    """Makespan of a configuration over that of its identical twin, round by round."""
    rows = sources.evidence("noise_floor", ["ratio"])
    if rows.empty:
        return None
    runs = sources.results.runs
    files = dict(zip(runs["configuration"], runs["files_in_parallel"], strict=True))
    texts = [
        f"{clean(row['label'], 60)}, {axes.files_label(files[row['configuration_a']])}"
        for row in rows.to_dict("records")
    ]
    rows = axes.with_labels(rows, texts).head(8)
    shown = dots_of(sources, rows)
    if shown.empty:
        return None
    order = list(rows["label"])
    shown["label"] = axes.ordered(shown["label"], order)
    band = sources.margin
    ends = [*shown["ratio"], *band]
    pad = (max(ends) / min(ends)) ** 0.08
    rounds = sorted({int(r) for r in shown["round"]})
    step = max(1, -(-len(rounds) // 16))
    lines = -(-len(order) // 2)
    return (
        p9.ggplot(shown, p9.aes("round", "ratio", color="label", shape="label"))
        + p9.annotate("rect", xmin=-math.inf, xmax=math.inf, ymin=band[0], ymax=band[1],
                      fill=style.SKY, alpha=0.2)
        + p9.geom_hline(yintercept=1, color=style.GREY, size=0.5)
        + p9.geom_point(size=2.2, position=p9.position_dodge(width=0.5))
        + p9.scale_x_continuous(breaks=rounds[::step])
        + ratio_scale("y", min(ends) / pad, max(ends) * pad)
        + p9.labs(x="round", y="makespan of the second\nover that of the first")
        + style.series_scales(order, "")
        + p9.guides(color=p9.guide_legend(ncol=2), shape=p9.guide_legend(ncol=2))
        + style.theme(2.1 + 0.18 * lines)
    )  # fmt: skip


def published(sources: Sources) -> p9.ggplot | None:
    """Speed-up over one worker with one thread: this machine beside the published ones."""
    shown = pd.concat([p for p in (_here(sources), _theirs(sources.published)) if len(p)] or
                      [pd.DataFrame(columns=["machine"])])  # fmt: skip
    if "here" not in set(shown["machine"]):
        return None
    base = shown[(shown["workers"] == 1) & (shown["threads"] == 1)]
    base = base[np.isfinite(base["span"])].set_index("machine")["span"].to_dict()
    shown = shown[shown["machine"].isin(base)].copy()
    if "here" not in set(shown["machine"]):
        return None
    label = clean((sources.results.labels or ["this machine"])[0], 28)
    names = {"here": f"{label}, {plural(int(sources.cpus), 'CPU')}",
             "epyc-9334": "AMD Epyc 9334, 128 CPUs", "apple-m2": "Apple M2, 8 CPUs"}  # fmt: skip
    shown["late"] = np.isinf(shown["span"])
    span = np.where(shown["late"], shown["bound"], shown["span"])
    shown["speedup"] = [base[m] / s for m, s in zip(shown["machine"], span, strict=True)]
    shown["able"] = shown["busy"] * shown["threads"]
    machines = [names.get(m, clean(m, 28)) for m in dict.fromkeys(shown["machine"])]
    shown["machine"] = axes.ordered(
        [names.get(m, clean(m, 28)) for m in shown["machine"]], machines
    )
    kinds = ["1", "2", "more than 2"]
    shown["kind"] = axes.ordered(
        [kinds[0] if w == 1 else kinds[1] if w == 2 else kinds[2] for w in shown["workers"]], kinds
    )
    late = shown[shown["late"]]
    top = float(shown["able"].max())
    plot = (
        p9.ggplot(shown, p9.aes("able", "speedup", color="kind", shape="kind"))
        + p9.geom_hline(yintercept=1, color=style.GREY, size=0.5)
        + p9.geom_point(shown[~shown["late"]], size=2.1, alpha=0.9)
        + p9.facet_wrap("machine", nrow=1)
        + p9.scale_x_continuous(trans="log2", breaks=style.powers(1, max(2.0, top), 5),
                                labels=style.plain_labels)
        + p9.scale_y_continuous(limits=(0, None), expand=(0, 0, 0.08, 0))
        + p9.labs(x=f"threads that can be busy: threads {TIMES} workers with a file",
                  y=f"speed-up over one worker\nwith one thread ({TIMES})")
        + style.series_scales(kinds, "workers")
        + style.theme(2.4, titled=True)
    )  # fmt: skip
    if len(late):
        plot = plot + style.bounds(late, "able", "speedup", "kind", below=True)
    return plot


def _here(sources: Sources) -> pd.DataFrame:
    """Medians of one model on this machine, with the most common number of files."""
    rows = main_model(sources.summary)
    rows = rows[(rows["strategy"] == "one_model") & (rows["variant"] == "")]
    rows = rows[(rows["cpu_threads"] > 0) & rows["makespan_s"].notna()]
    rows = rows[rows["files_in_parallel"] > 1]
    if rows.empty:
        return pd.DataFrame()
    files = 2.0 if (rows["files_in_parallel"] == 2).any() else rows["files_in_parallel"].mode()[0]
    rows = rows[rows["files_in_parallel"] == files]
    return pd.DataFrame(
        {
            "machine": "here",
            "workers": rows["total_workers"],
            "threads": rows["cpu_threads"],
            "busy": np.minimum(rows["total_workers"], files),
            "span": rows["makespan_s"],
            "bound": rows["bound_s"],
        }
    )


def _theirs(reference: pd.DataFrame) -> pd.DataFrame:
    if reference.empty:
        return reference
    rows = reference[(reference["strategy"] == "one_model")]
    span = rows[["file_1_s", "file_2_s"]].max(axis=1)
    span = span.where(rows["status"] != "over_60s", math.inf)
    found = pd.DataFrame(
        {
            "machine": rows["machine"],
            "workers": rows["num_workers"].astype(float),
            "threads": rows["cpu_threads"].astype(float),
            "busy": np.minimum(rows["num_workers"], rows["files_in_parallel"]),
            "span": span,
            "bound": 60.0,
        }
    )
    return found[found["span"].notna()]
