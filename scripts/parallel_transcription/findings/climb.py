"""Which rate next, or stop: the largest load of configurations, as a pure function of their rounds.

Each configuration climbs the ladder of rates by itself: from rounds at a rate, one after another,
until that rate is met, missed, or left open after `MOST_ROUNDS`; and on from there, until the rates
met and missed are neighbours. Steps go where a simulated queue expects the answer, but nothing is
met or missed without rounds of its own.

**Looking again** at a rate after each round is paid for by repeated p-values (`objectives.kept`).
**Several rates** are paid for by `shares`. From the lowest rate up, tests in a fixed sequence each
have the full level (Maurer, Hothorn and Lehmacher 1995). Where the lowest one is not met and a
lower one is tried, a new sequence begins, with a share of the level of its own; together they spend
all of it at most. So with the study's confidence no rate is called met above the largest that
really is. The same holds from above for what is missed.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from parallel_transcription.statistics import share_of
from parallel_transcription.study.ladders import MOST_ROUNDS, RATES

#: Of what objectives allow: expected at a rate that will soon be shown to be met, or some day.
SURE, JUST = 0.8, 0.95
MOST_LOST = 3  # runs of a configuration that gave no round, beyond which it is given up

NARROW = "as narrow as the ladder allows"
OPEN = f"the rates between need more than {MOST_ROUNDS} rounds"
BEATEN = "another one carries more"
HOPELESS = "no rate is expected to keep the objectives"
FAILS = "its runs fail"
ENDLESS = "no higher rate is on the ladder"
OVER = "budget spent"
DONE = "nothing is left to measure"
State = Literal["met", "missed", "open"]


@dataclass(frozen=True)
class Rung:
    """What a configuration's rounds at a rate (requests per second) show.

    `shown`: by this rate alone; `state`: in the order of rates, where all below a rate that is met
    are met, and all above one that is missed are missed. `rounds` are those that count.
    """

    rate: float
    shown: State
    state: State
    rounds: int

    @property
    def spent(self) -> bool:
        """Whether it stays open."""
        return self.shown == "open" and self.rounds >= MOST_ROUNDS


@dataclass(frozen=True)
class Climber:
    """A configuration, whatever its rate.

    `kind`: those of one kind of load compete; `rungs`: ascending; `expected`: the lateness (1 is
    what the objectives allow) at a rate, as far as it can be predicted; `took`: seconds of a run at
    a rate; `last`: the number of its last round at a rate, counting or not; `made`: runs that the
    ladder has made of it; `lost`: those that gave no round.
    """

    id: str
    kind: Hashable
    rungs: tuple[Rung, ...]
    expected: Callable[[float], float]
    took: Callable[[float], float]
    last: Mapping[float, int] = field(default_factory=dict)
    made: int = 0
    lost: int = 0

    @property
    def met(self) -> float:
        """The highest rate that is met; 0 for none."""
        return max((one.rate for one in self.rungs if one.state == "met"), default=0.0)

    @property
    def missed(self) -> float:
        """The lowest rate that is missed; infinite for none."""
        return min((one.rate for one in self.rungs if one.state == "missed"), default=math.inf)

    def rung(self, rate: float) -> Rung | None:
        """What is known of a rate."""
        return next((one for one in self.rungs if one.rate == rate), None)


@dataclass(frozen=True)
class Run:
    """The next run: of whom, at which rate, in which round."""

    id: str
    rate: float
    round: int


@dataclass(frozen=True)
class Stop:
    """No further run, and why; and of each configuration why it needs none."""

    why: str
    ends: Mapping[str, str]


def shares(begun: Mapping[float, float]) -> dict[float, tuple[float, float]]:
    """The share of the level that each rate has: for "met", for "missed".

    Args:
        begun: When each rate was first measured, in any unit; those of one time belong together.
    """
    lows: list[float] = []
    highs: list[float] = []
    for at in sorted(set(begun.values())):
        rates = [rate for rate, began in begun.items() if began == at]
        if not lows or min(rates) < lows[-1]:
            lows.append(min(rates))
        if not highs or max(rates) > highs[-1]:
            highs.append(max(rates))
    return {
        rate: (
            share_of(1 + next(k for k, low in enumerate(lows) if low <= rate)),
            share_of(1 + next(k for k, high in enumerate(highs) if high >= rate)),
        )
        for rate in begun
    }


def plan(climbers: Sequence[Climber], left_s: float) -> Run | Stop:
    """The next run, or why there is none.

    Those who still climb take turns, in an order drawn anew each time: so what they get at equal
    rates are the same requests, soon after each other.

    Args:
        climbers: How all stand.
        left_s: Seconds that are left; the first run is made in any case.
    """
    first = not any(one.made for one in climbers)
    goals = {one.id: goal(one, _best_of_others(one, climbers)) for one in climbers}
    ends = {name: one for name, one in goals.items() if isinstance(one, str)}
    climbing = [one for one in climbers if one.id not in ends]
    for one in sorted(climbing, key=_turn):
        rate = goals[one.id]
        if not isinstance(rate, str) and (first or one.took(rate) <= left_s):
            return Run(one.id, rate, 1 + one.last.get(rate, 0))
    ends |= {one.id: OVER for one in climbing}
    return Stop(OVER if climbing else DONE, ends)


def _turn(one: Climber) -> tuple[int, str]:
    return one.made, hashlib.sha256(f"{one.made} {one.id}".encode()).hexdigest()


def _best_of_others(one: Climber, climbers: Sequence[Climber]) -> float:
    return max((o.met for o in climbers if o.kind == one.kind and o.id != one.id), default=0.0)


def goal(one: Climber, best: float = 0.0) -> float | str:
    """The rate that a configuration should be measured at next, or why at none.

    Args:
        one: The configuration.
        best: The highest rate that another one of the same kind of load is shown to carry.
    """
    if one.lost > MOST_LOST and one.lost > sum(rung.rounds for rung in one.rungs) / 2:
        return FAILS
    if one.missed <= best:
        return BEATEN
    beaten = _to_be_beaten(one, best)
    if beaten is not None:
        return beaten
    return _up(one) if one.met else _down(one)


def _to_be_beaten(one: Climber, best: float) -> float | None:
    """The rate at which one is soon shown to carry less than another; None where it may be more."""
    if not best or one.expected(best) < 1 / SURE:
        return None
    above = [rung for rung in one.rungs if rung.rate >= best and rung.shown != "missed"]
    if any(rung.spent or rung.shown == "met" for rung in above):
        return None
    return max([best, *(rung.rate for rung in above)])


def _up(one: Climber) -> float | str:
    """The rate for one that has met some: the highest that it should meet, then the one above."""
    above = next((rate for rate in RATES if rate > one.met), None)
    if above is None:
        return ENDLESS
    if above == one.missed:
        return NARROW
    known = one.rung(above)
    if known and (known.spent or known.shown == "missed"):
        return _from_above(one)
    barred = [r.rate for r in one.rungs if r.rate > above and (r.spent or r.shown == "missed")]
    aim = _likely(one, above, min([one.missed, *barred]), SURE) or above
    begun = [r.rate for r in one.rungs if one.met < r.rate <= aim and r.shown == "open"]
    return min([*begun, aim])


def _down(one: Climber) -> float | str:
    """The rate for one that has met none: its lowest, or one below it that it should meet."""
    known = [rung for rung in one.rungs if rung.shown == "open" and not rung.spent]
    lowest = min((rung.rate for rung in one.rungs), default=math.inf)
    if known and known[0].rate == lowest and one.expected(lowest) <= 1:
        return lowest
    likely = _likely(one, 0.0, lowest, SURE) or _likely(one, 0.0, lowest, JUST)
    if likely:
        return likely
    return known[-1].rate if known else HOPELESS  # that all are missed is shown from above


def _from_above(one: Climber) -> float | str:
    """The rate for one that will meet no more: from the highest one down, what is missed."""
    top = one.rungs[-1]
    if one.missed == math.inf:
        if top.shown == "open" and not top.spent:
            return top.rate
        likely = _likely(one, top.rate, math.inf, 1 / SURE) or top.rate
        return next((rate for rate in RATES if rate > likely), ENDLESS)
    below = max(rate for rate in RATES if rate < one.missed)
    between = [rung for rung in one.rungs if one.met < rung.rate < one.missed]
    told = [rung.rate for rung in between if rung.spent or rung.shown == "met"]
    barred = max(told, default=one.met)
    if barred == below:
        return OPEN
    likely = _likely(one, barred, one.missed, 1 / SURE) or barred
    aim = min(below, next(rate for rate in RATES if rate > likely))
    return max([aim, *(rung.rate for rung in between if rung.rate > aim)])


def _likely(one: Climber, low: float, high: float, most: float) -> float | None:
    """The highest rate between two, both excluded, at which no more than this is expected."""
    rates = [rate for rate in RATES if low < rate < high]
    place = bisect_right(rates, most, key=one.expected)
    return rates[place - 1] if place else None
