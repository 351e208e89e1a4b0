"""Training windows: utterances put together, with noise, and what the model should write.

A window is up to 30 seconds long and looks as faster-whisper would cut it from a file: it may
begin and end in the middle of a sentence, the file may end in it, and text of earlier windows
may stand before it.
"""

import math
from dataclasses import dataclass

import numpy as np

from training.corpus import Mixture, Utterance
from training.features import FRAMES_PER_SECOND, MEL_BANDS, SILENCE
from training.network import DECODER_POSITIONS, ENCODER_POSITIONS, NO_WORD
from training.tokens import (
    END_OF_TEXT,
    FIRST_TIMESTAMP,
    NO_SPEECH,
    NO_TIMESTAMPS,
    START_OF_PREVIOUS,
    START_OF_TRANSCRIPT,
)

FRAMES_PER_POSITION = 2
POSITIONS_PER_SECOND = FRAMES_PER_SECOND // FRAMES_PER_POSITION
NO_LABEL = -100  # tokens that are given, not to be predicted
NOWHERE = (-1, -1)
LATEST_FIRST_TIMESTAMP = 50  # faster-whisper lets a window begin with at most <|1.00|>
LONGEST_PROMPT = 223  # tokens of earlier text that faster-whisper passes on

# A sentence cut off by the window's end is announced from this much audible speech on. One that
# is announced in vain costs nothing; one that is missed loses its first word in the next window.
POSITIONS_TO_ANNOUNCE = 4


@dataclass(frozen=True)
class WindowKind:
    """What kind of windows a phase of training uses (shares are between 0 and 1)."""

    positions: int  # 20 ms each; ENCODER_POSITIONS for full windows
    earlier_text_share: float
    no_timestamps_share: float

    @property
    def full(self) -> bool:
        return self.positions == ENCODER_POSITIONS


@dataclass(frozen=True)
class Window:
    """One training example; T tokens, P positions.

    features: scaled as faster-whisper does, float32 (80, 2 P). first_position: int.
    frame_words: word of each position, (P,). tokens: given, (T,). labels: to be predicted after
    each token or NO_LABEL, (T,). spans: positions that the guided heads should look at while
    predicting the label, (T, 2), or NOWHERE.
    """

    features: np.ndarray
    first_position: int
    frame_words: np.ndarray
    tokens: np.ndarray
    labels: np.ndarray
    spans: np.ndarray


@dataclass(frozen=True)
class Spoken:
    """One utterance placed in a window; times in positions, cut to the window."""

    start: float
    end: float
    ends_outside: bool
    words: list[tuple[int, float, float]]  # id, start, end of the words heard for their most part


def _chance(rng: np.random.Generator, share: float) -> bool:
    return rng.random() < share


def _place(
    corpus: Mixture, rng: np.random.Generator, frames: int, full: bool
) -> tuple[list[tuple[int, Utterance]], bool]:
    """Draw utterances with their first frames (may be negative), and whether the file ends here."""
    utterance = corpus.draw(rng)
    if _chance(rng, 0.25):  # the window begins in mid-sentence
        frame = -int(rng.integers(5, max(6, len(utterance.features) - 20) + 1))
    else:
        frame = int(rng.integers(0, rng.choice([0, 20, 100, 150]) + 1))
    file_ends = _chance(rng, 0.35 if full else 0.5)
    stop = int(rng.integers(150, frames + 1)) if file_ends else frames
    style = rng.random()
    placed = []
    while frame < frames:
        placed.append((frame, utterance))
        if style < 0.6:
            pause = rng.triangular(2, 10, 200)
        elif style < 0.9:
            pause = rng.integers(0, 41)
        else:
            pause = rng.integers(30, 501)
        frame += len(utterance.features) + int(pause)
        if frame > stop:
            break
        # What was said before is now and then said again, and must be written again.
        again = _chance(rng, 0.08)
        utterance = placed[int(rng.integers(len(placed)))][1] if again else corpus.draw(rng)
    return placed, file_ends


def _mix(
    placed: list[tuple[int, Utterance]], rng: np.random.Generator, frames: int
) -> tuple[np.ndarray, int]:
    """Return the log10 mel powers (frames, 80) of the placed utterances and the last one's end."""
    mel = np.full((frames, MEL_BANDS), SILENCE, np.float32)
    end = 0
    gain = rng.uniform(-1.0, 0.4)
    for frame, utterance in placed:
        first, last = max(0, frame), min(frames, frame + len(utterance.features))
        part = utterance.features[first - frame : last - frame].astype(np.float32)
        part = part + np.float32(gain + rng.uniform(-0.2, 0.2))
        if _chance(rng, 0.3):  # another microphone
            part = part + _tilt(rng, 0.5)
        mel[first:last] = np.maximum(mel[first:last], part)
        end = last
    return mel, end


def _tilt(rng: np.random.Generator, limit: float) -> np.ndarray:
    """Return a random straight line over the mel bands."""
    ends = rng.uniform(-limit, limit, 2)
    return np.linspace(*ends, MEL_BANDS, dtype=np.float32)


def _disturb_and_scale(mel: np.ndarray, speech: bool, rng: np.random.Generator) -> np.ndarray:
    """Add noise, then cut and scale as faster-whisper does with the loudest value of the file."""
    loudest = float(mel.max()) if speech else -1.0
    if _chance(rng, 0.6):
        noise = (loudest - rng.uniform(2.7, 8)) + _tilt(rng, 1.0)
        noise = noise + np.log10(rng.standard_exponential(mel.shape, dtype=np.float32) + 1e-3)
        mel = np.log10(10**mel + 10**noise)
    loudest = max(loudest, float(mel.max()))
    if _chance(rng, 0.5):  # the rest of the file may be louder
        loudest += rng.uniform(0, 0.6)
    return (np.maximum(mel, loudest - 8) + 4) / 4


def _blank_out(features: np.ndarray, rng: np.random.Generator) -> None:
    """Hide some bands and moments (SpecAugment)."""
    mean = features.mean()
    for _ in range(rng.integers(0, 3)):
        band = rng.integers(0, 71)
        features[:, band : band + rng.integers(1, 9)] = mean
    for _ in range(rng.integers(0, len(features) // 200 + 1)):
        frame = rng.integers(0, len(features) - 8)
        features[frame : frame + rng.integers(1, 7)] = mean


def _heard(placed: list[tuple[int, Utterance]], positions: int) -> tuple[list[Spoken], np.ndarray]:
    """Work out which words are heard when, and the word of each position."""
    spoken, frame_words = [], np.full(positions, NO_WORD, np.int64)
    for frame, utterance in placed:
        end_frame = frame + len(utterance.features)
        first, last = max(0, frame), min(positions * FRAMES_PER_POSITION, end_frame)
        if last - first < 4:
            continue
        times = frame / FRAMES_PER_POSITION + utterance.boundaries * POSITIONS_PER_SECOND
        words = []
        for word, start, end in zip(utterance.words, times, times[1:], strict=False):
            left, right = max(0, round(start)), min(positions, round(end))
            if right > left:
                frame_words[left:right] = word
            audible = (min(end, positions) - max(start, 0)) / max(0.5, end - start)
            if audible > 0.5:
                words.append((int(word), max(0.0, start), min(float(positions), end)))
        spoken.append(
            Spoken(
                start=first / FRAMES_PER_POSITION,
                end=last / FRAMES_PER_POSITION,
                ends_outside=end_frame > positions * FRAMES_PER_POSITION,
                words=words,
            )
        )
    return spoken, frame_words


def _earlier_text(corpus: Mixture, rng: np.random.Generator, with_timestamps: bool) -> list[int]:
    """Return a prompt such as earlier windows would have left."""
    length, clock, tokens = int(rng.integers(3, LONGEST_PROMPT + 1)), 0, []
    while len(tokens) < length + 30:
        utterance = corpus.draw(rng)
        words = utterance.words.tolist()
        if not with_timestamps:
            tokens += words
            continue
        end = min(ENCODER_POSITIONS, clock + len(utterance.features) // FRAMES_PER_POSITION)
        tokens += [FIRST_TIMESTAMP + clock, *words, FIRST_TIMESTAMP + end]
        clock = end if end < 1400 else 0
    kept = tokens[-length:] if _chance(rng, 0.7) else tokens[:length]
    return [START_OF_PREVIOUS, *kept]


Step = tuple[int, float, float]  # a token to predict, and from where to where to look


def _transcript(spoken: list[Spoken], first_position: int, full: bool) -> list[Step]:
    """Return words and timestamps to predict for what was spoken.

    A sentence that the window's end cuts off gets only its start: faster-whisper then begins
    the next window there.
    """

    def timestamp(position: float, first: bool = False) -> int:
        limit = LATEST_FIRST_TIMESTAMP if first and full else ENCODER_POSITIONS
        return FIRST_TIMESTAMP + min(limit, round(position) + first_position)

    steps: list[Step] = []
    for number, sentence in enumerate(spoken):
        start = (
            timestamp(sentence.start, first=number == 0), sentence.start - 1, sentence.start + 3
        )  # fmt: skip
        if sentence.ends_outside:
            if sentence.end - sentence.start >= POSITIONS_TO_ANNOUNCE:
                steps.append(start)
        elif sentence.words:
            end = (timestamp(sentence.end), sentence.end - 3, sentence.end + 1)
            steps += [start, *sentence.words, end]
    return steps


def make_window(corpus: Mixture, rng: np.random.Generator, kind: WindowKind) -> Window:
    """Draw one training window."""
    positions = kind.positions
    frames = positions * FRAMES_PER_POSITION
    first_position = 0 if kind.full else int(rng.integers(0, ENCODER_POSITIONS - positions + 1))

    silent = _chance(rng, 0.02)
    placed, file_ends = ([], False) if silent else _place(corpus, rng, frames, kind.full)
    mel, speech_end = _mix(placed, rng, frames)
    features = _disturb_and_scale(mel, not silent, rng)
    # faster-whisper pads the last window with zeros after scaling.
    if file_ends and speech_end < frames - 10 and _chance(rng, 0.7):
        features[int(rng.integers(speech_end, min(frames - 1, speech_end + 100) + 1)) :] = 0
    elif silent and _chance(rng, 0.5):
        features[int(rng.integers(20, frames)) :] = 0
    _blank_out(features, rng)
    spoken, frame_words = _heard(placed, positions)

    with_timestamps = not _chance(rng, kind.no_timestamps_share)
    if spoken and all(sentence.ends_outside for sentence in spoken):
        with_timestamps = False  # no sentence is complete, so no timestamps to learn
    prompt = []
    if _chance(rng, kind.earlier_text_share):
        prompt = _earlier_text(corpus, rng, with_timestamps)

    tokens = [*prompt, START_OF_TRANSCRIPT]
    if not with_timestamps:
        tokens.append(NO_TIMESTAMPS)
    labels, spans = [NO_LABEL] * len(tokens), [NOWHERE] * len(tokens)

    def predict(token: int, left: float, right: float) -> None:
        labels[-1] = token
        spans[-1] = (max(0, int(left)), min(positions, math.ceil(right) + 1))
        tokens.append(token)
        labels.append(NO_LABEL)
        spans.append(NOWHERE)

    if not spoken:
        labels[len(prompt)] = NO_SPEECH
        if with_timestamps:
            tokens.append(FIRST_TIMESTAMP)
            labels.append(NO_LABEL)
            spans.append(NOWHERE)
    elif with_timestamps:
        for step in _transcript(spoken, first_position, kind.full):
            predict(*step)
    else:
        for sentence in spoken:
            for step in sentence.words:
                predict(*step)
    labels[-1] = END_OF_TEXT
    return Window(
        features=np.ascontiguousarray(features.T, np.float32),
        first_position=first_position,
        frame_words=frame_words,
        tokens=np.array(tokens[:DECODER_POSITIONS]),
        labels=np.array(labels[:DECODER_POSITIONS]),
        spans=np.array(spans[:DECODER_POSITIONS]),
    )


def stack(windows: list[Window]) -> dict[str, np.ndarray]:
    """Join windows of one kind to arrays with a batch dimension, padding the tokens."""
    longest = max(len(window.tokens) for window in windows)

    def padded(name: str, value) -> np.ndarray:
        arrays = [getattr(window, name) for window in windows]
        result = np.full((len(windows), longest, *arrays[0].shape[1:]), value, np.int64)
        for row, array in zip(result, arrays, strict=True):
            row[: len(array)] = array
        return result

    return {
        "features": np.stack([window.features for window in windows]),
        "first_positions": np.array([window.first_position for window in windows]),
        "frame_words": np.stack([window.frame_words for window in windows]),
        "tokens": padded("tokens", END_OF_TEXT),
        "labels": padded("labels", NO_LABEL),
        "spans": padded("spans", -1),
    }
