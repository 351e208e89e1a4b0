"""Draw every figure of a machine: ``results/figures/<machine>-<id>.svg`` and ``.png``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import plotnine as p9

from parallel_transcription.report.figures import (
    FIGURES,
    compare,
    costs,
    gpus,
    speed,
    style,
    timeline,
)
from parallel_transcription.report.figures.names import file_stem
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.results.read import Results
from parallel_transcription.untrusted import clean

MAKERS: dict[str, Callable[[Sources], p9.ggplot | None]] = {
    "parallel_or_queue": speed.parallel_or_queue,
    "one_or_many": compare.one_or_many,
    "processes": compare.processes,
    "threads_limit": speed.threads_limit,
    "best_threads": speed.best_threads,
    "oversubscription": speed.oversubscription,
    "workers_equal_files": compare.workers_equal_files,
    "several_gpus": gpus.several_gpus,
    "one_per_gpu": gpus.one_per_gpu,
    "gpu_saturation": gpus.gpu_saturation,
    "memory": costs.memory,
    "init_race": costs.init_race,
    "recommendation": costs.recommendation,
    "batching": compare.batching,
    "noise_floor": compare.noise_floor,
    "timeline": timeline.timeline,
    "throughput": speed.throughput,
    "published": compare.published,
}

#: What stands in the panel where there is nothing to draw.
EMPTY = "not measured in this study"
NO_FINDINGS = "there are no findings yet (judge_findings.py makes them)"
FAILED = "could not be drawn (the log says why)"

#: Variable of the environment: if set, a figure that fails ends the drawing. The tests set it.
STRICT = "STRICT_FIGURES"

logger = logging.getLogger(__name__)


def draw(
    results: Results,
    folder: Path,
    published: pd.DataFrame | None = None,
    only: Iterable[str] | None = None,
) -> list[Path]:
    """Draw the figures of one machine.

    Args:
        results: Results of one machine (``Results.of``).
        folder: Where the files go.
        published: The published CPU numbers, for the comparison.
        only: Figure ids to draw; all of them unless given.

    Returns:
        The SVG files, in the order of ``FIGURES``.
    """
    sources = Sources(results, published if published is not None else pd.DataFrame())
    machine = results.labels[0] if results.labels else "machine"
    empty = EMPTY if results.findings else NO_FINDINGS
    written = []
    for figure, title in FIGURES.items():
        if only is not None and figure not in set(only):
            continue
        path = folder / file_stem(machine, figure)
        description = f"{title}, {clean(machine, 60)}"
        try:
            plot = MAKERS[figure](sources) or style.not_measured(f"{title}: {empty}")
            style.save(plot, path, description)
        except Exception:
            if os.environ.get(STRICT):
                raise
            # a figure is not worth a study: the others and the report go on, and the log says why
            logger.exception("%s of %s could not be drawn", figure, clean(machine, 60))
            style.save(style.not_measured(f"{title}: {FAILED}"), path, description)
        written.append(path.with_name(path.name + ".svg"))
    return written
