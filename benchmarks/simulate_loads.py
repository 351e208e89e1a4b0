"""How sure answers on loads are, in simulated queues: coverage of the long-run p95, false "meets".

Queues of known truth (tests/queues.py): Poisson arrivals, two ideal workers, equal files (M/D/2) or
many short and few long ones (M/G/2). The truth is the p95 of a queue that runs for ever. A study
has rounds of one pass each, with the lead-in and the tail of the product. "false meets": studies
that say an objective is kept which the truth misses by 0.1 %. "plain": the same intervals without
the correction of `findings/long_run.py`. Nothing here was measured.

    nice -n 19 python benchmarks/simulate_loads.py --studies 200
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

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
from queues import SERVICE, rate_for, table_of, true_percentile  # noqa: E402

WORKERS, ROUNDS = 2, 5


def cell(queue: str, busy: float, requests: int, studies: int) -> str:
    """A row of the table."""
    service = SERVICE[queue]
    rate = rate_for(service, WORKERS, busy)
    truth = true_percentile(service, rate, WORKERS, 95)
    (objective,) = objectives({"p95": truth * 0.999})
    covered = plain = said = 0
    for study in range(1, studies + 1):
        table = table_of(service, rate, WORKERS, requests, ROUNDS, study)
        told = kept(table, objective, 0.95, rate, WORKERS)
        covered += told.low <= 1 <= told.high
        said += standing([told], 0.05) == MEETS
        counted = table[table["counted"]]
        late = [percentile(own["latency"], 95) for _, own in counted.groupby("round")]
        _, low, high = statistics.geometric_interval(late)
        plain += low <= truth <= high
    shares = (100 * number / studies for number in (covered, said, plain))
    return f"| {queue} | {busy:g} | {requests} | {truth:.2f} | " + " | ".join(
        f"{share:.1f} %" for share in shares
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--requests", type=int, nargs="*", default=[40, 100])
    given = parser.parse_args()
    print("| queue | utilisation | requests | true p95 (s) | coverage | false meets | plain |")
    print("|---|---|---|---|---|---|---|")
    for queue in SERVICE:
        for busy in (0.5, 0.7, 0.85):
            for requests in given.requests:
                print(cell(queue, busy, requests, given.studies), "|", flush=True)


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
