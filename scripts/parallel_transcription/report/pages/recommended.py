"""The recommended settings as code to paste, and what stands behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from parallel_transcription.report.pages.cells import View
from parallel_transcription.results.read import Results
from parallel_transcription.untrusted import clean, hide_homes
from parallel_transcription.words import fixed, is_missing, number, percent, plural, seconds

#: A block of recommended.yaml, or a part of one.
Settings = Mapping[str, Any]

#: Facts of the evidence: its key, the name of the fact, and how it is said.
FACTS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("rtfx", "Throughput", lambda v: f"{number(v)} s of audio per second"),
    ("cores_used", "CPU", lambda v: f"{fixed(v, 2)} cores"),
    ("memory_mb", "Memory", lambda v: f"{number(v)} MB"),
    ("gpu_memory_mb", "On GPUs", lambda v: f"{number(v)} MB"),
    ("slowest_file_s", "Slowest file", lambda v: f"{seconds(v)} s"),
)

MOST_OTHERS = 12


def recommended_view(results: Results, label: str) -> View:
    """The recommended settings of a machine, as code to paste and what stands behind it."""
    mine = results.recommended.get(label, {})
    service = mine.get("melvin_asr")
    environment = mine.get("environment") or {}
    return {
        "machine": clean(label, 80),
        "snippet": clean(mine.get("snippet"), 400),
        "code": python_call(mine),
        "facts": _facts(mine),
        "environment": " ".join(f"{clean(k, 40)}={clean(v, 40)}" for k, v in environment.items()),
        "status": _confirmation(mine),
        "reason": clean(mine.get("reason"), 200),
        "service": hide_homes(yaml.safe_dump(service, sort_keys=False, allow_unicode=True).strip())
        if service
        else "",
        "alternatives": [
            _alternative(name, value) for name, value in (mine.get("alternatives") or {}).items()
            if value
        ],
        "others": [_other(one) for one in (mine.get("others") or [])[:MOST_OTHERS]],
        "notes": [clean(n, 500) for n in mine.get("notes") or []],
    }  # fmt: skip


def python_call(mine: Settings) -> str:
    """The call to paste, a line for each argument."""
    snippet = clean(mine.get("snippet"), 400)
    start = snippet.find("WhisperModel(")
    if start < 0:
        return snippet
    start += len("WhisperModel(")
    end = _closing(snippet, start)
    parts = _split_arguments(snippet[start:end])
    return "\n".join([snippet[:start], *(f"    {p}," for p in parts), snippet[end:]])


def _closing(text: str, start: int) -> int:
    """Where the bracket that is open at ``start`` closes; the end if it does not."""
    for k, _, depth in _depths(text[start:]):
        if depth < 0:
            return start + k
    return len(text)


def _depths(text: str) -> Iterator[tuple[int, str, int]]:
    """Place, letter and depth of brackets after it, outside quotes."""
    depth, quote = 0, ""
    for k, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
            continue
        if letter in "'\"":
            quote = letter
        depth += (letter in "([{") - (letter in ")]}")
        yield k, letter, depth


def _split_arguments(text: str) -> list[str]:
    """Arguments of a call, split at the commas outside brackets and quotes."""
    parts, start = [], 0
    for k, letter, depth in _depths(text):
        if letter == "," and not depth:
            parts.append(text[start:k].strip())
            start = k + 1
    return [p for p in [*parts, text[start:].strip()] if p]


def _facts(mine: Settings) -> list[tuple[str, str]]:
    """What the settings did, in a few words."""
    evidence = mine.get("evidence") or {}
    facts = [
        (name, say(evidence[key])) for key, name, say in FACTS if not is_missing(evidence.get(key))
    ]
    if "callers" not in mine:
        return facts
    files, callers = plural(mine["files_in_parallel"], "file"), plural(mine["callers"], "thread")
    return [("Hand out", f"{files} at once, from {callers}"), *facts]


def _confirmation(mine: Settings) -> str:
    """What the fresh rounds say."""
    status = clean(mine.get("status"), 60)
    count = (mine.get("confirmation") or {}).get("rounds") or 0
    rounds = plural(count, "fresh round")
    if status == "confirmed":
        return f"confirmed in {rounds}"
    if status == "not confirmed":
        return f"not confirmed: slower than the runner-up in {rounds}"
    if status == "not yet":
        return (
            f"not yet decided after {rounds}" if count else "not yet measured again in fresh rounds"
        )
    return status


def _alternative(name: str, value: Settings) -> View:
    titles = {"memory_saving": "with less memory", "core_saving": "with fewer cores"}
    saved, share = (percent(value[key], decimals=0) for key in ("saved", "throughput_share"))
    return {
        "title": titles.get(name, clean(name, 40)),
        "text": f"{saved} less, {share} of the throughput",
        "snippet": clean(value.get("snippet"), 300),
    }


def _other(one: Settings) -> View:
    """The settings for another number of files or another model."""
    return {
        "files": plural(one["files_in_parallel"], "file"),
        "model": clean(one.get("model"), 60),
        "snippet": clean(one.get("snippet") or one.get("reason"), 300),
        "status": clean(one.get("status"), 40),
    }
