"""Which columns of a finding's evidence a page shows, and how. All of it is in findings.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parallel_transcription import words as language
from parallel_transcription.untrusted import clean
from parallel_transcription.words import (
    NOTHING,
    as_written,
    fixed,
    integer,
    is_missing,
    number,
    percent,
    seconds,
    strategy_name,
    strategy_place,
)

#: Header, text of a row, whether it is a number.
Column = tuple[str, Callable[[dict], str], bool]


def _number(value: Any) -> float | None:
    """``value`` as a number, or None; truth values are no numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or is_missing(value):
        return None
    return float(value)


def _get(name: str, show: Callable[[Any], str]) -> Callable[[dict], str]:
    def text(row: dict) -> str:
        value = _number(row.get(name))
        return NOTHING if value is None else show(value)

    return text


def whole(name: str, header: str) -> Column:
    return header, _get(name, integer), True


def measure(name: str, header: str, decimals: int = 2) -> Column:
    return header, _get(name, lambda v: fixed(v, decimals)), True


def figure(name: str, header: str, digits: int = 3) -> Column:
    return header, _get(name, lambda v: number(v, digits)), True


def time(name: str, header: str) -> Column:
    return header, _get(name, seconds), True


def share(name: str, header: str) -> Column:
    return header, _get(name, lambda v: percent(v, decimals=1)), True


def given(name: str, header: str) -> Column:
    return header, _get(name, as_written), True


def threads(name: str = "cpu_threads", header: str = "threads") -> Column:
    return header, _get(name, lambda v: "auto" if v == 0 else integer(v)), True


def p_value(name: str, header: str) -> Column:
    def show(value: float) -> str:
        return "< 0.001" if value < 0.001 else fixed(value, 3)

    return header, _get(name, show), True


def words(name: str, header: str, more: str = "", limit: int = 120) -> Column:
    """Text, with the text of another column after it."""

    def text(row: dict) -> str:
        parts = [clean(row.get(n), limit) for n in (name, more) if n]
        return "; ".join(p for p in parts if p) or NOTHING

    return header, text, False


def yes(name: str, header: str) -> Column:
    return header, lambda row: "yes" if row.get(name) is True else "", False


def strategy() -> Column:
    return "strategy", lambda row: strategy_name(row.get("strategy")), False


def with_interval(name: str, header: str, low: str, high: str) -> Column:
    """An estimate with its interval; an end that is missing is open."""

    def text(row: dict) -> str:
        value = _number(row.get(name))
        if value is None:
            return NOTHING
        ends = (_number(row.get(n)) for n in (low, high))
        return language.with_interval(value, *ends)

    return header, text, True


RATIO = with_interval("ratio", "ratio", "low", "high")


def pair(others: str) -> list[Column]:
    """The columns of one model against others with as many workers."""
    return [
        whole("files", "files"),
        whole("total_workers", "workers"),
        threads(),
        whole("instances", others),
        time("makespan_a_s", "one model (s)"),
        time("makespan_b_s", f"{others} (s)"),
        RATIO,
        p_value("p_equivalent", "p equivalent"),
        whole("rounds", "rounds"),
        words("outcome", "outcome", "remark"),
    ]


_KINDS = {"threads": "one process", "processes": "a process each"}
MEMORY = [
    ("models in", lambda row: _KINDS.get(str(row.get("kind")), clean(row.get("kind"), 40)), False),
    with_interval("base_mb", "first model (MB)", "base_low", "base_high"),
    with_interval("worker_mb", "further worker (MB)", "worker_low", "worker_high"),
    with_interval("instance_mb", "further model (MB)", "instance_low", "instance_high"),
    measure("r2", "R²", 4),
    whole("runs", "runs"),
    words("outcome", "outcome"),
]

COLUMNS: dict[str, list[Column]] = {
    "parallel_or_queue": [
        whole("files", "files"),
        whole("workers", "workers"),
        threads(),
        time("makespan_s", "makespan (s)"),
        with_interval("speed_up", "over one after another", "low", "high"),
        with_interval("over_one_worker", "over one worker", "over_low", "over_high"),
        measure("cores_used", "cores"),
        share("overlap_in_time", "overlap in time"),
        whole("rounds", "rounds"),
        words("outcome", "outcome"),
    ],
    "one_or_many": pair("models"),
    "processes": pair("processes"),
    "threads_limit": [
        strategy(),
        whole("instances", "models"),
        whole("workers", "workers"),
        whole("workers_in_use", "in use"),
        threads(),
        measure("expected_cores", "expected"),
        with_interval("cores", "cores used by the engine", "low", "high"),
        measure("cores_all", "by all"),
        whole("rounds", "rounds"),
        words("outcome", "outcome"),
    ],
    "best_threads": [
        whole("files", "files"),
        whole("workers", "workers"),
        threads(),
        with_interval("rtfx", "seconds of audio per second", "low", "high"),
        with_interval("time_ratio_to_best", "time over the best", "ratio_low", "ratio_high"),
        whole("rounds", "rounds"),
        words("standing", "standing"),
    ],
    "oversubscription": [
        strategy(),
        whole("files", "files"),
        whole("workers_in_use", "in use"),
        threads(),
        given("oversubscription", "per CPU"),
        time("makespan_a_s", "makespan (s)"),
        with_interval("ratio", "over that within the CPUs", "low", "high"),
        figure("switches_per_s", "switches per s"),
        words("outcome", "outcome", "remark"),
    ],
    "workers_equal_files": [
        whole("files", "files"),
        whole("workers", "workers"),
        threads(),
        time("makespan_a_s", "makespan (s)"),
        with_interval("ratio", "makespan ratio", "low", "high"),
        words("outcome", "makespan"),
        with_interval("cpu_ratio", "CPU time ratio", "cpu_low", "cpu_high"),
        words("cpu_outcome", "CPU time"),
    ],
    "several_gpus": [
        words("device_index", "GPUs"),
        whole("workers_per_device", "workers each"),
        whole("files", "files"),
        with_interval("ratio", "times as fast as on one", "low", "high"),
        share("utilisation_of_one", "busy, one"),
        share("utilisation", "busy, all"),
        measure("balance", "least / most busy"),
        measure("energy_ratio", "energy / one"),
        measure("cores_per_gpu", "cores per GPU"),
        whole("rounds", "rounds"),
        words("verdict", "outcome"),
    ],
    "one_per_gpu": [
        words("others", "one model against"),
        whole("gpus", "GPUs"),
        whole("total_workers", "workers"),
        whole("files", "files"),
        time("makespan_a_s", "one model (s)"),
        time("makespan_b_s", "others (s)"),
        RATIO,
        p_value("p_equivalent", "p equivalent"),
        whole("rounds", "rounds"),
        words("outcome", "outcome", "remark"),
    ],
    "gpu_saturation": [
        words("series", "on one GPU"),
        whole("number", "number"),
        whole("files", "files"),
        with_interval("rtfx", "seconds of audio per second", "rtfx_low", "rtfx_high"),
        with_interval("ratio", "over one", "low", "high"),
        share("gpu_util", "busy"),
        figure("gpu_mem_mb", "memory (MB)"),
        figure("power_w", "power (W)"),
        share("gpu_throttled", "slowed down"),
        measure("cores_per_gpu", "CPU cores"),
        words("verdict", "outcome"),
        yes("enough", "enough"),
    ],
    "memory_workers": MEMORY,
    "memory_instances": MEMORY,
    "init_race": [
        whole("instances", "models"),
        given("init_stagger_s", "delay (s)"),
        whole("starts", "starts"),
        whole("failures", "failed"),
        share("upper_bound", "at most"),
        time("load_s", "loaded after (s)"),
        words("error", "error"),
    ],
    "recommendation": [
        words("label", "settings"),
        with_interval("rtfx", "seconds of audio per second", "low", "high"),
        measure("cores_used", "cores"),
        figure("memory_mb", "memory (MB)"),
        figure("gpu_memory_mb", "on GPUs (MB)"),
        time("slowest_file_s", "slowest file (s)"),
        yes("pareto", "Pareto"),
        words("standing", "standing", "remark"),
        yes("chosen", "chosen"),
    ],
    "batching": [
        words("label", "configuration"),
        whole("files", "files"),
        time("makespan_a_s", "makespan (s)"),
        with_interval("speed_up", "times as fast", "speed_low", "speed_high"),
        figure("memory_mb", "memory (MB)"),
        figure("memory_plain_mb", "one by one (MB)"),
        share("wer", "WER"),
        share("wer_plain", "WER one by one"),
        words("outcome", "outcome", "remark"),
    ],
    "noise_floor": [
        words("label", "configuration, measured twice"),
        time("makespan_a_s", "second (s)"),
        time("makespan_b_s", "first (s)"),
        RATIO,
        share("spread", "spread"),
        whole("rounds", "rounds"),
        words("outcome", "outcome"),
    ],
    "same_text": [
        words("label", "configuration"),
        whole("transcriptions", "transcriptions"),
        whole("different", "other text"),
        share("wer", "WER"),
        share("wer_alone", "WER alone"),
        words("files_different", "files with another text"),
    ],
    "planted_effect": [
        words("label", "configuration"),
        share("planted", "slowed by"),
        RATIO,
        whole("rounds", "rounds"),
        words("outcome", "outcome"),
    ],
}

#: Findings whose rows are put in the order of their settings (others have an order of their own).
BY_SETTING = (
    "parallel_or_queue",
    "one_or_many",
    "processes",
    "threads_limit",
    "oversubscription",
    "workers_equal_files",
    "several_gpus",
    "one_per_gpu",
    "gpu_saturation",
    "init_race",
    "batching",
)
SETTING_KEYS = (
    "model", "compute_type", "others", "strategy", "files", "gpus", "devices", "total_workers",
    "instances", "workers", "workers_per_device", "number", "cpu_threads", "callers",
    "init_stagger_s", "batch_size",
)  # fmt: skip

#: Findings of whose evidence only the first rows stand on a page.
MOST_ROWS = {"same_text": 8}

#: Columns that stand before the others where their values differ.
VARYING = (
    words("model", "model", limit=40),
    words("compute_type", "type", limit=20),
    words("device", "device", limit=20),
)


def columns_of(finding: str, rows: list[dict]) -> list[Column] | None:
    """The columns for this evidence; None where the finding is not known here."""
    known = COLUMNS.get(finding)
    if known is None:
        return None
    varying = [
        column
        for column, name in zip(VARYING, ("model", "compute_type", "device"), strict=True)
        if len({str(row.get(name)) for row in rows}) > 1
    ]
    shown = [*varying, *known]
    # a column in which nothing is known says nothing
    return [c for c in shown if any(c[1](row) not in ("", NOTHING) for row in rows)]


def rows_of(finding: str, rows: list[dict]) -> list[dict]:
    """The rows that a page shows, in their order; the others are in findings.json."""
    if finding in BY_SETTING:
        rows = sorted(rows, key=_place)
    if finding == "recommendation":
        primary = [r for r in rows if r.get("primary") is True]
        return primary or rows
    if finding == "threads_limit":
        # rows in which nothing can be told (more threads than CPUs) are many, and say little
        judged = [r for r in rows if r.get("outcome") != "not judged"]
        return judged or rows[:12]
    return rows


def _place(row: dict) -> list[tuple[int, float, str]]:
    """Numbers before words before what is missing; numbers by size."""
    found = []
    for name in SETTING_KEYS:
        value = row.get(name)
        if name == "strategy":
            value = strategy_place(value)
        known = _number(value)
        if known is not None:
            found.append((0, known, ""))
        else:
            found.append((2 if is_missing(value) else 1, 0.0, str(value)))
    return found


def most_rows(finding: str, otherwise: int) -> int:
    return MOST_ROWS.get(finding, otherwise)


__all__ = ["columns_of", "most_rows", "rows_of"]
