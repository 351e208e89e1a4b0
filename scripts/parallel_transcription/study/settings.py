"""The settings of a study beside its grid, and the closed schema that both make up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict

from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.study.keys import Key, following, integer, one_or_list, positive, share
from parallel_transcription.study.runs import MOST_ROUNDS

LABEL = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
#: A machine's label names a folder of results and a report, beside these and other files.
MACHINE_LABEL = (
    r"^(?!(?:prepared|models|figures|reports|findings)$)"
    r"(?!.*\.(?:csv|parquet|json|yaml|pdf|html)$)" + LABEL[1:]
)
#: Questions whose pairs matches can decide, in order of weight (`Question.decided`).
DECIDABLE = (
    "recommendation",
    "one_or_many",
    "processes",
    "workers_equal_files",
    "best_threads",
    "batching",
    "noise_floor",
)
DECIDE_MINUTES = 3.0
#: What a search can be for.
THROUGHPUT = "throughput"
P95 = "p95"
OBJECTIVES = (THROUGHPUT, "core_seconds", "slowest_file", P95)
#: What `machines` says of the host that runs Snakemake.
LOCAL = "local"


def _dimension_values(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """What a block may give a dimension: a value or a non-empty list of values."""
    if name == "device_index":
        one = {"anyOf": [schema, {"type": "array", "minItems": 1, "items": integer(0, 999)}]}
        alone = {"type": "integer", "minimum": 0, "maximum": 999}
        return {"anyOf": [schema, alone, {"type": "array", "minItems": 1, "items": one}]}
    if name == "rate":
        number = positive(100_000)
        one = {"anyOf": [schema, number]}
        return {"anyOf": [schema, number, {"type": "array", "minItems": 1, "items": one}]}
    return one_or_list(following(name, schema))


#: Dimensions that a study may write as numbers or lists, and configurations have as text.
_AS_WRITTEN = ("device_index", "rate")
_DIMENSION_VALUES = {d.name: _dimension_values(d.name, d.schema) for d in DIMENSIONS}
_FILTER = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": _DIMENSION_VALUES,
}
_ID = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$"}
_WORD = {"type": "string", "minLength": 1, "maxLength": 500}
_COMMAND = {"type": "string", "minLength": 1, "maxLength": 4000}
#: How services are asked (`study.services`).
PROTOCOLS = ("openai", "asr", "inference", "wyoming")

#: How a site is asked for GPUs.
GPU_REQUESTS = ("gpus", "gres")

MACHINE_KEYS: tuple[Key, ...] = (
    Key("partition", None, _WORD, "Partition; the site's default unless given."),
    Key("account", None, _WORD, "Account that pays; the site's default unless given."),
    Key("qos", None, _WORD, "Quality of service."),
    Key("constraint", None, _WORD, "Feature of the nodes, such as `a100` or `epyc`."),
    Key(
        "gpu_model",
        None,
        {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$"},
        "Model of the GPUs, as Slurm names it (`sinfo -o %G` shows `gpu:<model>:<count>`), MIG "
        "slices as well. How many a run asks for follows from its `device_index`.",
    ),
    Key(
        "gpu_request",
        "gpus",
        {"enum": list(GPU_REQUESTS)},
        "How GPUs are asked for: by `--gpus`, or by `--gres` where a site takes only that.",
    ),
    Key(
        "exclusive",
        True,
        {"type": "boolean"},
        "Whole nodes, shared with nobody. With `false`, others may share the node, and one such "
        "run of the study goes at a time.",
    ),
    Key(
        "cores",
        None,
        integer(1, 4096),
        "CPUs of a run: it is confined to so many. All of the node unless given; needed with "
        "`exclusive: false`.",
    ),
    Key(
        "mem_mb",
        None,
        integer(100, 100_000_000),
        "Memory of a run in MB; what the site gives with the CPUs unless given.",
    ),
    Key(
        "runtime_min",
        None,
        integer(1, 100_000),
        "Time limit of a run in minutes; as long as the study's own timeouts allow unless given.",
    ),
    Key("extra", None, _WORD, "More options for `sbatch`, such as `--nodelist=node7`."),
)

SETTINGS: tuple[Key, ...] = (
    Key(
        "name",
        None,
        {"type": "string", "pattern": LABEL},
        "The study's name in records and reports; the file's name unless given.",
    ),
    Key(
        "machine",
        "auto",
        {"type": "string", "pattern": MACHINE_LABEL},
        "Label of the machine that measures; `auto` makes one from its CPU or GPU (on a cluster: "
        "`slurm`). With `machines`: the one of them to measure, `auto` for all.",
    ),
    Key(
        "machines",
        None,
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": "^(?!auto$)" + MACHINE_LABEL[1:]},
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
    Key(
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
    Key(
        "defaults",
        {},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                d.name: following(d.name, d.schema) for d in DIMENSIONS if d.name not in _AS_WRITTEN
            }
            | {name: _DIMENSION_VALUES[name] for name in _AS_WRITTEN},
        },
        "Values of dimensions that the blocks do not name.",
    ),
    Key(
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
                    "rounds": integer(1, MOST_ROUNDS),
                    "repeats": integer(1, 10_000),
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
    Key(
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
    Key(
        "rounds",
        5,
        integer(1, MOST_ROUNDS),
        "Fresh processes for each configuration, interleaved; fewer than 4 decide no comparison.",
    ),
    Key(
        "min_rounds",
        None,
        integer(1, MOST_ROUNDS),
        "Minimum rounds of the chosen configurations, whatever their blocks say. On the command "
        "line, with `only`, it settles an inconclusive answer.",
    ),
    Key(
        "together_h",
        1,
        positive(10_000),
        "Two configurations are compared in rounds that began within so many hours of each other; "
        "a round that takes longer may itself take so long.",
    ),
    Key("repeats", 3, integer(1, 10_000), "Measured passes in each process."),
    Key(
        "warmups",
        1,
        integer(0, 100),
        "Passes before them that are recorded, not counted; they end each file with its first "
        "window.",
    ),
    Key(
        "timeout_s",
        None,
        positive(604_800),
        "Longest pass in seconds; a longer one is censored. Unless given, ten times the length of "
        "all files of the pass and at least 60; under a load 60.",
    ),
    Key(
        "load_timeout_s",
        900,
        positive(604_800),
        "Longest start and load of the models in seconds. What they leave of it, the first warm-up "
        "may take beyond `timeout_s`: some engines compile at first use.",
    ),
    Key(
        "disturbed_above",
        0.05,
        share(),
        "Mark a repeat as disturbed if other programs used more than this share of the CPU and "
        "half of what the run left idle, or so much that CPUs were lacking.",
    ),
    Key(
        "remeasure",
        2,
        integer(0, 100),
        "At most so many repeats more in a run, one for each that others disturbed. All stay in "
        "the record; disturbed ones count only in a round that has no other.",
    ),
    Key(
        "equivalence_margin",
        0.05,
        share(),
        "Makespans that differ by less count as equal. Choose it before you measure.",
    ),
    Key("confidence", 0.95, share(), "Confidence of all intervals."),
    Key(
        "decide",
        {},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "minutes": {"type": "number", "minimum": 0, "maximum": 100_000},
                "margin": share(),
                "questions": {"type": "array", "minItems": 1, "items": {"enum": list(DECIDABLE)}},
            },
        },
        "After the rounds: `minutes` (3 unless given; 0: none) for matches, in which the sides of "
        "what is open take turns until it is decided or the time is over; more minutes later go on "
        "from there. `margin` stands for `equivalence_margin`. `questions`: only these are "
        "decided, of " + ", ".join(f"`{one}`" for one in DECIDABLE) + ".",
    ),
    Key(
        "search",
        None,
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "objective": {"enum": list(OBJECTIVES)},
                "minutes": positive(100_000),
                "gain": share(),
            },
        },
        "Search the grid instead of measuring all of it: for the configuration with the most "
        "`throughput` (the `objective` unless given), the fewest `core_seconds` per second of "
        "audio, the shortest `slowest_file`, or, of requests that come by themselves, the lowest "
        "`p95` of the latency, within `limits`; until nothing is expected to be "
        "better by more than `gain` (0.02 unless given), for at most `minutes` (unless given, a "
        "tenth of what the whole grid would take). With `only` nothing is searched: what it names "
        "is measured by rounds.",
    ),
    Key(
        "ladder",
        None,
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {"minutes": positive(100_000)},
        },
        "After the rounds: climb the ladder of rates, for the largest load within `slo` that each "
        "configuration under a load carries (as many callers as workers or fewer); fresh runs, "
        "until the rate that is met and the one that is missed are neighbours, for at most "
        "`minutes` (10 unless given), and one run at least. More minutes later go on from there.",
    ),
    Key(
        "limits",
        {},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "max_memory_mb": positive(1e9),
                "max_gpu_memory_mb": positive(1e9),
                "max_cores": positive(100_000),
                "max_file_s": positive(1e7),
                "max_wer_increase": share(),
            },
        },
        "What recommended settings must keep: memory of the process (its peak, MB), its memory on "
        "all its GPUs (MB), cores in use, seconds for one file; with batches or a voice detector, "
        "how much the error rate may be worse (0.02 unless given).",
    ),
    Key(
        "mixes",
        {},
        {
            "type": "object",
            "propertyNames": {"pattern": LABEL},
            "additionalProperties": {
                "anyOf": [
                    _WORD,
                    {"type": "array", "minItems": 1, "items": _WORD},
                    {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["files"],
                            "properties": {
                                "name": {"type": "string", "maxLength": 64},
                                "weight": positive(1e6),
                                "files": one_or_list(_WORD),
                            },
                        },
                    },
                ]
            },
        },
        "Files that requests are for, by a name that `mix` takes: a pattern or a list of them, "
        "each file as often; or parts with `files`, `weight` (how often it comes) and `name`.",
    ),
    Key(
        "services",
        {},
        {
            "type": "object",
            "propertyNames": {"pattern": LABEL},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["protocol"],
                "properties": {
                    "protocol": {"enum": list(PROTOCOLS)},
                    "command": _COMMAND,
                    "url": _WORD,
                    "ready": {"type": "string", "pattern": "^/"},
                    "path": {"type": "string", "pattern": "^/"},
                    "file_field": _WORD,
                    "fields": {"type": "object", "additionalProperties": {"type": "string"}},
                    "text": {"type": "string", "maxLength": 64},
                    "env": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        },
        "Services that `service` takes by name: the `protocol` that they speak (`openai`, `asr`, "
        "`inference`, `wyoming`), and a `command` that starts one for each run, or the `url` of "
        "one that runs already (docs/services.md). Requests go to that address and no other.",
    ),
    Key(
        "slo",
        {},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: {
                    "anyOf": [
                        positive(1e6),
                        {
                            "type": "object",
                            "additionalProperties": False,
                            "minProperties": 1,
                            "properties": {"seconds": positive(1e6), "of_length": positive(1e4)},
                        },
                    ]
                }
                for name in ("p50", "p90", "p95", "p99")
            },
        },
        "What a service must keep: the longest latency in seconds of so many percent of its "
        "requests, as `p95: 3`; with `p95: {seconds: 2, of_length: 0.2}` that of a request is the "
        "larger of both, the second times the length of its audio. Changing it measures nothing.",
    ),
    Key(
        "traffic",
        0,
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1e9},
                {
                    "type": "array",
                    "minItems": 24,
                    "maxItems": 24,
                    "items": {"type": "number", "minimum": 0, "maximum": 1e9},
                },
            ]
        },
        "Requests per hour that a service gets, or a list for the 24 hours of a day: the report "
        "says how many machines they take within `slo`.",
    ),
    Key(
        "prices",
        {},
        {
            "type": "object",
            "propertyNames": {"pattern": LABEL},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["per_hour", "currency"],
                "properties": {
                    "per_hour": positive(1e6),
                    "currency": {"type": "string", "minLength": 1, "maxLength": 10},
                    "note": {"type": "string", "maxLength": 200},
                },
            },
        },
        "What an hour of a machine costs, by its label: `per_hour`, `currency`, and a `note` such "
        "as where and when. With `traffic`: the cost of an hour of audio. None ship.",
    ),
    Key(
        "latency_margin",
        0.1,
        share(),
        "Latencies (p95) that differ by less count as equal. Choose it before you measure.",
    ),
    Key(
        "packing",
        None,
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["jobs", "cores"],
            "properties": {
                "jobs": integer(2, 1024),
                "cores": integer(1, 1024),
                "gpus": integer(1, 1024),
            },
        },
        "Measure `jobs` runs side by side, each pinned to `cores` physical cores of its own (with "
        "all their hardware threads) and, with `device: cuda`, with `gpus` GPUs of its own. "
        "Quicker and less exact: caches and memory bandwidth are shared; such results are marked.",
    ),
)


class Packing(TypedDict):
    """Runs measured side by side, and the cores and GPUs of each."""

    jobs: int
    cores: int
    gpus: NotRequired[int]


class Resources(TypedDict, total=False):
    """What the runs of a machine ask the scheduler for (MACHINE_KEYS)."""

    partition: str
    account: str
    qos: str
    constraint: str
    gpu_model: str
    gpu_request: str
    exclusive: bool
    cores: int
    mem_mb: int
    runtime_min: int
    extra: str


class Search(TypedDict, total=False):
    """What a search of the grid is for, and for how long."""

    objective: str
    minutes: float
    gain: float


class Ladder(TypedDict, total=False):
    """For how long the largest load of configurations is looked for."""

    minutes: float


class Limits(TypedDict, total=False):
    """What recommended settings must keep."""

    max_memory_mb: float
    max_gpu_memory_mb: float
    max_cores: float
    max_file_s: float
    max_wer_increase: float


class Decide(TypedDict, total=False):
    """What matches decide, and for how long."""

    minutes: float
    margin: float
    questions: list[str]


class Settings(TypedDict):
    """A checked study's keys (SETTINGS), with the defaults of those that were left out.

    The values of `defaults`, `grid` and `only` are those of dimensions, as a study writes
    them: one or a list. They become configurations when the grid is expanded.
    """

    name: str
    machine: str
    machines: NotRequired[dict[str, Resources | Literal["local"]]]
    audio: list[str]
    defaults: dict[str, Any]
    grid: list[dict[str, Any]]
    only: NotRequired[Any]
    rounds: int
    min_rounds: NotRequired[int]
    together_h: float
    repeats: int
    warmups: int
    timeout_s: NotRequired[float]
    load_timeout_s: float
    disturbed_above: float
    remeasure: int
    equivalence_margin: float
    confidence: float
    decide: Decide
    search: NotRequired[Search]
    ladder: NotRequired[Ladder]
    limits: Limits
    mixes: dict[str, Any]
    services: dict[str, Any]
    slo: dict[str, Any]
    traffic: float | list[float]
    prices: dict[str, Any]
    latency_margin: float
    packing: NotRequired[Packing]


class KeptSettings(Settings):
    """What later steps get of a study: its settings, its file and its audio files."""

    file: str
    audio_files: list[str]


DEFAULTS: dict[str, Any] = {s.name: s.default for s in SETTINGS if s.default is not None}


def study_schema() -> dict[str, Any]:
    """The closed JSON schema of a study file (draft 2020-12)."""
    return _closed_schema("Study", SETTINGS, [s.name for s in SETTINGS if s.required])


def configuration_schema() -> dict[str, Any]:
    """The closed JSON schema of a grid point."""
    return _closed_schema("Configuration", DIMENSIONS, [d.name for d in DIMENSIONS])


def _closed_schema(title: str, keys: Sequence[Key], required: list[str]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {key.name: {**key.schema, "description": key.doc} for key in keys},
    }
