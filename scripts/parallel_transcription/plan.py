"""From a study to jobs: what each run is told, and in which order runs go.

Everything that a run depends on is in its specification, a JSON text that the workflow keeps as
the job's parameter: a run is measured again when, and only when, that text changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from parallel_transcription import fingerprint, models
from parallel_transcription.configuration import canonical_json, compact, run_id, slug
from parallel_transcription.grid import GridPoint
from parallel_transcription.study import Study

CONFIRMATION = 900  # rounds above this number confirm the recommended settings


class Plan:
    """The jobs of a study.

    Args:
        study: The validated study.
        root: The project's folder; paths in specifications are relative to it where they can be.
        results: The folder that takes the results.
        code: Fingerprint of the measuring code.
        cache: File that remembers fingerprints of large files.
    """

    def __init__(self, study: Study, root: Path, results: Path, code: str, cache: Path):
        self.study = study
        self.results = results
        self._code = code
        self.audio = [_from_here(file, root) for file in study.files]
        self._sha256 = {path: fingerprint.file_sha256(path, cache) for path in self.audio}
        names = sorted({p.configuration["model"] for p in study.points.values()})
        self.models = {_model_key(name): name for name in names}
        self._identities = {name: models.identity(models.parse_model(name), root) for name in names}
        self._specifications: dict[str, str] = {}
        self._folder = f"{results}/{study.machine}/runs"
        self._records = [self.record(point.id, number) for point, number in study.schedule]
        last = len(self._records) + CONFIRMATION
        self._priorities = {name: last - i for i, name in enumerate(self._records)}

    def record(self, configuration_id: str, round_number: int) -> str:
        """Where a run's record goes."""
        run = run_id(configuration_id, round_number)
        return f"{self._folder}/{run}.json"

    def records(self) -> list[str]:
        """The records of all wanted runs, in the order of measurement."""
        return list(self._records)

    def confirmations(self, configuration_ids: Iterable[str]) -> list[str]:
        """The records of the fresh rounds that confirm the given configurations, interleaved."""
        rounds = self.study.settings["confirmation_rounds"]
        ids = list(configuration_ids)
        return [
            self.record(one, CONFIRMATION + number)
            for number in range(1, rounds + 1)
            for one in (ids if number % 2 else ids[::-1])
        ]

    def priority(self, run: str) -> int:
        """Snakemake's priority of a run: earlier in the schedule is higher."""
        name = f"{self._folder}/{run}.json"
        if name in self._priorities:
            return self._priorities[name]
        return CONFIRMATION * 2 - int(run.rsplit("-r", 1)[1])

    def specification(self, configuration_id: str, round_number: int) -> str:
        """What a run is told, as canonical JSON."""
        point = self.study.points[configuration_id]
        rest = self._specifications.get(configuration_id)
        if rest is None:
            rest = self._specifications[configuration_id] = canonical_json(self._specify(point))
        return f'{{"round":{round_number},{rest[1:]}'

    def _specify(self, point: GridPoint) -> dict[str, Any]:
        settings = self.study.settings
        files = self.files_of(point)
        specification = {
            "machine": self.study.machine,
            "configuration": compact(point.configuration),
            "protocol": {
                "repeats": point.repeats,
                "warmups": settings["warmups"],
                "timeout_s": settings["timeout_s"],
                "load_timeout_s": settings["load_timeout_s"],
            },
            "model": self._identities[point.configuration["model"]],
            "manifest": f"models/{_model_key(point.configuration['model'])}.json",
            "audio": files,
            "audio_sha256": [self._sha256[file] for file in files],
            "code": self._code,
        }
        if settings.get("packing"):
            specification["packing"] = settings["packing"]
        return specification

    def files_of(self, point: GridPoint) -> list[str]:
        """The audio files of a grid point: the first n, from the start again where there are fewer."""
        wanted = point.configuration["files_in_parallel"]
        return [self.audio[i % len(self.audio)] for i in range(wanted)]

    def audio_identity(self) -> str:
        """All audio files with their content and their reference transcripts', as JSON."""
        references = {path: Path(path).with_suffix(".txt") for path in self.audio}
        return canonical_json(
            {
                path: [sha256, _text_digest(references[path])]
                for path, sha256 in self._sha256.items()
            }
        )

    def model_identity(self, key: str) -> str:
        """A model's name and content, as canonical JSON."""
        return canonical_json(self._identities[self.models[key]])

    def model_manifests(self) -> list[str]:
        """Where the manifests of all models go."""
        return [f"{self.results}/models/{key}.json" for key in self.models]

    def settings_json(self) -> str:
        """The settings that the reports need, as canonical JSON."""
        settings = {k: v for k, v in self.study.settings.items() if k != "only"}
        return canonical_json(settings | {"file": self.study.file, "machine": self.study.machine})

    def others(self) -> list[str]:
        """Records that are there beside the wanted ones: more rounds, other parts of the grid.

        Confirmation rounds are wanted through the candidates and not among them.
        """
        wanted = set(self.records())
        here = self.results / self.study.machine / "runs"
        found = []
        for path in sorted(self.results.glob("*/runs/*.json")):
            if str(path) in wanted:
                continue
            if path.parent == here and path.stem.rpartition("-r9")[2].isdigit():
                continue
            found.append(str(path))
        return found


def _text_digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def digest(texts: Iterable[str]) -> str:
    """A short fingerprint of a list of texts."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]


def _from_here(path: Path, root: Path) -> str:
    """A path as seen from the working directory, relative where it lies inside: a checkout that
    moves reruns nothing."""
    whole, here = root / path, Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def _model_key(name: str) -> str:
    """A file name for a model; exact names that are plain keep their form."""
    plain = slug(name)
    if plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
