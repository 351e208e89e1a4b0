"""Statistics: properties that must hold for any numbers, known values, coverage of intervals."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from parallel_transcription import statistics
from parallel_transcription.statistics import A_FASTER, B_FASTER, EQUIVALENT, INCONCLUSIVE

times = st.floats(0.05, 500.0)
pairs = st.lists(st.tuples(times, st.floats(-0.4, 0.4)), min_size=2, max_size=12).map(
    lambda items: (
        np.array([t for t, _ in items]),
        np.array([t * np.exp(d) for t, d in items]),
    )
)
margins = st.floats(0.01, 0.5)
SWAPPED = {A_FASTER: B_FASTER, B_FASTER: A_FASTER, EQUIVALENT: EQUIVALENT}


@given(pairs, margins)
@settings(max_examples=60, deadline=None)
def test_swapping_the_arms_flips_the_verdict(pair, margin):
    a, b = pair
    one, other = statistics.compare(a, b, margin), statistics.compare(b, a, margin)
    close = [one.tests.p_equivalent, one.tests.p_difference, one.p_beyond]
    if any(abs(p - 0.05) < 1e-9 for p in close):
        return  # on the edge, rounding decides
    assert other.outcome == SWAPPED.get(one.outcome, INCONCLUSIVE)
    assert other.size == one.size
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert other.low == pytest.approx(1 / one.high)
    assert other.median_ratio == pytest.approx(1 / one.median_ratio, rel=1e-6) or len(a) % 2 == 0


@pytest.mark.slow
@given(pairs, margins, st.floats(0.01, 100))
@settings(max_examples=60, deadline=None)
def test_units_do_not_matter(pair, margin, factor):
    a, b = pair
    one, other = (
        statistics.compare(a, b, margin),
        statistics.compare(a * factor, b * factor, margin),
    )
    assert other.tests == pytest.approx(one.tests, abs=1e-6, nan_ok=True)
    assert other.ratio == pytest.approx(one.ratio)


@given(pairs, margins, margins)
@settings(max_examples=60, deadline=None)
def test_a_wider_margin_never_takes_equivalence_away(pair, first, second):
    small, large = sorted((first, second))
    a, b = pair
    if statistics.compare(a, b, small).outcome == EQUIVALENT:
        assert statistics.compare(a, b, large).outcome == EQUIVALENT
    if statistics.compare(a, b, large).size == statistics.BEYOND:
        assert statistics.compare(a, b, small).size == statistics.BEYOND


@given(pairs, margins, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_rounds_does_not_matter(pair, margin, random):
    a, b = pair
    order = list(range(len(a)))
    random.shuffle(order)
    one, other = statistics.compare(a, b, margin), statistics.compare(a[order], b[order], margin)
    assert other.tests == pytest.approx(one.tests, abs=1e-9, nan_ok=True)
    assert (other.median_ratio, other.rounds) == (pytest.approx(one.median_ratio), one.rounds)


@given(pairs, margins)
@settings(max_examples=60, deadline=None)
def test_labels_and_intervals_agree(pair, margin):
    """Faster: the interval leaves out 1. Equivalent: the 90 % interval is inside the band."""
    a, b = pair
    c = statistics.compare(a, b, margin)
    low, high = statistics.band(margin)
    if c.outcome in (A_FASTER, B_FASTER):
        assert c.high <= 1 + 1e-6 or c.low >= 1 - 1e-6
    if c.outcome == EQUIVALENT:
        assert c.low_equivalence >= low - 1e-6 and c.high_equivalence <= high + 1e-6
    if c.size == statistics.BEYOND:
        assert c.outcome != EQUIVALENT


@given(
    pairs,
    st.floats(1.01, 3.0),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_a_time_limit_never_makes_arms_equivalent_or_turns_the_direction(pair, factor, late):
    """Cutting A off at a limit may hide a verdict; it cannot make the slower arm faster."""
    a, b = pair
    late = np.array(late[: len(a)])
    full = statistics.compare(np.where(late, a * factor, a), b, 0.05)
    cut = statistics.compare(a, b, 0.05, censored_a=late)
    assert cut.rounds + cut.censored_both == len(a)
    if not late.any():
        return
    if cut.outcome == A_FASTER:
        assert not cut.censored_a
    if cut.outcome == EQUIVALENT and cut.censored_a:
        # only where enough other rounds outvote them in the exact sign test
        assert cut.rounds - cut.censored_a >= 5
    if cut.censored_a:
        assert full.ratio >= cut.ratio * (1 - 1e-9)


def test_the_test_is_that_of_statsmodels():
    rng = np.random.default_rng(1)
    a, b = rng.lognormal(0, 0.05, (2, 7)) * 3
    ours = statistics.compare(a, b, 0.05).tests
    theirs = ttost_paired(a, b, 1 / 1.05, 1.05, transform=np.log)
    assert ours.p_equivalent == pytest.approx(theirs[0])
    assert ours.p_difference == pytest.approx(stats.ttest_rel(np.log(a), np.log(b)).pvalue)


def test_the_band_is_symmetric_in_the_logarithm():
    low, high = statistics.band(0.05)
    assert (low, high) == (1 / 1.05, 1.05)
    assert np.log(low) == pytest.approx(-np.log(high))
    for wrong in (0, -0.1, 1, 5):
        with pytest.raises(ValueError, match="margin"):
            statistics.band(wrong)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="2 rounds"):
        statistics.paired_tests([1.0], [1.0], 0.05)
    with pytest.raises(ValueError, match="positive"):
        statistics.paired_tests([1.0, 0.0], [1.0, 1.0], 0.05)
    with pytest.raises(ValueError, match="equally long"):
        statistics.compare([1.0, 2.0], [1.0], 0.05)


def test_one_round_and_none_decide_nothing():
    one = statistics.compare([2.0], [1.0], 0.05)
    assert (one.outcome, one.rounds, one.size) == (INCONCLUSIVE, 1, statistics.OPEN)
    assert one.ratio == pytest.approx(2.0) and np.isnan(one.low)
    none = statistics.compare([], [], 0.05)
    assert (none.outcome, none.rounds) == (INCONCLUSIVE, 0)


def test_equivalent_and_yet_different_is_equivalent_slightly_faster():
    a = np.array([1.019, 1.021, 1.02, 1.0205, 1.0195])
    c = statistics.compare(a, np.ones(5), 0.05)
    assert (c.outcome, c.size, c.slightly) == (EQUIVALENT, statistics.WITHIN, "B")


def test_times_without_any_spread():
    same = statistics.compare([3.0] * 4, [3.0] * 4, 0.05)
    assert (same.outcome, same.slightly) == (EQUIVALENT, "")
    twice = statistics.compare([6.0] * 4, [3.0] * 4, 0.05)
    assert (twice.outcome, twice.size) == (B_FASTER, statistics.BEYOND)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_fewer_rounds_than_can_carry_a_verdict_carry_none(rounds):
    for a in ([3.0] * rounds, [30.0] * rounds):
        few = statistics.compare(a, [3.0] * rounds, 0.05)
        assert (few.outcome, few.size, few.tested) == (INCONCLUSIVE, statistics.OPEN, False)
        late = statistics.compare(a, [3.0] * rounds, 0.05, censored_a=[True] * rounds)
        assert (late.outcome, late.size) == (INCONCLUSIVE, statistics.OPEN)


def test_all_rounds_in_the_same_state_are_no_surer_than_chance():
    """8 % in all of four rounds; of 20 pairs one looks so by chance in every 13th study."""
    slow = statistics.compare(3.0 * np.exp([0.08, 0.081, 0.08, 0.079]), [3.0] * 4, 0.05)
    assert slow.tests.p_above == 0.25**4 and slow.tests.p_difference == 2 * 0.25**4
    calm = [statistics.compare([3.0, 3.01, 2.99, 3.0], [3.0] * 4, 0.05) for _ in range(19)]
    assert statistics.correct([slow, *calm[:2]])[0].size == statistics.BEYOND
    assert statistics.correct([slow, *calm])[0].size == statistics.OPEN
    far = statistics.compare(3.0 * np.exp([0.20, 0.201, 0.20, 0.199]), [3.0] * 4, 0.05)
    assert far.tests.p_above < 1e-4, "no state reaches so far"


def test_one_round_that_never_ended_is_not_equal_however_many_are():
    times, late = np.full(60, 3.0), np.zeros(60, bool)
    late[7] = True
    hung = statistics.compare(np.where(late, 60.0, times), times, 0.05, censored_a=late)
    assert (hung.size, hung.tests.p_not_above) == (statistics.OPEN, 1.0)
    assert hung.tests.p_not_below < 1e-6, "that A is not faster is shown all the same"


@given(pairs, margins, st.floats(0.01, 1.0))
@settings(max_examples=60, deadline=None)
def test_a_smaller_share_of_the_level_never_shows_more(pair, margin, share):
    whole = statistics.compare(*pair, margin)
    part = statistics.compare(*pair, margin, share=share)
    assert part.size in (whole.size, statistics.OPEN)
    for one, other in zip(whole.tests, part.tests, strict=True):
        assert other >= one or np.isnan(one)


def test_looks_together_never_spend_more_than_the_level():
    shares = [statistics.share_of(look) for look in range(1, 60)]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-12
    nan = float("nan")
    assert statistics.look_at(8, [8, 8, nan]) == 1
    assert statistics.look_at(8, [4, 4, 8, 8]) == 2
    assert statistics.look_at(12, [4, 8, 8, 12]) == 3
    assert statistics.look_at(4, [nan, nan]) == 1, "old records do not tell"
    assert statistics.look_at(4, [4, 8]) == 1, "only one side has the later rounds"


@pytest.mark.slow
@given(st.lists(pairs, min_size=1, max_size=5), st.floats(0.2, 1.0))
@settings(max_examples=60, deadline=None)
def test_the_printed_interval_is_the_one_that_decides(family, share):
    """Within the band exactly where that is said, outside of it exactly where that is said."""
    low, high = statistics.band(0.05)
    alone = [statistics.compare(a, b, 0.05, share=share) for a, b in family]
    for c in statistics.correct(alone):
        assert c.level <= 1 and (c.level >= 1 - 2 * 0.05 * share - 1e-12 or not c.tested)
        if c.size == statistics.WITHIN:
            assert low - 1e-9 <= c.low <= c.high <= high + 1e-9
        if c.size == statistics.BEYOND:
            assert c.high <= low + 1e-9 or c.low >= high - 1e-9
        if c.tested:
            assert (c.low, c.high) == pytest.approx(c.interval(c.level))


def test_a_larger_family_takes_away_beyond_and_never_within():
    rng = np.random.default_rng(8)
    same = statistics.compare(np.exp(rng.normal(0, 0.02, 8)), np.ones(8), 0.05)
    d = 0.08 + 0.03 * np.array([-1.2, -0.9, -0.5, -0.2, 0.2, 0.5, 0.9, 1.2])
    slow = statistics.compare(np.exp(d), np.ones(8), 0.05)
    noise = [statistics.compare(np.exp(rng.normal(0, 0.2, 8)), np.ones(8), 0.05) for _ in range(60)]
    assert [c.size for c in statistics.correct([same, slow])] == ["within", "beyond"]
    large = statistics.Family([same, slow, *noise])
    assert large.size == 62
    assert [c.size for c in large.correct([same, slow])] == ["within", "open"]


@pytest.mark.slow
@given(st.lists(pairs, min_size=2, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_question_is_corrected_as_a_part_of_the_report(family):
    """Corrected one by one or all at once, by the report's family it comes out the same."""
    alone = [statistics.compare(a, b, 0.05) for a, b in family]
    report = statistics.Family(alone)
    at_once = report.correct(alone)
    for one, c in zip(at_once, alone, strict=True):
        assert report.correct([c])[0].tests == pytest.approx(one.tests, nan_ok=True)
        again = report.correct([one])[0]  # what is corrected is not corrected twice
        assert (again.size, again.alone) == (one.size, pytest.approx(c.tests, nan_ok=True))


def test_rounds_needed_match_the_known_table():
    table = {0.01: 4, 0.02: 4, 0.03: 6, 0.05: 13, 0.08: 31, 0.10: 47}
    for sd, rounds in table.items():
        assert statistics.rounds_needed(sd, 0.05) == rounds
        assert statistics.equivalence_power(rounds, sd, 0.05) >= 0.9
        assert statistics.equivalence_power(rounds - 1, sd, 0.05) < 0.9 or rounds == 4


def test_rounds_needed_near_the_margin_are_not_promised():
    assert statistics.rounds_needed(0.03, 0.05, ratio=1.05) is None
    assert statistics.rounds_needed(float("nan"), 0.05) is None
    far = statistics.rounds_needed(0.03, 0.05, ratio=1.2)
    near = statistics.rounds_needed(0.03, 0.05, ratio=1.1)
    assert far <= near < 20
    assert statistics.rounds_needed(0.03, ratio=1.1, family=10) > near
    alone = statistics.rounds_needed(0.03, 0.05)
    assert statistics.rounds_needed(0.03, 0.05, family=10) == alone, "within is not corrected"


def test_power_of_a_finding_beyond_the_margin_is_what_simulation_shows():
    rng = np.random.default_rng(2)
    d = rng.normal(np.log(1.10), 0.03, (6, 20000))
    tests = statistics.paired_tests(np.exp(d), np.ones_like(d), 0.05)
    seen = float((tests.p_above <= 0.05).mean())
    assert statistics.beyond_power(6, 0.03, 0.05, ratio=1.10) == pytest.approx(seen, abs=0.015)


def test_the_detectable_ratio_is_found_nine_times_in_ten():
    rng = np.random.default_rng(3)
    ratio = statistics.detectable_ratio(6, 0.03)
    d = rng.normal(np.log(ratio), 0.03, (6, 20000))
    p = statistics.paired_tests(np.exp(d), np.ones_like(d), 0.05).p_difference
    assert float((p <= 0.05).mean()) == pytest.approx(0.9, abs=0.02)
    assert statistics.detectable_ratio(1, 0.03) is None


NOISES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(3, size=shape),
    "outliers": lambda rng, shape: (
        rng.normal(size=shape) * np.where(rng.random(shape) < 0.1, 6.0, 1.0)
    ),
    "differences of skewed": lambda rng, shape: (
        rng.lognormal(0, 0.5, shape) - rng.lognormal(0, 0.5, shape)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOISES)
def test_why_t_intervals_and_not_the_bootstrap(kind):
    """Coverage of 95 % intervals for the centre of symmetric log ratios, 400 samples each."""
    rng = np.random.default_rng(4)

    def covers(low, high):
        return float(((np.asarray(low) <= 0) & (np.asarray(high) >= 0)).mean())

    for n in (3, 5, 8, 20):
        d = NOISES[kind](rng, (n, 400))
        t = np.array([statistics.t_interval(d[:, k]) for k in range(400)])
        assert covers(t[:, 1], t[:, 2]) > 0.92
        if n <= 8:
            ci = stats.bootstrap(
                (d,), np.mean, axis=0, n_resamples=300, method="percentile", rng=1
            ).confidence_interval
            assert covers(ci.low, ci.high) < 0.92
        if n >= 8:
            exact = np.array([statistics.median_interval(d[:, k]) for k in range(0, 400, 2)])
            assert covers(exact[:, 1], exact[:, 2]) > 0.91


def test_the_exact_interval_of_the_median_needs_six_values():
    assert np.isnan(statistics.median_interval([1, 2, 3, 4, 5])[1])
    assert statistics.median_interval([6, 1, 2, 3, 4, 5]) == (3.5, 1.0, 6.0)


def test_holm_and_bonferroni_leave_nan_out_of_the_family():
    p = statistics.adjust([0.01, float("nan"), 0.04, 0.03])
    assert p[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(p[1])
    assert statistics.adjust([0.01, 0.02], "bonferroni") == pytest.approx([0.02, 0.04])
    assert np.isnan(statistics.adjust([float("nan")])).all()


@pytest.mark.parametrize("method", ["holm", "bonferroni"])
@given(st.lists(st.floats(0, 1), max_size=30))
def test_the_corrections_are_those_of_statsmodels(method, values):
    # multipletests collects garbage at each call (of all that tests have made): not here
    with mock.patch("gc.collect"):
        expected = multipletests(values, method=method)[1] if values else []
    np.testing.assert_array_equal(statistics.adjust(values, method), expected)


def test_an_unknown_correction_is_refused():
    with pytest.raises(ValueError, match="holm, hochberg or bonferroni"):
        statistics.adjust([0.1], "fdr")


@given(st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_correction_only_makes_it_harder(values):
    assert (statistics.adjust(values) >= np.array(values) - 1e-12).all()


def test_correct_judges_a_family_together():
    rng = np.random.default_rng(5)
    noise = np.exp(rng.normal(0, 0.02, (5, 6)))
    alone = [statistics.compare(noise[:, k] * 1.03, np.ones(5), 0.05) for k in range(6)]
    together = statistics.correct(alone)
    for one, other in zip(alone, together, strict=True):
        assert other.tests.p_difference >= one.tests.p_difference
        assert other.ratio == one.ratio and other.low <= one.low and other.level >= one.level
    assert statistics.correct([]) == []


def test_clopper_pearson_and_starts():
    assert statistics.upper_rate(0, 29) < 0.10 < statistics.upper_rate(0, 28)
    assert statistics.starts_needed(0.10) == 29
    low, high = statistics.clopper_pearson(19, 40)
    assert (low, high) == pytest.approx((0.315, 0.639), abs=0.001)
    assert statistics.clopper_pearson(0, 0) == (0.0, 1.0)
    assert statistics.rate_higher(19, 40, 0, 20) < 0.001
    assert statistics.rate_higher(1, 40, 0, 20) > 0.5


def test_rates_are_told_apart_within_strata():
    one = (6, 30, 0, 20)
    assert statistics.rates_higher([one]) == pytest.approx(statistics.rate_higher(*one))
    assert statistics.rates_higher([one, (3, 30, 0, 0), (0, 9, 0, 9)]) == pytest.approx(
        statistics.rate_higher(*one)
    )
    assert statistics.rates_higher([one, one]) < statistics.rates_higher([one]) ** 1.5
    # more starts without a delay where all fail alike are no evidence against a delay (Simpson)
    alike = [(18, 20, 9, 10), (1, 10, 8, 80)]
    assert statistics.rates_higher(alike) > 0.3
    assert statistics.rate_higher(19, 30, 17, 90) < 0.001


def test_the_scaling_law_is_found_again():
    n = np.repeat([1, 2, 4, 8, 16], 6)
    rng = np.random.default_rng(6)
    x = 20 * n / (1 + 0.08 * (n - 1) + 0.004 * n * (n - 1)) * np.exp(rng.normal(0, 0.01, len(n)))
    fit = statistics.fit_scaling(n, x)
    assert fit.coefficients["gamma"][0] == pytest.approx(20, rel=0.05)
    for name, value in (("alpha", 0.08), ("beta", 0.004), ("peak", np.sqrt(0.92 / 0.004))):
        estimate, low, high = fit.coefficients[name]
        assert low <= value <= high and estimate == pytest.approx(value, rel=0.2)
    assert fit.r2 > 0.99
    with pytest.raises(ValueError, match="3 different"):
        statistics.fit_scaling([1, 2, 1, 2], [1, 2, 1, 2])
    with pytest.raises(ValueError, match="too few"):
        statistics.fit_scaling([1, 2, 4], [1, 2, 3], rounds=[1, 2, 3])


def test_the_scaling_law_agrees_with_the_examples_of_rs_package_usl():
    """Its tests coef.R and confint.R (github.com/smoeding/usl); it fits X, we fit log X."""
    n, x = [1, 2, 4, 6, 8, 10], [1, 1.8868, 3.0769, 3.5294, 3.5398, 3.3557]
    fit = statistics.fit_scaling(n, x).coefficients
    assert [round(fit[name][0], 3) for name in ("alpha", "beta", "gamma")] == [0.02, 0.02, 1.0]
    # a ray tracer (Gunther 2007): alpha 0.058 (0.034 to 0.082), beta 0, gamma 21.8 (17.9 to 25.8)
    n = [1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64]
    x = [20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310]
    fit = statistics.fit_scaling(n, x).coefficients
    assert 0.034 < fit["alpha"][0] < 0.082 and 17.9 < fit["gamma"][0] < 25.8
    assert fit["beta"][1] == 0 and fit["beta"][0] < 0.0003 and "peak" not in fit


def test_what_slows_a_whole_round_is_no_scaling():
    n = np.tile([1, 2, 4, 8], 4)
    rounds = np.repeat([1, 2, 3, 4], 4)
    x = n / (1 + 0.1 * (n - 1))
    slow = x * np.array([1, 0.5, 0.8, 1.2])[rounds - 1]
    fit = statistics.fit_scaling(n, slow, rounds=rounds).coefficients
    assert fit["alpha"][0] == pytest.approx(0.1, abs=1e-3) and fit["beta"][0] < 1e-4


@pytest.mark.slow
def test_the_interval_of_a_coefficient_at_its_boundary_covers_it():
    rng, covered, peaks = np.random.default_rng(9), 0, 0
    n = np.tile([1, 2, 4, 8], 5)
    rounds = np.repeat(np.arange(5), 4)
    for _ in range(200):
        x = n / (1 + 0.1 * (n - 1)) * np.exp(rng.normal(0, 0.03, len(n)))
        fit = statistics.fit_scaling(n, x, rounds=rounds).coefficients
        covered += fit["beta"][1] <= 0 <= fit["beta"][2]
        peaks += "peak" in fit
    assert covered >= 186 and peaks <= 14  # 95 % of 200, less 2.6 standard errors


def test_the_memory_law_is_found_again():
    workers = np.array([1, 2, 4, 2, 4, 4])
    instances = np.array([1, 1, 1, 2, 4, 2])
    noise = np.random.default_rng(7).normal(0, 0.1, 6)
    fit = statistics.fit_memory(
        59 + 0.2 * (workers - instances) + 57 * (instances - 1) + noise, workers, instances
    )
    assert fit.coefficients["base"][0] == pytest.approx(59, abs=0.5)
    assert fit.coefficients["worker"][0] == pytest.approx(0.2, abs=0.2)
    assert fit.coefficients["instance"][0] == pytest.approx(57, abs=0.3)
    only = statistics.fit_memory([59, 59.2, 59.1], [1, 1, 1], [1, 1, 1])
    assert set(only.coefficients) == {"base"}
    with pytest.raises(ValueError, match="too few"):
        statistics.fit_linear({"a": [1, 2], "b": [2, 5]}, [59, 60])


def test_a_mean_is_held_against_a_limit_on_either_side():
    above, below = statistics.one_sided([1.2, 1.3, 1.25, 1.22], 1.0)
    assert above < 0.01 and below == pytest.approx(1 - above)
    assert statistics.one_sided([2.0, 2.0], 1.0) == (0.0, 1.0)
    assert np.isnan(statistics.one_sided([2.0], 1.0)).all()


def test_spreads_are_pooled_with_their_degrees_of_freedom():
    sd, freedom = statistics.pooled_sd([(3, 0.02), (1, 5.0), (5, 0.04), (2, float("nan"))])
    assert freedom == 6
    assert sd == pytest.approx(np.sqrt((2 * 0.02**2 + 4 * 0.04**2) / 6))
    assert statistics.pooled_sd([])[1] == 0
    low, high = statistics.sd_interval(0.03, 10)
    assert low < 0.03 < high
