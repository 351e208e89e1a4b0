"""The figure of the scaling law: how throughput rises with the workers of one model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription.report.figures import style
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources, main_group
from parallel_transcription.words import TIMES, as_written

LAW, AMDAHL, IDEAL = "the law", "without coherency (Amdahl)", "every worker counts"
LINES = {LAW: "solid", AMDAHL: "dotted", IDEAL: "dashed"}
COLOURS = {LAW: style.BLUE, AMDAHL: style.VERMILLION, IDEAL: style.GREY}
_SAME = ["callers", "cpu_threads", "files"]


@figure(
    "scaling",
    "How throughput rises with workers",
    "Throughput over that of one worker, by workers of one model with four files each or more. "
    "Points: single rounds. Lines: the universal scalability law that is fitted to them, what it "
    "would be without its coherency term (Amdahl's law), and what it would be if every worker "
    "counted in full. The horizontal line: as many workers as the CPUs have threads for.",
)
def scaling(sources: Sources) -> p9.ggplot | None:
    """Speed-up over one worker by workers, with the law of the group of most rows."""
    rows = sources.evidence("parallel_or_queue")
    if "contention" not in rows:
        return None
    rows = main_group(rows[rows["contention"].notna()])
    rows = main_group(rows, _SAME)
    one = rows["configuration_one_worker"].iloc[0]
    points = pd.concat(
        sources.ratios(one, row["configuration"]).assign(workers=row["workers_in_use"])
        for row in rows.to_dict("records")
    )
    if points.empty:
        return None
    alpha, beta = (float(rows[name].iloc[0]) for name in ("contention", "coherency"))
    top = float(rows["workers_in_use"].max())
    n = np.linspace(1, top, 60)
    shown = {
        LAW: n / (1 + alpha * (n - 1) + beta * n * (n - 1)),
        AMDAHL: n / (1 + alpha * (n - 1)),
        IDEAL: n,
    }
    if beta == 0:
        del shown[AMDAHL]  # the law is Amdahl's
    lines = pd.concat(
        pd.DataFrame({"workers": n, "ratio": ratio, "line": name}) for name, ratio in shown.items()
    )
    names = list(shown)
    lines["line"] = pd.Categorical(lines["line"], names)
    ceiling = max(1.0, sources.cpus / float(rows["threads"].iloc[0]))
    highest = 1.15 * max(float(points["ratio"].max()), ceiling)
    return (
        p9.ggplot(points, p9.aes("workers", "ratio"))
        + p9.geom_hline(yintercept=ceiling, color=style.LIGHT, size=1.2)
        + p9.annotate("text", x=top, y=ceiling, label=f"{as_written(sources.cpus)} CPUs",
                      ha="right", va="bottom", size=style.TEXT - 1.5, color=style.GREY,
                      family=style.FAMILY)
        + p9.geom_line(lines[lines["ratio"] <= highest],
                       p9.aes(linetype="line", color="line"), size=0.7)
        + p9.geom_point(alpha=0.55, size=1.5, stroke=0, color=style.INK)
        + p9.scale_linetype_manual(LINES, limits=names, name="")
        + p9.scale_color_manual(COLOURS, limits=names, name="")
        + p9.scale_x_continuous(breaks=sorted(set(rows["workers_in_use"])),
                                labels=style.plain_labels)
        + p9.scale_y_continuous(limits=(0, highest), expand=(0, 0))
        + p9.labs(x="workers of one model in use", y=f"throughput over\none worker ({TIMES})")
        + style.theme(2.6)
    )  # fmt: skip
