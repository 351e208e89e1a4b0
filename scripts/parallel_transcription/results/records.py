"""Run records as they are found: which files are records, what is valid, what is set aside."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from parallel_transcription.record import check_match, match_schema, record_schema
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.runs import MOST_ROUNDS, match_of, run_id

LARGEST_RECORD = 100_000_000  # bytes; a record of 1,000 files takes less than 10 MB
LONGEST_INTEGER = 18  # digits and sign; all such fit into 64 bits
DAMAGED = ".damaged"  # added to the name of a damaged record, so that the run is measured again


def record_files(results: Path, folder: str = "runs") -> list[Path]:
    """All files among the records of all machines, in the order of their names.

    Not hidden ones, nor damaged ones that were set aside and have been measured again since.

    Args:
        results: The folder of results.
        folder: `runs`, or `matches` for the records of matches.
    """
    return [
        path
        for path in sorted(results.glob(f"*/{folder}/*"))
        if not path.name.startswith(".")
        and not (DAMAGED in path.name and path.with_name(path.name.split(DAMAGED)[0]).exists())
    ]


def set_aside(
    left_out: Iterable[tuple[str, str]], runs: Path, configurations: Collection[str]
) -> list[tuple[str, str]]:
    """Rename damaged records of a study, so that the workflow misses them and measures again.

    Files that are no record of the study's own are left where they are.

    Args:
        left_out: Files that are no valid records, and why.
        runs: The folder of the study's records.
        configurations: The ids of the study's configurations.

    Returns:
        `left_out` with the new names and what will happen.
    """
    told = []
    for file, reason in left_out:
        path = Path(file)
        own = re.fullmatch(r"(.+)-r\d{2,3}\.json", path.name)
        if path.parent == runs and own and own[1] in configurations:
            path = _renamed(path)
            reason += "; set aside, the next run measures it again"
        told.append((str(path), reason))
    return told


def _renamed(path: Path) -> Path:
    names = (f"{path.name}{DAMAGED}{number or ''}" for number in range(1000))
    new = next(path.with_name(name) for name in names if not os.path.lexists(path.with_name(name)))
    return path.rename(new)


def _read(path: Path) -> Any:
    """The JSON in a regular file of sensible size; numbers must be finite.

    Half a surrogate pair (of a file name that is not UTF-8) becomes "?": no table can hold it.
    """
    if not path.is_file():
        raise ValueError("it is no file" if path.exists() else "the link leads nowhere")
    size = path.stat().st_size
    if size > LARGEST_RECORD:
        raise ValueError(f"it has {size / 1e6:.0f} MB, more than {LARGEST_RECORD / 1e6:.0f}")
    if path.suffix != ".json":
        raise ValueError("its name does not end in .json")
    text = path.read_text(encoding="utf-8")
    content = json.loads(text, parse_float=_finite, parse_constant=_finite, parse_int=_short)
    if "\\ud" in text.lower():
        content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
    return content


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is no finite number")
    return number


def _short(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"{text[:40]}… is too long a number")
    return int(text)


def read_records(
    paths: Iterable[Path], left_out: list[tuple[str, str]]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The valid records among the files, with their paths; the others are noted in `left_out`."""
    return _valid(paths, record_schema, _checked_run, "a run record", left_out)


def read_matches(
    paths: Iterable[Path], left_out: list[tuple[str, str]]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The valid records of matches among the files, as `read_records`."""
    return _valid(paths, match_schema, _checked_match, "a match record", left_out)


def _valid(
    paths: Iterable[Path],
    schema: Callable[[], dict[str, Any]],
    check: Callable[[dict[str, Any], Path], None],
    kind: str,
    left_out: list[tuple[str, str]],
) -> Iterator[tuple[Path, dict[str, Any]]]:
    import fastjsonschema

    for path in paths:
        try:
            record = _validator(schema)(_read(path))
            check(record, path)
        except OSError as error:
            left_out.append((str(path), f"cannot be read: {error.strerror}"))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            left_out.append((str(path), f"is not JSON: {str(error)[:200]}"))
        except MemoryError:
            left_out.append((str(path), "does not fit into memory"))
        except (fastjsonschema.JsonSchemaValueException, ValueError) as error:
            left_out.append((str(path), f"is not {kind}: {str(error)[:200]}"))
        else:
            yield path, record


@cache  # compiling a schema takes as long as reading a hundred records
def _validator(schema: Callable[[], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    import fastjsonschema

    validate: Callable[[Any], dict[str, Any]] = fastjsonschema.compile(schema())
    return validate


def _checked_run(record: dict[str, Any], path: Path) -> None:
    # records from before a dimension was there have its default
    configuration = complete(record["configuration"])
    record["configuration"] = configuration.as_json()
    _check_names(record, identify(configuration), path)
    _check_passes(record)
    if record["round"] > MOST_ROUNDS:
        raise ValueError("an earlier version confirmed settings with it; matches do that now")


def _checked_match(record: dict[str, Any], path: Path) -> None:
    for side in record["sides"]:
        configuration = complete(side["configuration"])
        side["configuration"] = configuration.as_json()
        if side["configuration_id"] != identify(configuration):
            raise ValueError(f"a side's id is {identify(configuration)}, it says another")
    check_match(record)
    if match_of(record["match"])[1] != record["number"]:
        raise ValueError(f"its number is {record['number']}, it says {record['match']}")
    _check_place(record, record["match"], path)


def _check_passes(record: Mapping[str, Any]) -> None:
    """What the schema cannot say: a pass that went well has a time, and its files have theirs."""
    for start in record["starts"]:
        for one in start["passes"]:
            if one["status"] == "ok" and one["makespan_s"] is None:
                raise ValueError(f"pass {one['repeat']} is ok and has no makespan")


def _check_names(record: Mapping[str, Any], expected_id: str, path: Path) -> None:
    """A record must lie where its content says; else it was copied or edited."""
    run = run_id(expected_id, record["round"])
    if record["configuration_id"] != expected_id or record["run"] != run:
        raise ValueError(f"its configuration's id is {expected_id}, it says {record['run']}")
    _check_place(record, run, path)


def _check_place(record: Mapping[str, Any], name: str, path: Path) -> None:
    if path.stem != name:
        raise ValueError(f"its file should be named {name}.json")
    if path.parent.parent.name != record["machine"]:
        raise ValueError(f"it belongs to machine {record['machine']}")
