"""The rates at which requests may arrive: so many per second on a fixed ladder, or so many percent.

On a ladder, rates of another run or study are the same ones, and what was measured is shared. The
ladder is R20 of ISO 3 (1973) in its rounded form: twenty steps of 12 % in a decade.
"""

from __future__ import annotations

import math

STEPS = (1.0, 1.12, 1.25, 1.4, 1.6, 1.8, 2.0, 2.24, 2.5, 2.8,
         3.15, 3.55, 4.0, 4.5, 5.0, 5.6, 6.3, 7.1, 8.0, 9.0)  # fmt: skip
#: What a study may write: requests per second, or a share of what the machine carries.
PATTERN = r"^(?:[0-9]{1,9}(?:\.[0-9]{1,12})?|[1-9][0-9]{0,2}%)?$"


def written(value: object) -> str:
    """A rate as configurations have it: 2.0 is "2", 70% stays."""
    return f"{value:g}" if isinstance(value, int | float) else str(value).replace(" ", "")


def share_of(rate: str) -> float | None:
    """The share of the capacity that a rate names; None where it is in requests per second."""
    return float(rate[:-1]) / 100 if rate.endswith("%") else None


def on_ladder(rate: float) -> float:
    """The rate of the ladder that is nearest in ratio.

    Args:
        rate: In requests per second, above 0.
    """
    decade = math.floor(math.log10(rate))
    near = [step * 10.0**d for d in (decade - 1, decade, decade + 1) for step in STEPS]
    best = min(near, key=lambda one: abs(math.log(one / rate)))
    return float(f"{best:.3g}")


def is_on_ladder(rate: float) -> bool:
    """Whether a rate, in requests per second, is one of the ladder."""
    return rate > 0 and math.isclose(on_ladder(rate), rate, rel_tol=1e-9)


def around(rate: float) -> tuple[float, float]:
    """The rates of the ladder below and above one that is not on it."""
    near = on_ladder(rate)
    other = on_ladder(near * (10**0.05 if near < rate else 10**-0.05))
    return min(near, other), max(near, other)
