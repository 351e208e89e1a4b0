"""What a model can do, and what a configuration asks of it that it cannot.

faster-whisper finds out in the middle of a call, or says nothing and does something else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from parallel_transcription.inputs import dummy_weights, model_config
from parallel_transcription.inputs.dummy_vocabulary import Vocabulary
from parallel_transcription.inputs.model_files import read_config, read_tokenizer, verify
from parallel_transcription.inputs.model_names import DummyModel, FolderModel, ModelSource
from parallel_transcription.places import PROJECT_ROOT


class Asked(Protocol):
    """The options of a configuration that a model may not have."""

    @property
    def language(self) -> str:
        """A code, or `auto`."""

    @property
    def word_timestamps(self) -> bool:
        """Whether words get times."""


@dataclass(frozen=True)
class Abilities:
    """Languages of a model (codes), whether it tells them apart, and whether words get times."""

    languages: frozenset[str]
    detects: bool
    aligns: bool


def abilities_of(
    source: ModelSource, root: str | os.PathLike[str] = PROJECT_ROOT
) -> Abilities | None:
    """What a model can do; None for one of the hub, which may not be here yet.

    Raises:
        ModelError: for a folder without a whole model.
    """
    match source:
        case DummyModel():
            known = Vocabulary.of(dummy_weights.ARCHITECTURES[source.size].vocabulary).languages
            return Abilities(frozenset(known), detects=True, aligns=True)
        case FolderModel():
            return abilities_in(Path(root) / Path(source.path).expanduser(), source.name)
    return None


def abilities_in(folder: Path, name: str) -> Abilities:
    """What the model of a folder can do. Raises ModelError for a folder without a whole one."""
    facts = verify(folder, name)
    config = read_config(folder)
    if not facts["multilingual"]:
        # With `auto`, faster-whisper takes English for granted.
        return Abilities(frozenset({"en"}), detects=True, aligns=_aligns(config))
    known = model_config.languages(read_tokenizer(folder))
    return Abilities(known, detects=bool(config.get("lang_ids")), aligns=_aligns(config))


def _aligns(config: Mapping[str, object]) -> bool:
    return bool(config.get("alignment_heads"))


def problems(name: str, can: Abilities, asked: Asked) -> Iterator[str]:
    """Sentences on what a model cannot do, each with the key that asks for it."""
    alone = can.languages == {"en"}
    if asked.language == "auto":
        if not can.detects:
            yield (
                f"language: the config.json of {name!r} has no lang_ids, so it detects no "
                "language; name the language, or convert the model again"
            )
    elif asked.language not in can.languages:
        what = "knows English alone" if alone else f"has no token for {asked.language!r}"
        yield (
            f"language: {name!r} {what}; {'set language: en' if alone else 'set another language'},"
            " or take another model"
        )
    if asked.word_timestamps and not can.aligns:
        yield (
            f"word_timestamps: the config.json of {name!r} has no alignment_heads, without which "
            "words get no times; convert the model again, or leave word_timestamps out"
        )
