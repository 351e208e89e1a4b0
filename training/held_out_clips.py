"""Clips to test the model with: held-out sentences, by trained voices and by unseen ones.

`python -m training.held_out_clips` makes anew the small set that the tests use.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path

from training.clips import duration_of, speak_for, speak_sentences, write_opus
from training.domain import held_out_sentences, is_held_out
from training.speech import Speaker
from training.voices import (
    MAIN_LANGUAGES,
    UNSEEN_VARIANTS,
    Manner,
    draw_voice,
    is_trained,
)

TEST_FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "held_out"
REFERENCES = "references.json"
WORDS_PER_MINUTE = [140, 160, 175]


@dataclass(frozen=True)
class ClipSet:
    """A set of clips; voices is 'main', 'broad' (both trained) or 'unseen'."""

    name: str
    voices: str
    clips: int
    seconds: tuple[float, float] | None = None  # None: one sentence, however long it is


EVALUATION_SETS = [
    ClipSet("short_trained_voices", "main", 120),
    ClipSet("short_accents", "broad", 60),
    ClipSet("short_unseen_voices", "unseen", 60),
    ClipSet("long_trained_voices", "main", 10, (60, 120)),
    ClipSet("long_unseen_voices", "unseen", 4, (60, 120)),
]
TEST_SETS = [
    ClipSet("short_trained_voices", "main", 102),
    ClipSet("short_unseen_voices", "unseen", 12),
    ClipSet("long_trained_voices", "main", 3, (60, 90)),
]
SMOKE_SETS = [
    ClipSet("short_trained_voices", "main", 2),
    ClipSet("long_trained_voices", "main", 1, (32, 33)),
]


def _voice(rng: random.Random, voices: str) -> str:
    if voices != "unseen":
        return draw_voice(rng, voices)
    voice = rng.choice(list(MAIN_LANGUAGES)) + rng.choice(UNSEEN_VARIANTS)
    assert not is_trained(voice)
    return voice


def make_clips(folder: Path, sets: list[ClipSet], seed: int, bit_rate: int) -> None:
    """Write the clips and references.json, a list of file, set, voice, seconds and sentences.

    All clips together use each sentence once as a short clip; long clips draw their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng, speaker, references = random.Random(seed), Speaker(), []
    shorts = iter(held_out_sentences(rng, sum(set_.clips for set_ in sets)))
    for set_ in sets:
        for number in range(set_.clips):
            manner = Manner(_voice(rng, set_.voices), rng.choice(WORDS_PER_MINUTE))
            if set_.seconds:
                samples, sentences = speak_for(
                    speaker, round(rng.uniform(*set_.seconds)), manner, rng
                )
            else:
                sentences = [next(shorts)]
                samples = speak_sentences(speaker, sentences, manner, rng)
            assert all(is_held_out(sentence) for sentence in sentences)
            file = f"{set_.name}-{number + 1:03d}.opus"
            write_opus(folder / file, samples, bit_rate)
            references.append(
                {
                    "file": file,
                    "set": set_.name,
                    "voice": manner.voice,
                    "seconds": round(duration_of(folder / file), 3),
                    "sentences": sentences,
                }
            )
    (folder / REFERENCES).write_text(json.dumps(references, indent=1) + "\n")


if __name__ == "__main__":
    make_clips(TEST_FOLDER, TEST_SETS, seed=7, bit_rate=24000)
