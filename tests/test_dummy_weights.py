"""Dummy weights: the real architectures, a fixed number of tokens, the same bytes every time."""

import hashlib
import json
import os
import platform
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from parallel_transcription.inputs import dummy_weights
from parallel_transcription.inputs.dummy_vocabulary import LANGUAGES, TEXT_TOKENS, Vocabulary
from parallel_transcription.inputs.dummy_weights import ARCHITECTURES, DummyError, build
from parallel_transcription.places import SCRIPTS

pytestmark = pytest.mark.slow  # builds and runs models

# Numbers in the published checkpoints (openai/whisper-*) in millions, token embeddings once.
PARAMETERS = {
    "tiny": 37.8,
    "base": 72.6,
    "small": 241.7,
    "medium": 763.9,
    "large-v2": 1543.3,
    "large-v3": 1543.5,
    "large-v3-turbo": 808.9,
}


def digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return build("tiny", tmp_path_factory.mktemp("dummy") / "tiny")


@pytest.fixture(scope="module")
def few_tokens(tmp_path_factory) -> Path:
    return build("tiny", tmp_path_factory.mktemp("dummy") / "few", tokens=7)


@pytest.fixture(scope="module")
def few_int8(tmp_path_factory) -> Path:
    return build("tiny", tmp_path_factory.mktemp("dummy") / "int8", tokens=7, quantization="int8")


@pytest.fixture(scope="module")
def model(few_tokens):
    """Seven tokens per window: as good a check as 96, and quicker."""
    from faster_whisper import WhisperModel

    return WhisperModel(str(few_tokens), device="cpu", compute_type="int8", cpu_threads=1)


def sound(kind: str, seconds: float):
    import numpy

    samples = int(seconds * 16000)
    if kind == "silence":
        return numpy.zeros(samples, numpy.float32)
    if kind == "noise":
        noise = numpy.random.default_rng(1).standard_normal(samples)
        return (0.1 * noise).astype(numpy.float32)
    times = numpy.arange(samples) / 16000
    return (0.5 * numpy.sin(times * (500 + 300 * times))).astype(numpy.float32)


def text_tokens(segment) -> int:
    return sum(token < TEXT_TOKENS - 1 for token in segment.tokens)


# ------------------------------------------------------------------------------------- bytes


def test_same_arguments_same_bytes(tiny, tmp_path):
    """In another process, with other threads, hash seed, folder and time."""
    code = (
        "import sys; from parallel_transcription.inputs import dummy_weights;"
        "dummy_weights.build('tiny', sys.argv[1])"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "OPENBLAS_NUM_THREADS": "2",
        "TZ": "Asia/Tokyo",
    }
    command = [sys.executable, "-c", code, str(tmp_path / "x" / "again")]
    subprocess.run(command, cwd=SCRIPTS, env=environment, check=True)
    assert digests(tmp_path / "x" / "again") == digests(tiny)


def test_bytes_are_those_of_the_recipe(tiny):
    """Whoever changes these bytes on purpose raises RECIPE_VERSION too."""
    assert dummy_weights.RECIPE_VERSION == 2
    assert digests(tiny)["model.bin"] == (
        "e89eb803fb948ea13a059c53f0336f1213a4423921b52a1a8f2be96996730549"
    )


def test_every_argument_changes_the_weights(tiny, few_tokens, few_int8, tmp_path):
    seeded = build("tiny", tmp_path / "seed", tokens=7, seed=1)
    found = {digests(folder)["model.bin"] for folder in (tiny, few_tokens, few_int8, seeded)}
    assert len(found) == 4
    sizes = [(folder / "model.bin").stat().st_size for folder in (few_tokens, few_int8, seeded)]
    assert sizes[0] == sizes[2] and 0.5 < sizes[1] / sizes[0] < 0.6


def test_manifest_tells_arguments_and_files(tiny):
    manifest = dummy_weights.read_manifest(tiny)
    wanted = {"size": "tiny", "tokens": 96, "seed": 0, "quantization": "float16"}
    assert wanted.items() <= manifest.items()
    assert "random" in manifest["note"]
    actual = digests(tiny)
    assert (
        set(manifest["files"])
        == set(actual) - {"dummy.json"}
        == {
            "model.bin",
            "config.json",
            "vocabulary.json",
            "tokenizer.json",
            "preprocessor_config.json",
        }
    )
    for name, facts in manifest["files"].items():
        assert facts == {"bytes": (tiny / name).stat().st_size, "sha256": actual[name]}
    assert dummy_weights.read_manifest(tiny.parent) is None
    assert stat.S_IMODE(tiny.stat().st_mode) == 0o755


# ---------------------------------------------------------------------------- architectures


def parameters(size: str) -> int:
    """Numbers in a model of this architecture, as openai/whisper counts them."""
    a = ARCHITECTURES[size]
    d = a.width
    norm = 2 * d
    attention = 4 * d * d + 3 * d + norm  # the key has no bias
    feed_forward = 8 * d * d + 5 * d + norm
    encoder = (3 * a.mel_bins * d + d) + (3 * d * d + d) + 1500 * d + norm
    encoder += a.encoder_layers * (attention + feed_forward)
    decoder = a.vocabulary * d + 448 * d + norm
    return encoder + decoder + a.decoder_layers * (2 * attention + feed_forward)


@pytest.mark.parametrize("size", ARCHITECTURES)
def test_architectures_have_the_published_size(size):
    assert parameters(size) / 1e6 == pytest.approx(PARAMETERS[size], rel=0.002)


def test_model_on_disk_has_the_parameters_of_its_architecture(tiny):
    """Beyond them: the key's bias, and the layers' few numbers that are no weights."""
    extra = 2 * 384 * (ARCHITECTURES["tiny"].encoder_layers + 2 * 4)
    assert (tiny / "model.bin").stat().st_size == pytest.approx(
        2 * (parameters("tiny") + extra), rel=0.001
    )


@pytest.mark.parametrize("size", ["tiny", "large-v3"])
def test_vocabulary_is_laid_out_as_whispers(size):
    """Ids of openai/whisper's tokenizer (multilingual; large-v3 has one language more)."""
    vocabulary = Vocabulary.of(ARCHITECTURES[size].vocabulary)
    ids = vocabulary.ids()
    shift = size == "large-v3"
    assert len(ids) == ARCHITECTURES[size].vocabulary
    assert vocabulary.tokens[50256] == "" and vocabulary.tokens[220] == "Ġ"
    assert ids["<|endoftext|>"] == 50257
    assert ids["<|startoftranscript|>"] == 50258
    assert ids["<|en|>"] == 50259
    assert ids["<|transcribe|>"] == 50359 + shift
    assert ids["<|notimestamps|>"] == 50363 + shift
    assert ids["<|0.00|>"] == 50364 + shift
    assert ids["<|30.00|>"] == 51864 + shift


def test_languages_are_faster_whispers():
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert sorted(LANGUAGES) == sorted(_LANGUAGE_CODES)


def test_tokenizer_gives_back_any_text(tiny):
    from faster_whisper.tokenizer import Tokenizer
    from tokenizers import Tokenizer as File

    file = File.from_file(str(tiny / "tokenizer.json"))
    tokenizer = Tokenizer(file, multilingual=True, task="transcribe", language="de")
    text = " Grüße, 你好 – 123\n"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.sot == 50258 and tokenizer.timestamp_begin == 50364
    assert tokenizer.non_speech_tokens


# ------------------------------------------------------------------------------ transcribing

OPTIONS = [
    {},
    {"beam_size": 1, "language": "de", "word_timestamps": True},
    {"beam_size": 3, "task": "translate", "without_timestamps": True, "language": "en"},
    {"initial_prompt": "What was said before, in many words: " * 5, "language": "en"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options) or "default")
def test_every_window_gives_the_same_number_of_tokens(model, options):
    segments, info = model.transcribe(sound("noise", 35), **options)
    segments = list(segments)
    assert [text_tokens(segment) for segment in segments] == [7, 7]
    assert info.language == options.get("language", "en")
    for segment in segments:
        assert segment.temperature == 0.0  # never decoded again
        assert -0.01 < segment.avg_logprob <= 0
        assert segment.no_speech_prob < 0.01


@pytest.mark.parametrize(("kind", "seconds"), [("silence", 5), ("chirp", 0.2)])
def test_any_audio_gives_the_same_number_of_tokens(model, kind, seconds):
    segments = list(model.transcribe(sound(kind, seconds), language="en")[0])
    assert [text_tokens(segment) for segment in segments] == [7]


@pytest.mark.parametrize("tokens", [1, dummy_weights.MAX_TOKENS])
def test_fewest_and_most_tokens(tmp_path, tokens):
    from faster_whisper import WhisperModel

    folder = build("tiny", tmp_path / "model", tokens=tokens, seed=3)
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    segments = list(model.transcribe(sound("noise", 5), language="en", beam_size=2)[0])
    assert [text_tokens(segment) for segment in segments] == [tokens]
    assert segments[0].temperature == 0.0


@pytest.mark.parametrize("compute_type", ["float32", "default"])
def test_loads_as_the_real_thing_in_any_quantization(few_tokens, few_int8, compute_type):
    from faster_whisper import WhisperModel

    folder = few_tokens if compute_type == "float32" else few_int8
    model = WhisperModel(str(folder), device="cpu", compute_type=compute_type, cpu_threads=1)
    assert model.model.is_multilingual
    assert model.model.n_mels == 80
    segments = list(model.transcribe(sound("noise", 5), beam_size=1, language="en")[0])
    assert [text_tokens(segment) for segment in segments] == [7]


# ------------------------------------------------------------------------------ int8 kernels

WIDEST = ("medium", "large-v2", "large-v3")  # seconds and up to 0.7 GB each


def one_layer(size: str, tokens: int = dummy_weights.DEFAULT_TOKENS):
    """The specification of a size with one layer each: all kinds of matrices, planted ones too."""
    shape = replace(ARCHITECTURES[size], encoder_layers=1, decoder_layers=1)
    spec = dummy_weights._specification(shape, Vocabulary.of(shape.vocabulary), tokens, seed=0)
    spec.validate()
    return spec


def largest_pair(matrix) -> int:
    """The largest |a + b| of int8 weights in columns 2j and 2j + 1, as CTranslate2 rounds them."""
    import numpy

    largest = 0
    for first in range(0, len(matrix), 4096):
        rows = matrix[first : first + 4096].reshape(len(matrix[first : first + 4096]), -1)
        rows = rows.astype(numpy.float32)
        integers = numpy.rint(rows * (127 / numpy.abs(rows).max(axis=1, keepdims=True)))
        largest = max(largest, int(numpy.abs(integers[:, ::2] + integers[:, 1::2]).max()))
    return largest


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        *((size, 96) for size in ("tiny", "base", "small")),
        ("tiny", dummy_weights.MAX_TOKENS),  # more states than half the width
        *(pytest.param(size, 96, marks=pytest.mark.slow) for size in WIDEST),
    ],
)
def test_no_pair_of_weights_can_saturate_16_bits(size, tokens):
    """255 · |a + b| ≤ 32,767 for neighbours of one sign, in all matrices of all widths."""
    spec = one_layer(size, tokens)
    dummy_weights._check_neighbours(spec)
    pairs = {
        name: largest_pair(value.numpy())
        for name, value in spec.variables().items()
        if name.endswith("weight")
    }
    assert len(pairs) == 15  # 2 convolutions, embeddings, projection and 11 linear layers
    assert max(pairs.values()) <= 128, pairs


def test_directions_of_the_walk_stay_apart():
    """Orthonormal, but for the unit vectors of the states beyond the width."""
    import numpy

    for count, width, bound in [(104, 192, 1e-6), (208, 192, 1.001 * (2 / 192) ** 0.5)]:
        directions = dummy_weights._directions(count, width)
        wide = dummy_weights._opposed(directions)
        assert wide.shape == (count, 2 * width)
        assert numpy.all(wide[:, ::2] == -wide[:, 1::2])
        products = wide.astype(float) @ wide.T - numpy.eye(count)
        assert numpy.abs(products).max() < bound


@pytest.mark.parametrize("matrix", ["decoder/embeddings", "encoder/layer_0/ffn/linear_1"])
def test_spoiled_matrix_is_refused(matrix):
    spec = one_layer("tiny", tokens=7)
    spec.variables()[f"{matrix}/weight"].numpy()[300, 4:6] = 0.01
    with pytest.raises(RuntimeError, match=f"{matrix}/weight, row 300"):
        dummy_weights._check_neighbours(spec)


# Each process has other kernels: oneDNN's for processors up to the one named (those without VNNI
# clip sums of two products to 16 bits) and MKL's. Names beyond what the CPU has mean what it has.
KERNELS = {
    **{
        isa: {"CT2_USE_MKL": "0", "DNNL_MAX_CPU_ISA": isa}
        for isa in ("SSE41", "AVX", "AVX2", "AVX512_CORE")
    },
    "oneDNN": {"CT2_USE_MKL": "0"},
    "MKL": {"CT2_USE_MKL": "1"},
    "default": {},
}
TRANSCRIBE = """
import json, sys
import numpy
from faster_whisper import WhisperModel

folder, compute_types, beams = sys.argv[1], *map(json.loads, sys.argv[2:])
audio = (0.1 * numpy.random.default_rng(1).standard_normal(80000)).astype(numpy.float32)
found = []
for compute_type in compute_types:
    model = WhisperModel(folder, device="cpu", compute_type=compute_type, cpu_threads=1)
    encode, encoded = model.encode, []

    def encode_once(window):  # takes longest, and is the same for all beams
        if not encoded:
            encoded.append(encode(window))
        return encoded[0]

    model.encode = encode_once
    for beam in beams:
        (segment,) = model.transcribe(audio, language="en", beam_size=beam)[0]
        found.append([segment.tokens, segment.temperature, segment.avg_logprob])
print(json.dumps(found))
"""


def transcribe_with(kernel: str, folder: Path, compute_types: list[str], beams: list[int]):
    """Tokens, temperature and log-probability of a window, for each compute type and beam."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CT2_USE_MKL", "DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"}
    }
    done = subprocess.run(
        [sys.executable, "-c", TRANSCRIBE, folder, json.dumps(compute_types), json.dumps(beams)],
        env=environment | KERNELS[kernel],
        check=True,
        stdout=subprocess.PIPE,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def usual(model):
    """What the kernel says that is taken here."""
    (segment,) = model.transcribe(sound("noise", 5), language="en")[0]
    return segment


#: Two ways through oneDNN and the usual one; `make test-all` has all.
FIRST_KERNELS = ("AVX2", "SSE41", "default")


@pytest.mark.parametrize(
    "kernel",
    [k if k in FIRST_KERNELS else pytest.param(k, marks=pytest.mark.thorough) for k in KERNELS],
)
def test_every_kernel_takes_the_walk(few_tokens, usual, kernel):
    found = transcribe_with(kernel, few_tokens, ["int8", "float32"], [1, 5])
    assert len(found) == 4
    for tokens, temperature, logprob in found:
        assert tokens == usual.tokens and len(tokens) == 9  # with both timestamps
        assert temperature == 0.0
        assert -0.01 < logprob <= 0


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="kernels of x86")
@pytest.mark.thorough
def test_without_the_rule_kernels_saturate(tmp_path, monkeypatch):
    """Neighbours of one sign in the planted walk: it is lost, in int8 only.

    Shows that the kernels above differ, so that the test of them can fail.
    """
    import numpy

    monkeypatch.setattr(dummy_weights, "_opposed", lambda half: numpy.repeat(half, 2, axis=-1))
    monkeypatch.setattr(dummy_weights, "_check_neighbours", lambda spec: None)
    folder = build("tiny", tmp_path / "model", tokens=7)
    int8, float32 = transcribe_with("AVX2", folder, ["int8", "float32"], [1])
    assert int8[1] > 0 and int8[2] < -1  # decoded again at higher temperatures, in vain
    assert float32[1:] == [0.0, pytest.approx(0, abs=0.01)]


# --------------------------------------------------------------------------- all or nothing


def test_nothing_stays_when_writing_fails(tmp_path, monkeypatch):
    def full_disk(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(dummy_weights, "write_tokenizer", full_disk)
    with pytest.raises(OSError, match="No space"):
        build("tiny", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_when_renaming_fails(tmp_path, monkeypatch):
    target, work = tmp_path / "model", tmp_path / "work"
    for folder in (target, work):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    real = os.rename

    def rename(source, destination):
        if Path(source) == work:
            raise OSError(5, "Input/output error")
        real(source, destination)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(OSError, match="Input/output"):
        dummy_weights._put_in_place(work, target)
    assert (target / "file").read_text() == "model"
    monkeypatch.undo()
    dummy_weights._put_in_place(work, target)
    assert (target / "file").read_text() == "work"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "huge"}, "'huge'.*tiny"),
        ({"tokens": 0}, "1 to 200"),
        ({"tokens": 201}, "1 to 200"),
        ({"tokens": True}, "1 to 200"),
        ({"seed": -1}, "from 0"),
        ({"seed": 1.5}, "from 0"),
        ({"quantization": "bfloat16"}, "'bfloat16'.*float16"),
    ],
)
def test_impossible_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(DummyError, match=message):
        build(**{"size": "tiny", "folder": tmp_path / "model", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_json_files_are_valid(tiny):
    config = json.loads((tiny / "config.json").read_text())
    assert len(config["lang_ids"]) == 99
    assert len(config["alignment_heads"]) == 12
    assert json.loads((tiny / "preprocessor_config.json").read_text())["feature_size"] == 80
