"""One-sided t tests of a mean against a limit."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike


def one_sided(values: ArrayLike, limit: float) -> tuple[float, float]:
    """P of [mean <= limit] and of [mean >= limit]; nan for fewer than two values.

    A small first one shows a mean above the limit, a small second one a mean below it.
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return float("nan"), float("nan")
    if np.ptp(values) < 1e-12:  # no spread: the mean decides alone
        return (0.0, 1.0) if values[0] > limit else (1.0, 0.0)
    p = float(scipy.stats.ttest_1samp(values, limit, alternative="greater").pvalue)
    return p, 1 - p
