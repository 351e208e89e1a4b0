"""Recommended settings as services take them that transcribe with faster-whisper.

What each can be told, and what it does with requests beside that, is from its own documentation
and code: melvin-asr (2025-04), speaches (environment variables of its `WhisperConfig`),
wyoming-faster-whisper 3.8.1, and any application of ours behind uvicorn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parallel_transcription.results.recommended import OtherService, device_list
from parallel_transcription.words import plural

Row = Mapping[str, Any]


def melvin_asr(row: Row) -> dict[str, Any]:
    """The settings as blocks of melvin-asr's config.yml.

    There, `websocket_stream` holds one model whose num_workers is worker_seats (on the CPU), and
    every entry of `rest_runner` is a process with models of its own that takes one task at a time.
    """
    device = "cuda" if row["device"] == "cuda" else "cpu"
    model, threads = row["model"], int(row["cpu_threads"])
    devices = device_list(row["device_index"])
    workers, instances = int(row["num_workers"]), int(row["instances"])
    seats = int(row["callers"])
    if device == "cpu":
        stream = {
            "active": True,
            "model": model,
            "cpu_threads": threads,
            "worker_seats": workers if row["strategy"] == "one_model" else seats,
        }
    else:
        stream = {
            "active": True,
            "model": model,
            "device_index": devices,
            "worker_seats": seats,
        }
    entry = {
        "device": device,
        "models": [model],
        "transcription_mode": "batched" if row["batch_size"] else "default",
        "compute_type": row["compute_type"],
        "num_workers": workers,
        "cpu_threads": threads,
    }
    if row["strategy"] == "one_model":
        entries = [{**entry, "device_index": devices}]
    else:
        each = devices if isinstance(devices, list) else [devices]
        entries = [{**entry, "device_index": each[k % len(each)]} for k in range(instances)]
    return {"websocket_stream": {device: stream}, "rest_runner": entries}


def notes(row: Row) -> list[str]:
    """What melvin-asr does otherwise than what was measured."""
    found = [
        "melvin-asr knows models by the names of its own list, leaves out silence and does not "
        "prompt with the text so far; config/melvin_asr.yaml measures in its mode."
    ]
    if row["strategy"] == "one_model" and int(row["num_workers"]) > 1:
        found.append(
            "A rest_runner entry takes one task at a time, so its further workers stay idle; for "
            "several tasks at once use several entries (measured here as multi_process)."
        )
    return found


def others(row: Row) -> list[OtherService]:
    """The settings for other services, each with what it does with them."""
    return [_speaches(row), _wyoming(row), _uvicorn(row)]


def _speaches(row: Row) -> OtherService:
    one = row["strategy"] == "one_model"
    devices = device_list(row["device_index"])
    variables = {
        "INFERENCE_DEVICE": row["device"],
        "DEVICE_INDEX": devices if isinstance(devices, int) or one else devices[0],
        "COMPUTE_TYPE": row["compute_type"],
        "CPU_THREADS": int(row["cpu_threads"]),
        "NUM_WORKERS": int(row["num_workers"]),
    }
    note = "Environment of speaches: one model, which takes all requests at once (up to 40)."
    if not one:
        count = plural(int(row["instances"]), "container")
        note += f" Several models as measured here are {count} behind a balancer"
        note += "." if isinstance(devices, int) else f", in turns on GPUs {_listed(devices)}."
    if int(row["callers"]) < 40:
        note += f" Let no more than {int(row['callers'])} in at a time: config/load.yaml says why."
    return OtherService(
        "speaches", "\n".join(f"WHISPER__{key}={value}" for key, value in variables.items()), note
    )


def _wyoming(row: Row) -> OtherService:
    parts = [
        "wyoming-faster-whisper",
        f"--model {row['model']}",
        f"--device {row['device']}",
        f"--compute-type {row['compute_type']}",
        f"--cpu-threads {int(row['cpu_threads'])}",
        f"--beam-size {int(row['beam_size'])}",
        "--stt-library faster-whisper --uri tcp://0.0.0.0:10300 --data-dir data",
    ]
    workers, devices = int(row["total_workers"]), device_list(row["device_index"])
    note = "wyoming-faster-whisper has one model with one worker; requests wait for each other."
    if workers > 1:
        note += f" For {workers} at once, start {workers} of them on ports of their own"
        note += "." if isinstance(devices, int) else (
            f", in turns with CUDA_VISIBLE_DEVICES of {_listed(devices)}."
        )  # fmt: skip
    return OtherService("wyoming-faster-whisper", " ".join(parts), note)


def _listed(devices: list[int]) -> str:
    return ", ".join(map(str, devices))


def _uvicorn(row: Row) -> OtherService:
    processes = int(row["instances"]) if row["strategy"] == "multi_process" else 1
    note = (
        "Each process makes its models as above. Transcribe outside of the event loop, in a pool "
        f"of {max(1, int(row['callers']) // processes)} threads for each process "
        "(resources/reference_service.py does)."
    )
    return OtherService(
        "an application of your own behind uvicorn", f"uvicorn app:app --workers {processes}", note
    )
