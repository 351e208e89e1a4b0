"""What the decoder did for a file: how hot, how often, how sure. Summed up after the clock stopped.

A window that fails faster-whisper's thresholds is decoded again at the next higher temperature, up
to five times more, and above temperature 0 its text is drawn at random. So two passes over the same
audio may be unlike work, with one file alone as well as in parallel: the record says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

#: Ids below are text, those above special tokens and timestamps (multilingual Whisper).
TEXT_IDS = 50257
#: Between the temperatures at which faster-whisper tries a window: 0, 0.2, … 1.
TEMPERATURE_STEP = 0.2


@dataclass(frozen=True)
class Decoded:
    """Sums over a file's segments; None where it has none.

    `tokens` are text tokens; `temperature` is the highest that a window was decoded at in the end,
    `windows` are those that gave a text, `decodings` their decodings at all temperatures;
    `compression_ratio` is the highest, `logprob` the lowest mean log-probability of a token;
    `speech_s` is the audio that was decoded: all of it, or what the voice detector left.
    """

    file: str
    text: str
    tokens: int
    temperature: float
    windows: int
    decodings: int
    compression_ratio: float | None
    logprob: float | None
    speech_s: float

    def as_json(self) -> dict[str, Any]:
        """As a transcription in the run record keeps it."""
        return {k: v for k, v in asdict(self).items() if k not in ("file", "text")}


def summary(file: str, segments: Iterable[Any], speech_s: float) -> Decoded:
    """Add up the segments that `WhisperModel.transcribe` gave for a file.

    Args:
        file: Its path.
        segments: All of them.
        speech_s: `TranscriptionInfo.duration_after_vad`, in seconds.
    """
    segments = list(segments)
    hottest: dict[int, float] = {}  # of each window, by where it begins
    for one in segments:
        hottest[one.seek] = max(hottest.get(one.seek, 0.0), float(one.temperature or 0.0))
    return Decoded(
        file=file,
        text="".join(one.text for one in segments).strip(),
        tokens=sum(token < TEXT_IDS for one in segments for token in one.tokens),
        temperature=max(hottest.values(), default=0.0),
        windows=len(hottest),
        decodings=sum(1 + round(t / TEMPERATURE_STEP) for t in hottest.values()),
        compression_ratio=max((float(one.compression_ratio) for one in segments), default=None),
        logprob=min((float(one.avg_logprob) for one in segments), default=None),
        speech_s=float(speech_s),
    )


def attach(transcriptions: Sequence[dict[str, Any]], decoded: Sequence[Decoded]) -> None:
    """Write into each transcription of a pass what was decoded for it.

    Those of one file with one text are the same to any reader, so it matters not which is which.
    """
    left = list(decoded)
    for one in transcriptions:
        found = next((d for d in left if (d.file, d.text) == (one["file"], one["text"])), None)
        if found is not None:
            left.remove(found)
        one["decoded"] = found and found.as_json()
