#!/usr/bin/env python3
"""Planning 10,000 runs (`snakemake -n`) beside an equally large DAG of trivial rules, in turn.

Equally large: as many jobs, files and dependencies; trivial: no parameters, priorities or checks.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRIVIAL = """
rule all:
    input: "merged.json"

rule merge:
    input: expand("out/{{i}}.json", i=range({runs}))
    output: "merged.json"
    shell: "echo > {{output}}"

rule run:
    input: "a.json", "b.json"
    output: "out/{{i}}.json"
    log: "logs/{{i}}.log"
    shell: "echo {{wildcards.i}} > {{output}}"

rule prepare:
    output: "{{name}}.json"
    wildcard_constraints: name="[ab]"
    shell: "echo > {{output}}"
"""
STUDY = """
name: large
audio: [audio/english-1.opus]
rounds: {rounds}
decide: {minutes: 0}
grid:
  - {{strategy: one_model, num_workers: {workers}, cpu_threads: {threads}}}
"""


def planning_s(arguments: list[str], cwd: Path) -> float:
    """Wall seconds of a dry run."""
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "--cores", "2", *arguments],
        cwd=cwd,
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ,
    )
    return time.monotonic() - begin


def main() -> int:
    """Compare; returns 0 if ours takes at most 1.2 times as long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "Snakefile").write_text(TRIVIAL.format(runs=given.runs))
        study = folder / "large.yaml"
        workers, threads = list(range(1, 21)), list(range(1, 51))
        study.write_text(STUDY.format(rounds=given.runs // 1000, workers=workers, threads=threads))
        arguments = {
            "trivial": (["--scheduler", "greedy"], folder),
            "ours": (["--configfile", str(study), "--config", "machine=benchmark"], ROOT),
        }
        times: dict[str, list[float]] = {name: [] for name in arguments}
        for number in range(given.rounds):
            for name in sorted(arguments, reverse=bool(number % 2)):
                times[name].append(planning_s(*arguments[name]))
            print({name: round(values[-1], 1) for name, values in times.items()}, flush=True)
    ratio = statistics.median(times["ours"]) / statistics.median(times["trivial"])
    print(f"{given.runs} runs: ours takes {ratio:.2f} times as long as trivial rules")
    print("bound kept" if ratio <= 1.2 else "bound missed")
    return 0 if ratio <= 1.2 else 1


if __name__ == "__main__":
    sys.exit(main())
