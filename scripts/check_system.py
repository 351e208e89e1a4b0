"""Checks that the system libraries of WeasyPrint, which makes the PDFs, can be loaded.

Ends with 0 when all are there, else with 1 and the command that installs them. Needs nothing but
Python itself.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """A system library: the names to try, and whether a PDF can be made without it."""

    name: str
    names: tuple[str, ...]  # under which it is tried, in order
    required: bool = True


# The names that WeasyPrint tries on Linux and macOS (weasyprint/text/ffi.py), in its order.
LIBRARIES = (
    Library(
        "GObject", ("gobject-2.0-0", "gobject-2.0", "libgobject-2.0.so.0", "libgobject-2.0.0.dylib")
    ),
    Library("Pango", ("pango-1.0-0", "pango-1.0", "libpango-1.0.so.0", "libpango-1.0.dylib")),
    Library("HarfBuzz", ("harfbuzz", "harfbuzz-0.0", "libharfbuzz.so.0", "libharfbuzz.0.dylib")),
    Library(
        "HarfBuzz-Subset",
        (
            "harfbuzz-subset",
            "harfbuzz-subset-0.0",
            "libharfbuzz-subset.so.0",
            "libharfbuzz-subset.0.dylib",
        ),
        required=False,  # makes PDFs smaller, faster
    ),
    Library(
        "Fontconfig", ("fontconfig-1", "fontconfig", "libfontconfig.so.1", "libfontconfig.1.dylib")
    ),
    Library(
        "PangoFT2",
        ("pangoft2-1.0-0", "pangoft2-1.0", "libpangoft2-1.0.so.0", "libpangoft2-1.0.dylib"),
    ),
)

APT_PACKAGES = ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "libfontconfig1")
APT_ATTEMPTS = 3
# Package manager -> the command that installs the libraries with it, in order of preference.
COMMANDS = {
    "apt-get": (
        f"apt-get update && apt-get install -y --no-install-recommends {' '.join(APT_PACKAGES)}"
    ),
    "dnf": "dnf install -y pango",
    "yum": "yum install -y pango",
    "zypper": "zypper install -y libpango-1_0-0 libharfbuzz-subset0",
    "pacman": "pacman -S --needed pango",
    "brew": "brew install pango",
}
NEEDS_ROOT = frozenset(COMMANDS) - {"brew"}
CONDA_COMMAND = "conda install -c conda-forge pango harfbuzz fontconfig"


def can_load(library: Library) -> bool:
    """Whether the dynamic loader finds a library under one of its names."""
    for name in library.names:
        for candidate in (name, ctypes.util.find_library(name)):
            if candidate is None:
                continue
            try:
                ctypes.CDLL(candidate)
            except OSError:
                continue
            return True
    return False


def missing_libraries() -> list[Library]:
    """The libraries that cannot be loaded, also those that are not required."""
    return [library for library in LIBRARIES if not can_load(library)]


def package_manager() -> str | None:
    """The first command of `COMMANDS` that is installed here; None without any."""
    return next((name for name in COMMANDS if shutil.which(name)), None)


def is_root() -> bool:
    """Whether this process runs as root, who may install packages."""
    return os.geteuid() == 0


def in_conda() -> bool:
    """Whether this Python belongs to conda, which then has to bring the libraries."""
    return os.path.isdir(os.path.join(sys.base_prefix, "conda-meta"))


def advice(missing: list[Library], manager: str | None) -> str:
    """What is missing, and the commands that bring it."""
    names = ", ".join(library.name for library in missing)
    lines = [f"Missing system libraries, without which no PDF can be made: {names}."]
    if in_conda():
        lines += ["This Python is conda's, so conda brings them:", f"    {CONDA_COMMAND}"]
    else:
        if manager is None:
            lines += [
                "Install Pango, HarfBuzz-Subset and Fontconfig with the system's package manager,"
            ]
        else:
            command = COMMANDS[manager]
            if manager in NEEDS_ROOT and not is_root():
                command = f"sudo sh -c '{command}'"
            lines += ["Install them with", f"    {command}"]
        if manager == "brew":
            lines += [
                "Only Homebrew's own Python finds them. If yours is another, start anew with that:",
                '    make clean && make PYTHON="$(brew --prefix)/bin/python3"',
            ]
        else:
            lines += [
                "or, without administrator's rights, in a conda environment with Python:",
                f"    {CONDA_COMMAND}",
                "and, with that environment active, start anew: make clean",
            ]
    return "\n".join([*lines, "Then run the same make again."])


def install_with_apt() -> bool:
    """Installs the libraries; tries again, as mirrors fail now and then."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for attempt in range(APT_ATTEMPTS):
        if attempt:
            time.sleep(5 * attempt)
        print(f"+ {COMMANDS['apt-get']}", flush=True)
        done = subprocess.run(
            ["sh", "-c", COMMANDS["apt-get"]],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode == 0:
            return True
    return False


def main(arguments: list[str] | None = None) -> int:
    """Check, and install where asked; returns the exit status, 0 where PDFs can be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--install",
        action="store_true",
        help="install what is missing, where that needs no question: on Debian and Ubuntu, as root",
    )
    options = parser.parse_args(arguments)
    missing = missing_libraries()
    if not missing:
        return 0
    manager = package_manager()
    may_install = manager == "apt-get" and is_root() and not in_conda()
    if options.install and may_install and install_with_apt():
        missing = missing_libraries()
    missing = [library for library in missing if library.required]
    if not missing:
        return 0
    print(advice(missing, manager), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
