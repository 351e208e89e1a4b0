"""Looking again at rounds, paid for: what share of the level each look has.

Whoever adds rounds because an answer is open looks at the same rounds once more, and each look is a
chance to err. A record tells how many rounds were planned when it was measured; so the records of a
pair tell how often was looked: first after the rounds that were planned first, then after those of
each plan that went beyond. Look k spends `FIRST` x `NEXT` ** (k - 1) of the level, together never
more than all of it, however often one looks. That is Bonferroni over the looks: on the safe side,
since looks at the same rounds are related. Matches, which look every few minutes, have a spending
of their own (`sequential`).
"""

from __future__ import annotations

from collections.abc import Iterable

FIRST = 2 / 3  # of the level, for the rounds that were planned first
NEXT = 1 / 3  # of the share before


def share_of(look: int) -> float:
    """The share of the level that the look of this number has, from 1."""
    return float(FIRST * NEXT ** (look - 1))


def look_at(last: int, planned: Iterable[float]) -> int:
    """The number of the look at rounds up to the one of this number.

    Args:
        last: The largest number of a round that counts. Not how many count: rounds that are lost
            take no look back.
        planned: Rounds planned at the time of measuring, of each run; nan where it is not known.
    """
    return 1 + sum(plan < last for plan in {p for p in planned if p == p})
