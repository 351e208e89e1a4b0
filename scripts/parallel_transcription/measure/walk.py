"""Whether dummy weights said the text that is planted in them (`dummy_weights`).

Where they did not, for instance because the engine's int8 products saturate, a window is decoded
again at higher temperatures, and its time is that of other work. A model's decoding is judged by
sums over its segments, after the clock has stopped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.decoded import Decoded
from parallel_transcription.measure.transcriber import SHORTEST_WINDOW_S, WINDOW_S

#: The planted text's is above -0.01; at -1 faster-whisper decodes again at a higher temperature.
LEAST_LOGPROB = -0.5
_ROUNDING_S = 0.05  # faster-whisper counts windows in whole frames of 10 ms

#: Least and most text tokens of each file; None where they cannot be known.
Planned = dict[str, list[int] | None]


def planned(tokens: int, seconds: Mapping[str, float], configuration: Configuration) -> Planned:
    """How many text tokens each file must give: least and most.

    Args:
        tokens: Planted per window.
        seconds: Length of each file.
        configuration: How it is transcribed.

    Returns:
        By file; None where that cannot be known: with `vad_filter` (what is left of the audio
        decides) and `word_timestamps` (they drop segments).
    """
    if configuration.vad_filter or configuration.word_timestamps:
        return dict.fromkeys(seconds)
    left_out = SHORTEST_WINDOW_S if configuration.batch_size else 0.0
    return {
        file: [
            tokens * max(0, math.ceil((length + rounding) / WINDOW_S))
            for rounding in (-_ROUNDING_S - left_out, _ROUNDING_S)
        ]
        for file, length in seconds.items()
    }


def lost(decoded: Sequence[Decoded], plan: Planned) -> str | None:
    """What was decoded in place of the planted text, in words; None where all was as planned."""
    for one in decoded:
        expected = plan[one.file]
        right = expected is None or expected[0] <= one.tokens <= expected[1]
        logprob = 0.0 if one.logprob is None else one.logprob
        if not right or one.temperature > 0 or logprob < LEAST_LOGPROB:
            planted = "" if expected is None else f"{expected[1]} "
            return (
                f"{one.tokens} text tokens at temperature {one.temperature:g} and log-probability "
                f"{logprob:.2f}, where {planted}at temperature 0 and near 0 are planted"
            )
    return None
