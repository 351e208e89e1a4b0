"""Names of the figures' files, and their captions; imports nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from parallel_transcription.results.typed import read_checked

#: The file beside the figures that holds their captions.
CAPTIONS = "captions.json"


@dataclass(frozen=True)
class Caption:
    """What a figure shows, in a few words, and how to read it."""

    title: str
    caption: str


def file_stem(machine: str, figure: str) -> str:
    """The file name of a figure without its suffix. A label cannot lead out of the folder."""
    label = re.sub(r"[^A-Za-z0-9._-]+", "_", machine).lstrip(".") or "machine"
    return f"{label[:120]}-{figure}"


def read_captions(folder: Path) -> dict[str, Caption]:
    """The captions of a folder of figures, by figure; none where nothing was drawn.

    Raises:
        TableError: The file is there and holds something else.
    """
    return read_checked(folder / CAPTIONS, dict[str, Caption]) or {}
