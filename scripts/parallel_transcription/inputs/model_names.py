"""What a model's name in a study file means; nothing is read but the names of folders.

mini-en                    embedded: a folder of this name in resources/models/
dummy-small                dummy weights of a real size (see dummy_weights.py)
./models/mine, /data/m, ~/m   a folder with a model in CTranslate2's format
org/name, org/name@revision   a model of the Hugging Face hub
small, large-v3, turbo …   faster-whisper's names for models of the hub
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from parallel_transcription.errors import InputError
from parallel_transcription.inputs import dummy_weights
from parallel_transcription.places import PROJECT_ROOT

EMBEDDED_FOLDER = "resources/models"
DUMMY_PREFIX = "dummy-"
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

_LONGEST_NAME = 300
_LONGEST_SLUG = 60
_REPOSITORY_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,94}[A-Za-z0-9_]|[A-Za-z0-9_]")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,126}")


class ModelError(InputError):
    """A model that does not exist, is damaged or cannot be had; the message says what to do."""


@dataclass(frozen=True)
class ModelSource:
    """What the model's name in a study file means.

    `slug` is made of letters, digits, `.`, `_` and `-`, at most 60 of them, begins with a letter,
    digit or `_`, and is different for different models.
    """

    kind: ClassVar[str]
    name: str
    slug: str


@dataclass(frozen=True)
class FolderModel(ModelSource):
    """A folder of the user, with its path as given."""

    kind: ClassVar[str] = "folder"
    path: str


@dataclass(frozen=True)
class EmbeddedModel(FolderModel):
    """A folder of the project; its path is relative to the project."""

    kind: ClassVar[str] = "embedded"


@dataclass(frozen=True)
class HubModel(ModelSource):
    """A model of the hub; without a revision, the newest commit of its main branch."""

    kind: ClassVar[str] = "hub"
    repository: str
    revision: str | None = None


@dataclass(frozen=True)
class DummyModel(ModelSource):
    """Random weights of a real size (see dummy_weights.py)."""

    kind: ClassVar[str] = "dummy"
    size: str
    tokens: int = dummy_weights.DEFAULT_TOKENS
    seed: int = 0
    quantization: str = "float16"


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
        return FolderModel(name, _slug(_last_part(name), name, exact=False), name)
    if name.startswith(DUMMY_PREFIX):
        return _parse_dummy(name)
    if "/" in name or "@" in name:
        return _parse_hub(name, root)
    if name in HUB_MODELS:
        return HubModel(name, _slug(name, name), HUB_MODELS[name])
    if name in embedded(root):
        return EmbeddedModel(name, _slug(name, name), f"{EMBEDDED_FOLDER}/{name}")
    if os.path.isdir(root / name):
        raise ModelError(f"{name!r} is no model's name, but a folder; write './{name}'")
    raise ModelError(f"there is no model {name!r}{_closest(name, root)}; {_what_there_is(root)}")


def _parse_dummy(name: str) -> ModelSource:
    size = name.removeprefix(DUMMY_PREFIX)
    if size not in dummy_weights.ARCHITECTURES:
        names = [DUMMY_PREFIX + known for known in dummy_weights.ARCHITECTURES]
        raise ModelError(f"there is no dummy model {name!r}; there are {', '.join(names)}")
    return DummyModel(name, _slug(name, name), size)


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
    slug = _slug(name.replace("/", "--").replace("@", "--"), name, exact="/" not in revision)
    return HubModel(name, slug, repository, revision or None)


def embedded(root: Path) -> list[str]:
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
    known = [*embedded(root), *HUB_MODELS, *dummies]
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def _what_there_is(root: Path) -> str:
    folders = ", ".join(embedded(root)) or f"none in {EMBEDDED_FOLDER}"
    return (
        f"models are embedded ones ({folders}), "
        f"dummy-<size> ({', '.join(dummy_weights.ARCHITECTURES)}), "
        f"faster-whisper's names ({', '.join(HUB_MODELS)}), hub ids ('organisation/name') "
        "and folders ('./folder')"
    )
