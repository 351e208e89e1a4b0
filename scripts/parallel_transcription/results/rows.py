"""The rows of one run record: one of `runs` for each repeat, one of `timings` for each file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from parallel_transcription.measure import disturbance
from parallel_transcription.measure.clients import NoAnswer
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.results.columns import DECODED, OPTIONS, RUN_COLUMNS, THROTTLED_ABOVE
from parallel_transcription.results.error_rate import CHARACTERS, NORMALISER, WORDS, error_rate
from parallel_transcription.results.latency import columns_of
from parallel_transcription.study.configuration import canonical_json
from parallel_transcription.untrusted import hide_homes, hide_places

#: Kinds of requests by the length of their audio (s), where a mix has no names for them.
PARTS = ((10.0, "up to 10 s"), (60.0, "10 to 60 s"))
LONGEST_PART = "over 60 s"
#: Facts that tell one kind of machine from another.
HOST_KIND = ("cpu_model", "physical_cores", "logical_cpus", "virtualised")
Row = dict[str, Any]  # cells by column; what is not known may be missing


def rows_of(record: Mapping[str, Any], disturbed_above: float) -> tuple[list[Row], list[Row]]:
    """A run's rows of the table of runs, and those of the table of timings.

    A cold start has one row of runs; so has what a start left undone: the pass that it was in, or
    the one that did not come any more. A process that stops when all its passes are there leaves
    nothing undone. Repeats are marked as disturbed by the rule of `measure/disturbance.py`.

    Raises:
        ArithmeticError, AttributeError, LookupError, TypeError, ValueError: For what is inside
            the schema and yet no record of ours.
    """
    configuration = record["configuration"]
    common = _common_columns(record)
    of_run = common | _run_columns(record)
    rule = _Rule(_place(record), disturbed_above)
    runs: list[Row] = []
    timings: list[Row] = []
    host = record["node"]
    done = 0
    for start in record["starts"]:
        step = stopped_in(start)
        of_start = of_run | _load_columns(start) | {"stopped_in": step}
        ending = {**start, "status": _status(start, step)}
        if configuration["files_in_parallel"] == 0:
            runs.append(of_start | {"repeat": start["start"], **_ending(ending, host)})
            continue
        counted = [one for one in start["passes"] if one["repeat"] >= 1]
        done += len(counted)
        warm = [one["makespan_s"] for one in start["passes"] if one["repeat"] < 1]
        of_start["warmup_s"] = warm[-1] if warm else None
        for one in counted:
            row = of_start | _repeat_columns(one, of_run["audio_total_s"], host)
            row |= rule.columns(one, start.get("gpus"))
            if row["gpus"] and row["cores_used"] is not None:
                row["cores_per_gpu"] = row["cores_used"] / row["gpus"]
            runs.append(row | _gpu_columns(start.get("gpus"), one.get("gpus")))
            timings += [
                common | _timing_columns(task, one, record) for task in one["transcriptions"]
            ]
            if "load" in record:
                runs[-1] |= _load_pass_columns(one, record)
        told = any(one["status"] != "ok" for one in counted)
        lacking = step == "pass" or (step != "ending" and done < record["protocol"]["repeats"])
        if step and lacking and not told:
            stopped = start["stopped_in_repeat"]
            repeat = max(1, stopped if stopped is not None else done + 1)
            row = of_start | {"repeat": repeat, **_ending(ending, host)}
            runs.append(row | rule.columns(start.get("unfinished") or {}, None))
    return runs, timings


def rows_of_match(record: Mapping[str, Any], disturbed_above: float) -> list[Row]:
    """A match's rows of the table of matches: one for each pass, and one for a side that failed.

    `round` is the match's number among those of the same sides; its place among those of the
    machine is known when all are there.

    Raises:
        ArithmeticError, AttributeError, LookupError, TypeError, ValueError: For what is inside
            the schema and yet no record of ours.
    """
    rows: list[Row] = []
    contests = (record.get("planned") or {}).get("contests") or []
    of_match = {
        "together": record["together"],
        "contests": " ".join("/".join(pair) for pair in contests),
        "match_s": record["finished_at"] - record["started_at"],
    }
    for place, side in enumerate(record["sides"]):
        own = {**record, **side, "run": record["match"], "round": record["number"]}
        of_side = _common_columns(own) | _run_columns(own) | of_match
        start, passes = side["start"], [p for p in record["passes"] if p["side"] == place]
        if start is not None:
            of_side |= _load_columns(start)
        of_side["warmup_s"] = side["warmups"][-1]["makespan_s"] if side["warmups"] else None
        rule = _Rule(_place(own), disturbed_above)
        loaded = passes[0].get("gpus") if passes else None
        for one in passes:
            row = of_side | _repeat_columns({**one, "repeat": one["block"] + 1},
                                            of_side["audio_total_s"], record["node"])  # fmt: skip
            if row["gpus"] and row["cores_used"] is not None:
                row["cores_per_gpu"] = row["cores_used"] / row["gpus"]
            used = [idle for idle in one["idle_cpu_s"] if idle is not None]
            row |= {"turn": one["turn"], "idle_cpu_s": max(used, default=None)}
            if "load" in record:
                row |= _load_pass_columns(one, own)
            rows.append(row | rule.columns(one, loaded) | _gpu_columns(loaded, one.get("gpus")))
        if side["status"] != "ok":
            ending = {"started_at": record["started_at"], **side}
            last = {"repeat": 0, "turn": len(record["passes"])}
            rows.append(of_side | last | _ending(ending, record["node"]))
    return rows


#: How the error of a record begins that does not name the step in which it stopped.
_STEPS_BY_ERROR = {"loading the models": "loading", "what follows loading": "loading",
                   "ending": "ending"}  # fmt: skip


def stopped_in(start: Mapping[str, Any]) -> str:
    """The step in which a start stopped (`record.STEPS`); "" where it ended well.

    Older records do not name it; their errors do, in the words of the supervisor.
    """
    if start["status"] == "ok":
        return ""
    if start.get("step"):
        return str(start["step"])
    if start["stopped_in_repeat"] is not None:
        return "pass" if start["stopped_in_repeat"] >= 1 else "warm-up"
    error = start["error"] or ""
    named = next((s for words, s in _STEPS_BY_ERROR.items() if error.startswith(words)), "")
    if named or " during ending" in error:
        return named or "ending"
    return "between" if start["passes"] else "loading"


def _status(start: Mapping[str, Any], step: str) -> str:
    """A start's status: only a pass is late, whatever older records call it."""
    late = start["status"] == "timeout" and step != "pass"
    return "stuck" if late else str(start["status"])


def _place(record: Mapping[str, Any]) -> disturbance.Place:
    """The CPUs that a run had and needed."""
    host, pinned = record["host"], record["affinity"]
    return disturbance.place(
        Configuration(**record["configuration"]),
        host.get("logical_cpus"),
        len(pinned) if pinned else host.get("affinity_cpus"),
        [host.get("cgroup_cpus"), host.get("usable_cpus")],
    )


@dataclass(frozen=True)
class _Rule:
    """Whether others disturbed a pass of a run."""

    where: disturbance.Place
    above: float

    def columns(self, one: Mapping[str, Any], loaded: list[dict[str, Any]] | None) -> Row:
        """The columns that say so, and what it was told by."""
        told = disturbance.of_pass(one, self.where, self.above, loaded)
        return {
            "foreign_cpu_share": one.get("foreign_cpu_share"),
            "steal_share": one.get("steal_share"),
            "disturbed": bool(told.at_all),
            "gpu_disturbed": bool(told.on_gpu),
            "disturbance_known": told.at_all is not None,
        }


def _common_columns(record: Mapping[str, Any]) -> Row:
    """What all rows of a run have in both tables."""
    configuration = record["configuration"]
    dimensions = {name: configuration[name] for name in configuration if name in RUN_COLUMNS}
    return dimensions | {
        "model": hide_homes(configuration["model"]),
        "run": record["run"],
        "machine": record["machine"],
        "round": record["round"],
        "configuration": record["configuration_id"],
    }


def _run_columns(record: Mapping[str, Any]) -> Row:
    """What all rows of a run have in the table of runs."""
    configuration, host = Configuration(**record["configuration"]), record["host"]
    affinity = record["affinity"]
    return {
        "study": record["study"],
        "total_workers": configuration.total_workers,
        "audio_total_s": sum(sound["seconds"] for sound in record["audio"]),
        "timeout_s": record["protocol"]["timeout_s"],
        "run_s": record["finished_at"] - record["started_at"],
        "packed": record["packed"],
        "model_kind": record["model"].get("kind"),
        "model_sha256": record["model"].get("sha256"),
        "workload": _workload(record),
        "logical_cpus": host.get("logical_cpus"),
        "affinity_cpus": len(affinity) if affinity else host.get("affinity_cpus"),
        "code": record["code"],
        "gpus": configuration.gpus,
        "planned_rounds": (record.get("planned") or {}).get("rounds"),
        **_cpus_of(host, affinity),
        "host_kind": _host_kind(host),
    }


def _host_kind(host: Mapping[str, Any]) -> str:
    told = {key: host.get(key) for key in (*HOST_KIND, "versions")}
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:8]


def _cpus_of(host: Mapping[str, Any], affinity: list[int] | None) -> Row:
    """The CPUs and cores that a run could use; older records say it by other facts."""
    allowed = len(affinity) if affinity else host.get("affinity_cpus")
    known = (allowed, host.get("cgroup_cpus"), host.get("usable_cpus"), host.get("logical_cpus"))
    cores = host.get("usable_cores")
    if cores is None and allowed in (None, host.get("logical_cpus")):
        cores = host.get("physical_cores")
    elif cores is None and host.get("threads_per_core") == 1:
        cores = allowed
    return {
        "usable_cpus": min((float(count) for count in known if count), default=None),
        "physical_cores": cores,
        "cpu_quota": host.get("cgroup_cpus"),
    }


def _ending(part: Mapping[str, Any], host: str) -> Row:
    """How a start or a repeat began and ended; what would make it count less is not known."""
    return {
        "status": part["status"],
        "error": part["error"] and hide_places(part["error"], host),
        "started_at": _iso(part["started_at"]),
        "disturbed": False,
        "gpu_disturbed": False,
        "disturbance_known": False,
        "walk_lost": bool(part.get("walk_lost")),
        "throttled": False,
    }


def _load_columns(start: Mapping[str, Any]) -> Row:
    before, after, loads = start["memory_before"], start["memory_after"], start["loads"]
    hub = start.get("hub") or {}
    measured = before and after and before["uss"] is not None and after["uss"] is not None
    return {
        "load_s": max((load["finished_s"] for load in loads), default=None),
        "model_mb": (after["uss"] - before["uss"]) / 1e6 if measured else None,
        "engine_compute_type": next((x["compute_type"] for x in loads if x["compute_type"]), None),
        "gpu_model_mb": _gpu_memory_mb(start.get("gpus"), start.get("gpus")),
        "hub_requests": hub.get("requests"),
        "hub_mb": _mb(hub.get("bytes")),
    }


def _gpu_memory_mb(
    loaded: list[dict[str, Any]] | None, now: list[dict[str, Any]] | None
) -> float | None:
    """Memory of a run on its GPUs; None where one of them does not tell."""
    if not loaded or not now:
        return None
    parts: list[float | None] = [
        gpu["own_bytes"]
        if gpu["own_bytes"] is not None
        else _minus(gpu["used_bytes"], was["used_before_bytes"])
        for was, gpu in zip(loaded, now, strict=True)
    ]
    known = [part for part in parts if part is not None]
    return sum(known) / 1e6 if len(known) == len(parts) else None


def _gpu_columns(loaded: list[dict[str, Any]] | None, gpus: list[dict[str, Any]] | None) -> Row:
    """The GPU meters of one repeat, over all GPUs of the run; None where one does not tell."""
    if not gpus:
        return {}

    def each(name: str) -> list[float]:
        values = [gpu[name] for gpu in gpus]
        return [] if None in values else values

    busy, energy, power, clock = map(each, ("utilisation", "energy_j", "power_w", "sm_mhz"))
    slowed = [v for gpu in gpus for v in gpu["throttled"].values() if v is not None]
    return {
        "gpu_util": sum(busy) / len(busy) if busy else None,
        "gpu_mem_mb": _gpu_memory_mb(loaded, gpus),
        "energy_j": sum(energy) if energy else None,
        "power_w": sum(power) if power else None,
        "energy_from": max(each("energy_from"), default=None),  # "samples" if one has no counter
        "gpu_balance": min(busy) / max(busy) if len(busy) > 1 and max(busy) else None,
        "gpu_throttled": max(slowed, default=None),
        "gpu_sm_mhz": sum(clock) / len(clock) if clock else None,
        "gpu_samples_cover": min(gpu["samples_cover"] for gpu in gpus),
    }


def _minus(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def _repeat_columns(one: Mapping[str, Any], audio_total_s: float, host: str) -> Row:
    """The columns of one repeat.

    RTFx is seconds of audio per second of makespan, as the Open ASR Leaderboard defines it; cores
    used is CPU seconds per second of makespan.
    """
    good = one["status"] == "ok"
    makespan, memory = one["makespan_s"], one["memory"]
    return _ending(one, host) | {
        "repeat": one["repeat"],
        "makespan_s": makespan if good else None,
        "rtfx": audio_total_s / makespan if good else None,
        "cpu_s": one["cpu_s"],
        "cores_used": one["cpu_s"] / makespan if good and one["cpu_s"] is not None else None,
        "rss_peak_mb": _mb(one["rss_peak_bytes"]),
        "pss_mb": _mb(memory["pss"]),
        "uss_mb": _mb(memory["uss"]),
        "cpu_outside_engine_s": one["cpu_callers_s"],
        "context_switches_voluntary": one["context_switches_voluntary"],
        "context_switches_involuntary": one["context_switches_involuntary"],
        "throttled_periods": one.get("throttled_periods"),
        "throttled_s": one.get("throttled_s"),
        "throttled": (one.get("throttled_s") or 0) > THROTTLED_ABOVE * (makespan or 0),
        "cpu_mhz": one.get("cpu_mhz_closing"),
        "thermal_throttles": one.get("thermal_throttles"),
    }


def _load_pass_columns(one: Mapping[str, Any], record: Mapping[str, Any]) -> Row:
    """The columns of one repeat under a load: what its counted requests got."""
    load = record["load"]
    seconds = {sound["path"]: sound["seconds"] for sound in record["audio"]}
    at_once = Configuration(**record["configuration"]).served_at_once
    closed = load["arrivals"] == "closed"
    told = columns_of(one["transcriptions"], at_once, one.get("given_up"), closed)
    served = [
        task
        for task in one["transcriptions"]
        if task.get("counted", True) and task["status"] == "ok"
    ]
    audio_s = sum(seconds[task["file"]] for task in served)
    told |= {
        "audio_total_s": audio_s,
        "rtfx": audio_s / one["makespan_s"],
        "offered_rps": load["rate"],
        "sender_cpu_s": one.get("sender_cpu_s"),
    }
    if "service" in record:
        told["client_cpu_s"] = one.get("cpu_main_s")
    if load["rate"] is None and not closed:
        due = [task["submitted_s"] for task in one["transcriptions"] if task.get("counted", True)]
        lasted = max(due) - min(due)
        told["offered_rps"] = (len(due) - 1) / lasted if lasted > 0 else None
    if told["saturated_by"] and one["status"] == "ok":
        told |= {"status": "saturated", "makespan_s": None, "error": told["saturated_by"]}
    return told


def _share_of(task: Mapping[str, Any], record: Mapping[str, Any]) -> float | None:
    """The share of a load's requests that are for a file; not known where a trace says it."""
    load = record.get("load")
    if load is None or load["arrivals"] == "trace":
        return None
    place = next(i for i, sound in enumerate(record["audio"]) if sound["path"] == task["file"])
    whole = sum(part["weight"] for part in load["strata"])
    own = [part for part in load["strata"] if place in part["files"]]
    return float(sum(part["weight"] / len(part["files"]) for part in own) / whole)


def _part_of(task: Mapping[str, Any], record: Mapping[str, Any]) -> str | None:
    """The part of a load's mix that a file is of: its name, or its length in words."""
    if "load" not in record:
        return None
    place = next(i for i, sound in enumerate(record["audio"]) if sound["path"] == task["file"])
    for part in record["load"]["strata"]:
        if place in part["files"] and part["name"]:
            return str(part["name"])
    seconds = record["audio"][place]["seconds"]
    return next((words for most, words in PARTS if seconds <= most), LONGEST_PART)


def _timing_columns(
    task: Mapping[str, Any], one: Mapping[str, Any], record: Mapping[str, Any]
) -> Row:
    if "load" in record:
        sound = next(sound for sound in record["audio"] if sound["path"] == task["file"])
    else:
        sound = record["audio"][task["counter"] - 1]
    text = task["text"]
    finished = None if task["status"] == NoAnswer.status else task["finished_s"]
    judged = text is not None and sound["reference"] and record["model"].get("kind") != "dummy"
    errors = error_rate(sound["reference"], text) if judged else None
    decoded = task.get("decoded") or {}
    return {
        "repeat": one["repeat"],
        "counter": task["counter"],
        "file": sound["file"],
        "audio_seconds": sound["seconds"],
        "submitted_s": task["submitted_s"],
        "started_s": task["started_s"],
        "finished_s": finished,
        "seconds": None if finished is None else finished - task["submitted_s"],
        "text_sha256": None if text is None else hashlib.sha256(text.encode()).hexdigest(),
        "status": task["status"],
        "instance": task["instance"],
        "caller": task["caller"],
        "cpu_s": task["cpu_s"],
        "audio_sha256": sound["sha256"],
        "wer": errors.value if errors and errors.unit == WORDS else None,
        "text": text,
        "reference": sound["reference"],
        "cer": errors.value if errors and errors.unit == CHARACTERS else None,
        "normaliser": errors and NORMALISER,
        **{name: decoded.get(name) for name in DECODED},
        "first_segment_s": task.get("first_segment_s"),
        "sent_s": task.get("sent_s"),
        "wait_s": _minus(task["started_s"], task["submitted_s"]),
        "service_s": _minus(finished, task["started_s"]),
        "counted": task.get("counted", True),
        "part": _part_of(task, record),
        "share": _share_of(task, record),
    }


def _workload(record: Mapping[str, Any]) -> str:
    """What was done, apart from how: files, options, model. Only equal workloads compare."""
    configuration = record["configuration"]
    what = [
        [sound["sha256"] for sound in record["audio"]],
        {name: configuration[name] for name in OPTIONS},
        record["model"].get("sha256"),
    ]
    if load := record.get("load"):  # the same requests at the same moments, but for the rate
        what.append([load["seed"], load["rate"]])
    return hashlib.sha256(canonical_json(what).encode()).hexdigest()[:12]


def _mb(number: float | None) -> float | None:
    return None if number is None else number / 1e6


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
