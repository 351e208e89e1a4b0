"""How far the grid is, and how long the rest will take."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

FILE = Path(".snakemake/parallel_transcription/progress.json")


class Progress(TypedDict):
    """What a Snakemake set out to do.

    `runs`: the runs to measure. `host`: where it runs. `local`: whether runs are measured on that
    host and not on a cluster.
    """

    runs: list[str]
    host: str
    local: bool


def begin(runs: Sequence[str], file: Path = FILE, local: bool = True) -> None:
    """Note which runs are about to be measured; forgets those of before.

    Args:
        runs: The runs.
        file: Takes the note.
        local: Whether they run on this host and not on a cluster.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    content: Progress = {"runs": list(runs), "host": host(), "local": local}
    file.write_text(json.dumps(content), encoding="utf-8")
    _done_file(file).unlink(missing_ok=True)


def read(file: Path = FILE) -> Progress:
    """What `begin` noted; no runs without a note."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return {"runs": known["runs"], "host": known["host"], "local": known["local"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"runs": [], "host": "", "local": True}


def host() -> str:
    """This host's name."""
    return platform.node()


def advance(run: str, seconds: float, file: Path = FILE) -> str:
    """Note a finished run; returns ` · 12 of 40 · about 3 min left` (empty without a note).

    The estimate takes a configuration's own earlier rounds where there are some, else the mean of
    all finished runs.
    """
    planned = read(file)["runs"]
    if not planned:
        return ""
    line = json.dumps([run, seconds]) + "\n"
    descriptor = os.open(_done_file(file), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    done = _done(file)
    left = [name for name in planned if name not in done]
    return f" · {len(planned) - len(left)} of {len(planned)}{_estimate(done, left)}"


def _done(file: Path) -> dict[str, float]:
    """Seconds of the finished runs; a line that a full disk or a kill cut short does not count."""
    done = {}
    for line in _done_file(file).read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, TypeError):
            run, seconds = json.loads(line)
            done[str(run)] = float(seconds)
    return done


def _estimate(done: dict[str, float], left: list[str]) -> str:
    if not left or not done:
        return ""
    mean = sum(done.values()) / len(done)
    own: dict[str, float] = {_configuration(run): seconds for run, seconds in done.items()}
    seconds = sum(own.get(_configuration(run), mean) for run in left)
    if seconds < 90:
        return f" · about {seconds:.0f} s left"
    if seconds < 5400:
        return f" · about {seconds / 60:.0f} min left"
    return f" · about {seconds / 3600:.1f} h left"


def _configuration(run: str) -> str:
    return run.rpartition("-r")[0]


def _done_file(file: Path) -> Path:
    return file.with_name(file.name + ".done")
