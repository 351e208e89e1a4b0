"""Families of comparisons: what of many is due to chance alone.

A report that shows many pairs calls some of them different by chance. What is said of any pair
("beyond the margin", "faster") is therefore adjusted over all pairs of the report (`Family`); what
is said of all of some pairs ("all are within the margin") needs none (`comparison.settle`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from parallel_transcription.statistics.comparison import Comparison, Tests, settle


def adjust(p_values: ArrayLike, method: str = "holm") -> np.ndarray:
    """Adjusted p-values of a family, by Holm (1979), Hochberg (1988) or Bonferroni; nan stays nan.

    Nan (nothing could be tested) can give no false verdict, so it does not count in the family.

    Args:
        p_values: Shape (n,).
        method: "holm", "hochberg" (more power; for p-values that depend positively) or
            "bonferroni".
    """
    p = np.asarray(p_values, float)
    result = np.full(p.shape, np.nan)
    known = p[~np.isnan(p)]
    order = np.argsort(known)
    if method == "holm":  # the k-th smallest of n times n - k, and never below a smaller one's
        stepped = np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1))
    elif method == "hochberg":  # the same factors, from the largest down
        steps = known[order] * np.arange(len(known), 0, -1)
        stepped = np.minimum.accumulate(steps[::-1])[::-1]
    elif method == "bonferroni":
        stepped = known[order] * len(known)
    else:
        raise ValueError(f"the correction is holm, hochberg or bonferroni, not {method!r}")
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(stepped, 1)
    result[~np.isnan(p)] = adjusted
    return result


class Family:
    """The comparisons of a report, each p-value adjusted over all that could be tested (Holm 1979).

    Holm controls the chance of any false label of a kind in the family. "bonferroni" is for
    comparing all with the best one seen (see `findings.best_threads`).

    Args:
        members: All comparisons of the report; one that stands twice in it counts twice.
        method: Of `adjust`.
    """

    def __init__(self, members: Iterable[Comparison], method: str = "holm"):
        tested = [c.alone if c.tested else c.tests for c in members]
        self._known = {}
        for k, name in enumerate(Tests._fields):
            p = np.sort([t[k] for t in tested if not np.isnan(t[k])])
            self._known[name] = p, adjust(p, method)
        self._method = method

    @property
    def size(self) -> int:
        """How many comparisons were tested."""
        return len(self._known["p_difference"][0])

    def correct(self, comparisons: Iterable[Comparison]) -> list[Comparison]:
        """Comparisons of the family with their outcomes."""
        return [settle(c, self._adjusted(c.alone if c.tested else c.tests)) for c in comparisons]

    def _adjusted(self, alone: Tests) -> Tests:
        return Tests(*[self._one(n, p) for n, p in zip(Tests._fields, alone, strict=True)])

    def _one(self, name: str, p: float) -> float:
        """A p-value adjusted; one that is no member's as if it were one more."""
        known, adjusted = self._known[name]
        if np.isnan(p):
            return float("nan")
        place = int(np.searchsorted(known, p))
        if place < len(known) and known[place] == p:
            return float(adjusted[place])
        factor = len(known) + 1 - (0 if self._method == "bonferroni" else place)
        before = adjusted[place - 1] if place and self._method != "bonferroni" else 0.0
        return float(min(1.0, max(before, p * factor)))


def correct(family: list[Comparison], method: str = "holm") -> list[Comparison]:
    """Outcomes of comparisons that are a family of their own."""
    return Family(family, method).correct(family)
