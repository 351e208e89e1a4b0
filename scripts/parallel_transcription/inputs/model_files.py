"""The files of a model: which belong to it, and whether they are whole.

Headers are read, never weights, so that checking gigabytes takes no time.
"""

from __future__ import annotations

import json
import os
import re
import struct
from pathlib import Path
from typing import BinaryIO, TypedDict, TypeVar

from parallel_transcription.errors import reason
from parallel_transcription.inputs.model_names import ModelError

T = TypeVar("T")

#: The files that belong to a model: what faster-whisper downloads and reads.
MODEL_FILES = (
    "model.bin",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "vocabulary.*",
)
_MULTILINGUAL_FROM = 51865  # CTranslate2: smaller vocabularies are English only


class ModelFacts(TypedDict):
    """What the files say of a model.

    `mel_bins`: bands of the spectrogram. `vocabulary`: number of tokens. `width`: size of the
    hidden states. `weights`: their type on disk.
    """

    multilingual: bool
    mel_bins: int
    vocabulary: int
    width: int
    weights: str


def verify(folder: str | os.PathLike[str], name: str | None = None) -> ModelFacts:
    """Check that a folder holds a whole Whisper model that `WhisperModel` loads without network.

    Raises ModelError.
    """
    folder = Path(folder)
    name = str(folder) if name is None else name
    try:
        facts = _verify(folder)
    except OSError as error:
        file = error.filename or folder
        raise ModelError(f"{name!r}: {str(file)!r} cannot be read: {reason(error)}") from error
    except ModelError as error:
        raise ModelError(f"{name!r}: {error}") from None
    return facts


def _verify(folder: Path) -> ModelFacts:
    if not folder.is_dir():
        raise ModelError(f"there is no folder {str(folder)!r}; correct the path")
    if not (folder / "model.bin").is_file():
        raise ModelError(why_no_model(folder))
    shapes = _read_weights_index(folder / "model.bin")
    convolution = shapes.get("encoder/conv1/weight")
    embeddings = shapes.get("decoder/embeddings/weight")
    if convolution is None or embeddings is None or len(convolution[0]) != 3:
        raise ModelError("model.bin has no Whisper encoder and decoder; it holds another model")
    mel_bins, rows = convolution[0][1], embeddings[0][0]
    _read_json(folder / "config.json", dict)
    tokens = _read_vocabulary(folder)
    if len(tokens) != rows:
        raise ModelError(
            f"the vocabulary has {len(tokens)} tokens, but model.bin has {rows}; "
            "the files come from different models"
        )
    _check_tokenizer(folder)
    _check_preprocessor(folder, mel_bins)
    return {
        "multilingual": rows >= _MULTILINGUAL_FROM,
        "mel_bins": mel_bins,
        "vocabulary": rows,
        "width": convolution[0][0],
        "weights": embeddings[1],
    }


def why_no_model(folder: Path) -> str:
    """Why a folder has no model.bin, and what to do."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        return f"{str(folder)!r} cannot be read: {reason(error)}"
    weights = re.compile(r"(pytorch_model|model|flax_model).*\.(bin|safetensors|h5|msgpack)")
    if any(weights.fullmatch(name) for name in names):
        return (
            f"{str(folder)!r} holds a transformers model, not one in CTranslate2's format; convert "
            "it: ct2-transformers-converter --model FOLDER --output_dir NEW_FOLDER "
            "--copy_files tokenizer.json preprocessor_config.json --quantization float16"
        )
    if any(name.startswith("ggml") for name in names):
        return f"{str(folder)!r} holds a whisper.cpp model; give one in CTranslate2's format"
    if any(name.endswith(".pt") for name in names):
        return f"{str(folder)!r} holds an OpenAI checkpoint; give a model in CTranslate2's format"
    inner = [n for n in sorted(names) if (folder / n / "model.bin").is_file()]
    if inner:
        return f"{str(folder)!r} has no model.bin, but its folder {inner[0]!r} has; give that one"
    return f"{str(folder)!r} has no model.bin; give the folder of a model in CTranslate2's format"


_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")


def _read_weights_index(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type of every array in a model.bin, which must be whole.

    The layout is that of `ModelSpec._serialize` in ctranslate2/specs/model_spec.py (binary
    versions 4 to 6): version, name, revision, count; per array its name, dimensions, type, number
    of bytes and bytes; then the aliases.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(20).startswith(b"version https://git-"):
            raise ModelError(
                "model.bin is a pointer of Git LFS, not the weights; "
                "run `git lfs pull` in its folder"
            )
        file.seek(0)
        try:
            (version,) = _unpack(file, "I")
            if not 4 <= version <= 6:
                raise ModelError(
                    f"model.bin has binary version {version} where 4 to 6 are known; it is "
                    "damaged, no CTranslate2 model, or from a newer version: convert it again"
                )
            kind = _read_string(file)
            if kind != "WhisperSpec":
                raise ModelError(
                    f"model.bin holds a model of type {kind[:40]!r}, not a Whisper model"
                )
            _revision, count = _unpack(file, "II")
            arrays = {}
            for _ in range(count):
                name = _read_string(file)
                (rank,) = _unpack(file, "B")
                shape = _unpack(file, f"{rank}I")
                kind_id, length = _unpack(file, "BI", "<BI")
                file.seek(length, os.SEEK_CUR)
                if file.tell() > size:
                    raise EOFError
                arrays[name] = (shape, _TYPES[kind_id] if kind_id < len(_TYPES) else "unknown")
            (aliases,) = _unpack(file, "I")
            for _ in range(aliases):
                alias, target = _read_string(file), _read_string(file)
                if target in arrays:
                    arrays[alias] = arrays[target]
        except (EOFError, UnicodeDecodeError):
            raise ModelError(
                f"model.bin is damaged or cut off after {size:,} bytes; copy or download it again"
            ) from None
        if file.tell() != size:
            raise ModelError(
                f"model.bin has {size - file.tell():,} bytes too many; copy or download it again"
            )
    return arrays


def _unpack(file: BinaryIO, layout: str, packed: str | None = None) -> tuple[int, ...]:
    packed = packed or "<" + layout
    data = file.read(struct.calcsize(packed))
    if len(data) < struct.calcsize(packed):
        raise EOFError
    return struct.unpack(packed, data)


def _read_string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "H")
    data = file.read(length)
    if len(data) < length:
        raise EOFError
    return data.rstrip(b"\0").decode("utf-8")


def _read_json(path: Path, kind: type[T]) -> T:
    if not path.is_file():
        raise ModelError(f"{path.name} is missing; copy it from where the model comes from")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ModelError(f"{path.name} is no valid JSON; copy or download it again") from None
    if not isinstance(value, kind):
        raise ModelError(f"{path.name} holds no {kind.__name__}; copy or download it again")
    return value


def _read_vocabulary(folder: Path) -> list[str]:
    text = folder / "vocabulary.txt"
    if text.is_file() and not (folder / "vocabulary.json").is_file():
        return text.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
    return list(_read_json(folder / "vocabulary.json", list))


def _check_tokenizer(folder: Path) -> None:
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(
            "tokenizer.json is missing, and faster-whisper would download one in the middle of a "
            "measurement; copy it from where the model comes from"
        )
    if not isinstance(_read_json(folder / "tokenizer.json", dict).get("model"), dict):
        raise ModelError("tokenizer.json is no tokenizer; copy or download it again")


def _check_preprocessor(folder: Path, mel_bins: int) -> None:
    path = folder / "preprocessor_config.json"
    expected = 80  # what faster-whisper takes if the file does not say
    if path.is_file():
        expected = _read_json(path, dict).get("feature_size", expected)
    if expected != mel_bins:
        found = f"says {expected}" if path.is_file() else "is missing, which means 80"
        raise ModelError(
            f"the model wants {mel_bins} mel bins, but preprocessor_config.json {found}; "
            "copy it from where the model comes from"
        )
