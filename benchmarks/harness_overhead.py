#!/usr/bin/env python3
"""The pipeline's makespan beside that of a bare script with the same arguments, in turn.

Each round runs the bare script (bare.py) and the pipeline's own transcribe_one_model.py as its
rules call it, in alternating order: one model, 2 workers × 1 thread, dummy `tiny`, int8, two files.
Both are fresh processes with the same environment; of both the first pass is dropped and the
median of three is taken.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from parallel_transcription import models  # noqa: E402
from parallel_transcription.supervise import clean_environment  # noqa: E402

REST_S = 5  # before each run: a shared host may give less to a guest that has just been busy
FILES = [str(ROOT / "audio" / f"english-{n}.opus") for n in (1, 2)]


def bare(folder: str) -> float:
    """Median makespan in seconds of the bare script's passes but the first."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "bare.py"), folder, *FILES],
        env=clean_environment("OPENBLAS_NUM_THREADS=1") | {"CT2_VERBOSE": "0"},
        start_new_session=True,  # as the measured process: Linux shares the CPUs out by session
        capture_output=True,
        text=True,
        check=True,
    )
    return statistics.median(float(line) for line in done.stdout.split()[1:])


def pipeline(model: str, scratch: Path) -> float:
    """Median makespan in seconds as the run record has it."""
    record = scratch / "record.json"
    subprocess.run(
        [
            sys.executable,
            str(ROOT / "scripts" / "transcribe_one_model.py"),
            *("--model", model, "--language", "en", "--num-workers", "2", "--cpu-threads", "1"),
            *("--warmups", "1", "--repeats", "3", "--record", str(record), *FILES),
        ],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},  # as Snakemake exports
        check=True,
        cwd=ROOT,
    )
    passes = json.loads(record.read_text())["starts"][0]["passes"]
    return statistics.median(one["makespan_s"] for one in passes if one["repeat"] > 0)


def main() -> int:
    """Compare; returns 0 if the medians differ by less than 2 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--model", default="dummy-tiny")
    given = parser.parse_args()
    manifest = models.prepare(models.parse_model(given.model), "results/models")
    folder = str(ROOT / manifest["path"])
    times: dict[str, list[float]] = {"bare": [], "pipeline": []}
    with tempfile.TemporaryDirectory() as scratch:
        measure = {
            "bare": lambda: bare(folder),
            "pipeline": lambda: pipeline(given.model, Path(scratch)),
        }
        for number in range(given.rounds):
            for name in sorted(measure, reverse=bool(number % 2)):
                time.sleep(REST_S)
                times[name].append(measure[name]())
            pair = {name: round(times[name][-1], 4) for name in times}
            print(number + 1, pair, f"ratio {pair['pipeline'] / pair['bare']:.4f}", flush=True)
    ratios = [p / b for p, b in zip(times["pipeline"], times["bare"], strict=True)]
    medians = {name: statistics.median(values) for name, values in times.items()}
    difference = medians["pipeline"] / medians["bare"] - 1
    print(
        f"medians: bare {medians['bare']:.4f} s, pipeline {medians['pipeline']:.4f} s, "
        f"difference {difference:+.2%}; median of the pairs' ratios "
        f"{statistics.median(ratios):.4f} ({min(ratios):.4f} … {max(ratios):.4f})"
    )
    kept = abs(difference) < 0.02
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
