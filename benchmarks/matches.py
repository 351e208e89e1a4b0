#!/usr/bin/env python3
"""What a pass takes in a match beside what it takes in a run, and what a side uses in its sleep.

Each round measures one configuration twice: in a run, in a fresh process as ever, and as one of the
two sides of a match, whose other side is another configuration; which comes first is random. A
round's value is the ratio of the mean makespans. Printed: the geometric mean of the rounds' ratios
with its interval, the largest share of a pass that a sleeping side used, and which share of each
way's wall time was measured.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from parallel_transcription.inputs import audio, models  # noqa: E402
from parallel_transcription.inputs.model_names import parse_model  # noqa: E402
from parallel_transcription.jobs import match  # noqa: E402
from parallel_transcription.jobs.transcribe import Run, measure, measuring_code  # noqa: E402
from parallel_transcription.measure.messages import Protocol  # noqa: E402
from parallel_transcription.statistics import geometric_interval  # noqa: E402
from parallel_transcription.study.configuration import complete  # noqa: E402

FILES = [str(ROOT / "audio" / f"english-{n}.opus") for n in (1, 2)]
COMMON = {"language": "en", "cpu_threads": 1, "files_in_parallel": 2}
SIDES = (
    {"strategy": "one_model", "num_workers": 2},
    {"strategy": "multi_model", "instances": 2},
)


def side(model: str, passes: int, values: dict[str, Any]) -> Run:
    """A run of a configuration, which is a side of a match as well."""
    return Run(
        study="benchmark",
        machine="here",
        configuration=complete(COMMON | {"model": model} | values),
        round=1,
        protocol=Protocol(repeats=passes, warmups=1, timeout_s=600.0, load_timeout_s=600.0),
        model=models.prepare(parse_model(model), "results/models"),
        audio=[audio.inspect(Path(file)) | {"path": file} for file in FILES],
        code=measuring_code(),
    )


def share(record: dict[str, Any], passes: list[dict[str, Any]]) -> float:
    """The part of a record's wall time that its measured windows are."""
    wall: float = record["finished_at"] - record["started_at"]
    measured: float = sum(one["makespan_s"] for one in passes)
    return measured / wall


def main() -> int:
    """Compare; returns 0 if a match's passes take as long as a run's, to the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini-en")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--passes", type=int, default=6, help="of each side, and of a run")
    parser.add_argument("--bound", type=float, default=0.05, help="of the ratio")
    given = parser.parse_args()
    sides = [side(given.model, given.passes, values) for values in SIDES]
    ratios, idle = [], [0.0]
    shares: dict[str, list[float]] = {"run": [], "match": []}
    with TemporaryDirectory() as folder:
        for number in range(given.rounds):
            means = {}
            for way in random.sample(list(shares), 2):
                if way == "run":
                    record = measure(replace(sides[0], round=number + 1), None, None)
                    passes = [p for p in record["starts"][0]["passes"] if p["repeat"] >= 1]
                    own = passes
                else:
                    key = match.key_of(sides)
                    free = match.next_number(Path(folder), "here", key)
                    file = match.record_file(Path(folder), "here", key, free)
                    record = match.measure_match(sides, free, given.passes, number, file)
                    passes = record["passes"]
                    ids = [one["configuration"]["strategy"] for one in record["sides"]]
                    own = [one for one in passes if ids[one["side"]] == "one_model"]
                    idle += [
                        used / one["makespan_s"]
                        for one in passes
                        for used in one["idle_cpu_s"]
                        if used
                    ]
                if record["status"] != "ok":
                    print(f"{way}: {record['status']}: {record['error']}", file=sys.stderr)
                    return 1
                shares[way].append(share(record, passes))
                means[way] = statistics.mean(one["makespan_s"] for one in own)
            ratios.append(means["match"] / means["run"])
            print(f"round {number + 1}: match / run {ratios[-1]:.3f}", flush=True)
    ratio, low, high = geometric_interval(ratios)
    print(f"match / run {ratio:.3f} (95 %: {low:.3f} to {high:.3f}; {len(ratios)} rounds)")
    print(f"a sleeping side used at most {max(idle):.1%} of a pass")
    for way, values in shares.items():
        print(f"{way}: {statistics.median(values):.0%} of the wall time is measured")
    return 0 if abs(ratio - 1) < given.bound else 1


if __name__ == "__main__":
    sys.exit(main())
