"""How sure a ladder of rates is, in simulated queues: what it says is met and missed.

Queues of known truth (tests/queues.py): Poisson arrivals, two ideal workers, equal files (M/D/2) or
many short and few long ones (M/G/2), each process faster or slower by `--spread` (sd of the log).
The objective is 0.1 % below the p95 of a queue that runs for ever at a rate of the ladder (over
processes: the geometric mean), so that rate is the lowest that misses, by next to nothing. A study
begins with two rounds at a rate far below, and climbs until nothing is left. "false met": studies
that say this rate or a higher one is met; "false missed": that say so of a lower one. "band": steps
between the rates met and missed in the middle study (one where they are neighbours). Nothing here
was measured.

    nice -n 19 python benchmarks/simulate_ladder.py --studies 200
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from parallel_transcription.findings.objectives import objectives  # noqa: E402
from parallel_transcription.statistics import clopper_pearson  # noqa: E402
from parallel_transcription.study.ladders import RATES  # noqa: E402
from planted_ladder import LEVEL, WORKERS, Planted, climb, true_p95  # noqa: E402
from queues import SERVICE  # noqa: E402

#: By the queue: rates at which two workers are busy for some 0.5, 0.7 and 0.9 of the time.
AT = {"M/D/k": (1.0, 1.4, 1.8), "M/G/k": (1.12, 1.6, 1.8)}


def cell(queue: str, rate: float, requests: int, spread: float, studies: int) -> tuple[str, int]:
    """A row of the table, and how many studies falsely say "met"."""
    service = SERVICE[queue]
    (objective,) = objectives({"p95": 0.999 * true_p95(service, rate, spread)})
    start = RATES[RATES.index(rate) - 5]
    met = missed = 0
    runs, steps = [], []
    for study in range(studies):
        one = Planted("a", service, objective, requests, study, {start: 2}, spread=spread)
        _, made = climb([one])
        found = one.climber()
        met += found.met >= rate
        missed += found.missed < rate
        runs.append(len(made))
        if found.met and math.isfinite(found.missed):
            steps.append(RATES.index(found.missed) - RATES.index(found.met))
    busy = rate * sum(service) / len(service) / WORKERS
    band = f"{statistics.median(steps):g}" if steps else "–"
    row = (
        f"| {queue} | {busy:.2f} | {requests} | {spread:g} | {100 * met / studies:.1f} % | "
        f"{100 * missed / studies:.1f} % | {band} | {len(steps)} of {studies} | "
        f"{statistics.median(runs):g} |"
    )
    return row, met


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--requests", type=int, nargs="*", default=[40, 100])
    parser.add_argument("--spread", type=float, nargs="*", default=[0.05, 0.15])
    parser.add_argument("--queues", nargs="*", default=list(AT))
    given = parser.parse_args()
    print(
        "| queue | busy | requests | spread | false met | false missed | band | both ends | runs |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    bad = []
    for queue in given.queues:
        for rate, requests, spread in product(AT[queue], given.requests, given.spread):
            row, met = cell(queue, rate, requests, spread, given.studies)
            print(row, flush=True)
            if clopper_pearson(met, given.studies, 0.999)[0] > LEVEL:
                bad.append((queue, rate, requests, spread))
    print("bound missed:" if bad else 'bound kept: no cell\'s false "met" contradict 5 %', *bad)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
