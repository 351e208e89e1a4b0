#!/usr/bin/env python3
"""Do several models that are initialised at once race? Loaded by a hub's name, and from a folder.

`config/init_race.yaml` is the study of it. This is for what a study does not do: `--python` takes
another environment's Python, for instance one with an older huggingface_hub; `--model` asks the
real hub (or the one that HF_ENDPOINT names), with its latency and limits, and downloads the model
in each round with a cold cache. In every round a fresh process starts N threads at one moment, and
each calls WhisperModel. Without `--model` the hub is one on the loopback that serves the embedded
model.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from fake_hub import MINI_EN, FakeHub, mini_en  # noqa: E402
from parallel_transcription import statistics  # noqa: E402

LOOPBACK = "benchmark/mini-en"

LOAD = """
import json, sys, threading, time
from faster_whisper import WhisperModel
name, instances, stagger_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
start, errors = threading.Barrier(instances), []
def load(i):
    start.wait()
    time.sleep(i * stagger_s)
    try:
        WhisperModel(name, device="cpu", compute_type="int8", cpu_threads=1)
    except Exception as error:
        errors.append(f"{type(error).__name__}: {error}")
threads = [threading.Thread(target=load, args=(i,)) for i in range(instances)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(errors))
"""
VERSIONS = (
    "import importlib.metadata as m; "
    "print(*(f'{p} {m.version(p)}' for p in ('faster-whisper', 'huggingface_hub')), sep=', ')"
)


def errors_of(python: str, name: str, instances: int, stagger_s: float, hub: dict) -> list[str]:
    """What went wrong in one round, an error per instance that did not load."""
    done = subprocess.run(
        [python, "-c", LOAD, name, str(instances), str(stagger_s)],
        env=os.environ | hub,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        return [f"the process ended with {done.returncode}: {done.stderr.strip()[-200:]}"]
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    """Try each way; returns 0 if every load from a folder worked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--instances", type=int, default=8)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--model", help="a name on the real hub, such as tiny")
    given = parser.parse_args()
    versions = subprocess.run([given.python, "-c", VERSIONS], capture_output=True, text=True)
    print(versions.stdout.strip() or versions.stderr.strip())
    failed = {}
    with tempfile.TemporaryDirectory() as scratch, FakeHub() as hub:
        hub.publish(LOOPBACK, mini_en())
        model = given.model or LOOPBACK

        def environment(name: str) -> dict[str, str]:
            home = Path(scratch) / name
            if given.model:
                return {"HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub")}
            return hub.environment(home)

        warm = environment("warm")
        errors_of(given.python, model, 1, 0, warm)
        ways = (
            ("hub, cold cache", model, 0.0),
            ("hub, cold cache", model, 0.5),
            ("hub, warm cache", model, 0.0),
            ("folder", str(MINI_EN), 0.0),
        )
        for way, name, stagger_s in ways:
            bad, first = 0, ""
            for number in range(given.rounds):
                cold = environment(f"{way}-{stagger_s}-{number}")
                told = cold if "cold" in way else warm
                errors = errors_of(given.python, name, given.instances, stagger_s, told)
                bad, first = bad + bool(errors), first or "".join(errors[:1])
            failed[way] = bad
            upper = statistics.upper_rate(bad, given.rounds, 0.95)
            print(
                f"{way}, {given.instances} instances {stagger_s:g} s apart: {bad} of "
                f"{given.rounds} rounds failed (95 % upper bound {upper:.0%}) {first[:160]}",
                flush=True,
            )
    kept = not failed["folder"]
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
