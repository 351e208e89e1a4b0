"""Writes the locks: every package with its exact version and hashes, and no address of any index.

They hold for CPython 3.11 and later on Linux (x86_64, aarch64) and macOS (arm64), the environments
in pyproject.toml. Versions already locked stay, unless a `.in` file says otherwise or uv is given
--upgrade. Needs uv; run by `make lock`.
"""

import argparse
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
RUN = ("measure", "report", "workflow")
LOCKS = {
    "lock-build": ("build",),
    "lock": RUN,
    "lock-test": (*RUN, "test"),
    "lock-cuda": ("cuda",),
}
_REQUIREMENT = re.compile(r"^(?P<pin>[a-z0-9._-]+==\S+) ; (?P<marker>.*?) \\$", re.MULTILINE)


def _without_common_marker(text: str) -> str:
    """The marker that all packages share says where the lock holds.

    Elsewhere pip would skip each of them and report success; without the marker, pip names the
    package that is not to be had.
    """
    markers = Counter(match["marker"] for match in _REQUIREMENT.finditer(text))
    if not markers:
        return text
    common = markers.most_common(1)[0][0]
    return text.replace(f" ; {common} \\\n", " \\\n")


def lock(name: str, options: list[str]) -> None:
    """Write one lock and print its path.

    Args:
        name: A key of `LOCKS`.
        options: More options for `uv pip compile`, such as `--upgrade`.

    Raises:
        subprocess.CalledProcessError: uv failed; it has said why.
    """
    target = FOLDER / f"{name}.txt"
    sources = [f"requirements/{source}.in" for source in LOCKS[name]]
    if name == "lock-test":
        options = [*options, "--constraints", "requirements/lock.txt"]
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"),
            *(
                "--python-version",
                "3.11",
                "--generate-hashes",
                "--no-header",
                "--no-emit-index-url",
            ),
            *("--custom-compile-command", "make lock", "--output-file", str(target)),
            *options,
            *sources,
        ],
        cwd=FOLDER.parent,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    target.write_text(_without_common_marker(target.read_text(encoding="utf-8")), encoding="utf-8")
    print(target.relative_to(FOLDER.parent))


def main() -> None:
    """Write all locks, in the order in which they constrain each other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _, options = parser.parse_known_args()  # what is not ours is for uv: --upgrade and the like
    for name in LOCKS:
        lock(name, options)


if __name__ == "__main__":
    main()
