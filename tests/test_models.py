"""Models: what names mean, what counts as the same model, and what is refused with which words."""

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from parallel_transcription.inputs import dummy_weights, model_files, models
from parallel_transcription.inputs import hub as the_hub
from parallel_transcription.inputs.dummy_vocabulary import TEXT_TOKENS
from parallel_transcription.inputs.model_files import verify
from parallel_transcription.inputs.model_names import HUB_MODELS, ModelError, embedded, parse_model
from parallel_transcription.inputs.models import identity, prepare
from parallel_transcription.places import PROJECT_ROOT, SCRIPTS

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A real model that is quickly made; never changed by a test."""
    return dummy_weights.build("tiny", tmp_path_factory.mktemp("models") / "tiny", tokens=5)


def light_copy(model: Path, folder: Path) -> Path:
    """A copy that a test may damage; model.bin is a link until it is replaced."""
    folder.mkdir(parents=True)
    for file in model.iterdir():
        if file.name == "model.bin":
            (folder / file.name).symlink_to(file)
        else:
            shutil.copy(file, folder)
    return folder


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    return light_copy(tiny, tmp_path / "copy")


@pytest.fixture
def root(tiny, tmp_path) -> Path:
    """A project's folder with an embedded model."""
    light_copy(tiny, tmp_path / "project" / "resources" / "models" / "mini-xx")
    return tmp_path / "project"


def replace_weights(folder: Path, content: bytes) -> None:
    (folder / "model.bin").unlink()
    (folder / "model.bin").write_bytes(content)


# --------------------------------------------------------------------------------- names


@pytest.mark.slow
def test_names_of_every_kind(root):
    assert parse_model("mini-xx", root).kind == "embedded"
    assert parse_model("mini-xx", root).path == "resources/models/mini-xx"
    dummy = parse_model("dummy-large-v3", root)
    assert (dummy.kind, dummy.size, dummy.tokens, dummy.seed) == ("dummy", "large-v3", 96, 0)
    small = parse_model("small", root)
    assert (small.kind, small.repository, small.revision) == (
        "hub",
        "Systran/faster-whisper-small",
        None,
    )
    pinned = parse_model(f"some-one/a_model.v2@{COMMIT}", root)
    assert (pinned.repository, pinned.revision) == ("some-one/a_model.v2", COMMIT)
    for path in ("./m", "../m", "/opt/m", "~/m", "/", ".", ".."):
        source = parse_model(path, root)
        assert (source.kind, source.path) == ("folder", path)


def test_faster_whispers_names_are_all_known():
    from faster_whisper.utils import _MODELS

    assert HUB_MODELS == _MODELS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "a model is a name"),
        (None, "a model is a name"),
        (7, "a model is a name"),
        ("tinny", "did you mean 'tiny'"),
        ("mini_xx", "did you mean 'mini-xx'"),
        ("LARGE-V3", "did you mean 'large-v3'"),
        ("nothing like it", "models are embedded ones .mini-xx.*dummy-<size>.*hub ids"),
        ("dummy-huge", "dummy-tiny"),
        ("dummy-", "dummy-tiny"),
        ("dummy-tiny.en", "dummy-tiny"),
        ("-rf", "looks like an option"),
        ("--model=x", "looks like an option"),
        (" tiny", "spaces around"),
        ("tiny\n", "cannot be printed"),
        ("ti\x00ny", "cannot be printed"),
        ("ti\u202eny", "cannot be printed"),
        ("x" * 301, "longer than 300"),
        ("a/b/c", "no hub id"),
        ("a/", "no hub id"),
        (".org/x", "no hub id"),
        ("n" * 299, "there is no model"),
        ("org/..", "no hub id"),
        ("org/a..b", "no hub id"),
        ("org/a--b", "no hub id"),
        ("org/na me", "no hub id"),
        ("org/$(rm x)", "no hub id"),
        ("örg/name", "no hub id"),
        ("org/name.git", "no hub id"),
        ("org/name@", "is no revision"),
        ("org/name@-x", "is no revision"),
        ("org/name@a b", "is no revision"),
        ("org/name@../../x", "is no revision"),
        ("org/name@a;b", "is no revision"),
        ("tiny@main", "Systran/faster-whisper-tiny@main"),
        ("https://some.where/org/name", "is an address"),
        ("resources", "write './resources'"),
        ("resources/models", "write './resources/models'"),
    ],
)
def test_wrong_names_are_refused_with_a_remedy(root, name, message):
    with pytest.raises(ModelError, match=message):
        parse_model(name, root)


@pytest.mark.parametrize(
    "name", ["/a/m", "/b/m", "./m", "~/m", "../m", "./ü m", "/", "./" + "x" * 250]
)
def test_slugs_of_folders_are_safe(name):
    slug = parse_model(name).slug
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}", slug) and ".." not in slug


def test_slugs_tell_models_apart(root):
    names = ["/a/m", "/b/m", "./m", "org/m", "org/m@v1", "org/m@a/b", "org/m@a-b", "m/org", "tiny"]
    names += ["tiny.en", "dummy-tiny", "mini-xx", "./tiny", "Org/m", "org/m@" + "a" * 99]
    assert len({parse_model(name, root).slug for name in names}) == len(names)
    assert parse_model("large-v3").slug == "large-v3"
    assert parse_model("org/m@v1").slug == "org--m--v1"


@given(st.text(max_size=80) | st.from_regex(r"[a-z./@~-]{1,40}", fullmatch=True))
def test_any_text_is_a_model_or_a_clear_error(name):
    try:
        source = parse_model(name)
    except ModelError as error:
        assert str(error).isprintable() and len(str(error)) < 1500
    else:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}", source.slug)
        assert ".." not in source.slug


# ------------------------------------------------------------------------------- identity


def test_identity_follows_content_not_place(root, tiny, tmp_path):
    embedded = identity(parse_model("mini-xx", root), root)
    light_copy(tiny, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "README.md").write_text("not part of the model")
    folder = identity(parse_model("../elsewhere", root), root)
    assert folder["sha256"] == embedded["sha256"]
    assert folder == identity(parse_model(str(tmp_path / "elsewhere"), root), root)
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    assert identity(parse_model("../elsewhere", root), root)["sha256"] != embedded["sha256"]
    assert json.loads(json.dumps(folder)) == folder


def test_identity_of_a_dummy_is_all_that_its_bytes_follow_from(root):
    found = [identity(parse_model(f"dummy-{size}", root), root) for size in ("tiny", "base")]
    assert found[0] != found[1]
    assert found[0].keys() == {
        "kind", "size", "tokens", "seed", "quantization", "recipe", "code",
    }  # fmt: skip
    assert found[0] == identity(parse_model("dummy-tiny", root), root)


def test_dummy_of_another_recipe_has_its_own_folder(tmp_path, monkeypatch):
    """Weights of an older version of the project, kept in the same folder, are not taken."""
    source, built = parse_model("dummy-tiny"), []
    monkeypatch.setattr(dummy_weights, "build", lambda size, folder, *rest: built.append(folder))
    for version in (1, 2):
        monkeypatch.setattr(dummy_weights, "RECIPE_VERSION", version)
        models._prepare_dummy(source, tmp_path, tmp_path / "cache.json", print)
    assert len(set(built)) == 2


def test_identity_of_a_hub_model_needs_no_network(root, monkeypatch):
    monkeypatch.setattr(the_hub, "_snapshot", None)
    assert identity(parse_model("org/name@v1", root), root) == {
        "kind": "hub",
        "repository": "org/name",
        "revision": "v1",
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "there is no folder"),
        ("./resources", "no model.bin"),
        ("./resources/models", "folder 'mini-xx' has"),
        ("./resources/models/mini-xx/model.bin", "is a file"),
        ("~no-such-user-here/m", "no such home folder"),
    ],
)
def test_identity_of_what_is_not_there(root, name, message):
    with pytest.raises(ModelError, match=message):
        identity(parse_model(name, root), root)


# --------------------------------------------------------------------------------- verify


def test_a_whole_model_passes(tiny):
    assert verify(tiny) == {
        "multilingual": True,
        "mel_bins": 80,
        "vocabulary": 51865,
        "width": 384,
        "weights": "float16",
    }


def test_facts_are_those_of_the_engine(tiny):
    from faster_whisper import WhisperModel

    model = WhisperModel(str(tiny), device="cpu", compute_type="int8", cpu_threads=1)
    facts = verify(tiny)
    assert model.model.is_multilingual == facts["multilingual"]
    assert model.model.n_mels == facts["mel_bins"]
    assert model.feature_extractor.mel_filters.shape[0] == facts["mel_bins"]


def test_vocabulary_may_be_text(copy):
    """As in the older models of the hub."""
    tokens = json.loads((copy / "vocabulary.json").read_text())
    (copy / "vocabulary.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    (copy / "vocabulary.json").unlink()
    assert verify(copy)["vocabulary"] == 51865


def damage_size(folder, change):
    content = (folder / "model.bin").read_bytes()
    replace_weights(folder, change(content))


def change_json(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def renumber_tokenizer(folder, token, number):
    """Give a token another number, or take it out."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    added = [one for one in tokenizer["added_tokens"] if one["content"] != token]
    assert len(added) < len(tokenizer["added_tokens"]), token
    if number is not None:
        added.append({"id": number, "content": token})
    change_json(folder / "tokenizer.json", added_tokens=added)


DAMAGE = {
    "no model.bin": (lambda f: (f / "model.bin").unlink(), "has no model.bin"),
    "transformers": (
        lambda f: ((f / "model.bin").unlink(), (f / "model.safetensors").touch()),
        "transformers model.*ct2-transformers-converter",
    ),
    "transformers in parts": (
        lambda f: (
            (f / "model.bin").unlink(),
            (f / "pytorch_model-00001-of-00002.bin").touch(),
        ),
        "transformers model",
    ),
    "transformers without tokenizer.json": (
        lambda f: (
            (f / "model.bin").unlink(),
            (f / "tokenizer.json").unlink(),
            (f / "preprocessor_config.json").unlink(),
            (f / "model.safetensors.index.json").touch(),
        ),
        r"WhisperTokenizerFast.*&& ct2-transformers-converter.*--copy_files tokenizer.json --quant",
    ),
    "adapter": (
        lambda f: ((f / "model.bin").unlink(), (f / "adapter_config.json").touch()),
        "adapter .LoRA.*merge_and_unload",
    ),
    "whisper.cpp": (
        lambda f: ((f / "model.bin").unlink(), (f / "ggml-tiny.bin").touch()),
        "whisper.cpp",
    ),
    "openai": (
        lambda f: ((f / "model.bin").unlink(), (f / "tiny.pt").touch()),
        "OpenAI checkpoint",
    ),
    "cut off": (lambda f: damage_size(f, lambda c: c[:-1]), "cut off after 75,"),
    "half": (lambda f: damage_size(f, lambda c: c[: len(c) // 2]), "cut off after 37,"),
    "header only": (lambda f: damage_size(f, lambda c: c[:40]), "cut off after 40 bytes"),
    "empty": (lambda f: replace_weights(f, b""), "cut off after 0 bytes"),
    "too long": (lambda f: damage_size(f, lambda c: c + b"xx"), "2 bytes too many"),
    "other file": (lambda f: replace_weights(f, b"PK\3\4" + bytes(999)), "binary version"),
    "text": (lambda f: replace_weights(f, b"<html>not found</html>"), "binary version"),
    "git lfs": (
        lambda f: replace_weights(f, b"version https://git-lfs.x/spec/v1\noid sha256:1\n"),
        "git lfs pull",
    ),
    "other model": (
        lambda f: damage_size(f, lambda c: c.replace(b"WhisperSpec", b"TransformerS", 1)[:-1]),
        "not a Whisper model",
    ),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "bad config": (lambda f: (f / "config.json").write_text("{"), "config.json is no valid"),
    "list as config": (lambda f: (f / "config.json").write_text("[]"), "holds no dict"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "bad tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "has no tokens"),
    "heads of more layers": (
        lambda f: change_json(f / "config.json", alignment_heads=[[3, 0], [4, 0]]),
        r"head 0 of layer 4, but the decoder has 4 layers of 6 heads each.*another model",
    ),
    "more heads": (
        lambda f: change_json(f / "config.json", alignment_heads=[[3, 6]]),
        "head 6 of layer 3",
    ),
    "a negative head": (
        lambda f: change_json(f / "config.json", alignment_heads=[[-1, 0]]),
        "head 0 of layer -1",
    ),
    "half a head": (
        lambda f: change_json(f / "config.json", alignment_heads=[[0.5, 0]]),
        "no list of pairs",
    ),
    "heads in words": (
        lambda f: change_json(f / "config.json", alignment_heads="all"),
        "no list of pairs",
    ),
    "a language beyond the vocabulary": (
        lambda f: change_json(f / "config.json", lang_ids=[50259, 51865]),
        "lang_ids has token 51865, but the model has tokens 0 to 51864",
    ),
    "suppressed beyond the vocabulary": (
        lambda f: change_json(f / "config.json", suppress_ids_begin=[51865]),
        "suppress_ids_begin has token 51865",
    ),
    "suppressed in words": (
        lambda f: change_json(f / "config.json", suppress_ids=["a"]),
        "suppress_ids is no list",
    ),
    "nothing suppressed": (
        lambda f: (f / "config.json").write_text("{}"),
        "has no suppress_ids",
    ),
    "tokenizer of another model": (
        lambda f: renumber_tokenizer(f, "<|startoftranscript|>", 50300),
        r"startoftranscript.. is token 50300, which is .*different models",
    ),
    "tokenizer of a larger model": (
        lambda f: renumber_tokenizer(f, "<|30.00|>", 51865),
        "has a token 51865, but the model has tokens 0 to 51864",
    ),
    "tokenizer without the task": (
        lambda f: renumber_tokenizer(f, "<|transcribe|>", None),
        "no token <.transcribe",
    ),
    "no vocabulary": (lambda f: (f / "vocabulary.json").unlink(), "vocabulary.json is missing"),
    "short vocabulary": (
        lambda f: (f / "vocabulary.json").write_text('["a"]'),
        "1 tokens, but model.bin has 51865",
    ),
    "other mel bins": (
        lambda f: (f / "preprocessor_config.json").write_text('{"feature_size": 128}'),
        "wants 80 mel bins.*says feature_size: 128",
    ),
    "mel bins in words": (
        lambda f: change_json(f / "preprocessor_config.json", feature_size="80"),
        'says feature_size: "80"',
    ),
    "another sampling rate": (
        lambda f: change_json(f / "preprocessor_config.json", sampling_rate=8000),
        "says sampling_rate: 8000, and Whisper has 16000",
    ),
    "words in place of languages": (
        lambda f: change_json(f / "config.json", lang_ids=[300]),
        "lang_ids has token 300, which is .* no language",
    ),
    "a config that only Python reads": (
        lambda f: (f / "config.json").write_text(
            (f / "config.json").read_text().replace("{", '{"x": NaN,', 1)
        ),
        "config.json is no valid JSON",
    ),
    "half a letter": (
        lambda f: change_json(f / "config.json", x="\ud800"),
        "config.json is no valid JSON",
    ),
    "tokenizer without words": (
        lambda f: change_json(f / "tokenizer.json", model={"vocab": {}}),
        r"tokenizer.json has \d+ of the 50257 tokens",
    ),
    "ONNX": (
        lambda f: ((f / "model.bin").unlink(), (f / "encoder_model.onnx").touch()),
        "holds an ONNX model",
    ),
    "a download that is not done": (
        lambda f: (f / "model.bin").rename(f / "model.bin.incomplete"),
        "'model.bin.incomplete': a part of it, or a download",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_what_is_no_whole_model_is_refused_with_a_reason(copy, case):
    damage, message = DAMAGE[case]
    damage(copy)
    with pytest.raises(ModelError, match=f"(?s)^'the name': .*{message}"):
        verify(copy, "the name")


def test_a_tokenizer_that_cannot_be_loaded_is_told_before_any_run(copy, tmp_path):
    change_json(copy / "tokenizer.json", version="9.0")
    with pytest.raises(ModelError, match=r"tokenizer.json cannot be loaded: Unknown tokenizer ver"):
        prepare(parse_model(str(copy)), tmp_path / "built", tmp_path)


def test_missing_preprocessor_is_fatal_only_with_other_mel_bins(copy, monkeypatch):
    (copy / "preprocessor_config.json").unlink()
    assert verify(copy)["mel_bins"] == 80
    with pytest.raises(ModelError, match=r"wants 128 mel bins.*is missing, which means 80"):
        model_files._check_preprocessor(copy, 128)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_model_is_named(copy):
    (copy / "config.json").chmod(0)
    with pytest.raises(ModelError, match="cannot be read"):
        verify(copy)


# -------------------------------------------------------------------------------- prepare


def test_embedded_model_is_used_where_it_is(root, tiny):
    manifest = prepare(parse_model("mini-xx", root), "results/models", root)
    assert manifest["path"] == "resources/models/mini-xx"
    assert manifest["kind"] == "embedded"
    assert manifest["sha256"] == identity(parse_model("mini-xx", root), root)["sha256"]
    counted = [f for f in tiny.iterdir() if f.name != "dummy.json"]
    assert manifest["size_bytes"] == sum(f.stat().st_size for f in counted)
    assert manifest["revision"] is None and manifest["notes"] == []
    assert json.loads(json.dumps(manifest)) == manifest


def test_folder_outside_the_project_keeps_its_place(root, tiny):
    manifest = prepare(parse_model(str(tiny), root), "results/models", root)
    assert manifest["path"] == str(tiny)
    assert not (root / "results").exists()


@pytest.mark.slow
def test_dummy_is_built_once_repaired_when_damaged_and_loads(tmp_path):
    from faster_whisper import WhisperModel

    source = parse_model("dummy-tiny", tmp_path)
    said = []
    manifest = prepare(source, "models", tmp_path, say=said.append)
    folder = tmp_path / manifest["path"]
    assert folder.parent == tmp_path / "models"
    assert "text means nothing" in manifest["notes"][0]
    assert len(said) == 1

    assert prepare(source, "models", tmp_path, say=said.append) == manifest
    assert len(said) == 1

    with (folder / "model.bin").open("r+b") as file:  # one bit, same size
        file.seek(1_000_000)
        byte = file.read(1)[0]
        file.seek(1_000_000)
        file.write(bytes([byte ^ 1]))
    remains = folder.parent / f".{folder.name}-killed.tmp"
    remains.mkdir()
    assert prepare(source, "models", tmp_path, say=said.append) == manifest
    assert "damaged" in said[-1]
    assert not remains.exists()

    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    import numpy

    audio = numpy.zeros(16000 * 5, numpy.float32)
    segments = list(model.transcribe(audio, language="en", beam_size=1)[0])
    tokens = [token for s in segments for token in s.tokens if token < TEXT_TOKENS]
    assert len(segments) == 1 and len(tokens) == source.tokens


def _prepare_in_process(folder, queue):
    queue.put(prepare(parse_model("dummy-tiny"), folder, folder)["sha256"])


@pytest.mark.slow
def test_two_processes_prepare_one_model(tmp_path):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    arguments = (tmp_path, queue)
    processes = [context.Process(target=_prepare_in_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    hashes = {queue.get(timeout=120) for _ in processes}
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert len(hashes) == 1
    assert len([f for f in tmp_path.iterdir() if f.is_dir() and f.name.startswith("dummy")]) == 1


def test_lock_is_waited_for(tmp_path, monkeypatch):
    """The first try finds another process, the second waits until it is done."""
    import fcntl

    flags, said = [], []

    def flock(file, flag):
        flags.append(flag)
        if flag & fcntl.LOCK_NB:
            raise BlockingIOError

    monkeypatch.setattr(fcntl, "flock", flock)
    with models._locked(tmp_path / "new" / ".lock", said.append) as alone:
        assert alone
    assert flags == [fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_EX]
    assert "waiting" in said[0]


def test_file_system_without_locks_is_no_fault(tmp_path, monkeypatch):
    import fcntl

    def flock(file, flag):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    with models._locked(tmp_path / ".lock", print) as alone:
        assert not alone


def test_real_embedded_model_if_it_is_there():
    if "mini-en" not in embedded(PROJECT_ROOT):
        pytest.skip("the checkout has no embedded model")
    manifest = prepare(parse_model("mini-en"), "results/models")
    assert manifest["multilingual"] is False
    assert manifest["mel_bins"] == 80


# ------------------------------------------------------------------------------- the hub


@pytest.fixture
def hub(monkeypatch, tiny, tmp_path):
    """A hub that has one model; what it is asked, and what it answers instead, can be set."""
    cached = tmp_path / "hub" / "snapshots" / COMMIT
    cached.parent.mkdir(parents=True)
    cached.symlink_to(tiny)

    def snapshot(repository, revision, local_files_only):
        hub.asked.append((repository, revision, local_files_only))
        answer = hub.cache if local_files_only else hub.online
        if isinstance(answer, BaseException):
            raise answer
        return answer

    hub = SimpleNamespace(asked=[], online=str(cached), cache=str(cached))
    monkeypatch.setattr(the_hub, "_snapshot", snapshot)
    return hub


def hub_error(name: str) -> BaseException:
    """One of huggingface_hub's errors, without the answer of a server."""
    from huggingface_hub import errors

    cls = getattr(errors, name)
    error = cls.__new__(cls)
    error.args = ("as the hub says",)
    return error


def test_hub_model_is_downloaded_and_its_commit_recorded(hub, tmp_path):
    manifest = prepare(parse_model("small"), "models", tmp_path)
    assert manifest["kind"] == "hub"
    assert manifest["repository"] == "Systran/faster-whisper-small"
    assert manifest["revision"] == COMMIT
    assert manifest["path"] == f"hub/snapshots/{COMMIT}"
    assert manifest["notes"] == []
    assert hub.asked == [("Systran/faster-whisper-small", None, False)]


def test_pinned_commit_that_is_here_needs_no_network(hub, tmp_path):
    hub.online = ConnectionError("no network")
    manifest = prepare(parse_model(f"org/name@{COMMIT}"), "models", tmp_path)
    assert manifest["revision"] == COMMIT and manifest["notes"] == []
    assert hub.asked == [("org/name", COMMIT, True)]


def test_pinned_commit_that_is_not_here_is_downloaded(hub, tmp_path):
    hub.cache = hub_error("LocalEntryNotFoundError")
    assert prepare(parse_model(f"org/name@{COMMIT}"), "models", tmp_path)["revision"] == COMMIT
    assert [local for _, _, local in hub.asked] == [True, False]


@pytest.mark.parametrize("error", [ConnectionError("x"), TimeoutError("x"), "httpx"])
def test_without_network_an_earlier_download_is_taken_and_noted(hub, tmp_path, error):
    if error == "httpx":
        error = type("ConnectError", (Exception,), {})("name resolution failed")
    hub.online = error
    manifest = prepare(parse_model("org/name@main"), "models", tmp_path)
    assert manifest["revision"] == COMMIT
    assert "could not be reached" in manifest["notes"][0]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("LocalEntryNotFoundError", "hub cannot be reached.*mini-en or dummy-tiny"),
        ("OfflineModeIsEnabled", "hub cannot be reached.*mini-en or dummy-tiny"),
        ("RepositoryNotFoundError", "has no model org/name, or it is private"),
        ("GatedRepoError", "must be granted by its owner"),
        ("RevisionNotFoundError", "has no revision 'v9'"),
        (OSError(28, "No space left on device"), "No space left.*HF_HOME"),
        (ValueError("something\nnew"), r"ValueError: something new"),
    ],
)
def test_failed_downloads_say_what_to_do(hub, tmp_path, error, message):
    hub.online = hub_error(error) if isinstance(error, str) else error
    hub.cache = hub_error("LocalEntryNotFoundError")
    with pytest.raises(ModelError, match=f"^'org/name@v9'.*{message}"):
        prepare(parse_model("org/name@v9"), "models", tmp_path)


def test_repository_without_a_ctranslate2_model(hub, tmp_path):
    (tmp_path / "other").mkdir()
    hub.online = str(tmp_path / "other")
    with pytest.raises(ModelError, match=r"has no model\.bin.*--model org/name"):
        prepare(parse_model("org/name"), "models", tmp_path)


def test_download_asks_faster_whisper(monkeypatch):
    """The boundary itself: the arguments that faster-whisper's own function takes."""
    from faster_whisper import utils

    asked = {}
    monkeypatch.setattr(
        utils, "download_model", lambda name, **options: asked.update(options, name=name)
    )
    the_hub._snapshot("org/name", "v1", True)
    assert asked == {"name": "org/name", "revision": "v1", "local_files_only": True}


# -------------------------------------------------------------------------------- script


def prepare_model(*arguments: str, cwd: Path = SCRIPTS):
    command = [sys.executable, str(SCRIPTS / "prepare_model.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_script_writes_the_manifest(tiny, tmp_path):
    out = tmp_path / "new" / "manifest.json"
    options = ("--models-folder", str(tmp_path / "m"), "--out", str(out))
    done = prepare_model("--model", str(tiny), *options)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(out.read_text())
    assert manifest["kind"] == "folder" and manifest["path"] == str(tiny)
    assert [f.name for f in out.parent.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("model", "manifest", "message"),
    [
        ("tinny", "m.json", "error: there is no model 'tinny'; did you mean 'tiny'"),
        ("./nowhere", "m.json", "error: './nowhere': there is no folder"),
        (None, "file/m.json", "error: "),
    ],
)
def test_script_fails_with_one_clear_line(tiny, tmp_path, model, manifest, message):
    (tmp_path / "file").write_text("in the way")
    options = ("--models-folder", str(tmp_path / "m"), "--out", str(tmp_path / manifest))
    done = prepare_model("--model", model or str(tiny), *options)
    assert done.returncode == 1
    assert done.stderr.startswith(message) and "Traceback" not in done.stderr
    assert not (tmp_path / "m.json").exists()
