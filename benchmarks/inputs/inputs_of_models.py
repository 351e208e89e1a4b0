"""Models of every kind that people name, each with what must become of it. See `try_inputs.py`.

Made of the embedded model and of dummy weights of several shapes. What is right: a model is taken
if faster-whisper loads it and does what is asked, and refused before any job if not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import damaged_models
from making_models import (
    MINI,
    SHAPES,
    Model,
    changed,
    copied,
    remove,
    setting,
    write,
)

from parallel_transcription.inputs import dummy_weights


def good(scratch: Path) -> Iterator[Model]:
    for kind in (
        "mini",
        "tiny",
        "tiny float32",
        "tiny int8",
        "tiny int8_float16",
        "tiny int8_float32",
        "base",
        *SHAPES,
    ):
        yield Model(kind, changed(kind, lambda folder: None, scratch), True)
        yield Model(
            f"{kind}, words",
            changed(kind, lambda folder: None, scratch),
            True,
            asked={"word_timestamps": True},
        )
    for language in ("auto", "de", "haw"):
        yield Model(
            f"tiny in {language}",
            changed("tiny", lambda folder: None, scratch),
            True,
            asked={"language": language},
        )
    yield Model(
        "turbo in yue",
        changed("turbo-shaped", lambda folder: None, scratch),
        True,
        asked={"language": "yue"},
    )
    yield Model(
        "mini in auto",
        changed("mini", lambda folder: None, scratch),
        True,
        asked={"language": "auto"},
    )
    for kind in ("float32", "int8_float32"):
        yield Model(
            f"mini in {kind}",
            changed("mini", lambda folder: None, scratch),
            True,
            asked={"compute_type": kind},
        )

    def as_text(end: str) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            tokens = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
            write("vocabulary.txt", end.join(tokens) + end)(folder)
            remove("vocabulary.json")(folder)

        return change

    config = setting("config.json", alignment_heads=None)
    for name, kind, change in (
        ("vocabulary.txt", "tiny", as_text("\n")),
        ("vocabulary.txt of Windows", "tiny", as_text("\r\n")),
        ("no preprocessor", "mini", remove("preprocessor_config.json")),
        ("no heads", "mini", config),
        ("no lang_ids", "mini", setting("config.json", lang_ids=None)),
        ("usual suppressed", "tiny", setting("config.json", suppress_ids=[-1])),
        ("more in config", "tiny", setting("config.json", _name="x", num_mel_bins=80)),
        ("other files beside", "mini", write("model.safetensors", "x")),
        ("README beside", "mini", write("README.md", "x")),
    ):
        yield Model(name, changed(kind, change, scratch), True)
    for name in ("with space", "it's", "🎙", "-rf", "a$(b)", "[1]", "two.parts", "n" * 200):

        def make(place: Path, name: str = name) -> str:
            copied(MINI, place / name)
            return f"./{name}"

        yield Model(f"named {name}", make, True)

    def linked(place: Path) -> None:
        copied(MINI, place / "there")
        (place / "model").symlink_to("there")

    yield Model("link to a folder", linked, True)
    yield Model("whole path", lambda place: str(copied(MINI, place / "model")), True)


def options(scratch: Path) -> Iterator[Model]:
    """Good models that are asked for what they have not."""
    for name, kind, change, asked, says in (
        ("mini in de", "mini", lambda f: None, {"language": "de"}, "English alone"),
        ("tiny in yue", "tiny", lambda f: None, {"language": "yue"}, "no token for 'yue'"),
        ("distil in yue", "distil-shaped", lambda f: None, {"language": "yue"}, "no token"),
        (
            "words without heads",
            "tiny",
            setting("config.json", alignment_heads=None),
            {"word_timestamps": True},
            "no alignment_heads",
        ),
        (
            "words with empty heads",
            "mini",
            setting("config.json", alignment_heads=[]),
            {"word_timestamps": True},
            "no alignment_heads",
        ),
        (
            "auto without ids",
            "tiny",
            setting("config.json", lang_ids=None),
            {"language": "auto"},
            "no lang_ids",
        ),
        (
            "auto with ids of words",
            "tiny",
            setting("config.json", lang_ids=[300, 301]),
            {"language": "auto"},
            "lang_ids",
        ),
    ):
        yield Model(name, changed(kind, change, scratch), False, says, asked)


def elsewhere(scratch: Path) -> Iterator[Model]:
    """Folders of other programs, and what is no folder."""
    for name, there, says in (
        ("Transformers", ("model.safetensors", "config.json", "tokenizer.json"), "converter"),
        ("Transformers, old", ("pytorch_model.bin", "config.json", "vocab.json"), "converter"),
        ("Transformers in parts", ("model-00001-of-00002.safetensors", "config.json"), "converter"),
        ("Flax", ("flax_model.msgpack", "config.json"), "converter"),
        ("TensorFlow", ("tf_model.h5", "config.json"), "converter"),
        ("LoRA", ("adapter_config.json", "adapter_model.safetensors"), "LoRA"),
        ("whisper.cpp", ("ggml-base.bin",), "whisper.cpp"),
        ("OpenAI", ("base.pt",), "OpenAI"),
        ("ONNX", ("encoder_model.onnx", "decoder_model.onnx", "config.json"), "ONNX"),
        ("OpenVINO", ("openvino_encoder_model.xml", "openvino_encoder_model.bin"), "OpenVINO"),
        ("MLX", ("weights.npz", "config.json"), "MLX"),
        ("GGUF", ("whisper-base.gguf",), "GGUF|whisper"),
        ("NeMo", ("parakeet.nemo",), "NeMo"),
        ("a download that is not done", ("model.bin.incomplete", "config.json"), "model.bin"),
        ("parts of a model", ("model.bin.part1", "model.bin.part2"), "model.bin"),
        ("nothing", (), "model.bin"),
        ("music", ("a.mp3",), "model.bin"),
    ):

        def make(place: Path, there: tuple[str, ...] = there) -> None:
            (place / "model").mkdir()
            for file in there:
                (place / "model" / file).write_text("{}")

        yield Model(name, make, False, says)

    def cache(place: Path) -> None:
        copied(MINI, place / "model" / "snapshots" / ("0" * 40))
        (place / "model" / "blobs").mkdir()
        (place / "model" / "refs").mkdir()

    yield Model("a hub's cache", cache, False, "snapshots")
    yield Model(
        "a folder too high",
        lambda place: copied(MINI, place / "model" / "inner") and None,
        False,
        "inner",
    )
    yield Model("no such folder", lambda place: None, False, "no folder")
    yield Model("a file", lambda place: (place / "model").write_text("x") and None, False, "file")
    yield Model("a pipe", lambda place: os.mkfifo(place / "model"), False, "file")
    yield Model("a loop", lambda place: (place / "model").symlink_to("model"), False)
    yield Model("a device", lambda place: (place / "model").symlink_to("/dev/zero"), False, "file")
    yield Model(
        "its model.bin",
        lambda place: f"./{copied(MINI, place / 'm').name}/model.bin",
        False,
        "file",
    )


def everything(scratch: Path) -> Iterator[Model]:
    dummy_weights.ARCHITECTURES.update(SHAPES)
    damaged = (damaged_models.details, damaged_models.mixed, damaged_models.files)
    for kind in (elsewhere, options, *damaged, good):
        yield from kind(scratch)
