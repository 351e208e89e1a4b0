"""From a study to jobs: what each run is told, and in which order runs go.

Everything that a run depends on is in its specification, a JSON text that the workflow keeps as
the job's parameter: a run is measured again when, and only when, that text changes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from parallel_transcription import fingerprint
from parallel_transcription.inputs import inspected, models
from parallel_transcription.inputs.model_names import parse_model
from parallel_transcription.study.configuration import canonical_json, compact, slug
from parallel_transcription.study.grid import GridPoint
from parallel_transcription.study.ladders import MINUTES, climbs
from parallel_transcription.study.loads import trace_of
from parallel_transcription.study.longest import OF_LENGTH, SHORTEST_S, longest_pass_s
from parallel_transcription.study.rates import share_of
from parallel_transcription.study.runs import round_of, run_id
from parallel_transcription.study.searching import SHARE, searched
from parallel_transcription.study.settings import Packing
from parallel_transcription.study.study import Study

SEARCHED = "search.json"  # what a search came to
DECIDED = "decided.json"  # what rule decide writes
CLIMBED = "ladder.json"  # what a ladder came to
NOT_IN_RESULTS = ("only", "machines")
JUDGED_WITH: tuple[
    Literal["equivalence_margin"],
    Literal["latency_margin"],
    Literal["confidence"],
    Literal["disturbed_above"],
    Literal["limits"],
] = ("equivalence_margin", "latency_margin", "confidence", "disturbed_above", "limits")


class Specification(TypedDict):
    """What a run is told; `model` and `audio` are the names of manifests."""

    machine: str
    configuration: dict[str, Any]  # compact
    protocol: dict[str, float]
    model: str
    audio: list[str]
    code: str
    load: NotRequired[dict[str, Any]]
    service: NotRequired[dict[str, Any]]
    packing: NotRequired[Packing]
    round: NotRequired[int]  # always there in the text that a run gets


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
        self._root = root
        self.audio = [_from_here(file, root) for file in study.files]
        mixed = [
            _from_here(file, root)
            for mix in sorted({p.configuration.mix for p in study.points.values()} - {""})
            for file in study.loads.files(mix)
        ]
        self._code = code
        self._sha256 = {
            path: fingerprint.file_sha256(path, cache)
            for path in dict.fromkeys([*self.audio, *mixed])
        }
        names = sorted({p.configuration.model for p in study.points.values()})
        self._identities = {name: models.identity(parse_model(name), root) for name in names}
        self._audio_keys = {
            path: _key(Path(path).stem, [path, sha256]) for path, sha256 in self._sha256.items()
        }
        self._model_keys = {
            name: _key(name.rstrip("/").rsplit("/", 1)[-1], [name, identity])
            for name, identity in self._identities.items()
        }
        self.audio_of_key = {key: path for path, key in self._audio_keys.items()}
        self.model_of_key = {key: name for name, key in self._model_keys.items()}
        self._specifications: dict[tuple[str, str], str] = {}
        self._lengths: dict[str, float] = {}
        self.machines = list(study.machines)
        self.searched = searched(study.settings, study.wanted.values())
        self.climbing = (
            [one for one in study.wanted.values() if climbs(one.configuration)]
            if study.settings.get("ladder") is not None
            else []
        )
        self.runs = [
            run_id(point.id, number)
            for point, number in study.schedule
            if point.id not in self.searched
        ]
        self._priorities = {run: -i for i, run in enumerate(self.runs)}

    def record(self, machine: str, run: str) -> str:
        """Where a run's record goes."""
        return f"{self.results}/{machine}/runs/{run}.json"

    def records(self, machine: str) -> list[str]:
        """The records of all runs wanted on a machine, in the order of measurement."""
        return [self.record(machine, run) for run in self.runs]

    def explored(self, machine: str) -> list[str]:
        """What is there once a machine's rounds are: the records, and what a search came to."""
        search = [f"{self.results}/{machine}/{SEARCHED}"] if self.searched else []
        return [*self.records(machine), *search]

    def climbed(self, machine: str) -> list[str]:
        """What a machine's ladder came to, where the study has one."""
        return [f"{self.results}/{machine}/{CLIMBED}"] if self.climbing else []

    def priority(self, run: str) -> int:
        """Snakemake's priority of a run: earlier in the schedule is higher; all are below 1."""
        return self._priorities.get(run, -len(self.runs))

    def manifests(self, run: str) -> list[str]:
        """The manifests of a run's model and audio files.

        Their names follow from the content, so a changed file has another manifest, and one that is
        there is never out of date.
        """
        return self._manifests_of(self.study.points[round_of(run)[0]])

    def audio_manifest(self, key: str) -> str:
        """Where what an audio file holds is written down."""
        return f"{self.results}/prepared/audio/{key}.json"

    def _manifests_of(self, point: GridPoint) -> list[str]:
        files = dict.fromkeys(self.files_of(point))
        return [
            f"{self.results}/prepared/models/{self._model_keys[point.configuration.model]}.json",
            *(self.audio_manifest(self._audio_keys[file]) for file in files),
        ]

    def all_manifests(self) -> list[str]:
        """The manifests that some run on a machine needs."""
        wanted = map(self._manifests_of, self.study.wanted.values())
        return sorted({manifest for manifests in wanted for manifest in manifests})

    def unused_manifests(self) -> list[str]:
        """The manifests of listed files that no configuration uses: they are checked all the same.

        They are no input of any run, so that a file added to the list reruns nothing.
        """
        unused = [_from_here(file, self._root) for file in self.study.unused_files]
        return [self.audio_manifest(self._audio_keys[file]) for file in unused]

    def asked_of_model(self, key: str) -> str:
        """What a model must be able to do before any run, a JSON list of configurations.

        It has a wanted one for each device, compute type, thread environment and way to transcribe.
        """
        wanted = [point.configuration for point in self.study.wanted.values()]
        chosen = {
            (c.device, c.compute_type, c.thread_env, c.language, c.word_timestamps): c.as_json()
            for c in wanted
            if c.model == self.model_of_key[key]
        }
        return canonical_json(list(chosen.values()))

    def gpus(self, run: str) -> int:
        """How many GPUs a run uses."""
        return self.gpus_of(round_of(run)[0])

    def gpus_of(self, configuration_id: str) -> int:
        """How many GPUs a configuration uses."""
        return self.study.points[configuration_id].configuration.gpus

    def most_gpus(self) -> int:
        """How many GPUs a configuration uses at most."""
        return max(self.gpus_of(one) for one in self.study.wanted)

    def minutes(self, run: str) -> int:
        """How long a run may take, from the study's own time limits: load, warm-ups, passes."""
        settings = self.study.settings
        more, repeats = settings["remeasure"], self.study.points[round_of(run)[0]].repeats
        # each pass more may need a process of its own, with warm-ups of its own
        passes = settings["warmups"] * (1 + more) + repeats + more
        configuration_id = round_of(run)[0]
        longest = self.timeout_s(configuration_id)
        if self.study.points[configuration_id].configuration.under_load:
            # what a share of the capacity is shows when it is measured: a request in two seconds
            longest += self.arriving_s(configuration_id, 0.5) + longest
        return math.ceil((settings["load_timeout_s"] + passes * longest) / 60)

    def arriving_s(self, configuration_id: str, guess: float) -> float:
        """How long the requests of a pass come, with those before the counted ones.

        Args:
            configuration_id: One under a load.
            guess: Requests per second where the study does not say how many.
        """
        c = self.study.points[configuration_id].configuration
        trace = trace_of(c)
        if trace is not None:
            requests = self.study.loads.traces[trace]
            return float(requests[-1][0] - requests[0][0])
        rate = float(c.rate) if c.rate and share_of(c.rate) is None else guess
        return 1.25 * c.requests / rate

    def timeout_s(self, configuration_id: str) -> float:
        """How long a pass of a configuration may take; of files not looked into, the least."""
        configuration = self.study.points[configuration_id].configuration
        least, times = self._least_timeout_s, self._timeout_of_length
        return longest_pass_s(configuration, least, times, self.lengths_s(configuration_id))

    def lengths_s(self, configuration_id: str) -> list[float]:
        """Seconds of each audio file of a pass; 0 of one that was not looked into."""
        files = self.files_of(self.study.points[configuration_id])
        return [self._seconds(file) or 0.0 for file in files]

    @property
    def lengths_known(self) -> bool:
        """Whether all audio files were looked into."""
        return all(self._seconds(file) is not None for file in self._sha256)

    @property
    def _least_timeout_s(self) -> float:
        return self.study.settings.get("timeout_s", SHORTEST_S)

    @property
    def _timeout_of_length(self) -> int | None:
        return None if "timeout_s" in self.study.settings else OF_LENGTH

    def _seconds(self, file: str) -> float | None:
        """The length of an audio file, once it was looked into."""
        if file not in self._lengths:
            known = inspected.seconds(self._sha256[file])
            if known is None:
                return None
            self._lengths[file] = known
        return self._lengths[file]

    def deciding_min(self) -> int:
        """Minutes that matches may take: the study's, and as long as the last one may run over."""
        return math.ceil(self.study.settings["decide"]["minutes"]) + 2 * self._longest_min()

    def searching_min(self) -> int:
        """Minutes that a search may take: as it says, else a tenth of the grid at a minute each."""
        settings = self.study.settings.get("search") or {}
        whole = sum(point.rounds for point in self.searched.values())
        return math.ceil(settings.get("minutes", SHARE * whole)) + 2 * self._longest_min()

    def climbing_min(self) -> int:
        """Minutes that a ladder may take, and as long as its last run may run over."""
        minutes = (self.study.settings.get("ladder") or {}).get("minutes", MINUTES)
        return math.ceil(minutes) + 2 * self._longest_min()

    def _longest_min(self) -> int:
        return max(self.minutes(run_id(one, 1)) for one in self.study.wanted)

    def sides(self, machine: str, ids: Iterable[str]) -> dict[str, Path | None]:
        """What the sides of a match are told, as runs of no round; with `capacity_record`."""
        runs = [run_id(one, 1) for one in ids]
        return {
            self.specification(machine, run): next(
                map(Path, self.capacity_record(machine, run)), None
            )
            for run in runs
        }

    def manifests_of(self, configuration_id: str) -> list[str]:
        """The manifests of the model and the audio files of a configuration."""
        return self._manifests_of(self.study.points[configuration_id])

    def planned_match(self, contests: Sequence[tuple[str, str]]) -> str:
        """What is said before a match of how it will be judged, and the pairs that it decides."""
        settings = self.study.settings
        told = {name: settings[name] for name in JUDGED_WITH} | self._limited()
        return canonical_json(told | {"contests": [list(pair) for pair in contests]})

    def specification(self, machine: str, run: str) -> str:
        """What a run is told, as canonical JSON."""
        configuration_id, round_number = round_of(run)
        point = self.study.points[configuration_id]
        key = (machine, configuration_id)
        rest = self._specifications.get(key)
        if rest is None:
            rest = self._specifications[key] = canonical_json(self._specify(machine, point))
        return f'{{"round":{round_number},{rest[1:]}'

    def planned(self, run: str) -> str:
        """What the study says, before a run, of how it will be judged and what is measured again.

        It is no part of the specification: another margin measures nothing again. Nor is how long
        a pass may take where the study does not say it.
        """
        settings = self.study.settings
        rounds = self.study.points[round_of(run)[0]].rounds
        return canonical_json(
            {name: settings[name] for name in JUDGED_WITH}
            | {"rounds": rounds}
            | {"remeasure": settings["remeasure"]}
            | self._limited()
        )

    def _limited(self) -> dict[str, int]:
        times = self._timeout_of_length
        return {} if times is None else {"timeout_of_length": times}

    def _specify(self, machine: str, point: GridPoint) -> Specification:
        settings = self.study.settings
        files = self.files_of(point)
        specification: Specification = {
            "machine": machine,
            "configuration": compact(point.configuration),
            "protocol": {
                "repeats": point.repeats,
                "warmups": settings["warmups"],
                "timeout_s": self._least_timeout_s,
                "load_timeout_s": settings["load_timeout_s"],
            },
            "model": self._model_keys[point.configuration.model],
            "audio": [self._audio_keys[file] for file in files],
            "code": self._code,
        }
        if point.configuration.under_load:
            specification["load"] = self._load_of(point, files)
        if service := point.configuration.service:
            specification["service"] = asdict(self.study.services[service])
        if settings.get("packing"):
            specification["packing"] = settings["packing"]
        return specification

    def files_of(self, point: GridPoint) -> list[str]:
        """A grid point's audio files: the first n, from the start again where there are fewer."""
        if point.configuration.under_load:
            files = self.study.loads.files(point.configuration.mix)
            return [_from_here(file, self._root) for file in files]
        wanted = point.configuration.files_in_parallel
        return [self.audio[i % len(self.audio)] for i in range(wanted)]

    def _load_of(self, point: GridPoint, files: list[str]) -> dict[str, Any]:
        """The parts of a configuration's mix, files by their places, and its trace if it has one.

        Of a trace the content's fingerprint is kept, so that a changed one is measured again.
        """
        loads, trace = self.study.loads, trace_of(point.configuration)
        parts = [
            {
                "name": part.name,
                "weight": part.weight,
                "files": [files.index(_from_here(file, self._root)) for file in part.files],
            }
            for part in loads.mixes[point.configuration.mix]
        ]
        told: dict[str, Any] = {"strata": parts}
        if trace is not None:
            content = canonical_json(loads.traces[trace]).encode()
            told["trace"] = hashlib.sha256(content).hexdigest()
        return told

    def capacity_record(self, machine: str, run: str) -> list[str]:
        """The record that tells what a run's rate is a share of; none for rates per second."""
        of = self.study.capacity_of.get(round_of(run)[0])
        return [self.record(machine, run_id(of, 1))] if of else []

    def search_needs(self, machine: str) -> list[str]:
        """The records that a search begins with: what rates in percent are shares of."""
        of = {self.study.capacity_of.get(one) for one in self.searched}
        return sorted(self.record(machine, run_id(one, 1)) for one in of if one)

    def settings_json(self, machine: str | None = None) -> str:
        """The settings that later steps need, as canonical JSON.

        What the user wrote, the study's file, the audio files and the label of the step's machine
        (`auto` for all). What `machines` ask of a scheduler changes no result and is left out.
        """
        settings = {k: v for k, v in self.study.settings.items() if k not in NOT_IN_RESULTS}
        settings |= {"file": self.study.file, "audio_files": list(self._sha256)}
        return canonical_json(settings | {"machine": machine or "auto"})

    def references(self) -> str:
        """A fingerprint of all reference transcripts: word error rates follow from them."""
        texts = [Path(path).with_suffix(".txt") for path in self._sha256]
        return digest(text.read_bytes().hex() if text.is_file() else "" for text in texts)

    def others(self) -> list[str]:
        """Records that are there beside the wanted ones: more rounds, other parts of the grid.

        Matches and heats of the study's own machines, and what its ladder has measured there, are
        wanted through what came of them and not among them.
        """
        wanted = {record for machine in self.machines for record in self.records(machine)}
        campaigns = ("matches", "heats")
        own = {self.results / machine / one for machine in self.machines for one in campaigns}
        found = [p for one in ("runs", *campaigns) for p in self.results.glob(f"*/{one}/*.json")]
        found = [p for p in found if str(p) not in wanted and p.parent not in own]
        return sorted(str(p) for p in found if not self._is_of_ladder(p))

    def _is_of_ladder(self, record: Path) -> bool:
        if not self.climbing or record.parent.parent.name not in self.machines:
            return False
        point = self.study.points.get(record.stem.rpartition("-r")[0])
        return point is not None and climbs(point.configuration)

    def set_aside(self, machine: str) -> list[str]:
        """Names of a machine's records that were damaged and set aside (results/records.py).

        A new one has what was made from the records made again, and so the run measured again.
        """
        return sorted(path.name for path in (self.results / machine).glob("*/*.json.damaged*"))


def digest(texts: Iterable[str]) -> str:
    """A short fingerprint of a list of texts."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]


def _from_here(path: Path, root: Path) -> str:
    """A path as seen from the working directory, relative where it lies inside.

    So a checkout that moves reruns nothing.
    """
    whole, here = root / path, Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def _key(name: str, content: object) -> str:
    """A file name that says what it is about and is another one for other content."""
    return f"{slug(name)}-{hashlib.sha256(canonical_json(content).encode()).hexdigest()[:12]}"
