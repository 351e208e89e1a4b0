"""Run records of round numbers, for the tests of what becomes of records. Nothing was measured."""

import json

from parallel_transcription.results.merge import merge_records
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.runs import run_id
from parallel_transcription.study.settings import DEFAULTS


def make_record(round_number=1, machine="m", **values):
    """A record with two files, a warm-up and two repeats, of round numbers."""
    configuration = complete({"strategy": "one_model", "num_workers": 2, "cpu_threads": 1} | values)
    configuration_id = identify(configuration)
    files = configuration.files_in_parallel

    def one_pass(repeat):
        return {
            "repeat": repeat,
            "status": "ok",
            "error": None,
            "started_at": 1_800_000_000.0 + repeat,
            "clock_jump_s": 0.0,
            "makespan_s": 2.0 + repeat,
            "cpu_s": 3.0,
            "cpu_user_s": 2.5,
            "cpu_system_s": 0.5,
            "context_switches_voluntary": 10,
            "context_switches_involuntary": 20,
            "foreign_cpu_s": 2 * 0.02 * repeat * (2.0 + repeat),
            "foreign_cpu_share": 0.02 * repeat,
            "steal_share": 0.0,
            "cpu_callers_s": 0.3,
            "rss_peak_bytes": 100_000_000,
            "memory": {"rss": 90_000_000, "pss": 80_000_000, "uss": 70_000_000},
            "transcriptions": [
                {
                    "counter": i + 1,
                    "file": f"audio/{i}.wav",
                    "caller": i,
                    "instance": 0,
                    "submitted_s": 0.0,
                    "started_s": 0.001,
                    "finished_s": 1.0 + repeat + i * 0.5,
                    "status": "ok",
                    "error": None,
                    "text": "one two four",
                    "segments": 1,
                    "last_end_s": 9.0,
                    "language": "en",
                    "cpu_s": 0.1,
                }
                for i in range(files)
            ],
        }

    start = {
        "start": 1,
        "status": "ok",
        "error": None,
        "stopped_in_repeat": None,
        "started_at": 1_800_000_000.0,
        "prepare_s": 0.5,
        "loads": [
            {
                "instance": 0,
                "started_s": 0.0,
                "finished_s": 0.25,
                "error": None,
                "compute_type": "int8_float32",
            }
        ],
        "memory_before": {"rss": 3_000_000, "pss": 2_000_000, "uss": 1_000_000},
        "memory_after": {"rss": 9_000_000, "pss": 8_000_000, "uss": 60_000_000},
        "passes": [one_pass(repeat) for repeat in (0, 1, 2)],
    }
    return {
        "schema": 1,
        "run": run_id(configuration_id, round_number),
        "configuration_id": configuration_id,
        "configuration": configuration.as_json(),
        "round": round_number,
        "study": "made",
        "machine": machine,
        "protocol": {"repeats": 2, "warmups": 1, "timeout_s": 60, "load_timeout_s": 900},
        "code": "c0de",
        "specification": "",
        "model": {"kind": "embedded", "sha256": "a" * 64},
        "audio": [
            {
                "path": f"audio/{i}.wav",
                "file": f"{i}.wav",
                "sha256": str(i) * 64,
                "seconds": 10.0,
                "reference": "one two three four",
            }
            for i in range(files)
        ],
        "host": {"cpu_model": "Made", "logical_cpus": 2, "affinity_cpus": 2},
        "node": "secret-host",
        "engine": {"ctranslate2": "4"},
        "environment": {"OPENBLAS_NUM_THREADS": "1"},
        "affinity": None,
        "packed": False,
        "log": None,
        "started_at": 1_800_000_000.0,
        "finished_at": 1_800_000_010.0,
        "status": "ok",
        "error": None,
        "starts": [start],
    }


def save(results, *records):
    """Write records where a run leaves them; returns their paths."""
    paths = []
    for record in records:
        path = results / record["machine"] / "runs" / f"{record['run']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record), encoding="utf-8")
        paths.append(path)
    return paths


def tables_of(results, *records, **settings):
    """The tables of records, merged with these settings beside the defaults."""
    return merge_records(save(results, *records), {**DEFAULTS, **settings})
