"""The grid's dimensions: the table that schema, defaults, ids and documentation follow from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STRATEGIES = ("one_model", "multi_model", "multi_process")
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


@dataclass(frozen=True)
class Dimension:
    """One dimension of the grid.

    ``default`` is what a block that does not name the dimension gets; None means "required" or,
    for ``callers``, "as many as files_in_parallel". ``schema`` constrains one value.
    """

    name: str
    default: Any
    schema: dict[str, Any]
    doc: str


_THREAD_ENV = r"^$|^({names})=[A-Za-z0-9_.,:{{}}-]+( ({names})=[A-Za-z0-9_.,:{{}}-]+)*$".format(
    names="|".join(THREAD_VARIABLES)
)


def _integer(minimum: int, maximum: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


DIMENSIONS: tuple[Dimension, ...] = (
    Dimension(
        "strategy",
        None,
        {"enum": list(STRATEGIES)},
        "How the work is spread: one model with N workers, N models in threads, N processes.",
    ),
    Dimension(
        "model",
        "mini-en",
        {"type": "string", "minLength": 1, "maxLength": 300},
        "`mini-en` (embedded), `dummy-<size>`, a faster-whisper name, a hub id "
        "`org/name[@revision]` or a CTranslate2 folder (`./…`, `/…`).",
    ),
    Dimension(
        "compute_type",
        "int8",
        {"enum": list(COMPUTE_TYPES)},
        "Arithmetic of the weights, as `WhisperModel` takes it.",
    ),
    Dimension("device", "cpu", {"enum": ["cpu", "cuda"]}, "Where the model runs."),
    Dimension(
        "device_index",
        "0",
        {"type": "string", "pattern": r"^[0-9]{1,3}(,[0-9]{1,3})*$"},
        'GPUs by number, such as "0" or "0,1,2"; "0" on a CPU.',
    ),
    Dimension(
        "instances",
        1,
        _integer(1, 1024),
        "`WhisperModel` instances (or processes); 1 for one_model.",
    ),
    Dimension(
        "num_workers", 1, _integer(1, 1024), "Workers of each instance, on each of its devices."
    ),
    Dimension(
        "cpu_threads",
        0,
        _integer(0, 4096),
        "OpenMP threads of each worker; 0 lets CTranslate2 choose.",
    ),
    Dimension(
        "files_in_parallel",
        2,
        _integer(0, 10_000),
        "Files handed out at one moment; 0 only loads the models (cold starts).",
    ),
    Dimension(
        "callers",
        None,
        _integer(1, 10_000),
        "Threads that hand files out; as many as files unless given. 1 is one file after another.",
    ),
    Dimension(
        "init_stagger_s",
        0.0,
        {"type": "number", "minimum": 0, "maximum": 3600},
        "Seconds between the starts of the instances' initialisations.",
    ),
    Dimension(
        "thread_env",
        "OPENBLAS_NUM_THREADS=1",
        {"type": "string", "pattern": _THREAD_ENV},
        "Thread variables of the measured process, `NAME=value NAME=value`; others are removed. "
        "`CT2_USE_MKL` and `DNNL_MAX_CPU_ISA` choose the engine's int8 kernel.",
    ),
    Dimension(
        "language",
        "auto",
        {"type": "string", "pattern": "^(auto|[a-z]{2,3})$"},
        "Language of the speech; `auto` detects it (one encoder pass more per file).",
    ),
    Dimension("beam_size", 5, _integer(1, 100), "Beams of the search."),
    Dimension("vad_filter", False, {"type": "boolean"}, "Leave out parts without speech."),
    Dimension("word_timestamps", False, {"type": "boolean"}, "Align each word."),
    Dimension(
        "condition_on_previous_text", True, {"type": "boolean"}, "Prompt with the text so far."
    ),
    Dimension(
        "temperature_fallback",
        True,
        {"type": "boolean"},
        "Decode again at higher temperatures when a window's text looks wrong.",
    ),
    Dimension(
        "batch_size",
        0,
        _integer(0, 1024),
        "Windows of a file that are decoded together (`BatchedInferencePipeline`); 0 decodes them "
        "one after another (`WhisperModel.transcribe`).",
    ),
    Dimension(
        "slowdown",
        0.0,
        {"type": "number", "minimum": 0, "maximum": 10},
        "A planted effect for checks: sleep this share of the time since the last segment.",
    ),
    Dimension(
        "replica",
        1,
        _integer(1, 100),
        "Number of a repetition of the same configuration; 1 and 2 make the A/A placebo.",
    ),
)

BY_NAME: dict[str, Dimension] = {dimension.name: dimension for dimension in DIMENSIONS}
NAMES: tuple[str, ...] = tuple(BY_NAME)
