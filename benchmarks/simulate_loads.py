"""How sure answers on loads are: coverage of a p95, and false "meets", in simulated queues.

Queues of known truth (tests/queues.py): Poisson arrivals, two ideal workers, equal files (M/D/2) or
many short and few long ones (M/G/2). The truth is the p95 of a queue that runs for ever. A study
has rounds of one pass each, with the lead-in and the tail of the product. "false meets": studies
that say an objective is kept which the truth misses by 0.1 %. Nothing here was measured.

    nice -n 19 python benchmarks/simulate_loads.py --studies 400
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from parallel_transcription import statistics  # noqa: E402
from parallel_transcription.findings.objectives import (  # noqa: E402
    MEETS,
    kept,
    objectives,
    standing,
)
from parallel_transcription.results.latency import percentile  # noqa: E402
from queues import SERVICE, latencies, rate_for, served, true_percentile  # noqa: E402

WORKERS = 2
UTILISATIONS = (0.5, 0.7, 0.85)


def cell(queue: str, utilisation: float, requests: int, rounds: int, studies: int) -> str:
    """A row of the table."""
    service = SERVICE[queue]
    rate = rate_for(service, WORKERS, utilisation)
    truth = true_percentile(service, rate, WORKERS, 95)
    (objective,) = objectives({"p95": truth * 0.999})
    covered = said = 0
    widths, means = [], []
    for study in range(studies):
        late = [
            latencies(served(service, rate, WORKERS, requests, 1000 * (study + 1) + number))
            for number in range(rounds)
        ]
        values = [percentile(one, 95) for one in late]
        mean, low, high = statistics.geometric_interval(values)
        covered += low <= truth <= high
        widths.append(math.log(high / low) / 2)
        means.append(mean)
        table = pd.concat(
            [
                pd.DataFrame({"round": n, "latency": one, "audio_seconds": 1.0})
                for n, one in enumerate(late)
            ]
        ).assign(arm="a", saturated=False)
        told = kept(table, "a", objective, 0.95)
        said += told is not None and standing([told], 0.05) == MEETS
    return (
        f"| {queue} | {utilisation:g} | {requests} | {rounds} | {truth:.2f} | "
        f"{100 * (np.mean(means) / truth - 1):+.0f} % | {100 * covered / studies:.1f} % | "
        f"±{100 * np.median(widths):.0f} % | {100 * said / studies:.1f} % |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--requests", type=int, nargs="*", default=[40, 100, 400])
    parser.add_argument("--rounds", type=int, nargs="*", default=[5])
    given = parser.parse_args()
    print("| queue | utilisation | requests | rounds | true p95 (s) | bias | coverage | half width "
          "| false meets |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for queue in SERVICE:
        for utilisation in UTILISATIONS:
            for requests in given.requests:
                for rounds in given.rounds:
                    print(cell(queue, utilisation, requests, rounds, given.studies), flush=True)


if __name__ == "__main__":
    main()
