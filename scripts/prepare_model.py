"""Make a model ready for measuring: verify it, build its dummy weights, or download it.

The manifest says where the model is and what it contains. Dummy weights are tried as the study will
use them: where they do not give their planted text, there is no manifest, and so no run. Nothing is
timed here, and nothing is downloaded anywhere else.
"""

import argparse
import json
import sys
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.inputs.model_names import parse_model
from parallel_transcription.inputs.models import prepare, print_progress
from parallel_transcription.jobs import trial
from parallel_transcription.study.configuration import complete


def main() -> None:
    """Prepare one model and write its manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", required=True, help="mini-en, dummy-tiny, small, org/name, ./folder"
    )
    parser.add_argument(
        "--models-folder", type=Path, default=Path("results/models"), help="for dummy weights"
    )
    parser.add_argument(
        "--try", dest="trials", default="[]", help="configurations to try dummy weights with (JSON)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write (JSON)")
    args = parser.parse_args()
    source = parse_model(args.model)
    manifest = prepare(source, args.models_folder.absolute(), say=print_progress)
    for values in json.loads(args.trials):
        trial.check_alone(manifest, complete(values))
    write_json(args.out, manifest)
    print(f"{manifest['name']} is ready in {manifest['path']}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
