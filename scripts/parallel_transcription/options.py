"""The command line of a step that is given paths and nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path


def given_paths(description: str | None, **meanings: str) -> dict[str, Path]:
    """Paths from the command line, each by a required option of its name.

    Args:
        description: What the script does, for its help.
        meanings: What each path is, by name.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, meaning in meanings.items():
        parser.add_argument(f"--{name}", type=Path, required=True, help=meaning)
    return vars(parser.parse_args())
