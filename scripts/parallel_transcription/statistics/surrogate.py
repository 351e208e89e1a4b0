"""A surrogate: what a function of configurations is likely to be where it was not measured.

Gaussian process regression (Rasmussen and Williams 2006, ch. 2) of

    y = prior mean + linear terms + residual + effect of the round + noise

with normal priors on the linear terms, a Matérn 5/2 kernel on the residual beside a little that is
each point's own, and an effect that all that was measured in one round shares: so what was measured
side by side is compared as a pair. Spreads of residual and noise are averaged over those that the
measurements leave likely. Noise has heavy tails (Student's t of 4 degrees, by reweighting): a stall
of the machine is not taken for a property of a configuration.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy

Array = np.ndarray

LENGTH = 1.5  # of the residual, in units of places: factors of two
OWN = 0.015  # spread of what is each point's alone
ROUND_EFFECT = 0.05
RESIDUALS = (0.04, 0.1, 0.25, 0.6)
NOISES = (0.01, 0.02, 0.04, 0.08)
#: Middle and spread of the logarithm of each, before anything is measured.
_LIKELY = ((0.15, 1.0), (0.03, 0.7))
_FREEDOM, _REWEIGHTED = 4.0, 1
_MOST_MIXED, _LEAST_WEIGHT = 4, 0.05
_JITTER = 1e-9


@dataclass(frozen=True)
class Seen:
    """Measurements, one in each place of the arrays: point, round, value, and noise known beside.

    `point` are rows of the points; `extra_sd` is added to the noise, for what is less sure.
    """

    point: Array  # int, shape (m,)
    round: Array  # int, shape (m,)
    value: Array  # float, shape (m,)
    extra_sd: Array  # float, shape (m,)


class Surrogate:
    """Points of a space, and what is expected of them before any is measured.

    Args:
        mean: Prior mean of each, shape (n,).
        linear: Terms of each, shape (n, d), already times the spread that each may add.
        places: Where each stands, shape (n, k): the residual is alike where these are close.
    """

    def __init__(self, mean: Array, linear: Array, places: Array):
        self.mean, self.linear, self.places = mean, linear, places

    def fit(self, seen: Seen) -> Posterior:
        """What measurements say of all points; at least one is needed."""
        i = seen.point
        linear = self.linear[i] @ self.linear[i].T
        near = matern(self.places[i], self.places[i])
        own = (i[:, None] == i[None, :]).astype(float)
        same = (seen.round[:, None] == seen.round[None, :]).astype(float)
        fixed = linear + OWN**2 * own + ROUND_EFFECT**2 * same
        off = seen.value - self.mean[i]
        weights = np.ones(len(i))
        for _ in range(_REWEIGHTED + 1):
            fitted = [
                _Fitted.of(spreads, fixed, near, off, seen.extra_sd, weights)
                for spreads in product(RESIDUALS, NOISES)
            ]
            best = max(fitted, key=lambda one: one.evidence)
            left = best.noise * best.solved  # what the fit leaves of each measurement
            usual = best.spreads[1] ** 2 + seen.extra_sd**2
            weights = np.maximum(1.0, (_FREEDOM + left**2 / usual) / (_FREEDOM + 1))
        return Posterior(self, i, fitted)


@dataclass(frozen=True)
class _Fitted:
    """Measurements under given spreads: (residual, noise)."""

    spreads: tuple[float, float]
    noise: Array  # variance of each measurement
    factor: Array  # lower Cholesky factor of their covariance
    solved: Array  # inverse covariance times what they lie off the prior mean
    evidence: float  # log, up to a constant

    @classmethod
    def of(
        cls,
        spreads: tuple[float, float],
        fixed: Array,
        near: Array,
        off: Array,
        extra_sd: Array,
        weights: Array,
    ) -> _Fitted:
        residual, noise_sd = spreads
        noise = weights * noise_sd**2 + extra_sd**2
        factor = np.linalg.cholesky(fixed + residual**2 * near + np.diag(noise))
        solved = scipy.linalg.cho_solve((factor, True), off, check_finite=False)
        evidence = -0.5 * float(off @ solved) - float(np.log(np.diag(factor)).sum())
        for spread, (middle, sd) in zip(spreads, _LIKELY, strict=True):
            evidence -= 0.5 * (math.log(spread / middle) / sd) ** 2
        return cls(spreads, noise, factor, solved, evidence)


class Posterior:
    """What is known of all points, rounds' effects and noise apart.

    A mixture over the spreads that the measurements leave likely, each with its weight. `mean`,
    `sd`: of each point, shape (n,). `noise_sd`: of a measurement, the most likely one.
    """

    def __init__(self, prior: Surrogate, measured: Array, fitted: Sequence[_Fitted]):
        ranked = sorted(fitted, key=lambda one: -one.evidence)[:_MOST_MIXED]
        weights = np.exp([one.evidence - ranked[0].evidence for one in ranked])
        kept = [k for k, weight in enumerate(weights) if weight >= _LEAST_WEIGHT]
        self._weights = weights[kept] / weights[kept].sum()
        self._parts = [_Part(prior, measured, ranked[k]) for k in kept]
        self.noise_sd = ranked[0].spreads[1]
        means = np.array([part.mean for part in self._parts])
        self.mean = self._weights @ means
        squares = np.array([part.variance for part in self._parts]) + (means - self.mean) ** 2
        self.sd = np.sqrt(self._weights @ squares)

    def covariance(self, a: Array, b: Array) -> Array:
        """Of points `a` with points `b`, shape (len(a), len(b))."""
        total = np.zeros((len(a), len(b)))
        for weight, part in zip(self._weights, self._parts, strict=True):
            off_a, off_b = part.mean[a] - self.mean[a], part.mean[b] - self.mean[b]
            total += weight * (part.covariance(a, b) + np.outer(off_a, off_b))
        return total

    def draws(self, points: Array, count: int, seed: int) -> Array:
        """Values of some points together, drawn at random; shape (count, len(points))."""
        chance = np.random.default_rng(seed)
        counts = np.floor(self._weights * count).astype(int)
        counts[0] += count - counts.sum()
        return np.concatenate(
            [part.draws(points, n, chance) for part, n in zip(self._parts, counts, strict=True)]
        )


class _Part:
    """The posterior under given spreads."""

    def __init__(self, prior: Surrogate, measured: Array, fitted: _Fitted):
        self._prior, self._measured, self._fitted = prior, measured, fitted
        cross = self._kernel(np.arange(len(prior.mean)), measured)
        self.mean = prior.mean + cross @ fitted.solved
        self._half = scipy.linalg.solve_triangular(
            fitted.factor, cross.T, lower=True, check_finite=False
        )
        alone = (prior.linear**2).sum(axis=1) + fitted.spreads[0] ** 2 + OWN**2
        self.variance = np.maximum(alone - (self._half**2).sum(axis=0), _JITTER)

    def _kernel(self, a: Array, b: Array) -> Array:
        prior = self._prior
        near = matern(prior.places[a], prior.places[b])
        own = OWN**2 * (a[:, None] == b[None, :])
        linear = prior.linear[a] @ prior.linear[b].T
        return np.asarray(linear + self._fitted.spreads[0] ** 2 * near + own)

    def covariance(self, a: Array, b: Array) -> Array:
        return np.asarray(self._kernel(a, b) - self._half[:, a].T @ self._half[:, b])

    def draws(self, points: Array, count: int, chance: np.random.Generator) -> Array:
        covariance = self.covariance(points, points)
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        root = vectors * np.sqrt(np.maximum(values, 0))
        return np.asarray(self.mean[points] + chance.standard_normal((count, len(points))) @ root.T)


def matern(a: Array, b: Array) -> Array:
    """Matérn 5/2 kernel of variance 1 between rows, shape (len(a), len(b))."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    scaled = np.sqrt(5 * np.maximum(squares, 0)) / LENGTH
    return np.asarray((1 + scaled + scaled**2 / 3) * np.exp(-scaled))
