"""From run records to tables: a row per transcription, a row per repeat, a description per machine.

The tables' columns are a contract; ``columns.py`` lists them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from parallel_transcription.formatting import anonymous, private
from parallel_transcription.measure.placement import devices_of, total_workers
from parallel_transcription.record import record_schema
from parallel_transcription.results.columns import OPTIONS, RUN_COLUMNS, TIMING_COLUMNS
from parallel_transcription.study.configuration import (
    canonical_json,
    complete,
    identify,
    run_id,
)

LONGEST_CLOCK_JUMP_S = 1.0  # more than this: the machine slept, or its clock was set
LARGEST_RECORD = 100_000_000  # bytes; a record of 1,000 files takes less than 10 MB
DAMAGED = ".damaged"  # added to the name of a damaged record, so that the run is measured again


@dataclass
class Tables:
    """What the records add up to; ``left_out`` names files that are no valid records, and why."""

    runs: pd.DataFrame
    timings: pd.DataFrame
    machines: dict[str, Any]
    left_out: list[tuple[str, str]] = field(default_factory=list)


def record_files(results: Path) -> list[Path]:
    """All files among the records of all machines, but hidden ones and what was set aside and has
    been measured again since."""
    return [
        path
        for path in sorted(results.glob("*/runs/*"))
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
        ``left_out`` with the new names and what will happen.
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
    content = json.loads(text, parse_float=_finite, parse_constant=_finite)
    if "\\ud" in text.lower():
        content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
    return content


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is no finite number")
    return number


def read_records(
    paths: Iterable[Path], left_out: list[tuple[str, str]]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The valid records among the files, with their paths; the others are noted in ``left_out``."""
    import fastjsonschema

    validate = fastjsonschema.compile(record_schema())
    for path in paths:
        try:
            record = validate(_read(path))
            # records from before a dimension was there have its default
            record["configuration"] = complete(record["configuration"])
            _check_names(record, path)
        except OSError as error:
            left_out.append((str(path), f"cannot be read: {error.strerror}"))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            left_out.append((str(path), f"is not JSON: {str(error)[:200]}"))
        except MemoryError:
            left_out.append((str(path), "does not fit into memory"))
        except (fastjsonschema.JsonSchemaValueException, ValueError) as error:
            left_out.append((str(path), f"is not a run record: {str(error)[:200]}"))
        else:
            yield path, record


def _check_names(record: Mapping[str, Any], path: Path) -> None:
    """A record must lie where its content says; else it was copied or edited."""
    expected_id = identify(record["configuration"])
    run = run_id(expected_id, record["round"])
    if record["configuration_id"] != expected_id or record["run"] != run:
        raise ValueError(f"its configuration's id is {expected_id}, it says {record['run']}")
    if path.stem != run:
        raise ValueError(f"its file should be named {run}.json")
    if path.parent.parent.name != record["machine"]:
        raise ValueError(f"it belongs to machine {record['machine']}")


def build_tables(
    paths: Iterable[Path],
    settings: Mapping[str, Any],
    wanted: Callable[[Mapping[str, Any]], bool] = lambda record: True,
    references: Mapping[str, str | None] | None = None,
) -> Tables:
    """Merge run records.

    Args:
        paths: The record files, ``<machine>/runs/<run>.json``.
        settings: The study's; ``disturbed_above`` decides which repeats are marked.
        wanted: Says of a valid record whether it belongs to the study.
        references: Reference transcripts by the audio's SHA-256, where they are newer than the
            records' own.
    """
    left_out: list[tuple[str, str]] = []
    runs, timings = [], []
    machines: dict[str, dict[str, Any]] = {}
    seen: dict[str, dict[str, set | Counter]] = defaultdict(
        lambda: {
            "hosts": set(),
            "gpus": set(),
            "versions": set(),
            "codes": set(),
            "kernels": set(),
            "statuses": Counter(),
        }
    )
    for path, record in read_records(paths, left_out):
        if not wanted(record):
            continue
        try:
            for sound in record["audio"]:
                sound["reference"] = (references or {}).get(sound["sha256"], sound["reference"])
            run_rows, timing_rows = _rows(record, settings["disturbed_above"])
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            left_out.append((str(path), f"is not a run record: {error!r}"[:200]))
            continue
        runs += run_rows
        timings += timing_rows
        label = record["machine"]
        machine = machines.setdefault(label, {**record["host"], "engine": record["engine"]})
        if not machine["engine"]:
            machine["engine"] = record["engine"]
        if len(record["host"].get("gpus") or []) > len(machine.get("gpus") or []):
            machine["gpus"] = record["host"]["gpus"]
        machine["scheduler"] = (record.get("job") or {}).get("scheduler")
        of_label = seen[label]
        of_label["hosts"].add(canonical_json(_hardware(record["host"])))
        of_label["versions"].add(canonical_json(record["host"].get("versions")))
        of_label["gpus"].add(_gpu_models(record["host"]))
        of_label["codes"].add(record["code"])
        if kernel := record["engine"].get("int8_kernel"):
            of_label["kernels"].add(canonical_json(kernel))
        of_label["statuses"][record["status"]] += 1
    for label, of_label in seen.items():
        machines[label] |= {
            "records": sum(of_label["statuses"].values()),
            "statuses": dict(sorted(of_label["statuses"].items())),
            "mixed_hardware": len(of_label["hosts"]) > 1 or _differ(of_label["gpus"]),
            "mixed_versions": len(of_label["versions"]) > 1,
            "mixed_code": len(of_label["codes"]) > 1,
            "int8_kernels": [json.loads(kernel) for kernel in sorted(of_label["kernels"])],
        }
    return Tables(
        runs=_frame(runs, RUN_COLUMNS),
        timings=_frame(timings, TIMING_COLUMNS),
        machines=dict(sorted(machines.items())),
        left_out=sorted(left_out),
    )


def _hardware(host: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("cpu_model", "physical_cores", "logical_cpus", "virtualised")
    return {key: host.get(key) for key in keys}


def _gpu_models(host: Mapping[str, Any]) -> frozenset[tuple]:
    return frozenset((gpu["name"], gpu["memory_mb"]) for gpu in host.get("gpus") or [])


def _differ(seen: set[frozenset]) -> bool:
    """Whether runs saw GPUs of different models. On a cluster a run may see only its own, or none:
    seeing fewer is no difference."""
    return frozenset().union(*seen) not in seen


def _frame(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
    keys = [key for key in ("machine", "run", "repeat", "counter") if key in columns]
    return frame.sort_values(keys, kind="stable", ignore_index=True)


def _rows(record: Mapping[str, Any], disturbed_above: float) -> tuple[list[dict], list[dict]]:
    configuration = record["configuration"]
    common = {k: v for k, v in configuration.items() if k in RUN_COLUMNS}
    common |= {
        "model": private(configuration["model"]),
        "run": record["run"],
        "machine": record["machine"],
        "round": record["round"],
        "configuration": record["configuration_id"],
    }
    audio_total_s = sum(sound["seconds"] for sound in record["audio"])
    of_run = common | {
        "study": record["study"],
        "total_workers": total_workers(configuration),
        "audio_total_s": audio_total_s,
        "timeout_s": record["protocol"]["timeout_s"],
        "packed": record["packed"],
        "model_kind": record["model"].get("kind"),
        "model_sha256": record["model"].get("sha256"),
        "workload": _workload(record),
        "logical_cpus": record["host"].get("logical_cpus"),
        "affinity_cpus": len(record["affinity"])
        if record["affinity"]
        else record["host"].get("affinity_cpus"),
        "code": record["code"],
        "gpus": len(devices_of(configuration)) if configuration["device"] == "cuda" else 0,
    }
    runs, timings = [], []
    host = record["node"]
    for start in record["starts"]:
        of_start = of_run | _load_columns(start)
        if configuration["files_in_parallel"] == 0:
            runs.append(of_start | {"repeat": start["start"], **_status(start, host)})
            continue
        counted = [one for one in start["passes"] if one["repeat"] >= 1]
        warm = [one["makespan_s"] for one in start["passes"] if one["repeat"] < 1]
        of_start["warmup_s"] = warm[-1] if warm else None
        for one in counted:
            row = of_start | _repeat_columns(one, audio_total_s, disturbed_above, host)
            if row["gpus"] and row["cores_used"] is not None:
                row["cores_per_gpu"] = row["cores_used"] / row["gpus"]
            runs.append(row | _gpu_columns(start.get("gpus"), one.get("gpus")))
            timings += [
                common | _timing_columns(task, one, record) for task in one["transcriptions"]
            ]
        if start["status"] != "ok" and all(one["status"] == "ok" for one in counted):
            stopped_in = start["stopped_in_repeat"]
            repeat = max(1, stopped_in if stopped_in is not None else len(counted) + 1)
            runs.append(of_start | {"repeat": repeat, **_status(start, host)})
    return runs, timings


def _status(part: Mapping[str, Any], host: str) -> dict[str, Any]:
    return {
        "status": part["status"],
        "error": part["error"] and anonymous(part["error"], host),
        "started_at": _iso(part["started_at"]),
    }


def _load_columns(start: Mapping[str, Any]) -> dict[str, Any]:
    before, after, loads = start["memory_before"], start["memory_after"], start["loads"]
    measured = before and after and before["uss"] is not None and after["uss"] is not None
    return {
        "load_s": max((load["finished_s"] for load in loads), default=None),
        "model_mb": (after["uss"] - before["uss"]) / 1e6 if measured else None,
        "engine_compute_type": next((x["compute_type"] for x in loads if x["compute_type"]), None),
        "gpu_model_mb": _gpu_memory_mb(start.get("gpus"), start.get("gpus")),
    }


def _gpu_memory_mb(
    loaded: list[dict[str, Any]] | None, now: list[dict[str, Any]] | None
) -> float | None:
    """Memory of a run on its GPUs; None where one of them does not tell."""
    if not loaded or not now:
        return None
    parts = [
        gpu["own_bytes"]
        if gpu["own_bytes"] is not None
        else _minus(gpu["used_bytes"], was["used_before_bytes"])
        for was, gpu in zip(loaded, now, strict=True)
    ]
    return None if None in parts else sum(parts) / 1e6


def _gpu_columns(
    loaded: list[dict[str, Any]] | None, gpus: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """The GPU meters of one repeat, over all GPUs of the run; None where one does not tell."""
    if not gpus:
        return {}

    def each(name: str) -> list[float]:
        values = [gpu[name] for gpu in gpus]
        return [] if None in values else values

    busy, energy, power, clock = map(each, ("utilisation", "energy_j", "power_w", "sm_mhz"))
    slowed = [v for gpu in gpus for v in gpu["throttled"].values() if v is not None]
    return {
        "gpu_util": sum(busy) / len(busy) if busy else None,
        "gpu_mem_mb": _gpu_memory_mb(loaded, gpus),
        "energy_j": sum(energy) if energy else None,
        "power_w": sum(power) if power else None,
        "energy_from": max(each("energy_from"), default=None),  # "samples" if one has no counter
        "gpu_balance": min(busy) / max(busy) if len(busy) > 1 and max(busy) else None,
        "gpu_throttled": max(slowed, default=None),
        "gpu_sm_mhz": sum(clock) / len(clock) if clock else None,
        "gpu_samples_cover": min(gpu["samples_cover"] for gpu in gpus),
    }


def _minus(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _repeat_columns(
    one: Mapping[str, Any], audio_total_s: float, disturbed_above: float, host: str
) -> dict[str, Any]:
    """The columns of one repeat.

    RTFx is seconds of audio per second of makespan, as the Open ASR Leaderboard defines it; cores
    used is CPU seconds per second of makespan.
    """
    good = one["status"] == "ok"
    makespan, memory = one["makespan_s"], one["memory"]
    foreign = one["foreign_cpu_share"]
    return {
        "repeat": one["repeat"],
        "makespan_s": makespan if good else None,
        "rtfx": audio_total_s / makespan if good else None,
        "cpu_s": one["cpu_s"],
        "cores_used": one["cpu_s"] / makespan if good and one["cpu_s"] is not None else None,
        "rss_peak_mb": _mb(one["rss_peak_bytes"]),
        "pss_mb": _mb(memory["pss"]),
        "uss_mb": _mb(memory["uss"]),
        "cpu_outside_engine_s": one["cpu_callers_s"],
        "context_switches_voluntary": one["context_switches_voluntary"],
        "context_switches_involuntary": one["context_switches_involuntary"],
        "foreign_cpu_share": foreign,
        "steal_share": one["steal_share"],
        "disturbed": (foreign or 0) > disturbed_above
        or (one["steal_share"] or 0) > disturbed_above
        or abs(one["clock_jump_s"] or 0) > LONGEST_CLOCK_JUMP_S,
        "walk_lost": bool(one.get("walk_lost")),
        **_status(one, host),
    }


def _timing_columns(
    task: Mapping[str, Any], one: Mapping[str, Any], record: Mapping[str, Any]
) -> dict[str, Any]:
    sound = record["audio"][task["counter"] - 1]
    text, finished = task["text"], task["finished_s"]
    judged = text is not None and sound["reference"] and record["model"].get("kind") != "dummy"
    return {
        "repeat": one["repeat"],
        "counter": task["counter"],
        "file": sound["file"],
        "audio_seconds": sound["seconds"],
        "submitted_s": task["submitted_s"],
        "started_s": task["started_s"],
        "finished_s": finished,
        "seconds": None if finished is None else finished - task["submitted_s"],
        "text_sha256": None if text is None else hashlib.sha256(text.encode()).hexdigest(),
        "status": task["status"],
        "instance": task["instance"],
        "caller": task["caller"],
        "cpu_s": task["cpu_s"],
        "audio_sha256": sound["sha256"],
        "wer": word_error_rate(sound["reference"], text) if judged else None,
        "text": text,
        "reference": sound["reference"],
    }


@lru_cache(maxsize=100_000)
def word_error_rate(reference: str, text: str) -> float:
    """WER: (substitutions + deletions + insertions) / words of the reference, by jiwer.

    Case, punctuation and repeated white space do not count.
    """
    import jiwer

    plain = jiwer.Compose(
        [
            jiwer.ToLowerCase(),
            jiwer.RemovePunctuation(),
            jiwer.RemoveWhiteSpace(replace_by_space=True),  # line breaks separate words as well
            jiwer.RemoveMultipleSpaces(),
            jiwer.Strip(),
            jiwer.ReduceToListOfListOfWords(),
        ]
    )
    return jiwer.wer(reference, text, reference_transform=plain, hypothesis_transform=plain)


def _workload(record: Mapping[str, Any]) -> str:
    """What was done, apart from how: files, options, model. Only equal workloads compare."""
    configuration = record["configuration"]
    what = [
        [sound["sha256"] for sound in record["audio"]],
        {name: configuration[name] for name in OPTIONS},
        record["model"].get("sha256"),
    ]
    return hashlib.sha256(canonical_json(what).encode()).hexdigest()[:12]


def _mb(number: float | None) -> float | None:
    return None if number is None else number / 1e6


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def write_tables(tables: Tables, results: Path) -> None:
    """Write the CSVs and Parquet files, ``machines.json`` and, where needed, ``left_out.csv``."""
    from parallel_transcription.record import write_json

    for name in ("timings", "runs"):
        frame = getattr(tables, name)
        _whole(results / f"{name}.csv", lambda path, f=frame: _safe(f).to_csv(path, index=False))
        _whole(
            results / f"{name}.parquet",
            lambda path, f=frame: _typed(f).to_parquet(path, index=False),
        )
    write_json(results / "machines.json", tables.machines)
    named = [(private(file), anonymous(reason)) for file, reason in tables.left_out]
    left_out = pd.DataFrame(named, columns=["file", "reason"])
    _whole(results / "left_out.csv", lambda path: _safe(left_out).to_csv(path, index=False))


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


#: How a cell begins that a spreadsheet runs (OWASP, CSV injection), full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""

    def tame(cell: Any) -> Any:
        return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell

    texts = [c for c in frame.columns if not pd.api.types.is_numeric_dtype(frame[c])]
    return frame.assign(**{c: frame[c].map(tame) for c in texts})


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that are empty throughout have no type of their own; Parquet wants one."""
    empty = [c for c in frame.columns if frame[c].isna().all()]
    return frame.astype(dict.fromkeys(empty, "float64"))
