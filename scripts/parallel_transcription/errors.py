"""What stops a step: said in one line, without a traceback, with an exit status that is not 0."""

from __future__ import annotations

import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something given to us cannot be used; the message names it, the fault and a remedy."""


class TableError(InputError):
    """A table or another result is missing or cannot be used; the message says which and why."""


def run(main: Callable[[], int | None]) -> None:
    """Run a script's main and end with its status; what is wrong with the input is said plainly."""
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror or error}")
