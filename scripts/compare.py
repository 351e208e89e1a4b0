#!/usr/bin/env python3
"""Compare two results folders: what became faster, slower, is equivalent, or cannot be compared.

Prints a Markdown table of what their run records say. Exit status: 0 nothing became slower, 1
something did or fails now, 3 nothing could be compared, 2 for folders that hold no results.
"""

import argparse
import math
import tempfile
from pathlib import Path

from merge_timings import merge_timings
from parallel_transcription import words
from parallel_transcription.errors import run
from parallel_transcription.findings.over_time import (
    FAILS,
    NOT_COMPARABLE,
    SLOWER,
    Changed,
    over_time,
)
from parallel_transcription.results.read import Results, read_tables
from parallel_transcription.study.study import check_values

NOTHING_COMPARED = 3


def table(found: list[Changed], confidence: float) -> str:
    """A row per configuration, as Markdown."""
    level = f"{words.as_written(100 * confidence)} %"
    head = f"| machine | configuration | before (s) | now (s) | now / before ({level}) | |"
    lines = [head, "|---|---|---:|---:|---:|---|"]
    for one in found:
        ratio = "" if math.isnan(one.ratio) else words.with_interval(one.ratio, one.low, one.high)
        seconds = ["" if math.isnan(s) else words.seconds(s) for s in (one.before, one.after)]
        outcome = f"**{one.outcome}**" + (f": {one.why}" if one.why else "")
        cells = [one.machine, one.name, *seconds, ratio, outcome]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def results_of(folder: Path) -> Results:
    """The tables of a folder's records, whatever version wrote them."""
    with tempfile.TemporaryDirectory() as merged:
        merge_timings(folder, Path(merged))
        return read_tables(merged)


def main() -> int:
    """Compare, print, and tell by the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="results folder of before")
    parser.add_argument("now", type=Path, help="results folder of now")
    parser.add_argument("--margin", type=float, help="that of the study of now unless given")
    given = parser.parse_args()
    if given.margin is not None:
        check_values({"equivalence_margin": given.margin}, "--margin")
    before, now = results_of(given.before), results_of(given.now)
    confidence = float(now.study["confidence"])
    margin = now.study["equivalence_margin"] if given.margin is None else given.margin
    found = over_time(before, now, float(margin), confidence)
    print(table(found, confidence))
    if all(one.outcome == NOT_COMPARABLE for one in found):
        return NOTHING_COMPARED
    return 1 if any(one.outcome in (SLOWER, FAILS) for one in found) else 0


if __name__ == "__main__":
    run(main, refused=2)
