"""A copy of the project in a folder of its own, and the Snakemake in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PARTS = (
    "Snakefile",
    "rules",
    "scripts",
    "config",
    "profiles",
    "slurm",
    "envs",
    "schemas",
    "resources",
    "report",
)
#: Clips of a few seconds; the other one is of those on which the model is judged.
CLIP, OTHER_CLIP = "english-short.opus", "short_unseen_voices-001.opus"
#: What is remembered of clips, of models and of modules, each under a hash of its content.
REMEMBERED = Path(".snakemake/parallel_transcription")
#: Steps that measure nothing again: decide keeps matches whose specification holds.
REPORT_ONLY = {
    "decide",
    "merge_timings",
    "judge_findings",
    "recommend_settings",
    "size_service",
    "draw_figures",
    "write_machine_report",
    "write_findings_report",
}


def snakemake_command(*arguments: str) -> list[str]:
    """Snakemake on the study of a checkout, unless arguments name another."""
    command = ["snakemake", "--cores", "2", "--configfile", "config/test.yaml", *arguments]
    return [sys.executable, "-m", *command]


def own_environment() -> dict[str, str]:
    """This process's environment, in which jobs find the Python that runs the tests."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def copy_clips(folder: Path) -> None:
    """Two clips with what is said in them."""
    held_out = ROOT / "tests" / "data" / "held_out"
    folder.mkdir()
    for file in (CLIP, Path(CLIP).with_suffix(".txt").name):
        shutil.copy2(ROOT / "audio" / file, folder)
    shutil.copy2(held_out / OTHER_CLIP, folder)
    references = json.loads((held_out / "references.json").read_text(encoding="utf-8"))
    said = {one["file"]: one["sentences"] for one in references}[OTHER_CLIP]
    (folder / OTHER_CLIP).with_suffix(".txt").write_text("\n".join(said) + "\n")


def share(source: Path, target: Path) -> None:
    """Add what a folder remembers to another one, which several processes may do at once."""
    names = [*source.glob("inspected/*.json"), *source.glob("tried/*.json"), source / "hashes"]
    for path in names:
        there = target / path.relative_to(source)
        if path.exists() and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            part = there.with_name(f"{there.name}.{os.getpid()}")
            shutil.copy2(path, part)
            part.replace(there)


def small_study(name: str, grid: list[dict], **settings: object) -> dict:
    """A study of two clips with the demonstration model, to run in seconds.

    Args:
        name: Its name.
        grid: Its blocks.
        settings: Further keys, or others in place of those given here.
    """
    return {
        "name": name,
        "machine": "m",
        "audio": [f"audio/{CLIP}", f"audio/{OTHER_CLIP}"],
        "defaults": {"model": "mini-en", "language": "en", "cpu_threads": 1},
        "repeats": 1,
        "warmups": 0,
        "remeasure": 0,  # other tests run at the same time
        "decide": {"minutes": 0},
        "grid": grid,
        **settings,
    }


class Project:
    """A checkout with a study of its own at `config/test.yaml`."""

    #: Where checkouts tell each other what they remember; set by conftest.
    shared: Path | None = None

    def __init__(self, folder: Path, study: dict):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_symlink():
                (folder / part).symlink_to(source.readlink())
            elif source.is_dir():
                # With what Python compiled of it: else each checkout compiles all of it anew.
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns(".ruff_cache"))
            elif source.exists():
                shutil.copy2(source, folder / part)
        copy_clips(folder / "audio")
        if self.shared:
            share(self.shared, folder / REMEMBERED)
        self.write_study(study)

    @classmethod
    def at(cls, folder: Path) -> Project:
        """A checkout that is there."""
        project = cls.__new__(cls)
        project.folder = folder
        return project

    @classmethod
    def moved(cls, project: Project, folder: Path) -> Project:
        """The same checkout, results and all, in another place."""
        shutil.copytree(project.folder, folder, symlinks=True)
        return cls.at(folder)

    @property
    def study_file(self) -> Path:
        return self.folder / "config" / "test.yaml"

    def study(self) -> dict:
        return yaml.safe_load(self.study_file.read_text(encoding="utf-8"))

    def write_study(self, study: dict) -> None:
        self.study_file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file of the checkout; the old text must be there."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} does not contain {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def snakemake(self, *arguments: str, timeout: float = 280) -> subprocess.CompletedProcess:
        """Run Snakemake in the checkout, with the study unless arguments name another."""
        environment = own_environment()
        environment.pop("PYTHONPATH", None)
        done = subprocess.run(
            snakemake_command(*arguments),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode == 0 and self.shared:
            share(self.folder / REMEMBERED, self.shared)
        return done

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run the study; it must succeed."""
        done = self.snakemake(*arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done

    def planned(self, *arguments: str) -> dict[str, list[str]]:
        """What a dry run would run: the outputs of each rule's jobs."""
        done = self.snakemake("-n", *arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        jobs: dict[str, list[str]] = {}
        text = done.stdout + done.stderr
        for rule, output in re.findall(
            r"^(?:local)?(?:rule|checkpoint) (\w+):\n(?:    .*\n)*?    output: (.*)$", text, re.M
        ):
            jobs.setdefault(rule, []).append(output)
        if not jobs:
            assert re.search(r"Nothing to be done|^total +0$", text, re.M), text
        return jobs

    def planned_order(self) -> list[tuple[str, int]]:
        """Configuration and round of every run of the grid, in the order of the study."""
        from parallel_transcription.study.study import load_study

        study = load_study([str(self.study_file)], self.folder, on_cluster=None)
        return [(point.id, number) for point, number in study.schedule]

    def runs(self) -> set[str]:
        """The names of the run records that are there."""
        return {path.stem for path in self.folder.glob("results/*/runs/*.json")}
