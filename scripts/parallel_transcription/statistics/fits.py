"""Laws fitted to measurements: lines, memory, scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats
from statsmodels.regression.linear_model import OLS  # statsmodels.api takes three times as long


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


def fit_scaling(workers: ArrayLike, throughput: ArrayLike, confidence: float = 0.95) -> Fit:
    """Gunther's universal scalability law X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)).

    N: workers in use, X: throughput in any unit, all > 0. alpha = contention, beta = coherency
    (both >= 0; beta = 0 is Amdahl's law), gamma = throughput of one worker. scipy `curve_fit`.
    Raises ValueError with fewer than 3 different N. Source: N. J. Gunther, Guerrilla Capacity
    Planning, 2007.
    """
    n, x = np.asarray(workers, float), np.asarray(throughput, float)
    if len(np.unique(n)) < 3:
        raise ValueError("the scaling law needs at least 3 different numbers of workers")

    def law(n: np.ndarray, gamma: float, alpha: float, beta: float) -> np.ndarray:
        return np.asarray(gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1)))

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
