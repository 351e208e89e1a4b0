"""Which match next, or stop and why: a pure function of what was measured, the same every time.

A contest is a pair that a question wants decided, in order of weight; those that share a side are
measured in one match, so that a pass of the common side serves all of them. After each match:

1. Contests are decided together (`stages.sizes`): 5 % of false verdicts over all of them. Those
   that rounds have settled (`Contest.settled`) need no match.
2. Of each open contest: the chance that the time left decides it in matches of given sides, if its
   ratio is, of those that its matches leave likely (one standard error), the easiest to decide. So
   none is dropped because of its ratio alone; what drops it is its spread, and its price.
3. The sides of the next match are those with which most contests are expected to be decided in the
   time left, a contest's weight falling by `LESS` from one to the next. If even the best chance of
   a single contest is below `SLIM`, the rest of the budget is not spent.

How many passes a match has is chosen in the same way before the first match, once for a study.

Makespans and latencies under a load spread differently (`Noise`): pairs of one kind share what is
known of spreads and the number of passes; all pairs share the level and the time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from parallel_transcription import statistics
from parallel_transcription.statistics import sequential, stages

MOST_SIDES = 5
PRIOR_FREEDOM = 8  # matches that the assumed spread of a contest weighs as much as
FAR = 2.0  # spreads beyond the margin at which rounds say that a contest will be decided so
LESS, SLIM, GOOD_CHANCE = 0.9, 0.1, 0.8
TRIMMING = {4: 1.20, 5: 1.13, 6: 1.10, 7: 1.08, 8: 1.07}  # by blocks: its variance over the mean's
DECIDED, OVER, HOPELESS = "decided", "budget spent", "would not be decided"
SHORT = "too little time for a first look"

Sides = tuple[str, ...]
Match = tuple[float, ...]


class Noise(NamedTuple):
    """What is assumed of the spread (sd of the log ratio) of a pair, before its matches say it.

    `likely`: of passes; `most`: what is expected of them if rounds, which are wilder, say more;
    `process`: between matches, beside that of passes. `blocks`: passes of each side that a match
    may have.
    """

    likely: float
    most: float
    process: float
    blocks: tuple[int, ...]


#: 6 to 17 % of passes were seen; rounds are up to three times as wild.
OF_MAKESPANS = Noise(0.08, 0.1, 0.01, (4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20))
#: Of a p95 of some 40 requests: queues magnify what processes differ in (docs/methods.md).
OF_LATENCIES = Noise(0.15, 0.2, 0.05, (2, 4, 6, 8))


@dataclass(frozen=True)
class Contest:
    """A pair to decide, and its matches: log(A / B) of their blocks, oldest first.

    `prior_sd`, `prior`: spread and mean of the log ratio in rounds, nan if unknown. `stage`: the
    number of the machine's match in which it was first. `settled`: rounds have shown it to lie so
    far beyond the margin that no match is spent on it. `margin`: of equivalence. `asked`: whether
    a match was to decide it; where its sides only met for others' sake, nothing is decided yet.
    """

    side_a: str
    side_b: str
    matches: tuple[Match, ...] = ()
    prior_sd: float = math.nan
    prior: float = math.nan
    stage: int = 0
    settled: bool = False
    margin: float = 0.05
    noise: Noise = OF_MAKESPANS
    asked: bool = True


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
    sd: float  # of the values of matches, as it is planned with; nan where nothing is planned
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
    """No further match: `DECIDED`, `OVER`, `SHORT` or `HOPELESS`, and where each contest stands.

    `more_s`: as of a standing, for all that is open and can be decided; pairs share sides.
    """

    why: str
    standings: tuple[Standing, ...]
    more_s: float


def next_match(
    contests: Sequence[Contest],
    costs: Mapping[str, Cost],
    budget_s: float,
    spent_s: float,
    alpha: float = 0.05,
    given_up: Sequence[Contest] = (),
) -> Measure | Stop:
    """The next match of the contests, which stand in order of weight, or why there is none.

    Args:
        contests: All contests of a machine that are to be decided, decided ones as well.
        costs: Of each side.
        budget_s: Seconds that the study gives.
        spent_s: Seconds that its matches took.
        alpha: The level, kept over all contests together.
        given_up: Those that no further match is to decide; they were looked at, too.
    """
    plan = _Plan(contests, costs, alpha, given_up)
    if not plan.still:
        return Stop(DECIDED, tuple(plan.standings()), 0.0)
    left = budget_s - spent_s
    best = max(
        (plan.wave(noise, blocks, left) for noise in plan.kinds for blocks in plan.blocks(noise)),
        key=lambda wave: (wave.expected, -wave.blocks),
    )
    if best.places:
        sides = _sides(best.places, contests)
        seconds = _price(sides, costs, best.blocks)
        return Measure(sides, best.blocks, seconds, min(best.places))
    prices = {k: _price(plan.pair(k), costs, plan.least_blocks(k)) for k in plan.still}
    looks = (
        price * max(1, sequential.FIRST - len(contests[k].matches)) for k, price in prices.items()
    )
    too_little = OVER if min(prices.values()) > left else SHORT
    why = HOPELESS if min(looks) <= left else too_little
    return Stop(why, tuple(plan.standings()), plan.more_s())


def sizes(contests: Sequence[Contest], alpha: float = 0.05) -> list[str]:
    """How each contest stands to the margin; those without a look are open."""
    values = [_values(contest.matches) for contest in contests]
    measured = [k for k, contest in enumerate(contests) if contest.matches and contest.asked]
    family = [
        _tested(
            values[k],
            contests[k].margin,
            contests[k].stage,
            tuple(
                values[other]
                for other in measured
                if other != k
                and contests[other].stage <= contests[k].stage
                and contests[other].noise == contests[k].noise
            ),
        )
        for k in measured
    ]
    found = dict(zip(measured, stages.sizes(family, alpha), strict=True))
    return [
        statistics.BEYOND if contest.settled else found.get(k, statistics.OPEN)
        for k, contest in enumerate(contests)
    ]


@lru_cache(maxsize=4096)
def _tested(
    values: tuple[float, ...], margin: float, stage: int, alike: tuple[tuple[float, ...], ...]
) -> stages.PValues:
    tests = sequential.match_tests(values, margin, alike)
    return stages.PValues.of(tests, math.exp(float(np.mean(values))), stage)


@lru_cache(maxsize=4096)
def _values(matches: tuple[Match, ...]) -> tuple[float, ...]:
    return tuple(sequential.match_value(match) for match in matches if match)


@dataclass(frozen=True)
class _Wave:
    """Contests that one match serves, and how many of them (by weight) time decides."""

    places: tuple[int, ...]
    blocks: int
    expected: float


class _Plan:
    """What is planned with: open contests, their spreads and likely ratios."""

    def __init__(
        self,
        contests: Sequence[Contest],
        costs: Mapping[str, Cost],
        alpha: float,
        given_up: Sequence[Contest],
    ):
        self._contests, self._costs, self._alpha = contests, costs, alpha
        self._sizes = sizes([*contests, *given_up], alpha)[: len(contests)]
        self.still = [k for k, size in enumerate(self._sizes) if size == statistics.OPEN]
        self.kinds = list(dict.fromkeys(contests[k].noise for k in self.still))
        self._of_passes = {
            noise: _spread_of_passes(noise, [c for c in contests if c.noise == noise])
            for noise in self.kinds
        }

    def blocks(self, noise: Noise) -> tuple[int, ...]:
        """How many passes of each side a match of pairs of a kind may have."""
        known = [len(m) for c in self._contests if c.noise == noise for m in c.matches]
        if not known:
            return noise.blocks
        # of a match that was stopped, or disturbed, fewer are there than it was to have
        return (max(max(known), min(noise.blocks)),)

    def least_blocks(self, k: int) -> int:
        """The fewest passes of each side that a match of a contest may have."""
        return self.blocks(self._contests[k].noise)[0]

    def pair(self, k: int) -> Sides:
        """The sides of a contest."""
        return self._contests[k].side_a, self._contests[k].side_b

    def wave(self, noise: Noise, blocks: int, left: float) -> _Wave:
        """The contests with which most are expected to be decided, taken one by one by weight."""
        best = _Wave((), blocks, 0.0)
        for k in self._still_of(noise):
            places = (*best.places, k)
            sides = _sides(places, self._contests)
            if not set(self.pair(k)) <= set(sides):
                continue
            more = int(left / _price(sides, self._costs, blocks))
            chances = [self._chance(one, more, blocks, len(places) - 1) for one in places]
            expected = sum(c * LESS**one for c, one in zip(chances, places, strict=True))
            if chances[-1] >= SLIM and expected > best.expected:
                best = _Wave(places, blocks, expected)
        return best

    def _chance(self, k: int, more: int, blocks: int, others: int) -> float:
        values = _values(self._contests[k].matches)
        sd = self._spread(k, blocks)
        easiest = self._easiest(k, values, sd)
        margin = self._contests[k].margin
        return _chance(len(values) + more, _rounded(sd), round(easiest, 3), margin, self._alpha,
                       len(self.still), others, len(values))  # fmt: skip

    def _easiest(self, k: int, values: tuple[float, ...], sd: float) -> float:
        """The easiest likely ratio: by matches, by rounds if far off, else that of equal sides."""
        contest = self._contests[k]
        if values:
            return _easiest(float(np.mean(values)), sd / math.sqrt(len(values)), contest.margin)
        far = math.log1p(contest.margin) + FAR * self._of_passes[contest.noise]
        if abs(contest.prior) > far:
            return contest.prior
        return 0.0

    def _spread(self, k: int, blocks: int) -> float:
        """The spread of a contest's matches: what passes let expect, and its own as it shows."""
        contest = self._contests[k]
        expected = _of_matches(contest.noise, self._of_passes[contest.noise], blocks) ** 2
        values = _values(contest.matches)
        freedom = max(0, len(values) - 1)
        seen = float(np.var(values, ddof=1)) if freedom else 0.0
        return math.sqrt((PRIOR_FREEDOM * expected + freedom * seen) / (PRIOR_FREEDOM + freedom))

    def _needed(self, k: int) -> int | None:
        """Further matches that decide an open contest with a good chance at the ratio seen."""
        values = _values(self._contests[k].matches)
        seen = float(np.mean(values)) if values else 0.0
        sd = _rounded(self._spread(k, self.least_blocks(k)))
        contest = self._contests[k]
        alike = [one for one in self._still_of(contest.noise) if one != k]
        others = sum(bool(self._contests[one].matches) for one in alike)
        n = _needed(sd, round(seen, 3), contest.margin, self._alpha, len(self.still), len(values),
                    others)  # fmt: skip
        return None if n is None else n - len(values)

    def standings(self) -> list[Standing]:
        """Where each contest stands; see `Standing`."""
        found = []
        for k, (contest, size) in enumerate(zip(self._contests, self._sizes, strict=True)):
            values = _values(contest.matches)
            more_s: float | None = 0.0
            if size == statistics.OPEN:
                need = self._needed(k)
                price = _price(self.pair(k), self._costs, self.least_blocks(k))
                more_s = None if need is None else need * price
            seen = float(np.mean(values)) if values else math.nan
            sd = self._spread(k, self.least_blocks(k)) if size == statistics.OPEN else math.nan
            found.append(Standing(size, len(values), seen, sd, more_s))
        return found

    def more_s(self) -> float:
        """What decides all that is open and can be decided (s)."""
        needs = {k: need for k in self.still if (need := self._needed(k)) is not None}
        total = 0.0
        for noise in self.kinds:  # which share no sides
            own = {k: needs[k] for k in self._still_of(noise) if k in needs}
            total += _seconds(own, self._contests, self._costs, self.blocks(noise)[0])
        return total

    def _still_of(self, noise: Noise) -> list[int]:
        return [k for k in self.still if self._contests[k].noise == noise]


# --- spread, and the matches that it asks for -----------------------------------------------------


def _of_matches(noise: Noise, sd: float, blocks: int) -> float:
    """The spread of matches of so many blocks, by that of a pair of passes."""
    return math.sqrt(TRIMMING.get(blocks, 1.05) * sd**2 / blocks + noise.process**2)


def _spread_of_passes(noise: Noise, contests: Sequence[Contest]) -> float:
    """The spread of log ratios within matches, over all contests of a kind; stalls do not count.

    Before the first match: that of rounds, over all of them as well, since few rounds know it
    badly; and capped, so that wild rounds leave it to the first match to say what passes do.
    """
    off = [
        np.abs(np.asarray(m) - np.median(m)) * math.sqrt(len(m) / (len(m) - 1))
        for contest in contests
        for m in contest.matches
        if len(m) > 1
    ]
    if off:
        return 1.4826 * float(np.median(np.concatenate(off)))
    known = [c.prior_sd**2 for c in contests if math.isfinite(c.prior_sd)]
    return min(noise.most, math.sqrt(float(np.mean(known)))) if known else noise.likely


def _easiest(log_ratio: float, error: float, margin: float) -> float:
    """The log ratio within one standard error of that seen that is the easiest to decide."""
    width, theta = math.log1p(margin), abs(log_ratio)
    lowest, highest = max(0.0, theta - error), theta + error
    return lowest if width - lowest > highest - width else highest


def _rounded(sd: float) -> float:
    """A spread, so that what is computed from it is computed once."""
    return float(f"{sd:.2g}")


@lru_cache(maxsize=65536)
def _chance(
    matches: int, sd: float, log_ratio: float, margin: float, alpha: float, family: int,
    others: int, have: int,
) -> float:  # fmt: skip
    return sequential.chance(
        matches, sd, log_ratio, margin, alpha, family=family, others=others, have=have
    )


@lru_cache(maxsize=65536)
def _needed(
    sd: float, log_ratio: float, margin: float, alpha: float, family: int, have: int, others: int
) -> int | None:
    return sequential.matches_needed(
        sd, log_ratio, margin, alpha, family=family, power=GOOD_CHANCE, have=have, others=others
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
