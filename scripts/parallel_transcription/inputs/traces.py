"""Traces of arrivals: a CSV file with the moment and the length of each request."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from parallel_transcription.errors import InputError
from parallel_transcription.inputs.regular_file import Unreadable, size_of

COLUMNS = ("seconds", "audio_seconds")
MOST_REQUESTS = 20_000
LEAST_REQUESTS = 10
LARGEST = 10_000_000  # bytes
LONGEST_S = 604_800.0  # a week, which is the longest that a pass may take


class TraceError(InputError):
    """A trace that cannot be used; the message names the file, the line, the fault, a remedy."""


def read(path: Path, name: str) -> list[tuple[float, float]]:
    """The requests of a trace: seconds from any moment, ascending, and seconds of audio of each.

    Args:
        path: The file: CSV with the columns `seconds` and `audio_seconds`.
        name: What to call it in messages.

    Raises:
        TraceError: for what is no trace.
    """
    try:
        if size_of(path, "a CSV file") > LARGEST:
            raise TraceError(f"{name!r} has more than {LARGEST / 1e6:g} MB; give a shorter trace")
        text = path.read_text(encoding="utf-8-sig")
    except Unreadable as error:
        raise TraceError(f"{name!r} {error.fault}; {error.remedy}") from None
    except UnicodeDecodeError:
        raise TraceError(f"{name!r} is no text in UTF-8; give a CSV file") from None
    try:
        return _requests(csv.DictReader(text.splitlines(), strict=True), name)
    except csv.Error as error:
        raise TraceError(
            f"{name!r} is no CSV ({error}); look for a quote without its pair"
        ) from None


def _requests(lines: csv.DictReader[str], name: str) -> list[tuple[float, float]]:
    lacking = [column for column in COLUMNS if column not in (lines.fieldnames or ())]
    if lacking:
        raise TraceError(
            f"{name!r} has no column {lacking[0]!r} in its first line; give it the columns "
            f"{' and '.join(COLUMNS)}"
        )
    requests: list[tuple[float, float]] = []
    for number, row in enumerate(lines, 2):
        at, length = (_number(row.get(column)) for column in COLUMNS)
        if at is None or length is None or length <= 0:
            said = ", ".join(repr((row.get(column) or "")[:40]) for column in COLUMNS)
            raise TraceError(
                f"{name!r}, line {number}: {said} are no moment and length in seconds; correct or "
                "remove the line"
            )
        if requests and at < requests[-1][0]:
            raise TraceError(
                f"{name!r}, line {number}: {at:g} s is before {requests[-1][0]:g} s of the line "
                "above; sort the trace by time"
            )
        requests.append((at, length))
    if not LEAST_REQUESTS <= len(requests) <= MOST_REQUESTS:
        raise TraceError(
            f"{name!r} has {len(requests)} requests; give {LEAST_REQUESTS} to {MOST_REQUESTS}"
        )
    lasts = requests[-1][0] - requests[0][0]
    if lasts > LONGEST_S:
        raise TraceError(
            f"{name!r} takes {lasts:g} s from its first request to its last one, a pass at most "
            f"{LONGEST_S:g} s; cut it, or give seconds where its moments are in milliseconds"
        )
    return requests


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
