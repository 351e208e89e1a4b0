"""Figures that compare: one model with many, with processes, with itself."""

from __future__ import annotations

import math

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
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.untrusted import clean
from parallel_transcription.words import strategy_name


@figure(
    "one_or_many",
    "One model against many models",
    "Makespan of one model over that of many models, for each pair with equal workers, threads, "
    "callers and files. Points: estimate; thin lines: confidence interval; thick lines: the "
    "interval that decides equivalence; dots: single rounds. Shaded: the margin within which both "
    "count as equally fast. A hollow point is not decided yet.",
)
def one_or_many(sources: Sources) -> p9.ggplot | None:
    """Makespan of one model over that of many models, for each matched pair."""
    return _arms(sources, "one_or_many", "multi_model")


@figure(
    "processes",
    "One model against many processes",
    "Makespan of one model over that of as many processes with one model each, for each matched "
    "pair. Read it as the figure of one model and many models.",
)
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


@figure(
    "batching",
    "Windows decoded in batches against one after another",
    "Makespan with the windows of a file decoded together over that with the same configuration "
    "decoding them one after another. Points: estimate; thin lines: confidence interval; thick "
    "lines: the interval that decides equivalence; dots: single rounds. Shaded: the margin. A "
    "hollow point is not decided yet.",
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


@figure(
    "workers_equal_files",
    "Fewer, equal and more workers than files",
    "Makespan and CPU time with fewer and with more workers than files, over those with as many "
    "workers as files. Lines: confidence interval; dots: single rounds; shaded: the margin.",
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


@figure(
    "noise_floor",
    "The same configuration against itself",
    "A configuration measured twice in every round: makespan of the second over that of the "
    "first. Shaded: the margin of equivalence. What is seen here is noise, nothing else.",
)
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
