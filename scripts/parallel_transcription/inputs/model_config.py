"""What config.json and tokenizer.json say of a model, held against its weights and vocabulary.

The engine believes both without looking: a head or a token that the weights have not is read, or
written, beyond the end of an array, which ends the process or, worse, does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parallel_transcription.inputs.model_names import ModelError

#: Without these the engine's own reading of the file fails (CTranslate2 4, models/whisper.cc).
_NEEDED_IDS = ("suppress_ids", "suppress_ids_begin")
#: faster-whisper builds its prompt of these; of a multilingual model also of those below.
_PROMPT = ("<|startoftranscript|>", "<|endoftext|>", "<|startofprev|>", "<|notimestamps|>")
_TASKS = ("<|transcribe|>", "<|translate|>")
_MOST_WORDS = 0.9  # of the tokens before the first special one; some lack a few
_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")
_REMEDY = "copy it from where the model comes from, or convert the model again"


@dataclass(frozen=True)
class Shape:
    """What the weights say: decoder layers, attention heads (None: unknown), tokens."""

    layers: int
    heads: int | None
    tokens: int


def check_config(config: Mapping[str, Any], shape: Shape) -> None:
    """Raise ModelError unless every layer, head and token that config.json names exists."""
    for key in _NEEDED_IDS:
        if key not in config:
            raise ModelError(f"config.json has no {key}, and the engine needs it; {_REMEDY}")
    for key in (*_NEEDED_IDS, "lang_ids"):
        ids = config.get(key, [])
        if not isinstance(ids, list) or not all(map(_is_whole, ids)):
            raise ModelError(f"config.json: {key} is no list of token numbers; {_REMEDY}")
        # -1 stands for "none but the usual ones" in files of Transformers; the engine takes it.
        lowest = -1 if key == "suppress_ids" else 0
        if wrong := [one for one in ids if not lowest <= one < shape.tokens]:
            raise ModelError(
                f"config.json: {key} has token {wrong[0]}, but the model has tokens 0 to "
                f"{shape.tokens - 1}; it is of another model: {_REMEDY}"
            )
    _check_heads(config.get("alignment_heads", []), shape)


def _check_heads(heads: object, shape: Shape) -> None:
    pairs = isinstance(heads, list) and all(
        isinstance(one, list) and len(one) == 2 and all(map(_is_whole, one)) for one in heads
    )
    if not isinstance(heads, list) or not pairs:
        raise ModelError(
            f"config.json: alignment_heads is no list of pairs (layer, head); {_REMEDY}"
        )
    for layer, head in heads:
        if not 0 <= layer < shape.layers or head < 0 or (shape.heads and head >= shape.heads):
            known = f" of {shape.heads} heads each" if shape.heads else ""
            raise ModelError(
                f"config.json: alignment_heads has head {head} of layer {layer}, but the decoder "
                f"has {shape.layers} layers{known}; it is of another model: {_REMEDY}"
            )


def check_tokens(
    tokenizer: Mapping[str, Any], vocabulary: Sequence[str], multilingual: bool
) -> None:
    """Raise ModelError unless tokenizer.json numbers its tokens as the vocabulary does.

    Words may be written differently in the two; the signs that steer the decoder may not.
    """
    ids = token_ids(tokenizer)
    if not ids:
        raise ModelError("tokenizer.json has no tokens; copy or download it again")
    needed = (*_PROMPT, *(_TASKS if multilingual else ()))
    if missing := [token for token in needed if token not in ids]:
        raise ModelError(f"tokenizer.json has no token {missing[0]}; {_REMEDY}")
    words = sum(number < ids["<|endoftext|>"] for number in ids.values())
    if words < _MOST_WORDS * ids["<|endoftext|>"]:
        raise ModelError(
            f"tokenizer.json has {words} of the {ids['<|endoftext|>']} tokens that words are made "
            f"of; {_REMEDY}"
        )
    highest = max(ids.values())
    if highest >= len(vocabulary):
        raise ModelError(
            f"tokenizer.json has a token {highest}, but the model has tokens 0 to "
            f"{len(vocabulary) - 1}; the files come from different models"
        )
    languages = [token for token in ids if _LANGUAGE.fullmatch(token)] if multilingual else []
    for token in (*needed, *languages):
        if vocabulary[ids[token]] != token:
            raise ModelError(
                f"tokenizer.json says that {token} is token {ids[token]}, which is "
                f"{vocabulary[ids[token]]!r} in the vocabulary; the files come from different "
                "models"
            )


def check_languages(config: Mapping[str, Any], vocabulary: Sequence[str]) -> None:
    """Raise ModelError unless the tokens by which a language is detected are those of languages."""
    for one in config.get("lang_ids", []):
        if not _LANGUAGE.fullmatch(vocabulary[one]):
            raise ModelError(
                f"config.json: lang_ids has token {one}, which is {vocabulary[one]!r} in the "
                f"vocabulary and no language; it is of another model: {_REMEDY}"
            )


def token_ids(tokenizer: Mapping[str, Any]) -> dict[str, int]:
    """The number of each token of a tokenizer.json; {} if it is none."""
    model = tokenizer.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    added = tokenizer.get("added_tokens")
    if not isinstance(words, dict) or not isinstance(added, list):
        return {}
    ids = {str(word): number for word, number in words.items() if _is_whole(number)}
    for one in added:
        if isinstance(one, dict) and _is_whole(one.get("id")):
            ids[str(one.get("content"))] = one["id"]
    return ids


def languages(tokenizer: Mapping[str, Any]) -> frozenset[str]:
    """Codes of the languages that have a token."""
    found = map(_LANGUAGE.fullmatch, token_ids(tokenizer))
    return frozenset(match[1] for match in found if match)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
