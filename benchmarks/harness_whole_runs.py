#!/usr/bin/env python3
"""The pipeline's makespan beside that of a bare script, whole runs in turn, both by Snakemake.

As harness_overhead.py, but with supervisor and Snakemake: each round starts Snakemake twice, in
alternating order, once on a study of one run and once on a rule that runs bare.py, so that both
sides find the machine in the same state. Compared are the medians of the runs' passes but the
first. Whole runs differ by some per cent from each other, so many rounds are needed; a round takes
some 40 s.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness_overhead import BOUND, CONFIGURATION, FILES, ROOT

sys.path.insert(0, str(ROOT / "tests"))

PASSES = 5
REST_S = 3
LAUNCH = """
import subprocess, sys
sys.path.insert(0, {scripts!r})
from parallel_transcription.measure.supervise import clean_environment
done = subprocess.run(
    [sys.executable, "-P", *{command!r}], input={turns!r}, stdout=subprocess.PIPE, text=True,
    env=clean_environment({thread_env!r}), start_new_session=True, check=True,
)
open("passes.txt", "w").write(done.stdout)
"""
RULE = "rule bare:\n    output: 'passes.txt'\n    shell: '{python} launch.py'\n"


class Pipeline:
    """A checkout with a study of one run."""

    def __init__(self, folder: Path):
        from project import Project

        self.project = Project(
            folder,
            {
                "machine": "this",
                "audio": [f"audio/{Path(file).name}" for file in FILES],
                "rounds": 1,
                "warmups": 1,
                "repeats": PASSES,
                "decide": {"minutes": 0},
                "grid": [CONFIGURATION],
            },
        )
        for file in FILES:
            shutil.copy(file, folder / "audio")
        self.project.run("--until", "transcribe")
        (self.record,) = folder.glob("results/this/runs/*.json")
        (self.model,) = folder.glob("results/models/dummy-tiny-*")

    def makespan(self) -> float:
        """The median of a fresh run's passes, in seconds."""
        self.record.unlink()
        self.project.run("--until", "transcribe")
        passes = json.loads(self.record.read_text())["starts"][0]["passes"]
        return statistics.median(one["makespan_s"] for one in passes if one["repeat"] > 0)


class Bare:
    """A Snakefile with one rule that runs bare.py."""

    def __init__(self, folder: Path, model: Path):
        from parallel_transcription.study.configuration import complete

        folder.mkdir()
        self.folder = folder
        command = [str(ROOT / "benchmarks/bare.py"), str(model), *FILES]
        (folder / "Snakefile").write_text(RULE.format(python=shlex.quote(sys.executable)))
        (folder / "launch.py").write_text(
            LAUNCH.format(
                scripts=str(ROOT / "scripts"),
                command=command,
                turns="\n" * (PASSES + 1),
                thread_env=complete(CONFIGURATION).thread_env,
            )
        )

    def makespan(self) -> float:
        """The median of a fresh run's passes but the first, in seconds."""
        passes = self.folder / "passes.txt"
        passes.unlink(missing_ok=True)
        command = [sys.executable, "-m", "snakemake", "--cores", "all"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        lines = passes.read_text().splitlines()[1:]
        return statistics.median(float(line.split()[0]) for line in lines)


def main() -> int:
    """Compare; returns 0 if the median makespans differ by less than 2 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    from parallel_transcription.statistics import geometric_interval

    times: dict[str, list[float]] = {"bare": [], "pipeline": []}
    with tempfile.TemporaryDirectory() as scratch:
        pipeline = Pipeline(Path(scratch) / "checkout")
        sides = {"bare": Bare(Path(scratch) / "bare", pipeline.model), "pipeline": pipeline}
        for number in range(given.rounds):
            for name in sorted(sides, reverse=bool(number % 2)):
                time.sleep(REST_S)
                times[name].append(sides[name].makespan())
            print(json.dumps({name: values[-1] for name, values in times.items()}), flush=True)
    pairs = [a / b for a, b in zip(times["pipeline"], times["bare"], strict=True)]
    ratio, low, high = geometric_interval(pairs)
    bare, piped = (statistics.median(times[name]) for name in ("bare", "pipeline"))
    difference = piped / bare - 1
    print(
        f"median makespan: bare {bare:.4f} s, pipeline {piped:.4f} s, "
        f"difference {difference:+.2%}; "
        f"geometric mean of {len(pairs)} rounds' ratios {ratio:.4f} "
        f"(95 %: {low:.4f} to {high:.4f})"
    )
    kept = abs(difference) < BOUND
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
