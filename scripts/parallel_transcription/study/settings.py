"""The settings of a study beside its grid, and the closed schema that both make up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parallel_transcription.study.dimensions import DIMENSIONS

LABEL = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
#: A machine's label names a folder of results and a report, beside these.
MACHINE_LABEL = r"^(?!(?:prepared|models|figures|reports|findings)$)" + LABEL[1:]
#: What ``machines`` says of the host that runs Snakemake.
LOCAL = "local"


@dataclass(frozen=True)
class Setting:
    """One key of a study file; ``default`` None means that the key may be left out."""

    name: str
    default: Any
    schema: dict[str, Any]
    doc: str
    required: bool = False


def _count(minimum: int, maximum: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def _share() -> dict[str, Any]:
    return {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}


def _positive(maximum: float) -> dict[str, Any]:
    return {"type": "number", "exclusiveMinimum": 0, "maximum": maximum}


def _one_or_list(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "array", "minItems": 1, "items": schema}]}


def _dimension_values(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What a block may give a dimension: a value or a non-empty list of values."""
    if name == "device_index":
        one = {"anyOf": [schema, {"type": "array", "minItems": 1, "items": _count(0, 999)}]}
        alone = {"type": "integer", "minimum": 0, "maximum": 999}
        return {"anyOf": [schema, alone, {"type": "array", "minItems": 1, "items": one}]}
    return _one_or_list(schema)


_DIMENSION_VALUES = {d.name: _dimension_values(d.name, d.schema) for d in DIMENSIONS}
_FILTER = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": _DIMENSION_VALUES,
}
_ID = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"}
_WORD = {"type": "string", "minLength": 1, "maxLength": 500}

MACHINE_KEYS: tuple[Setting, ...] = (
    Setting("partition", None, _WORD, "Partition; the site's default unless given."),
    Setting("account", None, _WORD, "Account that pays; the site's default unless given."),
    Setting("qos", None, _WORD, "Quality of service."),
    Setting("constraint", None, _WORD, "Feature of the nodes, such as `a100` or `epyc`."),
    Setting(
        "gpu_model",
        None,
        {"type": "string", "pattern": r"^[A-Za-z0-9_.]{1,100}$"},
        "Model of the GPUs, as Slurm names it. How many a run asks for follows from its "
        "`device_index`.",
    ),
    Setting(
        "exclusive",
        True,
        {"type": "boolean"},
        "Whole nodes, shared with nobody. With `false`, others may share the node, and one such "
        "run of the study goes at a time.",
    ),
    Setting(
        "cores",
        None,
        _count(1, 4096),
        "CPUs of a run: it is confined to so many. All of the node unless given; needed with "
        "`exclusive: false`.",
    ),
    Setting(
        "mem_mb",
        None,
        _count(100, 100_000_000),
        "Memory of a run in MB; what the site gives with the CPUs unless given.",
    ),
    Setting(
        "runtime_min",
        None,
        _count(1, 100_000),
        "Time limit of a run in minutes; as long as the study's own timeouts allow unless given.",
    ),
    Setting("extra", None, _WORD, "More options for `sbatch`, such as `--nodelist=node7`."),
)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "name",
        None,
        {"type": "string", "pattern": LABEL},
        "The study's name in records and reports; the file's name unless given.",
    ),
    Setting(
        "machine",
        "auto",
        {"type": "string", "pattern": MACHINE_LABEL},
        "Label of the machine that measures; `auto` makes one from its CPU or GPU (on a cluster: "
        "`slurm`). With `machines`: the one of them to measure, `auto` for all.",
    ),
    Setting(
        "machines",
        None,
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": MACHINE_LABEL},
            "additionalProperties": {
                "anyOf": [
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            key.name: {**key.schema, "description": key.doc} for key in MACHINE_KEYS
                        },
                    },
                    {"enum": [LOCAL]},
                ]
            },
        },
        "Labels of several machines, each `local` (this host) or what to ask Slurm for (below). "
        "The grid runs on each: on this host with `snakemake --cores all`, on the others with "
        "`snakemake --profile slurm`.",
    ),
    Setting(
        "audio",
        None,
        {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "minLength": 1, "maxLength": 1000},
        },
        "Files or patterns, relative to the project's folder. `files_in_parallel: n` takes the "
        "first n files, from the start again when there are fewer; files beyond the largest n are "
        "checked and not used.",
        required=True,
    ),
    Setting(
        "defaults",
        {},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {d.name: d.schema for d in DIMENSIONS if d.name != "device_index"}
            | {"device_index": _DIMENSION_VALUES["device_index"]},
        },
        "Values of dimensions that the blocks do not name.",
    ),
    Setting(
        "grid",
        None,
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {
                    "block": {"type": "string", "maxLength": 200},
                    "rounds": _count(1, 900),
                    "repeats": _count(1, 10_000),
                    **_DIMENSION_VALUES,
                },
            },
        },
        "A list of blocks. A block gives dimensions one value or a list; its grid is their "
        "Cartesian product; the blocks' union without duplicates is the study's grid. "
        "`block:` is a remark; "
        "`rounds:` and `repeats:` override the study's.",
        required=True,
    ),
    Setting(
        "only",
        None,
        {
            "anyOf": [
                _ID,
                _FILTER,
                {"type": "array", "minItems": 1, "items": {"anyOf": [_ID, _FILTER]}},
            ]
        },
        "Measure only a part of the grid: an id (or its beginning), a mapping of dimensions to "
        "values, or a list of these.",
    ),
    Setting("rounds", 5, _count(1, 900), "Fresh processes for each configuration, interleaved."),
    Setting(
        "min_rounds",
        None,
        _count(1, 900),
        "At least so many rounds for every wanted configuration, whatever its block says; for the "
        "command line, with `only`, to decide what is open.",
    ),
    Setting("repeats", 3, _count(1, 10_000), "Measured passes in each process."),
    Setting("warmups", 1, _count(0, 100), "Passes before them that are recorded, not counted."),
    Setting(
        "timeout_s", 60, _positive(604_800), "Longest pass in seconds; a longer one is censored."
    ),
    Setting(
        "load_timeout_s",
        900,
        _positive(604_800),
        "Longest start and load of the models in seconds.",
    ),
    Setting(
        "disturbed_above",
        0.05,
        _share(),
        "Share of the machine's CPU used by others above which a repeat is marked as disturbed.",
    ),
    Setting(
        "equivalence_margin",
        0.05,
        _share(),
        "Makespans within this share of each other count as equal; fix it beforehand.",
    ),
    Setting("confidence", 0.95, _share(), "Confidence of all intervals."),
    Setting(
        "confirmation_rounds",
        3,
        _count(0, 90),
        "Fresh rounds that measure the best settings again before they are recommended.",
    ),
    Setting(
        "limits",
        {},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "max_memory_mb": _positive(1e9),
                "max_gpu_memory_mb": _positive(1e9),
                "max_cores": _positive(100_000),
                "max_file_s": _positive(1e7),
            },
        },
        "What recommended settings must keep: memory of the process (PSS, MB), its memory on all "
        "its GPUs (MB), cores in use, seconds for one file.",
    ),
    Setting(
        "packing",
        None,
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["jobs", "cores"],
            "properties": {
                "jobs": _count(2, 1024),
                "cores": _count(1, 1024),
                "gpus": _count(1, 1024),
            },
        },
        "Measure `jobs` runs side by side, each pinned to `cores` cores of its own and, with "
        "`device: cuda`, with `gpus` GPUs of its own. Quicker and less exact: caches and memory "
        "bandwidth are shared; such results are marked.",
    ),
)

DEFAULTS: dict[str, Any] = {s.name: s.default for s in SETTINGS if s.default is not None}


def study_schema() -> dict[str, Any]:
    """The closed JSON schema of a study file (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Study",
        "type": "object",
        "additionalProperties": False,
        "required": [s.name for s in SETTINGS if s.required],
        "properties": {s.name: {**s.schema, "description": s.doc} for s in SETTINGS},
    }


def configuration_schema() -> dict[str, Any]:
    """The closed JSON schema of a grid point."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration",
        "type": "object",
        "additionalProperties": False,
        "required": [d.name for d in DIMENSIONS],
        "properties": {d.name: {**d.schema, "description": d.doc} for d in DIMENSIONS},
    }
