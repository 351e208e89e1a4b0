"""Make a model ready for measuring: verify it, build its dummy weights, or download it.

The manifest says where the model is and what it contains. Nothing is timed here, and nothing is
downloaded anywhere else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parallel_transcription.files import write_json
from parallel_transcription.inputs import models
from parallel_transcription.places import PROJECT_ROOT


def main(arguments: list[str] | None = None) -> int:
    """Prepare one model and write its manifest; 1 if that is not possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", required=True, help="mini-en, dummy-tiny, small, org/name, ./folder"
    )
    parser.add_argument("--models-folder", type=Path, default=Path("results/models"))
    parser.add_argument("--manifest", type=Path, required=True, help="JSON file to write")
    parser.add_argument(
        "--root", type=Path, default=PROJECT_ROOT, help="what './folder' is relative to"
    )
    options = parser.parse_args(arguments)
    try:
        source = models.parse_model(options.model, options.root)
        folder = options.models_folder.absolute()
        manifest = models.prepare(source, folder, options.root, say=models.print_progress)
        write_json(options.manifest, manifest)
    except models.ModelError as error:
        print(f"Error: model: {error}.", file=sys.stderr)
        return 1
    except OSError as error:
        where = f" {str(error.filename)!r}" if error.filename else ""
        print(f"Error: cannot write{where}: {error.strerror or error}.", file=sys.stderr)
        return 1
    print(f"{manifest['name']} is ready in {manifest['path']}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
