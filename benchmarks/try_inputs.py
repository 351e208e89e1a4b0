#!/usr/bin/env python3
"""Hundreds of audio files and models: is each one taken, or refused with one true line?

All of them are made in a temporary folder (by the modules in `inputs/`), each with what must
become of it, from first principles. What a study does with an input is done here, each in a
process of its own. What is taken is then used: audio is decoded by faster-whisper and its
seconds are compared, models transcribe a clip in a child, so that one that breaks the engine is
seen. Faults: a traceback, more than 60 s, a process that ends, a wrong acceptance, a wrong refusal,
other seconds, more memory than 1 GB, a line that names no file, no fault or no remedy.

Nothing is timed. Some ten minutes on two quiet CPUs; ends with `bound kept` or `bound missed`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scripts"), str(HERE / "inputs")]

import inputs_of_audio  # noqa: E402
import inputs_of_models  # noqa: E402

LONGEST_S = 60
MOST_MB = 1000
NOBODY = 65534
CLIP = HERE.parent / "audio" / "english-short.opus"


@dataclass(frozen=True)
class Seen:
    """What became of an input: `refused` is the line, or `taken` what was found."""

    taken: dict[str, Any] | None = None
    refused: str | None = None
    broken: str | None = None
    peak_mb: float = 0.0
    wall_s: float = 0.0


def apart(
    work: Callable[..., dict[str, Any]], *arguments: Any, longest_s: float = LONGEST_S
) -> Seen:
    """Do something in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    begin = time.monotonic()
    process = context.Process(target=_inside, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        said = ours.recv() if ours.poll(longest_s) else {"broken": f"hangs: over {longest_s} s"}
    except EOFError:
        process.join(10)
        said = {"broken": f"its process ended with {process.exitcode}"}
    process.kill()
    process.join()
    return Seen(**said, wall_s=time.monotonic() - begin)


def _inside(pipe: Any, work: Callable[..., dict[str, Any]], arguments: Sequence[Any]) -> None:
    from parallel_transcription.errors import InputError

    try:
        said = work(*arguments)
    except InputError as error:
        said = {"refused": str(error)}
    except BaseException:
        said = {"broken": traceback.format_exc(limit=-3)}
    pipe.send(said)


def look_at_audio(place: Path, name: str, nobody: bool) -> dict[str, Any]:
    """What a study does with a file that it names, then what faster-whisper gets of it."""
    from faster_whisper.audio import decode_audio

    from parallel_transcription.inputs import inspected, patterns

    if nobody and os.geteuid() == 0:
        os.setuid(NOBODY)
    os.chdir(place)
    found = patterns.expand([name], place).files
    patterns.check_files(found, place)
    (seen,) = inspected.inspect_all(found, place / ".kept")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    decoded = len(decode_audio(os.path.abspath(name))) / 16000
    return {"taken": {**seen, "decoded_s": decoded}, "peak_mb": peak_mb}


def faults_of_audio(case: inputs_of_audio.Audio, seen: Seen) -> Iterable[str]:
    """What is wrong with what became of a file."""
    if seen.peak_mb > MOST_MB:
        yield f"took {seen.peak_mb:.0f} MB"
    if seen.broken:
        yield seen.broken
    elif case.seconds is None and seen.taken:
        yield f"wrong acceptance: {seen.taken['seconds']:.2f} s of {seen.taken['codec']}"
    elif case.seconds is not None and seen.refused:
        yield f"wrong refusal: {seen.refused}"
    elif seen.refused is not None:
        yield from unclear(seen.refused, case.name, case.says)
    elif seen.taken and case.seconds is not None:
        told = seen.taken["seconds"]
        if told != seen.taken["decoded_s"]:
            yield f"{told:.3f} s, but faster-whisper gets {seen.taken['decoded_s']:.3f} s"
        if abs(told - case.seconds) > 0.15 + 0.03 * case.seconds:
            yield f"{told:.2f} s in place of {case.seconds:.2f} s"
        if case.says and not re.search(case.says, seen.taken["remark"] or ""):
            yield f"remark {seen.taken['remark']!r} does not say {case.says!r}"


def unclear(line: str, name: str, says: str) -> Iterable[str]:
    """What a line lacks that refuses an input."""
    if len(line.splitlines()) != 1 or not line.isprintable():
        yield f"not one line: {line!r}"
    if repr(name)[1:-1][:60] not in line:
        yield f"does not name it: {line}"
    if ";" not in line or len(line) > 700:
        yield f"no remedy, or too long: {line}"
    if says and not re.search(says, line):
        yield f"does not say {says!r}: {line}"


def try_audio(case: inputs_of_audio.Audio, folder: Path) -> tuple[Seen, list[str]]:
    """Make a file, see what becomes of it, and remove it."""
    folder.mkdir()
    folder.chmod(0o755)
    path = folder / case.name
    try:
        case.make(path)
    except Exception as error:
        return Seen(), [f"could not be made: {type(error).__name__}: {error}"]
    seen = apart(
        look_at_audio,
        folder,
        case.name,
        case.what == "as nobody",
        longest_s=LONGEST_S * (5 if case.what == "hour" else 1),
    )
    if case.what == "hour":
        with contextlib.suppress(OSError):
            path.unlink()
    return seen, list(faults_of_audio(case, seen))


# ------------------------------------------------------------------------------------------- models


def look_at_model(place: Path, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What a study does with a model: files, options, then a trial in a process of its own."""
    from parallel_transcription.inputs import model_options, models
    from parallel_transcription.inputs.model_names import ModelError, parse_model
    from parallel_transcription.jobs import trial
    from parallel_transcription.study.configuration import complete

    os.chdir(place)
    source = parse_model(name, place)
    can = model_options.abilities_of(source, place)
    one = complete(
        {"model": name, "strategy": "one_model", "cpu_threads": 1, "language": "en"} | asked
    )
    if can and (found := list(model_options.problems(source.name, can, one))):
        raise ModelError("\n".join(found))
    manifest = models.prepare(source, place / "built", place, place / "hashes")
    try:
        trial.check_alone(manifest | {"path": str(place / manifest["path"])}, one)
    except trial.Broken as error:
        return {"refused": f"trial: {error}"}
    return {"taken": manifest | {"folder": str(place / manifest["path"])}}


USE = """
import json, sys, faster_whisper
folder, clip, asked = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
model = faster_whisper.WhisperModel(folder, compute_type=asked["compute_type"], cpu_threads=1)
language = None if asked["language"] == "auto" else asked["language"]
segments, _ = model.transcribe(clip, language=language, word_timestamps=asked["word_timestamps"])
print(json.dumps([one.text for one in segments]))
"""


def use(folder: str, asked: dict[str, Any]) -> str | None:
    """Transcribe a clip as asked in a child; what went wrong, or None."""
    usual = {"language": "en", "word_timestamps": False, "compute_type": "int8"} | asked
    command = [sys.executable, "-c", USE, folder, str(CLIP), json.dumps(usual)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * LONGEST_S)
    except subprocess.TimeoutExpired:
        return "hangs in use"
    if done.returncode:
        return f"ends with {done.returncode} in use: {done.stderr.strip()[-200:]}"
    return None


def try_model(case: inputs_of_models.Model, place: Path) -> tuple[Seen, list[str]]:
    """Make a model, see what becomes of it, and use it if it is taken."""
    place.mkdir()
    try:
        name = case.make(place) or "./model"
    except Exception as error:
        return Seen(), [f"could not be made: {type(error).__name__}: {error}"]
    seen = apart(look_at_model, place, name, case.asked)
    faults = []
    if seen.broken:
        faults.append(seen.broken)
    elif seen.taken and not case.good:
        faults.append(f"wrong acceptance (in use: {use(seen.taken['folder'], case.asked)})")
    elif seen.refused and case.good:
        faults.append(f"wrong refusal: {seen.refused}")
    elif seen.refused:
        if seen.refused.startswith("trial: "):
            seen = Seen(refused=seen.refused.removeprefix("trial: "), peak_mb=-1)
            if not case.by_trial:
                faults.append(f"seen by the trial alone: {seen.refused}")
        faults += unclear(seen.refused or "", name, case.says)
    elif seen.taken and (wrong := use(seen.taken["folder"], case.asked)):
        faults.append(f"wrong acceptance: {wrong}")
    return seen, faults


def main() -> int:
    """Try all inputs, print what is wrong, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a regular expression of names")
    parser.add_argument("--kind", choices=["audio", "models", "both"], default="both")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--all", action="store_true", help="a line for each input")
    args = parser.parse_args()
    multiprocessing.set_start_method("forkserver")
    multiprocessing.set_forkserver_preload(["faster_whisper.audio", "numpy"])
    missed = False
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(args.at_once) as pool:
        os.chmod(scratch, 0o755)
        kinds: list[tuple[str, list[Any], Callable[..., Any]]] = []
        if args.kind != "models":
            kinds.append(("audio", list(inputs_of_audio.everything()), try_audio))
        if args.kind != "audio":
            kinds.append(("models", list(inputs_of_models.everything(Path(scratch))), try_model))
        for kind, cases, attempt in kinds:
            cases = [one for one in cases if re.search(args.only, one.name)]
            places = [Path(scratch, f"{kind}-{number}") for number in range(len(cases))]
            results = []
            for case, result in zip(cases, pool.map(attempt, cases, places), strict=True):
                results.append(result)
                tell(case.name, *result, args.all)
            missed |= sum_up(kind, results)
    print("bound missed" if missed else "bound kept")
    return int(missed)


def tell(name: str, seen: Seen, faults: Sequence[str], every: bool) -> None:
    """Print what is wrong with an input; of every one, what became of it."""
    for fault in faults:
        print(f"WRONG {name[:60]!r}: {fault}", flush=True)
    if every and not faults:
        taken = seen.taken or {}
        told = seen.refused or f"taken, {taken.get('seconds', taken.get('vocabulary'))}"
        remark = f" ({taken['remark']})" if taken.get("remark") else ""
        print(f"right {name[:60]!r}: {told}{remark}", flush=True)


def sum_up(kind: str, results: Sequence[tuple[Seen, list[str]]]) -> bool:
    """Print the counts of one kind; whether anything is wrong."""
    wrong = sum(bool(faults) for _, faults in results)
    taken = sum(seen.taken is not None for seen, _ in results)
    peak = max((seen.peak_mb for seen, _ in results), default=0)
    slowest = max((seen.wall_s for seen, _ in results), default=0)
    print(
        f"{kind}: {len(results)} inputs, {taken} taken, {len(results) - taken} refused, {wrong} "
        f"wrong; at most {peak:.0f} MB and {slowest:.1f} s"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
