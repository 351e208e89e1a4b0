"""Make the embedded model: speak the corpora, train, convert, measure, describe.

`python -m training.make_model` in the root of the repository. An interrupted run continues where
it was when started again with the same work folder.
"""

import argparse
import hashlib
import json
import platform
import shutil
from dataclasses import replace
from pathlib import Path
from string import Template

import yaml

from training import evaluate
from training.corpus import make_corpus
from training.export import export
from training.held_out_clips import EVALUATION_SETS, SMOKE_SETS, make_clips
from training.network import Network
from training.train import Recipe, load_smooth_network, train

HERE = Path(__file__).resolve().parent
EVALUATION_SEED = 11  # the clips of the tests have another one
EVALUATION_BIT_RATE = 32000


def smoke_recipe(recipe: Recipe) -> Recipe:
    """Return the same recipe with next to no data and steps."""
    corpora = {name: {**corpus, "utterances": 80} for name, corpus in recipe.corpora.items()}
    phases = [replace(phase, steps=4) for phase in recipe.phases]
    return replace(recipe, corpora=corpora, phases=phases, log_every=2, checkpoint_every=2)


def refuse_other_recipe(recipe: Recipe, work: Path) -> None:
    """Stop if the work folder belongs to another recipe: its checkpoints would not fit.

    Phases may be added at the end, and phases that have not begun may change.
    """
    note = work / "recipe.json"
    begun = {path.stem for path in work.glob("*.pt")}
    values = {
        "seed": recipe.seed,
        "workers": recipe.workers,
        "network": str(recipe.network),
        "corpora": recipe.corpora,
        "phases": {phase.name: str(phase) for phase in recipe.phases},
    }
    if note.exists():
        before = json.loads(note.read_text())
        kept = {**before, "phases": {}}, {**values, "phases": {}}
        changed = [
            name for name in begun & set(before["phases"])
            if before["phases"][name] != values["phases"].get(name)
        ]  # fmt: skip
        if begun and (kept[0] != kept[1] or changed):
            raise SystemExit(f"{work} holds a run of another recipe {changed}: name another --work")
    note.write_text(json.dumps(values, indent=1))


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS over all other files of the folder."""
    files = sorted(path for path in folder.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n")


def write_model_card(folder: Path, recipe: Recipe, network: Network, metrics: dict) -> None:
    """Fill model_card.template.md in with what was made and measured."""
    corpora = "\n".join(
        f"| {name} | {corpus['sentences']} | {corpus['voice_set']} | {corpus['utterances']} "
        f"| {corpus['seed']} |"
        for name, corpus in recipe.corpora.items()
    )
    phases = "\n".join(
        f"| {phase.name.replace('_', ' ')} | {phase.steps} | {phase.window_seconds} s "
        f"| {phase.windows_per_worker * recipe.workers} | {phase.learning_rate:g} |"
        for phase in recipe.phases
    )
    text = Template((HERE / "model_card.template.md").read_text()).substitute(
        parameters=f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} million",
        megabytes=f"{(folder / 'model.bin').stat().st_size / 1e6:.1f}",
        seed=recipe.seed,
        corpora=corpora,
        phases=phases,
        table=evaluate.table(metrics),
        options=metrics["options"],
        versions=", ".join(f"{name} {value}" for name, value in metrics["versions"].items()),
    )
    (folder / "MODEL_CARD.md").write_text(text)


def finish(checkpoint: Path, out: Path, recipe: Recipe, clips: Path) -> dict:
    """Convert a checkpoint to the model folder and measure and describe it there."""
    network = load_smooth_network(checkpoint)
    shutil.rmtree(out, ignore_errors=True)
    export(network, out)
    metrics = evaluate.evaluate(out, clips)
    metrics["made_with_python"] = platform.python_version()
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    write_model_card(out, recipe, network, metrics)
    write_checksums(out)
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("resources/models/mini-en"))
    parser.add_argument(
        "--work", type=Path, default=Path(".training"), help="corpora and checkpoints (about 2 GB)"
    )
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.yaml")
    parser.add_argument(
        "--smoke", action="store_true", help="a few steps only: proves that the whole way works"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="train nothing, convert and measure this checkpoint"
    )
    arguments = parser.parse_args()
    recipe = Recipe.from_dict(yaml.safe_load(arguments.recipe.read_text()))
    if arguments.smoke:
        recipe = smoke_recipe(recipe)
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    clips = work / "clips"
    if not (clips / evaluate.REFERENCES).exists():
        sets = SMOKE_SETS if arguments.smoke else EVALUATION_SETS
        make_clips(clips, sets, EVALUATION_SEED, EVALUATION_BIT_RATE)
    checkpoint = arguments.checkpoint
    if checkpoint is None:
        refuse_other_recipe(recipe, work)
        for name, corpus in recipe.corpora.items():
            print(f"corpus {name}: {corpus}", flush=True)
            make_corpus(work / "corpus" / name, workers=recipe.workers, **corpus)
        checkpoint = train(recipe, work)
    metrics = finish(checkpoint, arguments.out, recipe, clips)
    print(evaluate.table(metrics))


if __name__ == "__main__":
    main()
