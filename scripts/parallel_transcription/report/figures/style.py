"""One look for all figures: fonts, colours, shapes, sizes, and how they are saved."""

from __future__ import annotations

import html
import io
import logging
import math
import re
import warnings
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import pandas as pd
import plotnine as p9
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mizani.breaks import breaks_extended

from parallel_transcription.places import FONTS
from parallel_transcription.untrusted import clean
from parallel_transcription.words import STRATEGY_NAMES, as_written, is_missing

FAMILY = "sans-serif"  # Inter, then DejaVu Sans for letters that Inter lacks

#: Width of a figure in inches: the text width of an A4 page, so that letters keep their size.
WIDTH = 6.7
TEXT = 8.5
#: Height in inches of one row of a plot with a row per configuration.
ROW = 0.205

# Okabe and Ito's colours, which the colour-blind can tell apart; shapes and line types tell the
# same in black and white. Strategies look alike in every figure.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, BLACK = "#CC79A7", "#56B4E9", "#1B1F24"
GREY, LIGHT, INK = "#6B7280", "#E3E6EA", "#1B1F24"

STRATEGY_COLOURS = {
    STRATEGY_NAMES["one_model"]: BLUE,
    STRATEGY_NAMES["multi_model"]: VERMILLION,
    STRATEGY_NAMES["multi_process"]: GREEN,
    STRATEGY_NAMES["service"]: PURPLE,
}
STRATEGY_SHAPES = {
    STRATEGY_NAMES["one_model"]: "o",
    STRATEGY_NAMES["multi_model"]: "s",
    STRATEGY_NAMES["multi_process"]: "^",
    STRATEGY_NAMES["service"]: "D",
}
STRATEGY_LINES = {
    STRATEGY_NAMES["one_model"]: "solid",
    STRATEGY_NAMES["multi_model"]: "dashed",
    STRATEGY_NAMES["multi_process"]: "dashdot",
    STRATEGY_NAMES["service"]: "dotted",
}

#: For a second dimension (threads, workers …): in order, for as many values as there are.
SERIES_COLOURS = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK, GREY]
SERIES_SHAPES = ["o", "s", "^", "D", "v", "P", "X", "*"]
SERIES_LINES = ["solid", "dashed", "dashdot", "dotted"]

_fonts_ready = False


def prepare() -> None:
    """Register the fonts that ship, and settings that make the same figure the same file."""
    global _fonts_ready
    if not _fonts_ready:
        logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
        for path in sorted(FONTS.glob("Inter-*.otf")):
            font_manager.fontManager.addfont(str(path))
        _fonts_ready = True
    matplotlib.rcParams.update(
        {
            "svg.fonttype": "path",
            "svg.hashsalt": "parallel-transcription",
            "font.family": ["sans-serif"],
            "font.sans-serif": ["Inter", "DejaVu Sans"],
            "axes.unicode_minus": True,
            "text.parse_math": False,
        }
    )


def theme(height: float, titled: bool = False, **more: Any) -> p9.theme:
    """The theme of a figure `height` inches high; `titled` if its legend has a title."""
    prepare()
    settings: dict[str, Any] = {
        "figure_size": (WIDTH, height),
        "text": p9.element_text(family=FAMILY, size=TEXT, color=INK),
        "axis_title": p9.element_text(size=TEXT, color=INK),
        "axis_text": p9.element_text(size=TEXT - 0.5, color="#3A424C"),
        "axis_ticks_major": p9.element_line(color="#9AA3AE", size=0.4),
        "axis_ticks_minor": p9.element_blank(),
        "axis_line_x": p9.element_line(color="#9AA3AE", size=0.5),
        "panel_grid_major": p9.element_line(color=LIGHT, size=0.5),
        "panel_grid_minor": p9.element_blank(),
        "panel_border": p9.element_blank(),
        "panel_background": p9.element_rect(fill="white", color="none"),
        "plot_background": p9.element_rect(fill="white", color="none"),
        "strip_background": p9.element_blank(),
        "strip_text": p9.element_text(size=TEXT, weight="bold", ha="left", color=INK,
                                      margin={"t": 0.35, "b": 0.35, "l": 0, "r": 0,
                                              "units": "lines"}),
        "legend_position": "top",
        "legend_justification": "left",
        "legend_title": p9.element_text(size=TEXT, color=GREY),
        "legend_text": p9.element_text(size=TEXT),
        "legend_background": p9.element_blank(),
        "legend_key": p9.element_blank(),
        "legend_box_margin": 0,
        "legend_box_spacing": 0.01,
        "plot_margin": 0.01,
        "panel_spacing_x": 0.03,
        "panel_spacing_y": 0.03,
    }  # fmt: skip
    if not titled:
        settings["legend_title"] = p9.element_blank()
    settings.update(more)
    return p9.theme_minimal(base_size=TEXT, base_family=FAMILY) + p9.theme(**settings)


def strategy_scales(names: Iterable[str], title: str = "") -> list[Any]:
    """Colour, fill, shape and line type of strategies, the same in all figures."""
    limits = strategies_in(names)
    return [
        p9.scale_color_manual(STRATEGY_COLOURS, limits=limits, name=title),
        p9.scale_fill_manual(STRATEGY_COLOURS, limits=limits, name=title),
        p9.scale_shape_manual(STRATEGY_SHAPES, limits=limits, name=title),
        p9.scale_linetype_manual(STRATEGY_LINES, limits=limits, name=title),
    ]


def strategies_in(names: Iterable[str]) -> list[str]:
    """The strategies (in words) among these, in the order of legends."""
    known = set(names)
    return [name for name in STRATEGY_COLOURS if name in known]


def beside(names: Sequence[str], step: float) -> dict[str, float]:
    """Steps to the left and right for series that stand beside each other, so that none hides."""
    return {name: step * (k - (len(names) - 1) / 2) for k, name in enumerate(names)}


def series_scales(values: Iterable[str], title: str) -> list[Any]:
    """Colour, shape and line type of a series (threads, workers …), its values in order."""
    values = list(values)

    def again(options: list[str]) -> list[str]:
        return list(islice(cycle(options), len(values)))

    return [
        p9.scale_color_manual(again(SERIES_COLOURS), limits=values, name=title),
        p9.scale_fill_manual(again(SERIES_COLOURS), limits=values, name=title),
        p9.scale_shape_manual(again(SERIES_SHAPES), limits=values, name=title),
        p9.scale_linetype_manual(again(SERIES_LINES), limits=values, name=title),
    ]


def bounds(rows: pd.DataFrame, x: str, y: str, kind: str, below: bool) -> list[Any]:
    """Values that are only bounds: open markers with an arrow to where the true value lies.

    They stand for runs that were stopped at the time limit, on which the value is a bound.
    """
    return [
        p9.geom_point(rows, p9.aes(x, y, color=kind, shape=kind), fill="white", size=2.4,
                      stroke=0.7, inherit_aes=False, show_legend=False),
        p9.geom_text(rows, p9.aes(x, y), label="  ↓" if below else "  ↑", inherit_aes=False,
                     va="center", ha="left", size=TEXT + 1, color=INK, family=FAMILY),
    ]  # fmt: skip


def cut_intervals(
    rows: pd.DataFrame, value: str, others: pd.DataFrame | None = None, log: bool = False
) -> pd.DataFrame:
    """Intervals cut where they would hide the values: with few rounds they can be very wide.

    Each panel shows its values and a third more. `cut_high` and `cut_low` are the places of
    the arrow heads of intervals that go on, else NaN. Where there is no panel, all is one.
    """
    rows = rows.copy()
    panels = rows["panel"].astype(str) if "panel" in rows else pd.Series("", index=rows.index)
    rows["cut_low"] = rows["cut_high"] = math.nan
    for panel in panels.unique():
        mine = panels == panel
        seen = list(rows.loc[mine, value].astype(float))
        if others is not None and len(others):
            same = others["panel"].astype(str) == panel if "panel" in others else slice(None)
            column = "ratio" if "ratio" in others and value not in others else value
            seen += list(others.loc[same, column].astype(float))
        seen = [s for s in seen if math.isfinite(s) and (s > 0 or not log)]
        if not seen:
            continue
        if log:
            pad = max((max(seen) / min(seen)) ** 0.3, 1.6)
            bottom, top = min(seen) / pad, max(seen) * pad
        else:
            bottom, top = 0.0, max(seen) * 1.3
        for side, edge in (("low", bottom), ("high", top)):
            ends = rows.loc[mine, side].astype(float)
            beyond = ends < edge if side == "low" else ends > edge
            beyond &= ends.notna()
            if not log and side == "low":
                beyond &= False
            rows.loc[beyond[beyond].index, f"cut_{side}"] = edge
        for side in ("low", "high"):
            rows.loc[mine, side] = rows.loc[mine, side].astype(float).clip(bottom, top)
    return rows


def cut_marks(rows: pd.DataFrame, x: str, kind: str, **position: Any) -> list[Any]:
    """Arrow heads where `cut_intervals` cut."""
    found = []
    for side, shape in (("cut_high", "^"), ("cut_low", "v")):
        if rows[side].notna().any():
            found.append(
                p9.geom_point(rows, p9.aes(x, side, color=kind, group=kind), shape=shape, size=1.5,
                              inherit_aes=False, show_legend=False, na_rm=True, **position)
            )  # fmt: skip
    return found


def powers(low: float, high: float, most: int = 10) -> list[float]:
    """Powers of two from `low` to `high`, at most about `most` of them."""
    first, last = math.floor(math.log2(max(low, 1e-6))), math.ceil(math.log2(max(high, 1e-6)))
    step = max(1, -(-(last - first) // max(1, most - 1)))
    first = step * math.floor(first / step)  # so that 1 is among them
    return [2.0**k for k in range(first, last + 1, step)]


def doubling_breaks(limits: tuple[float, float]) -> list[float]:
    """Breaks of an axis of doublings: powers of two, or else a few round numbers."""
    low, high = limits
    inside = [b for b in powers(low, high, 6) if low <= b <= high]
    if len(inside) >= 2:
        return inside
    return [b for b in breaks_extended(n=4)(limits) if b > 0]


def plain_labels(breaks: Iterable[float]) -> list[str]:
    """Labels of breaks as plain numbers, thousands set apart."""
    return ["" if is_missing(b) else as_written(round(b, 4)) for b in breaks]


class Note:
    """A small panel that says why there is nothing to see: no plot, so drawn in no time."""

    def __init__(self, text: str = "not measured") -> None:
        self._text = clean(text, 160)

    def draw(self) -> Figure:
        """The panel."""
        panel = Figure(figsize=(WIDTH, 0.9), facecolor="#F5F6F8")
        FigureCanvasAgg(panel)
        panel.text(0.5, 0.5, self._text, ha="center", va="center", color=GREY, size=TEXT + 0.5)
        return panel


def of_group(plot: p9.ggplot, name: str | None) -> p9.ggplot:
    """The plot with the kind of work that it shows above it; as it is where there is one kind."""
    return plot + p9.labs(subtitle=clean(name, 80)) if name else plot


def save(plot: p9.ggplot | Note, path_without_suffix: Path, description: str) -> None:
    """Write `.svg` and `.png`, drawn once; the same plot gives the same bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepare()
        figure = plot.draw()
        try:
            vector = io.StringIO()
            figure.savefig(
                vector,
                format="svg",
                metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
            )
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=160, metadata={"Software": None})
        finally:
            import matplotlib.pyplot as plt

            plt.close(figure)
    path_without_suffix.parent.mkdir(parents=True, exist_ok=True)
    svg = path_without_suffix.with_name(path_without_suffix.name + ".svg")
    png = path_without_suffix.with_name(path_without_suffix.name + ".png")
    svg.write_text(tidy_svg(vector.getvalue(), description), encoding="utf-8")
    png.write_bytes(picture.getvalue())


def tidy_svg(text: str, description: str) -> str:
    """An SVG that stands alone: no document type, comments or metadata; a title for readers."""
    text = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"[ \t]*\n\s*", "\n", text).strip()
    title = f"<title>{html.escape(clean(description, 300))}</title>"
    return re.sub(r"(<svg\b[^>]*)>", rf'\1 role="img">\n{title}', text, count=1) + "\n"
