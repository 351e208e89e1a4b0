"""The recommended settings as code to paste, and what stands behind them."""

from __future__ import annotations

from typing import Any

import yaml

from parallel_transcription.formatting import (
    clean,
    fixed,
    number,
    percent,
    plural,
    private,
    seconds,
)
from parallel_transcription.results.read import Results


def recommended_view(results: Results, label: str) -> dict:
    """The recommended settings of a machine, as code to paste and what stands behind it."""
    mine = results.recommended.get(label)
    mine = mine if isinstance(mine, dict) else {}
    evidence = mine.get("evidence") if isinstance(mine.get("evidence"), dict) else {}
    others = mine.get("others") if isinstance(mine.get("others"), list) else []
    environment = mine.get("environment") if isinstance(mine.get("environment"), dict) else {}
    alternatives = mine.get("alternatives") if isinstance(mine.get("alternatives"), dict) else {}
    service = mine.get("melvin_asr")
    return {
        "machine": clean(label, 80),
        "snippet": clean(mine.get("snippet"), 400),
        "code": python_call(mine),
        "facts": _recommended_facts(mine, evidence),
        "environment": " ".join(f"{clean(k, 40)}={clean(v, 40)}" for k, v in environment.items()),
        "status": _confirmation(mine),
        "reason": clean(mine.get("reason"), 200),
        "service": private(yaml.safe_dump(service, sort_keys=False, allow_unicode=True).strip())
        if isinstance(service, dict)
        else "",
        "alternatives": [
            _alternative(name, value)
            for name, value in alternatives.items()
            if isinstance(value, dict)
        ],
        "others": [
            {
                "files": _files(o.get("files_in_parallel")),
                "model": clean(o.get("model"), 60),
                "snippet": clean(o.get("snippet") or o.get("reason"), 300),
                "status": clean(o.get("status"), 40),
            }
            for o in others
            if isinstance(o, dict)
        ][:12],
        "notes": [clean(n, 500) for n in mine.get("notes") or []],
    }


def python_call(mine: dict) -> str:
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


def _depths(text: str):
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


def _files(value: Any) -> str:
    return plural(int(value), "file") if isinstance(value, (int, float)) else ""


def _recommended_facts(mine: dict, evidence: dict) -> list[tuple[str, str]]:
    """What the settings did, in a few words."""
    rows = []
    if isinstance(mine.get("callers"), int):
        rows.append(("Hand out", f"{_files(mine.get('files_in_parallel'))} at once, from "
                                 f"{plural(mine['callers'], 'thread')}"))  # fmt: skip
    if isinstance(evidence.get("rtfx"), (int, float)):
        text = f"{number(evidence['rtfx'])} s of audio per second"
        rows.append(("Throughput", text))
    if isinstance(evidence.get("cores_used"), (int, float)):
        rows.append(("CPU", f"{fixed(evidence['cores_used'], 2)} cores"))
    if isinstance(evidence.get("memory_mb"), (int, float)):
        rows.append(("Memory", f"{number(evidence['memory_mb'])} MB"))
    if isinstance(evidence.get("gpu_memory_mb"), (int, float)):
        rows.append(("On GPUs", f"{number(evidence['gpu_memory_mb'])} MB"))
    if isinstance(evidence.get("slowest_file_s"), (int, float)):
        rows.append(("Slowest file", f"{seconds(evidence['slowest_file_s'])} s"))
    return rows


def _confirmation(mine: dict) -> str:
    """What the fresh rounds say."""
    status = clean(mine.get("status"), 60)
    fresh = mine.get("confirmation")
    rounds = fresh.get("rounds") if isinstance(fresh, dict) else 0
    if status == "confirmed":
        return f"confirmed in {plural(int(rounds or 0), 'fresh round')}"
    if status == "not confirmed":
        return (
            f"not confirmed: slower than the runner-up in {plural(int(rounds or 0), 'fresh round')}"
        )
    if status == "not yet":
        return (
            "not yet measured again in fresh rounds"
            if not rounds
            else (f"not yet decided after {plural(int(rounds), 'fresh round')}")
        )
    return status


def _alternative(name: str, value: dict) -> dict:
    titles = {"memory_saving": "with less memory", "core_saving": "with fewer cores"}
    share, saved = value.get("throughput_share"), value.get("saved")
    text = []
    if isinstance(saved, (int, float)):
        text.append(f"{percent(saved, 0)} less")
    if isinstance(share, (int, float)):
        text.append(f"{percent(share, 0)} of the throughput")
    return {
        "title": titles.get(name, clean(name, 40)),
        "text": ", ".join(text),
        "snippet": clean(value.get("snippet"), 300),
    }
