"""The figure of this machine beside the published ones."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotnine as p9

from parallel_transcription.published.claims import read_published
from parallel_transcription.report.figures import axes, style
from parallel_transcription.report.figures.registry import figure
from parallel_transcription.report.figures.sources import Sources, main_model
from parallel_transcription.untrusted import clean
from parallel_transcription.words import TIMES, cpus


@figure(
    "published",
    "This machine beside the published ones",
    "Speed-up over one worker with one thread, on this machine and in the published study (one "
    "model, two files at once). Each machine is compared with itself only, because models and "
    "audio differ. A hollow point with an arrow ran into the time limit: its speed-up is lower.",
)
def published(sources: Sources) -> p9.ggplot | None:
    """Speed-up over one worker with one thread: this machine beside the published ones."""
    shown = pd.concat([p for p in (_here(sources), _theirs(read_published().cpu)) if len(p)] or
                      [pd.DataFrame(columns=["machine"])])  # fmt: skip
    if "here" not in set(shown["machine"]):
        return None
    base = shown[(shown["workers"] == 1) & (shown["threads"] == 1)]
    base = base[np.isfinite(base["span"])].set_index("machine")["span"].to_dict()
    shown = shown[shown["machine"].isin(base)].copy()
    if "here" not in set(shown["machine"]):
        return None
    label = clean((sources.results.labels or ["this machine"])[0], 28)
    names = {"here": f"{label}, {cpus(sources.cpus)}",
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
