"""Values of the grid that follow the machine: `cpus`, `cpus/2`, `2*cpus`.

They become plain numbers before the grid is expanded, so that ids, records and reports know nothing
of them, and a study that is measured again on the same machine reruns nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from parallel_transcription import cpus
from parallel_transcription.study.dimensions import BY_NAME
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.keys import FOLLOWING, FOLLOWS_CPUS
from parallel_transcription.study.settings import Packing, Resources, Settings


def value_of(text: str, count: float) -> int:
    """The number that a value such as `cpus/2` is on so many CPUs: rounded down, at least 1."""
    found = re.fullmatch(FOLLOWS_CPUS, text)
    if found is None:
        raise ValueError(text)
    times, part = (int(number or 1) for number in found.groups())  # one of both at most
    return max(1, math.floor(count * times / part))


def resolved(settings: Settings, machines: Mapping[str, Resources | None], file: str) -> Settings:
    """The settings with plain numbers in the place of values that follow the machine.

    Args:
        settings: As the study says.
        machines: The labels to measure, with what their runs ask the scheduler for.
        file: The study's file, for messages.

    Raises:
        StudyError: where a machine's CPUs are not known, where machines have unlike numbers (they
            share one grid), and for a number that the dimension does not allow.
    """
    if not (first := _first(settings)):
        return settings
    counts = {
        label: _cpus_of(label, asked, settings.get("packing"), f"{file}: {first}")
        for label, asked in machines.items()
    }
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{label} has {count:g}" for label, count in counts.items())
        raise StudyError(
            f"{file}: {first} follows the machine's CPUs, and the machines have unlike many "
            f"({told}) and one grid; write numbers, or measure one at a time with machine: <label>"
        )
    count = next(iter(counts.values()))
    parts = {
        key: _each(settings[key], lambda name, text, at: _checked(name, text, at, count, file), key)
        for key in ("defaults", "grid", "only")
        if key in settings
    }
    return cast(Settings, {**settings, **parts})


def _cpus_of(label: str, asked: Resources | None, packing: Packing | None, where: str) -> float:
    """CPUs that a run has on a machine."""
    if asked is None:
        if packing is None:
            return cpus.usable()
        slots = cpus.slots(packing["cores"])
        return float(len(slots[0])) if slots else cpus.usable()
    if "cores" not in asked:
        raise StudyError(
            f"{where} follows the machine's CPUs, and those of {label} are not known before its "
            f"runs; give machines.{label}.cores, or write numbers"
        )
    return float(asked["cores"])


def _checked(name: str, text: str, where: str, count: float, file: str) -> int:
    number = value_of(text, count)
    most = BY_NAME[name].schema["maximum"]
    if number > most:
        raise StudyError(
            f"{file}: {where}: {text} is {number} on {count:g} CPUs; the bound is {most}"
        )
    return number


def _first(settings: Settings) -> str:
    """The first value that follows the machine, with its key; empty without one."""
    found: list[str] = []

    def note(name: str, text: str, where: str) -> int:
        found.append(f"{where}: {text}")
        return 1

    for key in ("defaults", "grid", "only"):
        _each(settings.get(key), note, key)
    return found[0] if found else ""


def _each(part: Any, change: Callable[[str, str, str], int], where: str) -> Any:
    """A part of a study with each value that follows the machine changed, and then no value twice.

    Args:
        part: Defaults, a list of blocks, or what `only` may be.
        change: Gets the dimension, the value and its key.
        where: The key of the part.
    """
    if isinstance(part, list):
        return [_each(one, change, f"{where}[{number}]") for number, one in enumerate(part)]
    if not isinstance(part, Mapping):
        return part
    changed = dict(part)
    for name in FOLLOWING:
        value, key = part.get(name), f"{where}.{name}"
        if isinstance(value, str):
            changed[name] = change(name, value, key)
        elif isinstance(value, list) and any(isinstance(one, str) for one in value):
            numbers = (change(name, v, key) if isinstance(v, str) else v for v in value)
            changed[name] = list(dict.fromkeys(numbers))
    return changed
