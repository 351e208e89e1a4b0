"""The command line of the `transcribe_*.py` scripts, by hand and for the rules."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from parallel_transcription import host
from parallel_transcription.errors import InputError
from parallel_transcription.inputs import audio, models
from parallel_transcription.inputs.model_names import parse_model
from parallel_transcription.jobs.transcribe import (
    Run,
    describe,
    measure,
    measure_specified,
    measuring_code,
)
from parallel_transcription.measure.messages import (
    Event,
    FileFinished,
    FileStarted,
    Loaded,
    PassBegins,
    PassEnded,
    Protocol,
)
from parallel_transcription.measure.processes import end_with
from parallel_transcription.study.configuration import check, complete
from parallel_transcription.study.dimensions import DIMENSIONS
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.keys import Key
from parallel_transcription.study.settings import DEFAULTS
from parallel_transcription.study.study import check_values

MODELS_FOLDER = Path("results/models")
_TYPES: dict[str, Callable[[str], int | float]] = {"integer": int, "number": float}


def main(strategy: str, description: str, arguments: Sequence[str] | None = None) -> int:
    """The command line of a `transcribe_*.py` script; returns its exit status."""
    given = _parser(strategy, description).parse_args(arguments)
    with tied_to(given.parent):
        return _run_specification(given) if given.specification else _run_by_hand(strategy, given)


@contextlib.contextmanager
def tied_to(parent: int) -> Iterator[None]:
    """Measure as a part of a workflow; what stops it says what became of the run.

    Args:
        parent: Process id of the workflow that started the script: the script ends with it, so
            that nothing measures beside a later workflow. 0 for none.

    Raises:
        InputError: if the workflow has ended already.
    """
    try:
        end_with(parent)
    except ProcessLookupError:
        raise InputError(
            "the workflow that started this run has ended; nothing was measured"
        ) from None
    try:
        yield
    except (OSError, KeyboardInterrupt) as error:
        again = "; the next snakemake measures it again" if parent else ""
        error.add_note(f"this run has no record{again}")
        raise


def _parser(strategy: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "files",
        nargs="*",
        help="audio files, all handed out at one moment unless --arrivals says otherwise",
    )
    for dimension in DIMENSIONS:
        if dimension.name in ("strategy", "files_in_parallel", "load", "replica"):
            continue
        if dimension.name in ("instances", "init_stagger_s") and strategy == "one_model":
            continue
        _add_option(parser, dimension)
    parser.set_defaults(instances=None)  # as many as files
    parser.add_argument("--repeats", type=int, default=1, help="measured passes")
    parser.add_argument("--warmups", type=int, default=0, help="passes before them, not counted")
    parser.add_argument("--timeout-s", type=float, default=3600.0, help="longest pass")
    parser.add_argument("--load-timeout-s", type=float, default=3600.0, help="longest load")
    parser.add_argument(
        "--remeasure", type=int, default=0, help="most passes more, for those that others disturbed"
    )
    parser.add_argument(
        "--disturbed-above",
        type=float,
        default=DEFAULTS["disturbed_above"],
        help="share of the CPU that others may use",
    )
    parser.add_argument("--record", type=Path, help="write the run record (JSON) here")
    parser.add_argument("--log", type=Path, help="the measured process's own output")
    rules = parser.add_argument_group("for the workflow's rules")
    rules.add_argument("--specification", help="the run as JSON; replaces what is above but four")
    rules.add_argument("--study", default="", help="the study's name, for the record")
    rules.add_argument("--planned", default="null", help="Plan.planned, for the record")
    rules.add_argument("--manifests", nargs="*", default=[], help="its model's and audio's")
    rules.add_argument(
        "--capacity",
        type=Path,
        nargs="*",
        default=[],
        help="the record that its rate is a share of",
    )
    rules.add_argument("--parent", type=int, default=0, help="end with this process")
    return parser


def _add_option(parser: argparse.ArgumentParser, dimension: Key) -> None:
    option = "--" + dimension.name.replace("_", "-")
    if dimension.schema.get("type") == "boolean":
        parser.add_argument(
            option,
            action=argparse.BooleanOptionalAction,
            default=dimension.default,
            help=dimension.doc,
        )
    else:
        parser.add_argument(
            option,
            type=_TYPES.get(dimension.schema.get("type", ""), str),
            default=dimension.default,
            help=dimension.doc.replace("%", "%%"),
            choices=dimension.schema.get("enum"),
        )


def _run_by_hand(strategy: str, given: argparse.Namespace) -> int:
    if not given.files:
        raise InputError("name at least one audio file (see --help)")
    values = {d.name: getattr(given, d.name, None) for d in DIMENSIONS}
    values |= {"strategy": strategy}
    if given.arrivals == "at_once":
        values["files_in_parallel"] = len(given.files)
    if strategy != "one_model" and given.instances is None:
        values["instances"] = len(given.files)
    protocol = Protocol(
        repeats=given.repeats,
        warmups=given.warmups,
        timeout_s=given.timeout_s,
        load_timeout_s=given.load_timeout_s,
        remeasure=given.remeasure,
        disturbed_above=given.disturbed_above,
    )
    every = values | vars(protocol)
    check_values({k: v for k, v in every.items() if v is not None}, "command line")
    for option, file in (("--record", given.record), ("--log", given.log)):
        if file and file.exists() and not file.is_file():
            raise StudyError(f"command line: {option}: {str(file)!r} is no regular file")
    configuration = complete(values)
    check(configuration)
    run = Run(
        study="by-hand",
        machine=host.default_label(),
        configuration=configuration,
        round=1,
        protocol=protocol,
        model=models.prepare(parse_model(configuration.model), MODELS_FOLDER),
        audio=[audio.inspect(Path(file)) | {"path": file} for file in given.files],
        code=measuring_code(),
    )
    record = measure(run, given.log, given.record, _say)
    if record["status"] != "ok":
        print(f"{record['status']}: {record['error']}", file=sys.stderr)
        return 1
    return 0


def _run_specification(given: argparse.Namespace) -> int:
    record = measure_specified(
        given.specification,
        given.study,
        given.manifests,
        given.log,
        given.record,
        given.planned,
        *given.capacity[:1],
    )
    with contextlib.suppress(OSError):  # the record is there; a job that fails now would lose it
        print(describe(record), file=sys.stderr)
    return 0


def _say(event: Event) -> None:
    """One line per file, as the published scripts had, and one per pass."""
    match event:
        case Loaded(loads):
            took = max(load["finished_s"] for load in loads)
            print(f"loaded {len(loads)} model(s) in {took:.2f} s", flush=True)
        case PassBegins(repeat):
            kind = "warm-up" if repeat < 1 else f"repeat {repeat}"
            print(f"{kind}: all files submitted", flush=True)
        case FileStarted(counter, file, at):
            print(f"  {counter:>3} started  {file} at {at:.2f} s")
        case FileFinished(counter, file, seconds, error):
            tail = f"  failed: {error}" if error else ""
            print(f"  {counter:>3} finished {file} took {seconds:.2f} s{tail}", flush=True)
        case PassEnded(_, result):
            print(
                f"  all took {result['makespan_s']:.2f} s, "
                f"{result['cpu_s'] / result['makespan_s']:.2f} cores in use",
                flush=True,
            )
            for one in result["transcriptions"]:
                if not one.get("counted", True):
                    continue
                print(f"  {one['counter']:>3} {one['text']}", flush=True)
