"""What one transcription is: the engine's options, and what a caller does with each file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.decoded import Decoded, summary

#: Whisper's input (`faster_whisper.decode_audio`, and `FeatureExtractor.chunk_length`).
SAMPLES_PER_SECOND = 16_000
WINDOW_S = 30


@dataclass
class Transcript:
    """What one transcription gave.

    `cpu_s` is the CPU time of the calling thread alone, `first_segment_s` when the first segment
    was there, from the beginning of this transcription; None without one. A service tells no
    segments.
    """

    text: str
    segments: int | None
    last_end_s: float | None
    language: str
    cpu_s: float
    first_segment_s: float | None = None


#: Takes a file's path; returns when its text is there.
Transcriber = Callable[[str], Transcript]
#: Begins a file's transcription: its segments, which are made as they are taken, and what is known.
_Begin = Callable[[str], tuple[Iterable[Any], Any]]


def transcribe_options(configuration: Configuration) -> dict[str, Any]:
    """The keyword arguments of `WhisperModel.transcribe`; what is at its default stays out."""
    options: dict[str, Any] = {
        "beam_size": configuration.beam_size,
        "vad_filter": configuration.vad_filter,
        "word_timestamps": configuration.word_timestamps,
        "condition_on_previous_text": configuration.condition_on_previous_text,
    }
    if configuration.language != "auto":
        options["language"] = configuration.language
    if not configuration.temperature_fallback:
        options["temperature"] = 0.0
    return options


def model_options(
    configuration: Configuration, device_index: int | list[int]
) -> dict[str, str | int | list[int]]:
    """The keyword arguments of `WhisperModel`."""
    return {
        "device": configuration.device,
        "device_index": device_index,
        "compute_type": configuration.compute_type,
        "cpu_threads": configuration.cpu_threads,
        "num_workers": configuration.num_workers,
    }


#: In batches, a shorter rest of a file gets no window of its own: no word is as short, and the
#: engine would invent some. One after another, windows end where a segment did.
SHORTEST_WINDOW_S = 0.2
#: In batches, silences are as long as one after another (`VadOptions`), not as the pipeline has
#: them, so that both sides decode the same audio.
_SILENCE_MS = 2000

#: A file, its segments, and the seconds of it that were decoded, kept until the clock has stopped.
Kept = list[tuple[str, list[Any], float]]


def make_transcriber(
    model: Any, configuration: Configuration, kept: Kept, warming: bool = False
) -> Transcriber:
    """A caller's access to a loaded `WhisperModel`; it adds each file's segments to `kept`.

    One that is `warming` ends each file with its first text: then a window has been encoded and
    decoded, which is what later ones find warm.
    """
    options = transcribe_options(configuration)
    batch_size, slowdown = configuration.batch_size, configuration.slowdown
    if batch_size:
        begin = _in_batches(model, options, batch_size)
    else:
        begin = _one_after_another(model, options)

    def transcribe(path: str) -> Transcript:
        cpu_before, began = time.thread_time(), time.monotonic()
        segments, info = begin(path)
        heard = []
        first = None
        since = time.monotonic()
        for segment in segments:  # a generator: the work happens here
            heard.append(segment)
            if first is None:
                first = time.monotonic() - began
            if warming:
                break
            if slowdown:
                time.sleep(slowdown * (time.monotonic() - since))
                since = time.monotonic()
        kept.append((path, heard, info.duration_after_vad))
        return Transcript(
            text="".join(segment.text for segment in heard).strip(),
            segments=len(heard),
            last_end_s=heard[-1].end if heard else 0.0,
            language=info.language,
            cpu_s=time.thread_time() - cpu_before,
            first_segment_s=first,
        )

    return transcribe


def take(kept: Kept) -> list[Decoded]:
    """Sum up what the transcribers kept, and forget it."""
    taken, kept[:] = list(kept), []
    return [summary(file, segments, seconds) for file, segments, seconds in taken]


def _one_after_another(model: Any, options: Mapping[str, Any]) -> _Begin:
    """`WhisperModel.transcribe` with these options."""

    def begin(path: str) -> tuple[Iterable[Any], Any]:
        segments, info = model.transcribe(path, **options)
        return segments, info

    return begin


def _in_batches(model: Any, options: Mapping[str, Any], batch_size: int) -> _Begin:
    """The same with so many windows of a file decoded together.

    It does the same work: with timestamps, and all of the audio unless the options say
    `vad_filter` (the pipeline's own defaults are without and with it), then the same speech. A
    pipeline has state of its file, so each call gets its own; it costs nothing.
    """
    from faster_whisper import BatchedInferencePipeline, decode_audio

    options = {**options, "batch_size": batch_size, "without_timestamps": False}

    def begin(path: str) -> tuple[Iterable[Any], Any]:
        audio = decode_audio(path)
        if options["vad_filter"]:  # a dictionary of each call's own, for the pipeline changes it
            cuts: dict[str, Any] = {"vad_parameters": {"min_silence_duration_ms": _SILENCE_MS}}
        else:
            cuts = {"clip_timestamps": windows(len(audio) / SAMPLES_PER_SECOND)}
        segments, info = BatchedInferencePipeline(model).transcribe(audio, **options, **cuts)
        return segments, info

    return begin


def windows(seconds: float) -> list[dict[str, float]]:
    """Where the windows of a file begin and end, in seconds, when they are decoded together.

    Whole ones of 30 s, and one for the rest unless that is too short to hold a word.
    """
    whole, rest = divmod(seconds, WINDOW_S)
    ends = [(n + 1) * float(WINDOW_S) for n in range(int(whole))]
    if rest >= SHORTEST_WINDOW_S or not ends:
        ends.append(seconds)
    return [{"start": float(n * WINDOW_S), "end": end} for n, end in enumerate(ends)]
