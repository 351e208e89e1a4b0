"""An audio file checked before anything is timed.

A file is checked by decoding all of it the way faster-whisper will (`decode_audio`, PyAV), so a
file that passes also works when it is measured. Any sample rate, channels, container and name
will do.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from parallel_transcription.fingerprint import FingerprintError, file_sha256
from parallel_transcription.inputs import wholeness
from parallel_transcription.inputs.claims import has_no_header
from parallel_transcription.inputs.patterns import AudioError, fault_of, size_in_bytes
from parallel_transcription.inputs.wholeness import Contents, plain_file

SAMPLE_RATE = 16000  # what Whisper works on, samples per second
SHORTEST_S = 0.1
SILENT_BELOW_DBFS = -60.0
_PLAYLISTS = frozenset(("hls", "concat", "dash", "sdp", "rtsp", "webm_dash_manifest", "imf"))
_AT_ONCE = 1 << 20  # samples whose levels are taken together


def inspect(
    path: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Decode a whole file and say what it holds.

    Returns file (its name), path (as given), seconds (decoded), sample_rate (1/s) and channels
    and codec (of the first audio stream), remark (what one should know of it, or None), sha256,
    size_bytes, peak_dbfs and rms_dbfs (of what Whisper hears: one channel, 16 kHz; dB below full
    scale) and reference (the text of `<stem>.txt` beside it, or None). `cache` remembers hashes,
    see `fingerprint.file_sha256`.

    Raises AudioError for a file that is missing, unreadable, empty, undecodable, cut off, without
    sound, shorter than SHORTEST_S or silent (peak below SILENT_BELOW_DBFS).
    """
    path = Path(path)
    size = size_in_bytes(path)
    stream, held = _describe_stream(path)
    wholeness.check_contents(path, size, held)
    samples = _decode(path)
    seconds = len(samples) / SAMPLE_RATE
    if seconds == 0:
        raise fault_of(path, "holds no sound (0 samples)", "record or export it again")
    wholeness.check_decoded(path, seconds, held)
    if seconds < SHORTEST_S:
        raise fault_of(path, f"lasts only {seconds:.3f} s", f"use at least {SHORTEST_S} s")
    peak, rms, swing = _levels(samples)
    if peak < SILENT_BELOW_DBFS:
        raise _silent(path, peak, stream["channels"])
    if swing < SILENT_BELOW_DBFS:
        raise fault_of(
            path,
            "holds no sound: all of its samples are one value",
            "check the recording, or leave the file out",
        )
    try:
        digest = file_sha256(path, cache)
    except FingerprintError as error:
        raise fault_of(
            path, f"cannot be read again ({error})", "leave it alone meanwhile"
        ) from None
    return {
        "file": path.name,
        "path": os.fspath(path),
        "seconds": seconds,
        **stream,
        "sha256": digest,
        "size_bytes": size,
        "peak_dbfs": round(peak, 2),
        "rms_dbfs": round(rms, 2),
        "reference": read_reference(path),
    }


def read_reference(path: str | os.PathLike[str]) -> str | None:
    """The text of `<stem>.txt` beside an audio file; None if there is none or it is empty.

    Raises AudioError if it is not UTF-8 text.
    """
    reference = Path(path).with_suffix(".txt")
    if reference == Path(path) or not reference.is_file():
        return None
    try:
        return reference.read_text(encoding="utf-8-sig").strip() or None
    except UnicodeDecodeError:
        raise fault_of(reference, "is not UTF-8 text", "save the transcript as UTF-8") from None
    except OSError as error:
        raise fault_of(reference, f"cannot be read ({error.strerror})", "check it") from None


def _describe_stream(path: Path) -> tuple[dict[str, Any], Contents]:
    """Properties of the first audio stream, and what the container holds."""
    import av

    try:
        with av.open(plain_file(path), metadata_errors="ignore") as container:
            if _PLAYLISTS & set(container.format.name.split(",")):
                raise fault_of(path, "is a playlist", "give the audio files themselves")
            if has_no_header(container):
                raise fault_of(
                    path,
                    "has no header, so its sample rate and channels are not known",
                    "say what it is when you convert it, for example: "
                    "sox -t raw -r 8000 -e signed -b 16 -c 1 IN OUT.flac",
                )
            tracks = container.streams.audio
            if not tracks:
                raise fault_of(path, "has no audio stream", "leave the file out")
            codec = tracks[0].codec_context
            if codec is None:
                raise fault_of(
                    path,
                    "has a codec that this FFmpeg cannot decode",
                    "convert it, for example to FLAC",
                )
            described = {
                "sample_rate": codec.sample_rate,
                "channels": codec.channels,
                "codec": codec.name,
            }
            held = wholeness.contents(container, path)
            remarks = filter(None, (_remark_on_tracks(tracks), held.remark()))
            return described | {"remark": "; it ".join(remarks) or None}, held
    except _from_decoders() as error:
        raise _undecodable(path, error) from error


def _remark_on_tracks(tracks: Any) -> str | None:
    """Which one of several tracks faster-whisper takes: always the first."""
    if len(tracks) < 2:
        return None
    names = [track.metadata.get("language") or "no language told" for track in tracks]
    return (
        f"has {len(tracks)} audio tracks ({', '.join(names)}); faster-whisper takes the first one "
        f"({names[0]})"
    )


def _from_decoders() -> tuple[type[Exception], ...]:
    """What FFmpeg, PyAV and faster-whisper raise for files that they cannot read."""
    from av.error import FFmpegError

    return (OSError, ValueError, LookupError, AttributeError, TypeError, RuntimeError,
            ArithmeticError, MemoryError, FFmpegError)  # fmt: skip


def _decode(path: Path) -> Any:
    """All samples as faster-whisper gets them: float32, one channel, 16 kHz."""
    from faster_whisper.audio import decode_audio

    try:
        return decode_audio(plain_file(path), sampling_rate=SAMPLE_RATE)
    except ValueError as error:
        if "AudioFifo" in str(error):
            raise wholeness.changing(path) from error
        raise _undecodable(path, error) from error
    except _from_decoders() as error:
        raise _undecodable(path, error) from error


def _silent(path: Path, peak: float, channels: int) -> AudioError:
    """The error of a file in which nothing is heard; its channels may cancel each other."""
    loudest = _loudest_channel(path) if channels > 1 else peak
    if loudest >= SILENT_BELOW_DBFS:
        return fault_of(
            path,
            f"is silent as Whisper hears it: its {channels} channels cancel each other, or are "
            f"left out, when they are mixed to one (alone they have a peak of {loudest:.0f} dBFS)",
            "take one channel: ffmpeg -i IN -af 'pan=mono|c0=c0' OUT.flac",
        )
    loud = "digital silence" if peak == -math.inf else f"its peak is {peak:.0f} dBFS"
    return fault_of(path, f"is silent ({loud})", "check the recording, or leave the file out")


def _loudest_channel(path: Path) -> float:
    """The highest peak of a channel by itself, dBFS."""
    import av
    import numpy

    peak = 0.0
    with av.open(plain_file(path), metadata_errors="ignore") as container:
        resampler = av.AudioResampler(format="fltp")
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                peak = max(peak, float(numpy.abs(part.to_ndarray()).max(initial=0.0)))
    return _decibels(peak)


def _undecodable(path: Path, error: Exception) -> AudioError:
    if isinstance(error, AudioError):
        return error
    reason = getattr(error, "strerror", None) or type(error).__name__
    return fault_of(
        path,
        f"cannot be decoded ({reason})",
        "it is damaged, cut off, without a header or no audio: copy it again, convert it, or leave "
        "it out",
    )


def _levels(samples: Any) -> tuple[float, float, float]:
    """Peak, root mean square and swing in dB below full scale; digital silence is -inf.

    The swing is from the lowest sample to the highest one: what does not move is not heard.
    In parts: copies of an hour at once would take a gigabyte.
    """
    import numpy

    power, lowest, highest = 0.0, math.inf, -math.inf
    for start in range(0, len(samples), _AT_ONCE):
        part = samples[start : start + _AT_ONCE].astype(numpy.float64)
        lowest, highest = min(lowest, float(part.min())), max(highest, float(part.max()))
        power += float(numpy.square(part).sum())
    return (
        _decibels(max(-lowest, highest)),
        _decibels(math.sqrt(power / len(samples))),
        _decibels(highest - lowest),
    )


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
