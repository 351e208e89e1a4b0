#!/usr/bin/env python3
"""Minutes until "equivalent" is decided: by matches, and by rounds of fresh processes.

Reads a finished study (`make`), whose rounds and matches were measured in the same quarter of an
hour. Of each way: how much the log ratios of its pairs spread, pooled over all pairs that met in
both, what a round or a match of one pair takes, and so how long it is until a pair of equal sides
is shown to be within the margin with a chance of 90 %. Printed as well: what part of each way's
time lies in timed windows.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from parallel_transcription import statistics  # noqa: E402
from parallel_transcription.findings.machine import Machine  # noqa: E402
from parallel_transcription.results.read import read_tables  # noqa: E402
from parallel_transcription.statistics import sequential  # noqa: E402

POWER, BOUND = 0.9, 1 / 3


def main() -> int:
    """Compare; returns 0 if matches take at most a third of the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    given = parser.parse_args()
    results = read_tables(given.results)
    machine = Machine(results, results.labels[0])
    took, timed = durations(given.results / machine.label / "runs")
    table = machine.matches.table
    of_rounds, of_matches, costs = [], [], []
    for arm_a, arm_b in machine.matches.contests:
        rounds = machine.compare(arm_a, arm_b, in_rounds=True).result
        values = [sequential.match_value(met) for met in machine.matches.log_ratios(arm_a, arm_b)]
        if rounds.rounds > 1 and len(values) > 1:
            of_rounds.append((rounds.rounds, rounds.sd))
            of_matches.append((len(values), float(np.std(values, ddof=1))))
            costs.append(sum(took[arm.split("|")[0]] for arm in (arm_a, arm_b)))
    if not costs:
        print("no pair has two rounds and two matches", file=sys.stderr)
        return 1
    match_s = table.groupby("round").agg(s=("match_s", "first"), sides=("arm", "nunique"))
    a_round, a_match = float(np.mean(costs)), float((2 * match_s["s"] / match_s["sides"]).mean())
    ways = {}
    for way, pairs, cost in (("rounds", of_rounds, a_round), ("matches", of_matches, a_match)):
        sd, _ = statistics.pooled_sd(pairs)
        need = (
            statistics.rounds_needed(sd, machine.margin, power=POWER, alpha=machine.alpha)
            if way == "rounds"
            else sequential.matches_needed(sd, 0.0, machine.margin, machine.alpha, power=POWER)
        )
        ways[way] = math.inf if need is None else need * cost / 60
        share = timed if way == "rounds" else table["makespan_s"].sum() / match_s["s"].sum()
        print(
            f"{way}: log ratios spread by {100 * sd:.1f} %, {cost:.1f} s for a pair, {need} needed,"
            f" {ways[way]:.1f} min; {100 * share:.0f} % of the time is timed"
        )
    ratio = ways["matches"] / ways["rounds"]
    print(f"matches / rounds {ratio:.2f}: bound {'kept' if ratio <= BOUND else 'missed'}")
    return 0 if ratio <= BOUND else 1


def durations(folder: Path) -> tuple[dict[str, float], float]:
    """What a run of each configuration takes (s, mean), and the part of all that is timed."""
    took: dict[str, list[float]] = {}
    timed = whole = 0.0
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if not record["configuration"]["files_in_parallel"]:
            continue
        seconds = record["finished_at"] - record["started_at"]
        took.setdefault(record["configuration_id"], []).append(seconds)
        whole += seconds
        passes = (one for start in record["starts"] for one in start["passes"])
        timed += sum(one["makespan_s"] or 0.0 for one in passes if one["repeat"] >= 1)
    return {name: float(np.mean(own)) for name, own in took.items()}, timed / whole


if __name__ == "__main__":
    sys.exit(main())
