#!/usr/bin/env python3
"""Write what docs/architecture.md says of packages and modules, from docstrings and imports.

The order of the packages is that of the import contract in pyproject.toml, which `make lint`
checks. With --check, write nothing and fail if the page differs from what the code says.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
SCRIPTS = ROOT / "scripts"
LIBRARY = "parallel_transcription"

sys.path.insert(0, str(SCRIPTS))

from write_reference import update, with_tables  # noqa: E402 (after the path to it)


class House:
    """The library's packages in their layers, and who imports whom."""

    def __init__(self) -> None:
        self.graph = grimp.build_graph(LIBRARY, cache_dir=None)
        self.layers = layers()
        in_layers = {name for layer in self.layers for name in layer}
        children = {name.rpartition(".")[2] for name in self.graph.find_children(LIBRARY)}
        if missing := in_layers - children:
            raise ValueError(f"pyproject.toml has layers without a package: {sorted(missing)}")
        self.ground = sorted(children - in_layers)  # what is in no layer

    def modules(self, package: str) -> list[str]:
        """Full names of a package's modules, itself left out, packages in it included."""
        return sorted(self.graph.find_descendants(f"{LIBRARY}.{package}"))

    def imports(self, room: str) -> list[str]:
        """What a package, or a module of the ground floor, imports of the library.

        Returns:
            Packages, top to bottom, then modules of the ground floor.
        """
        top = f"{LIBRARY}.{room}"
        importers = {top, *self.graph.find_descendants(top)}
        imported = {
            module.split(".")[1]
            for importer in importers
            for module in self.graph.find_modules_directly_imported_by(importer)
            if "." in module
        }
        order = [name for layer in self.layers for name in layer] + self.ground
        return [name for name in order if name in imported - {room}]


def layers() -> list[list[str]]:
    """The packages of each layer of the import contract, top to bottom."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = (c for c in contracts if c["type"] == "layers")
    return [[name.strip(" ()") for name in layer.split("|")] for layer in contract["layers"]]


def summary(path: Path) -> str:
    """The first paragraph of a Python file's docstring, on one line."""
    docstring = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    text = " ".join(docstring.split("\n\n")[0].split())
    if not text:
        raise ValueError(f"{path.relative_to(ROOT)} has no docstring")
    return text.replace("|", "\\|")


def diagram(house: House) -> str:
    """Which package imports which, as a Mermaid chart; the ground floor is left out."""
    lines = ["```mermaid", "flowchart TD"]
    for layer in house.layers:
        for package in layer:
            lines += [
                f"    {package} --> {other}"
                for other in house.imports(package)
                if other not in house.ground
            ]
    return "\n".join([*lines, "```"]) + "\n"


def packages(house: House) -> str:
    """A section for each package, top to bottom: what it is, what it imports, its modules."""
    parts = []
    for package in (name for layer in house.layers for name in layer):
        imported = ", ".join(f"`{name}`" for name in house.imports(package)) or "nothing of ours"
        parts += [
            f"### `{package}/`\n",
            f"{summary(file_of(f'{LIBRARY}.{package}'))} Imports {imported}.\n",
            listed(house.modules(package), f"{LIBRARY}.{package}."),
        ]
    ground = sorted(
        module for name in house.ground for module in (f"{LIBRARY}.{name}", *house.modules(name))
    )
    parts += ["### Ground floor\n", "Modules that every package may use.\n"]
    return "\n".join([*parts, listed(ground, f"{LIBRARY}.")])


def listed(modules: list[str], parent: str) -> str:
    """Modules with what they are, as a Markdown list."""
    lines = [f"- `{name.removeprefix(parent)}`: {summary(file_of(name))}" for name in modules]
    return "\n".join(lines) + "\n"


def file_of(module: str) -> Path:
    """The file of a module or package, by its full name."""
    path = SCRIPTS.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def programs() -> str:
    """The scripts and what they do, as a Markdown table."""
    rows = ["| script | what it does |", "|---|---|"]
    rows += [f"| `{path.name}` | {summary(path)} |" for path in sorted(SCRIPTS.glob("*.py"))]
    return "\n".join(rows) + "\n"


def page() -> str:
    """The text that the page should have."""
    house = House()
    sections = {"imports": diagram(house), "packages": packages(house), "scripts": programs()}
    return with_tables(PAGE, sections)


if __name__ == "__main__":
    sys.exit(update({PAGE: page()}, __doc__))
