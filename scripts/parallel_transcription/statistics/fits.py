"""Laws fitted to measurements: lines, memory, scaling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Fit:
    """Fitted coefficients by name, each (value, low, high); r2 of the fit; n points."""

    coefficients: dict[str, tuple[float, float, float]]
    r2: float
    n: int


def fit_linear(columns: dict[str, ArrayLike], y: ArrayLike, confidence: float = 0.95) -> Fit:
    """Ordinary least squares of y on `columns` plus a constant "base" (statsmodels OLS).

    Columns that do not vary are left out. Raises ValueError with fewer points than coefficients
    or with columns that cannot be told apart.
    """
    from statsmodels.regression.linear_model import OLS  # .api takes three times as long

    y = np.asarray(y, float)
    used = {k: np.asarray(v, float) for k, v in columns.items() if np.ptp(np.asarray(v, float)) > 0}
    x = np.column_stack([np.ones(len(y)), *used.values()])
    if len(y) < x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
        raise ValueError("too few points for the coefficients")
    with np.errstate(all="ignore"):
        result = OLS(y, x).fit()
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


def fit_scaling(
    workers: ArrayLike,
    throughput: ArrayLike,
    confidence: float = 0.95,
    rounds: ArrayLike | None = None,
) -> Fit:
    """Gunther's universal scalability law X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)).

    Least squares of log X, so that errors are relative, with a gamma of its own for each round:
    what slowed a whole round is no scaling. alpha = contention, beta = coherency, both >= 0 (beta =
    0 is Amdahl's law); gamma = throughput of one worker, the geometric mean over rounds, without an
    interval. Intervals are those of the profile likelihood (F quantile; Bates and Watts 1988, ch.
    6), which end at 0 where that is the boundary. `peak`: sqrt((1 - alpha) / beta), where beta is
    shown to be above 0.

    Args:
        workers: Workers in use, N >= 1.
        throughput: X, in any unit, > 0.
        confidence: Of the intervals.
        rounds: The round of each; all are of one unless given.

    Raises:
        ValueError: with fewer than 3 different N, or with fewer points than coefficients.

    Source: N. J. Gunther, Guerrilla Capacity Planning, 2007.
    """
    n, x = np.asarray(workers, float), np.log(np.asarray(throughput, float))
    if len(np.unique(n)) < 3:
        raise ValueError("the scaling law needs at least 3 different numbers of workers")
    of_round = np.unique(np.zeros(len(n)) if rounds is None else np.asarray(rounds),
                         return_inverse=True)[1]  # fmt: skip
    counts = np.bincount(of_round)
    freedom = len(n) - len(counts) - 2
    if freedom < 0:
        raise ValueError("too few points for the coefficients")

    def off(alpha: float, beta: float) -> np.ndarray:
        """What the law leaves, each round's own level taken out."""
        left = x - np.log(n) + np.log1p(alpha * (n - 1) + beta * n * (n - 1))
        return np.asarray(left - (np.bincount(of_round, left) / counts)[of_round])

    start, bounds = [0.05, 0.001], ([0, 0], [np.inf, np.inf])
    fitted = scipy.optimize.least_squares(
        lambda c: off(*c), start, bounds=bounds, x_scale=[0.1, 0.01]
    )
    alpha, beta = (float(c) if c > 1e-9 else 0.0 for c in fitted.x)
    least = float((off(alpha, beta) ** 2).sum())
    left = x - np.log(n) + np.log1p(alpha * (n - 1) + beta * n * (n - 1))
    levels = np.bincount(of_round, left) / counts

    def beside_alpha(value: float) -> float:
        return _least(lambda other: float((off(value, other) ** 2).sum()), beta)

    def beside_beta(value: float) -> float:
        return _least(lambda other: float((off(other, value) ** 2).sum()), alpha)

    most = math.inf
    if freedom > 0:
        most = least * (1 + float(scipy.stats.f.ppf(confidence, 1, freedom)) / freedom) + 1e-15
    coefficients = {
        "gamma": (float(np.exp(levels.mean())), math.nan, math.nan),
        "alpha": (alpha, *_profile(beside_alpha, alpha, most)),
        "beta": (beta, *_profile(beside_beta, beta, most)),
    }
    lowest, highest = coefficients["beta"][1:]
    if lowest > 0 and alpha < 1:
        # the ends of beta alone: alpha hardly moves the peak
        ends = [math.sqrt((1 - alpha) / b) if b < math.inf else 0.0 for b in (highest, lowest)]
        coefficients["peak"] = (math.sqrt((1 - alpha) / beta), ends[0], ends[1])
    total = float(((x - (np.bincount(of_round, x) / counts)[of_round]) ** 2).sum())
    r2 = 1 - least / total if total > 0 else float("nan")
    return Fit(coefficients, r2, len(n))


def _least(cost: Callable[[float], float], near: float) -> float:
    """The least cost over values from 0 on, which has one minimum, around `near`."""
    reach = 10 * max(near, 0.1)
    found = scipy.optimize.minimize_scalar(cost, bounds=(0, reach), method="bounded",
                                     options={"xatol": 1e-9})  # fmt: skip
    return min(float(found.fun), cost(0.0), cost(near))


def _profile(cost: Callable[[float], float], best: float, most: float) -> tuple[float, float]:
    """The values around the best whose cost is at most so much, from 0 on; nan where all are."""
    if not math.isfinite(most):
        return math.nan, math.nan
    low = 0.0
    if best > 0 and cost(0.0) > most:
        low = float(scipy.optimize.brentq(lambda v: cost(v) - most, 0.0, best))
    high = max(2 * best, 1e-4)
    while cost(high) <= most:
        high *= 2
        if high > 1e3:
            return low, math.inf
    return low, float(scipy.optimize.brentq(lambda v: cost(v) - most, best, high))


def fit_memory(
    model_mb: ArrayLike, workers: ArrayLike, instances: ArrayLike, confidence: float = 0.95
) -> Fit:
    """model_mb = base + worker * (extra workers) + instance * (instances - 1), least squares (MB).

    workers: all workers (instances x num_workers); extra workers = workers - instances. See
    `fit_linear`.
    """
    workers, instances = np.asarray(workers, float), np.asarray(instances, float)
    return fit_linear(
        {"worker": workers - instances, "instance": instances - 1}, model_mb, confidence
    )
