"""The columns of ``runs.csv`` and ``timings.csv``: name, kind, unit and meaning, in their order.

The one place that knows them. Names never change meaning and new ones are added at the end; the
tables of docs/output.md follow from here (``scripts/write_reference.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parallel_transcription.study.dimensions import BY_NAME


@dataclass(frozen=True)
class Column:
    """One column. ``kind``: text, flag, whole (an integer that is always there) or number."""

    name: str
    kind: str
    doc: str
    unit: str = ""


def names(table: Sequence[Column], *kinds: str) -> tuple[str, ...]:
    """The names of a table's columns, of the given kinds or of all."""
    return tuple(column.name for column in table if not kinds or column.kind in kinds)


def _dimensions(*wanted: str) -> tuple[Column, ...]:
    kinds = {"integer": "whole", "number": "number", "boolean": "flag"}
    return tuple(
        Column(name, kinds.get(BY_NAME[name].schema.get("type"), "text"), BY_NAME[name].doc)
        for name in wanted
    )


#: The options of a transcription that decide what is done, apart from how it is spread.
OPTIONS = (
    "language",
    "beam_size",
    "vad_filter",
    "word_timestamps",
    "condition_on_previous_text",
    "temperature_fallback",
)
_STATUS = "ok, timeout (longer than `timeout_s`), failed, killed"

_GRID = (
    Column("run", "text", "The run: configuration and round."),
    Column("machine", "text", "Label of the machine."),
    *_dimensions(
        "strategy",
        "model",
        "compute_type",
        "device",
        "device_index",
        "instances",
        "num_workers",
        "cpu_threads",
        "files_in_parallel",
    ),
    Column("round", "whole", "The fresh process's number; from 901 on it confirms settings."),
    Column("repeat", "whole", "The pass's number in the process (for cold starts: the start's)."),
)

TIMINGS: tuple[Column, ...] = (
    *_GRID,
    Column("counter", "number", "The file's place in the order in which files are handed out."),
    Column("file", "text", "The audio file."),
    Column("audio_seconds", "number", "Its length.", "s"),
    Column("submitted_s", "number", "When it was handed out, since the window opened.", "s"),
    Column("started_s", "number", "When a caller took it, since the window opened.", "s"),
    Column("finished_s", "number", "When its text was there, since the window opened.", "s"),
    Column(
        "seconds",
        "number",
        "`finished_s` minus `submitted_s`: waiting for a free caller counts.",
        "s",
    ),
    Column("text_sha256", "text", "Tells whether two transcriptions gave the same text."),
    Column("status", "text", f"Of this transcription: {_STATUS}."),
    Column("configuration", "text", "The configuration's id."),
    *_dimensions("replica", "callers"),
    Column("instance", "number", "Number of the instance that did it, from 0."),
    Column("caller", "number", "Number of the caller that handed it out, from 0."),
    Column("cpu_s", "number", "CPU time of the calling thread alone.", "s"),
    Column("audio_sha256", "text", "The audio's content."),
    Column(
        "wer",
        "number",
        "Word error rate against the reference transcript; empty without one, and for dummy "
        "weights.",
        "0–1",
    ),
    Column("text", "text", "What was heard."),
    Column("reference", "text", "The reference transcript."),
)

RUNS: tuple[Column, ...] = (
    *_GRID,
    Column("makespan_s", "number", "First submission to last finish; empty unless `ok`.", "s"),
    Column("rtfx", "number", "Seconds of audio per second of makespan."),
    Column("cpu_s", "number", "CPU time of all processes of the run in the window.", "s"),
    Column("cores_used", "number", "`cpu_s` / `makespan_s`.", "cores"),
    Column("load_s", "number", "Until all instances were loaded.", "s"),
    Column("warmup_s", "number", "Makespan of the warm-up.", "s"),
    Column("rss_peak_mb", "number", "Peak resident memory in the repeat.", "MB"),
    Column("pss_mb", "number", "Proportional set size after the repeat.", "MB"),
    Column("model_mb", "number", "USS that loading added.", "MB"),
    Column(
        "gpu_util",
        "number",
        "Share of the window in which a GPU ran at least one kernel, mean over the run's GPUs.",
        "0–1",
    ),
    Column(
        "gpu_mem_mb",
        "number",
        "Memory on the run's GPUs after the repeat: of its own processes where the driver tells, "
        "else what was added since before loading.",
        "MB",
    ),
    Column("energy_j", "number", "Energy of the run's GPUs in the window.", "J"),
    Column("status", "text", f"{_STATUS}."),
    Column("error", "text", "What went wrong."),
    Column("configuration", "text", "The configuration's id."),
    Column("study", "text", "The study's name."),
    *_dimensions("replica", "callers", "init_stagger_s", "thread_env", *OPTIONS, "slowdown"),
    Column("total_workers", "whole", "Instances × workers × devices of each."),
    Column("audio_total_s", "number", "Length of all files together.", "s"),
    Column("timeout_s", "number", "The longest pass that was allowed.", "s"),
    Column("started_at", "text", "When it began, UTC."),
    Column("uss_mb", "number", "Unique set size after the repeat.", "MB"),
    Column(
        "cpu_outside_engine_s",
        "number",
        "CPU time of the calling threads: decoding, features, Python.",
        "s",
    ),
    Column("context_switches_voluntary", "number", "In the window: threads that waited."),
    Column("context_switches_involuntary", "number", "In the window: threads that had to yield."),
    Column("foreign_cpu_share", "number", "Share of the machine's CPU used by others.", "0–1"),
    Column("steal_share", "number", "Share of it taken by the hypervisor.", "0–1"),
    Column("disturbed", "flag", "Foreign load or steal above `disturbed_above`, or a clock jump."),
    Column("packed", "flag", "Measured beside other runs (`packing`)."),
    Column("engine_compute_type", "text", "The compute type that the engine really used."),
    Column("model_kind", "text", "How the model came: dummy weights, embedded, downloaded …"),
    Column("model_sha256", "text", "The model's content."),
    Column(
        "workload",
        "text",
        "Fingerprint of files, options and model: only equal ones compare.",
    ),
    Column("logical_cpus", "number", "Of the machine."),
    Column("affinity_cpus", "number", "That the run could use."),
    Column("code", "text", "Fingerprint of the measuring code."),
    Column("gpus", "number", "GPUs that the run uses; 0 on a CPU."),
    Column("gpu_model_mb", "number", "As `gpu_mem_mb`, right after loading.", "MB"),
    Column("power_w", "number", "Mean power of the run's GPUs together in the window.", "W"),
    Column("energy_from", "text", "`counter` or, where a GPU has none, `samples` of its power."),
    Column(
        "gpu_balance",
        "number",
        "Utilisation of the least busy of the run's GPUs over that of the busiest; 1 is even.",
        "0–1",
    ),
    Column(
        "gpu_throttled",
        "number",
        "Largest share of the window in which a GPU was slowed down for one reason (power, heat).",
        "0–1",
    ),
    Column("gpu_sm_mhz", "number", "Mean clock of the multiprocessors.", "MHz"),
    Column(
        "gpu_samples_cover",
        "number",
        "Share of the window that the driver's samples cover; below 0.9 there is no `gpu_util`.",
        "0–1",
    ),
    Column("cores_per_gpu", "number", "`cores_used` / `gpus`: the CPU that feeds a GPU.", "cores"),
    *_dimensions("batch_size"),
    Column(
        "walk_lost",
        "flag",
        "Dummy weights did not give their planted text at temperature 0: the times are those of "
        "other work.",
    ),
)

RUN_COLUMNS = names(RUNS)
TIMING_COLUMNS = names(TIMINGS)
