"""Looking again, paid for: repeated p-values and intervals of matches, valid at any stopping.

The unit is the match: its value is one number, the trimmed mean of the log ratios of its blocks
(`match_value`), so that two processes that sit in two states do not pretend to be as many
observations as they have passes. What is tested are these values, by Student's t.

**Error spending.** After n matches (`FIRST` or more) the one-sided t test is a look. By the
significance level approach (Jennison and Turnbull, Group Sequential Methods, 2000, section 4.4) its
p-value is compared with the nominal level that a group-sequential z test has at this look; the z
values of looks n and m correlate by sqrt(n / m). The level is spent as a function of the number of
matches (Lan and DeMets 1983), the share s(n) = (n - 3) / (n - 3 + `HALF`) after n: it grows to 1
and needs no largest number, so that a budget can be extended at any time and looks that were made
stay as they were. The *repeated p-value* is the smallest level at which some look so far rejects
(Jennison and Turnbull, chapter 9); it is a p-value whenever one stops, so corrections of families
such as Holm's keep their level on it (Maurer and Bretz 2013). Repeated confidence intervals
invert the same looks.

**Two states.** A process can sit in one of two states for all of its life, and a few matches
in the same state look as if there were no noise. No one-sided p-value is therefore smaller than
that of the sign test with all signs equal, 2^-n, which holds for every symmetric law; beyond the
margin this floor is waived where every match lies further out than states can (`STATES`).

**Checked and left out.** More degrees of freedom from the passes within a match (as mixed models
give where their variance between matches comes out as zero): 0 to 10 points of power, and up to
3.6 times the level at small levels (4 matches of 6 blocks, 0.2 %). A first look after 3 matches:
with states, both sides alike, one pair in 30 would be called different.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from parallel_transcription.statistics.comparison import (
    NO_TESTS,
    Comparison,
    Look,
    Tests,
    band,
    correct,
)
from parallel_transcription.statistics.intervals import median_interval

FIRST = 4  # matches before the first look
HALF = 3.0  # half of the level is spent after 3 + HALF matches
STATES = 0.10  # how far apart (log) two states of a process may be; 8 % were seen
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
    """Whether so many matches are looked at: all from `FIRST` to 16, then in growing steps."""
    if matches <= 16:
        return matches >= FIRST
    step = 2
    while matches > 16 * step:
        step *= 2
    return matches % step == 0


def looks_at(matches: int) -> tuple[int, ...]:
    """The numbers of matches at which was looked, with so many there are."""
    return tuple(n for n in range(FIRST, matches + 1) if is_look(n))


def spent(matches: int) -> float:
    """The share of the level that is spent after so many matches."""
    after = matches - FIRST + 1
    return after / (after + HALF)


class _Step(NamedTuple):
    """A look of the recursion: nominal levels, and what is left to go on with, by `_LEVELS`."""

    log_nominal: np.ndarray  # (levels,)
    density: np.ndarray  # (levels, z): of the z value on paths that never rejected


@cache
def _step(matches: int) -> _Step:
    """The look at so many matches, by quadrature over the z value (Armitage et al. 1969)."""
    earlier = looks_at(matches - 1)
    if not earlier:
        z = -special.ndtri(_LEVELS * spent(matches))
        density = np.tile(np.exp(-(_Z**2) / 2) / np.sqrt(2 * np.pi), (len(_LEVELS), 1))
    else:
        before = earlier[-1]
        target = _LEVELS * (spent(matches) - spent(before))
        rho = np.sqrt(before / matches)
        s = np.sqrt(1 - rho**2)
        survived = _step(before).density
        low, high = np.full(len(_LEVELS), -3.0), np.full(len(_LEVELS), 9.0)
        for _ in range(40):
            z = (low + high) / 2
            beyond = (survived * special.ndtr((rho * _Z - z[:, None]) / s)).sum(axis=1) * _STEP
            low, high = np.where(beyond > target, z, low), np.where(beyond > target, high, z)
        kernel = np.exp(-(((_Z - rho * _Z[:, None]) / s) ** 2) / 2) / (s * np.sqrt(2 * np.pi))
        density = survived @ kernel * _STEP
    cut = np.clip((z[:, None] - _Z) / _STEP + 0.5, 0, 1)  # the cell of the boundary counts in part
    return _Step(special.log_ndtr(-z), density * cut)


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


def repeated_p(values: ArrayLike, limit: float) -> tuple[float, float]:
    """Repeated one-sided p-values of the values' mean against `limit`: (mean > it, mean < it).

    Args:
        values: Of the matches, oldest first.
        limit: Under the hypotheses that are tested the mean is at most, and at least, this.
    """
    x = np.asarray(values, float) - limit
    looks = looks_at(len(x))
    above = below = 1.0
    if not looks:
        return above, below
    n = np.asarray(looks)
    total, squares = np.cumsum(x)[n - 1], np.cumsum(x * x)[n - 1]
    mean = total / n
    variance = np.maximum((squares - n * mean**2) / (n - 1), 1e-14)
    nominal = special.stdtr(n - 1, -mean / np.sqrt(variance / n))
    for look, p in zip(looks, nominal, strict=True):
        above = min(above, spending_p(look, float(p)))
        below = min(below, spending_p(look, float(1 - p)))
    return above, below


def states_p(matches: int) -> float:
    """The chance that A is in one state and B in the other in all matches, either way round."""
    return 2 * 0.25**matches


def _floor(values: np.ndarray, limit: float) -> float:
    """The smallest p-value for "above the limit" that states allow; 0 where they reach less far."""
    n = looks_at(len(values))[-1]
    return 0.0 if values[:n].min() > limit + STATES else states_p(n)


def match_tests(values: ArrayLike, margin: float) -> Tests:
    """The repeated p-values of the values of matches, with the floors of the module's text.

    nan before the first look.
    """
    values = np.asarray(values, float)
    if not looks_at(len(values)):
        return NO_TESTS
    low, high = np.log(band(margin))
    above, not_above = repeated_p(values, high)
    not_below, below = repeated_p(values, low)
    more, less = repeated_p(values, 0.0)
    n = looks_at(len(values))[-1]
    above, below = max(above, _floor(values, high)), max(below, _floor(-values, -low))
    not_above, not_below = max(not_above, states_p(n)), max(not_below, states_p(n))
    more, less = max(more, _floor(values, 0.0)), max(less, _floor(-values, 0.0))
    return Tests(
        max(not_above, not_below), min(1.0, 2 * min(more, less)), above, below, not_above, not_below
    )


def repeated_interval(values: ArrayLike, confidence: float) -> tuple[float, float, float]:
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
    half = float(special.stdtrit(n - 1, 1 - level) * values[:n].std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def compare_matches(
    log_ratios: Sequence[Sequence[float]], margin: float, confidence: float = 0.95
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
    """
    blocks = [np.asarray(match, float) for match in log_ratios]
    blocks = [match for match in blocks if len(match)]
    values = np.array([match_value(match) for match in blocks])
    if not len(values):
        return Comparison.nothing(margin, confidence, unit="match")
    ladder = _ladder(values, [len(match) for match in blocks], confidence)
    mean, low, high = np.exp(repeated_interval(values, confidence))
    _, low_equivalence, high_equivalence = np.exp(repeated_interval(values, 2 * confidence - 1))
    median, median_low, median_high = median_interval(np.exp(values), confidence)
    result = Comparison(
        ratio=float(mean),
        low=float(low),
        high=float(high),
        low_equivalence=float(low_equivalence),
        high_equivalence=float(high_equivalence),
        median_ratio=median,
        median_low=median_low,
        median_high=median_high,
        rounds=len(values),
        sd=float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        tests=match_tests(values, margin),
        margin=margin,
        confidence=confidence,
        unit="match",
        looks=tuple(ladder),
        passes=sum(len(match) for match in blocks),
    )
    return correct([result])[0]


def _ladder(values: np.ndarray, blocks: Sequence[int], confidence: float) -> list[Look]:
    """The looks so far, and the estimates before the first."""
    ladder = []
    for n in range(1, len(values) + 1):
        if n < FIRST or is_look(n):
            mean, low, high = np.exp(repeated_interval(values[:n], 2 * confidence - 1))
            ladder.append(Look(n, sum(blocks[:n]), float(mean), float(low), float(high)))
    return ladder


@cache
def _noncentrality(matches: int, alpha: float, power: float) -> float:
    """Mean over its standard error at which a look alone rejects with this power (close enough)."""
    freedom = matches - 1
    t = float(special.stdtrit(freedom, 1 - nominal_level(matches, alpha)))
    return t + float(special.ndtri(power)) * math.sqrt(1 + t * t / (2 * freedom))


def matches_needed(
    sd: float, log_ratio: float, margin: float, alpha: float = 0.05, *, family: int = 1,
    power: float = 0.8, have: int = 0, most: int = 256,
) -> int | None:  # fmt: skip
    """Matches in all after which a pair is shown to be within the margin, or beyond it.

    By the power of a single look; None if more than `most`.

    Args:
        sd: Of the values of matches.
        log_ratio: The true one, assumed.
        margin: Of equivalence.
        alpha: The level.
        family: How many pairs are shown beyond the margin at this level together (Bonferroni).
        power: The chance that is asked for.
        have: Matches that there are; at least one more is needed.
        most: Matches that are planned at most.
    """
    width, theta = math.log1p(margin), abs(log_ratio)
    inside, outside = theta < width, theta > width
    level = alpha if inside else alpha / family
    for n in looks_at(most):
        if n <= have or not (inside or outside):
            continue
        if states_p(n) > level and not theta - width > STATES:
            continue
        error = max(sd, 1e-9) / math.sqrt(n)
        far = abs(width - theta) / error >= _noncentrality(n, level, power)
        if far and (outside or width / error >= _noncentrality(n, level, (1 + power) / 2)):
            return n
    return None
