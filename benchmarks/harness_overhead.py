#!/usr/bin/env python3
"""The pipeline's makespan beside that of a bare script with the same arguments, pass by pass.

One model, 2 workers × 1 thread, dummy `tiny`, int8, two files. Several fresh processes of both
sides are alive at once, in the same environment; one works at a time. A round is one pass of each
side, in random order, so that both meet the same seconds of the host: whole runs one after another
differ by 8 % and more on a shared machine. The first pass of each process is dropped. The
pipeline's side runs what the supervisor starts, `process.run` with all meters; only its reports
wait until it is its turn. Supervisor and Snakemake, which sleep, are not beside it: what they take
in a real run is in its record's foreign load. With --control the bare script takes part twice:
what its two sides differ by is the machine's own noise.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from parallel_transcription.measure import process  # noqa: E402
from parallel_transcription.measure.messages import (  # noqa: E402
    Event,
    Order,
    PassBegins,
    PassEnded,
)
from parallel_transcription.study.configuration import complete  # noqa: E402

BOUND = 0.02  # of the medians, relative
FILES = [str(ROOT / "audio" / f"english-{n}.opus") for n in (1, 2)]
CONFIGURATION = {
    "strategy": "one_model",
    "model": "dummy-tiny",
    "language": "en",
    "num_workers": 2,
    "cpu_threads": 1,
    "files_in_parallel": 2,
}


def be_measured(folder: str, passes: int) -> None:
    """The pipeline's side: the measured process's own work, a pass for each line on stdin."""

    def report(event: Event) -> None:
        if isinstance(event, PassBegins):
            sys.stdin.readline()
        elif isinstance(event, PassEnded):
            print(event.result["makespan_s"], event.result["cpu_s"], flush=True)

    configuration = complete(CONFIGURATION)
    process.run(
        Order(
            configuration=configuration,
            model_path=folder,
            files=FILES,
            warmups=1,
            repeats=passes,
        ),
        report,
    )


class Side:
    """A process that makes a pass when it is told to."""

    def __init__(self, *command: str):
        from parallel_transcription.measure.supervise import clean_environment

        self.process = subprocess.Popen(
            [sys.executable, "-P", *command],
            env=clean_environment(complete(CONFIGURATION).thread_env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Linux shares the CPUs out by session
            text=True,
        )
        self.one_pass()

    def one_pass(self) -> tuple[float, float]:
        """(makespan, CPU time) in seconds."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        makespan, cpu = self.process.stdout.readline().split()
        return float(makespan), float(cpu)


def compare(name: str, seen: dict[str, list[tuple[float, float]]]) -> float:
    """Print how a side compares with the bare script; returns the makespans' difference."""
    from parallel_transcription.statistics import geometric_interval

    differences = []
    for number, what in enumerate(("makespan", "CPU time")):
        mine, bare = ([one[number] for one in seen[side]] for side in (name, "bare"))
        ratio, low, high = geometric_interval([a / b for a, b in zip(mine, bare, strict=True)])
        a, b = statistics.median(mine), statistics.median(bare)
        differences.append(a / b - 1)
        print(
            f"{name}, {what}: median {a:.4f} s, bare {b:.4f} s, difference {a / b - 1:+.2%}; "
            f"geometric mean of {len(mine)} pairs' ratios {ratio:.4f} (95 %: {low:.4f} to "
            f"{high:.4f})"
        )
    return differences[0]


def main() -> int:
    """Compare; returns 0 if the median makespans differ by less than 2 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=5, help="of each side")
    parser.add_argument("--passes", type=int, default=40, help="of each process")
    parser.add_argument("--control", action="store_true", help="the bare script takes part twice")
    parser.add_argument("--be-measured", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be_measured:
        be_measured(given.be_measured, given.passes)
        return 0
    from parallel_transcription.inputs import models

    manifest = models.prepare(models.parse_model(CONFIGURATION["model"]), "results/models")
    folder = str(ROOT / manifest["path"])
    bare = (str(ROOT / "benchmarks" / "bare.py"), folder, *FILES)
    commands = {
        "bare": bare,
        "pipeline": (__file__, "--be-measured", folder, "--passes", str(given.passes)),
    }
    if given.control:
        commands["bare again"] = bare
    teams = [
        {name: Side(*command) for name, command in commands.items()} for _ in range(given.processes)
    ]
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(given.passes):
        for team in teams:
            for name in random.sample(list(team), len(team)):
                seen[name].append(team[name].one_pass())
            print(json.dumps({name: values[-1] for name, values in seen.items()}), flush=True)
    for team in teams:
        for side in team.values():
            side.process.stdin.close()
    difference = compare("pipeline", seen)
    if given.control:
        compare("bare again", seen)
    kept = abs(difference) < BOUND
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
