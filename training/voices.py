"""The espeak-ng voices: which the model is trained on, how often, and which it never hears."""

import random
from dataclasses import dataclass

MAIN_LANGUAGES = {"en": 1, "en-us": 1}
MAIN_VARIANTS = {
    "": 4, "+m1": 1, "+m3": 1, "+m7": 1, "+f1": 1, "+f2": 1, "+f3": 1, "+f4": 1, "+f5": 1,
}  # fmt: skip

BROAD_LANGUAGES = {
    "en": 4, "en-us": 4, "en-gb-scotland": 1, "en-gb-x-rp": 2, "en-029": 1, "en-gb-x-gbclan": 1,
    "en-gb-x-gbcwmd": 1, "en-us-nyc": 1,
}  # fmt: skip
BROAD_VARIANTS = {
    "": 3,
    **{f"+m{index}": 1 for index in range(1, 9)},
    **{f"+f{index}": 1 for index in range(1, 6)},
    "+Andy": 1, "+Annie": 1, "+Gene": 1, "+Mike": 1, "+Michael": 1, "+Lee": 1, "+Hugo": 1,
    "+Alicia": 1, "+steph": 1, "+max": 1, "+boris": 1, "+paul": 1, "+grandma": 1, "+grandpa": 1,
}  # fmt: skip

# Never trained, in no language.
UNSEEN_VARIANTS = ["+linda", "+john", "+Andrea", "+edward", "+anika", "+victor"]

VOICE_SETS = {
    "main": (MAIN_LANGUAGES, MAIN_VARIANTS),
    "broad": (BROAD_LANGUAGES, BROAD_VARIANTS),
}


@dataclass(frozen=True)
class Manner:
    """How a sentence is spoken: voice name, words per minute, pitch and range of 0 to 99."""

    voice: str
    words_per_minute: int = 165
    pitch: int = 50
    pitch_range: int = 50
    word_gap: int = 0  # extra pause between words, in units of 10 ms


def draw_voice(rng: random.Random, voice_set: str) -> str:
    """Draw a voice name of the set 'main' or 'broad', by its weights."""
    languages, variants = VOICE_SETS[voice_set]
    language = rng.choices(list(languages), list(languages.values()))[0]
    return language + rng.choices(list(variants), list(variants.values()))[0]


def draw_manner(rng: random.Random, voice_set: str) -> Manner:
    """Draw a voice of the set with a random speed, pitch and pauses."""
    return Manner(
        voice=draw_voice(rng, voice_set),
        words_per_minute=int(rng.triangular(110, 230, 165)),
        pitch=rng.randint(20, 85),
        pitch_range=rng.randint(30, 70),
        word_gap=rng.choice([0, 0, 0, 0, 1, 3]),
    )


def is_trained(voice: str) -> bool:
    """Say whether the model is trained on this voice name."""
    language, plus, variant = voice.partition("+")
    return any(
        language in languages and plus + variant in variants
        for languages, variants in VOICE_SETS.values()
    )
