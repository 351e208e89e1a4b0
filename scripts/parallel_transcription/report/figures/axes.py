"""Discrete axes of figures: their levels in order, and the labels of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from parallel_transcription import words
from parallel_transcription.untrusted import clean, shorten_middle
from parallel_transcription.words import as_written, is_missing, plural

#: At most so many panels side by side; more would be too small to read.
MOST_PANELS = 6
#: At most so many rows below each other.
MOST_ROWS = 40


def levels(values: Iterable[Any]) -> list[str]:
    """Different numbers in order, as text: the levels of a discrete axis."""
    return [as_written(v) for v in sorted({float(v) for v in values if not is_missing(v)})]


def as_levels(values: pd.Series, order: list[str] | None = None) -> pd.Categorical:
    """Numbers as an ordered category of their texts."""
    return pd.Categorical(
        [as_written(v) for v in values], categories=order or levels(values), ordered=True
    )


def ordered(values: Iterable[str], order: Iterable[str]) -> pd.Categorical:
    """Texts as an ordered category."""
    return pd.Categorical(list(values), categories=list(dict.fromkeys(order)), ordered=True)


def files_label(files: Any) -> str:
    """A number of files: `2 files`."""
    return plural(int(files), "file")


def few(values: pd.Series, most: int) -> list[Any]:
    """The most frequent values, at most `most`, in order."""
    counts = values.value_counts()
    return sorted(counts.sort_values(ascending=False, kind="stable").index[:most])


# ---------------------------------------------------------------- rows with labels


def setting_label(row: Mapping[str, Any], workers: str = "workers") -> str:
    """A setting and its files: `2 workers × 1 thread, 2 files`; `workers` as in `words`."""
    text = words.setting(row, workers)
    return text if is_missing(row.get("files")) else f"{text}, {files_label(row['files'])}"


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows by model, files, workers, models and threads, as numbers."""
    keys = [
        "model",
        "compute_type",
        "files",
        "total_workers",
        "workers",
        "instances",
        "cpu_threads",
    ]
    keys = [k for k in keys if k in rows]
    return rows.sort_values(keys, kind="stable") if keys else rows


def with_labels(rows: pd.DataFrame, texts: list[str]) -> pd.DataFrame:
    """`rows` with a column `label`: the texts, made unique by what else differs."""
    texts = list(texts)
    for name in ("model", "compute_type", "device", "device_index"):
        if name in rows and rows[name].nunique() > 1:
            texts = [
                f"{t}, {shorten_middle(v, 24)}" for t, v in zip(texts, rows[name], strict=True)
            ]
    seen: dict[str, int] = {}
    unique = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        unique.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return rows.assign(label=[clean(t, 90) for t in unique])
