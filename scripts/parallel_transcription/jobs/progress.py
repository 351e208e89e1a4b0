"""How far the grid is, and how long the rest will take."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLAN = Path(".snakemake/parallel_transcription/plan.json")


def write_plan(study: str, runs: Sequence[str], plan: Path = PLAN, local: bool = True) -> None:
    """Note the study and which of its runs are about to be measured; forgets an earlier plan.

    Args:
        study: The study's name.
        runs: The runs that are about to be measured.
        plan: The file.
        local: Whether they run on this host and not on a cluster.
    """
    plan.parent.mkdir(parents=True, exist_ok=True)
    content = {"study": study, "runs": list(runs), "host": host(), "local": local}
    plan.write_text(json.dumps(content), encoding="utf-8")
    _done_file(plan).unlink(missing_ok=True)


def read_plan(plan: Path = PLAN) -> dict[str, Any]:
    """The study's name, its planned runs, and where its Snakemake ran; empty without a plan."""
    nothing = {"study": "", "runs": [], "host": "", "local": True}
    try:
        known = json.loads(plan.read_text(encoding="utf-8"))
        return {key: known[key] for key in nothing}
    except (OSError, ValueError, KeyError, TypeError):
        return nothing


def host() -> str:
    """This host's name."""
    return platform.node()


def advance(run: str, seconds: float, plan: Path = PLAN) -> str:
    """Note a finished run; returns `` · 12 of 40 · about 3 min left`` (empty without a plan).

    The estimate takes a configuration's own earlier rounds where there are some, else the mean of
    all finished runs.
    """
    planned = read_plan(plan)["runs"]
    if not planned:
        return ""
    line = json.dumps([run, seconds]) + "\n"
    descriptor = os.open(_done_file(plan), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
    done = _done(plan)
    left = [name for name in planned if name not in done]
    return f" · {len(planned) - len(left)} of {len(planned)}{_estimate(done, left)}"


def _done(plan: Path) -> dict[str, float]:
    """Seconds of the finished runs; a line that a full disk or a kill cut short does not count."""
    done = {}
    for line in _done_file(plan).read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, TypeError):
            run, seconds = json.loads(line)
            done[str(run)] = float(seconds)
    return done


def _estimate(done: dict[str, float], left: list[str]) -> str:
    if not left or not done:
        return ""
    mean = sum(done.values()) / len(done)
    own: dict[str, float] = {run.rsplit("-r", 1)[0]: seconds for run, seconds in done.items()}
    seconds = sum(own.get(run.rsplit("-r", 1)[0], mean) for run in left)
    if seconds < 90:
        return f" · about {seconds:.0f} s left"
    if seconds < 5400:
        return f" · about {seconds / 60:.0f} min left"
    return f" · about {seconds / 3600:.1f} h left"


def _done_file(plan: Path) -> Path:
    return plan.with_name(plan.name + ".done")
