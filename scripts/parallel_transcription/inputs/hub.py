"""Models of the Hugging Face hub: downloaded once, to the hub's own cache."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from parallel_transcription.inputs.model_files import MODEL_FILES
from parallel_transcription.inputs.model_names import HubModel, ModelError

_COMMIT = re.compile(r"[0-9a-f]{40}")


def download(source: HubModel, say: Callable[[str], None]) -> tuple[Path, str | None, str | None]:
    """Folder and commit of a hub model, and a note if the hub could not be asked.

    A pinned commit that is already here is taken without network. Otherwise the hub is asked; if
    it cannot be reached, what is here is taken and the note says so. Raises ModelError.
    """
    folder, note = _folder(source, say)
    if not (folder / "model.bin").exists():
        raise ModelError(
            f"{source.name!r}: {source.repository} has no model.bin, so it is not in "
            "CTranslate2's format; take one of faster-whisper's names, or convert it: "
            f"ct2-transformers-converter --model {source.repository} --output_dir ./NEW_FOLDER "
            "--copy_files tokenizer.json preprocessor_config.json --quantization float16"
        )
    return folder, _commit(folder), note


def _folder(source: HubModel, say: Callable[[str], None]) -> tuple[Path, str | None]:
    from huggingface_hub import errors

    if source.revision and _COMMIT.fullmatch(source.revision):
        with contextlib.suppress(errors.LocalEntryNotFoundError, OSError):
            folder = Path(_snapshot(source.repository, source.revision, local_files_only=True))
            if (folder / "model.bin").exists():
                return folder, None
    say(f"Downloading {source.repository} from the hub, unless it is here already.")
    try:
        return Path(_snapshot(source.repository, source.revision, local_files_only=False)), None
    except Exception as error:
        why = _explain_download(source, error)
        if not _is_unreachable(error):
            raise ModelError(why) from error
        try:
            folder = Path(_snapshot(source.repository, source.revision, local_files_only=True))
        except Exception:
            raise ModelError(why) from error
        if not (folder / "model.bin").exists():  # what a broken download left
            raise ModelError(why) from error
        return folder, "The hub could not be reached; an earlier download was taken."


def _snapshot(repository: str, revision: str | None, local_files_only: bool) -> str:
    """The boundary to the hub: tests replace this function.

    huggingface_hub's own snapshot_download waits for ever for a hub that takes the connection and
    says nothing, and takes an earlier download without a word where the hub gives no answer. So the
    hub is asked first for its commit, and the files are fetched one by one: each request has a time
    limit (HF_HUB_DOWNLOAD_TIMEOUT and HF_HUB_ETAG_TIMEOUT, 10 s without a byte).
    """
    from faster_whisper.utils import disabled_tqdm, download_model
    from huggingface_hub import HfApi, constants, hf_hub_download

    if local_files_only:
        return str(download_model(repository, revision=revision, local_files_only=True))
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    now = HfApi().model_info(repository, revision=revision, timeout=timeout)
    names = [file.rfilename for file in now.siblings or []]
    wanted = [name for name in names if any(fnmatch(name, pattern) for pattern in MODEL_FILES)]
    folders = {
        Path(hf_hub_download(repository, name, revision=revision, tqdm_class=disabled_tqdm)).parent
        for name in wanted or names[:1]
    }
    if {folder.name for folder in folders} != {now.sha}:
        raise ConnectionError(f"the hub did not give all files of {now.sha}")
    return str(folders.pop())


def _commit(folder: Path) -> str | None:
    """The commit that a folder of the hub's cache (`…/snapshots/<commit>`) holds."""
    return folder.name if _COMMIT.fullmatch(folder.name) else None


def _is_unreachable(error: BaseException) -> bool:
    from huggingface_hub import errors

    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return False
    if isinstance(error, errors.LocalEntryNotFoundError | ConnectionError | TimeoutError):
        return True
    if isinstance(error, errors.HfHubHTTPError):
        return error.response is not None and error.response.status_code >= 500
    # Errors of the HTTP library that huggingface_hub uses (requests, httpx, …) by their names.
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"ConnectError", "ConnectTimeout", "ReadTimeout", "TransportError",
                         "ProxyError", "SSLError", "NetworkError"})  # fmt: skip


def _explain_download(source: HubModel, error: BaseException) -> str:
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
