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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

# In the order of the language tokens of openai/whisper; the last one only exists since large-v3.
_LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no "
    "th ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw "
    "gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl "
    "mg as tt haw ln ha ba jw su yue"
)
LANGUAGES = tuple(_LANGUAGES.split())
TEXT_TOKENS = 50257  # ids 0 … 50256; the last one is empty, CTranslate2's sign of "multilingual"
_FIRST_WORD = 257  # ids below are single bytes, which would look odd as text
_TIMESTAMPS = 1501  # <|0.00|> … <|30.00|> in steps of 0.02 s
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
        vocabulary = Vocabulary.of(ARCHITECTURES[size])
        spec = _specification(ARCHITECTURES[size], vocabulary, tokens, seed)
        spec.validate()
        _check_neighbours(spec)
        # Plain "int8" would leave the other weights in float16, the type they are drawn in.
        spec.optimize(quantization="int8_float32" if quantization == "int8" else quantization)
        spec.save(str(work))
        del spec
        _write_tokenizer(work / "tokenizer.json", vocabulary)
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
        raise DummyError(f"No dummy size {size!r}; there are {', '.join(ARCHITECTURES)}.")
    if isinstance(tokens, bool) or not isinstance(tokens, int) or not 1 <= tokens <= MAX_TOKENS:
        raise DummyError(f"tokens must be a whole number from 1 to {MAX_TOKENS}, not {tokens!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise DummyError(f"seed must be a whole number from 0, not {seed!r}.")
    if quantization not in QUANTIZATIONS:
        raise DummyError(f"No quantization {quantization!r}; there are {', '.join(QUANTIZATIONS)}.")


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What `dummy.json` of a folder says, or None if there is none that can be read."""
    try:
        manifest = json.loads(Path(folder, MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


# -------------------------------------------------------------------------------- vocabulary


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a Whisper model: invented words, then Whisper's own special tokens."""

    tokens: tuple[str, ...]
    languages: tuple[str, ...]
    special: int  # how many follow the text tokens before the timestamps

    @classmethod
    def of(cls, architecture: Architecture) -> Vocabulary:
        """The vocabulary with as many tokens and languages as this architecture has."""
        languages = LANGUAGES[: architecture.vocabulary - 51766]
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
        assert len(tokens) == architecture.vocabulary == len(set(tokens))
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


# ----------------------------------------------------------------------------------- weights


_CHUNK = 1 << 18


class _Random:
    """Random weights from raw 64-bit numbers of PCG64, each cut into four of 16 bits."""

    def __init__(self, seed: int):
        import numpy

        self._numpy = numpy
        self._bits = numpy.random.PCG64(seed)
        self._tables: dict[float, np.ndarray] = {}

    def weights(self, deviation: float, *shape: int) -> np.ndarray:
        """Uniformly distributed around 0 with this standard deviation, float16.

        Numbers 2j and 2j + 1 have opposite signs.
        """
        numpy = self._numpy
        count = 1
        for length in shape:
            count *= length
        raw = self._bits.random_raw((count + 3) // 4).astype("<u8", copy=False)
        pairs = raw.view("<u4")  # number 2j in the lower half, 2j + 1 above it; bit 15 is a sign
        indices = raw.view("<u2")[:count]
        table = self._table(deviation)
        result = numpy.empty(count, numpy.float16)
        for first in range(0, count, _CHUNK):  # `take` makes indices of 8 bytes from those of 2
            pair = pairs[first // 2 : (first + _CHUNK) // 2]
            pair[:] = (pair & 0x7FFFFFFF) | ((~pair & 0x8000) << 16)
            part = slice(first, first + _CHUNK)
            numpy.take(table, indices[part], out=result[part], mode="clip")
        return result.reshape(shape)

    def _table(self, deviation: float) -> np.ndarray:
        """The float16 weight for each of the 65536 patterns of 16 bits, read as signed numbers.

        They are looked up because converting each weight would take ten times as long: many are
        subnormal in float16.
        """
        numpy = self._numpy
        if deviation not in self._tables:
            values = numpy.arange(-32768, 32768, dtype=numpy.float32) + numpy.float32(0.5)
            values *= numpy.float32(deviation * 3**0.5 / 32768)
            self._tables[deviation] = numpy.roll(values, 32768).astype(numpy.float16)
        return self._tables[deviation]

    def choice(self, items: Sequence[int]) -> int:
        """One of the items."""
        return int(items[int(self._bits.random_raw()) % len(items)])


class _Layers:
    """Fills the layers of a CTranslate2 specification with random weights."""

    def __init__(self, width: int, random: _Random):
        self.width = width
        self.random = random
        self.inner = width**-0.5  # keeps the size of what goes in
        self.outer = 0.1 / width  # keeps branches small beside the residual stream

    def linear(self, spec: Any, rows: int, columns: int, deviation: float) -> None:
        """A matrix of this shape and a bias."""
        spec.weight = self.random.weights(deviation, rows, columns)
        spec.bias = self.random.weights(1e-3, rows)

    def norm(self, spec: Any, gain: float = 1.0) -> None:
        """A layer norm. Not exactly `gain` and 0: CTranslate2 would alias equal arrays."""
        gamma = 1 + self.random.weights(1e-3, self.width).astype("float32")
        spec.gamma = (gain * gamma).astype("float16")
        spec.beta = self.random.weights(1e-4, self.width)

    def convolution(self, spec: Any, channels: int) -> None:
        """A convolution of kernel size 3 from this many channels."""
        spec.weight = self.random.weights((channels * 3) ** -0.5, self.width, channels, 3)
        spec.bias = self.random.weights(1e-3, self.width)

    def attention(self, spec: Any, cross: bool = False) -> None:
        """Self-attention (query, key and value in one matrix) or cross-attention (query apart)."""
        self.norm(spec.layer_norm)
        rows = (1, 2, 1) if cross else (3, 1)
        for matrix, (layer, factor) in enumerate(zip(spec.linear, rows, strict=True), start=1):
            deviation = self.outer if matrix == len(rows) else self.inner
            self.linear(layer, factor * self.width, self.width, deviation)

    def feed_forward(self, spec: Any) -> None:
        """Two matrices with four times the width between them."""
        self.norm(spec.layer_norm)
        self.linear(spec.linear_0, 4 * self.width, self.width, self.inner)
        self.linear(spec.linear_1, self.width, 4 * self.width, self.outer / 2)


def _specification(shape: Architecture, vocabulary: Vocabulary, tokens: int, seed: int) -> Any:
    """A filled `WhisperSpec`; all weights in float16."""
    from ctranslate2.specs import whisper_spec

    layers = _Layers(shape.width, _Random(seed))
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


def _fill_encoder(encoder: Any, shape: Architecture, layers: _Layers) -> None:
    layers.convolution(encoder.conv1, shape.mel_bins)
    layers.convolution(encoder.conv2, shape.width)
    encoder.position_encodings.encodings = _sinusoids(_AUDIO_POSITIONS, shape.width)
    for layer in encoder.layer:
        layers.attention(layer.self_attention)
        layers.feed_forward(layer.ffn)
    layers.norm(encoder.layer_norm)


def _fill_decoder(decoder: Any, layers: _Layers) -> None:
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

    def __init__(self, vocabulary: Vocabulary, tokens: int, random: _Random):
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
            first = _FIRST_WORD + (state - self.TEXT - _FIRST_WORD) % tokens
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


def _plant_walk(decoder: Any, vocabulary: Vocabulary, tokens: int, layers: _Layers) -> None:
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


def _embeddings(walk: _Walk, directions: np.ndarray, radius: float, layers: _Layers) -> np.ndarray:
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


def _write_tokenizer(path: Path, vocabulary: Vocabulary) -> None:
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
    model = {
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
