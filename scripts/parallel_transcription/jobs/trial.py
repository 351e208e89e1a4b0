"""A model is tried on the machine that measures, before the first timing.

On this host that is when it has been prepared, so that a study of it does not begin. A window is
decoded in a process of its own, so that the measured one starts as cold as ever, and once for each
model, engine, kind of CPU and environment: the result is kept. The engine must load the model and
survive; dummy weights must give their planted text, in the compute type, on the device and with the
environment of the run. On a cluster these are tried by the first run on a kind of node.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parallel_transcription import host, kernel
from parallel_transcription.errors import InputError
from parallel_transcription.files import write_json
from parallel_transcription.inputs import dummy_weights
from parallel_transcription.measure import walk
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.decoded import Decoded, summary
from parallel_transcription.measure.engine import parse_verbose
from parallel_transcription.measure.messages import Order, Task
from parallel_transcription.measure.processes import die_with_parent
from parallel_transcription.measure.supervise import clean_environment
from parallel_transcription.measure.transcriber import transcribe_options
from parallel_transcription.places import PROJECT_ROOT
from parallel_transcription.study.configuration import canonical_json
from parallel_transcription.untrusted import clean, hide_places

TIMEOUT_S = 900  # of a trial without a run, which has limits of its own
KEPT = Path(".snakemake/parallel_transcription/tried")
#: How variables begin that choose what multiplies.
CHOOSING = ("CT2_", "DNNL_", "ONEDNN_", "MKL_")
_FILE = "a synthetic window"
_FEW = 8  # tokens are enough to see a model work
#: Signals that a process gets for what it does; others come from outside, as for its memory.
_BROKEN = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class Broken(InputError):
    """The engine cannot load a model, or breaks in its first call: every run would fail."""


class WalkLost(InputError):
    """Dummy weights do not say their planted text here: their times would be of other work."""


def planted_tokens(folder: Path) -> int | None:
    """Text tokens that a folder's dummy weights give per window; None for other models."""
    tokens = (dummy_weights.read_manifest(folder) or {}).get("tokens")
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None


def check(
    manifest: Mapping[str, Any],
    task: Task,
    timeout_s: float,
    kept: Path = KEPT,
) -> None:
    """Try a model unless it is no dummy or was tried before.

    Where the trial itself fails (no memory, no GPU, too slow), nothing is said or kept: the run
    fails in the same way, and its record tells why.

    Args:
        manifest: The model's (`models.prepare`).
        task: What the run measures; its environment and its CPUs are the trial's as well.
        timeout_s: The longest that the trial may take.
        kept: Where results are kept, a file each.

    Raises:
        WalkLost: with one line that says what to change.
    """
    configuration = task.configuration
    tokens = planted_tokens(Path(task.model_path))
    if tokens is None:
        return
    environment = clean_environment(configuration.thread_env) | task.environment
    file = kept / f"{_key(configuration, manifest, tokens, environment)}.json"
    try:
        reason = json.loads(file.read_text(encoding="utf-8"))["refused"]
    except (OSError, ValueError, KeyError, TypeError):
        tried = _try(task, environment, timeout_s)
        if tried is None:
            return
        found = walk.lost([tried[0]], {_FILE: [tokens, tokens]})
        reason = found and _refusal(configuration, found, tried[1], environment)
        with contextlib.suppress(OSError):  # it is tried again then
            write_json(file, {"refused": reason})
    if reason:
        raise WalkLost(reason)


def check_alone(manifest: Mapping[str, Any], configuration: Configuration) -> None:
    """Try a model that was just prepared, on this host, before there is a run.

    Raises:
        WalkLost, Broken: with one line that says what to change.
    """
    folder = str(PROJECT_ROOT / manifest["path"])
    task = Task(configuration=configuration, model_path=folder, files=[])
    if planted_tokens(Path(folder)) is None:
        _check_loads(manifest, task)
    else:
        check(manifest, task, TIMEOUT_S)


def _check_loads(manifest: Mapping[str, Any], task: Task, kept: Path = KEPT) -> None:
    configuration = task.configuration
    environment = clean_environment(configuration.thread_env)
    options = [configuration.language, configuration.word_timestamps]
    file = kept / f"{_key(configuration, manifest, options, environment)}.json"
    if file.exists():
        return
    try:
        _decode(task, environment, TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        if why := _why_broken(error):
            raise Broken(
                f"{configuration.model} in {configuration.compute_type} fails here in its first "
                f"call: {why}. Every run would; copy the model again from where it comes from, "
                "convert it again, or take another"
            ) from None
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError):
        pass  # too slow to tell: its runs have limits of their own
    else:
        with contextlib.suppress(OSError):
            write_json(file, {"refused": None})


def _why_broken(error: subprocess.CalledProcessError) -> str | None:
    """What the model did to the engine; None for what may be this machine's fault: memory."""
    if error.returncode < 0:
        number = -error.returncode
        return f"the process ends with {signal.Signals(number).name}" if number in _BROKEN else None
    last = (error.stderr.strip().splitlines() or [""])[-1]
    no_memory = any(word in last.lower() for word in ("memory", "alloc"))
    return None if no_memory else clean(hide_places(last), 300)


def _key(
    configuration: Configuration,
    manifest: Mapping[str, Any],
    options: object,
    environment: Mapping[str, str],
) -> str:
    """Names what decides a trial: the model, its arithmetic, and the engine's kernel."""
    what = [
        manifest["sha256"],
        options,
        [configuration.compute_type, configuration.device],
        host.versions(),
        host.vendor(),
        sorted(host.cpu_flags()),
        [gpu["name"] for gpu in host.gpus()] if configuration.device == "cuda" else [],
        {k: v for k, v in environment.items() if k.startswith(CHOOSING)},
    ]
    return hashlib.sha256(canonical_json(what).encode()).hexdigest()[:16]


def _try(
    task: Task, environment: Mapping[str, str], timeout_s: float
) -> tuple[Decoded, str] | None:
    """What a window gave and what the engine printed; None where the trial itself failed."""
    try:
        return _decode(task, environment, timeout_s)
    except (subprocess.SubprocessError, ValueError, IndexError, TypeError):
        return None


def _decode(task: Task, environment: Mapping[str, str], timeout_s: float) -> tuple[Decoded, str]:
    """The same, with the exceptions of `subprocess.run` and of reading what was printed."""
    order = Order(
        configuration=task.configuration,
        model_path=task.model_path,
        files=[],
        warmups=0,
        repeats=0,
        affinity=task.affinity,
        supervisor=os.getpid(),
    )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "parallel_transcription.jobs.trial"],
        input=order.to_json(),
        env=dict(environment),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=True,
    )
    return Decoded(**json.loads(done.stdout.splitlines()[-1])), done.stderr


def _refusal(
    configuration: Configuration, found: str, printed: str, environment: Mapping[str, str]
) -> str:
    by, instead = "", "use another compute_type"
    if configuration.device == "cpu" and configuration.compute_type.startswith("int8"):
        used = kernel.here(parse_verbose(printed).get("gemm_int8"), environment)
        by = f" ({kernel.in_words(used)})" if used else ""
        instead = "use compute_type: float32"
        if used and used["saturates"] and used["backend"] == "DNNL" and host.vendor() != "Intel":
            instead += ", or thread_env with CT2_USE_MKL=1 (exact, several times slower)"
    return (
        f"{configuration.model} does not give its planted text in "
        f"{configuration.compute_type} here{by}: {found}. Every time would be of other work, so "
        f"nothing was measured; {instead}"
    )


def main() -> None:
    """The trial's own process: the order on standard input, what was decoded on standard output."""
    order = Order.from_json(sys.stdin.read())
    die_with_parent(order.supervisor)
    if order.affinity:
        os.sched_setaffinity(0, order.affinity)
    import numpy
    from faster_whisper import WhisperModel

    configuration = order.configuration
    model = WhisperModel(
        order.model_path,
        device=configuration.device,
        device_index=configuration.devices[0],
        compute_type=configuration.compute_type,
        cpu_threads=configuration.cpu_threads,
    )
    second = numpy.zeros(model.feature_extractor.sampling_rate, numpy.float32)
    options: dict[str, Any] = {"language": "en"}
    if planted_tokens(Path(order.model_path)) is None:  # as the study has it, and text in any case
        options = {
            **transcribe_options(configuration),
            "vad_filter": False,
            "no_speech_threshold": None,
            "max_new_tokens": _FEW,
        }
    segments, info = model.transcribe(second, **options | {"beam_size": 1, "temperature": 0.0})
    print(json.dumps(asdict(summary(_FILE, segments, info.duration_after_vad))))


if __name__ == "__main__":
    main()
