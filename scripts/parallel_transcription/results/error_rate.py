"""Errors of a text against its reference: by words, or by characters where these have no spaces."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.metadata import version
from typing import Literal, NamedTuple

import pandas as pd

WORDS: Literal["words"] = "words"
CHARACTERS: Literal["characters"] = "characters"
#: What is left out of account on both sides, and what counts the errors.
NORMALISER = f"lower case, no punctuation, single spaces; jiwer {version('jiwer')}"

#: How Unicode calls letters of scripts that put no spaces between words.
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "YI ")


class ErrorRate(NamedTuple):
    """Errors over the length of the reference, and what both are counted in."""

    value: float
    unit: Literal["words", "characters"]


def is_unspaced(text: str) -> bool:
    """Whether most letters are of a script that puts no spaces between words."""
    letters = [character for character in text if character.isalpha()]
    unspaced = sum(unicodedata.name(letter, "").startswith(UNSPACED) for letter in letters)
    return 2 * unspaced > len(letters)


@lru_cache(maxsize=100_000)
def error_rate(reference: str, text: str) -> ErrorRate | None:
    """WER, or CER for scripts without spaces: (substitutions + deletions + insertions) / length.

    By jiwer. Case, punctuation and white space do not count. None where the reference has no words.
    """
    import jiwer

    unspaced = is_unspaced(reference)
    steps = [
        jiwer.ToLowerCase(),
        jiwer.RemovePunctuation(),
        jiwer.RemoveWhiteSpace(replace_by_space=not unspaced),  # line breaks separate words too
        jiwer.RemoveMultipleSpaces(),
        jiwer.Strip(),
    ]
    plain = jiwer.Compose(steps)
    if not plain(reference):
        return None
    if unspaced:
        each = jiwer.Compose([*steps, jiwer.ReduceToListOfListOfChars()])
        value = jiwer.cer(reference, text, reference_transform=each, hypothesis_transform=each)
        return ErrorRate(float(value), CHARACTERS)
    each = jiwer.Compose([*steps, jiwer.ReduceToListOfListOfWords()])
    value = jiwer.wer(reference, text, reference_transform=each, hypothesis_transform=each)
    return ErrorRate(float(value), WORDS)


def rates(timings: pd.DataFrame) -> pd.Series:
    """Of each transcription its word error rate, or its character error rate; nan without."""
    return timings["wer"].fillna(timings["cer"])
