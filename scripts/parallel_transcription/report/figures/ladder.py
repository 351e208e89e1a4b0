"""The looks at matches: each pair's interval narrows until it leaves or enters the band."""

from __future__ import annotations

import math

import pandas as pd
import plotnine as p9

from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.forest import ratio_scale
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.results.summaries import decided_pairs
from parallel_transcription.statistics import band
from parallel_transcription.untrusted import clean

MOST_PAIRS = 6
DECIDED, OPEN = "decided", "open"


@figure(
    "matches",
    "What matches decided, look by look",
    "Makespan, or p95 under a load, of the first side over that of the second, after each match. "
    "Shaded: the margin within which both count as equally fast. Lines: the interval that "
    "decides, which exists from the first look on and is paid for at each look. A pair is decided "
    "when it lies within the band, or outside of it.",
)
def matches(sources: Sources) -> p9.ggplot | None:
    """Ratio and interval of each pair that matches decide, by the number of matches."""
    pairs = decided_pairs(sources.results)[:MOST_PAIRS]
    if not pairs:
        return None
    parts: list[pd.DataFrame] = []
    order: list[str] = []
    for pair in pairs:
        title = clean(pair.questions[0], 60)
        if title in order:
            title = f"{title} ({order.count(title) + 1})"
        order.append(title)
        outcome = OPEN if pair.size == "open" else DECIDED
        parts.append(pd.DataFrame(pair.looks).assign(pair=title, outcome=outcome))
    shown = pd.concat(parts, ignore_index=True)
    for name in ("ratio", "low", "high", "matches", "margin"):
        shown[name] = pd.to_numeric(shown[name]).astype(float)
    shown["pair"] = axes.ordered(shown["pair"], order)
    bands = shown.drop_duplicates("pair")[["pair", "margin"]]
    bands[["low", "high"]] = [band(margin) for margin in bands["margin"]]
    every = [shown["ratio"], shown["low"], shown["high"], bands["low"], bands["high"]]
    ends = pd.concat(every).dropna()
    low, high = max(0.5, ends.min() / 1.03), min(2.0, ends.max() * 1.03)
    for name in ("ratio", "low", "high"):
        shown[name] = shown[name].clip(low, high)
    lines = -(-len(order) // 2)
    return (
        p9.ggplot(shown, p9.aes("matches", "ratio", color="outcome"))
        + p9.geom_rect(p9.aes(ymin="low", ymax="high"), data=bands, inherit_aes=False,
                       xmin=-math.inf, xmax=math.inf, fill=style.SKY, alpha=0.2)
        + p9.geom_hline(yintercept=1, color=style.GREY, size=0.5)
        + p9.geom_linerange(p9.aes(ymin="low", ymax="high"), data=shown.dropna(subset=["low"]),
                            size=0.8)
        + p9.geom_point(size=1.6)
        + p9.facet_wrap("pair", ncol=2)
        + p9.scale_color_manual({DECIDED: style.BLUE, OPEN: style.GREY}, name="")
        + p9.scale_x_continuous(breaks=_whole)
        + ratio_scale("y", low, high, most=6)
        + p9.labs(x="matches", y="time of the first side\nover that of the second")
        + style.theme(0.9 + 1.35 * lines)
    )  # fmt: skip


def _whole(limits: tuple[float, float]) -> list[float]:
    """Whole numbers, eight at most."""
    first, last = math.ceil(limits[0]), math.floor(limits[1])
    step = max(1, -(-(last - first) // 7))
    return [float(n) for n in range(first, last + 1, step)]
