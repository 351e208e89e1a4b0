"""The names of runs: a configuration and its round."""

from __future__ import annotations

#: Rounds above this number confirm the recommended settings; the study's own end before it.
CONFIRMATION_ABOVE = 900


def run_id(configuration_id: str, round_number: int) -> str:
    """The run's id: configuration and round."""
    return f"{configuration_id}-r{round_number:02d}"


def round_of(run: str) -> tuple[str, int]:
    """The configuration's id and the round that a run's id names.

    Raises:
        ValueError: if the text is no run's id.
    """
    configuration_id, _, number = run.rpartition("-r")
    return configuration_id, int(number)


def strategy_of(run: str) -> str:
    """The strategy of a configuration, by its id or by that of a run."""
    return run.partition("-")[0]


def is_confirmation(run: str) -> bool:
    """Whether a run's id names a round that confirms; False for any other text."""
    try:
        return round_of(run)[1] > CONFIRMATION_ABOVE
    except ValueError:
        return False
