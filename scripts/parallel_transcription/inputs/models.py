"""Models made ready: from a name's meaning to a verified folder that `WhisperModel` loads.

`identity` runs while the workflow is planned: it reads no weights but through a cache of hashes,
never uses the network and imports nothing heavy. `prepare` runs once per model, before anything is
timed, so that no download ever happens in a measured process.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from parallel_transcription.fingerprint import (
    FingerprintError,
    code_fingerprint,
    file_sha256,
    folder_sha256,
)
from parallel_transcription.inputs import dummy_weights, hub
from parallel_transcription.inputs.model_files import (
    MODEL_FILES,
    verify,
    why_no_model,
)
from parallel_transcription.inputs.model_names import (
    DummyModel,
    EmbeddedModel,
    FolderModel,
    HubModel,
    ModelError,
    ModelSource,
)
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.untrusted import clean

HASH_CACHE = ".snakemake/content_hashes.txt"
DUMMY_NOTE = "Dummy weights: real size and speed, random numbers; the text means nothing."


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
    match source:
        case DummyModel():
            return {
                "kind": source.kind,
                "size": source.size,
                "tokens": source.tokens,
                "seed": source.seed,
                "quantization": source.quantization,
                "recipe": dummy_weights.RECIPE_VERSION,
                "code": code_fingerprint([dummy_weights.__file__]),
            }
        case HubModel():
            return {
                "kind": source.kind, "repository": source.repository, "revision": source.revision,
            }  # fmt: skip
        case FolderModel():
            folder = _folder_of(source, Path(root))
            digest = _content_hash(source, folder, _cache(root, cache))
            return {"kind": source.kind, "sha256": digest}
    raise TypeError(f"{source!r} is no kind of model")


def _folder_of(source: FolderModel, root: Path) -> Path:
    """The absolute folder of an embedded or local model; raises ModelError if there is none."""
    try:
        folder = root / Path(source.path).expanduser()
    except RuntimeError as error:
        raise ModelError(f"{source.name!r}: there is no such home folder; {error}") from None
    folder = Path(os.path.abspath(folder))
    if not os.path.exists(folder):
        remedy = (
            "the checkout is incomplete"
            if isinstance(source, EmbeddedModel)
            else "correct the path"
        )
        raise ModelError(f"{source.name!r}: there is no folder {str(folder)!r}; {remedy}")
    if not folder.is_dir():
        raise ModelError(f"{source.name!r} is a file; give the folder that holds model.bin")
    return folder


def _content_hash(source: ModelSource, folder: Path, cache: Path) -> str:
    try:
        return folder_sha256(folder, MODEL_FILES, cache)
    except FingerprintError as error:
        if not (folder / "model.bin").exists():
            raise ModelError(f"{source.name!r}: {why_no_model(folder)}") from None
        raise ModelError(f"{source.name!r}: {error}") from None


def _cache(root: str | os.PathLike[str], cache: str | os.PathLike[str] | None) -> Path:
    return Path(root, HASH_CACHE) if cache is None else Path(cache)


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
    folder, revision, notes = _folder_ready(source, root / models_folder, root, cache, say)
    try:
        facts = verify(folder, source.name)
        _check_tokenizer(folder, source.name)
    except ModelError as error:
        if not isinstance(source, HubModel):
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
        "repository": source.repository if isinstance(source, HubModel) else None,
        "revision": revision,
        **facts,
        "notes": notes,
    }


def _check_tokenizer(folder: Path, name: str) -> None:
    """Load the tokenizer of a verified model as faster-whisper does, which takes a moment.

    Raises:
        ModelError: if it cannot be loaded.
    """
    from tokenizers import Tokenizer

    try:
        Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the only kind that it raises
        raise ModelError(
            f"{name!r}: tokenizer.json cannot be loaded: {clean(str(error), 200)}; copy it from "
            "where the model comes from, or convert the model again"
        ) from None


def _folder_ready(
    source: ModelSource, models_folder: Path, root: Path, cache: Path, say: Callable[[str], None]
) -> tuple[Path, str | None, list[str]]:
    """The folder of a model that is built or downloaded where needed, the hub's commit, notes."""
    match source:
        case DummyModel():
            return _prepare_dummy(source, models_folder, cache, say), None, [DUMMY_NOTE]
        case HubModel():
            with _locked(models_folder / f".{source.slug}.lock", say):
                folder, revision, note = hub.download(source, say)
            return folder, revision, [note] if note else []
        case FolderModel():
            return _folder_of(source, root), None, []
    raise TypeError(f"{source!r} is no kind of model")


def _is_model_file(path: Path) -> bool:
    return path.is_file() and any(path.match(pattern) for pattern in MODEL_FILES)


def _prepare_dummy(
    source: DummyModel, models_folder: Path, cache: Path, say: Callable[[str], None]
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
    try:
        files = (dummy_weights.read_manifest(folder) or {})["files"]
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


def print_progress(message: str) -> None:
    """A line of progress on standard error."""
    print(message, file=sys.stderr, flush=True)
