"""The grid's dimensions: the table that schema, defaults, ids and documentation follow from."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.keys import Key, integer
from parallel_transcription.study.rates import PATTERN as RATE

#: What a cold start loads from.
LOADS = ("folder", "cached", "cold")
STRATEGIES = ("one_model", "multi_model", "multi_process", "service")
COMPUTE_TYPES = (
    "default",
    "auto",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
    "int16",
    "float16",
    "bfloat16",
    "float32",
)

#: Whisper's languages (`faster_whisper.tokenizer._LANGUAGE_CODES`, 1.2.1; kept here because the
#: import takes half a second; a test compares).
LANGUAGES = frozenset(
    """
    af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw
    he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt
    my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl
    tr tt uk ur uz vi yi yo yue zh
    """.split()
)

#: Thread variables that a study may set; all others that steer threads are removed.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "OMP_DYNAMIC",
    "OMP_THREAD_LIMIT",
    "OMP_SCHEDULE",
    "GOMP_SPINCOUNT",
    "GOMP_CPU_AFFINITY",
    "KMP_BLOCKTIME",
    "KMP_AFFINITY",
    "MKL_NUM_THREADS",
    "MKL_DYNAMIC",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    # no threads, but which library multiplies, and the best instructions that oneDNN may use
    "CT2_USE_MKL",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
)


_THREAD_ENV = r"^$|^({names})=[A-Za-z0-9_.,:{{}}-]+( ({names})=[A-Za-z0-9_.,:{{}}-]+)*$".format(
    names="|".join(THREAD_VARIABLES)
)


#: What a dimension is where a block does not name it; a strategy must be named, and callers follow
#: from the files.
DEFAULTS: dict[str, Any] = {
    field.name: field.default
    for field in fields(Configuration)
    if field.name not in ("strategy", "callers")
}


def _dimension(name: str, schema: dict[str, Any], doc: str) -> Key:
    return Key(name, DEFAULTS.get(name), schema, doc, required=name == "strategy")


#: One for each field of `Configuration`, in their order.
DIMENSIONS: tuple[Key, ...] = (
    _dimension(
        "strategy",
        {"enum": list(STRATEGIES)},
        "How the work is spread: one model with N workers, N models in threads, N processes; or a "
        "`service` that is asked from outside.",
    ),
    _dimension(
        "model",
        {"type": "string", "minLength": 1, "maxLength": 300},
        "`mini-en` (embedded), `dummy-<size>`, a faster-whisper name, a hub id "
        "`org/name[@revision]` or a CTranslate2 folder (`./…`, `/…`).",
    ),
    _dimension(
        "compute_type",
        {"enum": list(COMPUTE_TYPES)},
        "Arithmetic of the weights, as `WhisperModel` takes it.",
    ),
    _dimension("device", {"enum": ["cpu", "cuda"]}, "Where the model runs."),
    _dimension(
        "device_index",
        {"type": "string", "pattern": r"^[0-9]{1,3}(,[0-9]{1,3})*$"},
        'GPUs by number, such as "0" or "0,1,2"; "0" on a CPU.',
    ),
    _dimension(
        "instances",
        integer(1, 1024),
        "`WhisperModel` instances (or processes); 1 for one_model.",
    ),
    _dimension(
        "num_workers", integer(1, 1024), "Workers of each instance, on each of its devices."
    ),
    _dimension(
        "cpu_threads",
        integer(0, 4096),
        "OpenMP threads of each worker; 0 lets CTranslate2 choose.",
    ),
    _dimension(
        "files_in_parallel",
        integer(0, 10_000),
        "Files handed out at one moment; 0 only loads the models (cold starts). With `arrivals`, "
        "`requests` take its place.",
    ),
    _dimension(
        "callers",
        integer(1, 10_000),
        "Threads that hand files out; as many as files unless given. 1 is one file after another. "
        "With `arrivals`, how many requests are served at once; as many as workers unless given.",
    ),
    _dimension(
        "init_stagger_s",
        {"type": "number", "minimum": 0, "maximum": 3600},
        "Seconds between the starts of the instances' initialisations.",
    ),
    _dimension(
        "load",
        {"enum": list(LOADS)},
        "What a cold start loads: the prepared `folder`, or by a hub's name with a filled cache "
        "(`cached`) or an empty one in each start (`cold`); the hub is one on the loopback.",
    ),
    _dimension(
        "thread_env",
        {"type": "string", "pattern": _THREAD_ENV},
        "Thread variables of the measured process, `NAME=value NAME=value`; others are removed. "
        "`CT2_USE_MKL` and `DNNL_MAX_CPU_ISA` choose the engine's int8 kernel.",
    ),
    _dimension(
        "language",
        {"type": "string", "pattern": "^(auto|[a-z]{2,3})$"},
        "Language of the speech; `auto` detects it (one encoder pass more per file).",
    ),
    _dimension("beam_size", integer(1, 100), "Beams of the search."),
    _dimension("vad_filter", {"type": "boolean"}, "Leave out parts without speech."),
    _dimension("word_timestamps", {"type": "boolean"}, "Align each word."),
    _dimension("condition_on_previous_text", {"type": "boolean"}, "Prompt with the text so far."),
    _dimension(
        "temperature_fallback",
        {"type": "boolean"},
        "Decode again at higher temperatures when a window's text looks wrong.",
    ),
    _dimension(
        "batch_size",
        integer(0, 1024),
        "Windows of a file that are decoded together (`BatchedInferencePipeline`); 0 decodes them "
        "one after another (`WhisperModel.transcribe`).",
    ),
    _dimension(
        "slowdown",
        {"type": "number", "minimum": 0, "maximum": 10},
        "For self-tests: sleep after each segment for this share of its time, to plant a known "
        "slow-down.",
    ),
    _dimension(
        "replica",
        integer(1, 100),
        "Number of a repetition of the same configuration; 1 and 2 make the A/A placebo.",
    ),
    _dimension(
        "arrivals",
        {"type": "string", "pattern": r"^(at_once|closed|poisson|constant|bursts|trace:.{1,300})$"},
        "How work comes: all files `at_once`; `closed`, the next request when a caller is free; "
        "requests at a `rate`, independent of each other (`poisson`), in even steps (`constant`) "
        "or in `bursts` (gaps that vary twice as much); or as in a CSV file, `trace:<file>`, with "
        "columns `seconds` and `audio_seconds`.",
    ),
    _dimension(
        "rate",
        {"type": "string", "pattern": RATE},
        "Requests per second on the ladder 1, 1.12, 1.25, 1.4, 1.6, 1.8, 2, 2.24, 2.5, 2.8, 3.15, "
        "3.55, 4, 4.5, 5, 5.6, 6.3, 7.1, 8, 9 times a power of ten; or, such as `70%`, a share of "
        "what the first configuration under load carries, taken to the ladder.",
    ),
    _dimension(
        "requests",
        integer(0, 100_000),
        "Requests that are counted in a pass under a load; a quarter as many come before them.",
    ),
    _dimension(
        "mix",
        {"type": "string", "pattern": r"^[A-Za-z0-9._-]{0,64}$"},
        "The files that requests are for, by the name of one of the study's `mixes`; `audio`, each "
        "as often, unless given.",
    ),
    _dimension(
        "discipline",
        {"enum": ["fifo", "shortest"]},
        "Which of the waiting requests a free caller takes: the oldest, or that of the shortest "
        "file.",
    ),
    _dimension(
        "service",
        {"type": "string", "pattern": r"^[A-Za-z0-9._-]{0,64}$"},
        "With `strategy: service`: which of the study's `services`. What it makes of the other "
        "dimensions is what its command, url and fields take of them.",
    ),
)

BY_NAME: dict[str, Key] = {dimension.name: dimension for dimension in DIMENSIONS}
NAMES: tuple[str, ...] = tuple(BY_NAME)
