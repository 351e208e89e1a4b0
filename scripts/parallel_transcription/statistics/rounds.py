"""How many rounds: power, rounds that decide, what a number of rounds can find, and the spread."""

from __future__ import annotations

import numpy as np
import scipy

from parallel_transcription.statistics.comparison import LEAST_ROUNDS, STATES

MOST_ROUNDS = 200  # plans of more rounds than this are not given


def equivalence_power(
    rounds: int, sd: float, margin: float, alpha: float = 0.05, ratio: float = 1.0
) -> float:
    """Chance that the paired TOST shows equivalence, for normal log ratios of spread `sd`.

    Exact up to numerical integration over the sample's variance (Owen 1965; Phillips 1990):
    given s, both one-sided tests reject iff the mean lies within +-(log(1 + m) - t s / sqrt(n)).
    statsmodels has this only for known variance.
    """
    if rounds < LEAST_ROUNDS:
        return 0.0
    if sd <= 0:
        return float(abs(np.log(ratio)) < np.log1p(margin))
    quantiles = (np.arange(2000) + 0.5) / 2000
    s = sd * np.sqrt(scipy.stats.chi2.ppf(quantiles, rounds - 1) / (rounds - 1))
    error = sd / np.sqrt(rounds)
    half = np.log1p(margin) - scipy.stats.t.ppf(1 - alpha, rounds - 1) * s / np.sqrt(rounds)
    theta = np.log(ratio)
    inside = scipy.stats.norm.cdf((half - theta) / error) - scipy.stats.norm.cdf(
        (-half - theta) / error
    )
    return float(np.where(half > 0, inside, 0.0).mean())


def beyond_power(
    rounds: int, sd: float, margin: float, alpha: float = 0.05, ratio: float = 1.0
) -> float:
    """Chance to show that the ratio lies beyond the margin (noncentral t, one-sided).

    Where so few rounds cannot rule out states of processes (`comparison`): that all rounds lie
    further out than these, or less.
    """
    if rounds < LEAST_ROUNDS:
        return 0.0
    excess = abs(np.log(ratio)) - np.log1p(margin)
    if sd <= 0:
        return float(excess > (STATES if 2 * 0.25**rounds > alpha else 0))
    shift = excess / (sd / np.sqrt(rounds))
    power = float(scipy.stats.nct.sf(scipy.stats.t.ppf(1 - alpha, rounds - 1), rounds - 1, shift))
    if 2 * 0.25**rounds > alpha:  # in the two-sided test, which "beyond" asks for as well
        power = min(power, float(scipy.stats.norm.cdf((excess - STATES) / sd)) ** rounds)
    return power


def chance_to_decide(
    rounds: int, sd: float, margin: float, alpha: float = 0.05, ratio: float = 1.0, family: int = 1
) -> float:
    """Chance that so many rounds show the ratio to be within the margin, or beyond it.

    "Beyond" is corrected over `family` comparisons by Bonferroni (Holm needs no more), "within" is
    not (`comparison.settle`).
    """
    return max(
        equivalence_power(rounds, sd, margin, alpha, ratio),
        beyond_power(rounds, sd, margin, alpha / max(1, family), ratio),
    )


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

    If the true ratio is `ratio` and the log ratios have spread `sd`; see `chance_to_decide`. None:
    more than `most`, as for ratios near the margin.
    """
    if not np.isfinite(sd) or not np.isfinite(ratio):
        return None

    def enough(n: int) -> bool:
        return chance_to_decide(n, sd, margin, alpha, ratio, family) >= power

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
    from statsmodels.stats.power import TTestPower

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
        float(sd * np.sqrt(freedom / scipy.stats.chi2.ppf(1 - tail, freedom))),
        float(sd * np.sqrt(freedom / scipy.stats.chi2.ppf(tail, freedom))),
    )
