#!/usr/bin/env python3
"""How often would a report err, and how often would it decide? Simulated studies of known truth.

A study is a report of k pairs in n rounds. Its pairs are judged as the product judges them: by
`statistics.paired_tests`, states, the share that a look has, and Holm over the report, for many
studies at once. Prints two tables in Markdown: rates of false verdicts, each of which should be at
most 5 %, and power. Nothing here was measured.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from parallel_transcription import statistics  # noqa: E402

MARGIN, ALPHA = 0.05, 0.05
ROUNDS, PAIRS = (3, 4, 5, 6, 8), (1, 6, 20)
STATES = 0.08  # log distance of two states that a process is in for all of its life


def log_ratios(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    ratio: float | np.ndarray = 1.0,
    noise: float = 0.01,
    states: float = 0.0,
) -> np.ndarray:
    """Log ratios of both sides, shape (rounds, studies, pairs).

    Args:
        rng: The source of chance.
        shape: Rounds, studies, pairs.
        ratio: True ratio of the sides; by pair, if there are several.
        noise: Standard deviation of the log ratio.
        states: Log distance of two states; each run is in either by chance.
    """
    sides = [states * (rng.random(shape) < 0.5) for _ in range(2)]
    return np.log(ratio) + sides[0] - sides[1] + rng.normal(0, noise, shape)


def judge(d: np.ndarray, share: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether pairs are called within the margin, beyond it, and different: (studies, pairs) each.

    Args:
        d: Log ratios, shape (rounds, studies, pairs).
        share: Of the level that the look has; the first one's unless given.
    """
    rounds, studies, pairs = d.shape
    if rounds < statistics.LEAST_ROUNDS:
        return tuple(np.zeros((studies, pairs), bool) for _ in range(3))
    flat = d.reshape(rounds, -1)
    tests = statistics.paired_tests(np.exp(flat), np.ones_like(flat), MARGIN)
    share = statistics.share_of(1) if share is None else share
    tests = statistics.Tests(*[np.minimum(1.0, p / share) for p in tests])
    tests = statistics.no_less_than_states(tests, flat, MARGIN)
    alone = statistics.Tests(*[p.reshape(studies, pairs) for p in tests])
    above, below, different = (
        np.apply_along_axis(statistics.adjust, 1, p)
        for p in (alone.p_above, alone.p_below, alone.p_difference)
    )
    within = alone.p_equivalent <= ALPHA
    differs = different <= ALPHA
    beyond = np.where(d.mean(axis=0) < 0, below, above) <= ALPHA
    return within, beyond & differs & ~within, differs


def false_rates(rounds: int, pairs: int, studies: int, seed: int = 1) -> dict[str, float]:
    """Rates of studies with a false verdict, by what is false."""
    rng = np.random.default_rng([seed, rounds, pairs])
    shape = (rounds, studies, pairs)
    rates = {}
    _, beyond, _ = judge(log_ratios(rng, shape, 1 + MARGIN))
    rates["some pair beyond, all at the margin"] = float(beyond.any(axis=1).mean())
    _, beyond, differs = judge(log_ratios(rng, shape))
    rates["some pair different, all equal"] = float(differs.any(axis=1).mean())
    _, beyond, differs = judge(log_ratios(rng, shape, noise=0.003, states=STATES))
    rates["some pair beyond, equal, two states"] = float(beyond.any(axis=1).mean())
    rates["some pair different, equal, two states"] = float(differs.any(axis=1).mean())
    one_out = np.where(np.arange(pairs) == 0, 1 + MARGIN, 1.0)
    within, _, _ = judge(log_ratios(rng, shape, one_out))
    rates["all pairs within, one at the margin"] = float(within.all(axis=1).mean())
    within, _, _ = judge(log_ratios(rng, shape, one_out, noise=0.003, states=STATES))
    rates["all pairs within, one at the margin, two states"] = float(within.all(axis=1).mean())
    return rates


def looked_at(looks: Sequence[int], pairs: int, studies: int, seed: int = 2) -> dict[str, float]:
    """Rates of studies with a false verdict at any of several looks, rounds added in between."""
    rng = np.random.default_rng([seed, *looks, pairs])
    shape = (looks[-1], studies, pairs)
    margin, same = log_ratios(rng, shape, 1 + MARGIN, 0.03), log_ratios(rng, shape, 1.0, 0.03)
    rates = dict.fromkeys(("beyond", "within", "different"), np.zeros(studies, bool))
    for look, rounds in enumerate(looks, 1):
        share = statistics.share_of(look)
        within, beyond, _ = judge(margin[:rounds], share)
        _, _, differs = judge(same[:rounds], share)
        rates["beyond"] = rates["beyond"] | beyond.any(axis=1)
        rates["within"] = rates["within"] | within.all(axis=1)
        rates["different"] = rates["different"] | differs.any(axis=1)
    return {name: float(seen.mean()) for name, seen in rates.items()}


def power(rounds: int, pairs: int, studies: int, seed: int = 3) -> dict[str, float]:
    """Rates of true verdicts: of equal pairs, and of one that is slower among equal ones."""
    rng = np.random.default_rng([seed, rounds, pairs])
    shape, rates = (rounds, studies, pairs), {}
    for noise in (0.01, 0.03):
        within, _, _ = judge(log_ratios(rng, shape, 1.0, noise))
        rates[f"within, {100 * noise:g} % noise"] = float(within[:, 0].mean())
        for ratio in (1.10, 1.25):
            ratios = np.where(np.arange(pairs) == 0, ratio, 1.0)
            _, beyond, _ = judge(log_ratios(rng, shape, ratios, noise))
            rates[f"beyond at {ratio:g}, {100 * noise:g} % noise"] = float(beyond[:, 0].mean())
    return rates


def _table(title: str, rows: list[tuple[str, dict[str, float]]]) -> None:
    names = list(rows[0][1])
    print(f"\n{title}\n\n| | {' | '.join(names)} |\n|---{'|---:' * len(names)}|")
    for label, rates in rows:
        print(f"| {label} | {' | '.join(f'{100 * rates[n]:.1f} %' for n in names)} |")


def main() -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--studies", type=int, default=10_000, help="simulated for each cell")
    studies = parser.parse_args().studies
    cells = [(n, k) for n in ROUNDS for k in PAIRS]
    label = "{} rounds, {} pairs".format
    once = [(label(n, k), false_rates(n, k, studies)) for n, k in cells]
    again = [(f"after {looks} rounds, {k} pairs", looked_at(looks, k, studies))
             for looks in ((4, 8), (4, 5, 6, 7, 8), (6, 12, 24)) for k in PAIRS]  # fmt: skip
    _table("False verdicts", once)
    _table("False verdicts at any of some looks", again)
    _table("Power", [(label(n, k), power(n, k, studies)) for n, k in cells if n > ROUNDS[0]])
    worst = max(rate for _, rates in once + again for rate in rates.values())
    seen = statistics.clopper_pearson(round(worst * studies), studies, 0.998)[0]
    print(f"\nworst rate {100 * worst:.1f} %: bound {'kept' if seen <= ALPHA else 'missed'}")
    return int(seen > ALPHA)


if __name__ == "__main__":
    sys.exit(main())
