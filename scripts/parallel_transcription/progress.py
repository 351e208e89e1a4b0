"""How far the grid is, and how long the rest will take."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PLAN = Path(".snakemake/parallel_transcription/plan.json")


def write_plan(study: str, runs: Sequence[str], plan: Path = PLAN) -> None:
    """Note the study and which of its runs are about to be measured; forgets an earlier plan."""
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan.write_text(json.dumps({"study": study, "runs": list(runs)}), encoding="utf-8")
    _done_file(plan).unlink(missing_ok=True)


def read_plan(plan: Path = PLAN) -> dict[str, Any]:
    """The study's name and its planned runs; empty without a plan."""
    try:
        return json.loads(plan.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"study": "", "runs": []}


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
    done = dict(json.loads(text) for text in _done_file(plan).read_text("utf-8").splitlines())
    left = [name for name in planned if name not in done]
    return f" · {len(planned) - len(left)} of {len(planned)}{_estimate(done, left)}"


def _estimate(done: dict[str, float], left: list[str]) -> str:
    if not left:
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
