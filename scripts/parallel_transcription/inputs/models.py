"""Models: from the one word in a study file to a verified folder that `WhisperModel` loads.

    mini-en                    embedded: a folder of this name in resources/models/
    dummy-small                dummy weights of a real size (see dummy_weights.py)
    ./models/mine, /data/m, ~/m   a folder with a model in CTranslate2's format
    org/name, org/name@revision   a model of the Hugging Face hub
    small, large-v3, turbo …   faster-whisper's names for models of the hub

`parse_model` and `identity` run while the workflow is planned: they read no weights but through a
cache of hashes, never use the network and import nothing heavy. `prepare` runs once per model,
before anything is timed, so that no download ever happens in a measured process.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from parallel_transcription.fingerprint import (
    FingerprintError,
    code_fingerprint,
    file_sha256,
    folder_sha256,
)
from parallel_transcription.inputs import dummy_weights
from parallel_transcription.places import PROJECT_ROOT

EMBEDDED_FOLDER = "resources/models"
HASH_CACHE = ".snakemake/content_hashes.txt"
DUMMY_PREFIX = "dummy-"
#: The files that belong to a model: what faster-whisper downloads and reads.
MODEL_FILES = (
    "model.bin",
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "vocabulary.*",
)
#: faster-whisper's names and their repositories (`faster_whisper.utils._MODELS`, 1.2.1; kept here
#: because importing faster_whisper takes half a second; a test compares).
HUB_MODELS = {
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "base": "Systran/faster-whisper-base",
    "small.en": "Systran/faster-whisper-small.en",
    "small": "Systran/faster-whisper-small",
    "medium.en": "Systran/faster-whisper-medium.en",
    "medium": "Systran/faster-whisper-medium",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
DUMMY_NOTE = "Dummy weights: real size and speed, random numbers; the text means nothing."

_LONGEST_NAME = 300
_LONGEST_SLUG = 60
_MULTILINGUAL_FROM = 51865  # CTranslate2: smaller vocabularies are English only
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,94}[A-Za-z0-9_]|[A-Za-z0-9_]")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,126}")


class ModelError(ValueError):
    """A model that does not exist, is damaged or cannot be had; the message says what to do."""


@dataclass(frozen=True)
class ModelSource:
    """What the model's name in a study file means.

    `slug` is made of letters, digits, `.`, `_` and `-`, at most 60 of them, begins with a letter,
    digit or `_`, and is different for different models. Fields that a kind has not are None:
    `path` (as given; embedded: relative to the project) is for embedded and folder, `repository`
    and `revision` for hub, `size`, `tokens`, `seed` and `quantization` for dummy.
    """

    kind: str  # embedded | folder | hub | dummy
    name: str
    slug: str
    path: str | None = None
    repository: str | None = None
    revision: str | None = None
    size: str | None = None
    tokens: int | None = None
    seed: int | None = None
    quantization: str | None = None


# ------------------------------------------------------------------------------- the name


def parse_model(name: str, root: str | os.PathLike[str] = PROJECT_ROOT) -> ModelSource:
    """What a model's name means; `root` is the project's folder. Raises ModelError."""
    root = Path(root)
    if not isinstance(name, str) or not name:
        raise ModelError(f"a model is a name, not {name!r}; {_what_there_is(root)}")
    if len(name) > _LONGEST_NAME:
        raise ModelError(
            f"{name[:60]!r}… is longer than {_LONGEST_NAME} characters; {_what_there_is(root)}"
        )
    if not name.isprintable() or name != name.strip():
        raise ModelError(
            f"{name!r} has spaces around it, or characters that cannot be printed; remove them"
        )
    if name.startswith("-"):
        raise ModelError(
            f"{name!r} looks like an option; write a folder of that name as './{name}'"
        )
    if name in (".", "..") or name.startswith(("./", "../", "/", "~")):
        return ModelSource("folder", name, _slug(_last_part(name), name, exact=False), path=name)
    if name.startswith(DUMMY_PREFIX):
        return _parse_dummy(name)
    if "/" in name or "@" in name:
        return _parse_hub(name, root)
    if name in HUB_MODELS:
        return ModelSource("hub", name, _slug(name, name), repository=HUB_MODELS[name])
    if name in _embedded(root):
        return ModelSource("embedded", name, _slug(name, name), path=f"{EMBEDDED_FOLDER}/{name}")
    if os.path.isdir(root / name):
        raise ModelError(f"{name!r} is no model's name, but a folder; write './{name}'")
    raise ModelError(f"there is no model {name!r}{_closest(name, root)}; {_what_there_is(root)}")


def _parse_dummy(name: str) -> ModelSource:
    size = name.removeprefix(DUMMY_PREFIX)
    if size not in dummy_weights.ARCHITECTURES:
        names = [DUMMY_PREFIX + known for known in dummy_weights.ARCHITECTURES]
        raise ModelError(f"there is no dummy model {name!r}; there are {', '.join(names)}")
    return ModelSource(
        "dummy",
        name,
        _slug(name, name),
        size=size,
        tokens=dummy_weights.DEFAULT_TOKENS,
        seed=0,
        quantization="float16",
    )


def _parse_hub(name: str, root: Path) -> ModelSource:
    if "://" in name:
        raise ModelError(f"{name!r} is an address; give only 'organisation/name' of the hub")
    repository, at, revision = name.partition("@")
    parts = repository.split("/")
    if len(parts) == 1 and parts[0] in HUB_MODELS:
        raise ModelError(
            f"{name!r}: a revision needs the full name; "
            f"write '{HUB_MODELS[parts[0]]}@{revision or 'REVISION'}'"
        )
    if os.path.isdir(root / repository):
        raise ModelError(
            f"{name!r} is how models of the hub are written, but there is a folder of this name; "
            f"write './{repository}' for the folder"
        )
    good = len(parts) == 2 and len(repository) <= 96
    good = good and all(_REPOSITORY_PART.fullmatch(part) for part in parts)
    if not good or "--" in repository or ".." in repository or repository.endswith(".git"):
        raise ModelError(
            f"{name!r} is no hub id ('organisation/name', of letters, digits, '-', '_' and '.') "
            "and no folder (which begins with './', '../', '/' or '~')"
        )
    if at and (not _REVISION.fullmatch(revision) or ".." in revision or "//" in revision):
        raise ModelError(
            f"{name!r}: {revision!r} is no revision; give a branch, a tag or a commit after the '@'"
        )
    return ModelSource(
        "hub",
        name,
        _slug(name.replace("/", "--").replace("@", "--"), name, exact="/" not in revision),
        repository=repository,
        revision=revision or None,
    )


def _embedded(root: Path) -> list[str]:
    """Names of the folders with embedded models."""
    try:
        entries = list(os.scandir(root / EMBEDDED_FOLDER))
    except OSError:
        return []
    return sorted(e.name for e in entries if e.is_dir() and re.match(r"[A-Za-z0-9_]", e.name))


def _slug(text: str, name: str, exact: bool = True) -> str:
    """A part of a path for a model. With a hash of `name` unless it tells it exactly."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    plain = re.sub(r"\.{2,}", ".", plain).strip("-.")
    if exact and plain == text and len(plain) <= _LONGEST_SLUG:
        return plain
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: _LONGEST_SLUG - 9].rstrip('-.') or 'model'}-{digest}"


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _closest(name: str, root: Path) -> str:
    dummies = [DUMMY_PREFIX + size for size in dummy_weights.ARCHITECTURES]
    known = [*_embedded(root), *HUB_MODELS, *dummies]
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def _what_there_is(root: Path) -> str:
    embedded = ", ".join(_embedded(root)) or f"none in {EMBEDDED_FOLDER}"
    return (
        f"models are embedded ones ({embedded}), "
        f"dummy-<size> ({', '.join(dummy_weights.ARCHITECTURES)}), "
        f"faster-whisper's names ({', '.join(HUB_MODELS)}), hub ids ('organisation/name') "
        "and folders ('./folder')"
    )


# --------------------------------------------------------------------------- its identity


def identity(
    source: ModelSource,
    root: str | os.PathLike[str] = PROJECT_ROOT,
    cache: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """What decides whether measurements of this model are still those of the same model.

    Plain JSON values: for embedded models and folders the SHA-256 of the content, for dummies
    everything that their bytes follow from, for the hub repository and revision. Hashes are
    remembered in `cache` (default: HASH_CACHE in `root`). Raises ModelError if a folder is missing
    or cannot be read.
    """
    if source.kind == "dummy":
        return {
            "kind": "dummy",
            "size": source.size,
            "tokens": source.tokens,
            "seed": source.seed,
            "quantization": source.quantization,
            "recipe": dummy_weights.RECIPE_VERSION,
            "code": code_fingerprint([dummy_weights.__file__]),
        }
    if source.kind == "hub":
        return {"kind": "hub", "repository": source.repository, "revision": source.revision}
    folder = _folder_of(source, Path(root))
    return {"kind": source.kind, "sha256": _content_hash(source, folder, _cache(root, cache))}


def _folder_of(source: ModelSource, root: Path) -> Path:
    """The absolute folder of an embedded or local model; raises ModelError if there is none."""
    try:
        folder = root / Path(source.path or "").expanduser()
    except RuntimeError as error:
        raise ModelError(f"{source.name!r}: there is no such home folder; {error}") from None
    folder = Path(os.path.abspath(folder))
    if not os.path.exists(folder):
        remedy = "the checkout is incomplete" if source.kind == "embedded" else "correct the path"
        raise ModelError(f"{source.name!r}: there is no folder {str(folder)!r}; {remedy}")
    if not folder.is_dir():
        raise ModelError(f"{source.name!r} is a file; give the folder that holds model.bin")
    return folder


def _content_hash(source: ModelSource, folder: Path, cache: Path) -> str:
    try:
        return folder_sha256(folder, MODEL_FILES, cache)
    except FingerprintError as error:
        if not (folder / "model.bin").exists():
            raise ModelError(f"{source.name!r}: {_why_no_model(folder)}") from None
        raise ModelError(f"{source.name!r}: {error}") from None


def _cache(root: str | os.PathLike[str], cache: str | os.PathLike[str] | None) -> Path:
    return Path(root, HASH_CACHE) if cache is None else Path(cache)


# ------------------------------------------------------------------------------ preparing


def prepare(
    source: ModelSource,
    models_folder: str | os.PathLike[str],
    root: str | os.PathLike[str] = PROJECT_ROOT,
    cache: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Make a model ready to be loaded from disk, verify it, and return its manifest.

    Embedded models and folders stay where they are. A dummy is built in
    `models_folder/<slug>-<hash>/` unless it is there and intact. A hub model is downloaded to the
    hub's own cache (shared with other programs; `HF_HOME` moves it) by this process alone; other
    processes that want the same model wait. `say` gets a line of progress now and then.

    The manifest is plain JSON: kind, name, slug, path (relative to `root` when inside it), sha256
    (of the model's files together), files (name to SHA-256 of each), size_bytes, revision (the
    hub's commit, else None), repository, multilingual, mel_bins, vocabulary, width, weights (type
    on disk, e.g. "int8"), notes (list).

    Raises ModelError with a remedy; OSError only for a models folder that cannot be written.
    """
    root = Path(os.path.abspath(root))
    cache = _cache(root, cache)
    notes: list[str] = []
    revision = None
    if source.kind == "dummy":
        folder = _prepare_dummy(source, root / models_folder, cache, say)
        notes.append(DUMMY_NOTE)
    elif source.kind == "hub":
        with _locked(root / models_folder / f".{source.slug}.lock", say):
            folder, revision, offline = _download(source, say)
        if offline:
            notes.append(offline)
        if not (folder / "model.bin").exists():
            raise ModelError(
                f"{source.name!r}: {source.repository} has no model.bin, so it is not in "
                "CTranslate2's format; take one of faster-whisper's names, or convert it: "
                f"ct2-transformers-converter --model {source.repository} --output_dir ./NEW_FOLDER "
                "--copy_files tokenizer.json preprocessor_config.json --quantization float16"
            )
    else:
        folder = _folder_of(source, root)
    try:
        facts = verify(folder, source.name)
    except ModelError as error:
        if source.kind != "hub":
            raise
        kept = folder.parents[1]  # …/models--org--name/snapshots/<commit>
        raise ModelError(f"{error}: remove {str(kept)!r}, and it is downloaded again") from None
    files = sorted(file for file in folder.iterdir() if _is_model_file(file))
    inside = folder.is_relative_to(root)
    return {
        "kind": source.kind,
        "name": source.name,
        "slug": source.slug,
        "path": folder.relative_to(root).as_posix() if inside else str(folder),
        "sha256": _content_hash(source, folder, cache),
        "files": {file.name: file_sha256(file, cache) for file in files},
        "size_bytes": sum(file.stat().st_size for file in files),
        "repository": source.repository,
        "revision": revision,
        **facts,
        "notes": notes,
    }


def _is_model_file(path: Path) -> bool:
    return path.is_file() and any(path.match(pattern) for pattern in MODEL_FILES)


def _prepare_dummy(
    source: ModelSource, models_folder: Path, cache: Path, say: Callable[[str], None]
) -> Path:
    recipe = json.dumps(identity(source, cache=cache), sort_keys=True)
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    folder = models_folder / f"{source.slug}-{digest}"
    with _locked(models_folder / f".{folder.name}.lock", say) as alone:
        if alone:  # what a killed process left half done
            for remains in models_folder.glob(f".{folder.name}-*.tmp"):
                shutil.rmtree(remains, ignore_errors=True)
        if folder.exists() and _is_intact_dummy(folder, cache):
            return folder
        if folder.exists():
            say(f"{folder.name} is damaged and is built again.")
        else:
            say(f"Building {source.name} (dummy weights, needs no network).")
        dummy_weights.build(source.size, folder, source.tokens, source.seed, source.quantization)
    return folder


def _is_intact_dummy(folder: Path, cache: Path) -> bool:
    manifest = dummy_weights.read_manifest(folder)
    try:
        files = manifest["files"]
        return "model.bin" in files and all(
            (folder / name).stat().st_size == expected["bytes"]
            and file_sha256(folder / name, cache) == expected["sha256"]
            for name, expected in files.items()
        )
    except (OSError, FingerprintError, KeyError, TypeError, AttributeError):
        return False


@contextlib.contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[bool]:
    """Hold a lock file; the operating system releases it whatever happens to this process.

    Gives False on a file system without locks: two processes may then do the same work, which
    is atomic either way.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process prepares this model; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
            return
        yield True


# -------------------------------------------------------------------------------- the hub


def _download(
    source: ModelSource, say: Callable[[str], None]
) -> tuple[Path, str | None, str | None]:
    """Folder and commit of a hub model, and a note if the hub could not be asked.

    A pinned commit that is already here is taken without network. Otherwise the hub is asked; if
    it cannot be reached, what is here is taken and the note says so.
    """
    from huggingface_hub import errors

    pinned = bool(source.revision and _COMMIT.fullmatch(source.revision))
    if pinned:
        with contextlib.suppress(errors.LocalEntryNotFoundError, OSError):
            folder = Path(_snapshot(source.repository, source.revision, local_files_only=True))
            if (folder / "model.bin").exists():
                return folder, _commit(folder), None
    say(f"Downloading {source.repository} from the hub, unless it is here already.")
    try:
        folder = Path(_snapshot(source.repository, source.revision, local_files_only=False))
        return folder, _commit(folder), None
    except Exception as error:
        reason = _explain_download(source, error)
        if not _is_unreachable(error):
            raise ModelError(reason) from error
        try:
            folder = Path(_snapshot(source.repository, source.revision, local_files_only=True))
        except Exception:
            raise ModelError(reason) from error
        note = "The hub could not be reached; an earlier download was taken."
        return folder, _commit(folder), note


def _snapshot(repository: str, revision: str | None, local_files_only: bool) -> str:
    """The boundary to the hub: tests replace this function.

    Raises ConnectionError if the hub gave no answer, where huggingface_hub would take an earlier
    download without a word.
    """
    from faster_whisper import download_model
    from huggingface_hub import get_session

    client, answers = get_session(), []
    before = {moment: list(hooks) for moment, hooks in client.event_hooks.items()}
    client.event_hooks = {
        "request": [*before.get("request", []), _bound_silence],
        "response": [*before.get("response", []), lambda r: answers.append(r.status_code < 500)],
    }
    try:
        folder = download_model(repository, revision=revision, local_files_only=local_files_only)
    finally:
        client.event_hooks = before
    if not local_files_only and not any(answers):
        raise ConnectionError("the hub did not answer")
    return folder


def _bound_silence(request: Any) -> None:
    """A time limit for requests that have none: huggingface_hub would wait for ever for a hub that
    takes the connection and says nothing. HF_HUB_DOWNLOAD_TIMEOUT sets it (10 s without a byte)."""
    from huggingface_hub import constants

    given = request.extensions.get("timeout") or {}
    request.extensions["timeout"] = {
        step: given.get(step) or constants.HF_HUB_DOWNLOAD_TIMEOUT
        for step in ("connect", "read", "write", "pool")
    }


def _commit(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache (`…/snapshots/<commit>`) holds."""
    return folder.name if _COMMIT.fullmatch(folder.name) else None


def _is_unreachable(error: BaseException) -> bool:
    from huggingface_hub import errors

    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return False
    if isinstance(error, errors.LocalEntryNotFoundError | ConnectionError | TimeoutError):
        return True
    # Errors of the HTTP library that huggingface_hub uses (requests, httpx, …) by their names.
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"ConnectError", "ConnectTimeout", "ReadTimeout", "TransportError",
                         "ProxyError", "SSLError", "NetworkError"})  # fmt: skip


def _explain_download(source: ModelSource, error: BaseException) -> str:
    from huggingface_hub import errors

    name, repository = source.name, source.repository
    if isinstance(error, errors.GatedRepoError):
        return (
            f"{name!r}: access to {repository} must be granted by its owner; ask for it on its "
            "page, log in with `hf auth login`, and try again"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{name!r}: {repository} has no revision {source.revision!r}; check the part after '@'"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"{name!r}: the hub has no model {repository}, or it is private; check the name, "
            "or log in with `hf auth login`"
        )
    if _is_unreachable(error):
        return (
            f"{name!r} is not on this machine, and the hub cannot be reached; connect to the "
            "network once (python scripts/prepare_model.py downloads it), give the folder of a "
            "copy ('./folder'), or use a model that needs no network: mini-en or dummy-tiny"
        )
    text = " ".join(str(error).split())[:300]
    if isinstance(error, OSError) and error.errno:
        text = f"{error.strerror}; make room, or move the hub's cache with HF_HOME"
    return (
        f"{name!r}: {repository} could not be downloaded ({type(error).__name__}: {text}); try "
        "again later, or give the folder of a copy ('./folder')"
    )


# ----------------------------------------------------------------------------- verifying


def verify(folder: str | os.PathLike[str], name: str | None = None) -> dict[str, Any]:
    """Check that a folder holds a whole Whisper model that `WhisperModel` loads without network.

    Reads headers only, no weights. Returns multilingual (bool), mel_bins, vocabulary (number of
    tokens), width (of the hidden layers) and weights (their type on disk). Raises ModelError.
    """
    folder = Path(folder)
    name = str(folder) if name is None else name
    try:
        facts = _verify(folder)
    except OSError as error:
        file = error.filename or folder
        raise ModelError(
            f"{name!r}: {str(file)!r} cannot be read: {error.strerror or error}"
        ) from error
    except ModelError as error:
        raise ModelError(f"{name!r}: {error}") from None
    return facts


def _verify(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ModelError(f"there is no folder {str(folder)!r}; correct the path")
    if not (folder / "model.bin").is_file():
        raise ModelError(_why_no_model(folder))
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


def _why_no_model(folder: Path) -> str:
    """Why a folder has no model.bin, and what to do."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        return f"{str(folder)!r} cannot be read: {error.strerror or error}"
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


def _read_json(path: Path, kind: type) -> Any:
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
    return _read_json(folder / "vocabulary.json", list)


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


def print_progress(message: str) -> None:
    """A line of progress on standard error."""
    print(message, file=sys.stderr, flush=True)
