"""Dummy weights: Whisper models of the real sizes with seeded random weights.

The idea is that of vLLM's `--load-format dummy`: how long a model takes depends on the shapes of
its matrices, not on the numbers in them. A folder written here has the exact architecture of an
OpenAI Whisper model in CTranslate2's format and is loaded by the unchanged `WhisperModel`; it is
made from numpy and `ctranslate2.specs` alone, without network or torch. Its text means nothing.

Plain random weights would not do: the decoder would stop at random places, and faster-whisper
would decode the same window again at higher temperatures. So a walk is planted in the decoder.
Its last feed-forward layer is a key-value memory (Geva et al. 2021, "Transformer Feed-Forward
Layers Are Key-Value Memories"): it recognises the token that was read last and writes the next,

    <|startoftranscript|> → <|en|> → <|transcribe|> → <|0.00|> → N text tokens → <|30.00|> → end.

Every 30 s window therefore gives N text tokens with a log-probability near 0, language "en" and
no-speech probability near 0: with any audio, any beam size and all default options. All other
weights are random but small, so that they compute what the real ones do and change nothing.

In every row of every matrix the weights in columns 2j and 2j + 1 have opposite signs. CPUs without
VNNI multiply int8 matrices with instructions that add such a pair of products in 16 bits and clip
what does not fit, which would lose the walk there; so no pair can be too large, and every int8
kernel gives the same integers (`_check_neighbours` has the arithmetic).

The same arguments give the same bytes with any version of numpy and on any machine: only raw
output of the PCG64 bit generator is used (which numpy keeps stable, unlike its distributions),
and no BLAS or LAPACK.

Measured on a vCPU of an AMD EPYC, float16, seconds and peak memory in GB: tiny 0.5 and 0.18, base
0.7 and 0.27, small 2.2 and 0.65, large-v3 18 and 3.44 (of which 3.09 are the model).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parallel_transcription.inputs.dummy_layers import Layers, Random
from parallel_transcription.inputs.dummy_vocabulary import (
    FIRST_WORD,
    TEXT_TOKENS,
    Vocabulary,
    write_tokenizer,
)

if TYPE_CHECKING:
    import numpy as np

RECIPE_VERSION = 2
DEFAULT_TOKENS = 96
MAX_TOKENS = 200
QUANTIZATIONS = ("float16", "float32", "int8", "int8_float16", "int8_float32")
MANIFEST = "dummy.json"


@dataclass(frozen=True)
class Architecture:
    """Dimensions of a Whisper model, from `ModelDimensions` of openai/whisper."""

    width: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    mel_bins: int
    vocabulary: int


ARCHITECTURES = {
    "tiny": Architecture(384, 4, 4, 6, 80, 51865),
    "base": Architecture(512, 6, 6, 8, 80, 51865),
    "small": Architecture(768, 12, 12, 12, 80, 51865),
    "medium": Architecture(1024, 24, 24, 16, 80, 51865),
    "large-v2": Architecture(1280, 32, 32, 20, 80, 51865),
    "large-v3": Architecture(1280, 32, 32, 20, 128, 51866),
    "large-v3-turbo": Architecture(1280, 32, 4, 20, 128, 51866),
}

_AUDIO_POSITIONS = 1500
_TEXT_POSITIONS = 448


class DummyError(ValueError):
    """Arguments that no dummy model can have; the message says which and what is possible."""


def build(
    size: str,
    folder: str | os.PathLike[str],
    tokens: int = DEFAULT_TOKENS,
    seed: int = 0,
    quantization: str = "float16",
) -> Path:
    """Write a dummy model of this size into `folder` and return the folder.

    `tokens` text tokens per window (1 … 200), `seed` ≥ 0, `quantization` of the weights on disk
    (one of QUANTIZATIONS; published models have float16). The folder holds what `WhisperModel`
    reads (model.bin, config.json, vocabulary.json, tokenizer.json, preprocessor_config.json) and
    `dummy.json` with the arguments, and with size and SHA-256 of each file. It appears whole or
    not at all: everything is written beside it, then renamed; a folder already there is replaced.

    Raises DummyError for wrong arguments and OSError if the disk is full or not writable.
    """
    check_arguments(size, tokens, seed, quantization)
    target = Path(os.path.abspath(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".tmp", dir=target.parent))
    try:
        vocabulary = Vocabulary.of(ARCHITECTURES[size].vocabulary)
        spec = _specification(ARCHITECTURES[size], vocabulary, tokens, seed)
        spec.validate()
        _check_neighbours(spec)
        # Plain "int8" would leave the other weights in float16, the type they are drawn in.
        spec.optimize(quantization="int8_float32" if quantization == "int8" else quantization)
        spec.save(str(work))
        del spec
        write_tokenizer(work / "tokenizer.json", vocabulary)
        _write_preprocessor(work / "preprocessor_config.json", ARCHITECTURES[size].mel_bins)
        _write_manifest(work, size, tokens, seed, quantization)
        work.chmod(0o755)
        _put_in_place(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def check_arguments(size: str, tokens: int, seed: int, quantization: str) -> None:
    """Raise DummyError unless `build` can make this model."""
    if size not in ARCHITECTURES:
        raise DummyError(f"no dummy size {size!r}; there are {', '.join(ARCHITECTURES)}")
    if isinstance(tokens, bool) or not isinstance(tokens, int) or not 1 <= tokens <= MAX_TOKENS:
        raise DummyError(f"tokens must be a whole number from 1 to {MAX_TOKENS}, not {tokens!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise DummyError(f"seed must be a whole number from 0, not {seed!r}")
    if quantization not in QUANTIZATIONS:
        raise DummyError(f"no quantization {quantization!r}; there are {', '.join(QUANTIZATIONS)}")


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What `dummy.json` of a folder says, or None if there is none that can be read."""
    try:
        manifest = json.loads(Path(folder, MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


# ----------------------------------------------------------------------------------- weights


def _specification(shape: Architecture, vocabulary: Vocabulary, tokens: int, seed: int) -> Any:
    """A filled `WhisperSpec`; all weights in float16."""
    from ctranslate2.specs import whisper_spec

    layers = Layers(shape.width, Random(seed))
    spec = whisper_spec.WhisperSpec(
        shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads
    )
    _fill_encoder(spec.encoder, shape, layers)
    _fill_decoder(spec.decoder, layers)
    _plant_walk(spec.decoder, vocabulary, tokens, layers)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight  # tied, as in Whisper
    spec.register_vocabulary(list(vocabulary.tokens))
    ids = vocabulary.ids()
    spec.config.suppress_ids = [1, 2, 7, 8, 9, 10, 14, 25]
    spec.config.suppress_ids_begin = [220, ids["<|endoftext|>"]]
    spec.config.lang_ids = [ids[f"<|{language}|>"] for language in vocabulary.languages]
    spec.config.alignment_heads = [
        [layer, head]
        for layer in range(shape.decoder_layers // 2, shape.decoder_layers)
        for head in range(shape.heads)
    ]
    return spec


def _fill_encoder(encoder: Any, shape: Architecture, layers: Layers) -> None:
    layers.convolution(encoder.conv1, shape.mel_bins)
    layers.convolution(encoder.conv2, shape.width)
    encoder.position_encodings.encodings = _sinusoids(_AUDIO_POSITIONS, shape.width)
    for layer in encoder.layer:
        layers.attention(layer.self_attention)
        layers.feed_forward(layer.ffn)
    layers.norm(encoder.layer_norm)


def _fill_decoder(decoder: Any, layers: Layers) -> None:
    decoder.scale_embeddings = False
    for layer in decoder.layer:
        layers.attention(layer.self_attention)
        layers.attention(layer.attention, cross=True)
        layers.feed_forward(layer.ffn)
    decoder.position_encodings.encodings = layers.random.weights(
        1e-3, _TEXT_POSITIONS, layers.width
    )


def _sinusoids(length: int, width: int) -> np.ndarray:
    """Whisper's fixed positions of the encoder (`sinusoids` in openai/whisper), float16."""
    import numpy

    scales = numpy.exp(-numpy.log(10000) / (width // 2 - 1) * numpy.arange(width // 2))
    angles = numpy.arange(length)[:, None] * scales
    return numpy.concatenate([numpy.sin(angles), numpy.cos(angles)], axis=1).astype("float16")


# -------------------------------------------------------------------------- the planted walk


class _Walk:
    """Which state a token puts the decoder in, which state follows, and what it emits.

    States 0 … 7 are those of special tokens; from 8 on each text token of a window has its own.
    A text token belongs to one of them by its id, so that any text leads back into the walk.
    """

    START, LANGUAGE, TASK, NO_TIMESTAMPS, FIRST_TIME, LAST_TIME, END, OTHER, TEXT = range(9)

    def __init__(self, vocabulary: Vocabulary, tokens: int, random: Random):
        self.count = self.TEXT + tokens
        last_text = self.count - 1
        ids = vocabulary.ids()
        self.state_of = self._states(vocabulary, ids, tokens)
        self.next = {
            self.START: self.LANGUAGE,
            self.LANGUAGE: self.TASK,
            self.TASK: self.FIRST_TIME,
            self.NO_TIMESTAMPS: self.TEXT,
            self.FIRST_TIME: self.TEXT,
            self.LAST_TIME: self.END,
            self.END: self.END,
            **{state: state + 1 for state in range(self.TEXT, last_text)},
            last_text: self.LAST_TIME,
        }
        # The token that a state emits; the others of the state are runners-up for beam search.
        self.emits = {
            self.START: ids["<|startoftranscript|>"],
            self.LANGUAGE: ids["<|en|>"],
            self.TASK: ids["<|transcribe|>"],
            self.NO_TIMESTAMPS: ids["<|notimestamps|>"],
            self.FIRST_TIME: ids["<|0.00|>"],
            self.LAST_TIME: ids["<|30.00|>"],
            self.END: ids["<|endoftext|>"],
        }
        for state in range(self.TEXT, self.count):
            first = FIRST_WORD + (state - self.TEXT - FIRST_WORD) % tokens
            self.emits[state] = random.choice(range(first, TEXT_TOKENS - 1, tokens))

    def _states(self, vocabulary: Vocabulary, ids: dict[str, int], tokens: int) -> list[int]:
        states = [self.OTHER] * len(vocabulary.tokens)
        for token in range(TEXT_TOKENS):
            states[token] = self.TEXT + token % tokens
        first_time = ids["<|0.00|>"]
        for token in range(first_time, len(states)):
            early = token <= first_time + 50  # the first second, where Whisper may begin
            states[token] = self.FIRST_TIME if early else self.LAST_TIME
        for language in vocabulary.languages:
            states[ids[f"<|{language}|>"]] = self.LANGUAGE
        states[ids["<|startoftranscript|>"]] = self.START
        states[ids["<|transcribe|>"]] = states[ids["<|translate|>"]] = self.TASK
        states[ids["<|notimestamps|>"]] = self.NO_TIMESTAMPS
        states[ids["<|endoftext|>"]] = self.END
        return states


def _plant_walk(decoder: Any, vocabulary: Vocabulary, tokens: int, layers: Layers) -> None:
    """Set the embeddings and the last feed-forward layer so that the decoder takes the walk."""
    import numpy

    width = layers.width
    walk = _Walk(vocabulary, tokens, layers.random)
    directions = _directions(walk.count, width // 2)
    radius = 0.5 * width**0.5  # the length of every token's embedding
    decoder.embeddings.weight = _embeddings(walk, directions, radius, layers)

    # Hidden unit 2s of the memory fires if the cosine of its input and direction s is above the
    # threshold, and then writes the direction of the next state with more than 4 times the
    # length of an embedding. The odd units stay random, small and of the opposite sign.
    memory = decoder.layer[-1].ffn
    gain, threshold = 20.0 / width**0.5, 0.35
    for state, successor in walk.next.items():
        unit = 2 * state
        memory.linear_0.weight[unit] = _opposed(gain * directions[state])
        memory.linear_0.bias[unit] = -gain * width**0.5 * threshold
        written, neighbour = memory.linear_1.weight[:, unit : unit + 2].T
        written[:] = _opposed(radius * directions[successor])
        numpy.copysign(neighbour, -written, out=neighbour)
    memory.layer_norm.gamma[:] = 1
    memory.layer_norm.beta[:] = 0
    layers.norm(decoder.layer_norm, 40.0 / (width**0.5 * radius))


def _opposed(half: np.ndarray) -> np.ndarray:
    """Each number h of the last axis becomes (h, -h) / √2; vectors keep their length."""
    import numpy

    half = half * numpy.float32(0.5**0.5)
    return numpy.stack([half, -half], axis=-1).reshape(*half.shape[:-1], -1)


def _directions(count: int, width: int) -> np.ndarray:
    """Directions of the states, to be widened by `_opposed`; (count, width), float32.

    Orthonormal: rows 1 … width - 1 of a cosine transform. The few states beyond (only `tiny` can
    have any) get unit vectors, whose cosine to those is at most √(2 / width), a tenth.
    """
    import numpy

    waves = min(count, width - 1)
    angles = numpy.arange(1, waves + 1)[:, None] * (2 * numpy.arange(width) + 1)
    directions = numpy.eye(count, width, -waves, numpy.float32)
    directions[:waves] = (2 / width) ** 0.5 * numpy.cos(numpy.pi / (2 * width) * angles)
    return directions


def _embeddings(walk: _Walk, directions: np.ndarray, radius: float, layers: Layers) -> np.ndarray:
    """A vector of length `radius` per token: its state's direction, pure or with noise."""
    import numpy

    width, rows = layers.width, 4096
    states = numpy.array(walk.state_of)
    result = numpy.empty((len(states), width), numpy.float16)
    for first in range(0, len(states), rows):  # in parts: the whole in float32 takes too much
        part = directions[states[first : first + rows]]
        # Every second number: their signs are independent.
        noise = layers.random.weights((width // 2) ** -0.5, len(part), width)[:, ::2]
        vectors = numpy.float32(0.6) * part + numpy.float32(0.8) * noise.astype(numpy.float32)
        lengths = numpy.sqrt(numpy.square(vectors).sum(axis=1, keepdims=True))
        result[first : first + rows] = _opposed(vectors * (numpy.float32(radius) / lengths))
    for state, token in walk.emits.items():
        result[token] = _opposed(numpy.float32(radius) * directions[state])
    return result


def _check_neighbours(spec: Any) -> None:
    """Raise RuntimeError unless no int8 product of this model can saturate.

    Without VNNI, oneDNN shifts activations to 0 … 255 and adds the products of columns 2j and
    2j + 1 in signed 16 bits (vpmaddubsw), which end at 32,767. CTranslate2 scales each row of
    weights to -127 … 127, so two could make 255 · (127 + 127) = 64,770. Of opposite signs, their
    sum lies between the two products, within ±255 · 127 = ±32,385, and nothing is clipped.
    """
    import numpy

    rows = 256
    for name, variable in spec.variables(ordered=True):
        if not name.endswith("/weight"):  # CTranslate2 keeps all others as floating point
            continue
        matrix = variable.numpy()
        pairs = matrix.reshape(len(matrix), -1).view("<u4")  # two float16, signs in bits 15 and 31
        for first in range(0, len(pairs), rows):
            part = pairs[first : first + rows]
            signs = numpy.bitwise_and.reduce(part ^ (part << 16), axis=1)
            if (signs < 0x80000000).any():
                row = first + int((signs < 0x80000000).argmax())
                raise RuntimeError(f"{name}, row {row}: neighbouring weights have the same sign")


# --------------------------------------------------------------------------------- the files


def _write_preprocessor(path: Path, mel_bins: int) -> None:
    values = {
        "chunk_length": 30,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": mel_bins,
        "hop_length": 160,
        "n_fft": 400,
        "n_samples": 480000,
        "nb_max_frames": 3000,
        "sampling_rate": 16000,
    }
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _write_manifest(folder: Path, size: str, tokens: int, seed: int, quantization: str) -> None:
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
    manifest = {
        "note": "Dummy weights: random numbers, for measuring speed and memory. No real text.",
        "size": size,
        "tokens": tokens,
        "seed": seed,
        "quantization": quantization,
        "recipe_version": RECIPE_VERSION,
        "files": files,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    Path(folder, MANIFEST).write_text(text, encoding="utf-8")


def _put_in_place(work: Path, target: Path) -> None:
    """Rename a finished folder; what was in its place goes away only after that."""
    old = None
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".old", dir=target.parent))
        os.rename(target, old / "replaced")
    try:
        os.rename(work, target)
    except OSError:
        if old is not None:
            with contextlib.suppress(OSError):
                os.rename(old / "replaced", target)
        raise
    finally:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
