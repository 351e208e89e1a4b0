"""Files that a person names: regular ones that can be read, or what is wrong with them."""

from __future__ import annotations

import stat
from pathlib import Path

from parallel_transcription.errors import InputError, reason


class Unreadable(InputError):
    """No regular file that can be read; `fault` and `remedy` tell without the file's name."""

    def __init__(self, fault: str, remedy: str):
        super().__init__(f"{fault}; {remedy}")
        self.fault = fault
        self.remedy = remedy


def size_of(path: Path, wanted: str) -> int:
    """The size in bytes of a regular file that can be read; a pipe would make its reader wait.

    Args:
        path: The file.
        wanted: What to give instead of something else, such as "an audio file".

    Raises:
        Unreadable: for what is none.
    """
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            with path.open("rb"):
                return status.st_size
    except FileNotFoundError:
        raise Unreadable("does not exist", "correct the name") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read ({reason(error)})", "check its name and rights") from None
    kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
    raise Unreadable(f"is {kind}", f"give {wanted}")
