"""One match: its sides measured in turns, and written down as a match record.

The record is written after the warm-ups and after every block, each time whole. Until the match is
over it says `killed`: so a kill loses no more than a block, and what is there tells the truth. Its
whole blocks count, whatever became of the match: a number is never measured twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parallel_transcription.errors import InputError
from parallel_transcription.files import write_json
from parallel_transcription.jobs import packing, room
from parallel_transcription.jobs.load import ToldLoad, as_recorded, capacity_in
from parallel_transcription.jobs.service import as_kept
from parallel_transcription.jobs.transcribe import (
    Run,
    describe_surroundings,
    name_kernel,
    specified,
    task_of,
)
from parallel_transcription.measure.arrivals import Load
from parallel_transcription.measure.match import supervise_match
from parallel_transcription.measure.messages import MatchProtocol
from parallel_transcription.record import SCHEMA_VERSION
from parallel_transcription.study.configuration import canonical_json, identify
from parallel_transcription.study.runs import FIRST_DRAWN, match_id, match_key, match_of

FOLDER = "matches"


class MatchError(InputError):
    """Sides that cannot be one match; the message says why."""


def sides_of(
    specifications: Mapping[str, Path | None],
    study: str,
    manifests: Iterable[Path | str],
    planned: str = "null",
) -> list[Run]:
    """The sides of a match from what a plan specifies of a run of each of them.

    Args:
        specifications: JSON from `Plan.specification`; rounds and repeats do not matter. With the
            record that tells what a rate in percent is a share of.
        study: The study's name.
        manifests: Those of all sides.
        planned: JSON from `Plan.planned`.
    """
    known = list(manifests)
    return [
        specified(one, study, known, planned, capacity) for one, capacity in specifications.items()
    ]


def key_of(sides: Sequence[Run]) -> str:
    """The key of the sides' matches, which their ids begin with."""
    ids = [identify(side.configuration) for side in sides]
    workload = [sides[0].model.get("sha256"), *(sound["sha256"] for sound in sides[0].audio)]
    return match_key(ids, workload)


def record_file(results: Path, machine: str, key: str, number: int) -> Path:
    """Where a match's record goes."""
    return results / machine / FOLDER / f"{match_id(key, number)}.json"


def next_number(results: Path, machine: str, key: str) -> int:
    """The number of the sides' next match: above all that are there, damaged ones as well."""
    numbers = [0]
    for path in (results / machine / FOLDER).glob(f"{key}-m*.json*"):
        name = path.name.split(".json")[0]
        if name.rpartition("-m")[2].isdecimal():
            numbers.append(match_of(name)[1])
    return max(numbers) + 1


def fingerprint(sides: Sequence[Run]) -> str:
    """What a record keeps of what its match was told, but for its length and its order."""
    told = [
        [
            side.configuration.as_json(),
            side.model.get("sha256"),
            [sound["sha256"] for sound in side.audio],
            [side.protocol.warmups, side.protocol.timeout_s, side.protocol.load_timeout_s],
            side.code,
            side.packing,
            *([side.load.strata, side.load.trace, _capacity(side.load)] if side.load else []),
            *([side.service] if side.service else []),
        ]
        for side in _in_order(sides)
    ]
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()


def _capacity(load: ToldLoad) -> float | None:
    """What rates in percent are a share of: measured anew, it makes other requests of them."""
    return capacity_in(load.capacity) if load.capacity else None


def is_like(record: Mapping[str, Any], side: Run) -> bool:
    """Whether a match was measured with a side's code, model, files and protocol."""
    files = [sound["sha256"] for sound in record["audio"]]
    protocol = (record["protocol"]["warmups"], record["protocol"]["load_timeout_s"])
    return bool(
        record["code"] == side.code
        and record["model"].get("sha256") == side.model.get("sha256")
        and files == [sound["sha256"] for sound in side.audio]
        and protocol == (side.protocol.warmups, side.protocol.load_timeout_s)
    )


def is_measured_match(record: Path, sides: Sequence[Run]) -> bool:
    """Whether a record is there of a match of these sides, with this code, also one cut off."""
    known = _read(record)
    return known is not None and known.get("specification") == fingerprint(sides)


def measure_match(
    sides: Sequence[Run],
    number: int,
    blocks: int,
    seed: int,
    record: Path | None,
    log: Path | None = None,
    on_block: Callable[[dict[str, Any]], bool | None] | None = None,
    together: bool = True,
    least: int = 2,
) -> dict[str, Any]:
    """Measure a match, and write its record; returns the record.

    A record that is there already (`is_measured_match`) is returned as it is.

    Args:
        sides: They differ in their configurations alone.
        number: That of the match among those of the same sides, from 1 (`next_number`).
        blocks: Passes of each side.
        seed: Of the order of turns, and of the requests under a load.
        record: Where the record goes (`record_file`); nowhere unless given.
        log: Takes the processes' own output.
        on_block: Called with the record after the warm-ups and after each block, when it has been
            written; the match ends where it returns False.
        together: Whether all sides are loaded at once, if they fit; else one after another.
        least: How many sides it must have.

    Raises:
        MatchError: for sides that cannot be one match.
        WalkLost: where dummy weights do not say here what they should.
    """
    sides = _in_order(sides)
    _check(sides, least)
    if record and is_measured_match(record, sides):
        return _read(record) or {}
    if log:
        log.unlink(missing_ok=True)
    first = sides[0]
    protocol = MatchProtocol(
        passes=blocks,
        warmups=first.protocol.warmups,
        timeout_s=max(side.protocol.timeout_s for side in sides),
        load_timeout_s=first.protocol.load_timeout_s,
    )
    with packing.slot(first.packing) as slot:
        surroundings = describe_surroundings(slot, log)
        told = [_told(side, protocol.timeout_s, seed) for side in sides]
        tasks = [task_of(side, slot, surroundings["host"]) for side in told]
        about = _about(sides, number, seed, protocol) | surroundings
        _check_loads(sides, [task.load for task in tasks])
        if tasks[0].load:
            about["load"] = as_recorded(tasks[0].load, first.load)

        def note(outcome: dict[str, Any]) -> bool:
            content = _write(record, sides, about, outcome)
            return on_block is None or on_block(content) is not False

        outcome = supervise_match(tasks, protocol, seed, log, note, together, room.lacking)
    return _write(record, sides, about, outcome)


def _in_order(sides: Sequence[Run]) -> list[Run]:
    return sorted(sides, key=lambda side: identify(side.configuration))


def _check(sides: Sequence[Run], least: int) -> None:
    """Raise MatchError unless the sides differ in their configurations alone."""
    ids = [identify(side.configuration) for side in sides]
    if len(set(ids)) < max(least, len(ids)):
        raise MatchError(f"a match has {least} or more different sides, not {', '.join(ids)}")
    first = sides[0]
    for side in sides[1:]:
        for name in ("study", "machine", "model", "audio", "code", "packing"):
            if getattr(side, name) != getattr(first, name):
                raise MatchError(f"{ids[0]} and the other sides of its match differ in {name}")


def _told(side: Run, timeout_s: float, seed: int) -> Run:
    """A side as it is measured: with the patience and, under a load, the requests of the match."""
    protocol = replace(side.protocol, timeout_s=timeout_s)
    return replace(side, round=FIRST_DRAWN + seed, protocol=protocol)


def _check_loads(sides: Sequence[Run], loads: Sequence[Load | None]) -> None:
    """Raise MatchError unless all get the same requests, in whatever order they serve them."""
    for side, load in zip(sides, loads, strict=True):
        if _requests(load) != _requests(loads[0]):
            ids = (identify(one.configuration) for one in (sides[0], side))
            raise MatchError(f"{' and '.join(ids)} do not get the same requests")


def _requests(load: Load | None) -> Load | None:
    return load and replace(load, discipline="")


def _about(sides: Sequence[Run], number: int, seed: int, protocol: MatchProtocol) -> dict[str, Any]:
    """What is known of a match before it begins, as its record has it."""
    first = sides[0]
    return {
        "schema": SCHEMA_VERSION,
        "match": match_id(key_of(sides), number),
        "number": number,
        "study": first.study,
        "machine": first.machine,
        "seed": seed,
        "protocol": dict(vars(protocol)),
        "code": first.code,
        "specification": fingerprint(sides),
        "model": first.model,
        "audio": list(first.audio),
        "planned": first.planned,
    }


def _write(
    record: Path | None, sides: Sequence[Run], about: dict[str, Any], outcome: dict[str, Any]
) -> dict[str, Any]:
    """The record of a match, written where one is asked for."""
    told = []
    for side, measured in zip(sides, outcome["sides"], strict=True):
        name_kernel(measured)
        configuration = side.configuration
        told.append(
            {"configuration_id": identify(configuration), "configuration": configuration.as_json()}
            | measured
            | ({"service": as_kept(side.service)} if side.service else {})
        )
    content = about | outcome | {"sides": told}
    if record:
        write_json(record, content)
    return content


def _read(record: Path) -> dict[str, Any] | None:
    """The content of a record; None where there is none, or it cannot be read."""
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
