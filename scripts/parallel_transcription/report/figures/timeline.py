"""The figure of who transcribed when."""

from __future__ import annotations

import math

import pandas as pd
import plotnine as p9

from parallel_transcription import words
from parallel_transcription.report.figures import style
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources, main_model
from parallel_transcription.untrusted import shorten_middle
from parallel_transcription.words import plural, strategy_name

MOST_FILES = 16


def chosen(sources: Sources) -> list[tuple[str, str]]:
    """(title, configuration) of the cases to show side by side, as far as measured."""
    summary = sources.summary
    summary = summary[(summary["files_in_parallel"] > 1) & summary["makespan_s"].notna()]
    summary = main_model(summary)
    if summary.empty:
        return []
    rows = summary[summary["ok"] > 0]
    if rows.empty:
        return []
    # the number of files of which most cases were measured; of several the smallest
    files = rows.groupby("files_in_parallel")["strategy"].nunique().idxmax()
    rows = rows[rows["files_in_parallel"] == files]
    rows = rows[rows["cpu_threads"] == rows["cpu_threads"].min()]
    many = rows["callers"] == rows["files_in_parallel"]
    one = rows["strategy"] == "one_model"
    wanted = [
        ("one worker, one file after another", one & (rows["callers"] == 1)
         & (rows["total_workers"] == 1)),
        (f"one worker, {plural(int(files), 'caller')}", one & many & (rows["total_workers"] == 1)),
        (f"one model, {plural(int(files), 'worker')}", one & many
         & (rows["total_workers"] == files)),
        (words.instances("multi_model", files), many & (rows["strategy"] == "multi_model")
         & (rows["instances"] == files) & (rows["total_workers"] == files)),
        (words.instances("multi_process", files), many
         & (rows["strategy"] == "multi_process") & (rows["total_workers"] == files)),
    ]  # fmt: skip
    found = []
    for title, mask in wanted:
        match = rows[mask].sort_values(["makespan_s", "configuration"])
        if len(match):
            found.append((title, str(match["configuration"].iloc[0])))
    return found


@figure(
    "timeline",
    "Who transcribed when",
    "Who transcribed when: a bar for each file from start to end, for the repeat with the median "
    "makespan. The tick marks the moment the file was handed out. Files that take turns on one "
    "worker overlap too: overlap alone proves nothing.",
)
def timeline(sources: Sources) -> p9.ggplot | None:
    """Each file a bar from started to finished, for the repeat with the median makespan."""
    parts = []
    titles = []
    runs, timings = sources.results.runs, sources.results.timings
    for title, configuration in chosen(sources):
        repeats = runs[(runs["configuration"] == configuration) & (runs["status"] == "ok")]
        repeats = repeats.sort_values(["makespan_s", "run", "repeat"])
        if repeats.empty:
            continue
        middle = repeats.iloc[(len(repeats) - 1) // 2]
        files = timings[
            (timings["run"] == middle["run"]) & (timings["repeat"] == middle["repeat"])
        ].sort_values("counter")
        files = files[files["finished_s"].notna()].head(MOST_FILES)
        if len(files):
            titles.append(title)
            parts.append(files.assign(panel=title, name=strategy_name(middle["strategy"])))
    if not parts:
        return None
    bars = pd.concat(parts)
    bars["file_text"] = [shorten_middle(f.rsplit("/", 1)[-1], 28) for f in bars["file"]]
    bars["label"] = [
        f"{int(c)}  {t}" if not math.isnan(c) else t
        for c, t in zip(bars["counter"], bars["file_text"], strict=True)
    ]
    order = list(bars.sort_values("counter")["label"].drop_duplicates())[::-1]
    bars["label"] = pd.Categorical(bars["label"], order, ordered=True)
    bars["panel"] = pd.Categorical(bars["panel"], titles, ordered=True)
    bars["position"] = bars["label"].cat.codes + 1
    each = max(1, len(order))
    return (
        p9.ggplot(bars)
        + p9.geom_segment(p9.aes(x="submitted_s", xend="started_s", y="label", yend="label"),
                          color=style.GREY, size=0.8)
        + p9.geom_rect(p9.aes(xmin="started_s", xmax="finished_s", ymin="position - 0.34",
                              ymax="position + 0.34", fill="name"), color="none")
        + p9.geom_segment(p9.aes(x="submitted_s", xend="submitted_s", y="position - 0.34",
                                 yend="position + 0.34"), color=style.INK, size=0.7)
        + p9.facet_wrap("panel", ncol=1)
        + p9.scale_y_discrete(limits=order)
        + p9.scale_x_continuous(limits=(0, None), expand=(0.004, 0, 0.02, 0))
        + p9.labs(x="seconds since the first file was submitted", y="")
        + style.strategy_scales(bars["name"])
        + style.theme(min(9.0, 0.7 + len(titles) * (0.27 + 0.17 * each)),
                      panel_grid_major_y=p9.element_blank(), axis_ticks_major_y=p9.element_blank())
    )  # fmt: skip
