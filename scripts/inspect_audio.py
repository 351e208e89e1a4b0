"""Decode audio files once, before anything is timed, and write down what they hold.

All files that cannot be used are named, with the remedy; then nothing is written. What was seen is
remembered by content, so that no file is decoded twice for it.
"""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.inputs import inspected


def main() -> None:
    """Inspect the files and write the manifest, a list sorted by path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="the manifest to write (JSON)")
    parser.add_argument("files", nargs="+", metavar="FILE", help="after -- any names will do")
    args = parser.parse_args()
    seen = inspected.inspect_all(args.files)
    if args.out:
        write_json(args.out, seen)


if __name__ == "__main__":
    run(main)
