"""Tables of a synthetic study of known truth, for tests and for looking at figures and reports.

`make_tables(seed, ...)` returns a dict with `runs` and `timings` (DataFrames with the columns of
the tables that merging makes), `machines` and `study` (plain dicts, as in
results/machines.json and results/study.json) and `truth` (what was planted).

Nothing here was measured. The study is named "synthetic", its machines are "synthetic-a" (and
"synthetic-b"), so that no table made here can be taken for a result.

By hand, to write a results-like folder:  PYTHONPATH=scripts python tests/synthetic_study.py OUTDIR
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from parallel_transcription.files import write_json
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.results import export
from parallel_transcription.results.columns import OPTIONS as OPTION_NAMES
from parallel_transcription.results.columns import RUN_COLUMNS, TIMING_COLUMNS
from parallel_transcription.results.merge import Merged, no_matches, runs_table, timings_table
from parallel_transcription.results.read import Results
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.dimensions import BY_NAME, NAMES
from parallel_transcription.study.settings import DEFAULTS

OPTIONS = {name: BY_NAME[name].default for name in OPTION_NAMES}

SENTENCES = [
    "The train to platform nine leaves at half past seven.",
    "Tomorrow will be cloudy with some rain in the evening.",
    "Today is Monday the twenty third of November.",
    "Please change at the next station in twenty minutes.",
]


def sha(text: str, length: int = 64) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def configuration(
    strategy: str,
    *,
    instances: int = 1,
    workers: int = 1,
    threads: int = 1,
    files: int = 2,
    callers: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A grid point: the value of every dimension, and its id under `configuration`."""
    values = {
        "strategy": strategy,
        "model": "dummy-tiny",
        "instances": instances,
        "num_workers": workers,
        "cpu_threads": threads,
        "files_in_parallel": files,
        "callers": callers,
        **more,
    }
    made = complete(values)
    return {**made.as_json(), "configuration": identify(made)}


def default_configurations(
    workers=(1, 2, 4), threads=(1, 2, 4), files=(2, 4), processes=True, replicas=True
) -> list[dict]:
    """The grid: one model, many models, many processes; sequential baseline; A/A replicas."""
    points = []
    for f in files:
        for t in threads if f == files[0] else threads[:1]:
            points.append(configuration("one_model", threads=t, files=f, callers=1))
            for w in workers:
                points.append(configuration("one_model", workers=w, threads=t, files=f))
            if f != files[0]:
                continue
            for w in [w for w in workers if w > 1]:
                points.append(configuration("multi_model", instances=w, threads=t, files=f))
                if processes:
                    points.append(configuration("multi_process", instances=w, threads=t, files=f))
            if {2, 4} <= set(workers):
                points.append(
                    configuration("multi_model", instances=2, workers=2, threads=t, files=f)
                )
    if replicas:
        f = files[0]
        points.append(configuration("one_model", workers=2, files=f, replica=2))
        points.append(configuration("multi_model", instances=2, files=f, replica=2))
    return points


def gpu_configurations(workers=(1, 2, 4, 8), instances=(2, 4), files=(3, 6, 9)) -> list[dict]:
    """One GPU: workers, instances, processes; up to three GPUs: lists beside one model per GPU."""
    shared = {"device": "cuda", "model": "dummy-large-v3", "compute_type": "float16"}
    points = [configuration("one_model", files=8, callers=1, **shared)]
    points += [configuration("one_model", workers=w, files=8, **shared) for w in workers]
    for strategy in ("multi_model", "multi_process"):
        points += [configuration(strategy, instances=n, files=8, **shared) for n in instances]
    for f in files:
        for devices in ("0", "0,1", "0,1,2"):
            for w in (1, 2):
                on = {"device_index": devices, "files": f, **shared}
                count = len(devices.split(","))
                points.append(configuration("one_model", workers=w, **on))
                if count > 1:
                    points.append(configuration("multi_model", instances=count, workers=w, **on))
    return points


def made(point: dict[str, Any]) -> Configuration:
    """A grid point as the product has it."""
    return complete({name: point[name] for name in NAMES})


def in_use(point: dict) -> int:
    """Workers that can be busy at once."""
    return max(1, min(made(point).total_workers, point["callers"]))


def true_makespan(point: dict, cpus: int, seconds_per_file: float, truth: dict) -> float:
    """The law behind the synthetic times (seconds, without noise).

    A worker with t threads is t**0.17 times as fast as with one; workers are independent as long as
    CPUs last; each doubling of threads x workers beyond the CPUs costs `cliff`. With one worker,
    several callers gain `overlap` (decoding beside the model).
    """
    busy, t, files = in_use(point), point["cpu_threads"], point["files_in_parallel"]
    if point["device"] == "cuda":
        return files * seconds_per_file / gpu_speed(point, truth)
    product = busy * t
    waves = -(-files // busy) if product <= cpus else files / busy
    seconds = waves * seconds_per_file / t ** truth["thread_exponent"]
    if busy > cpus:
        seconds *= busy / cpus
    if product > cpus:
        seconds *= 1 + truth["cliff"] * np.log2(product / cpus)
    if point["callers"] > 1 and busy == 1:
        seconds /= truth["overlap"]
    if point["strategy"] == "multi_model" and point["instances"] > 1:
        seconds *= truth["ratio_many"]
    if point["strategy"] == "multi_process":
        seconds *= truth["ratio_processes"]
    if point["batch_size"]:
        seconds *= truth["ratio_batches"]
    return seconds * (1 + point["slowdown"])


def gpu_speed(point: dict, truth: dict) -> float:
    """How many files per `seconds_per_file` the GPUs do: workers of one GPU share what it has.

    One GPU with n busy workers is min(n, saturation) ** 0.6 times as fast as with one; models of
    their own are `ratio_many` slower, more than one GPU scales with `gpu_scaling`.
    """
    devices = min(len(made(point).devices), in_use(point))
    each = min(in_use(point) / devices, truth["saturation"]) ** 0.6
    speed = each * (1 + (devices - 1) * truth["gpu_scaling"])
    many = point["strategy"] != "one_model" and point["instances"] > 1
    return speed / (truth["ratio_many"] if many else 1.0)


def make_tables(
    seed: int = 1,
    *,
    rounds: int = 6,
    repeats: int = 3,
    spread: float = 0.02,
    drift: float = 0.03,
    ratio_many: float = 1.0,
    ratio_processes: float = 1.0,
    cliff: float = 0.17,
    machines: int = 1,
    cpus: int = 2,
    configurations: list[dict] | None = None,
    init_starts: int = 30,
    init_failures: tuple[float, float, float] = (0.0, 0.0, 0.0),
    by_name_starts: int = 0,
    timeouts: bool = True,
    failures: bool = True,
    disturbed_share: float = 0.02,
    text_differences: int = 0,
    references: bool = True,
    margin: float = 0.05,
    limits: dict | None = None,
    saturation: float = 4.0,
    gpu_scaling: float = 0.9,
    nvml: bool = True,
    ratio_batches: float = 0.8,
) -> dict:
    """Tables of a whole synthetic study.

    seed                fixes every number
    spread              sd of the log ratio of two matched arms in a round (0.02 = 2 %)
    drift               sd of the log of what all runs of a round share
    ratio_many, ratio_processes   true makespan of many models / processes over that of one model
    cliff               cost of each doubling of threads x workers beyond the CPUs
    machines            1 or 2: "synthetic-a" with `cpus` CPUs, "synthetic-b" with 8
    configurations      grid points as `configuration(...)` makes them (default: a full grid)
    init_starts         cold starts per stagger 0, 0.1, 0.5 s (0 = no such rows)
    init_failures       true failure rate at those staggers
    by_name_starts      as many by a hub's name, from an empty and a filled cache; those without a
                        stagger that find an empty one fail as `init_failures` says
    timeouts, failures  add a configuration that runs over 60 s, one that fails
    text_differences    so many transcriptions of parallel runs get another text
    saturation          workers in use from which on one GPU gets no faster
    gpu_scaling         what each further GPU adds, as a share of the first
    nvml                whether GPUs have meters
    ratio_batches       true makespan in batches over that one after another
    """
    rng = np.random.default_rng(seed)
    truth = {
        "ratio_many": ratio_many,
        "ratio_processes": ratio_processes,
        "ratio_batches": ratio_batches,
        "thread_exponent": 0.17,
        "overlap": 1.03,
        "cliff": cliff,
        "spread": spread,
        "init_failures": list(init_failures),
        "saturation": saturation,
        "gpu_scaling": gpu_scaling,
        "nvml": nvml,
    }
    points = default_configurations() if configurations is None else list(configurations)
    broken: dict[str, str] = {}
    if timeouts:
        late = configuration("one_model", workers=2, threads=64, files=2)
        points.append(late)
        broken[late["configuration"]] = "timeout"
    if failures:
        bad = configuration("multi_model", instances=64, threads=1, files=2)
        points.append(bad)
        broken[bad["configuration"]] = "failed"
    runs: list[dict] = []
    timings: list[dict] = []
    labels = ["synthetic-a", "synthetic-b"][:machines]
    machine_facts = {}
    for label, cpu_count, seconds_per_file in zip(labels, (cpus, 8), (3.1, 2.2), strict=False):

        def measure(numbers, chosen, label=label, cpu_count=cpu_count, seconds=seconds_per_file):
            shared = {r: float(rng.normal(0, drift)) for r in numbers}
            for number in numbers:
                for point in chosen:
                    status = broken.get(point["configuration"], "ok")
                    _add_run(
                        runs, timings, rng, label, number, point, status, repeats, cpu_count,
                        seconds, truth, shared[number], disturbed_share, references,
                    )  # fmt: skip

        measure(range(1, rounds + 1), points)
        for stagger, rate in zip((0.0, 0.1, 0.5), init_failures, strict=True):
            _add_starts(runs, rng, label, stagger, rate, init_starts, cpu_count)
        for stagger, load, rate in (
            (0.0, "cold", init_failures[0]), (0.5, "cold", 0.0), (0.0, "cached", 0.0),
        ):  # fmt: skip
            own = np.random.default_rng(seed)  # they change no other number
            _add_starts(runs, own, label, stagger, rate, by_name_starts, cpu_count, load)
        machine_facts[label] = {
            "cpu_model": "Synthetic CPU (nothing was measured)",
            "physical_cores": cpu_count,
            "logical_cpus": cpu_count,
            "memory_mb": 8000,
            "caches": {"L2": "1 MiB", "L3": "16 MiB"},
            "virtualised": None,
            "os": "synthetic",
            "versions": {"python": "3.11", "faster-whisper": "1.2.1", "ctranslate2": "4.8.5"},
            "engine": {"compute_types": ["int8", "float32"]},
            "gpus": [],
            "records": len({r["run"] for r in runs if r["machine"] == label}),
            "mixed_hardware": False,
            "mixed_code": False,
        }
    run_table = pd.DataFrame(runs, columns=RUN_COLUMNS)
    timing_table = pd.DataFrame(timings, columns=TIMING_COLUMNS)
    for label in labels:
        counts = run_table.loc[run_table["machine"] == label, "status"].value_counts()
        machine_facts[label]["statuses"] = {k: int(counts[k]) for k in sorted(counts.index)}
    if text_differences:
        parallel = timing_table.index[(timing_table["callers"] > 1)][:text_differences]
        timing_table.loc[parallel, "text"] = "Another text."
        timing_table.loc[parallel, "text_sha256"] = sha("Another text.")
    study = {
        "name": "synthetic",
        "file": "config/config.yaml",
        "equivalence_margin": margin,
        "confidence": 0.95,
        "rounds": rounds,
        "repeats": repeats,
        "limits": {"max_memory_mb": None, "max_cores": None, "max_file_s": None, **(limits or {})},
        "disturbed_above": 0.1,
        "blocks": [],
    }
    return {
        "runs": run_table,
        "timings": timing_table,
        "machines": machine_facts,
        "study": study,
        "truth": truth,
    }


def _base_row(label: str, number: int, point: dict, cpus: int) -> dict:
    fields = {k: point[k] for k in point if k in RUN_COLUMNS}
    files = point["files_in_parallel"]
    return {
        **dict.fromkeys(RUN_COLUMNS),
        **fields,
        "run": f"{point['configuration']}-r{number:02d}",
        "machine": label,
        "round": number,
        "error": "",
        "study": "synthetic",
        "total_workers": made(point).total_workers,
        "gpus": made(point).gpus,
        "audio_total_s": 60.0 * files,
        "timeout_s": 60.0,
        "started_at": f"2026-01-{1 + number % 28:02d}T12:00:00+00:00",
        "foreign_cpu_share": 0.01,
        "steal_share": 0.0,
        "disturbed": False,
        "packed": False,
        "engine_compute_type": "int8_float32",
        "model_kind": "dummy",
        "model_sha256": sha("synthetic model"),
        "workload": sha(json.dumps([files, "synthetic", OPTIONS], sort_keys=True), 10),
        "logical_cpus": cpus,
        "affinity_cpus": cpus,
        "usable_cpus": cpus,
        "code": "synthetic",
    }


def _add_run(
    runs, timings, rng, label, number, point, status, repeats, cpus, seconds_per_file, truth,
    shared, disturbed_share, references,
):  # fmt: skip
    base = _base_row(label, number, point, cpus)
    if status == "failed":
        runs.append(
            {**base, "repeat": 1, "status": "failed", "error": "RuntimeError: out of memory"}
        )
        return
    spread = truth["spread"]
    own = rng.normal(0, spread / np.sqrt(2))
    seconds = true_makespan(point, cpus, seconds_per_file, truth) * np.exp(shared + own)
    busy, t, files = in_use(point), point["cpu_threads"], point["files_in_parallel"]
    instances, workers = point["instances"], base["total_workers"]
    model_mb = 59 + 57 * (instances - 1) + 0.1 * (workers - instances) + rng.normal(0, 0.4)
    load_s = 0.25 * instances + abs(rng.normal(0, 0.02))
    for repeat in range(1, repeats + 1):
        late = status == "timeout"
        disturbed = bool(rng.random() < disturbed_share)
        makespan = float(seconds * np.exp(rng.normal(0, spread / 4)) * (1.6 if disturbed else 1.0))
        outside = 0.045 * files
        wall = 60.0 if late else makespan
        cpu_s = min(busy * t, cpus) * 0.97 * wall + outside
        uss = 110 + model_mb + 12 * busy + rng.normal(0, 0.5)
        runs.append(
            {
                **base,
                "repeat": repeat,
                "makespan_s": np.nan if late else makespan,
                "rtfx": np.nan if late else base["audio_total_s"] / makespan,
                "cpu_s": cpu_s,
                "cores_used": cpu_s / wall,
                "load_s": load_s,
                "warmup_s": seconds * 1.1,
                "rss_peak_mb": uss + 35,
                "pss_mb": uss + 9,
                "uss_mb": uss,
                "model_mb": model_mb,
                "status": status,
                "error": "over 60 s" if late else "",
                "cpu_outside_engine_s": outside,
                "context_switches_voluntary": int(200 * wall),
                "context_switches_involuntary": int(20 * wall * max(1, busy * t / cpus) ** 2),
                "foreign_cpu_share": 0.4 if disturbed else 0.01,
                "disturbed": disturbed,
            }
        )
        if base["gpus"] and truth["nvml"]:
            runs[-1] |= _gpu_meters(point, makespan, busy, instances, workers, rng, truth)
        if base["gpus"]:
            runs[-1]["cores_per_gpu"] = runs[-1]["cores_used"] / base["gpus"]
        if late:
            continue
        _add_timings(timings, rng, base, repeat, makespan, busy, files, cpu_s, references)


def _gpu_meters(point, makespan, busy, instances, workers, rng, truth) -> dict:
    """A context of 450 MB, models of 3,100 MB, 130 MB for each further worker; 60 to 300 W."""
    devices = len(made(point).devices)
    share = min(1.0, 0.35 * min(busy / devices, truth["saturation"]) ** 0.75)
    copies = max(instances, devices)
    contexts = instances if point["strategy"] == "multi_process" else devices
    own = 450 * contexts + 3100 * copies + 130 * (workers - copies) + rng.normal(0, 2)
    power = devices * (60 + 240 * share)
    return {
        "gpu_util": share * (0.97 if devices > 1 else 1.0),
        "gpu_balance": 0.94 + rng.normal(0, 0.01) if devices > 1 else np.nan,
        "gpu_model_mb": own,
        "gpu_mem_mb": own + 220 * busy,
        "power_w": power,
        "energy_j": power * makespan,
        "energy_from": "counter",
        "gpu_throttled": 0.0,
        "gpu_sm_mhz": 1900.0,
        "gpu_samples_cover": 1.0,
    }


def _add_timings(timings, rng, base, repeat, makespan, busy, files, cpu_s, references):
    callers = base["callers"]
    for k in range(files):
        if callers == 1:
            start, end = makespan * k / files, makespan * (k + 1) / files
        elif busy >= files:
            start, end = 0.0, makespan * (1 if k == files - 1 else 0.97 + 0.02 * rng.random())
        else:  # the callers take turns on the workers
            start = 0.0
            end = makespan * (1 if k == files - 1 else 0.85 + 0.1 * rng.random())
        text = SENTENCES[k % len(SENTENCES)]
        timings.append(
            {
                **{c: base[c] for c in TIMING_COLUMNS if c in base},
                "repeat": repeat,
                "counter": k + 1,
                "file": f"audio/synthetic_{k + 1}.wav",
                "audio_seconds": 60.0,
                "submitted_s": 0.0 if callers > 1 else start,
                "started_s": start,
                "finished_s": end,
                "seconds": end - (0.0 if callers > 1 else start),
                "text_sha256": sha(text),
                "status": "ok",
                "instance": k % base["instances"],
                "caller": k % callers,
                "cpu_s": cpu_s / files,
                "audio_sha256": sha(f"synthetic audio {k}"),
                "wer": (0.0 if k else 0.1) if references else np.nan,
                "text": text,
                "reference": text.replace("nine", "five") if references else "",
            }
        )


def _add_starts(runs, rng, label, stagger, rate, starts, cpus, load="folder"):
    if not starts:
        return
    point = configuration("multi_model", instances=4, files=0, init_stagger_s=stagger, load=load)
    base = _base_row(label, 1, point, cpus)
    failed = round(rate * starts)
    order = rng.permutation(starts)
    for k in range(starts):
        bad = bool(order[k] < failed)
        runs.append(
            {
                **base,
                "repeat": k + 1,
                "load_s": np.nan if bad else 0.9 + 3 * stagger + abs(rng.normal(0, 0.05)),
                "model_mb": np.nan if bad else 230 + rng.normal(0, 0.5),
                "status": "failed" if bad else "ok",
                "error": "AttributeError: disabled_tqdm has no attribute '_lock'" if bad else "",
                "audio_total_s": 0.0,
            }
        )


def merged(tables: dict) -> Merged:
    """Tables as merging leaves them; all but the runs may be missing."""
    return Merged(
        runs=runs_table(tables["runs"]),
        timings=timings_table(tables.get("timings", ())),
        machines=tables.get("machines") or {},
        matches=tables["matches"] if "matches" in tables else no_matches().copy(),
    )


def as_results(tables: dict) -> Results:
    """Tables as they are after writing and reading; all but the runs may be missing."""
    made = merged(tables)
    study = {**DEFAULTS, **(tables.get("study") or {})}
    return Results(made.runs, made.timings, made.machines, study, matches=made.matches)


def write_tables(tables: dict, folder: Path) -> None:
    """Write runs, timings, machines.json and study.json as the real pipeline does."""
    folder.mkdir(parents=True, exist_ok=True)
    export.write_tables(merged(tables), folder)
    write_json(folder / "study.json", tables["study"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write the tables of a synthetic study (nothing in it was measured)."
    )
    parser.add_argument("outdir", type=Path, help="folder to write runs.csv, timings.csv, ... into")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--machines", type=int, choices=(1, 2), default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--spread", type=float, default=0.02, help="sd of log ratios, 0.02 = 2 %%")
    parser.add_argument("--ratio", type=float, default=1.0, help="true ratio many models / one")
    args = parser.parse_args()
    tables = make_tables(
        args.seed,
        machines=args.machines,
        rounds=args.rounds,
        spread=args.spread,
        ratio_many=args.ratio,
    )
    write_tables(tables, args.outdir)
    print(f"{len(tables['runs'])} rows in {args.outdir / 'runs.csv'} (synthetic, not measured)")


if __name__ == "__main__":
    main()
