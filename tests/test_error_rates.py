"""Rates of false verdicts of a report are at most 5 %, whatever its pairs and rounds are.

The simulations are those of `benchmarks/error_rates.py`, which prints the tables at length. What is
asserted is that a rate seen does not contradict 5 %: its exact 99.9 % lower bound is not above it.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from parallel_transcription import statistics

pytestmark = pytest.mark.slow  # simulates thousands of studies

STUDIES = 1000
FILE = Path(__file__).resolve().parent.parent / "benchmarks/error_rates.py"
SPEC = importlib.util.spec_from_file_location("error_rates", FILE)
rates = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(rates)


def contradicted(found):
    """The rates that contradict 5 %."""
    return {
        name: rate
        for name, rate in found.items()
        if statistics.clopper_pearson(round(rate * STUDIES), STUDIES, 0.998)[0] > 0.05
    }


@pytest.mark.parametrize("pairs", rates.PAIRS)
@pytest.mark.parametrize("rounds", rates.ROUNDS)
def test_a_report_rarely_errs(rounds, pairs):
    assert contradicted(rates.false_rates(rounds, pairs, STUDIES)) == {}


@pytest.mark.parametrize("pairs", [1, 6])
@pytest.mark.parametrize("looks", [(4, 5, 6, 7, 8), (4, 8, 16), (6, 12)])
def test_looking_again_does_not_make_it_err_more(looks, pairs):
    assert contradicted(rates.looked_at(looks, pairs, STUDIES)) == {}


def test_without_what_is_paid_it_would_err():
    """The simulation can fail: states without their floor, looks without their share."""
    rng = np.random.default_rng(4)
    d = rates.log_ratios(rng, (4, STUDIES, 20), noise=0.003, states=rates.STATES)
    flat = d.reshape(4, -1)
    tests = statistics.paired_tests(np.exp(flat), np.ones_like(flat), rates.MARGIN)
    p = np.minimum(tests.p_above, tests.p_below).reshape(STUDIES, 20)
    holm = np.apply_along_axis(statistics.adjust, 1, p)
    assert (holm <= 0.05).any(axis=1).mean() > 0.05
    d = rates.log_ratios(rng, (8, STUDIES, 1), 1.0, 0.03)
    seen = [rates.judge(d[:n], 1.0)[2].any(axis=1) for n in (4, 5, 6, 7, 8)]
    assert np.any(seen, axis=0).mean() > 0.08


def test_power():
    """Also prints it, with `-s`: plans of rounds rely on it."""
    found = {(n, k): rates.power(n, k, STUDIES) for n in (4, 6, 8) for k in rates.PAIRS}
    for (n, k), row in found.items():
        listed = ", ".join(f"{name}: {100 * rate:.0f} %" for name, rate in row.items())
        print(f"{n} rounds, {k} pairs: {listed}")
    assert found[4, 6]["within, 1 % noise"] > 0.9
    assert found[4, 6]["beyond at 1.25, 1 % noise"] > 0.9
    assert found[8, 6]["beyond at 1.1, 1 % noise"] > 0.9
    assert found[8, 20]["within, 3 % noise"] > 0.8


def test_the_simulation_judges_as_the_product_does():
    rng = np.random.default_rng(5)
    ratios = np.exp(rng.normal(0, 0.08, (40, 6)))
    d = rates.log_ratios(rng, (6, 40, 6), ratios, 0.02, rates.STATES * (rng.random() < 0.5))
    within, beyond, _ = rates.judge(d)
    for k in range(40):
        alone = [
            statistics.compare(np.exp(d[:, k, j]), np.ones(6), 0.05, share=statistics.share_of(1))
            for j in range(6)
        ]
        sizes = [c.size for c in statistics.correct(alone)]
        assert [s == statistics.WITHIN for s in sizes] == list(within[k])
        assert [s == statistics.BEYOND for s in sizes] == list(beyond[k])
