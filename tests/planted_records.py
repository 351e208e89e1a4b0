"""Run records of a synthetic study of known truth: what `make reports` is given in tests.

`write_records(tables, folder)` takes what `synthetic_study.make_tables` returns and writes
`<machine>/runs/<run>.json`, `<machine>/matches/<match>.json` and `study.json`. Nothing here was
measured.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.study.runs import run_id

NAMES = [dimension.name for dimension in DIMENSIONS]


def write_records(tables: dict, folder: Path, kind: str = "dummy") -> None:
    """Write all records of a synthetic study, and its settings.

    Args:
        tables: From `synthetic_study.make_tables`.
        folder: The results folder to write.
        kind: The model's kind; texts of "dummy" have no word error rate.
    """
    timings = tables["timings"].groupby(["machine", "run", "repeat"], sort=False)
    of_repeat = {key: rows for key, rows in timings}
    for (machine, _), rows in tables["runs"].groupby(["machine", "run"], sort=False):
        host = tables["machines"][machine]
        record = make_record(rows, of_repeat, host, kind)
        path = folder / machine / "runs" / f"{record['run']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record), encoding="utf-8")
    for (machine, _), rows in tables.get("matches", _NO_MATCHES).groupby(["machine", "run"]):
        record = make_match(rows, tables["machines"][machine], kind)
        path = folder / machine / "matches" / f"{record['match']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record), encoding="utf-8")
    text = json.dumps(tables["study"], indent=1, sort_keys=True)
    (folder / "study.json").write_text(text, encoding="utf-8")


_NO_MATCHES = pd.DataFrame({"machine": [], "run": []})


def make_match(rows: pd.DataFrame, host: dict, kind: str) -> dict[str, Any]:
    """The record of one match from its rows of the table of matches."""
    passes = [_plain(row) for row in rows.sort_values("turn").to_dict("records")]
    sides = {row["configuration"]: row for row in passes}
    made = {name: _configuration(row) for name, row in sides.items()}
    ids = {name: identify(one) for name, one in made.items()}
    run = {**passes[0], "round": 1, "repeat": 1}
    whole = make_record(pd.DataFrame([run]), {}, host, kind)
    started, number = _seconds(passes[0]["started_at"]), int(passes[0]["run"][-3:])
    places = {name: place for place, name in enumerate(sides)}
    kept = ("schema", "study", "machine", "code", "specification", "model", "audio", "host",
            "node", "affinity", "packed", "log")  # fmt: skip
    contests = [pair.split("/") for pair in passes[0]["contests"].split()]
    return {name: whole[name] for name in kept} | {
        "match": passes[0]["run"],
        "number": number,
        "seed": 1,
        "together": True,
        "apart_because": None,
        "protocol": {"passes": len(passes) // len(sides), "warmups": 1, "timeout_s": 60,
                     "load_timeout_s": 900},
        "job": None,
        "planned": {"contests": [[ids[a], ids[b]] for a, b in contests]},
        "started_at": started,
        "finished_at": started + passes[0]["match_s"],
        "status": "ok",
        "error": None,
        "sides": [
            {
                "configuration_id": ids[name],
                "configuration": made[name].as_json(),
                "status": "ok",
                "error": None,
                "start": _loaded(_started(row, 1, "ok"), row),
                "engine": whole["engine"],
                "environment": whole["environment"],
                "warmups": [_one_pass(row | {"repeat": 0}, None, [])],
            }
            for name, row in sides.items()
        ],
        "passes": [
            {
                "turn": turn,
                "block": int(row["repeat"]) - 1,
                "side": places[row["configuration"]],
                "idle_cpu_s": [None if n == row["configuration"] else 0.0 for n in sides],
                **_one_pass(row, None, []),
            }
            for turn, row in enumerate(passes)
        ],
    }  # fmt: skip


def _configuration(row: dict) -> Configuration:
    values = {name: row[name] for name in NAMES}
    if not values["callers"]:  # cold starts: nobody calls
        del values["callers"]
    return complete(values)


def make_record(rows: pd.DataFrame, timings: dict, host: dict, kind: str) -> dict[str, Any]:
    """The record of one run from its rows of runs.csv and timings.csv."""
    first = _plain(rows.iloc[0].to_dict())
    configuration = _configuration(first)
    configuration_id = identify(configuration)
    files = configuration.files_in_parallel
    started = _seconds(first["started_at"])
    if files == 0:
        starts = [_cold_start(_plain(row)) for row in rows.to_dict("records")]
    else:
        starts = [_start(rows, timings, configuration)]
    bad = [start for start in starts if start["status"] != "ok"]
    return {
        "schema": 1,
        "run": run_id(configuration_id, int(first["round"])),
        "configuration_id": configuration_id,
        "configuration": configuration.as_json(),
        "round": int(first["round"]),
        "study": "synthetic",
        "machine": first["machine"],
        "protocol": {
            "repeats": len(rows),
            "warmups": 1,
            "timeout_s": first["timeout_s"],
            "load_timeout_s": 900,
        },
        "code": "synthetic",
        "specification": "",
        "model": {"kind": kind, "sha256": first["model_sha256"]},
        "audio": [
            {
                "path": f"audio/synthetic_{number}.wav",
                "file": f"synthetic_{number}.wav",
                "sha256": f"{number:064x}",
                "seconds": 60.0,
                "reference": _reference(timings, first, number),
            }
            for number in range(1, files + 1)
        ],
        "host": {key: value for key, value in host.items() if key not in _COUNTED},
        "node": "synthetic-node",
        "engine": host["engine"],
        "environment": {"OPENBLAS_NUM_THREADS": "1"},
        "affinity": list(range(int(first["affinity_cpus"]))),
        "packed": False,
        "log": None,
        "started_at": started,
        "finished_at": started + 10,
        "status": bad[0]["status"] if bad else "ok",
        "error": bad[0]["error"] if bad else None,
        "starts": starts,
    }


#: Of a machine's facts, what merging counts over its records.
_COUNTED = ("records", "mixed_hardware", "mixed_code", "statuses", "engine")


def _reference(timings: dict, first: dict, number: int) -> str | None:
    rows = timings.get((first["machine"], first["run"], 1))
    return None if rows is None else rows.iloc[number - 1]["reference"] or None


def _plain(row: dict) -> dict:
    """Cells as a record has them: None for what is missing."""
    return {key: None if pd.isna(value) else value for key, value in row.items()}


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def _bytes(megabytes: float | None) -> float | None:
    return None if megabytes is None else round(megabytes * 1e6)


def _memory(row: dict, more: float = 0.0) -> dict[str, float | None]:
    uss = None if row["model_mb"] is None else 50.0 + more
    return {"rss": _bytes(uss), "pss": _bytes(uss), "uss": _bytes(uss)}


def _started(row: dict, number: int, status: str) -> dict[str, Any]:
    return {
        "start": number,
        "status": status,
        "error": row["error"] or None,
        "stopped_in_repeat": None,
        "started_at": _seconds(row["started_at"]),
        "prepare_s": 0.5,
        "loads": [],
        "memory_before": None,
        "memory_after": None,
        "passes": [],
    }


def _loaded(start: dict, row: dict) -> dict[str, Any]:
    start["loads"] = [
        {
            "instance": 0,
            "started_s": 0.0,
            "finished_s": row["load_s"],
            "error": None,
            "compute_type": "int8_float32",
        }
    ]
    if row["model_mb"] is not None:
        start["memory_before"] = _memory(row)
        start["memory_after"] = _memory(row, row["model_mb"])
    return start


def _cold_start(row: dict) -> dict[str, Any]:
    start = _started(row, int(row["repeat"]), row["status"])
    return start if row["load_s"] is None else _loaded(start, row)


def _start(rows: pd.DataFrame, timings: dict, configuration: Configuration) -> dict[str, Any]:
    repeats = [_plain(row) for row in rows.to_dict("records")]
    first = repeats[0]
    start = _started(first, 1, first["status"])
    if first["status"] == "failed":
        return start
    _loaded(start, first)
    devices = configuration.devices if first["gpu_model_mb"] is not None else []
    if devices:
        own = first["gpu_model_mb"] * 1e6 / len(devices)
        start["gpus"] = [{**_gpu(device, own), "used_before_bytes": 0} for device in devices]
    warm_up = {**first, "repeat": 0, "makespan_s": first["warmup_s"], "status": "ok", "error": ""}
    start["passes"] = [
        _one_pass(row, timings.get((row["machine"], row["run"], row["repeat"])), devices)
        for row in [warm_up, *repeats]
    ]
    return start


def _gpu(device: int, own_bytes: float) -> dict[str, Any]:
    return {
        "device": device,
        "index": device,
        "name": "Synthetic GPU",
        "mig": False,
        "used_bytes": own_bytes,
        "own_bytes": own_bytes,
    }


def _gpu_windows(row: dict, devices: list[int]) -> list[dict[str, Any]]:
    """Per GPU, so that mean, sum and balance are those of the row: the first one is less busy."""
    count = len(devices)
    balance = row["gpu_balance"] if row["gpu_balance"] is not None else 1.0
    most = row["gpu_util"] * count / (count - 1 + balance)
    return [
        {
            **_gpu(device, row["gpu_mem_mb"] * 1e6 / count),
            "seconds": row["makespan_s"] or 60.0,
            "utilisation": most * (balance if device == devices[0] else 1.0),
            "samples_cover": row["gpu_samples_cover"],
            "energy_j": row["energy_j"] / count,
            "energy_from": row["energy_from"],
            "power_w": row["power_w"] / count,
            "sm_mhz": row["gpu_sm_mhz"],
            "memory_mhz": None,
            "throttled": {"heat": row["gpu_throttled"]},
            "pcie_tx_bytes": None,
            "pcie_rx_bytes": None,
        }
        for device in devices
    ]


def _one_pass(row: dict, rows: pd.DataFrame | None, devices: list[int]) -> dict[str, Any]:
    warm_up = row["repeat"] == 0
    made = {
        "repeat": int(row["repeat"]),
        "status": row["status"],
        "error": row["error"] or None,
        "started_at": _seconds(row["started_at"]),
        "clock_jump_s": 0.0,
        "makespan_s": row["makespan_s"],
        "cpu_s": row["cpu_s"],
        "cpu_user_s": None,
        "cpu_system_s": None,
        "context_switches_voluntary": row["context_switches_voluntary"],
        "context_switches_involuntary": row["context_switches_involuntary"],
        "foreign_cpu_s": None,
        "foreign_cpu_share": row["foreign_cpu_share"],
        "steal_share": row["steal_share"],
        "cpu_callers_s": row["cpu_outside_engine_s"],
        "rss_peak_bytes": _bytes(row["rss_peak_mb"]),
        "memory": {
            "rss": None,
            "pss": _bytes(row["pss_mb"]),
            "uss": _bytes(row["uss_mb"]),
        },
        "transcriptions": []
        if rows is None or warm_up
        else [_transcription(_plain(task)) for task in rows.to_dict("records")],
    }
    if devices and not warm_up:
        made["gpus"] = _gpu_windows(row, devices)
    return made


def _transcription(task: dict) -> dict[str, Any]:
    return {
        "counter": int(task["counter"]),
        "file": task["file"],
        "caller": int(task["caller"]),
        "instance": int(task["instance"]),
        "submitted_s": task["submitted_s"],
        "started_s": task["started_s"],
        "finished_s": task["finished_s"],
        "status": task["status"],
        "error": None,
        "text": task["text"],
        "segments": 1,
        "last_end_s": 59.0,
        "language": "en",
        "cpu_s": task["cpu_s"],
    }
