"""Decode audio files once, before anything is timed, and write down what they hold.

All files that cannot be used are named, with the remedy; then nothing is written.
"""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.inputs import audio


def main() -> None:
    """Inspect the files and write the manifest, a list sorted by path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write (JSON)")
    parser.add_argument("files", nargs="+", metavar="FILE", help="after -- any names will do")
    args = parser.parse_args()
    write_json(args.out, audio.inspect_all(args.files))


if __name__ == "__main__":
    run(main)
