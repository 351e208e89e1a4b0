"""A study file, checked before anything runs: its audio, its settings and its grid."""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from parallel_transcription import host as machine
from parallel_transcription.inputs import audio, models
from parallel_transcription.inputs.model_names import ModelError, parse_model
from parallel_transcription.measure.placement import devices_of
from parallel_transcription.study.configuration import ConfigurationError
from parallel_transcription.study.dimensions import BY_NAME, DIMENSIONS, THREAD_VARIABLES
from parallel_transcription.study.file import StudyError, odd_values
from parallel_transcription.study.grid import GridPoint, expand_block, identified, matches, schedule
from parallel_transcription.study.settings import DEFAULTS, LOCAL, SETTINGS, study_schema

LARGEST_GRID = 100_000
SLURM = "slurm"  # the label on a cluster, unless the study gives one
_MOST_PROBLEMS = 20  # that are named at once


@dataclass(frozen=True)
class Study:
    """A validated study.

    ``machines`` are the labels to measure, each with what its runs ask the scheduler for (None on
    this host); ``points`` is the whole grid by id; ``schedule`` the wanted runs (after ``only``) in
    the order of measurement; ``files`` the audio files in order.
    """

    file: str
    settings: dict[str, Any]
    machines: dict[str, dict[str, Any] | None]
    files: list[Path]
    points: dict[str, GridPoint]
    schedule: list[tuple[GridPoint, int]] = field(repr=False)

    @property
    def wanted(self) -> dict[str, GridPoint]:
        """The grid points that ``only`` leaves."""
        return {point.id: point for point, _ in self.schedule}

    @property
    def unused_files(self) -> list[Path]:
        """Listed files that no configuration reaches: ``files_in_parallel`` takes the first."""
        most = max(p.configuration["files_in_parallel"] for p in self.points.values())
        return self.files[most:]


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
    problems = [f"{file}: {problem}" for problem in odd_values(config)]
    problems = problems or list(_schema_problems(config, file))
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        problems[_MOST_PROBLEMS:] = [f"{file}: and {more} more problems"] if more > 0 else []
        raise StudyError("\n".join(problems))
    settings = {**DEFAULTS, **config}
    settings.setdefault("name", _name_of(file))
    points = expand_grid(settings, file)
    files = _audio_files(settings["audio"], file, root)
    _check_models(points, file, root)
    only = settings.get("only")
    wanted = [p for p in points.values() if matches(p.configuration, p.id, only)]
    if not wanted:
        raise StudyError(
            f"{file}: only: {only!r} matches none of the grid's {len(points)} configurations; "
            "list them with: python scripts/list_configurations.py " + file
        )
    _check_packing(wanted, settings.get("packing"), file)
    return Study(
        file=file,
        settings=settings,
        machines=_machines(settings, file, on_cluster),
        files=files,
        points=points,
        schedule=schedule(wanted),
    )


def typed(value: Any) -> Any:
    """A value of Snakemake's ``--config`` as YAML would read it.

    Snakemake gives what stands inside lists and mappings there as text: ``only={num_workers: [1]}``
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


def settings_from_json(text: str) -> dict[str, Any]:
    """The settings that ``Plan.settings_json`` wrote, for a later step.

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
            f"--study: {_short(settings)} holds no settings of a study; the workflow makes them"
        )
    return settings


def build_study_again(settings: Mapping[str, Any], root: Path) -> Study:
    """The study that ``Plan.settings_json`` tells of, in a later step."""
    config = {k: v for k, v in settings.items() if k not in ("file", "audio_files")}
    return build_study(config, settings["file"], root)


def _machines(
    settings: Mapping[str, Any], file: str, on_cluster: bool | None
) -> dict[str, dict[str, Any] | None]:
    """The labels to measure with what their runs ask the scheduler for; None is this host."""
    label, machines = settings["machine"], settings.get("machines")
    if on_cluster and settings.get("packing"):
        raise StudyError(
            f"{file}: packing: runs are packed on this host only; on a cluster leave it out"
        )
    if not machines:
        if on_cluster:
            return {SLURM if label == "auto" else label: {}}
        return {machine.default_label() if label == "auto" else label: None}
    _check_machines(machines, label, file)
    chosen = {
        name: None if asked == LOCAL else asked
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


def _check_machines(machines: Mapping[str, Any], label: str, file: str) -> None:
    """Refuse machines that cannot be as they are written."""
    if label not in ("auto", *machines):
        raise StudyError(
            f"{file}: machine: {label!r} is none of machines{_closest(label, machines)}"
        )
    here = [name for name, asked in machines.items() if asked == LOCAL]
    if len(here) > 1 and label == "auto":
        raise StudyError(
            f"{file}: machines: {' and '.join(here)} are {LOCAL}, and this host can be only one of "
            f"them: say which with machine: {here[0]}"
        )
    for name, asked in machines.items():
        if asked != LOCAL and not asked.get("exclusive", True) and "cores" not in asked:
            raise StudyError(
                f"{file}: machines.{name}.cores: missing; with exclusive: false a run takes only "
                "the CPUs that it asks for, so say how many"
            )


def _name_of(file: str) -> str:
    """The study's name by its file: "my study (2).yaml" is my-study-2."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(file).stem).strip("-._")[:64]
    return "default" if stem == "config" else stem or "study"


def expand_grid(settings: Mapping[str, Any], file: str) -> dict[str, GridPoint]:
    """The union of the blocks' grids, by id.

    Raises:
        StudyError: for values that cannot go together, naming the block and the key.
    """
    points: dict[str, GridPoint] = {}
    for number, block in enumerate(settings["grid"]):
        rounds = max(block.get("rounds", settings["rounds"]), settings.get("min_rounds", 1))
        repeats = block.get("repeats", settings["repeats"])
        try:
            for configuration in expand_block(block, settings["defaults"]):
                point = identified(configuration, rounds, repeats)
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


def _check_packing(points: list[GridPoint], packing: Mapping[str, int] | None, file: str) -> None:
    """Packed runs have GPUs of their own, so each must get as many as it uses."""
    if packing is None:
        return
    on_gpus = [p.configuration for p in points if p.configuration["device"] == "cuda"]
    most = max((len(devices_of(c)) for c in on_gpus), default=0)
    given = packing.get("gpus", 0)
    if most > given:
        raise StudyError(
            f"{file}: packing.gpus: {given or 'none'} for each run, but some configurations use "
            f"{most}; set it to {most}, or leave packing out"
        )


def _audio_files(patterns: list[str], file: str, root: Path) -> list[Path]:
    try:
        files = audio.expand(patterns, root)
        audio.check_files(files, root)
    except audio.AudioError as error:
        lines = [f"{file}: audio: {line}" for line in str(error).split("\n")]
        raise StudyError("\n".join(lines)) from None
    return files


def _check_models(points: Mapping[str, GridPoint], file: str, root: Path) -> None:
    for name in sorted({point.configuration["model"] for point in points.values()}):
        try:
            models.identity(parse_model(name), root)
        except ModelError as error:
            raise StudyError(f"{file}: model: {error}") from None


def check_values(values: Mapping[str, Any], where: str) -> None:
    """Check single values of dimensions and settings, as a command line gives them.

    Raises:
        StudyError: with a line for each wrong value.
    """
    known = {d.name: d.schema for d in DIMENSIONS} | {s.name: s.schema for s in SETTINGS}
    schema = {"type": "object", "properties": {name: known[name] for name in values}}
    problems = [f"{where}: {problem}" for problem in odd_values(values)]
    problems = problems or list(_schema_problems(values, where, schema))
    if problems:
        raise StudyError("\n".join(problems))


def _schema_problems(
    config: Mapping[str, Any], file: str, schema: Mapping[str, Any] | None = None
) -> Iterator[str]:
    from jsonschema import Draft202012Validator

    if not isinstance(config, Mapping):
        yield f"{file}: a study is a mapping of keys to values, not {type(config).__name__}"
        return
    validator = Draft202012Validator(schema or study_schema())
    errors = sorted(validator.iter_errors(dict(config)), key=lambda e: list(map(str, e.path)))
    for error in errors:
        error = _innermost(error)
        yield f"{file}: {_key(error.absolute_path)}{_explain(error)}"


def _innermost(error):
    """Of the alternatives of an ``anyOf``, the error that the writer most likely meant."""
    while error.validator == "anyOf" and error.context:
        fitting = [e for e in error.context if e.validator != "type"] or list(error.context)
        error = max(fitting, key=lambda e: len(e.absolute_path))
    return error


def _key(path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return f"{text}: " if text else ""


def _explain(error) -> str:
    value, rule = error.instance, error.validator_value
    shown = _short(value)
    match error.validator:
        case "additionalProperties":
            known = error.schema.get("properties", {})
            unknown = sorted(key for key in value if key not in known)
            return "unknown key " + ", ".join(
                f"{_short(key)}{_closest(key, known)}" for key in unknown[:5]
            )
        case "required":
            missing = [key for key in rule if key not in value]
            docs = {s.name: s.doc for s in SETTINGS}
            return "missing key " + ", ".join(f"{key!r} ({docs.get(key, '')})" for key in missing)
        case "enum":
            close = _norway(value) or _closest(value, rule)
            return f"{shown} is not one of {', '.join(map(str, rule))}{close}"
        case "minimum":
            return f"{shown} is too small; give at least {rule}"
        case "exclusiveMinimum":
            return f"{shown} is too small; give more than {rule}"
        case "maximum":
            return f"{shown} is too large; give at most {rule}"
        case "exclusiveMaximum":
            return f"{shown} is too large; give less than {rule}"
        case "type":
            name = error.absolute_path[-1] if error.absolute_path else ""
            remedy = BY_NAME[name].doc if name in BY_NAME else ""
            wanted = " or ".join([rule] if isinstance(rule, str) else rule)
            text = f"{shown} is a {_kind(value)}, not a {wanted}"
            return f"{text}{_norway(value)}. {remedy}".rstrip(". ")
        case "minItems":
            return "an empty list; give at least one value, or leave the key out"
        case "minProperties":
            return "an empty mapping; name at least one key, or leave it out"
        case "pattern":
            return f"{shown} does not fit; {_form(error)}"
        case "minLength" | "maxLength":
            return f"{shown} has {len(value)} characters; the bound is {rule}"
    return f"{shown}: {error.message[:300]}"


def _form(error) -> str:
    """What a text must look like, in words."""
    name = next((n for n in reversed(error.absolute_path) if isinstance(n, str)), "")
    if name == "thread_env":
        return f"give NAME=value of {', '.join(THREAD_VARIABLES)}"
    if name in BY_NAME:
        return f"give {BY_NAME[name].doc[0].lower()}{BY_NAME[name].doc[1:]}".rstrip(".")
    return "give letters, digits, '.', '_' and '-', a letter or digit first"


def _norway(value: Any) -> str:
    """What to do where a word became a truth value."""
    if not isinstance(value, bool):
        return ""
    words = "yes, on" if value else "no, off"
    return f" (YAML reads {words} and {str(value).lower()} so: put a text in quotes)"


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list"}
    return "null" if value is None else names.get(type(value), "mapping")


def _short(value: Any) -> str:
    text = reprlib.repr(value) if isinstance(value, list | dict) else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _closest(key: Any, known) -> str:
    close = difflib.get_close_matches(str(key), [str(k) for k in known], 1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f"; known: {', '.join(map(str, known))}" if len(known) <= 30 else ""
