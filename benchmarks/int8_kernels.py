#!/usr/bin/env python3
"""Does the engine's int8 kernel change what real weights hear?

Every model hears every file in float32 and in int8 by three kernels: the one that the engine takes
here, oneDNN's without VNNI (DNNL_MAX_CPU_ISA=AVX2, as on older CPUs; its sums saturate in 16 bits)
and MKL's. Each kernel has a process of its own; each file is decoded once at temperature 0 and once
with faster-whisper's fallback to higher temperatures. A file `name.txt` beside a recording is its
reference transcript. Prints a table in Markdown; the times are of a machine that does other things.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from parallel_transcription.measure.supervise import CAPS, STEERING  # noqa: E402
from parallel_transcription.results.error_rate import error_rate  # noqa: E402

#: Name, compute type and what the environment adds.
KERNELS = (
    ("float32", "float32", {}),
    ("int8 as taken here", "int8", {}),
    ("int8, DNNL, AVX2", "int8", {"DNNL_MAX_CPU_ISA": "AVX2"}),
    ("int8, MKL", "int8", {"CT2_USE_MKL": "1"}),
)
MODES = {"temperature 0": {"temperature": 0.0}, "fallback": {}}


def hear(folder: str, compute_type: str, threads: int, files: list[str]) -> list[dict[str, Any]]:
    """All transcriptions of one model by this process's kernel; texts and decodings, per mode."""
    from faster_whisper import WhisperModel

    model = WhisperModel(folder, device="cpu", compute_type=compute_type, cpu_threads=threads)
    engine = model.model = _Counting(model.model)
    heard = []
    for mode, options in MODES.items():
        for file in files:
            engine.calls = 0
            begin = time.monotonic()
            segments, _ = model.transcribe(file, **options)
            segments = list(segments)
            heard.append(
                {
                    "mode": mode,
                    "file": file,
                    "text": "".join(segment.text for segment in segments).strip(),
                    "decodings": engine.calls,
                    "random": sum(segment.temperature > 0 for segment in segments),
                    "segments": len(segments),
                    "seconds": time.monotonic() - begin,
                }
            )
    return heard


class _Counting:
    """CTranslate2's model, with its calls of `generate` counted."""

    def __init__(self, model: Any):
        self._model, self.calls = model, 0

    def generate(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        return self._model.generate(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def reference_of(file: str) -> str | None:
    """The transcript beside a recording."""
    path = Path(file).with_suffix(".txt")
    return path.read_text(encoding="utf-8") if path.is_file() else None


def errors(pairs: list[tuple[str, str]]) -> tuple[int, int]:
    """Wrong words of the texts against their references, and words of the references."""
    words = [len(reference.split()) for reference, _ in pairs]
    wrong = [
        round(rate.value * n) if (rate := error_rate(reference, text)) else 0
        for (reference, text), n in zip(pairs, words, strict=True)
    ]
    return sum(wrong), sum(words)


def row(name: str, mode: str, heard: list[dict], base: dict[tuple[str, str], str]) -> str:
    """One line of the table: a kernel in one mode, over all files."""
    mine = [one for one in heard if one["mode"] == mode]
    judged = [(reference_of(one["file"]), one["text"]) for one in mine]
    wrong, words = errors([(reference, text) for reference, text in judged if reference])
    differ, all_words = errors([(base[mode, one["file"]], one["text"]) for one in mine])
    cells = [
        name,
        mode,
        f"{wrong / words:.1%} ({wrong} of {words})" if words else "",
        f"{differ} of {all_words}",
        sum(one["decodings"] for one in mine),
        f"{sum(one['random'] for one in mine)} of {sum(one['segments'] for one in mine)}",
        f"{sum(one['seconds'] for one in mine):.0f}",
    ]
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    """Print a table per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", required=True, help="folders of models")
    parser.add_argument("--audio", nargs="+", required=True, help="recordings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--one", help=argparse.SUPPRESS
    )  # the compute type: be one kernel's process
    given = parser.parse_args()
    if given.one:
        print(json.dumps(hear(given.models[0], given.one, given.threads, given.audio)))
        return 0
    clean = {k: v for k, v in os.environ.items() if not k.startswith(STEERING + CAPS)}
    for folder in given.models:
        print(f"\n{Path(folder).name}, {len(given.audio)} files\n")
        print("| kernel | decoding | WER | words that differ from float32 | decodings |"
              " segments above temperature 0 | seconds, roughly |")  # fmt: skip
        print("|---|---|---|---|---|---|---|")
        base: dict[tuple[str, str], str] = {}
        for name, compute_type, more in KERNELS:
            command = [sys.executable, __file__, "--one", compute_type, "--models", folder]
            command += ["--threads", str(given.threads), "--audio", *given.audio]
            done = subprocess.run(
                command, env=clean | more, stdout=subprocess.PIPE, text=True, check=True
            )
            heard = json.loads(done.stdout)
            if not base:
                base = {(one["mode"], one["file"]): one["text"] for one in heard}
            for mode in MODES:
                print(row(name, mode, heard, base), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
