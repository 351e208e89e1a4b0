#!/usr/bin/env python3
"""Merge the records of runs and matches, RESULTS/*/{runs,heats,matches}/*.json.

Out come the tables of timings, runs, matches and machines.

With --study, records of the study's own machines that do not belong to its grid are left out; of
other machines those of one study are taken.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from parallel_transcription.errors import TableError, run
from parallel_transcription.files import write_json
from parallel_transcription.fingerprint import file_sha256
from parallel_transcription.inputs.audio import read_reference
from parallel_transcription.results.export import write_tables
from parallel_transcription.results.heats import FOLDER as HEATS
from parallel_transcription.results.merge import Merged, merge_matches, merge_records
from parallel_transcription.results.records import record_files, set_aside
from parallel_transcription.results.studies import of_one_study
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.settings import DEFAULTS, SETTINGS
from parallel_transcription.study.study import check_values, expand_grid, settings_from_json
from parallel_transcription.untrusted import hide_homes
from parallel_transcription.words import plural


def merge_timings(
    results: Path, out: Path, study: str | None = None, machines: Sequence[str] = ()
) -> None:
    """Merge all records of a folder.

    Args:
        results: The folder with the records.
        out: The folder for the tables and for study.json, made where it is missing.
        study: The study's settings, JSON from `Plan.settings_json`; else those of the last study
            that was merged in `results`, or the defaults.
        machines: The study's machines.

    Raises:
        TableError: if there is no record.
    """
    settings = settings_from_json(study) if study else _settings_found(results)
    merged = (
        _merge_study(results, settings, machines)
        if study
        else _of_one_study(
            _with_matches(_all_records(results, settings), results, settings), results, settings
        )
    )
    for file, reason in merged.left_out:
        print(f"warning: left out {file}: {reason}", file=sys.stderr)
    if merged.runs.empty:
        raise TableError(f"no run records under {results}/*/runs/; run the study first")
    out.mkdir(parents=True, exist_ok=True)
    write_tables(merged, out)
    write_json(out / "study.json", _private(settings))


def _merge_study(results: Path, settings: dict[str, Any], machines: Sequence[str]) -> Merged:
    grid = expand_grid(settings, settings["file"])
    others: Counter[tuple[str, str]] = Counter()

    def wanted(record: Mapping[str, Any]) -> bool:
        own = record["machine"] not in machines or record["configuration_id"] in grid
        if not own:
            others[record["machine"], record["study"]] += 1
        return own

    def wanted_match(record: Mapping[str, Any]) -> bool:
        ids = [side["configuration_id"] for side in record["sides"]]
        return record["machine"] not in machines or all(one in grid for one in ids)

    references = _references(settings.get("audio_files", []))
    merged = _all_records(results, settings, wanted, references)
    merged = _with_matches(merged, results, settings, wanted_match)
    outside = [
        (
            str(results / machine / "runs" / "*.json"),
            f"{plural(count, 'record')} of study {name!r} that this study's grid has not",
        )
        for (machine, name), count in sorted(others.items())
    ]
    merged = replace(merged, left_out=sorted([*merged.left_out, *outside]))
    merged = _of_one_study(merged, results, settings, machines)
    for machine in machines:
        left_out = set_aside(merged.left_out, results / machine / "runs", grid)
        merged = replace(merged, left_out=left_out)
    return merged


def _of_one_study(
    merged: Merged, results: Path, settings: Mapping[str, Any], machines: Sequence[str] = ()
) -> Merged:
    """The tables of one study, and what its records alone tell of the machines."""
    own = of_one_study(merged, settings.get("name", ""), machines)
    if len(own.runs) == len(merged.runs):
        return own
    kept = set(zip(own.runs["machine"], own.runs["run"], strict=True))
    told = _all_records(
        results, settings, lambda record: (record["machine"], record["run"]) in kept
    )
    return replace(own, machines=told.machines)


def _all_records(results: Path, settings: Mapping[str, Any], *more: Any) -> Merged:
    """The records of all machines' runs and heats."""
    heats = record_files(results, HEATS)
    return merge_records(record_files(results), settings, *more, heats=heats)


def _with_matches(
    merged: Merged,
    results: Path,
    settings: Mapping[str, Any],
    wanted: Callable[[Mapping[str, Any]], bool] = lambda record: True,
) -> Merged:
    """The tables with that of matches."""
    files = record_files(results, "matches")
    matches, left_out = merge_matches(files, settings, wanted)
    return replace(merged, matches=matches, left_out=sorted([*merged.left_out, *left_out]))


def _references(files: list[str]) -> dict[str, str | None]:
    """Reference transcripts as they are now, by the audio's SHA-256."""
    return {file_sha256(file): read_reference(file) for file in map(Path, files) if file.is_file()}


def _private(value: Any) -> Any:
    """Settings without the names of home folders: reports are made from them."""
    if isinstance(value, dict):
        return {key: _private(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_private(inner) for inner in value]
    return hide_homes(value) if isinstance(value, str) else value


def _given(value: Any) -> Any:
    """Settings without those that are none (null), as a study leaves them out."""
    if not isinstance(value, dict):
        return value
    return {key: _given(inner) for key, inner in value.items() if inner is not None}


def _settings_found(results: Path) -> dict[str, Any]:
    """The settings of the last study merged here, or the defaults."""
    known = results / "study.json"
    if known.exists():
        try:
            told = json.loads(known.read_text(encoding="utf-8"))
            found = {**DEFAULTS, **{key: one for key, one in told.items() if one is not None}}
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise TableError(f"{known} is no study's settings; remove it") from None
        given = _given({name: found[name] for name in {key.name for key in SETTINGS} & told.keys()})
        try:
            check_values(given, str(known))
        except StudyError as error:
            raise TableError(f"{error}\nremove {known}, or put it right") from None
        return found
    return {**DEFAULTS, "name": "collected", "file": "", "grid": []}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="folder with the run records")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tables to write")
    parser.add_argument("--study", help="the study's settings as JSON")
    parser.add_argument("--machines", nargs="*", default=[], help="labels of the study's machines")
    args = parser.parse_args()
    merge_timings(args.results, args.out, args.study, args.machines)


if __name__ == "__main__":
    run(main)
