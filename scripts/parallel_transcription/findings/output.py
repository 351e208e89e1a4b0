"""Writing of results: deterministic JSON, and the command-line errors that the scripts share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from parallel_transcription.findings.tables import TableError


def write_json(value, path: str | Path) -> None:
    """JSON without times or nan, keys in the order they were made (tables keep their columns)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run(main: Callable[[], None]) -> None:
    """Runs a script's main; what is wrong with the input is said in one line, without traceback."""
    try:
        main()
    except (TableError, OSError) as error:
        sys.exit(f"error: {error}")
