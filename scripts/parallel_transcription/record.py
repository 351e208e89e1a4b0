"""The run record: one JSON file that tells everything about one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parallel_transcription.study.dimensions import DIMENSIONS

SCHEMA_VERSION = 1

_NUMBER = {"type": ["number", "null"]}
#: What cannot be negative: seconds, bytes, counts. A time of a whole pass is not 0 either.
_AMOUNT = {"type": ["number", "null"], "minimum": 0}
_TIME = {"type": ["number", "null"], "exclusiveMinimum": 0}
_SHARE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_TEXT = {"type": ["string", "null"]}
#: How a run, a repeat or a transcription ended. `timeout`: a pass was cut off at the limit;
#: `stuck`: another step was, so that nothing is known of a pass; `saturated`: requests came faster
#: than they could be served, which is a result; `refused`: a service gave no text for a request.
STATUSES = ("ok", "timeout", "stuck", "failed", "killed", "saturated", "refused")
#: Steps of a process: it stopped in one of them.
STEPS = ("loading", "warm-up", "pass", "between", "ending")
_STATUS = {"enum": list(STATUSES)}


def _closed(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties) if required is None else required,
        "properties": properties,
    }


def _open(properties: dict[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    """An object of which more is recorded than is read; what is read has its type."""
    return {"type": "object", "required": list(required), "properties": properties}


_SOUND = {
    "path": {"type": "string"},
    "file": {"type": "string"},
    "sha256": {"type": "string"},
    "seconds": {"type": "number", "exclusiveMinimum": 0},
    "reference": _TEXT,
}
_HOST_GPU = {"name": _TEXT, "memory_mb": _NUMBER}
_MEMORY = _closed({"rss": _AMOUNT, "pss": _AMOUNT, "uss": _AMOUNT})
_DECODED_FIELDS: dict[str, Any] = {
    "tokens": {"type": "integer"},
    "temperature": {"type": "number"},
    "windows": {"type": "integer"},
    "decodings": {"type": "integer"},
    "compression_ratio": _NUMBER,
    "logprob": _NUMBER,
}
_DECODED = _closed({**_DECODED_FIELDS, "speech_s": _NUMBER}, required=list(_DECODED_FIELDS))
_TRANSCRIPTION_FIELDS: dict[str, Any] = {
    "counter": {"type": "integer"},  # from 1; of requests that are not counted, any other
    "file": {"type": "string"},
    "caller": {"type": "integer"},
    "instance": {"type": "integer"},
    "submitted_s": {"type": "number", "minimum": 0},
    "started_s": _AMOUNT,
    "finished_s": _AMOUNT,
    "status": _STATUS,
    "error": _TEXT,
    "text": _TEXT,
    "segments": _NUMBER,
    "last_end_s": _NUMBER,
    "language": _TEXT,
    "cpu_s": _AMOUNT,
}
#: Newer than the others: when the first segment was there; what the decoder did, null where no text
#: came; and of requests under a load, whether they count and when they were sent.
_TRANSCRIPTION = _closed(
    {
        **_TRANSCRIPTION_FIELDS,
        "first_segment_s": _AMOUNT,
        "decoded": {"anyOf": [_DECODED, {"type": "null"}]},
        "counted": {"type": "boolean"},
        "sent_s": _AMOUNT,
    },
    required=list(_TRANSCRIPTION_FIELDS),
)
_GPU = {
    "device": {"type": "integer"},
    "index": {"type": ["integer", "null"]},
    "name": _TEXT,
    "mig": {"type": "boolean"},
    "used_bytes": _AMOUNT,
    "own_bytes": _AMOUNT,
}
_GPU_LOADED = _closed({**_GPU, "used_before_bytes": _NUMBER})
_GPU_WINDOW = _closed(
    {
        **_GPU,
        "seconds": {"type": "number"},
        "utilisation": _NUMBER,
        "samples_cover": {"type": "number"},
        "energy_j": _AMOUNT,
        "energy_from": {"enum": ["counter", "samples", None]},
        "power_w": _AMOUNT,
        "sm_mhz": _AMOUNT,
        "memory_mhz": _AMOUNT,
        "throttled": {"type": "object", "additionalProperties": _NUMBER},
        "pcie_tx_bytes": _AMOUNT,
        "pcie_rx_bytes": _AMOUNT,
    }
)


def _with_gpus(
    gpu: dict[str, Any], properties: dict[str, Any], **optional: dict[str, Any]
) -> dict[str, Any]:
    """An object that may have `gpus`: null without NVML, not there in records without a GPU."""
    gpus = {"anyOf": [{"type": "array", "items": gpu}, {"type": "null"}]}
    return _closed({**properties, **optional, "gpus": gpus}, required=list(properties))


_PASS = _with_gpus(
    _GPU_WINDOW,
    {
        "repeat": {"type": "integer"},
        "status": _STATUS,
        "error": _TEXT,
        "started_at": {"type": "number"},
        "clock_jump_s": _NUMBER,
        "makespan_s": _TIME,
        "cpu_s": _AMOUNT,
        "cpu_user_s": _AMOUNT,
        "cpu_system_s": _AMOUNT,
        "context_switches_voluntary": _AMOUNT,
        "context_switches_involuntary": _AMOUNT,
        "foreign_cpu_s": _AMOUNT,
        "foreign_cpu_share": _SHARE,
        "steal_share": _SHARE,
        "cpu_callers_s": _AMOUNT,
        "rss_peak_bytes": _AMOUNT,
        "memory": _MEMORY,
        "transcriptions": {"type": "array", "items": _TRANSCRIPTION},
    },
    given_up=_TEXT,  # under a load: why requests were dropped
    sender_cpu_s=_AMOUNT,
    cpu_main_s=_AMOUNT,  # of the process that hands out, of cpu_s; older records lack it
    walk_lost=_TEXT,  # of dummy weights alone: what they said in place of the planted text
    # later meters: older records lack them (`measure/limits.py`)
    quota_periods=_NUMBER,
    throttled_periods=_NUMBER,
    throttled_s=_NUMBER,
    cpu_mhz_opening=_NUMBER,
    cpu_mhz_closing=_NUMBER,
    thermal_throttles=_NUMBER,
)
#: Of a pass that did not end: what happened in it, until it was cut off or was seen to be gone.
_UNFINISHED = _closed(
    {
        "started_at": {"type": "number"},
        "seconds": _AMOUNT,
        "clock_jump_s": _NUMBER,
        "cpu_s": _AMOUNT,
        "foreign_cpu_s": _AMOUNT,
        "foreign_cpu_share": _SHARE,
        "steal_share": _SHARE,
    }
)
#: What the hub on the loopback answered to a start, and the bytes of files that it sent.
_HUB = _closed({"requests": {"type": "integer"}, "bytes": {"type": "integer"}})
_START = _with_gpus(
    _GPU_LOADED,
    {
        "start": {"type": "integer", "minimum": 1},
        "status": _STATUS,
        "error": _TEXT,
        "stopped_in_repeat": {"type": ["integer", "null"]},
        "started_at": {"type": "number"},
        "prepare_s": _NUMBER,
        "loads": {
            "type": "array",
            "items": _closed(
                {
                    "instance": {"type": "integer"},
                    "started_s": {"type": "number", "minimum": 0},
                    "finished_s": {"type": "number", "minimum": 0},
                    "error": _TEXT,
                    "compute_type": _TEXT,
                }
            ),
        },
        "memory_before": {"anyOf": [_MEMORY, {"type": "null"}]},
        "memory_after": {"anyOf": [_MEMORY, {"type": "null"}]},
        "passes": {"type": "array", "items": _PASS},
    },
    # older records lack these: the step in which it stopped, null where it ended well
    step={"enum": [*STEPS, None]},
    unfinished={"anyOf": [_UNFINISHED, {"type": "null"}]},
    hub=_HUB,  # of cold starts by name alone
)

_JOB = _closed(
    {
        "scheduler": {"const": "slurm"},
        "job_id": {"type": "string"},
        "node": _TEXT,
        "partition": _TEXT,
        "gpus": _TEXT,
        "log": _TEXT,
    }
)
_KERNEL = _closed(
    {
        "backend": {"type": "string"},
        "isa": _TEXT,
        "vnni": {"type": ["boolean", "null"]},
        "saturates": {"type": ["boolean", "null"]},
    }
)
#: What the study said when the run was measured of how it would be judged.
_PLANNED_FIELDS: dict[str, Any] = {
    "rounds": {"type": "integer", "minimum": 1},
    "equivalence_margin": {"type": "number"},
    "confidence": {"type": "number"},
    "disturbed_above": {"type": "number"},
    "limits": {"type": "object", "additionalProperties": _NUMBER},
}
_PLANNED = _closed(
    {
        **_PLANNED_FIELDS,
        "remeasure": {"type": "integer"},
        "timeout_of_length": {"type": "number"},  # a pass may take so many times its audio's length
        "latency_margin": {"type": "number"},  # older records lack it
    },
    [*_PLANNED_FIELDS],
)
#: The load that a run was under; `strata` are the parts of its mix, files by their places.
_LOAD = _closed(
    {
        "arrivals": {"type": "string"},
        "rate": _TIME,  # requests per second
        "capacity_rps": _TIME,
        "requests": {"type": "integer", "minimum": 1},
        "lead_in": {"type": "integer", "minimum": 0},
        "seed": {"type": "string"},
        "strata": {
            "type": "array",
            "minItems": 1,
            "items": _closed(
                {
                    "name": {"type": "string"},
                    "weight": {"type": "number", "exclusiveMinimum": 0},
                    "files": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                }
            ),
        },
    }
)
#: How a service was started and asked, as its study says.
_SERVICE = {"type": "object", "required": ["protocol", "url", "command"]}
#: Keys that records made before these existed lack, and those of runs without a load or a service.
_NEW = ("job", "planned", "load", "service")


#: What was measured with what, and on which host.
_ORIGIN: dict[str, Any] = {
    "code": {"type": "string"},
    "specification": {"type": "string"},
    "model": _open({"kind": _TEXT, "sha256": _TEXT}),
    "audio": {
        "type": "array",
        "items": _open(_SOUND, required=list(_SOUND)),
    },
    "host": _open(
        {
            "logical_cpus": _NUMBER,
            "affinity_cpus": _NUMBER,
            "physical_cores": _NUMBER,
            "threads_per_core": _NUMBER,
            "usable_cpus": _NUMBER,
            "usable_cores": _NUMBER,
            "cgroup_cpus": _NUMBER,
            "cgroup_memory_mb": _NUMBER,
            "gpus": {
                "type": ["array", "null"],
                "items": _open(_HOST_GPU, required=list(_HOST_GPU)),
            },
        }
    ),
}
_ENGINE: dict[str, Any] = {
    "engine": {"type": "object", "properties": {"int8_kernel": _KERNEL}},
    "environment": {"type": "object", "additionalProperties": {"type": "string"}},
}
_PLACE: dict[str, Any] = {
    "affinity": {"type": ["array", "null"], "items": {"type": "integer"}},
    "packed": {"type": "boolean"},
    "log": _TEXT,
    "job": {"anyOf": [_JOB, {"type": "null"}]},
}
# a dimension that is not there has its default; the id tells if that is wrong
_CONFIGURATION = _closed({d.name: d.schema for d in DIMENSIONS}, ["strategy"])


def record_schema() -> dict[str, Any]:
    """The closed JSON schema of a run record (draft 7, for fastjsonschema)."""
    record = _closed(
        {
            "schema": {"const": SCHEMA_VERSION},
            "run": {"type": "string"},
            "configuration_id": {"type": "string"},
            "configuration": _CONFIGURATION,
            "round": {"type": "integer", "minimum": 1, "maximum": 999},
            "study": {"type": "string"},
            "machine": {"type": "string"},
            "protocol": _closed(
                {
                    "repeats": {"type": "integer"},
                    "warmups": {"type": "integer"},
                    "timeout_s": {"type": "number", "exclusiveMinimum": 0},
                    "load_timeout_s": {"type": "number", "exclusiveMinimum": 0},
                    # older records lack these
                    "remeasure": {"type": "integer"},
                    "disturbed_above": {"type": "number"},
                },
                ["repeats", "warmups", "timeout_s", "load_timeout_s"],
            ),
            **_ORIGIN,
            "node": {"type": "string"},
            **_ENGINE,
            **_PLACE,
            "planned": {"anyOf": [_PLANNED, {"type": "null"}]},
            "load": _LOAD,
            "service": _SERVICE,
            "started_at": {"type": "number"},
            "finished_at": {"type": "number"},
            "status": _STATUS,
            "error": _TEXT,
            "starts": {"type": "array", "items": _START},
        }
    )
    record["required"] = [key for key in record["required"] if key not in _NEW]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Run record",
        **record,
    }


#: A side of a match: its latest process, and its warm-ups.
_SIDE = _closed(
    {
        "configuration_id": {"type": "string"},
        "configuration": _CONFIGURATION,
        "status": _STATUS,
        "error": _TEXT,
        "start": {"anyOf": [_START, {"type": "null"}]},  # null: none was started
        **_ENGINE,
        "warmups": {"type": "array", "items": _PASS},
        "service": _SERVICE,
    }
)
_SIDE["required"].remove("service")  # of the library's own models


def match_schema() -> dict[str, Any]:
    """The closed JSON schema of a match record (draft 7, for fastjsonschema)."""
    count = {"type": "integer", "minimum": 0}
    turn = {"turn": count, "block": count, "side": count}
    used = {"idle_cpu_s": {"type": "array", "items": _AMOUNT}}
    one = _closed(turn | used | _PASS["properties"], [*turn, *used, *_PASS["required"]])
    record = _closed(
        {
            "schema": {"const": SCHEMA_VERSION},
            "match": {"type": "string"},
            "number": {"type": "integer", "minimum": 1, "maximum": 999_999},
            "study": {"type": "string"},
            "machine": {"type": "string"},
            "seed": {"type": "integer"},
            "together": {"type": "boolean"},
            "apart_because": _TEXT,
            "protocol": _closed(
                {
                    "passes": {"type": "integer", "minimum": 1},
                    "warmups": {"type": "integer", "minimum": 0},
                    "timeout_s": {"type": "number", "exclusiveMinimum": 0},
                    "load_timeout_s": {"type": "number", "exclusiveMinimum": 0},
                }
            ),
            **_ORIGIN,
            "node": {"type": "string"},
            **_PLACE,
            "planned": {"type": ["object", "null"]},
            "load": _LOAD,
            "started_at": {"type": "number"},
            "finished_at": {"type": "number"},
            "status": _STATUS,
            "error": _TEXT,
            "sides": {
                "type": "array",
                "items": _SIDE,
                "minItems": 1,
            },  # one in a heat that has no other
            "passes": {"type": "array", "items": one},
        }
    )
    record["required"].remove("load")  # of those without a load
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Match record",
        **record,
    }


def check_match(record: Mapping[str, Any]) -> None:
    """What the schema of match records cannot say: its passes are whole blocks that went well.

    Raises:
        ValueError: for the first pass that is none of them.
    """
    sides = len(record["sides"])
    for block in range(0, len(record["passes"]), sides):
        passes = record["passes"][block : block + sides]
        if sorted(one["side"] for one in passes) != list(range(sides)):
            raise ValueError(f"block {block // sides + 1} is not one pass of every side")
        for turn, one in enumerate(passes, block):
            if (one["turn"], one["block"]) != (turn, block // sides):
                raise ValueError(f"pass {turn + 1} says turn {one['turn']}, block {one['block']}")
            if one["status"] != "ok" or one["makespan_s"] is None:
                raise ValueError(f"pass {turn + 1} did not go well")
            if len(one["idle_cpu_s"]) != sides:
                raise ValueError(f"pass {turn + 1} tells CPU times of another number of sides")
