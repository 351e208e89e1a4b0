"""How models are made and damaged, for `inputs_of_models.py` and `damaged_models.py`."""

from __future__ import annotations

import functools
import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parallel_transcription.inputs import dummy_weights
from parallel_transcription.inputs.dummy_weights import Architecture
from parallel_transcription.places import PROJECT_ROOT

MINI = PROJECT_ROOT / "resources" / "models" / "mini-en"
#: Small ones of the shapes of large ones: layers, bands, tokens.
SHAPES = {
    "turbo-shaped": Architecture(384, 8, 2, 6, 128, 51866),
    "distil-shaped": Architecture(384, 8, 1, 6, 80, 51865),
    "distil-v3-shaped": Architecture(384, 8, 2, 6, 128, 51866),
}
PARTS = (
    "model.bin",
    "config.json",
    "tokenizer.json",
    "vocabulary.json",
    "preprocessor_config.json",
)


@dataclass(frozen=True)
class Model:
    """A model: who makes it in a folder and gives its name, whether it is good, what is asked.

    `says` is what the line must say that refuses it; `by_trial`: only using it can tell.
    """

    name: str
    make: Callable[[Path], str | None]
    good: bool = False
    says: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    by_trial: bool = False


@functools.cache
def base(kind: str, scratch: Path) -> Path:
    """A whole model of a kind, made once: mini, or a size of dummy weights with their type."""
    if kind == "mini":
        return MINI
    size, _, weights = kind.partition(" ")
    return dummy_weights.build(
        size, scratch / f"base-{size}-{weights}", 5, quantization=weights or "float16"
    )


def copied(source: Path, folder: Path) -> Path:
    """A copy whose weights are a link until they are replaced."""
    folder.mkdir(parents=True)
    for name in PARTS:
        if name == "model.bin":
            (folder / name).symlink_to(source / name)
        elif (source / name).exists():
            shutil.copy(source / name, folder)
    return folder


def changed(
    kind: str, change: Callable[[Path], Any], scratch: Path
) -> Callable[[Path], str | None]:
    def make(place: Path) -> str | None:
        change(copied(base(kind, scratch), place / "model"))
        return None

    return make


def write(name: str, content: bytes | str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names]


def setting(name: str, **values: Any) -> Callable[[Path], None]:
    """A JSON file with other values; None takes one out."""

    def change(folder: Path) -> None:
        known = json.loads((folder / name).read_text(encoding="utf-8")) | values
        kept = {key: value for key, value in known.items() if value is not None}
        (folder / name).write_text(json.dumps(kept), encoding="utf-8")

    return change


def weights(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: write("model.bin", change((folder / "model.bin").read_bytes()))(folder)


def array(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Other bytes of what follows an array's name in model.bin: rank, dimensions, type, length."""

    def of(content: bytes) -> bytes:
        sign = struct.pack("<H", len(name) + 1) + name.encode() + b"\0"
        place = content.index(sign) + len(sign)
        head = content[place : place + 40]
        new = change(head)
        assert new != head and len(new) == len(head)
        return content[:place] + new + content[place + 40 :]

    return weights(of)


def number(name: str, value: int) -> Callable[[Path], None]:
    """Another whole number; after rank 0, type and length."""

    def other(head: bytes) -> bytes:
        (length,) = struct.unpack_from("<I", head, 2)
        return head[:6] + value.to_bytes(length, "little", signed=True) + head[6 + length :]

    return array(name, other)


def swapped(name: str, other: str, scratch: Path) -> Callable[[Path], None]:
    return lambda folder: shutil.copy(base(other, scratch) / name, folder / name)
