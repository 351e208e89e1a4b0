"""The run record: one JSON file that tells everything about one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parallel_transcription.study.dimensions import DIMENSIONS

SCHEMA_VERSION = 1

_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": ["string", "null"]}
#: How a run, a repeat or a transcription ended; `timeout`: it was cut off at the limit.
STATUSES = ("ok", "timeout", "failed", "killed")
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
    "seconds": {"type": "number"},
    "reference": _TEXT,
}
_HOST_GPU = {"name": _TEXT, "memory_mb": _NUMBER}
_MEMORY = _closed({"rss": _NUMBER, "pss": _NUMBER, "uss": _NUMBER})
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
    "counter": {"type": "integer", "minimum": 1},
    "file": {"type": "string"},
    "caller": {"type": "integer"},
    "instance": {"type": "integer"},
    "submitted_s": {"type": "number"},
    "started_s": _NUMBER,
    "finished_s": _NUMBER,
    "status": _STATUS,
    "error": _TEXT,
    "text": _TEXT,
    "segments": _NUMBER,
    "last_end_s": _NUMBER,
    "language": _TEXT,
    "cpu_s": _NUMBER,
}
#: `decoded` is newer than the others: what the decoder did, null where no text came.
_TRANSCRIPTION = _closed(
    {**_TRANSCRIPTION_FIELDS, "decoded": {"anyOf": [_DECODED, {"type": "null"}]}},
    required=list(_TRANSCRIPTION_FIELDS),
)
_GPU = {
    "device": {"type": "integer"},
    "index": {"type": ["integer", "null"]},
    "name": _TEXT,
    "mig": {"type": "boolean"},
    "used_bytes": _NUMBER,
    "own_bytes": _NUMBER,
}
_GPU_LOADED = _closed({**_GPU, "used_before_bytes": _NUMBER})
_GPU_WINDOW = _closed(
    {
        **_GPU,
        "seconds": {"type": "number"},
        "utilisation": _NUMBER,
        "samples_cover": {"type": "number"},
        "energy_j": _NUMBER,
        "energy_from": {"enum": ["counter", "samples", None]},
        "power_w": _NUMBER,
        "sm_mhz": _NUMBER,
        "memory_mhz": _NUMBER,
        "throttled": {"type": "object", "additionalProperties": _NUMBER},
        "pcie_tx_bytes": _NUMBER,
        "pcie_rx_bytes": _NUMBER,
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
        "makespan_s": _NUMBER,
        "cpu_s": _NUMBER,
        "cpu_user_s": _NUMBER,
        "cpu_system_s": _NUMBER,
        "context_switches_voluntary": _NUMBER,
        "context_switches_involuntary": _NUMBER,
        "foreign_cpu_s": _NUMBER,
        "foreign_cpu_share": _NUMBER,
        "steal_share": _NUMBER,
        "cpu_callers_s": _NUMBER,
        "rss_peak_bytes": _NUMBER,
        "memory": _MEMORY,
        "transcriptions": {"type": "array", "items": _TRANSCRIPTION},
    },
    walk_lost=_TEXT,  # of dummy weights alone: what they said in place of the planted text
    # later meters: older records lack them (`measure/limits.py`)
    quota_periods=_NUMBER,
    throttled_periods=_NUMBER,
    throttled_s=_NUMBER,
    cpu_mhz_opening=_NUMBER,
    cpu_mhz_closing=_NUMBER,
    thermal_throttles=_NUMBER,
)
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
                    "started_s": {"type": "number"},
                    "finished_s": {"type": "number"},
                    "error": _TEXT,
                    "compute_type": _TEXT,
                }
            ),
        },
        "memory_before": {"anyOf": [_MEMORY, {"type": "null"}]},
        "memory_after": {"anyOf": [_MEMORY, {"type": "null"}]},
        "passes": {"type": "array", "items": _PASS},
    },
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
_PLANNED = _closed(
    {
        "rounds": {"type": "integer", "minimum": 1},
        "equivalence_margin": {"type": "number"},
        "confidence": {"type": "number"},
        "disturbed_above": {"type": "number"},
        "limits": {"type": "object", "additionalProperties": _NUMBER},
    }
)
#: Keys that records made before these existed lack.
_NEW = ("job", "planned")


def record_schema() -> dict[str, Any]:
    """The closed JSON schema of a run record (draft 7, for fastjsonschema)."""
    record = _closed(
        {
            "schema": {"const": SCHEMA_VERSION},
            "run": {"type": "string"},
            "configuration_id": {"type": "string"},
            # a dimension that is not there has its default; the id tells if that is wrong
            "configuration": _closed({d.name: d.schema for d in DIMENSIONS}, ["strategy"]),
            "round": {"type": "integer", "minimum": 1, "maximum": 999},
            "study": {"type": "string"},
            "machine": {"type": "string"},
            "protocol": _closed(
                {
                    "repeats": {"type": "integer"},
                    "warmups": {"type": "integer"},
                    "timeout_s": {"type": "number"},
                    "load_timeout_s": {"type": "number"},
                }
            ),
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
            "node": {"type": "string"},
            "engine": {"type": "object", "properties": {"int8_kernel": _KERNEL}},
            "environment": {"type": "object", "additionalProperties": {"type": "string"}},
            "affinity": {"type": ["array", "null"], "items": {"type": "integer"}},
            "packed": {"type": "boolean"},
            "log": _TEXT,
            "job": {"anyOf": [_JOB, {"type": "null"}]},
            "planned": {"anyOf": [_PLANNED, {"type": "null"}]},
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
