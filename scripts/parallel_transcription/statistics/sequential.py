"""Looking again, paid for: repeated p-values and intervals of matches, valid at any stopping.

The unit is the match: its value is one number, the trimmed mean of the log ratios of its blocks
(`match_value`), so that two processes that sit in two states do not pretend to be as many
observations as they have passes. What is tested are these values, by Student's t.

**Error spending.** After n matches (`FIRST` or more) the one-sided t test is a look. By the
significance level approach (Jennison and Turnbull, Group Sequential Methods, 2000, section 4.4) its
p-value is compared with the nominal level that a group-sequential z test has at this look; the z
values of looks n and m correlate by sqrt(n / m). The level is spent as a function of the number of
matches (Lan and DeMets 1983), the share s(n) = 1 - `REST` x sqrt(`FIRST` / n) after n: most of it
at the first look, which is all that a few minutes can pay, and the rest so slowly that an hour
still has some; it grows to 1 and needs no largest number, so that a budget can be extended at any
time and looks that were made stay as they were. The
*repeated p-value* is the smallest level at which some look so far rejects (Jennison and Turnbull,
chapter 9); it is a p-value whenever one stops, so corrections of families such as Holm's keep their
level on it (Maurer and Bretz 2013). Repeated confidence intervals invert the same looks.

**A spread that is shared.** Five matches know their spread badly (t with 4 degrees of freedom).
Other pairs of the same matches have the same machine and nearly the same passes: their spread is
pooled with the pair's own (as in Dunnett's test), at `SHARED` of their degrees of freedom since
pairs share a side. The variance that is used is never less than the pair's own over `OWN`, so that
a side with a spread of its own is not thought as quiet as the others.

**Two states.** A process can sit in one of two states for all of its life, and a few matches
in the same state look as if there were no noise. So there is no look before `FIRST` matches (all of
which one side alone spends in one state in 1 of 32 cases), and no one-sided p-value is smaller than
2 x 4^-n, the most that two states do which both sides take alike (`states_p`); beyond the margin
this floor is waived where every match lies further out than states can (`STATES`).

**Checked and left out.** More degrees of freedom from the passes within a match (as mixed models
give where their variance between matches comes out as zero): up to 3.6 times the level at small
levels. Looks after 3 or 4 matches: where one side alone has states 8 % apart, 6 to 12 % of
studies at the margin's edge with a false "within". Half of the level at the first look: a quarter
less power within three minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from parallel_transcription.statistics.comparison import (
    NO_TESTS,
    STATES,
    Comparison,
    Look,
    Tests,
    band,
    settle,
)
from parallel_transcription.statistics.intervals import median_interval

FIRST = 5  # matches before the first look
REST = 0.2  # of the level is left after the first look
SHARED = 0.75  # of the degrees of freedom of other pairs
OWN = 1.5  # how much larger a pair's own variance may be than the one that it shares
TRIMMED_FROM = 4  # blocks of a match from which on its fastest and slowest do not count

_LEVELS = np.geomspace(1e-9, 0.9, 64)
_LOG_LEVELS = np.log(_LEVELS)
_Z = np.linspace(-9.0, 9.0, 361)
_STEP = float(_Z[1] - _Z[0])


def match_value(log_ratios: ArrayLike) -> float:
    """The value of a match: the mean log ratio of its blocks without its two extremes.

    One stalled pass in a match then changes nothing; it costs 5 % of precision at 6 blocks of
    white noise. Fewer than `TRIMMED_FROM` blocks: their median. nan for none.
    """
    values = np.sort(np.asarray(log_ratios, float))
    if len(values) == 0:
        return float("nan")
    return float(values[1:-1].mean() if len(values) >= TRIMMED_FROM else np.median(values))


def is_look(matches: int) -> bool:
    """Whether so many matches are looked at: 5, 6, 8, 10, 12, 16, 20, 24, 32 and so on."""
    step = 1
    while matches > 6 * step:
        step *= 2
    return matches >= FIRST and matches % step == 0


def looks_at(matches: int) -> tuple[int, ...]:
    """The numbers of matches at which was looked, with so many there are."""
    return tuple(n for n in range(FIRST, matches + 1) if is_look(n))


def spent(matches: int) -> float:
    """The share of the level that is spent after so many matches."""
    return 1 - REST * math.sqrt(FIRST / matches)


class _Step(NamedTuple):
    """A look of the recursion: nominal levels, and what is left to go on with, by `_LEVELS`."""

    log_nominal: np.ndarray  # (levels,)
    density: np.ndarray  # (levels, z): of the z value on paths that never rejected


@cache
def _step(matches: int) -> _Step:
    """The look at so many matches, by quadrature over the z value (Armitage et al. 1969)."""
    earlier = looks_at(matches - 1)
    if not earlier:
        z = -scipy.special.ndtri(_LEVELS * spent(matches))
        density = np.tile(np.exp(-(_Z**2) / 2) / np.sqrt(2 * np.pi), (len(_LEVELS), 1))
    else:
        before = earlier[-1]
        target = _LEVELS * (spent(matches) - spent(before))
        rho = np.sqrt(before / matches)
        s = np.sqrt(1 - rho**2)
        survived = _step(before).density
        # the chance to lie beyond each z, which falls with z: read off where it is the target
        tail = survived @ scipy.special.ndtr((rho * _Z[:, None] - _Z) / s) * _STEP
        log_tail = np.log(np.maximum(tail, 1e-300))[:, ::-1]
        wanted = zip(np.log(target), log_tail, strict=True)
        z = np.array([np.interp(log_target, one, _Z[::-1]) for log_target, one in wanted])
        kernel = np.exp(-(((_Z - rho * _Z[:, None]) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi))
        density = survived @ kernel * _STEP
    cut = np.clip((z[:, None] - _Z) / _STEP + 0.5, 0, 1)  # the cell of the boundary counts in part
    return _Step(scipy.special.log_ndtr(-z), density * cut)


@cache
def nominal_level(matches: int, alpha: float) -> float:
    """The one-sided level of the t test at the look after so many matches, if alpha is spent."""
    return float(np.exp(np.interp(np.log(alpha), _LOG_LEVELS, _step(matches).log_nominal)))


def spending_p(matches: int, p: float) -> float:
    """The smallest level to spend at which the look after so many matches rejects a nominal p."""
    log_p = math.log(max(p, 1e-300))
    nominal = _step(matches).log_nominal
    if log_p > nominal[-1]:
        return 1.0
    return math.exp(np.interp(log_p, nominal, _LOG_LEVELS))


def variances(values: ArrayLike, alike: Sequence[ArrayLike] = ()) -> dict[int, tuple[float, float]]:
    """The variance of the values at each look, and its degrees of freedom; see the module's text.

    Args:
        values: Of the matches of a pair, oldest first.
        alike: The values of other pairs of the same machine.
    """
    values = np.asarray(values, float)
    others = [np.asarray(other, float) for other in alike]
    found = {}
    for n in looks_at(len(values)):
        own, freedom = max(float(values[:n].var(ddof=1)), 1e-14), float(n - 1)
        known = [other[:n] for other in others if len(other) > 1]
        more = sum(len(other) - 1 for other in known)
        pooled = own
        if more:
            theirs = sum(float(o.var(ddof=1)) * (len(o) - 1) for o in known) / more
            pooled = (freedom * own + SHARED * more * theirs) / (freedom + SHARED * more)
            freedom += SHARED * more
        found[n] = max(pooled, own / OWN), freedom
    return found


def repeated_p(
    values: ArrayLike, limit: float, alike: Sequence[ArrayLike] = ()
) -> tuple[float, float]:
    """Repeated one-sided p-values of the values' mean against `limit`: (mean > it, mean < it).

    Args:
        values: Of the matches, oldest first.
        limit: Under the hypotheses that are tested the mean is at most, and at least, this.
        alike: The values of other pairs, for the spread.
    """
    x = np.asarray(values, float) - limit
    above = below = 1.0
    for look, (variance, freedom) in variances(x, alike).items():
        t = float(x[:look].mean()) / math.sqrt(variance / look)
        above = min(above, spending_p(look, float(scipy.special.stdtr(freedom, -t))))
        below = min(below, spending_p(look, float(scipy.special.stdtr(freedom, t))))
    return above, below


def states_p(matches: int) -> float:
    """The chance that A is in one state and B in the other in all matches, either way round."""
    return 2 * 0.25**matches


def _floor(values: np.ndarray, limit: float) -> float:
    """The smallest p-value for "above the limit" that states allow; 0 where they reach less far."""
    n = looks_at(len(values))[-1]
    return 0.0 if values[:n].min() > limit + STATES else states_p(n)


def match_tests(values: ArrayLike, margin: float, alike: Sequence[ArrayLike] = ()) -> Tests:
    """The repeated p-values of the values of matches, with the floors of the module's text.

    nan before the first look.
    """
    values = np.asarray(values, float)
    if not looks_at(len(values)):
        return NO_TESTS
    low, high = np.log(band(margin))
    above, not_above = repeated_p(values, high, alike)
    not_below, below = repeated_p(values, low, alike)
    more, less = repeated_p(values, 0.0, alike)
    n = looks_at(len(values))[-1]
    above, below = max(above, _floor(values, high)), max(below, _floor(-values, -low))
    not_above, not_below = max(not_above, states_p(n)), max(not_below, states_p(n))
    more, less = max(more, _floor(values, 0.0)), max(less, _floor(-values, 0.0))
    return Tests(
        max(not_above, not_below), min(1.0, 2 * min(more, less)), above, below, not_above, not_below
    )


def repeated_interval(
    values: ArrayLike, confidence: float, alike: Sequence[ArrayLike] = ()
) -> tuple[float, float, float]:
    """(mean, low, high) of the values after their last look, valid at any stopping.

    nan ends before the first look.
    """
    values = np.asarray(values, float)
    looks = looks_at(len(values))
    if not looks:
        return (float(values.mean()) if len(values) else float("nan"), float("nan"), float("nan"))
    n = looks[-1]
    level = nominal_level(n, (1 - confidence) / 2)
    mean = float(values[:n].mean())
    variance, freedom = variances(values, alike)[n]
    half = float(scipy.special.stdtrit(freedom, 1 - level)) * math.sqrt(variance / n)
    return mean, mean - half, mean + half


def compare_matches(
    log_ratios: Sequence[Sequence[float]],
    margin: float,
    confidence: float = 0.95,
    alike: Sequence[Sequence[Sequence[float]]] = (),
) -> Comparison:
    """Compares two sides by their matches; the ratio is A / B, `rounds` is the number of matches.

    p-values and intervals are the repeated ones of the module's text: they hold although one
    looked after every match and stopped when it pleased. After a number of matches at which is
    not looked (`is_look`) they are those of the look before.

    Args:
        log_ratios: For each match, oldest first, log(A / B) of its blocks. Empty ones are left
            out.
        margin: Of equivalence, as 0.05.
        confidence: Of the intervals; 1 minus the level.
        alike: The same of other pairs of the machine's matches, whose spread is shared.
    """
    others = [[match_value(match) for match in pair if len(match)] for pair in alike]
    blocks = [np.asarray(match, float) for match in log_ratios]
    blocks = [match for match in blocks if len(match)]
    values = np.array([match_value(match) for match in blocks])
    if not len(values):
        return Comparison.nothing(margin, confidence, unit="match")
    ladder = _ladder(values, [len(match) for match in blocks], confidence, others)
    mean, low, high = repeated_interval(values, confidence, others)
    _, low_equivalence, high_equivalence = repeated_interval(values, 2 * confidence - 1, others)
    ends = (mean, low, high, low_equivalence, high_equivalence)
    ratio, low, high, low_equivalence, high_equivalence = (float(np.exp(v)) for v in ends)
    median_ratio, median_low, median_high = median_interval(np.exp(values), confidence)
    result = Comparison(
        ratio=ratio,
        low=low,
        high=high,
        low_equivalence=low_equivalence,
        high_equivalence=high_equivalence,
        median_ratio=median_ratio,
        median_low=median_low,
        median_high=median_high,
        rounds=len(values),
        sd=float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        tests=match_tests(values, margin, others),
        margin=margin,
        confidence=confidence,
        unit="match",
        level=confidence,
        looks=tuple(ladder),
        passes=sum(len(match) for match in blocks),
    )
    return settle(result, result.tests)


def _ladder(
    values: np.ndarray, blocks: Sequence[int], confidence: float, alike: Sequence[ArrayLike]
) -> list[Look]:
    """The looks so far, and the estimates before the first."""
    ladder = []
    for n in range(1, len(values) + 1):
        if n < FIRST or is_look(n):
            mean, low, high = np.exp(repeated_interval(values[:n], 2 * confidence - 1, alike))
            ladder.append(Look(n, sum(blocks[:n]), float(mean), float(low), float(high)))
    return ladder


# --- what a number of matches can show ------------------------------------------------------------


@cache
def _critical(matches: int, alpha: float, others: int) -> tuple[float, float]:
    """The t that a look must reach, and its degrees of freedom, with so many other pairs."""
    freedom = (matches - 1) * (1 + SHARED * others)
    return float(scipy.special.stdtrit(freedom, 1 - nominal_level(matches, alpha))), freedom


def chance(
    matches: int, sd: float, log_ratio: float, margin: float, alpha: float = 0.05, *,
    family: int = 1, others: int = 0, have: int = 0,
) -> float:  # fmt: skip
    """The chance that the best of the looks up to so many matches decides a pair.

    Within the margin or beyond it, whatever is true. All looks together decide a little more often.

    Args:
        matches: In all.
        sd: Of the values of matches.
        log_ratio: The true one, assumed.
        margin: Of equivalence.
        alpha: The level.
        family: How many pairs are shown beyond the margin at this level together (Bonferroni).
        others: Pairs whose spread is shared.
        have: Matches that there are; looks up to these are over.
    """
    width, theta = math.log1p(margin), abs(log_ratio)
    level = alpha if theta < width else alpha / family
    return max(
        (
            _chance_at(n, sd, theta, width, level, others)
            for n in looks_at(matches)
            if n > have and theta != width
        ),
        default=0.0,
    )


def _chance_at(
    matches: int, sd: float, theta: float, width: float, level: float, others: int
) -> float:
    """The chance that one look decides; normal, the error of the spread as in t."""
    if states_p(matches) > level and not theta - width > STATES:
        return 0.0
    error = max(sd, 1e-9) / math.sqrt(matches)
    t, freedom = _critical(matches, level, others)

    def reached(distance: float) -> float:
        return float(
            scipy.special.ndtr((distance / error - t) / math.sqrt(1 + t * t / (2 * freedom)))
        )

    if theta > width:
        return reached(theta - width)
    return max(0.0, reached(width - theta) + reached(width + theta) - 1)


def matches_needed(
    sd: float, log_ratio: float, margin: float, alpha: float = 0.05, *, family: int = 1,
    power: float = 0.8, have: int = 0, most: int = 256, others: int = 0,
) -> int | None:  # fmt: skip
    """Matches in all after which the chance to decide a pair (`chance`) is `power` at least.

    None: more than `most`.
    """
    width, theta = math.log1p(margin), abs(log_ratio)
    level = alpha if theta < width else alpha / family
    for n in looks_at(most) if theta != width else ():
        if n > have and _chance_at(n, sd, theta, width, level, others) >= power:
            return n
    return None
