"""How long a pass may take: what the study says, else ten times the length of its audio.

A pass that long is hung or of no use. Under a load each request is for one file and waiting for
the last ones is a part of the measurement, so there it does not grow with the audio.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from parallel_transcription.measure.configuration import Configuration

#: Seconds: of a pass whose audio is short, of one under a load, and of one whose audio is unknown.
SHORTEST_S = 60
#: Times the length of all files of a pass.
OF_LENGTH = 10
#: Seconds that a warm-up decodes of each file.
WINDOW_S = 30
#: Times what a warm-up lets expect: its window may have had less speech than others.
_SPARE = 3
_MORE = 10  # times the limit that was too low, where nothing is known of a pass


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
    return max(least_s, math.ceil(of_length * sum(seconds)))


def enough_s(limit_s: float, warmups: Iterable[tuple[float, float]]) -> tuple[int, str]:
    """A `timeout_s` for passes that all ran into a lower one, and where it is from.

    Args:
        limit_s: The one that was too low, in seconds.
        warmups: How long warm-ups took, each with the mean length of its files; both in seconds.
    """
    expected = [took * max(1.0, length / WINDOW_S) for took, length in warmups]
    if not expected:
        value, why = _MORE * limit_s, f"{_MORE} times as long, as nothing is known of a whole pass"
    else:
        value = max(_SPARE * max(expected), 2 * limit_s)
        why = "with room to spare, by what the first windows took"
    step = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return math.ceil(value / step) * step, why
