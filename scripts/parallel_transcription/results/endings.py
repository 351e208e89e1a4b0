"""How runs ended where none ended well: one sentence for all of them, and what to change."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from parallel_transcription.study.longest import enough_s
from parallel_transcription.words import integer, listing, number, plural

_STATUSES = {"timeout": "late", "stuck": "stuck", "failed": "failed", "killed": "killed"}


@dataclass(frozen=True)
class Ending:
    """How all runs ended, and what to do about it; both are whole sentences."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}"


def none_ended_well(runs: pd.DataFrame) -> Ending | None:
    """What became of all runs; None where there are none, or one pass ended well.

    One that came to more load than is carried (`saturated`) is a result.

    Args:
        runs: Rows of the table of runs, of one machine.
    """
    if runs.empty or runs["status"].isin(("ok", "saturated")).any():
        return None
    every = plural(runs["run"].nunique(), "run")
    statuses = set(runs["status"])
    if statuses == {"timeout"}:
        return _too_late(runs, every)
    if statuses == {"stuck"}:
        return _stuck(runs, every)
    if statuses == {"failed"}:
        errors = runs["error"].value_counts()
        alike = f"with the same error: {errors.index[0]}" if len(errors) == 1 else (
            f"with {integer(len(errors))} errors, most often: {errors.index[0]}"
        )  # fmt: skip
        return Ending(f"All of {every} failed {alike.rstrip('.')}.", "Mend what it names.")
    if statuses == {"killed"}:
        return Ending(
            f"All of {every} were killed, as the system does for lack of memory.",
            "Take a smaller model, fewer workers or instances, or give more memory.",
        )
    counts = runs["status"].map(_STATUSES).value_counts()
    told = listing([f"{integer(count)} {name}" for name, count in counts.items()])
    return Ending(f"None of {every} ended well: {told}.", "Their errors stand in runs.csv.")


def _too_late(runs: pd.DataFrame, every: str) -> Ending:
    limit = float(runs["timeout_s"].max())
    first = runs.drop_duplicates("run").dropna(subset=["warmup_s", "audio_total_s"])
    lengths = first["audio_total_s"] / first["files_in_parallel"]
    value, why = enough_s(limit, zip(first["warmup_s"], lengths, strict=True))
    return Ending(
        f"Every pass of {every} ran longer than timeout_s: {number(limit)}.",
        f"Set timeout_s: {value} ({why}) in the study.",
    )


def _stuck(runs: pd.DataFrame, every: str) -> Ending:
    steps = set(runs["stopped_in"])
    error = str(runs["error"].mode().iloc[0]).rstrip(".")
    if steps <= {"loading", "warm-up"}:
        return Ending(
            f"All of {every} stopped before a pass: {error}.",
            "Set load_timeout_s higher in the study (a warm-up may use what loading leaves of it).",
        )
    return Ending(f"All of {every} stopped beside their passes: {error}.", "See their logs.")
