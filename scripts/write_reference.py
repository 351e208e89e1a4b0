#!/usr/bin/env python3
"""Write what follows from the code's tables: the schemas, and the tables of two pages.

These are schemas/*.json, config/README.md and docs/output.md.

With --check, write nothing and fail if a file differs from what the code says.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.record import match_schema, record_schema
from parallel_transcription.results import columns
from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.study.keys import Key
from parallel_transcription.study.settings import (
    MACHINE_KEYS,
    SETTINGS,
    configuration_schema,
    study_schema,
)


def reference() -> dict[Path, str]:
    """The text that each file should have."""
    tables = {
        PROJECT_ROOT / "config" / "README.md": {
            "settings": settings_table(SETTINGS),
            "machines": settings_table(MACHINE_KEYS),
            "dimensions": dimensions_table(),
        },
        PROJECT_ROOT / "docs" / "output.md": {
            "runs": columns_table(columns.RUNS),
            "timings": columns_table(columns.TIMINGS),
            "matches": columns_table([one for one in columns.MATCHES if one not in columns.RUNS]),
        },
    }
    schemas = {
        "study": study_schema(),
        "configuration": configuration_schema(),
        "run_record": record_schema(),
        "match_record": match_schema(),
    }
    return {
        **{page: with_tables(page, own) for page, own in tables.items()},
        **{
            PROJECT_ROOT / "schemas" / f"{name}.schema.json": json.dumps(schema, indent=2) + "\n"
            for name, schema in schemas.items()
        },
    }


def with_tables(page: Path, tables: dict[str, str]) -> str:
    """The page's text with the tables between `<!-- name -->` and `<!-- end of name -->`."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables.items():
        text, found = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)",
            lambda marks, table=table: f"{marks[1]}\n{table}\n{marks[2]}",
            text,
            flags=re.DOTALL,
        )
        if found != 1:
            raise ValueError(f"{page} has {found} places for the table {name!r}; it needs one")
    return text


def settings_table(settings: tuple[Key, ...]) -> str:
    """Settings as a Markdown table."""
    rows = ["| key | default | what it is |", "|---|---|---|"]
    for setting in settings:
        default = "required" if setting.required else _shown(setting.default)
        rows.append(f"| `{setting.name}` | {default} | {_cell(setting.doc)} |")
    return "\n".join(rows) + "\n"


def dimensions_table() -> str:
    """The dimensions of the grid as a Markdown table."""
    rows = ["| dimension | values | default | what it is |", "|---|---|---|---|"]
    for d in DIMENSIONS:
        default = {"strategy": "required", "callers": "`files_in_parallel`"}.get(
            d.name, _shown(d.default)
        )
        rows.append(f"| `{d.name}` | {_values(d.schema)} | {default} | {_cell(d.doc)} |")
    return "\n".join(rows) + "\n"


def columns_table(table: Sequence[columns.Column]) -> str:
    """The columns of a CSV as a Markdown table."""
    rows = ["| column | unit | what it is |", "|---|---|---|"]
    rows += [f"| `{c.name}` | {c.unit} | {_cell(c.doc)} |" for c in table]
    return "\n".join(rows) + "\n"


def _values(schema: dict) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "minimum" in schema:
        return f"{schema['type']} {schema['minimum']} … {schema['maximum']}"
    return schema["type"]


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def update(files: dict[Path, str], description: str | None) -> int:
    """Write the files that differ, or with --check only name them; returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args().check
    status = 0
    for path, text in files.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            print(f"{path.relative_to(PROJECT_ROOT)} is not what the code says; run {sys.argv[0]}")
            status = 1
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(PROJECT_ROOT)}")
    return status


if __name__ == "__main__":
    run(lambda: update(reference(), __doc__))
