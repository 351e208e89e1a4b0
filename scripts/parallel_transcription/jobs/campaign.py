"""A campaign: one measurement after another, each planned from the records of those before it.

The planner is a function of the records, which are written as they come: so a campaign can be ended
at any moment and goes on from there, and nothing is measured twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Stop = TypeVar("Stop")


def run_campaign(step: Callable[[], Stop | None]) -> Stop:
    """Take one step after another until there is none; returns why it stopped.

    Args:
        step: Looks at the records, makes the next measurement and writes its record; returns why
            there is none, if so.
    """
    while (stop := step()) is None:
        pass
    return stop
