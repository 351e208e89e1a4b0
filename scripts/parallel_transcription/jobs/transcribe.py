"""Measure one configuration: what the ``transcribe_*.py`` scripts do, by hand and for the rules."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parallel_transcription import fingerprint, kernel
from parallel_transcription import host as machine
from parallel_transcription.errors import InputError
from parallel_transcription.inputs import audio, models
from parallel_transcription.jobs import cluster, packing, progress, trial
from parallel_transcription.measure import cuda, walk
from parallel_transcription.measure.placement import Configuration
from parallel_transcription.measure.processes import end_with
from parallel_transcription.measure.supervise import Progress, supervise
from parallel_transcription.places import PROJECT_ROOT, SCRIPTS
from parallel_transcription.record import SCHEMA_VERSION, write_json
from parallel_transcription.study.configuration import (
    ConfigurationError,
    check,
    complete,
    identify,
    run_id,
)
from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.study.study import StudyError, check_values

#: What the measured process runs; a change here, or in what it imports, reruns the measurements.
MEASURING_CODE = [
    SCRIPTS / "parallel_transcription" / "measure" / "process.py",
    SCRIPTS / "parallel_transcription" / "measure" / "supervise.py",
]
PROTOCOL = ("repeats", "warmups", "timeout_s", "load_timeout_s")
MODELS_FOLDER = Path("results/models")


def measuring_code() -> str:
    """The fingerprint of the measuring code."""
    return fingerprint.code_fingerprint(MEASURING_CODE)


def main(strategy: str, description: str, arguments: Sequence[str] | None = None) -> int:
    """The command line of a ``transcribe_*.py`` script; returns its exit status."""
    parser = _parser(strategy, description)
    given = parser.parse_args(arguments)
    try:
        with ends_in_words(given.parent):
            return _run_spec(given) if given.spec else _run_by_hand(strategy, given)
    except (ConfigurationError, models.ModelError, InputError) as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return 2


@contextlib.contextmanager
def ends_in_words(parent: int) -> Iterator[None]:
    """What stops a measuring script ends it with a line instead of a traceback.

    Args:
        parent: Process id of the workflow that started the script: the script ends with it, so
            that nothing measures beside a later workflow. 0 for none.
    """
    try:
        try:
            end_with(parent)
        except ProcessLookupError:
            sys.exit("error: the workflow that started this run has ended; nothing was measured")
        yield
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        again = "This run has no record; the next snakemake measures it again." if parent else ""
        print(f"error: {file}{error.strerror or error}. {again}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted: this run has no record", file=sys.stderr)
        sys.exit(130)


def _parser(strategy: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("files", nargs="*", help="audio files, all handed out at one moment")
    for d in DIMENSIONS:
        if d.name in ("strategy", "files_in_parallel", "replica"):
            continue
        if d.name in ("instances", "init_stagger_s") and strategy == "one_model":
            continue
        option = "--" + d.name.replace("_", "-")
        kind = d.schema.get("type")
        if kind == "boolean":
            parser.add_argument(
                option, action=argparse.BooleanOptionalAction, default=d.default, help=d.doc
            )
        else:
            of = {"integer": int, "number": float}.get(kind, str)
            default = None if d.name == "instances" else d.default
            parser.add_argument(
                option, type=of, default=default, help=d.doc, choices=d.schema.get("enum")
            )
    parser.add_argument("--repeats", type=int, default=1, help="measured passes")
    parser.add_argument("--warmups", type=int, default=0, help="passes before them, not counted")
    parser.add_argument("--timeout-s", type=float, default=3600.0, help="longest pass")
    parser.add_argument("--load-timeout-s", type=float, default=3600.0, help="longest load")
    parser.add_argument("--record", type=Path, help="write the run record (JSON) here")
    parser.add_argument("--log", type=Path, help="the measured process's own output")
    rules = parser.add_argument_group("for the workflow's rules")
    rules.add_argument("--spec", help="the run as JSON; replaces all arguments above but two")
    rules.add_argument("--results", type=Path, help="where the manifests of models and audio are")
    rules.add_argument("--parent", type=int, default=0, help="end with this process")
    return parser


def _run_by_hand(strategy: str, given: argparse.Namespace) -> int:
    if not given.files:
        print("error: name at least one audio file (see --help)", file=sys.stderr)
        return 2
    values = {d.name: getattr(given, d.name) for d in DIMENSIONS if hasattr(given, d.name)}
    values |= {"strategy": strategy, "files_in_parallel": len(given.files)}
    if values.get("instances", 1) is None:
        values["instances"] = len(given.files)
    protocol = {key: getattr(given, key) for key in PROTOCOL}
    check_values({k: v for k, v in (values | protocol).items() if v is not None}, "command line")
    for option, file in (("--record", given.record), ("--log", given.log)):
        if file and file.exists() and not file.is_file():
            raise StudyError(f"command line: {option}: {str(file)!r} is no regular file")
    configuration = complete(values)
    check(configuration)
    manifest = models.prepare(models.parse_model(configuration["model"]), MODELS_FOLDER)
    sounds = [audio.inspect(Path(file)) | {"path": file} for file in given.files]
    spec = {
        "round": 1,
        "study": "by-hand",
        "machine": machine.default_label(),
        "code": measuring_code(),
        "protocol": protocol,
    }
    record = _measure(spec, configuration, manifest, sounds, given.log, given.record, _say)
    if record["status"] != "ok":
        print(f"{record['status']}: {record['error']}", file=sys.stderr)
        return 1
    return 0


def _run_spec(given: argparse.Namespace) -> int:
    record = run_specification(given.spec, given.results, given.log, given.record)
    # On a cluster runs go side by side: what is left is not the sum, and Snakemake counts jobs.
    run = f"{record['machine']}/{record['run']}"
    far = "" if record["job"] else progress.advance(run, took(record))
    with contextlib.suppress(OSError):  # the record is there; a job that fails now would lose it
        print(describe(record) + far, file=sys.stderr)
    return 0


def run_specification(text: str, results: Path, log: Path, record_file: Path) -> dict[str, Any]:
    """Measure what a plan specifies, and write the record; returns the record.

    Args:
        text: The specification, JSON from ``Plan.specification``.
        results: The folder with the manifests of models and audio.
        log: Takes the measured process's own output.
        record_file: Where the record goes.
    """
    try:
        spec = json.loads(text)
        prepared = results / "prepared"
        manifest = _read(prepared / "models" / f"{spec['model']}.json")
        sounds = [_read(prepared / "audio" / f"{key}.json")[0] for key in spec["audio"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise StudyError(
            f"--spec and --results: no specification with its manifests ({error!r:.100}); only the "
            "workflow makes them, by hand name the audio files"
        ) from None
    spec |= {"study": progress.read_plan()["study"], "specification": fingerprint_of(text)}
    configuration = complete(spec["configuration"])
    return _measure(spec, configuration, manifest, sounds, log, record_file)


def fingerprint_of(specification: str) -> str:
    """What a record keeps of its specification: whether it is still the same."""
    return hashlib.sha256(specification.encode()).hexdigest()


def is_measured(record: Path, specification: str) -> bool:
    """Whether a record is there that was made from this specification."""
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        return known["specification"] == fingerprint_of(specification)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def describe(record: Mapping[str, Any]) -> str:
    """The line that is printed for a finished run."""
    reason = f" ({record['error']})" if record["error"] else ""
    return f"{record['run']}  {record['status']}{reason}"


def took(record: Mapping[str, Any]) -> float:
    """Seconds from the run's start to its end."""
    return record["finished_at"] - record["started_at"]


def _read(manifest: Path) -> Any:
    return json.loads(manifest.read_text(encoding="utf-8"))


def _measure(
    spec: Mapping[str, Any],
    configuration: Configuration,
    manifest: Mapping[str, Any],
    sounds: Sequence[Mapping[str, Any]],
    log: Path | None,
    record_file: Path | None,
    on_event: Progress | None = None,
) -> dict[str, Any]:
    """Measure, and write the record where one is asked for."""
    host = machine.describe()
    if log:
        log.unlink(missing_ok=True)
    with packing.slot(spec.get("packing")) as slot:
        placed, environment = cuda.place(configuration, slot.gpus)
        order = {
            "configuration": placed,
            "model_path": str(PROJECT_ROOT / manifest["path"]),
            "files": [sound["path"] for sound in sounds],
            "affinity": slot.cores,
            "environment": environment,
            "walk": _planned(configuration, manifest, sounds),
        }
        longest = spec["protocol"]["load_timeout_s"] + spec["protocol"]["timeout_s"]
        trial.check(manifest, order, longest)
        outcome = supervise(order, spec["protocol"], log, on_event)
    engine = outcome["engine"]
    if used := kernel.here(engine.get("gemm_int8"), outcome["environment"]):
        engine["int8_kernel"] = used
    configuration_id = identify(configuration)
    record = {
        "schema": SCHEMA_VERSION,
        "run": run_id(configuration_id, spec["round"]),
        "configuration_id": configuration_id,
        "configuration": configuration,
        "round": spec["round"],
        "study": spec["study"],
        "machine": spec["machine"],
        "protocol": spec["protocol"],
        "code": spec["code"],
        "specification": spec.get("specification", ""),
        "model": manifest,
        "audio": list(sounds),
        "host": host,
        "node": machine.node(),
        "affinity": slot.cores,
        "packed": slot.cores is not None,
        "log": str(log) if log else None,
        "job": cluster.this_job(),
        **outcome,
    }
    if record_file:
        write_json(record_file, record)
    return record


def _planned(
    configuration: Configuration,
    manifest: Mapping[str, Any],
    sounds: Sequence[Mapping[str, Any]],
) -> dict[str, Any] | None:
    """What dummy weights must say of each file (``walk.planned``); None for other models."""
    tokens = trial.planted_tokens(models.PROJECT_ROOT / manifest["path"])
    if tokens is None:
        return None
    seconds = {sound["path"]: sound["seconds"] for sound in sounds}
    return walk.planned(tokens, seconds, configuration)


def _say(event: dict[str, Any]) -> None:
    """One line per file, as the published scripts had, and one per pass."""
    match event["event"]:
        case "loaded":
            took = max(load["finished_s"] for load in event["loads"])
            print(f"loaded {len(event['loads'])} model(s) in {took:.2f} s", flush=True)
        case "pass":
            kind = "warm-up" if event["repeat"] < 1 else f"repeat {event['repeat']}"
            print(f"{kind}: all files submitted", flush=True)
        case "started":
            print(f"  {event['counter']:>3} started  {event['file']} at {event['at']:.2f} s")
        case "finished":
            tail = f"  failed: {event['error']}" if event["error"] else ""
            print(
                f"  {event['counter']:>3} finished {event['file']} "
                f"took {event['seconds']:.2f} s{tail}",
                flush=True,
            )
        case "passed":
            result = event["result"]
            print(
                f"  all took {result['makespan_s']:.2f} s, "
                f"{result['cpu_s'] / result['makespan_s']:.2f} cores in use",
                flush=True,
            )
            for one in result["transcriptions"]:
                print(f"  {one['counter']:>3} {one['text']}", flush=True)
