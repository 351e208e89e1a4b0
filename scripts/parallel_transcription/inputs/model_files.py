"""The files of a model: which belong to it, and whether they are whole.

Headers are read, never weights, so that checking gigabytes takes no time.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, TypeVar

from parallel_transcription.errors import reason
from parallel_transcription.inputs import model_config
from parallel_transcription.inputs.model_config import Shape
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
        if folder.exists():
            raise ModelError(f"{str(folder)!r} is a file; give the folder that holds model.bin")
        raise ModelError(f"there is no folder {str(folder)!r}; correct the path")
    if not (folder / "model.bin").is_file():
        raise ModelError(why_no_model(folder))
    arrays = _read_weights_index(folder / "model.bin")
    convolution = arrays.get("encoder/conv1/weight")
    embeddings = arrays.get("decoder/embeddings/weight")
    if convolution is None or embeddings is None or len(convolution.shape) != 3:
        raise ModelError("model.bin has no Whisper encoder and decoder; it holds another model")
    mel_bins, rows = convolution.shape[1], embeddings.shape[0]
    tokens = _read_vocabulary(folder)
    if len(tokens) != rows:
        raise ModelError(
            f"the vocabulary has {len(tokens)} tokens, but model.bin has {rows}; "
            "the files come from different models"
        )
    multilingual = rows >= _MULTILINGUAL_FROM
    for side in ("encoder", "decoder"):
        heads = arrays.get(f"{side}/num_heads")
        if heads and heads.value is not None and not _fit(heads.value, convolution.shape[0]):
            raise ModelError(
                f"model.bin has {heads.value} heads in its {side} for a width of "
                f"{convolution.shape[0]}; it is damaged: copy or download it again"
            )
    config = read_config(folder)
    model_config.check_config(
        config,
        Shape(_decoder_layers(arrays), heads.value if heads else None, rows),
    )
    model_config.check_tokens(read_tokenizer(folder), tokens, multilingual)
    if multilingual:
        model_config.check_languages(config, tokens)
    _check_preprocessor(folder, mel_bins)
    return {
        "multilingual": multilingual,
        "mel_bins": mel_bins,
        "vocabulary": rows,
        "width": convolution.shape[0],
        "weights": embeddings.type,
    }


def _fit(heads: int, width: int) -> bool:
    """Whether a width can be shared out among so many heads."""
    return heads > 0 and width % heads == 0


def _decoder_layers(arrays: Mapping[str, Array]) -> int:
    found = (re.match(r"decoder/(layer_\d+)/", name) for name in arrays)
    return len({match[1] for match in found if match})


#: Models of other programs, by the names of their files.
_OF_OTHERS = {
    "a whisper.cpp model": re.compile(r"ggml.*|.*\.gguf"),
    "an OpenAI checkpoint": re.compile(r".*\.pt"),
    "an ONNX model": re.compile(r".*\.onnx"),
    "an OpenVINO model": re.compile(r"openvino.*\.(xml|bin)"),
    "an MLX model": re.compile(r".*\.npz"),
    "a NeMo model": re.compile(r".*\.nemo"),
}


def why_no_model(folder: Path) -> str:
    """Why a folder has no model.bin, and what to do."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        return f"{str(folder)!r} cannot be read: {reason(error)}"
    if {"adapter_config.json", "adapter_model.safetensors"} & names:
        return (
            f"{str(folder)!r} holds an adapter (LoRA), not a model; merge it into its model with "
            "peft's merge_and_unload, save that, and convert it"
        )
    weights = re.compile(
        r"(pytorch_model|model|flax_model|tf_model).*\.(bin|safetensors|h5|msgpack)(\.index\.json)?"
    )
    if any(weights.fullmatch(name) for name in names):
        return f"{str(folder)!r} holds a transformers model, not one in CTranslate2's format; " + (
            _how_to_convert(folder, names)
        )
    for kind, sign in _OF_OTHERS.items():
        if any(map(sign.fullmatch, names)):
            return (
                f"{str(folder)!r} holds {kind}; give a model in CTranslate2's format, which "
                "ct2-transformers-converter makes of one of Transformers"
            )
    inner = [n for n in sorted(names) if (folder / n / "model.bin").is_file()]
    if "snapshots" in names:  # a repository in the hub's cache
        inner += [f"snapshots/{n.parent.name}" for n in folder.glob("snapshots/*/model.bin")]
    if inner:
        return f"{str(folder)!r} has no model.bin, but its folder {inner[0]!r} has; give that one"
    part = next((n for n in sorted(names) if n.startswith("model.bin")), None)
    if part and part != "model.bin":
        return (
            f"{str(folder)!r} has no model.bin, but {part!r}: a part of it, or a download that is "
            "not done; download it again, or join its parts"
        )
    return f"{str(folder)!r} has no model.bin; give the folder of a model in CTranslate2's format"


def _how_to_convert(folder: Path, names: set[str]) -> str:
    """Commands that convert the Transformers model of this folder, with the files that it has."""
    copied = [n for n in ("tokenizer.json", "preprocessor_config.json") if n in names]
    old, new = str(folder), f"{folder.name or 'model'}-ct2"
    first = ""
    if "tokenizer.json" not in names:  # old models have its parts: vocab.json, merges.txt
        code = (
            "import sys, transformers; "
            "transformers.WhisperTokenizerFast.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[1])"
        )
        first = f"python -c {shlex.quote(code)} {shlex.quote(old)} && "
        copied.insert(0, "tokenizer.json")
    command = ["ct2-transformers-converter", "--model", old, "--output_dir", new]
    command += ["--copy_files", *copied, "--quantization", "float16"]
    return f"convert it (pip install ctranslate2 transformers torch): {first}{shlex.join(command)}"


#: Types and bytes of a number, in the order of their ids.
_TYPES = (("float32", 4), ("int8", 1), ("int16", 2), ("int32", 4), ("float16", 2), ("bfloat16", 2))


@dataclass(frozen=True)
class Array:
    """An array of a model.bin: dimensions, type; of a single whole number its value."""

    shape: tuple[int, ...]
    type: str
    value: int | None = None


def _read_weights_index(path: Path) -> dict[str, Array]:
    """What every array in a model.bin is; the file must be whole.

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
                    f"model.bin holds a model of type {kind[:40]!r}, not a Whisper model; give "
                    "one of Whisper"
                )
            _revision, count = _unpack(file, "II")
            arrays = {}
            for _ in range(count):
                name = _read_string(file)
                (rank,) = _unpack(file, "B")
                shape = _unpack(file, f"{rank}I")
                kind_id, length = _unpack(file, "BI", "<BI")
                stored, width = _TYPES[kind_id] if kind_id < len(_TYPES) else ("unknown", 0)
                if length != width * math.prod(shape):
                    raise EOFError
                start = file.tell()
                value = _number(file, length) if not shape and stored.startswith("int") else None
                file.seek(start + length)
                if file.tell() > size:
                    raise EOFError
                arrays[name] = Array(shape, stored, value)
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


def _number(file: BinaryIO, length: int) -> int:
    return int.from_bytes(file.read(min(length, 8)), "little", signed=True)


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
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_no_constant)
        if "\\ud" in text.lower():  # half of a letter: others than Python refuse the file for it
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ModelError(f"{path.name} is no valid JSON; copy or download it again") from None
    if not isinstance(value, kind):
        raise ModelError(f"{path.name} holds no {kind.__name__}; copy or download it again")
    return value


def _no_constant(name: str) -> None:
    """Refuse NaN and infinities, which only Python's JSON has."""
    raise ValueError(name)


def _read_vocabulary(folder: Path) -> list[str]:
    text = folder / "vocabulary.txt"
    if text.is_file() and not (folder / "vocabulary.json").is_file():
        return text.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
    tokens = list(_read_json(folder / "vocabulary.json", list))
    if not all(isinstance(token, str) for token in tokens):
        raise ModelError("vocabulary.json is no list of words; copy or download it again")
    return tokens


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json holds. Raises ModelError if it is missing or damaged."""
    return dict(_read_json(folder / "config.json", dict))


def read_tokenizer(folder: Path) -> dict[str, Any]:
    """What tokenizer.json holds. Raises ModelError if it is missing or damaged."""
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(
            "tokenizer.json is missing, and faster-whisper would download one in the middle of a "
            "measurement; copy it from where the model comes from"
        )
    return dict(_read_json(folder / "tokenizer.json", dict))


#: What Whisper hears is cut and counted in one way; faster-whisper would cut it as this file says.
_HEARS = {"sampling_rate": 16000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}


def _check_preprocessor(folder: Path, mel_bins: int) -> None:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        if os.path.lexists(path):
            raise ModelError(f"{path.name} is no file; copy it from where the model comes from")
        if mel_bins != 80:  # what faster-whisper takes then
            raise ModelError(
                f"the model wants {mel_bins} mel bins, but preprocessor_config.json is missing, "
                "which means 80; copy it from where the model comes from"
            )
        return
    says = _read_json(path, dict)
    expected = says.get("feature_size", 80)
    if expected != mel_bins or type(expected) is not int:
        raise ModelError(
            f"the model wants {mel_bins} mel bins, but preprocessor_config.json says feature_size: "
            f"{json.dumps(expected)}; copy it from where the model comes from"
        )
    for key, value in _HEARS.items():
        if (said := says.get(key, value)) != value or type(said) is not int:
            raise ModelError(
                f"preprocessor_config.json says {key}: {json.dumps(said)}, and Whisper has "
                f"{value}; copy it from where the model comes from"
            )
