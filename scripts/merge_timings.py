#!/usr/bin/env python3
"""Merge run records into results/timings.csv, runs.csv (both also as Parquet) and machines.json.

Takes every record under RESULTS/*/runs/. With --study, records of the study's own machines that do
not belong to its grid are left out; those of other machines are all taken.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from parallel_transcription.errors import TableError, run
from parallel_transcription.files import write_json
from parallel_transcription.fingerprint import file_sha256
from parallel_transcription.inputs.audio import read_reference
from parallel_transcription.results.export import write_tables
from parallel_transcription.results.merge import merge_records
from parallel_transcription.results.records import record_files, set_aside
from parallel_transcription.study.settings import DEFAULTS
from parallel_transcription.study.study import expand_grid, settings_from_json
from parallel_transcription.untrusted import hide_homes


def main() -> int:
    """Merge; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--out", type=Path, help="folder for the tables; RESULTS unless given")
    parser.add_argument("--study", help="the study's settings as JSON")
    parser.add_argument("--machines", nargs="*", default=[], help="labels of the study's machines")
    given = parser.parse_args()
    paths = record_files(given.results)
    if given.study:
        settings = settings_from_json(given.study)
        grid = expand_grid(settings, settings["file"])
        merged = merge_records(
            paths,
            settings,
            lambda record: (
                record["machine"] not in given.machines or record["configuration_id"] in grid
            ),
            _references(settings.get("audio_files", [])),
        )
        for machine in given.machines:
            runs = given.results / machine / "runs"
            merged = replace(merged, left_out=set_aside(merged.left_out, runs, grid))
    else:
        settings = _settings_found(given.results)
        merged = merge_records(paths, settings)
    for file, reason in merged.left_out:
        print(f"warning: left out {file}: {reason}", file=sys.stderr)
    if merged.runs.empty:
        raise TableError(f"no run records under {given.results}/*/runs/; run the study first")
    out = given.out or given.results
    out.mkdir(parents=True, exist_ok=True)
    write_tables(merged, out)
    write_json(out / "study.json", _private(settings))
    return 0


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


def _settings_found(results: Path) -> dict:
    """The settings of the last study merged here, or the defaults."""
    known = results / "study.json"
    if known.exists():
        try:
            return {**DEFAULTS, **json.loads(known.read_text(encoding="utf-8"))}
        except (ValueError, TypeError):
            raise TableError(f"{known} is no study's settings; remove it") from None
    return {**DEFAULTS, "name": "collected", "file": "", "grid": []}


if __name__ == "__main__":
    run(main)
