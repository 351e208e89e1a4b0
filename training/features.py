"""The spectrogram that faster-whisper computes, before it is scaled."""

from functools import lru_cache

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

MEL_BANDS = 80
FRAMES_PER_SECOND = 100
SILENCE = -10.0  # log10 of the smallest power that the feature extractor lets through


@lru_cache(maxsize=1)
def _extractor() -> FeatureExtractor:
    return FeatureExtractor(feature_size=MEL_BANDS)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Return log10 of the mel powers of 16 kHz samples, float32, shape (frames, 80).

    faster-whisper then cuts at 8 below the loudest value of the whole file and scales: here
    that is done later (windows.py), when several utterances have been put together.
    """
    extractor = _extractor()
    window = np.hanning(extractor.n_fft + 1)[:-1].astype(np.float32)
    spectrum = extractor.stft(
        samples, extractor.n_fft, extractor.hop_length, window=window, return_complex=True
    )
    powers = extractor.mel_filters @ (np.abs(spectrum[..., :-1]) ** 2).astype(np.float32)
    return np.log10(np.maximum(powers, 10.0**SILENCE)).astype(np.float32).T
