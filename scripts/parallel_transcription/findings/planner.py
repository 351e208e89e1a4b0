"""Which match next, or stop and why: a pure function of what was measured, the same every time.

A contest is a pair that a question wants decided, in order of weight; those that share a side are
measured in one match, so that a pass of the common side serves all of them. After each match:

1. Contests are decided as in the report (`sizes`): within the margin by Hochberg's step-up over
   the repeated p-values of all contests of a machine, beyond it by Holm's. Those that have no look
   yet count with p = 1: the family is there from the start, and no decision is taken back.
2. Of each open contest: how many more matches would decide it with a chance of one half, if its
   ratio is, of those that its matches leave likely (one standard error), the easiest to decide.
   So none is dropped because of its ratio alone; what drops it is its spread, and its price.
3. By weight, contests are taken as long as all taken fit into the time left (`_seconds`). Before
   any match has shown a spread, the first contests are taken as they come.
4. The next match has the sides of those taken that have the fewest matches, then by weight, up to
   `MOST_SIDES`.

`blocks_of` sets how many passes a match has, once for all of a study: its first match.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from parallel_transcription import statistics
from parallel_transcription.statistics import sequential

MOST_SIDES = 5
BLOCKS = (4, 6, 8, 10)  # passes of each side that a match may have
LIKELY_SD = 0.08  # spread of a pair of passes, before any is known: 6 to 17 % were seen
PROCESS_SD = 0.01  # spread between matches that is assumed beside that of passes
PRIOR_FREEDOM = 4  # matches that the assumed spread of a contest weighs as much as
FAIR_CHANCE, GOOD_CHANCE = 0.5, 0.8  # of deciding: to go on; as a promise to a reader
TRIMMING = 1.06  # how much more the trimmed mean of 6 varies than the mean
DECIDED, OVER, HOPELESS = "decided", "budget spent", "would not be decided"

Sides = tuple[str, ...]
Match = tuple[float, ...]


@dataclass(frozen=True)
class Contest:
    """A pair to decide, and its matches: log(A / B) of their blocks, oldest first.

    `prior_sd`: spread of the log ratio in rounds, nan if unknown.
    """

    side_a: str
    side_b: str
    matches: tuple[Match, ...] = ()
    prior_sd: float = math.nan


@dataclass(frozen=True)
class Cost:
    """What a side takes (s): to start, load and warm up, and for a pass."""

    start_s: float
    pass_s: float


@dataclass(frozen=True)
class Standing:
    """Where a contest stands.

    `more_s`: what would decide it with a chance of 80 %, if its ratio is the one seen (s); None
    where no reasonable number of matches would, and 0 where it is decided.
    """

    size: str  # `statistics.WITHIN`, `BEYOND` or `OPEN`
    matches: int
    log_ratio: float  # nan before the first match
    sd: float  # of the values of matches, as it is planned with
    fair: int | None  # further matches for a fair chance, at the easiest likely ratio
    more_s: float | None


@dataclass(frozen=True)
class Measure:
    """The next match: its sides and blocks, what it takes (s), and the contest that leads."""

    sides: Sides
    blocks: int
    seconds: float
    leading: int  # place of the contest with the most weight


@dataclass(frozen=True)
class Stop:
    """No further match: `DECIDED`, `OVER` or `HOPELESS`, and where each contest stands."""

    why: str
    standings: tuple[Standing, ...]


def next_match(
    contests: Sequence[Contest],
    costs: Mapping[str, Cost],
    budget_s: float,
    spent_s: float,
    margin: float,
    alpha: float = 0.05,
) -> Measure | Stop:
    """The next match of the contests, which stand in order of weight, or why there is none.

    Args:
        contests: All contests of a machine, decided ones as well.
        costs: Of each side.
        budget_s: Seconds that the study gives.
        spent_s: Seconds that its matches took.
        margin: Of equivalence.
        alpha: The level, kept over all contests together.
    """
    where = standings(contests, costs, margin, alpha)
    still = [k for k, s in enumerate(where) if s.size == statistics.OPEN]
    if not still:
        return Stop(DECIDED, tuple(where))
    blocks, left = blocks_of(contests, costs, margin), budget_s - spent_s
    known = any(contest.matches for contest in contests)
    taken: dict[int, int] = {}
    for k in still:
        need = where[k].fair if known else (where[k].fair or sequential.FIRST)
        if need is None:
            continue
        fits = _seconds({**taken, k: need}, contests, costs, blocks) <= left
        one = _price(_sides([k], contests), costs, blocks)
        if fits or (not known and one <= left and not taken):
            taken[k] = need
    if not taken:
        cheapest = min(_price(_sides([k], contests), costs, blocks) for k in still)
        return Stop(OVER if cheapest > left else HOPELESS, tuple(where))
    order = sorted(taken)
    sides = _sides(order, contests)
    return Measure(sides, blocks, _price(sides, costs, blocks), min(taken))


def standings(
    contests: Sequence[Contest], costs: Mapping[str, Cost], margin: float, alpha: float = 0.05
) -> list[Standing]:
    """Where each contest stands; see `Standing`."""
    blocks = blocks_of(contests, costs, margin)
    spread = _spread_of_passes(contests)
    found = []
    decided = sizes([contest.matches for contest in contests], margin, alpha)
    beyond = max(1, decided.count(statistics.OPEN))
    for contest, size in zip(contests, decided, strict=True):
        values = _values(contest.matches)
        have, sd = len(values), _spread(contest, spread, blocks)
        seen = float(np.mean(values)) if have else math.nan
        fair, more_s = None, 0.0 if size != statistics.OPEN else None
        if size == statistics.OPEN:
            easiest = _easiest(seen, sd, have, margin)
            n = _needed(sd, easiest, margin, alpha, beyond, FAIR_CHANCE, have)
            fair = None if n is None else n - have
            n = _needed(sd, seen if have else 0.0, margin, alpha, beyond, GOOD_CHANCE, have)
            pair = (contest.side_a, contest.side_b)
            more_s = None if n is None else (n - have) * _price(pair, costs, blocks)
        found.append(Standing(size, have, seen, sd, fair, more_s))
    return found


def sizes(matches: Sequence[tuple[Match, ...]], margin: float, alpha: float = 0.05) -> list[str]:
    """How each contest stands to the margin, with 5 % of false verdicts over all of them.

    Within: Hochberg (1988), as p-values of pairs with a common side depend positively; beyond:
    Holm (1979). `benchmarks/simulate_decide.py` checks both.
    """
    tests = [_tested(one, margin) for one in matches]
    equal = statistics.adjust([t[0] for t in tests], "hochberg")
    different = statistics.adjust([t[1] for t in tests])
    beyond = statistics.adjust([t[2] for t in tests])
    return [
        statistics.size_of(float(within), float(other), float(outside), alpha)
        for within, other, outside in zip(equal, different, beyond, strict=True)
    ]


@lru_cache(maxsize=4096)
def _tested(matches: tuple[Match, ...], margin: float) -> tuple[float, float, float]:
    """p-values: equivalent, different, beyond the margin on the side of the estimate; else 1."""
    values = _values(matches)
    if len(values) < sequential.FIRST:
        return 1.0, 1.0, 1.0
    tests = sequential.match_tests(values, margin)
    beyond = tests.p_below if np.mean(values) < 0 else tests.p_above
    return float(tests.p_equivalent), float(tests.p_difference), float(beyond)


@lru_cache(maxsize=4096)
def _values(matches: tuple[Match, ...]) -> tuple[float, ...]:
    return tuple(sequential.match_value(match) for match in matches if match)


# --- spread, and the matches that it asks for -----------------------------------------------------


def blocks_of(contests: Sequence[Contest], costs: Mapping[str, Cost], margin: float) -> int:
    """Blocks of a match: those of the first match; else what decides soonest at the prior spread.

    More blocks pay the start of a side more often; fewer give more matches, the unit of inference.
    """
    for contest in contests:
        if contest.matches:
            return len(contest.matches[0])
    priors = [c.prior_sd for c in contests if math.isfinite(c.prior_sd)]
    sd = float(np.median(priors)) if priors else LIKELY_SD
    sides = list(dict.fromkeys(s for c in contests for s in (c.side_a, c.side_b)))
    if not sides:
        return BLOCKS[0]

    def seconds(blocks: int) -> tuple[float, int]:
        need = _needed(_of_matches(sd, blocks), 0.0, margin, 0.05, 1, GOOD_CHANCE, 0)
        return (need or 10_000) * _price(sides, costs, blocks), blocks

    return min(BLOCKS, key=seconds)


def _of_matches(sd: float, blocks: int) -> float:
    """The spread of matches of so many blocks, by that of a pair of passes."""
    return math.sqrt(TRIMMING * sd**2 / blocks + PROCESS_SD**2)


def _spread_of_passes(contests: Sequence[Contest]) -> float:
    """The spread of log ratios within matches, over all contests; nan before the first match."""
    groups = [(len(m), float(np.std(m, ddof=1))) for c in contests for m in c.matches if len(m) > 1]
    return statistics.pooled_sd(groups)[0]


def _spread(contest: Contest, of_passes: float, blocks: int) -> float:
    """The spread of a contest's matches: what passes let expect, and its own as it gets known."""
    own = [(len(m), float(np.std(m, ddof=1))) for m in contest.matches if len(m) > 1]
    sd, _ = statistics.pooled_sd(own)
    for other in (of_passes, contest.prior_sd, LIKELY_SD):
        sd = sd if math.isfinite(sd) else other
    expected = _of_matches(sd, blocks) ** 2
    values = _values(contest.matches)
    freedom = max(0, len(values) - 1)
    seen = float(np.var(values, ddof=1)) if freedom else 0.0
    return math.sqrt((PRIOR_FREEDOM * expected + freedom * seen) / (PRIOR_FREEDOM + freedom))


def _easiest(log_ratio: float, sd: float, matches: int, margin: float) -> float:
    """The log ratio within one standard error of that seen that is the easiest to decide."""
    if not matches:
        return 0.0
    width, theta, error = math.log1p(margin), abs(log_ratio), sd / math.sqrt(matches)
    lowest, highest = max(0.0, theta - error), theta + error
    return lowest if width - lowest > highest - width else highest


def _needed(
    sd: float, log_ratio: float, margin: float, alpha: float, family: int, power: float, have: int
) -> int | None:
    """`sequential.matches_needed`, with spread and ratio rounded so that it is cached."""
    return _needed_rounded(
        float(f"{sd:.2g}"), round(log_ratio, 3), margin, alpha, family, power, have
    )


@lru_cache(maxsize=65536)
def _needed_rounded(
    sd: float, log_ratio: float, margin: float, alpha: float, family: int, power: float, have: int
) -> int | None:
    return sequential.matches_needed(
        sd, log_ratio, margin, alpha, family=family, power=power, have=have
    )


# --- sides and seconds ----------------------------------------------------------------------------


def _sides(order: Sequence[int], contests: Sequence[Contest]) -> Sides:
    """The sides of a match: of the first contest, and of those that share one, as many as fit."""
    sides = [contests[order[0]].side_a, contests[order[0]].side_b]
    for k in order[1:]:
        pair = (contests[k].side_a, contests[k].side_b)
        further = [side for side in pair if side not in sides]
        if len(further) < 2 and len(sides) + len(further) <= MOST_SIDES:
            sides += further
    return tuple(sides)


def _price(sides: Sequence[str], costs: Mapping[str, Cost], blocks: int) -> float:
    """Seconds of a match."""
    return sum(costs[side].start_s + blocks * costs[side].pass_s for side in sides)


def _seconds(
    needs: Mapping[int, int], contests: Sequence[Contest], costs: Mapping[str, Cost], blocks: int
) -> float:
    """Seconds until all contests have the further matches that they need, some in one match."""
    left, total = dict(needs), 0.0
    while left:
        order = sorted(left, key=lambda k: (-left[k], k))
        sides = _sides(order, contests)
        served = [k for k in left if {contests[k].side_a, contests[k].side_b} <= set(sides)]
        times = min(left[k] for k in served)
        total += times * _price(sides, costs, blocks)
        left = {k: n - times * (k in served) for k, n in left.items()}
        left = {k: n for k, n in left.items() if n > 0}
    return total
