"""Which figures there are, and their captions beside the files for those that only show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import plotnine as p9

from parallel_transcription.files import write_json
from parallel_transcription.report.figures.names import CAPTIONS, Caption
from parallel_transcription.report.figures.sources import Sources

Maker = Callable[[Sources], p9.ggplot | None]


@dataclass(frozen=True)
class Figure:
    """A figure: its title, its caption, and what draws it (None where nothing was measured)."""

    id: str
    caption: Caption
    make: Maker


#: By id; complete once every module of this package is imported (`draw` does).
KNOWN: dict[str, Figure] = {}


def figure(id: str, title: str, caption: str) -> Callable[[Maker], Maker]:
    """Makes a function that draws a figure known under the figure's id.

    Args:
        id: Of the finding whose evidence it shows, or one of its own.
        title: What it shows, in a few words.
        caption: What it shows, and how to read it.
    """

    def known(make: Maker) -> Maker:
        if id in KNOWN:
            raise TypeError(f"there are two figures {id!r}")
        KNOWN[id] = Figure(id, Caption(title, caption), make)
        return make

    return known


def write_captions(folder: Path) -> None:
    """Titles and captions of all figures, for the reports and for `snakemake --report`."""
    captions = {id: asdict(one.caption) for id, one in sorted(KNOWN.items())}
    write_json(folder / CAPTIONS, captions)
