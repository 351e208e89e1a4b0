"""What a search did: the map of the grid, and how its certificate narrowed."""

from __future__ import annotations

import math

import pandas as pd
import plotnine as p9

from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.results.searched import Searched
from parallel_transcription.words import MINUS, NOTHING, STRATEGY_NAMES, TIMES

WORST = -50.0  # per cent; what is slower has this colour


def _search(sources: Sources) -> Searched | None:
    return next(iter(sources.results.searches.values()), None)


@figure(
    "search_map",
    "The grid as the search saw it",
    "Each tile is a setting: models × workers of each, and threads of a worker. The number is what "
    "it does against the best so far (%), by all measurements together; bold: measured, grey: "
    "predicted, a dash: struck without measuring. Where several kinds of work were searched, that "
    "of most settings.",
)
def search_map(sources: Sources) -> p9.ggplot | None:
    """Every setting of the grid with its value against the best."""
    found = _search(sources)
    if found is None or not found.configurations:
        return None
    rows = pd.DataFrame([vars(one) for one in found.configurations])
    rows = rows[rows["work"] == rows["work"].mode().iloc[0]]
    rows["relative"] = pd.to_numeric(rows["relative"]).astype(float)
    rows["behind"] = 100 * (rows["relative"] - 1)
    rows = rows.sort_values("behind", ascending=False, kind="stable")
    rows = rows.drop_duplicates(["strategy", "instances", "num_workers", "cpu_threads"])
    rows["spread"] = [
        f"{i}{TIMES}{w}" for i, w in zip(rows["instances"], rows["num_workers"], strict=True)
    ]
    order = rows.sort_values(["instances", "num_workers"])["spread"].drop_duplicates().tolist()
    rows["spread"] = axes.ordered(rows["spread"], order)
    threads = [str(t) if t else "auto" for t in rows["cpu_threads"]]
    names = [str(t) if t else "auto" for t in sorted(rows["cpu_threads"].unique())]
    rows["threads"] = axes.ordered(pd.Series(threads, index=rows.index), names)
    strategies = [STRATEGY_NAMES.get(one, one) for one in rows["strategy"]]
    kinds = [name for name in STRATEGY_NAMES.values() if name in strategies]
    rows["kind"] = axes.ordered(pd.Series(strategies, index=rows.index), kinds)
    rows["colour"] = rows["behind"].clip(WORST, 0)
    struck = rows["state"] == "struck"
    rows["told"] = [
        NOTHING if gone else _points(behind)
        for gone, behind in zip(struck, rows["behind"], strict=True)
    ]
    rows["seen"] = rows["state"].isin(("measured", "out"))
    measured, rest = rows[rows["seen"]], rows[~rows["seen"]]
    plot = (
        p9.ggplot(rows, p9.aes("spread", "threads"))
        + p9.geom_tile(p9.aes(fill="colour"), data=rows[~struck], width=0.94, height=0.9)
        + p9.scale_fill_gradient(low="#f4f4f4", high=style.SKY, limits=(WORST, 0), guide=None)
        + p9.facet_grid(cols="kind", scales="free_x", space="free_x")
        + p9.labs(x="models × workers of each", y="threads of a worker")
        + style.theme(1.2 + 0.32 * len(names))
        + p9.theme(panel_grid=p9.element_blank())
    )
    if len(rest):
        plot += p9.geom_text(p9.aes(label="told"), data=rest, size=7, color=style.GREY)
    if len(measured):
        plot += p9.geom_text(p9.aes(label="told"), data=measured, size=8, fontweight="bold")
    return plot


def _points(behind: float) -> str:
    """Percentage points against the best, as they stand on a tile."""
    if not math.isfinite(behind):
        return NOTHING
    return f"{behind:+.0f}".replace("-", MINUS) if round(behind) else "0"


@figure(
    "search_path",
    "How far from the best the search may be, heat by heat",
    "What the best setting of the grid may still be better than the best so far, with a chance of "
    "90 %, after each heat. Dashed: what is not worth finding; dotted: the end of the budget.",
)
def search_path(sources: Sources) -> p9.ggplot | None:
    """The certificate over the time spent."""
    found = _search(sources)
    if found is None:
        return None
    told = [(one.spent_s / 60, 100 * one.better_by) for one in found.heats
            if one.better_by is not None]  # fmt: skip
    if not told:
        return None
    rows = pd.DataFrame(told, columns=["minutes", "bound"])
    return (
        p9.ggplot(rows, p9.aes("minutes", "bound"))
        + p9.geom_hline(yintercept=100 * found.gain, linetype="dashed", color=style.GREY)
        + p9.geom_vline(xintercept=found.budget_s / 60, linetype="dotted", color=style.GREY)
        + p9.geom_step(color=style.BLUE, size=0.8)
        + p9.geom_point(color=style.BLUE, size=1.8)
        + p9.scale_x_continuous(limits=(0, 1.05 * max(rows["minutes"].max(), found.budget_s / 60)))
        + p9.scale_y_continuous(limits=(0, 1.1 * max(rows["bound"].max(), 100 * found.gain)))
        + p9.labs(x="minutes of the search", y="better by at most (%)")
        + style.theme(2.2)
    )
