"""The planner of matches on studies of known truth: false verdicts, decisions, minutes.

A study has the sides of the default study on two cores: one model with two workers, its double
(A/A), two models, two processes, one worker, four workers, two threads. Two models, two processes,
four workers and two threads take `ratio` times as long as one model, one worker 1.9 times, which
four rounds before the matches show. A match costs what it costs there (seconds for a start and a
pass), and the planner (`findings.planner`) chooses matches until it stops. Nothing is measured.

A verdict is false if it says "within" of a ratio of at least 1.05, or "beyond" of a ratio below
1.05, or of one beyond on the other side. A false study has at least one false verdict. Kinds:

    white     every pass has noise of its own; the spread is that of a pair's log ratio
    states    also each process is for all of its life in one of two states 8 % apart, evenly often
    lopsided  the same, but only the sides that take `ratio` times as long have states
    odd       the same, but only the two processes have states
    edge      white; two models and four workers take `ratio` times as long, the others as long as
              is just within the margin: both errors are as likely as can be at ratio 1.05
    drift     also the machine's speed walks (1 % from pass to pass) and slows down by 0.2 % a pass
    stalls    also one pass of 50 takes three times as long

    nice -n 19 python benchmarks/simulate_decide.py --studies 2000 --minutes 3
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from parallel_transcription import statistics
from parallel_transcription.findings import choose, planner

MARGIN = 0.05
ONE, DOUBLE = "one model", "its double"
AT_RATIO = ("two models", "two processes", "four workers", "two threads")
FEWER = "one worker"
#: In order of weight; the headline are the first four.
PAIRS = (
    (ONE, "two models"), (ONE, "two processes"), (FEWER, ONE), ("four workers", ONE),
    ("two threads", ONE), (DOUBLE, ONE),
)  # fmt: skip
HEADLINE = 4
RATIOS, SPREADS = (1.00, 1.02, 1.05, 1.10), (0.02, 0.04, 0.08, 0.12)
KINDS = ("white", "states", "lopsided", "odd", "edge", "drift", "stalls")
STATES, STEP, SLOPE, STALLS, STALL = 0.08, 0.01, 0.002, 0.02, 3.0


class Cell(NamedTuple):
    """What is true in some studies, and what they may cost."""

    ratio: float
    spread: float
    kind: str = "white"
    minutes: float = 3.0
    start_s: float = 2.3  # to start, load and warm up a side
    pass_s: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What came of the studies of a cell."""

    cell: Cell
    studies: int
    false: int  # studies with a false verdict
    headline: float  # pairs of the headline decided, on average
    all_headline: float  # share of studies with all of them decided
    pairs: float  # pairs decided, of all
    minutes: float  # spent, on average
    matches: float

    @property
    def at_least(self) -> float:
        """Lower end of the exact one-sided 99.9 % interval of the rate of false studies."""
        return (
            float(stats.beta.ppf(0.001, self.false, self.studies - self.false + 1))
            if self.false
            else 0.0
        )


def truth(cell: Cell) -> dict[str, float]:
    """Log time of each side over that of one model."""
    at = {side: math.log(cell.ratio) for side in AT_RATIO}
    if cell.kind == "edge":
        at |= {side: math.log1p(MARGIN) - 1e-6 for side in AT_RATIO[1::2][:1] + AT_RATIO[3:]}
    return {ONE: 0.0, DOUBLE: 0.0, FEWER: math.log(1.9), **at}


def is_false(size: str, true: float, seen: float) -> bool:
    """Whether a verdict on a pair contradicts its true log ratio."""
    width = math.log1p(MARGIN)
    if size == statistics.WITHIN:
        return abs(true) > width - 1e-9
    if size == statistics.BEYOND:
        return abs(true) < width - 1e-9 or true * seen < 0
    return False


def passes(
    sides: planner.Sides, blocks: int, cell: Cell, walk: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Log times of a match, (blocks, sides), and where the machine's speed has walked to."""
    shape = (blocks, len(sides))
    times = np.tile([truth(cell)[side] for side in sides], (blocks, 1))
    times += rng.normal(0, cell.spread / math.sqrt(2), shape)
    if cell.kind == "states":
        times += rng.choice([-STATES / 2, STATES / 2], len(sides))
    if cell.kind == "lopsided":
        times += rng.choice([-STATES / 2, STATES / 2], len(sides)) * [s in AT_RATIO for s in sides]
    if cell.kind == "odd":
        times += rng.choice([-STATES / 2, STATES / 2], len(sides)) * [
            s == AT_RATIO[1] for s in sides
        ]
    if cell.kind == "stalls":
        times += np.where(rng.random(shape) < STALLS, math.log(STALL), 0.0)
    if cell.kind == "drift":
        turns = walk + np.cumsum(rng.normal(SLOPE, STEP, shape).ravel())
        order = rng.permutation(len(sides))
        for block in range(blocks):
            places = order if block % 2 == 0 else order[::-1]
            times[block, places] += turns[block * len(sides) : (block + 1) * len(sides)]
        walk = float(turns[-1])
    return times, walk


def study(cell: Cell, seed: int) -> tuple[list[planner.Standing], float, int]:
    """One study: where its pairs stand at the end, seconds spent, matches."""
    rng = np.random.default_rng([seed, round(1000 * cell.ratio), round(1000 * cell.spread)])
    true = truth(cell)
    contests = []
    more = rng.uniform(0.9, 1.4)
    for a, b in PAIRS:  # four rounds before the matches; processes of their own differ more
        logs = true[a] - true[b] + rng.normal(0, more * cell.spread, 4)
        settled = False
        if abs(true[a] - true[b]) > 0.2:  # else no four rounds lie far enough out
            found = statistics.compare(np.exp(logs), np.ones(4), MARGIN)
            settled = choose.is_settled(found, logs)
        contests.append(
            planner.Contest(
                a,
                b,
                (),
                float(logs.std(ddof=1)),
                float(np.mean(logs)),
                settled=settled,
                margin=MARGIN,
            )
        )
    costs = {side: planner.Cost(cell.start_s, cell.pass_s) for side in truth(cell)}
    spent, matches, walk = 0.0, 0, 0.0
    while True:
        step = planner.next_match(contests, costs, 60 * cell.minutes, spent)
        if isinstance(step, planner.Stop):
            return list(step.standings), spent, matches
        times, walk = passes(step.sides, step.blocks, cell, walk, rng)
        place = {side: k for k, side in enumerate(step.sides)}
        for k, one in enumerate(contests):
            if one.side_a in place and one.side_b in place:
                ratios = times[:, place[one.side_a]] - times[:, place[one.side_b]]
                met = (*one.matches, tuple(ratios.tolist()))
                contests[k] = replace(one, matches=met, stage=one.stage or matches + 1)
        spent, matches = spent + step.seconds, matches + 1


def simulate(cell: Cell, studies: int, seed: int = 1) -> Outcome:
    """So many studies of a cell."""
    true = truth(cell)
    logs = [true[a] - true[b] for a, b in PAIRS]
    false = everything = headline = pairs = matches = 0
    spent = 0.0
    for number in range(studies):
        where, seconds, count = study(cell, 1_000_003 * seed + number)
        false += any(is_false(s.size, t, s.log_ratio) for s, t in zip(where, logs, strict=True))
        decided = [s.size != statistics.OPEN for s in where]
        headline += sum(decided[:HEADLINE])
        everything += all(decided[:HEADLINE])
        pairs += sum(decided)
        spent, matches = spent + seconds, matches + count
    return Outcome(
        cell, studies, false, headline / studies, everything / studies, pairs / studies,
        spent / studies / 60, matches / studies,
    )  # fmt: skip


def row(outcome: Outcome) -> str:
    """A line of the table."""
    cell = outcome.cell
    return (
        f"| {cell.kind} | {cell.ratio:.2f} | {100 * cell.spread:.0f} % "
        f"| {100 * outcome.false / outcome.studies:.1f} % | {outcome.headline:.1f} "
        f"| {100 * outcome.all_headline:.0f} % | {outcome.pairs:.1f} | {outcome.minutes:.1f} "
        f"| {outcome.matches:.1f} |"
    )


def main() -> int:
    """Simulates all cells and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--studies", type=int, default=2000, help="of each cell (2000)")
    parser.add_argument("--minutes", type=float, default=3.0, help="budget of a study (3)")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--ratios", nargs="+", type=float, default=list(RATIOS))
    parser.add_argument("--spreads", nargs="+", type=float, default=list(SPREADS))
    args = parser.parse_args()
    print("| noise | ratio | spread | false | of 4 | all four | of 6 | min | matches |")
    print("|---|---|---|---|---|---|---|---|---|")
    bad = []
    for kind, ratio, spread in product(args.kinds, args.ratios, args.spreads):
        outcome = simulate(Cell(ratio, spread, kind, args.minutes), args.studies)
        print(row(outcome), flush=True)
        if outcome.at_least > 0.05:
            bad.append(outcome.cell)
    print("bound missed:" if bad else "bound kept: no cell's false verdicts contradict 5 %", *bad)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
