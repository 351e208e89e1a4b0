"""A study file, checked before anything runs: its audio, its settings and its grid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from parallel_transcription import host
from parallel_transcription.inputs import model_options, models, patterns
from parallel_transcription.inputs.model_names import (
    EmbeddedModel,
    FolderModel,
    ModelError,
    parse_model,
)
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.configuration import ConfigurationError
from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.study.file import (
    Problems,
    StudyError,
    problems_in,
    read_study_file,
)
from parallel_transcription.study.following import resolved
from parallel_transcription.study.grid import GridPoint, expand_block, matches, schedule
from parallel_transcription.study.keys import as_whole
from parallel_transcription.study.ladders import check_ladder, rungs
from parallel_transcription.study.loads import Loads, capacities, read_loads
from parallel_transcription.study.messages import closest, schema_problems, short
from parallel_transcription.study.searching import check_search
from parallel_transcription.study.services import ServiceOfStudy, check_services
from parallel_transcription.study.settings import (
    DECIDE_MINUTES,
    DEFAULTS,
    LOCAL,
    SETTINGS,
    KeptSettings,
    Packing,
    Resources,
    Settings,
    study_schema,
)

LARGEST_GRID = 100_000
SLURM = "slurm"  # the label on a cluster, unless the study gives one
_MOST_PROBLEMS = 20  # that are named at once
_MOST_NAMED = 5  # files that are left out


@dataclass(frozen=True)
class Study:
    """A validated study.

    `machines` are the labels to measure, each with what its runs ask the scheduler for (None on
    this host); `points` is the whole grid by id, with what is measured beside it for its sake;
    `schedule` the wanted runs (after `only`) in the order of measurement; `files` the audio files
    in order; `loads` its mixes and traces; `services` those that it may ask, by name; `capacity_of`
    the configuration that tells what a rate in percent is a share of, by the id of the one that has
    such a rate; `climbed` those of `points` that a ladder may come to beside the grid;
    `passed_over` what wildcards met that is no audio.
    """

    file: str
    settings: Settings
    machines: dict[str, Resources | None]
    files: list[Path]
    points: dict[str, GridPoint]
    schedule: list[tuple[GridPoint, int]] = field(repr=False)
    loads: Loads = field(repr=False)
    services: dict[str, ServiceOfStudy] = field(default_factory=dict)
    capacity_of: dict[str, str] = field(default_factory=dict)
    climbed: dict[str, GridPoint] = field(default_factory=dict, repr=False)
    passed_over: list[Path] = field(default_factory=list)

    @property
    def wanted(self) -> dict[str, GridPoint]:
        """The grid points that `only` leaves."""
        return {point.id: point for point, _ in self.schedule}

    @property
    def unused_files(self) -> list[Path]:
        """Listed files that no configuration reaches: `files_in_parallel` takes the first."""
        used = [p.configuration for p in self.points.values()]
        if any(one.under_load and not one.mix for one in used):
            return []
        at_once = [one.files_in_parallel for one in used if not one.under_load]
        of_mixes = {file for one in used if one.mix for file in self.loads.files(one.mix)}
        return [file for file in self.files[max(at_once, default=0) :] if file not in of_mixes]

    @property
    def remarks(self) -> list[str]:
        """What is worth knowing of its files and stops nothing."""
        unused = [
            f"not used: {file} (files_in_parallel is smaller than the list)"
            for file in self.unused_files
        ]
        if not self.passed_over:
            return unused
        more = len(self.passed_over) - _MOST_NAMED
        names = ", ".join(map(str, self.passed_over[:_MOST_NAMED]))
        also = f" and {more} more" if more > 0 else ""
        return [*unused, f"left out, being no audio: {names}{also}"]


def load_study(
    files: Sequence[str],
    root: Path,
    config: Mapping[str, Any] | None = None,
    on_cluster: bool | None = False,
) -> Study:
    """Read a study from its files.

    Snakemake reads these files as well and hands on what they and its command line add up to. Its
    reader takes in silence what YAML misreads and runs templates, and of the text nothing is left:
    so each file is read here once more, to refuse what can be seen there only.

    Args:
        files: The study's YAML files, a later one over an earlier one.
        root: The folder that audio patterns and model folders are relative to.
        config: What Snakemake made of the files; what stands in them unless given.
        on_cluster: As in `build_study`.

    Raises:
        StudyError: with every problem found, each naming file, key, value and remedy.
    """
    read = [read_study_file(file) for file in files]
    if config is None:
        config = {key: value for one in read for key, value in one.items()}
    return build_study(config, ", ".join(files), root, on_cluster)


def build_study(
    config: Mapping[str, Any], file: str, root: Path, on_cluster: bool | None = False
) -> Study:
    """Check a study and expand its grid.

    Args:
        config: The study as read from YAML, with what the command line changed in it.
        file: Where it came from, for messages.
        root: The folder that audio patterns and model folders are relative to.
        on_cluster: Whether runs go to a scheduler, which decides the machines that can be measured
            now; None takes all.

    Raises:
        StudyError: with every problem found, each naming file, key, value and remedy.
    """
    settings = _checked_settings(config, file)
    machines = _machines(settings, file, on_cluster)
    settings = resolved(settings, machines, file)
    grid, points = _of_blocks(settings, file), expand_grid(settings, file)
    every = [point.configuration for point in points.values()]
    under_load = [one for one in every if one.under_load]
    here, problems = None in machines.values(), Problems()
    with problems.of():
        found = _audio_files(settings["audio"], file, root)
    with problems.of():
        named = read_loads(under_load, settings["mixes"], file, root)
    with problems.of():
        services = check_services(every, settings["services"], file, here)
    with problems.of():
        _check_models(points, file, root)
    problems.end()
    loads = named.beside(found.files)
    only = settings.get("only")
    wanted = [p for p in grid.values() if matches(p.configuration, p.id, only)]
    if not wanted:
        raise StudyError(
            f"{file}: only: {only!r} matches none of the grid's {len(grid)} configurations; "
            "list them with: python scripts/list_configurations.py " + file
        )
    _check_packing(wanted, settings.get("packing"), file)
    check_search(settings, wanted, file)
    check_ladder(settings, wanted, file)
    measured, capacity_of = capacities({point.id: point for point in wanted})
    wanted += [point for point in measured.values() if point.id not in {p.id for p in wanted}]
    return Study(
        file=file,
        settings=settings,
        machines=machines,
        files=found.files,
        points=points,
        schedule=schedule(wanted, settings["name"]),
        loads=loads,
        services=services,
        capacity_of=capacity_of,
        climbed={k: one for k, one in rungs(settings, grid.values()).items() if k not in grid},
        passed_over=found.passed_over,
    )


def _checked_settings(config: Mapping[str, Any], file: str) -> Settings:
    """The settings of a study that is as the schema says, with the defaults of the others."""
    problems = list(problems_in(config)) or list(schema_problems(config, study_schema()))
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        problems[_MOST_PROBLEMS:] = [f"and {more} more problems"] if more > 0 else []
        raise StudyError("\n".join(f"{file}: {problem}" for problem in problems))
    config = as_whole(config, study_schema())
    settings = cast(Settings, {**DEFAULTS, "name": _name_of(file), **config})
    settings["decide"] = {"minutes": DECIDE_MINUTES, **settings["decide"]}
    if "margin" in settings["decide"]:
        settings["equivalence_margin"] = settings["decide"]["margin"]
    return settings


def typed(value: Any) -> Any:
    """A value of Snakemake's `--config` as YAML would read it.

    Snakemake gives what stands inside lists and mappings there as text: `only={num_workers: [1]}`
    asks for "1".
    """
    if isinstance(value, Mapping):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    if not isinstance(value, str):
        return value
    try:
        read = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return value
    return read if isinstance(read, (bool, int, float)) else value


def settings_from_json(text: str) -> KeptSettings:
    """The settings that `Plan.settings_json` wrote, for a later step.

    Raises:
        StudyError: for any other text.
    """
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"--study: is not JSON ({error}); the workflow makes it") from None
    needed = ("file", "machine", "grid", "audio_files", *DEFAULTS)
    if not isinstance(settings, dict) or any(key not in settings for key in needed):
        raise StudyError(
            f"--study: {short(settings)} holds no settings of a study; the workflow makes them"
        )
    return cast(KeptSettings, settings)


def build_study_again(settings: KeptSettings, root: Path) -> Study:
    """The study that `Plan.settings_json` tells of, in a later step."""
    config = {k: v for k, v in settings.items() if k not in ("file", "audio_files")}
    return build_study(config, settings["file"], root)


def _machines(
    settings: Settings, file: str, on_cluster: bool | None
) -> dict[str, Resources | None]:
    """The labels to measure with what their runs ask the scheduler for; None is this host."""
    label, machines = settings["machine"], settings.get("machines")
    if on_cluster and settings.get("packing"):
        raise StudyError(
            f"{file}: packing: runs are packed on this host only; on a cluster leave it out"
        )
    if not machines:
        if on_cluster:
            return {SLURM if label == "auto" else label: {}}
        return {host.default_label() if label == "auto" else label: None}
    _check_machines(machines, label, file)
    chosen: dict[str, Resources | None] = {
        name: None if asked == "local" else asked
        for name, asked in machines.items()
        if label in ("auto", name) and on_cluster in (None, asked != LOCAL)
    }
    if not chosen:
        names = ", ".join(machines) if label == "auto" else label
        remedy = (
            "measure this host with: snakemake --cores all; or give a machine scheduler resources"
            if on_cluster
            else f"measure with: snakemake --profile slurm; or add this host as <label>: {LOCAL}"
        )
        where = "this host" if on_cluster else "on the cluster"
        raise StudyError(f"{file}: machines: nothing to measure here: {names} is {where}; {remedy}")
    return chosen


def _check_machines(
    machines: Mapping[str, Resources | Literal["local"]], label: str, file: str
) -> None:
    """Refuse machines that cannot be as they are written."""
    if label not in ("auto", *machines):
        raise StudyError(
            f"{file}: machine: {label!r} is none of machines{closest(label, machines)}"
        )
    here = [name for name, asked in machines.items() if asked == LOCAL]
    if len(here) > 1 and label == "auto":
        raise StudyError(
            f"{file}: machines: {' and '.join(here)} are {LOCAL}, and this host can be only one of "
            f"them: say which with machine: {here[0]}"
        )
    for name, asked in machines.items():
        if asked != "local" and not asked.get("exclusive", True) and "cores" not in asked:
            raise StudyError(
                f"{file}: machines.{name}.cores: missing; with exclusive: false a run takes only "
                "the CPUs that it asks for, so say how many"
            )


def _name_of(file: str) -> str:
    """The study's name by its file: "my study (2).yaml" is my-study-2."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file).stem).strip("-._")[:64]
    return "default" if stem == "config" else stem or "study"


def expand_grid(settings: Settings, file: str) -> dict[str, GridPoint]:
    """The union of the blocks' grids, by id, and what is measured beside it for its sake.

    That is what tells the capacity that rates are shares of, and what a ladder may come to.

    Raises:
        StudyError: for values that cannot go together, naming the block and the key.
    """
    points = grid_of(settings, file)
    return rungs(settings, points.values()) | points


def grid_of(settings: Mapping[str, Any], file: str = "") -> dict[str, GridPoint]:
    """What rounds measure, by id: the grid, and what tells the capacity that rates are shares of.

    Errors as of `expand_grid`.
    """
    points = _of_blocks(cast(Settings, settings), file)
    return capacities(points)[0] | points


def _of_blocks(settings: Settings, file: str) -> dict[str, GridPoint]:
    """The union of the blocks' grids, by id."""
    points: dict[str, GridPoint] = {}
    for number, block in enumerate(settings["grid"]):
        rounds = max(block.get("rounds", settings["rounds"]), settings.get("min_rounds", 1))
        repeats = block.get("repeats", settings["repeats"])
        try:
            for configuration in expand_block(block, settings["defaults"]):
                point = GridPoint.of(configuration, rounds, repeats)
                known = points.get(point.id)
                if known and known.repeats != repeats:
                    raise StudyError(
                        f"{file}: grid[{number}].repeats: {repeats} for {point.id}, which an "
                        f"earlier block measures with repeats {known.repeats}; "
                        "give both blocks the same"
                    )
                if not known or known.rounds < rounds:
                    points[point.id] = point
                if len(points) > LARGEST_GRID:
                    raise StudyError(
                        f"{file}: grid[{number}]: more than {LARGEST_GRID} configurations; "
                        "shorten its lists or split the study"
                    )
        except ConfigurationError as error:
            key = error.dimension
            where = f"grid[{number}].{key}" if key in block else f"defaults.{key}"
            if key not in block and key not in settings["defaults"]:
                where = f"grid[{number}]"
            raise StudyError(f"{file}: {where}: {error}") from None
    return points


def _check_packing(points: list[GridPoint], packing: Packing | None, file: str) -> None:
    """Packed runs have GPUs of their own, so each must get as many as it uses."""
    if packing is None:
        return
    most = max((point.configuration.gpus for point in points), default=0)
    given = packing.get("gpus", 0)
    if most > given:
        raise StudyError(
            f"{file}: packing.gpus: {given or 'none'} for each run, but some configurations use "
            f"{most}; set it to {most}, or leave packing out"
        )


def _audio_files(named: list[str], file: str, root: Path) -> patterns.Matched:
    try:
        found = patterns.expand(named, root)
        patterns.check_files(found.files, root)
    except patterns.AudioError as error:
        lines = [f"{file}: audio: {line}" for line in str(error).split("\n")]
        raise StudyError("\n".join(lines)) from None
    return found


def _check_models(points: Mapping[str, GridPoint], file: str, root: Path) -> None:
    configurations = [point.configuration for point in points.values()]
    problems = Problems()
    for name in sorted({one.model for one in configurations}):
        with problems.of():
            asking = [one for one in configurations if one.model == name]
            _check_model(name, asking, file, root)
    problems.end()


def _check_model(name: str, asking: list[Configuration], file: str, root: Path) -> None:
    """Refuse a model that is not there, or that cannot do what some configurations ask of it."""
    try:
        models.identity(parse_model(name), root)
    except ModelError as error:
        raise StudyError(f"{file}: model: {error}") from None
    _check_loads(name, [one.load for one in asking], file)
    try:
        can = model_options.abilities_of(parse_model(name), root)
    except ModelError:
        return  # it is not whole: said when it is prepared, and other models go on
    found = [p for one in asking for p in model_options.problems(name, can, one)] if can else []
    if found:
        raise StudyError("\n".join(f"{file}: {one}" for one in dict.fromkeys(found)))


def _check_loads(name: str, loads: list[str], file: str) -> None:
    """Refuse to load a folder of the user by a name on a hub: it has none."""
    source = parse_model(name)
    by_name = next((load for load in loads if load != "folder"), None)
    if by_name and isinstance(source, FolderModel) and not isinstance(source, EmbeddedModel):
        raise StudyError(
            f"{file}: load: {by_name}: {name!r} is a folder, which has no name on a hub; set load: "
            "folder, or take a hub id, one of faster-whisper's names, mini-en or dummy-<size>"
        )


def check_values(values: Mapping[str, Any], where: str) -> None:
    """Check single values of dimensions and settings, as a command line gives them.

    Raises:
        StudyError: with a line for each wrong value.
    """
    known = {key.name: key.schema for key in (*DIMENSIONS, *SETTINGS)}
    schema = {"type": "object", "properties": {name: known[name] for name in values}}
    problems = list(problems_in(values)) or list(schema_problems(dict(values), schema))
    if problems:
        raise StudyError("\n".join(f"{where}: {problem}" for problem in problems))
