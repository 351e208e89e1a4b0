"""Planted effects: studies of known truth, simulated by the thousand, get the right verdict.

A study is one matched pair: `rounds` paired times per arm, each the median of three repeats, with
a drift that both arms of a round share and a true ratio A / B. Rates are over STUDIES simulated
studies each. Error rates may not exceed 5 %; a rate of exactly 5 % would show 5 % plus or minus
chance, so what is asserted is that the rate seen does not contradict 5 %: its exact 99.9 % lower
bound is not above it (with 10,000 studies: 5.7 % at most is accepted).

    python -m pytest tests/test_planted_effects.py -k power -s     prints the table
"""

import numpy as np
import pytest

from judging import question
from parallel_transcription import statistics
from parallel_transcription.findings.machine import Machine
from parallel_transcription.statistics import (
    A_FASTER,
    B_FASTER,
    BEYOND,
    EQUIVALENT,
    INCONCLUSIVE,
    WITHIN,
)
from synthetic_study import as_results, configuration, make_tables

pytestmark = pytest.mark.slow  # simulates thousands of studies

MARGIN, ALPHA = 0.05, 0.05
RATIOS, SPREADS, ROUNDS = (1.00, 1.02, 1.05, 1.10), (0.01, 0.03, 0.05), (4, 6, 10, 20)
STUDIES = 10_000


def noise(rng, kind, shape):
    """Noise of unit spread (for normal), symmetric or not; per arm."""
    if kind == "normal":
        return rng.normal(size=shape)
    if kind == "heavy tails":
        return rng.standard_t(3, size=shape) / np.sqrt(3)
    if kind == "outliers":
        return rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 8.0, 1.0)
    if kind == "skewed":
        return rng.lognormal(0, 0.6, size=shape) / 0.75
    raise ValueError(kind)


def simulate(ratio, spread, rounds, studies=STUDIES, kind="normal", seed=1):
    """Times a, b, shape (rounds, studies).

    The log ratio of a round has standard deviation `spread` (for normal noise).
    """
    key = [seed, round(1000 * ratio), round(1000 * spread), rounds, len(kind)]
    rng = np.random.default_rng(key)
    shape = (rounds, studies)
    drift = np.cumsum(rng.normal(0, 0.02, shape), axis=0)
    arms = []
    for factor in (ratio, 1.0):
        own = noise(rng, kind, shape) * spread / np.sqrt(2)
        arms.append(3.0 * factor * np.exp(drift + own))
    return arms


def outcomes(a, b):
    tests = statistics.paired_tests(a, b, MARGIN)
    log_ratio = (np.log(a) - np.log(b)).mean(axis=0)
    return statistics.decide(tests.p_equivalent, tests.p_difference, log_ratio, ALPHA)


def share(values, *wanted):
    return float(np.isin(values, wanted).mean())


def contradicts(rate, studies=STUDIES, limit=0.05):
    """Whether a rate seen over so many studies contradicts a true rate of at most `limit`."""
    return statistics.clopper_pearson(round(rate * studies), studies, 0.998)[0] > limit


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("spread", SPREADS)
def test_false_verdicts_are_rare(rounds, spread):
    for ratio in RATIOS:
        seen = outcomes(*simulate(ratio, spread, rounds))
        if ratio >= 1 + MARGIN:
            assert not contradicts(share(seen, EQUIVALENT)), (ratio, share(seen, EQUIVALENT))
        if ratio == 1:
            assert not contradicts(share(seen, A_FASTER, B_FASTER))
        else:  # A is slower: calling it faster is the wrong way round
            assert share(seen, A_FASTER) <= 0.03


@pytest.mark.parametrize("kind", ["heavy tails", "outliers", "skewed"])
@pytest.mark.parametrize("rounds", [4, 6, 20])
def test_false_verdicts_are_rare_with_other_noise(kind, rounds):
    for spread in (0.01, 0.05):
        false_faster = share(
            outcomes(*simulate(1.0, spread, rounds, kind=kind)), A_FASTER, B_FASTER
        )
        assert not contradicts(false_faster)
        for ratio in (1.05, 1.10):
            false_same = share(outcomes(*simulate(ratio, spread, rounds, kind=kind)), EQUIVALENT)
            assert not contradicts(false_same)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_ratio_inside_the_margin_is_rarely_called_beyond_it(rounds):
    """`size` is what findings are refuted by."""
    for spread in SPREADS:
        for ratio in (1.00, 1.02, 1.05):
            a, b = simulate(ratio, spread, rounds, seed=2)
            tests = statistics.paired_tests(a, b, MARGIN)
            log_ratio = (np.log(a) - np.log(b)).mean(axis=0)
            p_beyond = np.where(log_ratio < 0, tests.p_below, tests.p_above)
            beyond = (p_beyond <= ALPHA) & (tests.p_difference <= ALPHA)
            assert not contradicts(float(beyond.mean()))


def test_power():
    """Also prints the table; power is a promise that planning relies on."""
    lines = ["spread  ratio  rounds  equivalent  A faster  B faster  inconclusive"]
    for spread in SPREADS:
        for ratio in RATIOS:
            for rounds in ROUNDS:
                seen = outcomes(*simulate(ratio, spread, rounds))
                rates = [share(seen, o) for o in (EQUIVALENT, A_FASTER, B_FASTER, INCONCLUSIVE)]
                lines.append(
                    f"{100 * spread:4.0f} %  {ratio:5.2f}  {rounds:6d}  "
                    + "  ".join(f"{100 * r:8.1f} %" for r in rates)
                )
                promised = statistics.equivalence_power(rounds, spread, MARGIN, ALPHA, ratio)
                assert rates[0] == pytest.approx(promised, abs=0.02)
    print("\n" + "\n".join(lines))
    assert share(outcomes(*simulate(1.0, 0.01, 6)), EQUIVALENT) > 0.99
    assert share(outcomes(*simulate(1.10, 0.03, 6)), B_FASTER) > 0.99
    assert share(outcomes(*simulate(1.0, 0.03, 6)), EQUIVALENT) > 0.85


def test_the_rounds_that_are_planned_are_enough():
    for spread in (0.01, 0.02, 0.03, 0.05):
        rounds = statistics.rounds_needed(spread, MARGIN)
        seen = outcomes(*simulate(1.0, spread, rounds, seed=3))
        assert share(seen, EQUIVALENT) > 0.885


def test_a_family_of_pairs_keeps_its_error_rate():
    """Six pairs in a study, Holm: the chance of any false label stays at 5 %."""
    studies, pairs, rounds = 1000, 6, 6
    for ratio, wrong in ((1.0, (A_FASTER, B_FASTER)), (1.05, (EQUIVALENT,))):
        a, b = simulate(ratio, 0.03, rounds, studies * pairs, seed=4)
        tests = statistics.paired_tests(a, b, MARGIN)
        log_ratio = (np.log(a) - np.log(b)).mean(axis=0).reshape(studies, pairs)
        p_same = tests.p_equivalent.reshape(studies, pairs)
        p_other = tests.p_difference.reshape(studies, pairs)
        false = 0
        for k in range(studies):
            labels = statistics.decide(
                statistics.adjust(p_same[k]), statistics.adjust(p_other[k]), log_ratio[k]
            )
            false += bool(np.isin(labels, wrong).any())
        assert not contradicts(false / studies, studies)


@pytest.mark.parametrize("rounds", [4, 8])
@pytest.mark.parametrize("quantile", [0.3, 0.8])
def test_censored_arms_that_are_equal_are_rarely_told_apart(rounds, quantile):
    studies = 600
    a, b = simulate(1.0, 0.3, rounds, studies, seed=5)
    limit = float(np.quantile(a, quantile))
    wrong = same = 0
    for k in range(studies):
        result = statistics.compare(
            np.minimum(a[:, k], limit),
            np.minimum(b[:, k], limit),
            MARGIN,
            censored_a=a[:, k] > limit,
            censored_b=b[:, k] > limit,
        )
        wrong += result.outcome in (A_FASTER, B_FASTER)
        same += result.outcome == EQUIVALENT
    assert not contradicts(wrong / studies, studies)
    # spread 30 %: the margin of 5 % cannot be shown, and a time limit must not help
    assert same / studies < 0.02


def test_an_arm_that_never_ends_in_time_is_slower_and_one_that_may_be_equal_is_not():
    limit = np.full(4, 60.0)
    late = np.array([True] * 4)
    never = statistics.compare(limit, np.array([8.0, 8.1, 7.9, 8.0]), MARGIN, censored_a=late)
    assert (never.outcome, never.size, never.bound) == (B_FASTER, BEYOND, "at least")
    assert np.isnan(never.high) and never.low > 5
    both = statistics.compare(limit, limit, MARGIN, censored_a=late, censored_b=late)
    assert (both.rounds, both.censored_both, both.outcome) == (0, 4, INCONCLUSIVE)


def test_one_column_alone_is_judged_like_the_many():
    a, b = simulate(1.02, 0.02, 6, 60, seed=6)
    many = outcomes(a, b)
    alone = [statistics.compare(a[:, k], b[:, k], MARGIN).outcome for k in range(60)]
    assert list(many) == alone


def _arms():
    return [
        configuration("one_model", workers=2),
        configuration("multi_model", instances=2),
        configuration("multi_process", instances=2),
    ]


def _verdicts(seed, **truth):
    tables = make_tables(
        seed,
        configurations=_arms(),
        init_starts=0,
        timeouts=False,
        failures=False,
        repeats=2,
        **truth,
    )
    machine = Machine(as_results(tables), "synthetic-a")
    return {id: question(id).judge(machine) for id in ("one_or_many", "processes")}


@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"),
    [(1.0, 0.01, "confirmed"), (1.02, 0.01, "confirmed"), (1.10, 0.01, "refuted")],
)
def test_the_chain_from_the_tables_finds_what_was_planted(ratio, spread, verdict):
    """Whole tables, ten seeds each; the planted ratio is that of many models to one."""
    right = 0
    for seed in range(10):
        found = _verdicts(seed, rounds=6, spread=spread, ratio_many=ratio)
        right += found["one_or_many"].verdict == verdict
        row = found["one_or_many"].evidence[0]
        assert row["ratio"] == pytest.approx(1 / ratio, rel=0.03)
        assert found["processes"].verdict in (
            "confirmed",
            "inconclusive",
        )
    assert right >= 9


def test_two_runs_of_a_study_do_not_contradict_each_other():
    """Confirmed in one and refuted in the other is what must not happen, whatever the ratio."""
    for ratio in (1.0, 1.03, 1.05, 1.07, 1.10):
        sizes = []
        for seed in (7, 8):
            a, b = simulate(ratio, 0.02, 6, seed=seed)
            tests = statistics.paired_tests(a, b, MARGIN)
            p_beyond = np.minimum(tests.p_above, tests.p_below)
            sizes.append(
                np.select(
                    [
                        tests.p_equivalent <= ALPHA,
                        (p_beyond <= ALPHA) & (tests.p_difference <= ALPHA),
                    ],
                    [WITHIN, BEYOND],
                    "open",
                )
            )
        clash = ((sizes[0] == WITHIN) & (sizes[1] == BEYOND)) | (
            (sizes[0] == BEYOND) & (sizes[1] == WITHIN)
        )
        assert clash.mean() < 0.01
