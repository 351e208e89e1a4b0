"""A machine with GPUs that are not there.

What the stand-ins for faster-whisper, CTranslate2 and NVML have in common. Nothing that they tell
was measured.

FAKE_GPUS names a folder. Its `machine.json` says what there is (defaults: MACHINE), and
`log.jsonl` takes a line for every model that is made and every piece of work that is done.
"""

import json
import os
import time
from pathlib import Path

MACHINE = {
    "gpus": 3,
    "seconds": 0.1,  # for one file; a list gives one number per GPU
    "compute_types": ["float16", "float32", "int8", "int8_float16"],
    "energy_counter": True,
    "samples": True,  # whether the driver keeps buffers
    "buffer_s": 20.0,
    "late_s": 0.0,  # how long ago the last sample was taken
    "knows_processes": True,
}
FOLDER = Path(os.environ["FAKE_GPUS"])
SAMPLE_S = 0.05
IDLE_W, BUSY_W = 50.0, 200.0


def machine() -> dict:
    file = FOLDER / "machine.json"
    return MACHINE | (json.loads(file.read_text()) if file.exists() else {})


def note(event: str, **content) -> None:
    """One line, written at once, so that lines of several processes do not mix."""
    line = json.dumps({"event": event, "pid": os.getpid(), **content}) + "\n"
    descriptor = os.open(FOLDER / "log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def events(kind: str) -> list[dict]:
    file = FOLDER / "log.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def visible() -> list[int]:
    """The GPUs that CUDA shows this process, in its order."""
    everything = [str(number) for number in range(machine()["gpus"])]
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is None:
        return [int(number) for number in everything]
    found = []
    for name in names.split(","):
        number = name.removeprefix("GPU-fake-").removeprefix("MIG-fake-")
        if number not in everything:
            break
        found.append(int(number))
    return found


def seconds_on(gpu: int) -> float:
    seconds = machine()["seconds"]
    return seconds[gpu] if isinstance(seconds, list) else seconds


def busy_seconds(gpu: int, start: float, end: float) -> float:
    """Time between two moments in which at least one piece of work was done on a GPU."""
    spans = sorted((w["start"], w["end"]) for w in events("work") if w["gpu"] == gpu)
    total, reached = 0.0, start
    for begin, finish in spans:
        begin, finish = max(begin, reached), min(finish, end)
        if finish > begin:
            total, reached = total + finish - begin, finish
    return total


def joules(gpu: int) -> float:
    """Since the machine was made; more while there is work."""
    since, now = FOLDER.stat().st_ctime - 3600, time.time()
    return IDLE_W * (now - since) + (BUSY_W - IDLE_W) * busy_seconds(gpu, since, now)
