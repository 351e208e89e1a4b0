#!/usr/bin/env python3
"""Make the documentation's site with MkDocs, in site/: `make site`.

The pages lie in several folders and link each other as they do there, so they are laid out in the
same way first, with what they show.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAID_OUT = ROOT / ".site"
#: Patterns of pages, and of what they show or link to.
PAGES = ("*.md", "config/README.md", "benchmarks/README.md", "audio/README.md", "docs/**/*.md",
         "resources/models/*/MODEL_CARD.md")  # fmt: skip
SHOWN = ("docs/**/*.png", "CITATION.cff")


def lay_out(folder: Path) -> list[Path]:
    """Copy all pages and what they show; returns their places in the repository."""
    files = sorted({file for one in (*PAGES, *SHOWN) for file in ROOT.glob(one)})
    for file in files:
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    return [file.relative_to(ROOT) for file in files]


def main() -> int:
    """Lay the pages out and let MkDocs make the site; returns its exit status."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    shutil.rmtree(LAID_OUT, ignore_errors=True)
    lay_out(LAID_OUT)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--clean"]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
