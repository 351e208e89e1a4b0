"""The cells, tables and badges that pages are made of.

Nothing is computed here but the choice of digits. Untrusted text (labels, file names, errors,
transcripts) is put on one line and kept short; the templates escape it.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from parallel_transcription.formatting import (
    DUMMY_NOTICE,
    EMBEDDED_NOTICE,
    NOTHING,
    clean,
    integer,
    is_missing,
    seconds,
    setting,
)

VERDICTS = {
    "confirmed": ("✓", "confirmed"),
    "refuted": ("✗", "refuted"),
    "inconclusive": ("?", "inconclusive"),
    "not measured": (NOTHING, "not measured"),
}


def cell(
    text: Any,
    numeric: bool = False,
    badge: dict | None = None,
    classes: str = "",
    stacked: bool = False,
) -> dict:
    """A cell of a table; ``stacked`` puts the text below the badge, else a badge replaces it."""
    return {
        "text": str(text),
        "numeric": numeric,
        "badge": badge,
        "classes": classes,
        "stacked": stacked,
    }


def badge(verdict: Any) -> dict:
    symbol, word = VERDICTS.get(str(verdict), ("?", clean(verdict, 30) or "not measured"))
    kind = str(verdict).replace(" ", "-") if str(verdict) in VERDICTS else "other"
    return {"symbol": symbol, "word": word, "kind": kind}


def table(
    columns: list[str], rows: list[list[dict]], note: str = "", groups: list[dict] | None = None
) -> dict:
    """A table for the templates. Its size follows from how much has to fit on a line."""
    widths = [len(c) for c in columns]
    for row in rows:
        for i, one in enumerate(row):
            widths[i] = max(widths[i], min(len(one["text"]), 46))
    letters = sum(widths) + 2 * len(widths)
    size = "normal" if letters <= 88 else "small" if letters <= 118 else "tiny"
    numeric = [
        bool(rows) and all(row[i]["numeric"] or row[i]["text"] in ("", NOTHING) for row in rows)
        for i in range(len(columns))
    ]
    return {
        "columns": [{"text": c, "numeric": n} for c, n in zip(columns, numeric, strict=True)],
        "groups": groups or [],
        "rows": rows,
        "size": size,
        "wide": letters > 150,
        "whole": len(rows) <= 14,
        "note": note,
        "prose": False,
        "widths": [],
        "narrow": False,
    }


def is_empty(value: Any) -> bool:
    return is_missing(value) or value == "" or value == []


def notice(runs: pd.DataFrame) -> str:
    """What a page must say of the models whose results it shows."""
    kinds = set(runs["model_kind"])
    words = [DUMMY_NOTICE] if "dummy" in kinds else []
    words += [EMBEDDED_NOTICE] if "embedded" in kinds else []
    return "; ".join(words)


def model_notice(kind: str) -> str:
    return {"dummy": DUMMY_NOTICE, "embedded": EMBEDDED_NOTICE}.get(kind, "")


def threads_text(value: Any) -> str:
    return "auto" if value == 0 else integer(value)


def span_text(value: float, bound: float) -> str:
    """A makespan; beyond the limit as ``> 60``."""
    if isinstance(value, float) and math.isinf(value):
        return f"> {setting(bound)}"
    return seconds(value)


def mapping_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{clean(k, 40).replace('_', ' ')} {mapping_text(v)}"
            for k, v in value.items()
            if not is_empty(v) and v != {}
        )
    if isinstance(value, (list, tuple)):
        return " · ".join(mapping_text(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return clean(value, 120)
