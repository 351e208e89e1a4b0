"""Audio files: found by pattern, and checked before anything is timed.

A file is checked by decoding all of it the way faster-whisper will (`decode_audio`, PyAV), so a
file that passes also works when it is measured. Any sample rate, channels, container and name
will do.
"""

from __future__ import annotations

import glob
import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from parallel_transcription.errors import InputError
from parallel_transcription.fingerprint import FingerprintError, file_sha256
from parallel_transcription.inputs.regular_file import Unreadable, size_of

SAMPLE_RATE = 16000  # what Whisper works on, samples per second
SHORTEST_S = 0.1
SILENT_BELOW_DBFS = -60.0
#: Endings of what may stand beside audio ("": README, SHA256SUMS); wildcards pass over it.
NOT_AUDIO = frozenset(
    ("", ".txt", ".md", ".rst", ".json", ".yaml", ".yml", ".csv", ".tsv", ".srt", ".vtt", ".py",
     ".sh", ".sha256", ".license", ".html", ".pdf", ".ini", ".toml", ".log", ".part", ".tmp")
)  # fmt: skip
_SHORTFALL_S = 0.5  # how much shorter than its header says a whole file may turn out
_SHORTFALL_SHARE = 0.02
_LONGEST_OGG_PAGE = 65307  # bytes, RFC 3533
_PLAYLISTS = frozenset(("hls", "concat", "dash", "sdp", "rtsp", "webm_dash_manifest", "imf"))


class AudioError(InputError):
    """A pattern or a file that cannot be used; the message names it, the fault and a remedy."""


# ----------------------------------------------------------------------------- patterns


def expand(patterns: Sequence[str], base: str | os.PathLike[str]) -> list[Path]:
    """The files that patterns name, each once, in the order of the patterns.

    A pattern is a file or has wildcards (`*`, `?`, `[…]`, `**` for any folders); relative ones
    start at `base`, and so do the paths returned for them. Files of one pattern are sorted by
    name, numbers by value (`2.wav` before `10.wav`). Wildcards pass over folders, hidden files and
    what is plainly no audio (NOT_AUDIO, such as transcripts).

    Raises AudioError for a pattern that matches nothing or names a folder, and for no patterns.
    """
    if not patterns:
        raise AudioError("no audio is named; give files or patterns such as 'audio/*.flac'")
    files: dict[str, Path] = {}
    for pattern in patterns:
        for path in _matches(pattern, Path(base)):
            files.setdefault(os.path.abspath(Path(base) / path), path)
    return list(files.values())


def _matches(pattern: str, base: Path) -> list[Path]:
    if not isinstance(pattern, str) or not pattern or "\0" in pattern:
        raise AudioError(f"{pattern!r} is no file name; give files or patterns ('audio/*.flac')")
    expanded = os.path.expanduser(pattern)
    if os.path.lexists(base / expanded):  # a name may itself contain [ ] or *
        if (base / expanded).is_dir():
            raise AudioError(
                f"{pattern!r} is a folder; name the files in it: {os.path.join(pattern, '*')!r}"
            )
        return [Path(expanded)]
    if not glob.has_magic(expanded):
        raise AudioError(f"{pattern!r}: there is no such file; correct the name")
    found = glob.glob(expanded, root_dir=base, recursive=True)
    files = [
        path
        for path in map(Path, found)
        if path.suffix.lower() not in NOT_AUDIO and (base / path).is_file()
    ]
    if not files:
        only = " but folders and files that are no audio" if found else ""
        raise AudioError(f"{pattern!r} matches nothing{only}; correct the pattern")
    return sorted(files, key=natural_key)


def check_files(paths: Iterable[Path], base: str | os.PathLike[str]) -> None:
    """Refuse what is no readable regular file with content (a pipe would make its reader wait).

    Nothing is decoded. Raises one AudioError with a line per bad file.
    """
    bad = []
    for path in paths:
        try:
            if not os.fspath(path).isprintable() and "\udc80" <= max(os.fspath(path)) <= "\udcff":
                raise _bad(path, "has a name that is not UTF-8", "give it another name")
            _size_of(path, base)
        except AudioError as error:
            bad.append(str(error))
    if bad:
        raise AudioError("\n".join(bad))


def natural_key(path: str | os.PathLike[str]) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts names as people do: digits by their value, then letters without regard to case."""
    text = os.fspath(path)
    parts = re.split(r"(\d+)", text)
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts
    ], text


# --------------------------------------------------------------------------- inspection


def inspect(
    path: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Decode a whole file and say what it holds.

    Returns file (its name), path (as given), seconds (decoded), sample_rate (1/s) and channels
    and codec (of the first audio stream), sha256, size_bytes, peak_dbfs and rms_dbfs (of what
    Whisper hears: one channel, 16 kHz; dB below full scale) and reference (the text of
    `<stem>.txt` beside it, or None). `cache` remembers hashes, see `fingerprint.file_sha256`.

    Raises AudioError for a file that is missing, unreadable, empty, undecodable, cut off, without
    sound, shorter than SHORTEST_S or silent (peak below SILENT_BELOW_DBFS).
    """
    path = Path(path)
    size = _size_of(path)
    stream = _describe_stream(path)
    if _is_cut_off(path, size):
        raise _bad(path, "is cut off: its end is missing", "copy it again from its source")
    samples = _decode(path)
    seconds = len(samples) / SAMPLE_RATE
    if seconds == 0:
        raise _bad(path, "holds no sound (0 samples)", "record or export it again")
    declared = stream.pop("declared_s")
    if declared is not None and declared - seconds > _SHORTFALL_S + _SHORTFALL_SHARE * declared:
        raise _bad(
            path,
            f"is cut off or damaged: {seconds:.1f} s of {declared:.1f} s can be decoded",
            "copy it again from its source",
        )
    if seconds < SHORTEST_S:
        raise _bad(path, f"lasts only {seconds:.3f} s", f"use at least {SHORTEST_S} s")
    peak, rms = _levels(samples)
    if peak < SILENT_BELOW_DBFS:
        loud = "digital silence" if peak == -math.inf else f"its peak is {peak:.0f} dBFS"
        raise _bad(path, f"is silent ({loud})", "check the recording, or leave the file out")
    try:
        digest = file_sha256(path, cache)
    except FingerprintError as error:
        raise _bad(path, f"cannot be read again ({error})", "leave it alone meanwhile") from None
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


def inspect_all(
    paths: Iterable[str | os.PathLike[str]], cache: str | os.PathLike[str] | None = None
) -> list[dict[str, Any]]:
    """Inspect many files, sorted by path. Raises one AudioError with a line per bad file."""
    good, bad = [], []
    for path in sorted({os.fspath(path) for path in paths}):
        try:
            good.append(inspect(path, cache))
        except AudioError as error:
            bad.append(str(error))
    if bad:
        raise AudioError("\n".join(bad))
    return good


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
        raise _bad(reference, "is not UTF-8 text", "save the transcript as UTF-8") from None
    except OSError as error:
        raise _bad(reference, f"cannot be read ({error.strerror})", "check it") from None


def _bad(path: Path, fault: str, remedy: str) -> AudioError:
    return AudioError(f"{os.fspath(path)!r} {fault}; {remedy}")


def _size_of(path: Path, base: str | os.PathLike[str] = "") -> int:
    try:
        size = size_of(Path(base, path), "an audio file")
    except Unreadable as error:
        raise _bad(path, error.fault, error.remedy) from None
    if size == 0:
        raise _bad(path, "is empty (0 bytes)", "copy it again from its source")
    return size


def _describe_stream(path: Path) -> dict[str, Any]:
    """Properties of the first audio stream, and the length that the file claims (or None)."""
    import av

    try:
        with av.open(_plain_file(path), metadata_errors="ignore") as container:
            if _PLAYLISTS & set(container.format.name.split(",")):
                raise _bad(path, "is a playlist", "give the audio files themselves")
            if not container.streams.audio:
                raise _bad(path, "has no audio stream", "leave the file out")
            stream = container.streams.audio[0]
            declared = None
            if stream.duration is not None and stream.time_base is not None:
                declared = float(stream.duration * stream.time_base)
            elif container.duration is not None and len(container.streams) == 1:
                declared = container.duration / av.time_base
            return {
                "sample_rate": stream.codec_context.sample_rate,
                "channels": stream.codec_context.channels,
                "codec": stream.codec_context.name,
                "declared_s": declared,
            }
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _undecodable(path, error) from error


def _is_cut_off(path: Path, size: int) -> bool:
    """Whether a WAV or Ogg file ends too early, which FFmpeg passes over in silence."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            position = 12
            while len(chunk := file.read(8)) == 8:
                length = int.from_bytes(chunk[4:], "little")
                position += 8 + length
                if chunk[:4] == b"data":  # 0 and 4 GiB: written to a pipe, length unknown
                    return position > size and length not in (0, 0xFFFFFFFF)
                file.seek(position + length % 2)
                position += length % 2
        elif head[:4] == b"OggS":
            file.seek(max(0, size - _LONGEST_OGG_PAGE))
            tail = file.read()
            last = tail.rfind(b"OggS")
            sizes = tail[last + 27 : last + 27 + tail[last + 26]] if last + 26 < len(tail) else b""
            return not sizes or last + 27 + len(sizes) + sum(sizes) > len(tail)
    return False


def _decode(path: Path) -> Any:
    """All samples as faster-whisper gets them: float32, one channel, 16 kHz."""
    import av
    from faster_whisper.audio import decode_audio

    try:
        return decode_audio(_plain_file(path), sampling_rate=SAMPLE_RATE)
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise _undecodable(path, error) from error


def _plain_file(path: Path) -> str:
    """A name that FFmpeg takes for a file ("12:30.wav" alone looks to it like a protocol)."""
    return os.path.abspath(path)


def _undecodable(path: Path, error: Exception) -> AudioError:
    if isinstance(error, AudioError):
        return error
    reason = getattr(error, "strerror", None) or type(error).__name__
    return _bad(
        path,
        f"cannot be decoded ({reason})",
        "it is damaged, cut off or no audio: copy it again, convert it, or leave it out",
    )


def _levels(samples: Any) -> tuple[float, float]:
    """Peak and root mean square in dB below full scale; digital silence is -inf."""
    import numpy

    peak = float(numpy.abs(samples).max())
    power = float(numpy.mean(numpy.square(samples, dtype=numpy.float64)))
    return _decibels(peak), _decibels(math.sqrt(power))


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
