"""The columns of the tables `runs`, `timings` and `matches`: name, kind, unit, meaning, in order.

The one place that knows them. Names never change meaning and new ones are added at the end; the
tables of docs/output.md follow from here (`scripts/write_reference.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from parallel_transcription.study.dimensions import BY_NAME

#: `text` is "" where there is none, `flag` and `whole` (an integer) are always there,
#: `number` is nan where it is not known, and so is `meter`, a number of the repeat of which
#: medians are taken.
Kind = Literal["text", "flag", "whole", "number", "meter"]
#: A pass is marked as throttled when its CPUs stood still for more than this share of its makespan.
THROTTLED_ABOVE = 0.02
_TYPES = {"whole": "int64", "number": "float64", "meter": "float64"}


@dataclass(frozen=True)
class Column:
    """One column of a table; a derived one follows from others."""

    name: str
    kind: Kind
    doc: str
    unit: str = ""
    derived: bool = False


def names(table: Sequence[Column], *kinds: Kind) -> tuple[str, ...]:
    """The names of a table's columns, of the given kinds or of all."""
    return tuple(column.name for column in table if not kinds or column.kind in kinds)


def typed(frame: pd.DataFrame, table: Sequence[Column]) -> pd.DataFrame:
    """The columns of a table, each in its type.

    Args:
        frame: Has all of the columns, in any order, perhaps beside others; None for what is not
            known.
        table: `RUNS`, `TIMINGS` or `MATCHES`.
    """
    return pd.DataFrame({one.name: _typed(frame[one.name], one.kind) for one in table})


def _typed(cells: pd.Series, kind: Kind) -> pd.Series:
    if kind == "text":
        return cells.astype(object).where(cells.notna(), "").astype(str)
    if kind == "flag":
        return cells.eq(True)
    return cells.astype(_TYPES[kind])


def _derived(name: str, kind: Kind, doc: str) -> Column:
    return Column(name, kind, doc, derived=True)


def _dimensions(*wanted: str) -> tuple[Column, ...]:
    kinds: dict[str, Kind] = {"integer": "whole", "number": "number", "boolean": "flag"}
    return tuple(
        Column(name, kinds.get(BY_NAME[name].schema.get("type", ""), "text"), BY_NAME[name].doc)
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
#: What the decoder did for a transcription.
DECODED = (
    "tokens",
    "temperature",
    "windows",
    "decodings",
    "compression_ratio",
    "logprob",
    "speech_s",
)
_STATUS = (
    "ok, timeout (a pass longer than `timeout_s`), stuck (another step took too long, so that "
    "nothing is known of a pass), failed, killed, saturated (a load that it cannot carry)"
)

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
    Column("round", "whole", "The fresh process's number."),
    Column("repeat", "whole", "The pass's number in the process (for cold starts: the start's)."),
)

TIMINGS: tuple[Column, ...] = (
    *_GRID,
    Column("counter", "whole", "The file's place in the order in which files are handed out."),
    Column("file", "text", "The audio file."),
    Column("audio_seconds", "number", "Its length.", "s"),
    Column(
        "submitted_s",
        "number",
        "Time at which it was handed out, from the start of the timed window.",
        "s",
    ),
    Column(
        "started_s",
        "number",
        "Time at which a caller took it, from the start of the timed window.",
        "s",
    ),
    Column(
        "finished_s",
        "number",
        "Time at which its transcript was complete, from the start of the timed window.",
        "s",
    ),
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
    Column("instance", "whole", "Number of the instance that did it, from 0."),
    Column("caller", "whole", "Number of the caller that handed it out, from 0."),
    Column("cpu_s", "number", "CPU time of the calling thread alone.", "s"),
    Column("audio_sha256", "text", "The audio's content."),
    Column(
        "wer",
        "number",
        "Word error rate against the reference transcript; empty without one, for dummy weights, "
        "and where its writing has no spaces (`cer`).",
        "0–1",
    ),
    Column("text", "text", "What was heard."),
    Column("reference", "text", "The reference transcript."),
    Column(
        "cer",
        "number",
        "Character error rate, in place of `wer` where the reference's writing has no spaces.",
        "0–1",
    ),
    Column(
        "normaliser", "text", "What `wer` and `cer` leave out of account, and what counts them."
    ),
    Column("tokens", "number", "Text tokens."),
    Column(
        "temperature", "number", "Highest temperature at which a window was decoded in the end."
    ),
    Column("windows", "number", "Windows that gave a text."),
    Column("decodings", "number", "Their decodings, at all temperatures."),
    Column("compression_ratio", "number", "Highest of a segment."),
    Column("logprob", "number", "Lowest mean log-probability of a token in a segment."),
    Column(
        "speech_s", "number", "Audio that was decoded: all, or what `vad_filter` left of it.", "s"
    ),
    Column(
        "first_segment_s", "number", "From `started_s` until the first segment was there.", "s"
    ),
    *_dimensions("arrivals", "rate", "requests", "mix", "discipline"),
    Column("sent_s", "number", "Under a load: when it was sent; `submitted_s` is when it was due.",
           "s"),
    Column("wait_s", "number", "`started_s` minus `submitted_s`.", "s"),
    Column("service_s", "number", "`finished_s` minus `started_s`.", "s"),
    Column("counted", "flag", "Not of the requests that come before and after those that count."),
    Column("part", "text", "Under a load: the part of the mix that the file is of."),
    Column("share", "number", "Under a load: the share of the requests that are for this file.",
           "0–1"),
    *_dimensions("service"),
)  # fmt: skip

RUNS: tuple[Column, ...] = (
    *_GRID,
    Column("makespan_s", "number", "First submission to last finish; empty unless `ok`.", "s"),
    Column("rtfx", "meter", "Seconds of audio per second of makespan."),
    Column("cpu_s", "meter", "CPU time of all processes of the run in the window.", "s"),
    Column("cores_used", "meter", "`cpu_s` / `makespan_s`.", "cores"),
    Column("load_s", "meter", "Until all instances were loaded.", "s"),
    Column(
        "warmup_s",
        "number",
        "Makespan of the warm-up, in which a file ends with its first window.",
        "s",
    ),
    Column("rss_peak_mb", "meter", "Peak resident memory in the repeat.", "MB"),
    Column("pss_mb", "meter", "Proportional set size after the repeat.", "MB"),
    Column("model_mb", "meter", "USS that loading added.", "MB"),
    Column(
        "gpu_util",
        "meter",
        "Share of the window in which a GPU ran at least one kernel, mean over the run's GPUs.",
        "0–1",
    ),
    Column(
        "gpu_mem_mb",
        "meter",
        "Memory on the run's GPUs after the repeat: of its own processes where the driver tells, "
        "else what was added since before loading.",
        "MB",
    ),
    Column("energy_j", "meter", "Energy of the run's GPUs in the window.", "J"),
    Column("status", "text", f"{_STATUS}."),
    Column("error", "text", "What went wrong."),
    Column("configuration", "text", "The configuration's id."),
    Column("study", "text", "The study's name."),
    *_dimensions("replica", "callers", "init_stagger_s", "thread_env", *OPTIONS, "slowdown"),
    Column("total_workers", "whole", "Instances × workers × devices of each."),
    Column("audio_total_s", "number", "Length of all files together.", "s"),
    Column("timeout_s", "number", "The longest pass that was allowed.", "s"),
    Column("started_at", "text", "When it began, UTC."),
    Column("uss_mb", "meter", "Unique set size after the repeat.", "MB"),
    Column(
        "cpu_outside_engine_s",
        "meter",
        "CPU time of the calling threads: decoding, features, Python.",
        "s",
    ),
    Column("context_switches_voluntary", "meter", "In the window: threads that waited."),
    Column("context_switches_involuntary", "meter", "In the window: threads that had to yield."),
    Column("foreign_cpu_share", "number", "Share of the machine's CPU used by others.", "0–1"),
    Column("steal_share", "number", "Share of it taken by the hypervisor.", "0–1"),
    Column(
        "disturbed",
        "flag",
        "Foreign load that left too few CPUs or was above `disturbed_above`, steal above it, a "
        "clock jump, or `gpu_disturbed`.",
    ),
    Column("packed", "flag", "Measured beside other runs (`packing`)."),
    Column("engine_compute_type", "text", "The compute type that the engine really used."),
    Column("model_kind", "text", "How the model came: dummy weights, embedded, downloaded …"),
    Column("model_sha256", "text", "The model's content."),
    Column(
        "workload",
        "text",
        "Fingerprint of files, options and model: only equal ones compare.",
    ),
    Column("logical_cpus", "number", "Logical CPUs of the machine."),
    Column("affinity_cpus", "number", "CPUs that the run was allowed to use."),
    Column("code", "text", "Fingerprint of the measuring code."),
    Column("gpus", "whole", "GPUs that the run uses; 0 on a CPU."),
    Column("gpu_model_mb", "meter", "As `gpu_mem_mb`, right after loading.", "MB"),
    Column("power_w", "meter", "Mean power of the run's GPUs together in the window.", "W"),
    Column("energy_from", "text", "`counter` or, where a GPU has none, `samples` of its power."),
    Column(
        "gpu_balance",
        "meter",
        "Utilisation of the least busy of the run's GPUs over that of the busiest; 1 is even.",
        "0–1",
    ),
    Column(
        "gpu_throttled",
        "meter",
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
    Column("cores_per_gpu", "meter", "`cores_used` / `gpus`: the CPU that feeds a GPU.", "cores"),
    *_dimensions("batch_size"),
    Column(
        "walk_lost",
        "flag",
        "Dummy weights did not give their planted text at temperature 0: the times are those of "
        "other work.",
    ),
    Column(
        "usable_cpus",
        "number",
        "CPUs that the run could really use: its affinity or its quota, whichever is less.",
        "CPUs",
    ),
    Column("physical_cores", "number", "Physical cores among the CPUs that the run may use."),
    Column("cpu_quota", "number", "CPU quota of its control group; empty without one.", "CPUs"),
    Column(
        "throttled_periods",
        "meter",
        "Periods of the quota in which it was used up in the window; empty without a quota.",
    ),
    Column(
        "throttled_s",
        "meter",
        "How long CPUs stood still because the quota was used up, added up over CPUs.",
        "s",
    ),
    Column(
        "throttled",
        "flag",
        f"`throttled_s` is more than {THROTTLED_ABOVE:.0%} of the makespan: the quota held it up.",
    ),
    Column("cpu_mhz", "meter", "Mean clock of the usable CPUs as the window closed.", "MHz"),
    Column(
        "thermal_throttles",
        "meter",
        "How often heat slowed a core or package down in the window, where it did so most.",
    ),
    Column("planned_rounds", "number", "Rounds that the study planned when this was measured."),
    Column(
        "stopped_in",
        "text",
        "The step in which its process stopped: loading, warm-up, pass, between (passes) or "
        "ending; empty where it ended well.",
    ),
    Column(
        "gpu_disturbed",
        "flag",
        "Others came onto a GPU of the run, heat or a fault slowed it, or its clock was below "
        "0.9 of what is usual for the configuration.",
    ),
    Column(
        "disturbance_known",
        "flag",
        "Whether `disturbed` could be told: the window was long enough for the system's clock "
        "ticks, and its meters are there.",
    ),
    *_dimensions("load"),
    Column("hub_requests", "number", "Requests of a cold start by name to the loopback's hub."),
    Column("hub_mb", "number", "What that hub sent of the model's files.", "MB"),
    *_dimensions("arrivals", "rate", "requests", "mix", "discipline"),
    Column("offered_rps", "number", "Requests that came, per second.", "1/s"),
    Column("served", "number", "Counted requests that were served."),
    Column("p50_s", "meter", "Median latency of the counted requests, from when they were due.",
           "s"),
    Column("p90_s", "meter", "90th percentile of the latency; empty of fewer than 20 requests.",
           "s"),
    Column("p95_s", "meter", "95th percentile of the latency; empty of fewer than 40 requests.",
           "s"),
    Column("p99_s", "meter", "99th percentile of the latency; empty of fewer than 200 requests.",
           "s"),
    Column("latency_s", "meter", "Mean latency.", "s"),
    Column("dispatch_lag_s", "meter", "99th percentile of how late requests were sent.", "s"),
    Column("sender_cpu_s", "meter", "CPU time of the thread that sent the requests.", "s"),
    Column("in_system", "meter", "Mean number of requests that waited or were served."),
    Column("saturated_by", "text", "Why the load was beyond what the configuration carries."),
    Column(
        "generator_limited", "flag", "Requests were sent so late that latencies are in doubt."
    ),
    *_dimensions("service"),
    Column("client_cpu_s", "meter", "CPU time of the process that asked the service, of `cpu_s`.",
           "s"),
    Column("run_s", "number", "What the whole run took: its process, loading, all passes.", "s"),
    Column(
        "host_kind",
        "text",
        "Short hash of the kind of machine (CPU model, cores, CPUs) and of the packages' versions.",
    ),
    _derived("arm", "text", "`configuration` and `workload`: one side of a comparison."),
    _derived(
        "threads",
        "whole",
        "Threads of each worker: `cpu_threads`; where that is 0, what CTranslate2 takes: "
        "`OMP_NUM_THREADS` of `thread_env`, else 4, or the machine's CPUs if fewer (whatever "
        "affinity and quota leave).",
    ),
    _derived("in_use", "whole", "Workers that can be busy at once: no more than callers."),
    _derived("unaltered", "flag", "No A/A replica and no planted slow-down."),
    _derived(
        "ordinary", "flag", "`unaltered` and without batches: what most questions are asked of."
    ),
    _derived(
        "counts",
        "flag",
        "`ok` or `timeout`, and not disturbed; `died`; disturbed ones that are `ok` where the "
        "round has no other.",
    ),
    _derived(
        "measured_on",
        "text",
        "`host_kind`; and `usable_cpus` where these were fewer than the run could put to use and "
        "than others of the machine's runs had: only runs that agree in it are compared.",
    ),
    _derived(
        "excused",
        "flag",
        "Late, stuck or killed, and disturbed: nothing follows from it for the configuration.",
    ),
    _derived(
        "died",
        "flag",
        "Failed or was killed (not `excused`) where others of its `arm` end well: counts as later "
        "than the limit.",
    ),
)  # fmt: skip

#: A row per pass of a match, as of a repeat of a run; these columns are a match's own.
_OF_MATCHES = {
    column.name: column
    for column in (
        Column("run", "text", "The match."),
        Column("round", "whole", "The match's place among those of the machine, from 1."),
        Column("repeat", "whole", "The block: one pass of every side; 0 for a side that ended."),
    )
}
MATCHES: tuple[Column, ...] = (
    *(_OF_MATCHES.get(column.name, column) for column in RUNS),
    Column("turn", "whole", "The pass's place in the match, over all sides, from 0."),
    Column("together", "flag", "All sides were loaded at once; else one after another."),
    Column("idle_cpu_s", "number", "Most CPU time that a side used that slept meanwhile.", "s"),
    Column(
        "contests", "text", "The pairs that the match was to decide: `A/B`, a space between two."
    ),
    Column("match_s", "number", "What the whole match took.", "s"),
)

#: What a record says of a repeat; the others follow from these (`counting.marked`).
RECORDED = tuple(column for column in RUNS if not column.derived)
RECORDED_OF_MATCHES = tuple(column for column in MATCHES if not column.derived)
RUN_COLUMNS = names(RUNS)
MATCH_COLUMNS = names(MATCHES)
TIMING_COLUMNS = names(TIMINGS)
LEFT_OUT_COLUMNS = ("file", "reason")  # of files that are no valid records
#: Of a round or a configuration these are medians over the repeats that count.
METERS = names(RUNS, "meter")
