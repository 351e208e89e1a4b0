"""Figures of loads: latency against load, all latencies at one rate, and the system over time."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription import words
from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources, main_group
from parallel_transcription.results.latency import Requests
from parallel_transcription.statistics import geometric_interval

MOST_SETTINGS = 6
#: What one panel is of: only these configurations are offered the same requests.
_SCENE = ("model", "compute_type", "device", "arrivals", "requests", "mix")


@figure(
    "load_latency",
    "Latency against load",
    "95th percentile of the latency in the passes as measured, from the moment a request was due, "
    "by the requests that came per second; in the long run it is later (table). Large points and "
    "lines: geometric mean over rounds with its confidence interval; small points: single rounds; "
    "hollow points at the top: saturated, the latency would grow without end. Dashed: what the "
    "objective allows, where it is one number; dotted: what a closed loop carried.",
)
def load_latency(sources: Sources) -> p9.ggplot | None:
    """The p95 of each setting by rate, with intervals over rounds."""
    passes = _passes(sources)
    known = passes[passes["p95_s"].notna() | (passes["status"] == "saturated")]
    if known.empty:
        return None
    rows, dots = _by_rate(known, float(sources.results.study["confidence"]))
    order = _names(known)
    objective = _one_number(sources)
    top = 1.25 * max(
        [v for v in (*dots["p95_s"], objective or 0.0) if math.isfinite(v)], default=1.0
    )
    bottom = 0.8 * min([*dots["p95_s"], objective or math.inf, top])
    for table in (rows, dots):
        table["settings"] = axes.ordered(table["settings"], order)
    rates = known["offered_rps"].astype(float)
    shift = style.beside(order, 0.02)
    for table in (rows, dots):
        table["x"] = [
            r * 2 ** shift[s] for r, s in zip(table["rate"], table["settings"], strict=True)
        ]
    lost = rows[rows["saturated"]].assign(p95_s=top)
    rows = rows[~rows["saturated"]]
    rows = rows.assign(low=rows["low"].clip(bottom, top), high=rows["high"].clip(bottom, top))
    plot = p9.ggplot(rows, p9.aes("x", "p95_s", color="settings", shape="settings"))
    if objective:
        plot = plot + p9.geom_hline(yintercept=objective, linetype="dashed", color=style.GREY,
                                    size=0.6)  # fmt: skip
    capacity = _capacity(sources)
    if capacity and capacity <= 2 * rates.max():
        plot = plot + p9.geom_vline(xintercept=capacity, linetype="dotted", color=style.GREY,
                                    size=0.7)  # fmt: skip
    breaks = sorted(set(rates))
    return (
        plot
        + p9.geom_line(p9.aes(group="settings", linetype="settings"), size=0.5)
        + p9.geom_point(dots, p9.aes("x", "p95_s"), alpha=0.35, size=1.0, stroke=0)
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), size=0.7, na_rm=True)
        + p9.geom_point(size=2.4)
        + p9.geom_point(lost, fill="white", size=2.6, stroke=0.8, show_legend=False)
        + p9.scale_x_continuous(trans="log2", breaks=breaks, minor_breaks=[],
                                labels=style.plain_labels)
        + p9.scale_y_continuous(trans="log2", labels=style.plain_labels,
                                breaks=style.powers(bottom, top, 7), limits=(bottom, top * 1.1))
        + p9.labs(x="requests per second", y="p95 of the latency (s)")
        + style.series_scales(order, "")
        + p9.guides(color=p9.guide_legend(ncol=2), shape=p9.guide_legend(ncol=2),
                    linetype=p9.guide_legend(ncol=2))
        + style.theme(2.9 + 0.09 * len(order))
    )  # fmt: skip


@figure(
    "load_ecdf",
    "All latencies at one load",
    "Share of the counted requests that were there within so many seconds, all rounds together, at "
    "the highest rate at which most settings kept up. Dashed: 95 %.",
)
def load_ecdf(sources: Sources) -> p9.ggplot | None:
    """The distribution of the latency of each setting at one rate."""
    passes = _passes(sources)
    kept_up = passes[passes["status"] == "ok"]
    if kept_up.empty:
        return None
    counts = kept_up.groupby("offered_rps")["arm"].nunique()
    rate = float(counts[counts == counts.max()].index.max())
    kept_up = kept_up[kept_up["offered_rps"] == rate]
    timings = sources.results.timings
    requests = timings[timings["counted"]].merge(
        kept_up[["run", "repeat", "settings"]], on=["run", "repeat"]
    )
    requests = requests[requests["seconds"].notna()]
    if requests.empty:
        return None
    order = [name for name in _names(passes) if name in set(requests["settings"])]
    requests = requests.assign(settings=axes.ordered(requests["settings"], order))
    return (
        p9.ggplot(requests, p9.aes("seconds", color="settings", linetype="settings"))
        + p9.geom_hline(yintercept=0.95, linetype="dashed", color=style.GREY, size=0.5)
        + p9.stat_ecdf(size=0.8)
        + p9.scale_x_continuous(trans="log2", labels=style.plain_labels,
                                breaks=style.powers(float(requests["seconds"].min()),
                                                    float(requests["seconds"].max()), 9))
        + p9.scale_y_continuous(labels=_percents, breaks=[0, 0.25, 0.5, 0.75, 0.95])
        + p9.labs(x=f"latency at {words.as_written(rate)} requests per second (s)",
                  y="requests that were there")
        + style.series_scales(order, "")
        + p9.guides(color=p9.guide_legend(ncol=2), linetype=p9.guide_legend(ncol=2))
        + style.theme(2.7 + 0.09 * len(order))
    )  # fmt: skip


@figure(
    "load_system",
    "Requests in the system over time",
    "Requests that waited or were served, over the time of one pass: the first round of the "
    "setting with the most rates. Shaded: the part that is counted. A load that is carried comes "
    "back to nothing again and again; one that is not piles up.",
)
def load_system(sources: Sources) -> p9.ggplot | None:
    """How many requests were in the system, in one pass for each rate."""
    passes = _passes(sources)
    order = _names(passes)
    if not order:
        return None
    rates = passes.groupby("settings")["offered_rps"].nunique()
    most = max(order, key=lambda name: (rates[name], -order.index(name)))
    own = passes[passes["settings"] == most].sort_values(["offered_rps", "round", "repeat"])
    shown = own.drop_duplicates("offered_rps").head(axes.MOST_PANELS)
    timings = sources.results.timings
    lines, spans, titles = [], [], []
    for one in shown.to_dict("records"):
        mine = timings[(timings["run"] == one["run"]) & (timings["repeat"] == one["repeat"])]
        if mine.empty:
            continue
        title = f"{words.as_written(one['offered_rps'])} requests per s"
        titles.append(title)
        requests = Requests(mine[["submitted_s", "sent_s", "started_s", "finished_s", "counted",
                                  "counter"]].astype(object).where(lambda t: t.notna(), None)
                            .to_dict("records"))  # fmt: skip
        lines.append(_steps(requests).assign(panel=title))
        counted = requests.due[requests.counted]
        spans.append({"panel": title, "first": counted.min(), "last": counted.max()})
    if not lines:
        return None
    steps, shade = pd.concat(lines), pd.DataFrame(spans)
    for table in (steps, shade):
        table["panel"] = axes.ordered(table["panel"], titles)
    return (
        p9.ggplot(steps, p9.aes("at", "number"))
        + p9.geom_rect(shade, p9.aes(xmin="first", xmax="last", ymin=0, ymax=math.inf),
                       fill=style.SKY, alpha=0.2, inherit_aes=False)
        + p9.geom_step(color=style.BLUE, size=0.5)
        + p9.facet_wrap("panel", ncol=2, scales="free")
        + p9.scale_y_continuous(limits=(0, None), breaks=_whole)
        + p9.labs(x="seconds since the first request", y="requests in the system")
        + style.theme(0.7 + 1.25 * -(-len(titles) // 2))
    )  # fmt: skip


def _passes(sources: Sources) -> pd.DataFrame:
    """The passes of requests that came on their own, of the scene that most are of."""
    runs = sources.results.runs
    own = runs[~runs["arrivals"].isin(("at_once", "closed")) & runs["unaltered"] & runs["counts"]]
    own = own[own["offered_rps"].notna()]
    if own.empty:
        return own.assign(settings=pd.Series(dtype=str))
    own = main_group(own, _SCENE)
    return own.assign(settings=[words.name_of(row) for row in own.to_dict("records")])


def _names(passes: pd.DataFrame) -> list[str]:
    """Names of the settings, at most so many: those with the most passes, in their order."""
    keys = ["strategy", "instances", "num_workers", "callers", "settings"]
    order = list(dict.fromkeys(passes.sort_values(keys)["settings"]))
    kept = set(passes["settings"].value_counts(sort=True).index[:MOST_SETTINGS])
    return [name for name in order if name in kept]


def _by_rate(passes: pd.DataFrame, confidence: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row for each setting and rate with its interval, and one for each round."""
    rows, dots = [], []
    kept = set(_names(passes))
    passes = passes[passes["settings"].isin(kept)]
    for (settings, rate), own in passes.groupby(["settings", "offered_rps"], sort=True):
        saturated = own.groupby("round")["status"].agg(lambda s: (s == "saturated").any())
        values = own[own["status"] == "ok"].groupby("round")["p95_s"].median().dropna()
        dots += [{"settings": settings, "rate": rate, "p95_s": float(v)} for v in values]
        row = {"settings": settings, "rate": float(rate), "saturated": saturated.mean() > 0.5}
        value, low, high = (
            geometric_interval(values, confidence) if len(values) else (math.nan,) * 3
        )
        rows.append(row | {"p95_s": value, "low": low, "high": high})
    return pd.DataFrame(rows), pd.DataFrame(dots, columns=["settings", "rate", "p95_s"])


def _one_number(sources: Sources) -> float | None:
    """What the objective allows a p95 to be (s), where it is one number."""
    said = sources.results.study["slo"].get("p95")
    return float(said) if isinstance(said, int | float) else None


def _capacity(sources: Sources) -> float | None:
    """Requests per second that a closed loop served; None where none was measured."""
    runs = sources.results.runs
    closed = runs[(runs["arrivals"] == "closed") & (runs["status"] == "ok")]
    served = (closed["served"] / closed["makespan_s"]).dropna()
    return float(served.median()) if len(served) else None


def _steps(requests: Requests) -> pd.DataFrame:
    """How many were in the system after each change: columns `at` (s) and `number`."""
    gone = requests.finished[np.isfinite(requests.finished)]
    at = np.concatenate([requests.due, gone])
    change = np.concatenate([np.ones(len(requests.due)), -np.ones(len(gone))])
    order = np.argsort(at, kind="stable")
    return pd.DataFrame({"at": at[order], "number": change[order].cumsum()})


def _percents(breaks: Iterable[float]) -> list[str]:
    return ["" if words.is_missing(b) else words.percent(b, decimals=0) for b in breaks]


def _whole(limits: tuple[float, float]) -> list[float]:
    top = max(1, math.ceil(limits[1]))
    step = max(1, -(-top // 4))
    return [float(n) for n in range(0, top + 1, step)]


PARTS = {
    "service_s": "service alone",
    "queue_s": "queue",
    "interference_s": "interference",
}


@figure(
    "load_explained",
    "What a latency is made of",
    "Mean latency of the requests by setting and rate: the time that their files take alone, the "
    "waiting that an ideal machine with as many workers would make of the same requests, and what "
    "they cost each other by being served side by side.",
)
def load_explained(sources: Sources) -> p9.ggplot | None:
    """Stacked bars of the parts of the mean latency."""
    rows = sources.evidence("load_explained", [*PARTS, "rate"])
    if rows.empty:
        return None
    rows = rows.sort_values(["label", "rate"]).head(axes.MOST_ROWS)
    texts = [
        f"{label}, {words.as_written(rate)} per s"
        for label, rate in zip(rows["label"], rows["rate"], strict=True)
    ]
    rows = axes.with_labels(rows, texts)
    order = list(rows["label"])[::-1]
    shown = rows.melt("label", list(PARTS), "part", "seconds")
    shown["label"] = axes.ordered(shown["label"], order)
    shown["part"] = axes.ordered([PARTS[part] for part in shown["part"]], [*PARTS.values()][::-1])
    colours = dict(zip(PARTS.values(), (style.BLUE, style.SKY, style.VERMILLION), strict=True))
    return (
        p9.ggplot(shown, p9.aes("label", "seconds", fill="part"))
        + p9.geom_col(width=0.65)
        + p9.coord_flip()
        + p9.scale_fill_manual(colours, limits=list(PARTS.values()))
        + p9.scale_y_continuous(expand=(0, 0, 0.05, 0))
        + p9.labs(x="", y="mean latency (s)")
        + style.theme(1.0 + 1.3 * style.ROW * len(order),
                      panel_grid_major_y=p9.element_blank(), axis_ticks_major_y=p9.element_blank())
    )  # fmt: skip
