"""The vocabulary of dummy weights, and the tokenizer.json that goes with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# In the order of the language tokens of openai/whisper; the last one only exists since large-v3.
_LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no "
    "th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw "
    "gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl "
    "mg as tt haw ln ha ba jw su yue"
)
LANGUAGES = tuple(_LANGUAGES.split())
TEXT_TOKENS = 50257  # ids 0 … 50256; the last one is empty, CTranslate2's sign of "multilingual"
FIRST_WORD = 257  # ids below are single bytes, which would look odd as text
_TIMESTAMPS = 1501  # <|0.00|> … <|30.00|> in steps of 0.02 s


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a Whisper model: invented words, then Whisper's own special tokens."""

    tokens: tuple[str, ...]
    languages: tuple[str, ...]
    special: int  # how many follow the text tokens before the timestamps

    @classmethod
    def of(cls, count: int) -> Vocabulary:
        """The vocabulary with this number of tokens: 51865, or 51866 with one language more."""
        languages = LANGUAGES[: count - 51766]
        special = [
            "<|endoftext|>",
            "<|startoftranscript|>",
            *(f"<|{language}|>" for language in languages),
            "<|translate|>",
            "<|transcribe|>",
            "<|startoflm|>",
            "<|startofprev|>",
            "<|nospeech|>",
            "<|notimestamps|>",
        ]
        letters = _byte_letters()
        words = _words(TEXT_TOKENS - 1 - len(letters))
        timestamps = [f"<|{i * 0.02:.2f}|>" for i in range(_TIMESTAMPS)]
        tokens = (*letters, *words, "", *special, *timestamps)
        assert len(tokens) == count == len(set(tokens))
        return cls(tokens, languages, len(special))

    def ids(self) -> dict[str, int]:
        """The id of every token."""
        return {token: number for number, token in enumerate(self.tokens)}


def _byte_letters() -> list[str]:
    """GPT-2's letter for each byte, in the order of their ids; "Ġ", the space, gets id 220."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def _words(count: int) -> list[str]:
    """Different words of three syllables, each with a space before it."""
    syllables = [consonant + vowel for consonant in "bdfghklmnprstvz" for vowel in "aeiou"]
    n = len(syllables)
    return [
        "Ġ" + syllables[i % n] + syllables[i // n % n] + syllables[i // n**2 % n]
        for i in range(count)
    ]


def write_tokenizer(path: Path, vocabulary: Vocabulary) -> None:
    """A tokenizer.json (Hugging Face tokenizers, byte-level BPE without merges)."""
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    added = [
        {
            "id": TEXT_TOKENS + number,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": number < vocabulary.special,
        }
        for number, token in enumerate(vocabulary.tokens[TEXT_TOKENS:])
    ]
    model: dict[str, object] = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {token: number for number, token in enumerate(vocabulary.tokens[:TEXT_TOKENS])},
        "merges": [],
    }
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": model,
    }
    path.write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
