"""Writing of files that are there whole or not at all, whatever stops the program."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def check_writable(folder: Path) -> None:
    """See that a file can be made in a folder, which is made where it is missing.

    Raises:
        OSError: if not; it names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, and put it there when it is whole and on the disk.

    Args:
        path: Its place; the folder is made where it is missing.
        write: Writes the file that it is given.

    Raises:
        OSError: if the folder cannot be written or the disk is full; it names the file, and no
            partial file stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            write(Path(name))
            os.fsync(descriptor)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_json(path: Path, content: Any, indent: int = 1) -> None:
    """Write a value as JSON, whole or not at all; keys in the order in which they were made.

    Raises:
        OSError: as `write_whole` does.
        ValueError: for numbers that are not finite.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(
        path, lambda part: part.write_text(text, encoding="utf-8", errors="backslashreplace")
    )
