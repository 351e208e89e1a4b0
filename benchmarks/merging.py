#!/usr/bin/env python3
"""Merging 10,000 run records: seconds and peak memory of merge_timings.py as a process."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from parallel_transcription.study.runs import run_id  # noqa: E402
from simple_records import make_record  # noqa: E402


def main() -> int:
    """Measure; returns 0 if both bounds are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "m" / "runs"
        folder.mkdir(parents=True)
        for number in range(given.records):
            if number % 900 == 0:
                record = make_record(cpu_threads=number // 900 + 1)
            record["round"] = number % 900 + 1
            record["run"] = run_id(record["configuration_id"], record["round"])
            (folder / f"{record['run']}.json").write_text(json.dumps(record))
        begin = time.monotonic()
        script = str(ROOT / "scripts" / "merge_timings.py")
        command = [sys.executable, script, "--results", scratch, "--out", scratch]
        subprocess.run(command, check=True)
        seconds = time.monotonic() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{given.records} records: {seconds:.1f} s, peak {peak / 1e6:.0f} MB")
    kept = seconds < 30 and peak < 1e9
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
