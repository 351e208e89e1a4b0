"""Writing of results: deterministic JSON."""

from __future__ import annotations

import json
from pathlib import Path


def write_json(value, path: str | Path) -> None:
    """JSON without times or nan, keys in the order they were made (tables keep their columns)."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
