"""Rates of failure: exact intervals, and how many starts a bound takes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy


def clopper_pearson(failures: int, starts: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a rate (`proportion_confint(method="beta")`)."""
    if starts < 1:
        return 0.0, 1.0
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(failures, starts, alpha=1 - confidence, method="beta")
    return float(low), float(high)


def upper_rate(failures: int, starts: int, confidence: float = 0.95) -> float:
    """One-sided upper Clopper-Pearson bound of a rate: 0 of 29 -> 9.8 % at 95 %."""
    return clopper_pearson(failures, starts, 2 * confidence - 1)[1]


def starts_needed(limit: float, confidence: float = 0.95) -> int:
    """Starts without a failure that bring `upper_rate` below `limit` (10 % -> 29)."""
    return int(np.ceil(np.log(1 - confidence) / np.log(1 - limit)))


def rate_higher(failures_a: int, starts_a: int, failures_b: int, starts_b: int) -> float:
    """P of Fisher's exact test for "A fails more often than B"."""
    table = [[failures_a, starts_a - failures_a], [failures_b, starts_b - failures_b]]
    return float(scipy.stats.fisher_exact(table, alternative="greater").pvalue)


def rates_higher(strata: Iterable[tuple[int, int, int, int]]) -> float:
    """P of an exact test for "A fails more often than B" in strata that are alike within alone.

    Of each (failures and starts of A, then of B): given its failures in all, those of A follow the
    hypergeometric distribution if A and B are alike. Their sum over the strata is tested; of one
    stratum that is Fisher's test. One without starts of A or of B changes nothing.
    """
    chances, seen = np.ones(1), 0
    for failures_a, starts_a, failures_b, starts_b in strata:
        failures = failures_a + failures_b
        known = scipy.stats.hypergeom(starts_a + starts_b, failures, starts_a)
        chances = np.convolve(chances, known.pmf(np.arange(failures + 1)))
        seen += failures_a
    return float(min(1.0, chances[seen:].sum()))
