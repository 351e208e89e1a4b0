"""Decode all audio files once, before anything is timed, and write down what they hold.

All files that cannot be used are named, with the remedy; then nothing is written.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from parallel_transcription.files import write_json
from parallel_transcription.inputs import audio


def main(arguments: list[str] | None = None) -> int:
    """Inspect the files and write the manifest, a list sorted by path; 1 if a file is bad."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--files-from", type=Path, help="JSON file with a list of more names")
    parser.add_argument("--cache", type=Path, help="file that remembers hashes")
    parser.add_argument("files", nargs="*", metavar="FILE", help="after -- any names will do")
    options = parser.parse_args(arguments)
    files = list(options.files)
    try:
        if options.files_from:
            files += json.loads(options.files_from.read_text(encoding="utf-8"))
        if not files:
            raise audio.AudioError("no files are named")
        write_json(options.out, audio.inspect_all(files, options.cache))
    except audio.AudioError as error:
        lines = str(error).splitlines() or [""]
        print("\n".join(f"Error: audio: {line}." for line in lines), file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"Error: {error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
