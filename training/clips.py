"""Recordings for listening tests: sentences with natural pauses, as Opus files."""

import random
from pathlib import Path

import av
import numpy as np

from training.domain import held_out_sentences, is_held_out
from training.speech import SAMPLE_RATE, Speaker
from training.voices import Manner

LOUDNESS = 0.8  # of full scale for the loudest espeak-ng can be: leaves the codec some room


def silence(seconds: float) -> np.ndarray:
    """Return that much digital silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def speak_sentences(
    speaker: Speaker,
    sentences: list[str],
    manner: Manner,
    rng: random.Random,
    pauses: tuple[float, float] = (0.2, 0.9),
) -> np.ndarray:
    """Speak sentences one after another, with pauses of random length (seconds) between them."""
    parts = [silence(rng.uniform(0.0, 0.5))]
    for sentence in sentences:
        parts += [speaker.say(sentence, manner)[0] * LOUDNESS, silence(rng.uniform(*pauses))]
    return np.concatenate(parts)


def speak_for(
    speaker: Speaker, seconds: float, manner: Manner, rng: random.Random
) -> tuple[np.ndarray, list[str]]:
    """Speak held-out sentences for exactly that long; the rest, if any, is silence at the end.

    Returns the samples and the sentences. Raises ValueError if not even one sentence fits.
    """
    length = round(seconds * SAMPLE_RATE)
    kept, sentences = silence(0), []
    samples = silence(rng.uniform(0.1, 0.5))
    misses = 0
    used: set[str] = set()
    while misses < 20:  # look for sentences that still fit
        sentence = held_out_sentences(rng, 1)[0]
        assert is_held_out(sentence)
        if sentence in used:
            continue
        spoken = np.concatenate([samples, speaker.say(sentence, manner)[0] * LOUDNESS])
        if len(spoken) + round(0.2 * SAMPLE_RATE) > length:
            misses += 1
            continue
        kept = spoken
        used.add(sentence)
        sentences.append(sentence)
        samples = np.concatenate([spoken, silence(rng.uniform(0.2, 0.9))])
    if not sentences:
        raise ValueError(f"no sentence is shorter than {seconds} s")
    return np.concatenate([kept, np.zeros(length - len(kept), np.float32)]), sentences


def write_opus(path: Path, samples: np.ndarray, bit_rate: int) -> None:
    """Write 16 kHz mono samples (-1..1) as Opus in Ogg; bit_rate in bits per second."""
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
    # bitexact: no random stream number, so the same samples give the same file.
    with av.open(str(path), "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def duration_of(path: Path) -> float:
    """Return the seconds of audio that a file decodes to."""
    with av.open(str(path)) as container:
        frames = container.decode(audio=0)
        return sum(frame.samples / frame.sample_rate for frame in frames)
