"""One run: measured, and written down as a run record."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallel_transcription import fingerprint, host, kernel
from parallel_transcription.files import write_json
from parallel_transcription.jobs import cluster, packing, trial
from parallel_transcription.jobs.load import ToldLoad, as_recorded, load_of
from parallel_transcription.jobs.service import as_kept, service_of
from parallel_transcription.measure import cuda, walk
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.loopback_hub import Served
from parallel_transcription.measure.messages import Protocol, Report, Task
from parallel_transcription.measure.supervise import supervise
from parallel_transcription.places import PROJECT_ROOT, SCRIPTS
from parallel_transcription.record import SCHEMA_VERSION
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.longest import longest_pass_s
from parallel_transcription.study.runs import run_id
from parallel_transcription.study.settings import Packing

#: What is measured: a change of the code in this folder, and of no other, measures again.
MEASURING_CODE = SCRIPTS / "parallel_transcription" / "measure"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A configuration to be measured in one fresh process.

    `model` and `audio` are the manifests of what it uses; `specification` is the fingerprint
    of what the workflow told it, empty by hand.
    """

    study: str
    machine: str
    configuration: Configuration
    round: int
    protocol: Protocol
    model: Mapping[str, Any]
    audio: Sequence[Mapping[str, Any]]
    code: str
    specification: str = ""
    planned: dict[str, Any] | None = None
    packing: Packing | None = None
    load: ToldLoad | None = None
    service: Mapping[str, Any] | None = None


def measuring_code(cache: Path | None = None) -> str:
    """The fingerprint of the measuring code; the cache is that of `package_fingerprint`."""
    return fingerprint.package_fingerprint(MEASURING_CODE, cache)


def measure(
    run: Run, log: Path | None, record_file: Path | None, listener: Report | None = None
) -> dict[str, Any]:
    """Measure a run, and write its record where one is asked for; returns the record.

    Args:
        run: What to measure.
        log: Takes the measured process's own output.
        record_file: Where the record goes.
        listener: Called with every event of the measured process.
    """
    if log and log.exists():  # others write to it as well: it is emptied, not replaced
        os.truncate(log, 0)
    with packing.slot(run.packing) as slot:
        surroundings = describe_surroundings(slot, log)
        task = task_of(run, slot, surroundings["host"])
        outcome = supervise(task, run.protocol, log, listener)
    name_kernel(outcome)
    configuration_id = identify(run.configuration)
    record = {
        "schema": SCHEMA_VERSION,
        "run": run_id(configuration_id, run.round),
        "configuration_id": configuration_id,
        "configuration": run.configuration.as_json(),
        "round": run.round,
        "study": run.study,
        "machine": run.machine,
        "protocol": dict(vars(run.protocol)),
        "code": run.code,
        "specification": run.specification,
        "model": run.model,
        "audio": list(run.audio),
        **surroundings,
        "planned": run.planned,
        **outcome,
    }
    if task.load:
        record["load"] = as_recorded(task.load, run.load)
    if run.service:
        record["service"] = as_kept(run.service)
    if record_file:
        write_json(record_file, record)
    return record


def describe_surroundings(slot: packing.Slot, log: Path | None) -> dict[str, Any]:
    """Where it is measured, as records have it."""
    return {
        "host": host.describe(slot.cores),
        "node": host.node(),
        "affinity": slot.cores,
        "packed": slot.cores is not None,
        "log": str(log) if log else None,
        "job": cluster.this_job(),
    }


def task_of(run: Run, slot: packing.Slot, described: Mapping[str, Any]) -> Task:
    """What a run's measured process does in a slot; the model has been tried there.

    Raises:
        WalkLost: where dummy weights do not say here what they should.
    """
    placed, environment = cuda.place(run.configuration, slot.gpus)
    folder, timeout_s = str(PROJECT_ROOT / run.model["path"]), run.protocol.timeout_s
    task = Task(
        configuration=placed,
        model_path=folder,
        files=[sound["path"] for sound in run.audio],
        affinity=slot.cores,
        environment=environment,
        walk=_planned(run),
        quota_cpus=described.get("cgroup_cpus"),
        served=_served(run),
        load=load_of(run.configuration, run.load, run.audio, run.round, timeout_s),
        service=service_of(run.configuration, run.service, folder, timeout_s),
    )
    trial.check(run.model, task, run.protocol.load_timeout_s + timeout_s)
    return task


def _served(run: Run) -> Served | None:
    """The prepared model as a hub has it; None where it is loaded from its folder.

    A model that is on no hub gets a name there; of a revision that a study pins, its head is it.
    """
    if run.configuration.load == "folder":
        return None
    return Served(
        repository=run.model["repository"] or f"loopback/{run.model['slug']}",
        folder=str(PROJECT_ROOT / run.model["path"]),
        files=run.model["files"],
        commit=run.model["revision"] or run.model["sha256"][:40],
    )


def name_kernel(outcome: dict[str, Any]) -> None:
    """Add the engine's int8 kernel to what was measured, in place."""
    if used := kernel.here(outcome["engine"].get("gemm_int8"), outcome["environment"]):
        outcome["engine"]["int8_kernel"] = used


def _planned(run: Run) -> walk.Planned | None:
    """What dummy weights must say of each file (`walk.planned`); None where it is not known."""
    if run.service:
        return None  # it does not tell how it decoded
    tokens = trial.planted_tokens(PROJECT_ROOT / run.model["path"])
    if tokens is None:
        return None
    seconds = {sound["path"]: sound["seconds"] for sound in run.audio}
    return walk.planned(tokens, seconds, run.configuration)


def _protocol(
    specified: Mapping[str, Any],
    planned: str,
    configuration: Configuration,
    audio: Sequence[Mapping[str, Any]],
) -> Protocol:
    """The protocol of a run, with what its specification does not tell.

    That is what measures disturbed passes again, and how long a pass may take for its audio.
    """
    told = json.loads(planned) or {}
    again = {name: told[name] for name in ("remeasure", "disturbed_above") if name in told}
    longest = longest_pass_s(
        configuration,
        specified["timeout_s"],
        told.get("timeout_of_length"),
        [sound["seconds"] for sound in audio],
    )
    return Protocol(**{**specified, **again, "timeout_s": longest})


def specified(
    specification: str,
    study: str,
    manifests: Iterable[Path | str],
    planned: str = "null",
    capacity: Path | None = None,
) -> Run:
    """The run that a plan specifies; arguments and errors as of `measure_specified`."""
    prepared = {path.stem: path for path in map(Path, manifests)}
    try:
        told = json.loads(specification)
        configuration = complete(told["configuration"])
        audio = [_read(prepared[key])[0] for key in told["audio"]]
        return Run(
            study=study,
            machine=told["machine"],
            configuration=configuration,
            round=told["round"],
            protocol=_protocol(told["protocol"], planned, configuration, audio),
            model=_read(prepared[told["model"]]),
            audio=audio,
            code=told["code"],
            specification=fingerprint_of(specification),
            packing=told.get("packing"),
            planned=json.loads(planned),
            load=ToldLoad(**told["load"], capacity=capacity) if "load" in told else None,
            service=told.get("service"),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StudyError(
            f"--specification is for the workflow; by hand, name the audio files ({error!r:.100})"
        ) from None


def measure_specified(
    specification: str,
    study: str,
    manifests: Iterable[Path | str],
    log: Path | None,
    record_file: Path | None,
    planned: str = "null",
    capacity: Path | None = None,
) -> dict[str, Any]:
    """Measure what a plan specifies, and write the record; returns the record.

    Args:
        specification: JSON from `Plan.specification`.
        study: The study's name. It is no part of the specification: another name measures nothing.
        manifests: Those of its model and its audio, as in `Plan.manifests`.
        log: Takes the measured process's own output.
        record_file: Where the record goes.
        planned: JSON from `Plan.planned`, for the record; its limits measure disturbed passes
            again. No part of the specification either: others measure nothing that is there.
        capacity: The record that tells what a rate in percent is a share of.

    Raises:
        StudyError: for any other text, or where a manifest is missing.
    """
    run = specified(specification, study, manifests, planned, capacity)
    return measure(run, log, record_file)


def fingerprint_of(specification: str) -> str:
    """What a record keeps of its specification: whether it is still the same."""
    return hashlib.sha256(specification.encode()).hexdigest()


def is_measured(record: Path, specification: str) -> bool:
    """Whether a record is there that was made from this specification."""
    try:
        known = _read(record)["specification"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(known == fingerprint_of(specification))


def describe(record: Mapping[str, Any]) -> str:
    """The line that is printed for a finished run."""
    reason = f" ({record['error']})" if record["error"] else ""
    return f"{record['run']}  {record['status']}{reason}"


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
