"""Writes the table of locked packages and their licences into THIRD_PARTY.md.

Reads what the packages in this environment say of themselves. Run by `make lock`, on Linux, where
all of them are installed.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "THIRD_PARTY.md"
BEGIN, END = "<!-- begin: written by `make lock` -->", "<!-- end -->"
PINS = re.compile(r"^([a-z0-9._-]+)==([^\s;]+)", re.MULTILINE)

# The same licence by one name: that of SPDX, where the package does not use it.
NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "2-clause BSD": "BSD-2-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-based (matplotlib's own)",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "GNU General Public License (GPL)": "GPL (one file)",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
}


def licence(package: str) -> str:
    """The licence that an installed package states, as an SPDX expression where that is known.

    Raises:
        LookupError: The package does not say what its licence is.
    """
    about = metadata.metadata(package)
    if expression := about.get("License-Expression"):
        return expression
    named = (about.get("License") or "").strip()
    if named and len(named) <= 40 and "\n" not in named:
        return NAMES.get(named, named)
    classifiers = [
        line.rsplit(" :: ", 1)[1]
        for line in about.get_all("Classifier", [])
        if line.startswith("License :: ")
    ]
    if classifiers:
        return " / ".join(NAMES.get(name, name) for name in classifiers)
    for file in metadata.files(package) or []:
        if file.name.upper().startswith("LICEN"):
            headline = file.read_text().strip().splitlines()[0].strip()
            return NAMES.get(headline, headline)
    raise LookupError(f"{package} does not say what its licence is: add it by hand to NAMES")


def locked(name: str) -> dict[str, str]:
    """The versions that a lock pins, by package; `name` is that of its file, without `.txt`."""
    return dict(PINS.findall((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")))


def table() -> str:
    """The packages of the locks as a Markdown table, by name."""
    running = locked("lock") | locked("lock-build")
    packages = running | locked("lock-test")
    rows = ["| package | version | licence | for |", "|---|---|---|---|"]
    for name, version in sorted(packages.items()):
        use = "running" if name in running else "tests"
        rows.append(f"| {name} | {version} | {licence(name)} | {use} |")
    return "\n".join(rows)


def main() -> None:
    """Put the table between its marks in the page; end with a message where it has none."""
    head, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{PAGE.name} lacks the marks {BEGIN} and {END}")
    PAGE.write_text(f"{head}{BEGIN}\n{table()}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
