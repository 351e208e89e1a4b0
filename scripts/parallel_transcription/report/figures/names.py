"""File names of figures."""

from __future__ import annotations

import re


def file_stem(machine: str, figure: str) -> str:
    """The file name of a figure without its suffix. A label cannot lead out of the folder."""
    label = re.sub(r"[^A-Za-z0-9._-]+", "_", machine).lstrip(".") or "machine"
    return f"{label[:120]}-{figure}"
