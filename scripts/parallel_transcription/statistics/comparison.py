"""Paired times compared: equivalence, difference, censored rounds, families.

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

Fewer than `LEAST_ROUNDS` rounds are not tested. A process can sit in one of two states for all of
its life (siblings, huge pages, a NUMA node), and a few rounds in which chance dealt both sides the
same hand look as if there were no noise. Two states that both sides take alike give all of n rounds
to one of them with probability 4^-n at most; no one-sided p-value of a difference, or of one beyond
the margin, is smaller, but where every round lies further out than states can (`STATES`). A sign
test's 2^-n would hold for every symmetric law; it is not taken, since over the pairs of a report no
study of less than ten rounds could show anything then.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from parallel_transcription.statistics.intervals import geometric_interval, median_interval

EQUIVALENT, A_FASTER, B_FASTER, INCONCLUSIVE = (
    "equivalent",
    "A faster",
    "B faster",
    "inconclusive",
)
WITHIN, BEYOND, OPEN = "within", "beyond", "open"
LEAST_ROUNDS = 4  # fewer are not tested
STATES = 0.10  # how far apart (log) two states of a process may be; 8 % were seen


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


NO_TESTS = Tests(*[float("nan")] * 6)


def paired_tests(a: ArrayLike, b: ArrayLike, margin: float) -> Tests:
    """T tests on the paired log ratios of `a` and `b`.

    a, b: positive times, shape (n,) or (n, S) for S independent comparisons, n >= 2 rounds.
    Equivalence is statsmodels' `ttost_paired(..., transform=np.log)` (Schuirmann 1987), the rest
    `scipy.stats.ttest_1samp`. Raises ValueError for fewer than 2 rounds or times <= 0.
    """
    from statsmodels.stats.weightstats import ttost_paired

    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or len(a) < 2:
        raise ValueError("paired tests need two equally long series of at least 2 rounds")
    if not (np.all(a > 0) and np.all(b > 0)):
        raise ValueError("times must be positive")
    low, high = band(margin)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nearly identical data, see `same`
        _, (_, p_lower, _), (_, p_upper, _) = ttost_paired(a, b, low, high, transform=np.log)
        d = np.log(a) - np.log(b)
        # rounding leaves a spread of 1e-16 where there is none: then the mean decides alone
        same = np.ptp(d, axis=0) < 1e-12
        mean = d.mean(axis=0)
        p_difference = scipy.stats.ttest_1samp(d, 0.0).pvalue
    p_difference = np.where(same, np.where(np.abs(mean) < 1e-12, 1.0, 0.0), p_difference)
    p_lower = np.where(same, np.where(mean > np.log(low) + 1e-12, 0.0, 1.0), p_lower)
    p_upper = np.where(same, np.where(mean < np.log(high) - 1e-12, 0.0, 1.0), p_upper)
    p_above = np.where(same, np.where(mean > np.log(high) + 1e-12, 0.0, 1.0), 1 - p_upper)
    p_below = np.where(same, np.where(mean < np.log(low) - 1e-12, 0.0, 1.0), 1 - p_lower)
    return Tests(np.maximum(p_lower, p_upper), p_difference, p_above, p_below, p_upper, p_lower)


def no_less_than_states(tests: Tests, d: np.ndarray, margin: float) -> Tests:
    """The tests, "beyond the margin" and "different" no surer than states of processes let one be.

    Args:
        tests: As from `paired_tests`.
        d: Log ratios, shape (n,) or (n, S).
        margin: Of the tests.
    """
    low, high = np.log(band(margin))
    different = 2 * np.minimum(_floor(d, 0.0), _floor(-d, 0.0))
    return tests._replace(
        p_above=np.maximum(tests.p_above, _floor(d, high)),
        p_below=np.maximum(tests.p_below, _floor(-d, -low)),
        p_difference=np.maximum(tests.p_difference, different),
    )


def _floor(d: np.ndarray, limit: float) -> Any:
    """The smallest p-value for "above the limit" that states allow; 0 where they reach less far."""
    return np.where(d.min(axis=0) > limit + STATES, 0.0, 0.25 ** len(d))


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
    """How the ratio stands to the margin: `WITHIN`, `BEYOND` or `OPEN`.

    `BEYOND` also asks for a significant difference: with a wide spread, looking on the side of the
    estimate makes two chances of one; the two-sided test takes that back.

    Args:
        p_equivalent: Of the test that the ratio lies within the margin.
        p_difference: Of the two-sided test that the ratio is not 1.
        p_beyond: `p_above` or `p_below`, whichever lies on the side of the estimate.
        alpha: Significance level.
    """
    if p_equivalent <= alpha:
        return WITHIN
    if p_beyond <= alpha and p_difference <= alpha:
        return BEYOND
    return OPEN


@dataclass(frozen=True)
class Estimates:
    """A ratio, its intervals, and its median; nan where there is none. See `Comparison`."""

    ratio: float
    low: float
    high: float
    low_equivalence: float
    high_equivalence: float
    median_ratio: float
    median_low: float
    median_high: float


NO_ESTIMATES = Estimates(*[float("nan")] * 8)


class Look(NamedTuple):
    """A look at a comparison that grows match by match: ratio A / B and its repeated interval.

    The interval is that of the equivalence test; nan before the first look (`sequential`).
    """

    matches: int
    passes: int  # blocks, so of each side
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison(Estimates):
    """A against B on one machine: times of matched rounds, ratio = A / B.

    `ratio`, `low`, `high`: geometric mean and the t interval that decides, at the confidence
    `level`: where the ratio is within the margin that of the equivalence test, else that of the
    test for "beyond", corrected as the p-values are (`settle`). So it lies inside the band where
    the verdict is "within", outside of it where it is "beyond". `low_equivalence`,
    `high_equivalence`: the interval that the equivalence test uses (90 % for a 95 % study).
    `median_*`: the median ratio and its exact interval. `alone` are the p-values of this comparison
    by itself, `tests` those adjusted over a family (`families`): the same until that is known.
    """

    rounds: int  # rounds that count
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
    unit: str = "round"  # what `rounds` counts: "round" | "match" (`sequential.compare_matches`)
    looks: tuple[Look, ...] = ()  # of matches, oldest first
    passes: int = 0  # blocks of all matches, so passes of each side
    alone: Tests = NO_TESTS  # not adjusted
    level: float = float("nan")  # confidence of `low` and `high`
    share: float = 1.0  # of the level that this look has (`looks.share_of`)

    @classmethod
    def nothing(cls, margin: float, confidence: float, unit: str = "round") -> Comparison:
        """The comparison of two arms that have nothing in common yet."""
        empty = asdict(NO_ESTIMATES)
        return cls(**empty, rounds=0, sd=float("nan"), tests=NO_TESTS, margin=margin,
                   confidence=confidence, unit=unit)  # fmt: skip

    @property
    def by_matches(self) -> bool:
        """Whether it rests on matches, which are settled among themselves."""
        return self.unit == "match"

    @property
    def alpha(self) -> float:
        """Significance level: 1 minus the confidence."""
        return 1 - self.confidence

    @property
    def p_beyond(self) -> float:
        """The p-value for "beyond the margin" on the side of the estimate."""
        return float(self.tests.p_below if self.ratio < 1 else self.tests.p_above)

    @property
    def tested(self) -> bool:
        """Whether there are rounds enough to test something."""
        return not np.isnan(self.alone.p_equivalent)

    def interval(self, level: float) -> tuple[float, float]:
        """The t interval of the ratio at a confidence; nan ends where it is open or not known."""
        if self.by_matches or self.rounds < 2:
            return self.low, self.high
        half = scipy.stats.t.ppf(0.5 + level / 2, self.rounds - 1) * self.sd / np.sqrt(self.rounds)
        low, high = self.ratio * np.exp(-half), self.ratio * np.exp(half)
        return (
            float("nan") if self.censored_b else float(low),
            float("nan") if self.censored_a else float(high),
        )


def compare(
    a: ArrayLike,
    b: ArrayLike,
    margin: float,
    confidence: float = 0.95,
    censored_a: ArrayLike | None = None,
    censored_b: ArrayLike | None = None,
    share: float = 1.0,
) -> Comparison:
    """Compares paired times `a` and `b` (shape (n,), one per round, seconds).

    `share` is the share of the level that this look at the rounds has (`looks.share_of`); the
    p-values are divided by it. That of states needs no share: what they show in so many rounds they
    showed in fewer. Fewer than `LEAST_ROUNDS` rounds are not tested.

    Censored rounds: where `censored_a` is true, `a` is the time limit that A ran into ("> 60 s").
    - Both sides censored: the round says nothing; it is counted and left out.
    - One side censored: the limit stands in for the time, so the ratio is a bound: with A censored,
      "at least". Only "A slower" can then be shown, and is, if it is significant even so. That A is
      not slower cannot, so neither can equivalence, however many rounds look alike: how long A
      would have taken in this one nobody knows. In the place of the t test the other hypotheses
      have an exact sign test (`scipy.stats.binomtest`). The interval is open on the censored side;
      if rounds are censored on both sides, there is none, and a sign test judges the difference as
      well.
    The result is judged alone; see `correct` for families.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    ca = np.zeros(a.shape, bool) if censored_a is None else np.asarray(censored_a, bool)
    cb = np.zeros(b.shape, bool) if censored_b is None else np.asarray(censored_b, bool)
    if not len(a) == len(b) == len(ca) == len(cb):
        raise ValueError("a, b and their censoring must be equally long")
    nothing = ca & cb
    a, b, ca, cb = a[~nothing], b[~nothing], ca[~nothing], cb[~nothing]
    rounds, censored_both = int((~nothing).sum()), int(nothing.sum())
    tests, estimates, sd = NO_TESTS, NO_ESTIMATES, float("nan")
    if rounds:
        d = np.log(a) - np.log(b)
        estimates = _cut(_estimates(np.exp(d), confidence), ca.any(), cb.any())
        sd = float(d.std(ddof=1)) if rounds >= 2 else sd
    if rounds >= LEAST_ROUNDS:
        tests = paired_tests(a, b, margin)
        if ca.any() or cb.any():
            tests = _censored_tests(d, ca, cb, margin, tests)
        tests = Tests(*[np.minimum(1.0, p / share) for p in tests])
        tests = Tests(*[float(p) for p in no_less_than_states(tests, d, margin)])
    result = Comparison(
        rounds=rounds,
        **asdict(estimates),
        sd=sd,
        tests=tests,
        margin=margin,
        confidence=confidence,
        censored_a=int(ca.sum()),
        censored_b=int(cb.sum()),
        censored_both=censored_both,
        bound=_bound(ca.any(), cb.any()),
        level=confidence,
        share=share,
    )
    return settle(result, result.tests) if rounds else result


def settle(comparison: Comparison, adjusted: Tests) -> Comparison:
    """The comparison with its outcome, its size, and the interval that decides.

    "Within" rests on the p-value of the comparison alone: a claim that all of some pairs are within
    the margin is false if one is not, and then this one's test alone errs (intersection-union test,
    Berger 1982). "Beyond" and "faster" rest on the adjusted ones: of many pairs one may look so.

    Args:
        comparison: With p-values that nobody has adjusted, in `alone` or, as new, in `tests`.
        adjusted: Over the family.
    """
    alone = comparison.alone if comparison.tested else comparison.tests
    log_ratio = np.log(comparison.ratio) if comparison.rounds else 0.0
    alpha = comparison.alpha
    outcome = decide(alone.p_equivalent, adjusted.p_difference, log_ratio, alpha)
    side = "p_below" if log_ratio < 0 else "p_above"
    p_beyond = getattr(adjusted, side)
    size = size_of(alone.p_equivalent, adjusted.p_difference, p_beyond, alpha)
    slightly = ""
    if outcome == EQUIVALENT and adjusted.p_difference <= alpha:
        slightly = "A" if log_ratio < 0 else "B"
    result = replace(
        comparison, alone=alone, tests=adjusted, outcome=outcome, size=size, slightly=slightly
    )
    if comparison.by_matches:
        return result
    factor = 1.0  # by which the correction has made the level smaller
    if size != WITHIN and getattr(alone, side) > 0:
        factor = p_beyond / getattr(alone, side)
    level = 1 - 2 * alpha * comparison.share / max(1.0, factor)
    low, high = result.interval(level)
    ends = comparison.interval(1 - 2 * alpha * comparison.share)
    return replace(
        result, level=level, low=low, high=high, low_equivalence=ends[0], high_equivalence=ends[1]
    )


def _estimates(ratios: np.ndarray, confidence: float) -> Estimates:
    _, low, high = geometric_interval(ratios, 2 * confidence - 1)
    return Estimates(
        *geometric_interval(ratios, confidence),
        low,
        high,
        *median_interval(ratios, confidence),
    )


def _cut(estimates: Estimates, censored_a: bool, censored_b: bool) -> Estimates:
    """The estimates with intervals open on the side that limits stand in for."""
    nan = float("nan")
    if censored_a:
        estimates = replace(estimates, high=nan, high_equivalence=nan, median_high=nan)
    if censored_b:
        estimates = replace(estimates, low=nan, low_equivalence=nan, median_low=nan)
    return replace(estimates, median_ratio=nan) if censored_a and censored_b else estimates


def _bound(censored_a: bool, censored_b: bool) -> str:
    """How the ratio is bounded; on both sides it is not."""
    if censored_a == censored_b:
        return ""
    return "at least" if censored_a else "at most"


def _censored_tests(
    d: np.ndarray, ca: np.ndarray, cb: np.ndarray, margin: float, tests: Tests
) -> Tests:
    """The tests of `compare` where some rounds are censored on one side."""
    low, high = np.log(band(margin))
    n = len(d)

    def sign(k: int) -> float:
        return float(scipy.stats.binomtest(int(k), n, 0.5, alternative="greater").pvalue)

    # known to lie above/below: a censored A bounds d from below, a censored B from above
    p_lower = 1.0 if cb.any() else sign(np.sum(d > low))
    p_upper = 1.0 if ca.any() else sign(np.sum(d < high))
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
