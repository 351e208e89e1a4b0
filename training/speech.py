"""Speech from espeak-ng, through its C library, with the time at which each word starts."""

import ctypes
import itertools

import numpy as np
from scipy.signal import resample_poly

from training.voices import Manner

SAMPLE_RATE = 16000  # of everything this module returns
ESPEAK_SAMPLE_RATE = 22050

# Values of speak_lib.h.
_SYNCHRONOUS_OUTPUT = 2
_EVENT_LIST_TERMINATED = 0
_EVENT_WORD = 1
_POSITION_IN_CHARACTERS = 1
_TEXT_IS_UTF8 = 1
_RATE, _PITCH, _PITCH_RANGE, _WORD_GAP = 1, 3, 4, 7

_AUDIBLE = 0.004  # amplitude from which a sample is not silence
_LEAD_SECONDS, _TAIL_SECONDS = 0.02, 0.03  # kept around the audible part


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Speaker:
    """One espeak-ng engine; the library allows one per process."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as error:
            raise RuntimeError("espeak-ng is missing: install libespeak-ng1") from error
        rate = self._library.espeak_Initialize(_SYNCHRONOUS_OUTPUT, 0, None, 0)
        if rate != ESPEAK_SAMPLE_RATE:
            raise RuntimeError(f"espeak-ng speaks at {rate} Hz, not {ESPEAK_SAMPLE_RATE}")
        self._pieces: list[np.ndarray] = []
        self._word_events: list[tuple[int, float]] = []
        self._callback = _Callback(self._receive)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples, count: int, events) -> int:
        if count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            if events[index].type == _EVENT_WORD:
                character = events[index].text_position - 1
                self._word_events.append((character, events[index].audio_position / 1000))
            index += 1
        return 0

    def say(self, text: str, manner: Manner) -> tuple[np.ndarray, np.ndarray]:
        """Speak a text of words separated by single blanks.

        Returns the samples (float32 in -1..1, 16 kHz, silence around them cut off) and the
        boundaries in seconds: the start of each word, then the end of the last one.
        Raises ValueError for an unknown voice and for a text that gives no sound.
        """
        self._pieces, self._word_events = [], []
        library = self._library
        if library.espeak_SetVoiceByName(manner.voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {manner.voice!r}")
        library.espeak_SetParameter(_RATE, manner.words_per_minute, 0)
        library.espeak_SetParameter(_PITCH, manner.pitch, 0)
        library.espeak_SetParameter(_PITCH_RANGE, manner.pitch_range, 0)
        library.espeak_SetParameter(_WORD_GAP, manner.word_gap, 0)
        data = text.encode() + b"\0"
        library.espeak_Synth(
            data, len(data), 0, _POSITION_IN_CHARACTERS, 0, _TEXT_IS_UTF8, None, None
        )
        samples = np.concatenate(self._pieces or [np.zeros(0, np.int16)]).astype(np.float32) / 32768
        audible = np.nonzero(np.abs(samples) > _AUDIBLE)[0]
        if len(audible) == 0:
            raise ValueError(f"no sound for {text!r}")
        first = max(0, audible[0] - int(_LEAD_SECONDS * ESPEAK_SAMPLE_RATE))
        last = min(len(samples), audible[-1] + int(_TAIL_SECONDS * ESPEAK_SAMPLE_RATE))
        samples = samples[first:last]
        boundaries = _word_boundaries(
            text.split(),
            [(place, seconds - first / ESPEAK_SAMPLE_RATE) for place, seconds in self._word_events],
            len(samples) / ESPEAK_SAMPLE_RATE,
        )
        return resample_poly(samples, 320, 441).astype(np.float32), boundaries


def _word_boundaries(words: list[str], events: list[tuple[int, float]], end: float) -> np.ndarray:
    """Give each word its start; espeak-ng runs some words together and tells only the first.

    The missing starts are spread by the number of letters.
    """
    starts: list[float | None] = [None] * len(words)
    places = np.cumsum([0] + [len(word) + 1 for word in words])
    for place, seconds in events:
        index = int(np.searchsorted(places, place, side="right")) - 1
        if 0 <= index < len(words) and starts[index] is None:
            starts[index] = max(0.0, seconds)
    starts[0] = 0.0
    known = [index for index, start in enumerate(starts) if start is not None] + [len(words)]
    result = [*starts, end]
    for left, right in itertools.pairwise(known):
        letters = np.cumsum([0] + [len(word) for word in words[left:right]])
        for index in range(left + 1, right):
            share = letters[index - left] / letters[-1]
            result[index] = result[left] + (result[right] - result[left]) * share
    return np.array(result, np.float32)
