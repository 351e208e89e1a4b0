"""Looking again, paid for: levels of repeated tests, families, and what they take as a match."""

import itertools
import math

import numpy as np
import pytest
import scipy

from parallel_transcription.statistics import (
    BEYOND,
    OPEN,
    WITHIN,
    compare_matches,
    sequential,
    stages,
)
from parallel_transcription.statistics.stages import PValues

WIDTH = math.log1p(0.05)


def normal(rng, studies, matches, sd=1.0):
    return rng.normal(0, sd, (studies, matches))


def test_the_value_of_a_match_does_not_know_its_one_stall():
    calm = [0.01, 0.02, 0.00, 0.03, 0.01, 0.02]
    stalled = [*calm[:-1], 1.1]
    assert sequential.match_value(stalled) == pytest.approx(sequential.match_value(calm), abs=0.006)
    assert sequential.match_value([0.0, 0.1, 2.0]) == 0.1  # of a few blocks the median
    assert math.isnan(sequential.match_value([]))


def test_looks_begin_at_five_and_get_rarer():
    looks = sequential.looks_at(100)
    assert looks == (5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96)
    assert all(sequential.is_look(n) == (n in looks) for n in range(101))


def test_the_share_that_is_spent_grows_to_all_of_the_level():
    shares = [sequential.spent(n) for n in sequential.looks_at(400)]
    assert shares == sorted(shares)
    assert shares[0] == 1 - sequential.REST and 0.95 < shares[-1] < 1


@pytest.mark.parametrize("level", [0.05, 0.0125])
def test_looking_after_every_match_keeps_the_level(level):
    rng, studies, most = np.random.default_rng(5), 4000, 24
    rejected = np.zeros(studies, bool)
    x = normal(rng, studies, most)
    for n in sequential.looks_at(most):
        t = x[:, :n].mean(axis=1) / x[:, :n].std(axis=1, ddof=1) * math.sqrt(n)
        critical = scipy.special.stdtrit(n - 1, 1 - sequential.nominal_level(n, level))
        rejected |= t > critical
    error = math.sqrt(level * (1 - level) / studies)
    assert 0.6 * level < rejected.mean() < sequential.spent(most) * level + 3 * error


def test_the_repeated_p_value_rejects_when_a_look_does():
    rng = np.random.default_rng(2)
    for _ in range(40):
        x = rng.normal(0.6, 1, 12)
        p, _ = sequential.repeated_p(x, 0.0)
        looked = [
            scipy.special.stdtr(n - 1, -x[:n].mean() / x[:n].std(ddof=1) * math.sqrt(n))
            <= sequential.nominal_level(n, 0.05)
            for n in sequential.looks_at(12)
        ]
        assert (p <= 0.05) == any(looked)


def test_more_matches_never_take_a_p_value_back():
    x = np.random.default_rng(3).normal(0.3, 1, 40)
    ps = [sequential.repeated_p(x[:n], 0.0)[0] for n in range(41)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(ps))


def test_before_the_first_look_nothing_is_tested():
    found = compare_matches([[0.0, 0.01, 0.02, 0.0]] * 4, 0.05)
    assert (found.size, found.unit, found.rounds, found.passes) == (OPEN, "match", 4, 16)
    assert math.isnan(found.tests.p_equivalent) and math.isnan(found.low)
    assert [look.matches for look in found.looks] == [1, 2, 3, 4]


def test_equal_sides_are_within_and_far_ones_beyond():
    rng = np.random.default_rng(4)
    for ratio, size in ((1.0, WITHIN), (1.3, BEYOND), (1 / 1.3, BEYOND)):
        found = compare_matches(rng.normal(math.log(ratio), 0.03, (8, 6)).tolist(), 0.05)
        assert found.size == size
        assert found.low < ratio < found.high
        assert [look.matches for look in found.looks] == [1, 2, 3, 4, 5, 6, 8]
        assert found.looks[-1].low == pytest.approx(found.low_equivalence)


def test_no_study_ends_with_an_interval_that_has_missed_more_often_than_it_may():
    rng, missed = np.random.default_rng(6), 0
    for _ in range(300):
        x = rng.normal(0, 1, 20)
        ends = [sequential.repeated_interval(x[:n], 0.95)[1:] for n in sequential.looks_at(20)]
        missed += any(low > 0 or high < 0 for low, high in ends)
    assert missed / 300 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_other_pairs_help_to_know_the_spread_and_cannot_make_a_wild_pair_calm():
    calm = [np.random.default_rng(k).normal(0, 0.01, 6) for k in range(3)]
    wild = np.random.default_rng(9).normal(0, 0.05, 6)
    alone = sequential.variances(calm[0])[6]
    shared = sequential.variances(calm[0], calm[1:])[6]
    assert shared[1] == pytest.approx((1 + 2 * sequential.SHARED) * alone[1])
    beside_calm = sequential.variances(wild, calm)[6][0]
    assert beside_calm == pytest.approx(wild.var(ddof=1) / sequential.OWN)
    assert sequential.variances(calm[0], [wild])[6][0] > alone[0]


def test_a_few_matches_in_one_state_show_nothing_beyond():
    # five matches in which chance dealt A the slow state each time, without any noise
    found = sequential.match_tests([0.08] * 5, 0.02)
    assert found.p_above >= 2 * 0.25**5
    assert sequential.match_tests([0.5] * 5, 0.05).p_above < 1e-6


def test_pairs_shown_beyond_do_not_count_among_those_that_may_be_within():
    far = PValues(1.0, 1e-5, 1e-5)
    equal = PValues(0.04, 0.9, 0.9)
    assert stages.sizes([far, equal]) == [BEYOND, WITHIN]
    assert stages.sizes([far, equal, equal]) == [BEYOND, WITHIN, WITHIN]
    undecided = PValues(0.3, 0.3, 0.9)
    assert stages.sizes([equal, undecided]) == [OPEN, OPEN]
    assert stages.sizes([PValues(0.02, 0.9, 0.9), undecided]) == [WITHIN, OPEN]


def test_pairs_that_join_later_take_no_decision_back():
    first = [PValues(0.04, 0.9, 0.9, stage=1), PValues(1.0, 0.01, 0.02, stage=1)]
    alone = stages.sizes(first)
    for late in itertools.product((0.001, 0.3), repeat=3):
        later = [PValues(p, 0.9, 0.9, stage=4) for p in late]
        assert stages.sizes([*later, *first])[3:] == alone


def test_a_late_pair_pays_for_those_still_open():
    still_open = [PValues(0.5, 0.5, 0.5, stage=1)] * 2
    assert stages.sizes([*still_open, PValues(0.03, 0.9, 0.9, stage=2)])[2] == OPEN
    assert stages.sizes([*still_open, PValues(0.016, 0.9, 0.9, stage=2)])[2] == WITHIN


def test_a_family_of_unknown_p_values_decides_nothing():
    nan = float("nan")
    assert stages.sizes([PValues(nan, nan, nan)] * 3) == [OPEN] * 3
    assert stages.sizes([]) == []


def test_the_chance_to_decide_is_about_what_studies_decide():
    rng, n, sd = np.random.default_rng(8), 6, 0.025
    for log_ratio in (0.0, 0.02, 0.11):
        promised = sequential.chance(n, sd, log_ratio, 0.05)
        decided = 0
        for x in rng.normal(log_ratio, sd, (300, n)):
            tests = sequential.match_tests(x, 0.05)
            decided += min(tests.p_equivalent, max(tests.p_above, tests.p_difference)) <= 0.05
        assert decided / 300 == pytest.approx(promised, abs=0.15)


def test_matches_needed_reach_the_chance_and_are_none_at_the_margin():
    n = sequential.matches_needed(0.03, 0.0, 0.05, others=2)
    assert sequential.chance(n, 0.03, 0.0, 0.05, others=2) >= 0.8
    before = [m for m in sequential.looks_at(n) if m < n]
    assert all(sequential.chance(m, 0.03, 0.0, 0.05, others=2) < 0.8 for m in before)
    assert sequential.matches_needed(0.03, 0.0, 0.05) >= n
    assert sequential.matches_needed(0.03, WIDTH, 0.05) is None
    assert sequential.matches_needed(0.03, 0.0, 0.05, have=n) > n


def test_comparisons_of_matches_are_settled_together():
    rng = np.random.default_rng(11)
    logs = [0.0, 0.3, -0.3, 0.05]
    pairs = [rng.normal(log, 0.03, (6, 8)).tolist() for log in logs]
    found = [compare_matches(one, 0.05, alike=[p for p in pairs if p is not one]) for one in pairs]
    settled = stages.settle_matches(found, [1, 1, 1, 1])
    assert [one.size for one in settled] == [WITHIN, BEYOND, BEYOND, OPEN]
    assert [one.outcome for one in settled] == ["equivalent", "B faster", "A faster",
                                                "inconclusive"]  # fmt: skip
    assert stages.settle_matches([], []) == []
