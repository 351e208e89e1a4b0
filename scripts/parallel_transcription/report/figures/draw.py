"""Draw every figure of a machine: `results/figures/<machine>-<id>.svg` and `.png`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from parallel_transcription.report.figures import style
from parallel_transcription.report.figures.names import file_stem
from parallel_transcription.report.figures.registry import KNOWN, Figure, write_captions
from parallel_transcription.report.figures.sources import Sources
from parallel_transcription.results.read import Results
from parallel_transcription.siblings import import_siblings
from parallel_transcription.untrusted import clean

import_siblings(__package__)

#: The figures by id.
FIGURES: dict[str, Figure] = dict(sorted(KNOWN.items()))

#: What stands in the panel where there is nothing to draw.
EMPTY = "not measured in this study"
NO_FINDINGS = "there are no findings yet (judge_findings.py makes them)"
FAILED = "could not be drawn (the log says why)"

#: Variable of the environment: if set, a figure that fails ends the drawing. The tests set it.
STRICT = "STRICT_FIGURES"

logger = logging.getLogger(__name__)


def draw(results: Results, folder: Path, only: Iterable[str] | None = None) -> list[Path]:
    """Draw the figures of one machine.

    Args:
        results: Results of one machine (`Results.of`).
        folder: Where the files go.
        only: Figure ids to draw; all of them unless given.

    Returns:
        The SVG files, in the order of `FIGURES`.
    """
    groups, several = results.groups, len(results.groups) > 1
    sources = {group: Sources(results.of_group(group)) for group in [None, *groups]}
    machine = results.labels[0] if results.labels else "machine"
    empty = EMPTY if results.findings else NO_FINDINGS
    written = []
    write_captions(folder)
    for id, figure in FIGURES.items():
        if only is not None and id not in set(only):
            continue
        path, title = folder / file_stem(machine, id), figure.caption.title
        found = results.finding(id)
        group = (found.group if found else next(iter(groups), None)) if several else None
        description = f"{title}, {clean(machine, 60)}" + (f", {group}" if group else "")
        try:
            plot = figure.make(sources[group])
            shown = style.of_group(plot, str(group) if group else None) if plot else None
            style.save(shown or style.Note(f"{title}: {empty}"), path, description)
        except Exception:
            if os.environ.get(STRICT):
                raise
            # a figure is not worth a study: the others and the report go on, and the log says why
            logger.exception("%s of %s could not be drawn", id, clean(machine, 60))
            style.save(style.Note(f"{title}: {FAILED}"), path, description)
        written.append(path.with_name(path.name + ".svg"))
    return written
