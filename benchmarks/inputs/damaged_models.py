"""Models of which something is damaged, missing or of another model. See `try_inputs.py`."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from making_models import (
    PARTS,
    Model,
    array,
    changed,
    number,
    remove,
    setting,
    swapped,
    weights,
    write,
)


def files(scratch: Path) -> Iterator[Model]:
    """Files that are missing, damaged, of another model, or no files."""
    for name in PARTS:
        stem = name.partition(".")[0]
        bad = name != "preprocessor_config.json"
        if bad:
            yield Model(f"no {name}", changed("tiny", remove(name), scratch), False, stem)
        for what, content in (
            ("empty", b""),
            ("zeros", bytes(4000)),
            ("text", b"not found\n"),
            ("page", b"<html>404</html>"),
            ("pointer", b"version https://git-lfs.github.com/spec/v1\noid x\n"),
        ):
            yield Model(
                f"{what} {name}", changed("tiny", write(name, content), scratch), False, stem
            )
        if name != "model.bin":
            yield Model(f"list {name}", changed("tiny", write(name, "[]"), scratch), False, stem)
        yield Model(
            f"folder {name}",
            changed("tiny", lambda f, n=name: ((f / n).unlink(), (f / n).mkdir()), scratch),
            False,
            stem,
        )
        yield Model(
            f"pipe {name}",
            changed("tiny", lambda f, n=name: ((f / n).unlink(), os.mkfifo(f / n)), scratch),
            False,
            stem,
        )
        yield Model(
            f"lost link {name}",
            changed(
                "tiny", lambda f, n=name: ((f / n).unlink(), (f / n).symlink_to("nowhere")), scratch
            ),
            False,
            stem,
        )
        yield Model(
            f"loop {name}",
            changed("tiny", lambda f, n=name: ((f / n).unlink(), (f / n).symlink_to(n)), scratch),
            False,
            stem,
        )
    for share in (0.01, 0.5, 0.99):
        yield Model(
            f"model.bin cut at {share}",
            changed("tiny", weights(lambda c, s=share: c[: int(s * len(c))]), scratch),
            False,
            "cut off",
        )
        yield Model(
            f"tokenizer.json cut at {share}",
            changed(
                "tiny",
                lambda f, s=share: write(
                    "tokenizer.json", (c := (f / "tokenizer.json").read_bytes())[: int(s * len(c))]
                )(f),
                scratch,
            ),
            False,
            "tokenizer.json",
        )
    yield Model(
        "model.bin twice", changed("mini", weights(lambda c: c * 2), scratch), False, "many"
    )
    yield Model(
        "model.bin and a line", changed("mini", weights(lambda c: c + b"\n"), scratch), False
    )


def mixed(scratch: Path) -> Iterator[Model]:
    """Files of different models in one folder."""
    for kind, other in (
        ("tiny", "mini"),
        ("mini", "tiny"),
        ("tiny", "turbo-shaped"),
        ("turbo-shaped", "tiny"),
    ):
        for name in (
            "tokenizer.json",
            "vocabulary.json",
            "preprocessor_config.json",
            "config.json",
        ):
            mels = {"mini": 80, "tiny": 80, "turbo-shaped": 128}
            if name == "preprocessor_config.json" and mels[kind] == mels[other]:
                continue
            if name == "config.json" and {kind, other} == {"tiny", "turbo-shaped"}:
                continue
            harmless = False
            yield Model(
                f"{name} of {other} in {kind}",
                changed(kind, swapped(name, other, scratch), scratch),
                harmless,
                "" if harmless else name.partition(".")[0],
            )
    yield Model(
        "turbo without preprocessor",
        changed("turbo-shaped", remove("preprocessor_config.json"), scratch),
        False,
        "128 mel bins",
    )


def details(scratch: Path) -> Iterator[Model]:
    """Values that the engine or faster-whisper cannot work with."""
    preprocessor, config = "preprocessor_config.json", "config.json"
    for name, value in (
        ("feature_size", "80"),
        ("feature_size", 80.5),
        ("feature_size", 128),
        ("sampling_rate", 8000),
        ("sampling_rate", "16000"),
        ("hop_length", 0),
        ("hop_length", 320),
        ("n_fft", 0),
        ("n_fft", 512),
        ("chunk_length", 0),
        ("chunk_length", 10),
        ("chunk_length", "30"),
        ("hop_length", 160.5),
    ):
        yield Model(
            f"{name}: {value!r}",
            changed("tiny", setting(preprocessor, **{name: value}), scratch),
            False,
            name,
        )
    for name, text, says in (
        ("not a number", '{"suppress_ids": [], "suppress_ids_begin": [], "x": NaN}', "config.json"),
        ("a trailing comma", '{"suppress_ids": [], "suppress_ids_begin": [],}', "config.json"),
        ("a remark", '{"suppress_ids": [], /* no */ "suppress_ids_begin": []}', "config.json"),
        (
            "half a letter",
            '{"suppress_ids": [], "suppress_ids_begin": [], "x": "\\ud800"}',
            "config",
        ),
        ("nothing suppressed", "{}", "suppress_ids"),
        (
            "suppressed in words",
            '{"suppress_ids": ["a"], "suppress_ids_begin": []}',
            "suppress_ids",
        ),
        ("suppressed: null", '{"suppress_ids": null, "suppress_ids_begin": []}', "suppress_ids"),
        ("suppressed: a half", '{"suppress_ids": [0.5], "suppress_ids_begin": []}', "suppress_ids"),
        (
            "heads beyond",
            '{"suppress_ids": [], "suppress_ids_begin": [], "alignment_heads": [[30, 10]]}',
            "alignment_heads",
        ),
        (
            "heads: null",
            '{"suppress_ids": [], "suppress_ids_begin": [], "alignment_heads": null}',
            "alignment_heads",
        ),
        (
            "languages: null",
            '{"suppress_ids": [], "suppress_ids_begin": [], "lang_ids": null}',
            "lang_ids",
        ),
        (
            "languages beyond",
            '{"suppress_ids": [], "suppress_ids_begin": [], "lang_ids": [99999]}',
            "lang_ids",
        ),
    ):
        yield Model(f"config: {name}", changed("tiny", write(config, text), scratch), False, says)
    yield from tokens(scratch)
    for name, change, by_trial in (
        ("version 3", weights(lambda c: b"\3" + c[1:]), False),
        ("version 9", weights(lambda c: b"\x09" + c[1:]), False),
        (
            "another kind",
            weights(lambda c: c.replace(b"WhisperSpec\0", b"Wav2Vec2Spe\0", 1)),
            False,
        ),
        ("a newer revision", weights(lambda c: _revised(c, 99)), True),
        ("no heads at all", number("decoder/num_heads", 0), False),
        ("heads that do not fit", number("decoder/num_heads", 5), False),
        ("negative heads", number("decoder/num_heads", -1), False),
        ("encoder's heads that do not fit", number("encoder/num_heads", 7), False),
        (
            "a lost array",
            weights(
                lambda c: c.replace(
                    b"layer_0/self_attention/linear_0/w", b"layer_0/self_attention/linear_0/x"
                )
            ),
            True,
        ),
        (
            "a narrow array",
            array("decoder/layer_norm/gamma", lambda h: b"\1\x10\0\0\0" + h[5:]),
            False,
        ),
        (
            "a wrong type",
            array("decoder/layer_norm/gamma", lambda h: h[:5] + b"\x09" + h[6:]),
            False,
        ),
    ):
        yield Model(f"weights: {name}", changed("tiny", change, scratch), False, by_trial=by_trial)


def _revised(content: bytes, revision: int) -> bytes:
    place = content.index(b"WhisperSpec\0") + 12
    return content[:place] + struct.pack("<I", revision) + content[place + 4 :]


def tokens(scratch: Path) -> Iterator[Model]:
    """Tokenizers and vocabularies that are JSON, and no tokenizer or vocabulary."""

    def tokenizer(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            values = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            change(values)
            write("tokenizer.json", json.dumps(values))(folder)

        return make

    def vocabulary(change: Callable[[list[Any]], Any]) -> Callable[[Path], None]:
        def make(folder: Path) -> None:
            values = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
            change(values)
            write("vocabulary.json", json.dumps(values))(folder)

        return make

    for name, change in (
        ("no kind", lambda t: t["model"].pop("type")),
        ("no merges", lambda t: t["model"].pop("merges")),
        ("unknown kind", lambda t: t["model"].update(type="XYZ")),
        ("merges of nothing", lambda t: t["model"].update(merges=["qq zz"])),
        ("no words", lambda t: t["model"].update(vocab={})),
        ("no added tokens", lambda t: t.update(added_tokens=[])),
        ("a wrong decoder", lambda t: t.update(decoder={"type": "None such"})),
        ("a newer version", lambda t: t.update(version="9.0")),
        ("ids in words", lambda t: t["model"]["vocab"].update({"a": "zero"})),
        ("negative ids", lambda t: t["added_tokens"][0].update(id=-1)),
        ("one added token without a content", lambda t: t["added_tokens"][0].pop("content")),
    ):
        yield Model(
            f"tokenizer: {name}",
            changed("tiny", tokenizer(change), scratch),
            name == "no kind",  # it is known by what it holds
            "token",
        )
    for name, change in (
        ("numbers", lambda v: v.__setitem__(slice(0, 9), range(9))),
        ("null", lambda v: v.__setitem__(3, None)),
        ("one less", lambda v: v.pop()),
        ("one more", lambda v: v.append("x")),
        ("turned round", lambda v: v.reverse()),
        ("the same word twice", lambda v: v.__setitem__(4, v[5])),
    ):
        good = name == "the same word twice"
        yield Model(
            f"vocabulary: {name}", changed("tiny", vocabulary(change), scratch), good, "vocab"
        )
    yield Model(
        "vocabulary: a mapping",
        changed(
            "tiny",
            lambda f: write(
                "vocabulary.json",
                json.dumps(
                    {t: n for n, t in enumerate(json.loads((f / "vocabulary.json").read_text()))}
                ),
            )(f),
            scratch,
        ),
        False,
        "vocabulary.json",
    )
