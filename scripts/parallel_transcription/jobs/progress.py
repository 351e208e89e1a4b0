"""What the last Snakemake here set out to do: on which host, and whether on a cluster."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import TypedDict

FILE = Path(".snakemake/parallel_transcription/progress.json")


class Progress(TypedDict):
    """What a Snakemake set out to do.

    `host`: where it runs. `local`: whether runs are measured on that host and not on a cluster.
    """

    host: str
    local: bool


def begin(local: bool, file: Path = FILE) -> None:
    """Note that a Snakemake begins.

    Args:
        local: Whether runs are measured on this host and not on a cluster.
        file: Takes the note.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    content: Progress = {"host": host(), "local": local}
    file.write_text(json.dumps(content), encoding="utf-8")


def read(file: Path = FILE) -> Progress:
    """What `begin` noted; no host without a note."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return {"host": known["host"], "local": known["local"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"host": "", "local": True}


def host() -> str:
    """This host's name."""
    return platform.node()
