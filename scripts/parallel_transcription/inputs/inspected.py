"""What was seen in audio files, remembered by their content: no file is decoded twice for it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from parallel_transcription import cpus
from parallel_transcription.files import write_json
from parallel_transcription.fingerprint import FingerprintError, code_fingerprint, file_sha256
from parallel_transcription.inputs import audio, claims, wholeness
from parallel_transcription.inputs.patterns import AudioError, fault_of

KEPT = Path(".snakemake/parallel_transcription/inspected")
#: What follows from a file's name and neighbours, not from its content.
_BY_NAME = ("file", "path", "reference")
_MOST_PROCESSES = 8


def unknown(paths: Iterable[str | os.PathLike[str]], kept: Path = KEPT) -> list[str]:
    """Those of some files that were not looked into yet."""
    names = [os.fspath(path) for path in paths]
    return [name for name in names if _recall(name, kept) is None]


def seconds(sha256: str, kept: Path = KEPT) -> float | None:
    """The length of an audio file by its content; None where it was not looked into yet."""
    try:
        seen = json.loads(_place(sha256, kept).read_text(encoding="utf-8"))
        return float(seen["seconds"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def remarks(paths: Iterable[str | os.PathLike[str]], kept: Path = KEPT) -> list[str]:
    """What one should know of files that were looked into."""
    seen = [(os.fspath(path), _recall(os.fspath(path), kept)) for path in paths]
    return [f"{name} {one['remark']}" for name, one in seen if one and one.get("remark")]


def inspect_all(paths: Iterable[str | os.PathLike[str]], kept: Path = KEPT) -> list[dict[str, Any]]:
    """Manifests of files, sorted by path; those not yet known are looked into at the same time.

    Raises AudioError with a line per bad file.
    """
    names = sorted({os.fspath(path) for path in paths})
    found = {name: _recall(name, kept) for name in names}
    new = [name for name in names if found[name] is None]
    bad = []
    for name, seen in zip(new, _inspect(new), strict=True):
        if isinstance(seen, str):
            bad.append(seen)
        else:
            found[name] = seen
            _remember(seen, kept)
    if bad:
        raise AudioError("\n".join(bad))
    return [one for one in found.values() if one is not None]


def _inspect(names: Sequence[str]) -> list[dict[str, Any] | str]:
    """What is in each file, or what is wrong with it."""
    processes = min(len(names), len(cpus.mine()), _MOST_PROCESSES)
    if processes < 2:
        return [_look(name) for name in names]
    try:
        with ProcessPoolExecutor(processes) as pool:
            return list(pool.map(_look, names))
    except BrokenProcessPool:
        return [_look_apart(name) for name in names]


def _look_apart(name: str) -> dict[str, Any] | str:
    """The same in a process of its own, since one of the files ends its process."""
    with ProcessPoolExecutor(1) as pool:
        try:
            return pool.submit(_look, name).result()
        except BrokenProcessPool:
            return str(
                fault_of(
                    Path(name),
                    "ends the process that decodes it (too little memory, or a fault of FFmpeg)",
                    "cut it into shorter parts, convert it, or leave it out",
                )
            )


def _look(name: str) -> dict[str, Any] | str:
    try:
        return audio.inspect(name)
    except AudioError as error:
        return str(error)


def _recall(name: str, kept: Path) -> dict[str, Any] | None:
    """The manifest of a file whose content is known; None for another one."""
    try:
        seen = json.loads(_place(file_sha256(name), kept).read_text(encoding="utf-8"))
        path = Path(name)
        by_name = {"file": path.name, "path": name, "reference": audio.read_reference(path)}
        return {key: by_name.get(key, seen.get(key)) for key in (*seen, *by_name)}
    except (OSError, ValueError, FingerprintError, AttributeError):
        return None


def _remember(seen: dict[str, Any], kept: Path) -> None:
    content = {key: value for key, value in seen.items() if key not in _BY_NAME}
    with contextlib.suppress(OSError):  # it is looked into again then
        write_json(_place(seen["sha256"], kept), content)


def _place(sha256: str, kept: Path) -> Path:
    """Where it is kept: another one when the checks have changed."""
    return kept / f"{sha256[:32]}-{_checks()}.json"


@functools.cache
def _checks() -> str:
    return code_fingerprint([audio.__file__, claims.__file__, wholeness.__file__])[:12]
