"""Make a model ready for measuring: verify it, build its dummy weights, or download it.

The manifest says where the model is and what it contains. A model is tried as the study will use
it: where the engine cannot load it or breaks, or dummy weights do not give their planted text,
there is no manifest, and so no run. Nothing is timed here, and nothing is downloaded anywhere else.
"""

import argparse
import json
import sys
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.files import write_json
from parallel_transcription.inputs import model_options
from parallel_transcription.inputs.model_names import ModelError, parse_model
from parallel_transcription.inputs.models import prepare, print_progress
from parallel_transcription.jobs import trial
from parallel_transcription.places import PROJECT_ROOT
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
        "--asked", default="[]", help="configurations that the study has of the model (JSON)"
    )
    parser.add_argument(
        "--tried", choices=["yes", "no"], default="yes", help="whether to try them on this host"
    )
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write (JSON)")
    args = parser.parse_args()
    source = parse_model(args.model)
    manifest = prepare(source, args.models_folder.absolute(), say=print_progress)
    folder = PROJECT_ROOT / manifest["path"]
    asked = [complete(values) for values in json.loads(args.asked)]
    can = model_options.abilities_in(folder, source.name)
    found = [problem for one in asked for problem in model_options.problems(source.name, can, one)]
    if found:
        raise ModelError("\n".join(dict.fromkeys(found)))
    for one in asked if args.tried == "yes" else []:
        if one.device == "cpu":
            trial.check_alone(manifest, one)
    write_json(args.out, manifest)
    print(f"{manifest['name']} is ready in {manifest['path']}", file=sys.stderr)


if __name__ == "__main__":
    run(main)
