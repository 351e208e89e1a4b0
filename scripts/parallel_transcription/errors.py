"""What stops a step: said in one line, without a traceback, with an exit status that is not 0."""

from __future__ import annotations

import sys
from collections.abc import Callable


class TableError(ValueError):
    """A table or another result is missing or cannot be used; the message says which and why."""


def run(main: Callable[[], int | None]) -> None:
    """Run a script's main and end with its status; what is wrong with the input is said plainly."""
    from parallel_transcription.audio import AudioError
    from parallel_transcription.fingerprint import FingerprintError
    from parallel_transcription.study_file import StudyError

    try:
        sys.exit(main())
    except (TableError, StudyError, AudioError, FingerprintError) as error:
        sys.exit("\n".join(f"error: {line}" for line in str(error).splitlines()))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror or error}")
