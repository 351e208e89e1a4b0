"""Pure functions on numbers: equivalence of paired times, intervals, fits. No tables, no files.

The unit of every comparison is the round: one number per round and arm (the median of the
repeats of that round), paired with the other arm of the same round. All comparisons are made on
the natural logarithm of the ratio A / B, so that "A is 5 % slower" and "B is 5 % slower" are
equally far from 1: a margin m means the band from 1 / (1 + m) to 1 + m.

Four outcomes of a comparison (`decide`):

    equivalent      both one-sided tests reject: the ratio is inside the band. If the ratio also
                    differs from 1, it is still equivalent ("equivalent, A slightly faster").
    A faster        not shown equivalent, and the ratio differs from 1 (A took less time)
    B faster        the same the other way round
    inconclusive    neither was shown. Never a synonym of equal.

`size` says how the ratio stands to the margin: "within" (shown inside the band), "beyond" (shown
outside the band), "open". Verdicts rest on `size`; "A faster" with an open size is a difference
that may or may not matter.
"""

from __future__ import annotations

import gc
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import statsmodels.api as sm
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

EQUIVALENT, A_FASTER, B_FASTER, INCONCLUSIVE = (
    "equivalent",
    "A faster",
    "B faster",
    "inconclusive",
)
WITHIN, BEYOND, OPEN = "within", "beyond", "open"
MOST_ROUNDS = 200  # plans of more rounds than this are not given


def band(margin: float) -> tuple[float, float]:
    """The equivalence band of a margin: 0.05 -> (1 / 1.05, 1.05), symmetric in the logarithm.

    Raises ValueError unless 0 < margin < 1.
    """
    if not 0 < margin < 1:
        raise ValueError(f"the equivalence margin must be between 0 and 1, not {margin}")
    return 1 / (1 + margin), 1 + margin


class Tests(NamedTuple):
    """p-values of one comparison, or arrays of them. H0 in brackets; the ratio is A / B."""

    p_equivalent: Any  # TOST [ratio outside the band]
    p_difference: Any  # two-sided [ratio = 1]
    p_above: Any  # one-sided [ratio <= 1 + margin]: small = A beyond the margin slower
    p_below: Any  # one-sided [ratio >= 1 / (1 + margin)]: small = A beyond the margin faster
    p_not_above: Any  # one-sided [ratio >= 1 + margin]: small = A less than the margin slower
    p_not_below: Any  # one-sided [ratio <= 1 / (1 + margin)]


def paired_tests(a: Any, b: Any, margin: float) -> Tests:
    """t tests on the paired log ratios of `a` and `b`.

    a, b: positive times, shape (n,) or (n, S) for S independent comparisons, n >= 2 rounds.
    Equivalence is statsmodels' `ttost_paired(..., transform=np.log)` (Schuirmann 1987), the rest
    `scipy.stats.ttest_1samp`. Raises ValueError for fewer than 2 rounds or times <= 0.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or len(a) < 2:
        raise ValueError("paired tests need two equally long series of at least 2 rounds")
    if not (np.all(a > 0) and np.all(b > 0)):
        raise ValueError("times must be positive")
    low, high = band(margin)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nearly identical data, see `same`
        p_equivalent, (_, p_lower, _), (_, p_upper, _) = ttost_paired(
            a, b, low, high, transform=np.log
        )
        d = np.log(a) - np.log(b)
        # rounding leaves a spread of 1e-16 where there is none: then the mean decides alone
        same = np.ptp(d, axis=0) < 1e-12
        mean = d.mean(axis=0)
        p_difference = stats.ttest_1samp(d, 0.0).pvalue
    p_difference = np.where(same, np.where(np.abs(mean) < 1e-12, 1.0, 0.0), p_difference)
    p_lower = np.where(same, np.where(mean > np.log(low) + 1e-12, 0.0, 1.0), p_lower)
    p_upper = np.where(same, np.where(mean < np.log(high) - 1e-12, 0.0, 1.0), p_upper)
    p_above = np.where(same, np.where(mean > np.log(high) + 1e-12, 0.0, 1.0), 1 - p_upper)
    p_below = np.where(same, np.where(mean < np.log(low) - 1e-12, 0.0, 1.0), 1 - p_lower)
    p_equivalent = np.maximum(p_lower, p_upper)
    return Tests(p_equivalent, p_difference, p_above, p_below, p_upper, p_lower)


def decide(p_equivalent: Any, p_difference: Any, log_ratio: Any, alpha: float = 0.05) -> Any:
    """The four outcomes (see the module's text) from (adjusted) p-values; scalars or arrays.

    Equivalence goes before difference: both errors keep their level, since each label is given
    only where its own test rejects. NaN p-values reject nothing.
    """
    p_equivalent, p_difference, log_ratio = np.broadcast_arrays(
        np.asarray(p_equivalent, float), np.asarray(p_difference, float), log_ratio
    )
    different = p_difference <= alpha
    result = np.select(
        [p_equivalent <= alpha, different & (log_ratio < 0), different & (log_ratio > 0)],
        [EQUIVALENT, A_FASTER, B_FASTER],
        INCONCLUSIVE,
    )
    return result if result.ndim else str(result)


def size_of(p_equivalent: float, p_difference: float, p_beyond: float, alpha: float = 0.05) -> str:
    """ "within", "beyond" or "open": how the ratio stands to the margin.

    p_beyond is `p_above` or `p_below`, whichever lies on the side of the estimate. "beyond" also
    asks for a significant difference: with a wide spread, looking on the side of the estimate
    makes two chances of one; the two-sided test takes that back.
    """
    if p_equivalent <= alpha:
        return WITHIN
    if p_beyond <= alpha and p_difference <= alpha:
        return BEYOND
    return OPEN


def t_interval(values: Any, confidence: float = 0.95) -> tuple[float, float, float]:
    """(mean, low, high) of a sample by Student's t; (mean, nan, nan) for a single value."""
    values = np.asarray(values, float)
    if len(values) == 0:
        return (np.nan, np.nan, np.nan)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan
    half = stats.t.ppf(0.5 + confidence / 2, len(values) - 1) * stats.sem(values)
    return mean, float(mean - half), float(mean + half)


def geometric_interval(values: Any, confidence: float = 0.95) -> tuple[float, float, float]:
    """(geometric mean, low, high) of positive values: `t_interval` of their logarithms.

    Why t and not the bootstrap: with 3 to 10 rounds, 95 % bootstrap intervals (percentile, BCa)
    of the mean cover the truth in 70 to 90 % of cases, t intervals of log ratios in 93 to 97 %,
    also with heavy tails and outliers, because paired differences are symmetric
    (tests/test_statistics.py shows it). Where log ratios are symmetric, the geometric mean of the
    ratios is also their median.
    """
    return tuple(
        float(np.exp(x)) for x in t_interval(np.log(np.asarray(values, float)), confidence)
    )


def median_interval(values: Any, confidence: float = 0.95) -> tuple[float, float, float]:
    """(median, low, high), exact for any continuous distribution (order statistics).

    By `scipy.stats.quantile_test(...).confidence_interval`. At 95 % it exists from 6 values on;
    below, low and high are nan.
    """
    values = np.asarray(values, float)
    if len(values) == 0:
        return (np.nan, np.nan, np.nan)
    interval = stats.quantile_test(values, q=0, p=0.5).confidence_interval(confidence)
    return float(np.median(values)), float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Comparison:
    """A against B on one machine: times of matched rounds, ratio = A / B.

    `ratio`, `low`, `high`: geometric mean and its t interval at the study's confidence;
    `low_equivalence`, `high_equivalence`: the interval that the equivalence test uses (90 % for a
    95 % study; equivalent = it lies inside the band). `median_*`: the median ratio and its exact
    interval. p-values are raw until `correct` has seen the family; then they are adjusted and
    `outcome` and `size` are set.
    """

    rounds: int  # rounds that count
    ratio: float
    low: float
    high: float
    low_equivalence: float
    high_equivalence: float
    median_ratio: float
    median_low: float
    median_high: float
    sd: float  # standard deviation of the log ratios
    tests: Tests
    margin: float
    confidence: float
    censored_a: int = 0  # rounds in which only A ran into the time limit
    censored_b: int = 0
    censored_both: int = 0  # rounds that say nothing
    bound: str = ""  # "at least" | "at most": the ratio is only bounded (censored rounds)
    outcome: str = INCONCLUSIVE
    size: str = OPEN
    slightly: str = ""  # "A" or "B": equivalent, and yet significantly faster

    @property
    def alpha(self) -> float:
        return 1 - self.confidence

    @property
    def p_beyond(self) -> float:
        return self.tests.p_below if self.ratio < 1 else self.tests.p_above


def compare(
    a: Any,
    b: Any,
    margin: float,
    confidence: float = 0.95,
    censored_a: Any = None,
    censored_b: Any = None,
) -> Comparison:
    """Compares paired times `a` and `b` (shape (n,), one per round, seconds).

    Censored rounds: where `censored_a` is true, `a` is the time limit that A ran into ("> 60 s").
    - Both sides censored: the round says nothing; it is counted and left out.
    - One side censored: the limit stands in for the time, so the ratio is a bound: with A censored,
      "at least". Only "A slower" can then be shown, and is, if it is significant even so; for
      equivalence the round counts as outside of the band, and the t test gives way to an exact
      sign test (`scipy.stats.binomtest`). The interval is open on the censored side; if rounds
      are censored on both sides, there is none, and a sign test judges the difference as well.
    The result is judged alone; see `correct` for families.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    ca = np.zeros(len(a), bool) if censored_a is None else np.asarray(censored_a, bool)
    cb = np.zeros(len(b), bool) if censored_b is None else np.asarray(censored_b, bool)
    if not len(a) == len(b) == len(ca) == len(cb):
        raise ValueError("a, b and their censoring must be equally long")
    nothing = ca & cb
    keep = ~nothing
    both = int(nothing.sum())
    a, b, ca, cb = a[keep], b[keep], ca[keep], cb[keep]
    nan = float("nan")
    n, n_a, n_b = len(a), int(ca.sum()), int(cb.sum())
    if n == 0:
        none = Tests(*[nan] * 6)
        return Comparison(0, *[nan] * 8, nan, none, margin, confidence, n_a, n_b, both)
    d = np.log(a) - np.log(b)
    sd = float(d.std(ddof=1)) if n > 1 else nan
    ratio, low, high = geometric_interval(np.exp(d), confidence)
    _, low_e, high_e = geometric_interval(np.exp(d), 2 * confidence - 1)
    median = median_interval(np.exp(d), confidence)
    tests = Tests(*[nan] * 6)
    if n >= 2:
        tests = Tests(*[float(p) for p in paired_tests(a, b, margin)])
    bound = ""
    if n_a or n_b:
        tests = _censored_tests(d, ca, cb, margin, tests)
        if n_a and n_b:
            low = high = low_e = high_e = nan
            median = (nan, nan, nan)
        elif n_a:
            bound, high, high_e, median = "at least", nan, nan, (median[0], median[1], nan)
        else:
            bound, low, low_e, median = "at most", nan, nan, (median[0], nan, median[2])
    result = Comparison(
        n, ratio, low, high, low_e, high_e, *median, sd, tests, margin, confidence,
        n_a, n_b, both, bound,
    )  # fmt: skip
    return correct([result])[0]


def _censored_tests(d, ca, cb, margin, tests: Tests) -> Tests:
    """The tests of `compare` where some rounds are censored on one side."""
    low, high = np.log(band(margin))
    n = len(d)

    def sign(k: int) -> float:
        return float(stats.binomtest(int(k), n, 0.5, alternative="greater").pvalue)

    # known to lie above/below: a censored A bounds d from below, a censored B from above
    p_lower = sign(np.sum((d > low) & ~cb))
    p_upper = sign(np.sum((d < high) & ~ca))
    p_above = sign(np.sum((d > high) & ~cb))
    p_below = sign(np.sum((d < low) & ~ca))
    p_equivalent = max(p_lower, p_upper)
    if ca.any() and cb.any():
        more = sign(np.sum((d > 0) & ~cb))
        less = sign(np.sum((d < 0) & ~ca))
        p_difference = min(1.0, 2 * min(more, less))
    else:
        p_difference = tests.p_difference
        if ca.any():  # only "A slower" can be shown with limits that stand in for A
            p_difference = p_difference if d.mean() > 0 else float("nan")
            p_above = tests.p_above
        else:
            p_difference = p_difference if d.mean() < 0 else float("nan")
            p_below = tests.p_below
    return Tests(p_equivalent, p_difference, p_above, p_below, p_upper, p_lower)


def adjust(p_values: Any, method: str = "holm") -> np.ndarray:
    """Adjusted p-values of a family (`statsmodels` multipletests); nan stays nan.

    Nan (nothing could be tested) can give no false verdict, so it does not count in the family.
    """
    p = np.asarray(p_values, float)
    result = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    if known.sum() == 1:
        result[known] = p[known]
    elif known.any():
        # multipletests collects garbage at every call, which takes longer than all the rest:
        # frozen objects are not looked at
        gc.freeze()
        try:
            result[known] = multipletests(p[known], method=method)[1]
        finally:
            gc.unfreeze()
    return result


def correct(family: list[Comparison], method: str = "holm") -> list[Comparison]:
    """Outcomes of a family of comparisons, every p-value adjusted over the family.

    Holm (1979) controls the chance of any false label of a kind in the family. "bonferroni" is
    for comparing all with the best one seen (see `findings.best_threads`).
    """
    if not family:
        return []
    adjusted = {
        name: adjust([getattr(c.tests, name) for c in family], method) for name in Tests._fields
    }
    result = []
    for k, comparison in enumerate(family):
        tests = Tests(*[float(adjusted[name][k]) for name in Tests._fields])
        log_ratio = np.log(comparison.ratio) if comparison.rounds else 0.0
        alpha = comparison.alpha
        outcome = decide(tests.p_equivalent, tests.p_difference, log_ratio, alpha)
        p_beyond = tests.p_below if log_ratio < 0 else tests.p_above
        size = size_of(tests.p_equivalent, tests.p_difference, p_beyond, alpha)
        slightly = ""
        if outcome == EQUIVALENT and tests.p_difference <= alpha:
            slightly = "A" if log_ratio < 0 else "B"
        fields = {**comparison.__dict__}
        fields.update(tests=tests, outcome=outcome, size=size, slightly=slightly)
        result.append(Comparison(**fields))
    return result


# --- how many rounds ----------------------------------------------------------------------------


def equivalence_power(
    rounds: int, sd: float, margin: float, alpha: float = 0.05, ratio: float = 1.0
) -> float:
    """Chance that the paired TOST shows equivalence, for normal log ratios of spread `sd`.

    Exact up to numerical integration over the sample's variance (Owen 1965; Phillips 1990):
    given s, both one-sided tests reject iff the mean lies within +-(log(1 + m) - t s / sqrt(n)).
    statsmodels has this only for known variance.
    """
    if rounds < 2:
        return 0.0
    if sd <= 0:
        return float(abs(np.log(ratio)) < np.log1p(margin))
    quantiles = (np.arange(2000) + 0.5) / 2000
    s = sd * np.sqrt(stats.chi2.ppf(quantiles, rounds - 1) / (rounds - 1))
    error = sd / np.sqrt(rounds)
    half = np.log1p(margin) - stats.t.ppf(1 - alpha, rounds - 1) * s / np.sqrt(rounds)
    theta = np.log(ratio)
    inside = stats.norm.cdf((half - theta) / error) - stats.norm.cdf((-half - theta) / error)
    return float(np.where(half > 0, inside, 0.0).mean())


def beyond_power(
    rounds: int, sd: float, margin: float, alpha: float = 0.05, ratio: float = 1.0
) -> float:
    """Chance to show that the ratio lies beyond the margin (noncentral t, one-sided)."""
    if rounds < 2:
        return 0.0
    excess = abs(np.log(ratio)) - np.log1p(margin)
    if sd <= 0:
        return float(excess > 0)
    shift = excess / (sd / np.sqrt(rounds))
    return float(stats.nct.sf(stats.t.ppf(1 - alpha, rounds - 1), rounds - 1, shift))


def rounds_needed(
    sd: float,
    margin: float = 0.05,
    *,
    ratio: float = 1.0,
    power: float = 0.9,
    alpha: float = 0.05,
    family: int = 1,
    most: int = MOST_ROUNDS,
) -> int | None:
    """Fewest rounds that decide, with the given power, whether the ratio is within the margin.

    "Decide" = shown within the band, or shown beyond it, if the true ratio is `ratio` and the log
    ratios have spread `sd`. `family` comparisons are corrected by Bonferroni (Holm needs no more).
    None: more than `most`, as for ratios near the margin.
    """
    if not np.isfinite(sd) or not np.isfinite(ratio):
        return None
    level = alpha / max(1, family)

    def enough(n: int) -> bool:
        return max(
            equivalence_power(n, sd, margin, level, ratio),
            beyond_power(n, sd, margin, level, ratio),
        ) >= power  # fmt: skip

    if not enough(most):
        return None
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable_ratio(
    rounds: int, sd: float, *, power: float = 0.9, alpha: float = 0.05
) -> float | None:
    """Smallest true ratio (> 1) that a two-sided paired t test finds with the given power."""
    if rounds < 2 or not sd > 0:
        return None
    effect = TTestPower().solve_power(nobs=rounds, alpha=alpha, power=power)
    effect = float(np.atleast_1d(effect)[0])
    return float(np.exp(effect * sd)) if np.isfinite(effect) else None


def pooled_sd(groups: list[tuple[int, float]]) -> tuple[float, int]:
    """(sd, degrees of freedom) pooled over (n, sd) groups; (nan, 0) if none has two values."""
    usable = [(n, s) for n, s in groups if n >= 2 and np.isfinite(s)]
    freedom = sum(n - 1 for n, _ in usable)
    if not freedom:
        return float("nan"), 0
    return float(np.sqrt(sum((n - 1) * s**2 for n, s in usable) / freedom)), freedom


def sd_interval(sd: float, freedom: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a standard deviation (chi-squared; normal data)."""
    if freedom < 1 or not np.isfinite(sd):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    return (
        float(sd * np.sqrt(freedom / stats.chi2.ppf(1 - tail, freedom))),
        float(sd * np.sqrt(freedom / stats.chi2.ppf(tail, freedom))),
    )


# --- rates --------------------------------------------------------------------------------------


def clopper_pearson(failures: int, starts: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a rate (`proportion_confint(method="beta")`)."""
    if starts < 1:
        return 0.0, 1.0
    low, high = proportion_confint(failures, starts, alpha=1 - confidence, method="beta")
    return float(low), float(high)


def upper_rate(failures: int, starts: int, confidence: float = 0.95) -> float:
    """One-sided upper Clopper-Pearson bound of a rate: 0 of 29 -> 9.8 % at 95 %."""
    return clopper_pearson(failures, starts, 2 * confidence - 1)[1]


def starts_needed(limit: float, confidence: float = 0.95) -> int:
    """Starts without a failure that bring `upper_rate` below `limit` (10 % -> 29)."""
    return int(np.ceil(np.log(1 - confidence) / np.log(1 - limit)))


def rate_higher(failures_a: int, starts_a: int, failures_b: int, starts_b: int) -> float:
    """p of Fisher's exact test for "A fails more often than B"."""
    table = [[failures_a, starts_a - failures_a], [failures_b, starts_b - failures_b]]
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


# --- fits ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """Fitted coefficients by name, each (value, low, high); r2 of the fit; n points."""

    coefficients: dict[str, tuple[float, float, float]]
    r2: float
    n: int


def fit_linear(columns: dict[str, Any], y: Any, confidence: float = 0.95) -> Fit:
    """Ordinary least squares of y on `columns` plus a constant "base" (statsmodels OLS).

    Columns that do not vary are left out. Raises ValueError with fewer points than coefficients
    or with columns that cannot be told apart.
    """
    y = np.asarray(y, float)
    used = {k: np.asarray(v, float) for k, v in columns.items() if np.ptp(np.asarray(v, float)) > 0}
    x = np.column_stack([np.ones(len(y)), *used.values()])
    if len(y) < x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
        raise ValueError("too few points for the coefficients")
    with np.errstate(all="ignore"):
        result = sm.OLS(y, x).fit()
        if len(y) == x.shape[1]:
            interval = np.full((x.shape[1], 2), np.nan)
        else:
            interval = np.asarray(result.conf_int(1 - confidence))
    total = float(np.sum((y - y.mean()) ** 2))
    r2 = 1 - float(np.sum(np.asarray(result.resid) ** 2)) / total if total > 0 else float("nan")
    names = ["base", *used]
    return Fit(
        {
            name: (float(result.params[k]), float(interval[k, 0]), float(interval[k, 1]))
            for k, name in enumerate(names)
        },
        r2,
        len(y),
    )


def fit_scaling(workers: Any, throughput: Any, confidence: float = 0.95) -> Fit:
    """Gunther's universal scalability law X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)).

    N: workers in use, X: throughput in any unit, all > 0. alpha = contention, beta = coherency
    (both >= 0; beta = 0 is Amdahl's law), gamma = throughput of one worker. scipy `curve_fit`.
    Raises ValueError with fewer than 3 different N. Source: N. J. Gunther, Guerrilla Capacity
    Planning, 2007.
    """
    n, x = np.asarray(workers, float), np.asarray(throughput, float)
    if len(np.unique(n)) < 3:
        raise ValueError("the scaling law needs at least 3 different numbers of workers")

    def law(n, gamma, alpha, beta):
        return gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1))

    start = [float(np.median(x[n == n.min()]) / n.min()), 0.05, 0.001]
    try:
        with np.errstate(all="ignore"):
            values, covariance = optimize.curve_fit(
                law, n, x, p0=start, bounds=([1e-12, 0, 0], [np.inf] * 3), sigma=x, max_nfev=20000
            )
    except RuntimeError as error:
        raise ValueError(f"the scaling law does not fit: {error}") from error
    freedom = len(n) - 3
    half = np.full(3, np.nan)
    if freedom > 0:
        half = stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(np.diag(covariance))
    predicted = law(n, *values)
    total = float(np.sum((x - x.mean()) ** 2))
    r2 = 1 - float(np.sum((x - predicted) ** 2)) / total if total > 0 else float("nan")
    names = ("gamma", "alpha", "beta")
    return Fit(
        {
            name: (float(v), float(max(0.0, v - h)), float(v + h))
            for name, v, h in zip(names, values, half, strict=True)
        },
        r2,
        len(n),
    )


def fit_memory(model_mb: Any, workers: Any, instances: Any, confidence: float = 0.95) -> Fit:
    """model_mb = base + worker * (extra workers) + instance * (instances - 1), least squares (MB).

    workers: all workers (instances x num_workers); extra workers = workers - instances. See
    `fit_linear`.
    """
    workers, instances = np.asarray(workers, float), np.asarray(instances, float)
    return fit_linear(
        {"worker": workers - instances, "instance": instances - 1}, model_mb, confidence
    )


def fit_slope(x: Any, y: Any, confidence: float = 0.95) -> tuple[float, float, float]:
    """(slope, low, high) of y = slope * x through the origin (statsmodels OLS).

    The interval is nan with fewer than 3 points; all is nan where x is 0 throughout.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) == 0 or not np.any(x != 0):
        return float("nan"), float("nan"), float("nan")
    result = sm.OLS(y, x).fit()
    if len(x) < 3:
        return float(result.params[0]), float("nan"), float("nan")
    low, high = np.asarray(result.conf_int(1 - confidence))[0]
    return float(result.params[0]), float(low), float(high)
