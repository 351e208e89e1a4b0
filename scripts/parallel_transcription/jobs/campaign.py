"""A campaign: one measurement after another, each planned from the records of those before it.

The planner is a function of the records, which are written as they come: so a campaign can be ended
at any moment and goes on from there, and nothing is measured twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Step = TypeVar("Step")
Stop = TypeVar("Stop")


def run_campaign(
    plan: Callable[[], Step | Stop], measure: Callable[[Step], None], stops: type[Stop]
) -> Stop:
    """Measure what the plan asks for until it asks for nothing more; returns why it stopped.

    Args:
        plan: The next measurement, or a stop with its reason; looks at the records.
        measure: Makes one measurement and writes its record.
        stops: What a stop is.
    """
    while True:
        step = plan()
        if isinstance(step, stops):
            return step
        measure(step)  # type: ignore[arg-type]
