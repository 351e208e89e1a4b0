#!/usr/bin/env python3
"""What a job costs beside its measurement: a grid of short runs on a private Slurm.

All runs go to one virtual node (tests/slurm_cluster.py), one after another. A job's time on the
node less the time from start to end of the run is what Snakemake and Slurm add; the gap to the next
job is Slurm's alone. Slurm's clock counts whole seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from project import Project  # noqa: E402
from slurm_cluster import running_slurm  # noqa: E402


def main() -> int:
    """Measure; 0 if the bound is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--bound-s", type=float, default=8.0, help="largest median per job")
    given = parser.parse_args()
    study = {
        "audio": ["audio/english-short.opus"],
        "machines": {"epyc": {"partition": "cpu", "constraint": "epyc"}},
        "defaults": {"language": "en", "cpu_threads": 1, "files_in_parallel": 1},
        "rounds": given.jobs,
        "repeats": 1,
        "warmups": 0,
        "grid": [{"strategy": "one_model"}],
    }
    with tempfile.TemporaryDirectory() as scratch, running_slurm(Path(scratch) / "slurm") as slurm:
        Path(scratch).chmod(0o755)
        project = Project(Path(scratch) / "checkout", study)
        path = f"{Path(sys.executable).parent}:{slurm.environment['PATH']}"
        began = time.monotonic()
        subprocess.run(
            [
                *(sys.executable, "-m", "snakemake", "--profile", "slurm", "--quiet", "all"),
                *("--configfile", "config/test.yaml", "--until", "transcribe"),
            ],
            cwd=project.folder,
            env={**slurm.environment, "PATH": path},
            check=True,
        )
        whole_s = time.monotonic() - began
        jobs = {job["id"]: slurm.details(job["id"]) for job in slurm.jobs("all")}
        records = [json.loads(p.read_text()) for p in project.folder.glob("results/*/runs/*.json")]
    assert len(records) == len(jobs) == given.jobs
    begins = {number: _seconds(job["StartTime"]) for number, job in jobs.items()}
    ends = {number: _seconds(job["EndTime"]) for number, job in jobs.items()}
    added, measured = [], []
    for record in records:
        number = record["job"]["job_id"]
        measured.append(record["finished_at"] - record["started_at"])
        added.append(ends[number] - begins[number] - measured[-1])
    order = sorted(jobs, key=begins.get)
    gaps = [begins[b] - ends[a] for a, b in pairwise(order)]
    print(f"{given.jobs} jobs in {whole_s:.0f} s on {os.cpu_count()} CPUs")
    for name, values in (("measuring", measured), ("added", added), ("gap", gaps)):
        print(f"{name}: median {statistics.median(values):.1f} s, max {max(values):.1f} s")
    kept = statistics.median(added) + statistics.median(gaps) <= given.bound_s
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


if __name__ == "__main__":
    sys.exit(main())
