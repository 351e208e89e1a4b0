"""The recommended settings as code to paste, and what stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import yaml

from parallel_transcription.report.pages.cells import View
from parallel_transcription.results.read import Results
from parallel_transcription.results.recommended import Alternative, ForLoad, Recommendation
from parallel_transcription.untrusted import clean, hide_homes
from parallel_transcription.words import (
    DISCIPLINES,
    fixed,
    number,
    percent,
    plural,
    seconds,
)

#: Facts of the evidence: its key, the name of the fact, and how it is said.
FACTS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("rtfx", "Throughput", lambda v: f"{number(v)} s of audio per second"),
    ("cores_used", "CPU", lambda v: f"{fixed(v, 2)} cores"),
    ("memory_mb", "Memory", lambda v: f"{number(v)} MB"),
    ("gpu_memory_mb", "On GPUs", lambda v: f"{number(v)} MB"),
    ("slowest_file_s", "Slowest file", lambda v: f"{seconds(v)} s"),
)

TITLES = {"memory_saving": "with less memory", "core_saving": "with fewer cores"}
MOST_OTHERS = 12
NOTHING_KNOWN = Recommendation("")


def recommended_view(results: Results, label: str) -> View:
    """The recommended settings of a machine, as code to paste and what stands behind it."""
    mine = results.recommended.get(label, NOTHING_KNOWN)
    environment, service = mine.environment or {}, mine.melvin_asr
    return {
        "machine": clean(label, 80),
        "snippet": clean(mine.snippet, 400),
        "code": python_call(mine),
        "facts": _facts(mine),
        "environment": " ".join(f"{clean(k, 40)}={clean(v, 40)}" for k, v in environment.items()),
        "status": _status(mine),
        "reason": clean(mine.reason, 200),
        "service": hide_homes(yaml.safe_dump(service, sort_keys=False, allow_unicode=True).strip())
        if service
        else "",
        "services": [
            {
                "name": clean(one.name, 60),
                "settings": clean_lines(one.settings),
                "note": clean(one.note, 300),
            }
            for one in mine.services or []
        ],
        "alternatives": [
            _alternative(name, one) for name, one in (mine.alternatives or {}).items() if one
        ],
        "others": [
            {
                "files": _files(other.files_in_parallel),
                "model": clean(other.model, 60),
                "snippet": clean(other.snippet or other.reason, 300),
                "status": clean(other.status, 40),
            }
            for other in (mine.others or [])[:MOST_OTHERS]
        ],
        "notes": [clean(n, 500) for n in mine.notes],
        "loads": [_for_load(one) for one in mine.loads or []],
    }


def clean_lines(text: str) -> str:
    """Some lines, each made safe to show."""
    return "\n".join(hide_homes(clean(line, 400)) for line in text.splitlines())


def _for_load(one: ForLoad) -> View:
    """The settings for a load, and what they carry."""
    callers = plural(one.callers, "request")
    order = f", {DISCIPLINES[one.discipline]}" if one.discipline in DISCIPLINES else ""
    comes = f"{number(one.rate)} requests per second, {number(one.streams)} s of audio per second"
    end = f"; not at {number(one.not_at)}" if one.not_at else ""
    if one.better_by is None:
        what = f"{comes}, within {clean(one.objectives, 80)}{end}"
    else:
        what = (
            f"{comes}: the lowest p95 that a search found; with a chance of 90 % no setting of the "
            f"grid is better by more than {percent(one.better_by)}"
        )
    return {
        "load": clean(one.load, 80),
        "text": f"{what}. Serve {callers} at once{order}.",
        "snippet": clean(one.snippet, 400),
    }


def python_call(mine: Recommendation) -> str:
    """The call to paste, a line for each argument."""
    if mine.whisper_model is None:
        return ""
    model = clean(mine.whisper_model.model_size_or_path, 300)
    return replace(mine, whisper_model=replace(mine.whisper_model, model_size_or_path=model)).call()


def _files(files: int | None) -> str:
    return "" if files is None else plural(files, "file")


def _facts(mine: Recommendation) -> list[tuple[str, str]]:
    """What the settings did, in a few words."""
    facts = [
        (name, say(value))
        for key, name, say in FACTS
        if mine.evidence and (value := getattr(mine.evidence, key)) is not None
    ]
    if mine.callers is None:
        return facts
    callers = plural(mine.callers, "thread")
    return [("Hand out", f"{_files(mine.files_in_parallel)} at once, from {callers}"), *facts]


def _status(mine: Recommendation) -> str:
    """What the matches say."""
    told = mine.confirmation
    count = told.matches if told else 0
    matches = plural(count, "match", "matches")
    alone = "the only one within the limits" if told and told.against is None else (
        "by far, in rounds alone"
    )  # fmt: skip
    return {
        "confirmed": f"confirmed in {matches}" if count else f"confirmed: {alone}",
        "not confirmed": f"not confirmed: slower than the runner-up in {matches}",
        "not yet": f"not yet decided after {matches}"
        if count
        else "not yet decided against the runner-up"
        if told and told.against
        else "not yet: nothing to compare it with",
        "not compared": "the only settings that were measured",
        "in doubt": "in doubt: noise or foreign load would decide it",
    }.get(mine.status, clean(mine.status, 60))


def _alternative(name: str, one: Alternative) -> View:
    saved, share = (percent(part, decimals=0) for part in (one.saved, one.throughput_share))
    return {
        "title": TITLES[name],
        "text": f"{saved} less, {share} of the throughput",
        "snippet": clean(one.snippet, 300),
    }
