"""The forest plot: a row per comparison, its ratio, intervals and rounds, and the margin's band."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription.figures import pick, style
from parallel_transcription.formatting import fixed, setting

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
    """Draw ``rows``: label, ratio, low, high, inner_low, inner_high, open (not decided).

    A row's ends may be missing: the interval then has no end on that side and gets an arrow.
    ``dots``: label, ratio of each round. The thick line is the interval that decides equivalence.
    """
    total = len(rows)
    rows = rows.head(pick.MOST_ROWS).copy()
    order = list(rows["label"])[::-1]
    ends = [
        *rows[["ratio", "low", "high", "inner_low", "inner_high"]].to_numpy(float).ravel(),
        *dots["ratio"].to_numpy(float),
        *band,
    ]
    ends = [e for e in ends if math.isfinite(e) and e > 0]
    low, high = min(ends), max(ends)
    length = math.log(high / low)
    left = low / math.exp(0.04 * length)
    right = high * math.exp(0.04 * length)
    edge = right * math.exp(TEXT_SHARE / (1 - TEXT_SHARE) * length * 1.08)
    for side, bound in (("low", left), ("high", right)):
        inner = f"inner_{side}"
        rows[f"no_{side}"] = ~np.isfinite(rows[side].to_numpy(float))
        rows[side] = rows[side].where(~rows[f"no_{side}"], bound)
        rows[inner] = rows[inner].where(np.isfinite(rows[inner].to_numpy(float)), rows[side])
    rows["text"] = [_numbers(r) for r in rows.to_dict("records")]
    rows["edge"] = edge
    rows["label"] = pick.ordered(rows["label"], order)
    dots = dots[dots["label"].isin(order)].copy()
    dots["label"] = pick.ordered(dots["label"], order)
    rows["fill"] = np.where(rows["open"], "white", colour)
    arrow = p9.arrow(length=0.05, type="closed")
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
        + p9.geom_point(p9.aes(fill="fill"), color=colour, shape=shape, size=2.5, stroke=0.7)
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
    for column, end in (("no_high", "high"), ("no_low", "low")):
        part = rows[rows[column]]
        if len(part):
            plot = plot + p9.geom_segment(
                part, p9.aes(x="ratio", xend=end, y="label", yend="label"), color=colour,
                size=0.5, arrow=arrow,
            )  # fmt: skip
    if total > len(rows):
        plot = plot + p9.labs(caption=f"{len(rows)} of {total}; all are in findings.json")
    return plot


def _numbers(row: dict) -> str:
    decimals = 3 if row["ratio"] < 10 else 1
    value = fixed(row["ratio"], decimals)
    if row["no_low"] and row["no_high"]:
        return value
    if row["no_high"]:
        return f"≥ {fixed(row['low'], decimals)}"
    if row["no_low"]:
        return f"≤ {fixed(row['high'], decimals)}"
    return f"{value}  ({fixed(row['low'], decimals)} to {fixed(row['high'], decimals)})"


def ratio_scale(axis: str, low: float, high: float, last: float | None = None):
    """A logarithmic axis of ratios with readable breaks, none of them beyond ``last``."""
    breaks = ratio_breaks(low, min(high, last or high))
    scale = p9.scale_x_continuous if axis == "x" else p9.scale_y_continuous
    return scale(
        trans="log", breaks=breaks, labels=[setting(b) for b in breaks], limits=(low, high),
        expand=(0, 0),
    )  # fmt: skip


def ratio_breaks(low: float, high: float) -> list[float]:
    """Few round ratios around 1."""
    for steps in (
        [1 + k * 0.02 for k in range(-25, 100)],
        [1 + k * 0.05 for k in range(-15, 60)],
        [1 + k * 0.1 for k in range(-9, 40)],
        [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4],
        [0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32],
        [0.01, 0.1, 1, 10, 100, 1000],
    ):
        inside = [round(s, 4) for s in steps if low <= s <= high]
        if 2 <= len(inside) <= 9 and max(steps) >= min(high, 32):
            return inside
    return [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def dots_of(sources: pick.Sources, rows: pd.DataFrame, value: str = "span") -> pd.DataFrame:
    """The ratio of each round of each row."""
    found = [
        {"label": r["label"], "ratio": ratio}
        for r in rows.to_dict("records")
        for ratio in sources.round_ratios(r.get("configuration_a"), r.get("configuration_b"), value)
    ]
    return pd.DataFrame(found, columns=["label", "ratio"])


def from_pairs(rows: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
    """Evidence of comparisons in the form that ``forest`` takes."""
    inner = (f"{prefix}low_equivalence", f"{prefix}high_equivalence")
    found = pd.DataFrame(
        {
            "label": rows["label"],
            "ratio": pd.to_numeric(rows[f"{prefix}ratio"], errors="coerce"),
            "low": pd.to_numeric(rows[f"{prefix}low"], errors="coerce"),
            "high": pd.to_numeric(rows[f"{prefix}high"], errors="coerce"),
            "open": rows[f"{prefix}size"].astype(str) == "open"
            if f"{prefix}size" in rows
            else False,
        }
    )
    for name, column in zip(("inner_low", "inner_high"), inner, strict=True):
        fallback = found[name.removeprefix("inner_")]
        found[name] = pd.to_numeric(rows[column], errors="coerce") if column in rows else fallback
    return found[found["ratio"] > 0]
