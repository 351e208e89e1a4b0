#!/usr/bin/env python3
"""Merging 10,000 run records, and reporting loads of 10,000 requests: seconds and peak memory.

Records are made, not measured. Of loads: one model and two models in four rounds, so 80,000
requests, merged and reported by build_reports.py.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from parallel_transcription.study.runs import run_id  # noqa: E402
from planted_loads import load_record  # noqa: E402
from simple_records import make_record  # noqa: E402

ROUNDS = 4
SIDES: tuple[dict[str, Any], ...] = (
    {},
    {"strategy": "multi_model", "instances": 2, "num_workers": 1},
)


def many_runs(count: int) -> Iterable[dict[str, Any]]:
    """So many records of runs, each of two files."""
    record: dict[str, Any] = {}
    for number in range(count):
        if number % 900 == 0:
            record = make_record(cpu_threads=number // 900 + 1)
        record["round"] = number % 900 + 1
        record["run"] = run_id(record["configuration_id"], record["round"])
        yield record


def many_requests(count: int) -> Iterable[dict[str, Any]]:
    """Records of runs under a load, with so many requests each."""
    for number in range(1, ROUNDS + 1):
        for side in SIDES:
            yield load_record(number, 1.0, requests=count, spread=0.02, seed=len(side), **side)


def timed(records: Iterable[dict[str, Any]], script: str, *arguments: str) -> tuple[float, float]:
    """Seconds of a script of ours on some records, and peak memory of all so far (bytes)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "m" / "runs"
        folder.mkdir(parents=True)
        for record in records:
            (folder / f"{record['run']}.json").write_text(json.dumps(record))
        begin = time.monotonic()
        command = [sys.executable, str(ROOT / "scripts" / script), "--results", scratch]
        subprocess.run([*command, *(one.format(scratch) for one in arguments)], check=True)
        took = time.monotonic() - begin
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def main() -> int:
    """Measure; returns 0 if all bounds are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=10_000)
    given = parser.parse_args()
    seconds, peak = timed(many_runs(given.records), "merge_timings.py", "--out", "{}")
    print(f"{given.records} records: {seconds:.1f} s, peak {peak / 1e6:.0f} MB")
    kept = seconds < 30 and peak < 1e9
    seconds, peak = timed(many_requests(given.requests), "build_reports.py")
    runs = ROUNDS * len(SIDES)
    print(
        f"{runs} records of {given.requests} requests, to the reports: {seconds:.1f} s, "
        f"peak of all {peak / 1e6:.0f} MB"
    )
    kept &= seconds < 120 and peak < 1e9
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
