"""Tables as files: Parquet for all later steps, CSV for people and spreadsheets."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from parallel_transcription.files import write_json, write_whole
from parallel_transcription.results.columns import LEFT_OUT_COLUMNS
from parallel_transcription.results.merge import Merged
from parallel_transcription.untrusted import hide_homes, hide_places


def write_tables(merged: Merged, folder: Path) -> None:
    """Write `machines.json`; as Parquet and CSV `timings`, `runs`, `matches` and `left_out`."""
    named = [
        (hide_homes(_in_utf8(file)), hide_places(_in_utf8(why))) for file, why in merged.left_out
    ]
    left_out = pd.DataFrame(named, columns=list(LEFT_OUT_COLUMNS), dtype="str")
    tables = {
        "timings": merged.timings,
        "runs": merged.runs,
        "matches": merged.matches,
        "left_out": left_out,
    }
    write_json(folder / "machines.json", merged.machines)
    for name, table in tables.items():
        write_whole(folder / f"{name}.parquet", partial(table.to_parquet, index=False))
    for name, table in tables.items():
        write_whole(folder / f"{name}.csv", partial(_safe(table).to_csv, index=False))


def _in_utf8(text: str) -> str:
    """Text with the bytes of names that are not UTF-8 as escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


#: How a cell begins that a spreadsheet runs (OWASP, CSV injection), full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _safe(table: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front."""
    texts = table.select_dtypes(["object", "string"])
    tamed = {name: texts[name].where(~texts[name].str.startswith(_FORMULA), "'" + texts[name])
             for name in texts}  # fmt: skip
    return table.assign(**tamed)
