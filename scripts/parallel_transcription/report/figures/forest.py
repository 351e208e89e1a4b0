"""The forest plot: a row per comparison, its ratio, intervals and rounds, and the margin's band."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.words import as_written, with_interval

#: Share of the axis, in units of its length, that the column of numbers takes.
TEXT_SHARE = 0.34


def forest(
    rows: pd.DataFrame,
    dots: pd.DataFrame,
    band: tuple[float, float],
    axis: str,
    colour: str = style.BLUE,
    shape: str = "o",
) -> p9.ggplot:
    """Draw `rows`: label, ratio, low, high, inner_low, inner_high, open (not decided).

    A row's ends may be missing: the interval then has no end on that side and gets an arrow.
    `dots`: label, ratio of each round. The thick line is the interval that decides equivalence.
    """
    total = len(rows)
    rows = rows.head(axes.MOST_ROWS).copy()
    order = list(rows["label"])[::-1]
    rows["no_low"] = ~np.isfinite(rows["low"].to_numpy(float))
    rows["no_high"] = ~np.isfinite(rows["high"].to_numpy(float))
    left, right = ratio_range(rows, dots, band)
    edge = right * math.exp(TEXT_SHARE / (1 - TEXT_SHARE) * math.log(right / left) * 1.08)
    rows["text"] = [_numbers(r) for r in rows.to_dict("records")]
    rows["edge"] = edge
    rows, marks = cut(rows, left, right)
    rows["label"] = axes.ordered(rows["label"], order)
    dots = dots[dots["label"].isin(order) & dots["ratio"].between(left, right)].copy()
    dots["label"] = axes.ordered(dots["label"], order)
    rows["fill"] = np.where(rows["open"], "white", colour)
    plot = (
        p9.ggplot(rows, p9.aes("ratio", "label"))
        + p9.annotate("rect", xmin=band[0], xmax=band[1], ymin=-math.inf, ymax=math.inf,
                      fill=style.SKY, alpha=0.2)
        + p9.geom_vline(xintercept=1, color=style.GREY, size=0.5)
        + p9.geom_point(dots, color=style.GREY, alpha=0.55, size=1.0, stroke=0,
                        position=p9.position_nudge(y=-0.28))
        + p9.geom_segment(p9.aes(x="low", xend="high", y="label", yend="label"), color=colour,
                          size=0.5)
        + p9.geom_segment(p9.aes(x="inner_low", xend="inner_high", y="label", yend="label"),
                          color=colour, size=1.3)
        + p9.geom_point(rows[rows["inside"]], p9.aes(fill="fill"), color=colour, shape=shape,
                        size=2.5, stroke=0.7)
        + arrows(marks, colour=colour)
        + p9.scale_fill_identity()
        + p9.geom_text(p9.aes(x="edge", label="text"), ha="right", size=style.TEXT - 1,
                       family=style.FAMILY, color=style.INK)
        + ratio_scale("x", left, edge, right)
        + p9.scale_y_discrete(limits=order, expand=(0, 0.75))
        + p9.labs(x=axis, y="")
        + style.theme(0.62 + style.ROW * max(2, len(order)),
                      panel_grid_major_y=p9.element_blank(), axis_ticks_major_y=p9.element_blank(),
                      axis_title_x=p9.element_text(ha="left", size=style.TEXT))
    )  # fmt: skip
    if total > len(rows):
        plot = plot + p9.labs(caption=f"{len(rows)} of {total}; all are in findings.json")
    return plot


def _numbers(row: Mapping[str, Any]) -> str:
    """The ratio and its interval as text."""
    low = None if row["no_low"] else row["low"]
    high = None if row["no_high"] else row["high"]
    return with_interval(row["ratio"], low, high)


def ratio_range(
    rows: pd.DataFrame, dots: pd.DataFrame, band: tuple[float, float]
) -> tuple[float, float]:
    """The range of ratios to show: all, unless a few lie so far out that they hide the rest.

    What lies outside is shown by an arrow at the edge, and its number in the text.
    """
    ends = rows[["ratio", "low", "high"]].to_numpy(float).ravel()
    ends = np.concatenate([ends, dots["ratio"].to_numpy(float), np.array(band)])
    logs = np.log(ends[np.isfinite(ends) & (ends > 0)])
    middle = np.log(rows["ratio"].to_numpy(float))
    reach = max(math.log(1.12), 4 * float(np.quantile(np.abs(middle), 0.75)))
    low, high = max(logs.min(), -reach), min(logs.max(), reach)
    pad = 0.05 * (high - low)
    return math.exp(low - pad), math.exp(high + pad)


def cut(rows: pd.DataFrame, low: float, high: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Intervals cut at the edges; and the rows whose value or interval goes on beyond them.

    `inside` tells whether the estimate itself can be shown.
    """
    rows = rows.copy()
    columns = [c for c in ("low", "inner_low", "high", "inner_high") if c in rows]
    marks = []
    for side, edge in (("low", low), ("high", high)):
        ends = rows[side].to_numpy(float)
        beyond = ~np.isfinite(ends) | ((ends < low) if side == "low" else (ends > high))
        inwards = (high / low) ** (0.012 if side == "low" else -0.012)
        marks.append(rows[beyond].assign(edge_at=edge * inwards, side=side))
        for column in columns:
            if column.endswith(side):
                known = rows[column].where(np.isfinite(rows[column].to_numpy(float)), edge)
                rows[column] = known
    rows["inside"] = rows["ratio"].between(low, high)
    for column in columns:
        rows[column] = rows[column].clip(low, high)
    return rows, pd.concat(marks)


def arrows(marks: pd.DataFrame, kind: str | None = None, colour: str = style.INK) -> list[Any]:
    """Arrow heads at the edges of a plot of ratios."""
    found = []
    for side, shape in (("low", "<"), ("high", ">")):
        part = marks[marks["side"] == side]
        if len(part):
            mapping = p9.aes("edge_at", "label", color=kind) if kind else p9.aes("edge_at", "label")
            fixed_colour = {} if kind else {"color": colour}
            found.append(
                p9.geom_point(part, mapping, shape=shape, size=1.8, inherit_aes=False,
                              show_legend=False, **fixed_colour)
            )  # fmt: skip
    return found


def ratio_scale(
    axis: str, low: float, high: float, last: float | None = None, most: int = 9
) -> Any:
    """A logarithmic axis of ratios with readable breaks, none of them beyond `last`."""
    breaks = ratio_breaks(low, min(high, last or high), most)
    scale = p9.scale_x_continuous if axis == "x" else p9.scale_y_continuous
    return scale(
        trans="log", breaks=breaks, labels=[as_written(b) for b in breaks], limits=(low, high),
        expand=(0, 0),
    )  # fmt: skip


def ratio_breaks(low: float, high: float, most: int = 9) -> list[float]:
    """At most about `most` round ratios around 1."""
    for steps in (
        [1 + k * 0.02 for k in range(-25, 100)],
        [1 + k * 0.05 for k in range(-15, 60)],
        [1 + k * 0.1 for k in range(-9, 40)],
        [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4],
        [0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32],
        [0.01, 0.1, 1, 10, 100, 1000],
    ):
        inside = [round(s, 4) for s in steps if low <= s <= high]
        if 2 <= len(inside) <= most and max(steps) >= min(high, 32):
            return inside
    return [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def dots_of(sources: Sources, rows: pd.DataFrame, value: str = "span") -> pd.DataFrame:
    """The ratio of each round of each row: `label`, `round`, `ratio`."""
    found = [
        sources.ratios(r["configuration_a"], r["configuration_b"], value).assign(label=r["label"])
        for r in rows.to_dict("records")
    ]
    return pd.concat(found)


def from_pairs(rows: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
    """Evidence of comparisons in the form that `forest` takes."""
    inner = (f"{prefix}low_equivalence", f"{prefix}high_equivalence")
    found = pd.DataFrame(
        {
            "label": rows["label"],
            "ratio": pd.to_numeric(rows[f"{prefix}ratio"], errors="coerce"),
            "low": pd.to_numeric(rows[f"{prefix}low"], errors="coerce"),
            "high": pd.to_numeric(rows[f"{prefix}high"], errors="coerce"),
            "open": rows["size"] == "open",
        }
    )
    for name, column in zip(("inner_low", "inner_high"), inner, strict=True):
        fallback = found[name.removeprefix("inner_")]
        found[name] = pd.to_numeric(rows[column], errors="coerce") if column in rows else fallback
    return found[found["ratio"] > 0]
