"""How long a pass may take: what the study says, else ten times the length of its audio.

A pass that long is hung or of no use. Under a load each request is for one file and waiting for
the last ones is a part of the measurement, so there it does not grow with the audio.
"""

from __future__ import annotations

from collections.abc import Iterable

from parallel_transcription.measure.configuration import Configuration

#: Seconds: of a pass whose audio is short, of one under a load, and of one whose audio is unknown.
SHORTEST_S = 60
#: Times the length of all files of a pass.
OF_LENGTH = 10


def longest_pass_s(
    configuration: Configuration, least_s: float, of_length: float | None, seconds: Iterable[float]
) -> float:
    """The longest that a pass may take, in seconds.

    Args:
        configuration: What is measured.
        least_s: The study's `timeout_s`, or `SHORTEST_S`.
        of_length: Times the length of the audio that it may take if that is more; None where the
            study says how long.
        seconds: The length of each file of the pass, one that comes twice twice.
    """
    if of_length is None or configuration.under_load:
        return least_s
    return max(least_s, of_length * sum(seconds))
