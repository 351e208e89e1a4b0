"""Whether an audio file is whole: what its container claims, what it holds, what comes out of it.

FFmpeg passes over missing ends in silence, and guesses lengths where a file claims none. So a
length is held against a file only if the file itself claims it: a header that was filled in, not
the placeholder of a stream, and no guess from the bit rate.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallel_transcription.inputs.patterns import fault_of

SHORTFALL_S = 0.5  # how much shorter than it claims a whole file may turn out
SHORTFALL_SHARE = 0.02
COPY = "copy it again from its source"
#: Containers whose header or index says how long they are.
CLAIMING = frozenset(
    ("flac", "mov", "mp4", "m4a", "3gp", "matroska", "webm", "asf", "avi", "aiff", "caf", "w64",
     "tta", "ape", "wv", "mpc", "mpc8", "mxf", "flv")
)  # fmt: skip
_LONGEST_OGG_PAGE = 65307  # bytes, RFC 3533
#: Sizes from here on stand in headers of streams, whose length was not known: programs write
#: 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF less the header, or the like.
_PLACEHOLDER = 0x7FFF0000
_HEADERS_OF_MP3 = (b"Xing", b"Info", b"VBRI")


@dataclass(frozen=True)
class Contents:
    """What a container holds, in seconds: its claim (None without one), the end of its last packet.

    `audio_s` is the length of all packets of the first audio stream together.
    """

    claimed_s: float | None
    end_s: float
    audio_s: float


def contents(container: Any, path: Path) -> Contents:
    """Go through the packets of an open container (`av.open`), without decoding them."""
    import av

    stream = container.streams.audio[0]
    claimed = None
    if _claims(container.format.name, path):
        known = [float(stream.duration * stream.time_base)] if stream.duration else []
        if container.duration:
            known.append(container.duration / av.time_base)
        claimed = max(known, default=None)
    end = total = 0.0
    for packet in container.demux():
        if not packet.size or packet.time_base is None:
            continue
        seconds = float((packet.duration or 0) * packet.time_base)
        begin = packet.pts if packet.pts is not None else packet.dts
        end = max(end, (float(begin * packet.time_base) if begin is not None else end) + seconds)
        if packet.stream.index == stream.index:
            total += seconds
    return Contents(claimed, end, total)


def check_contents(path: Path, size: int, held: Contents) -> None:
    """Refuse a file whose end is missing. Raises AudioError."""
    if _lacks_its_end(path, size):
        raise fault_of(path, "is cut off: its end is missing", COPY)
    if held.claimed_s is not None and is_short(max(held.end_s, held.audio_s), held.claimed_s):
        raise fault_of(
            path,
            f"is cut off or damaged: {held.end_s:.1f} s of the {held.claimed_s:.1f} s that it "
            "claims are there",
            COPY,
        )
    if _goes_on_behind(path, size):
        raise _joined(path, "holds another file behind its end, which no decoder reads")


def check_decoded(path: Path, seconds: float, held: Contents) -> None:
    """Refuse a file of which a decoder gives only a part. Raises AudioError."""
    if is_short(seconds, held.audio_s):
        raise _joined(path, f"gives {seconds:.1f} s of the {held.audio_s:.1f} s that it holds")


def changing(path: Path) -> Exception:
    """The error of a file whose sample rate or channels change within it."""
    return _joined(path, "changes its sample rate or its channels in the middle")


def _joined(path: Path, fault: str) -> Exception:
    return fault_of(
        path,
        f"{fault}: it was joined of several files, or is damaged inside",
        "convert each of its parts and join what comes out, or leave it out",
    )


def is_short(seconds: float, expected_s: float) -> bool:
    """Whether so many seconds are less than a whole file may have."""
    return expected_s - seconds > SHORTFALL_S + SHORTFALL_SHARE * expected_s


def _claims(names: str, path: Path) -> bool:
    """Whether the length that FFmpeg tells of a file is one that the file claims."""
    if set(names.split(",")) & CLAIMING:
        return True
    if names == "mp3":
        with path.open("rb") as file:
            head = file.read(10)
            if head[:3] == b"ID3":  # four times seven bits, less its own ten bytes
                size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0),
                           strict=True))  # fmt: skip
                file.seek(10 + size)
            else:
                file.seek(0)
            first = file.read(4096)
        return any(name in first for name in _HEADERS_OF_MP3)
    return False


def _lacks_its_end(path: Path, size: int) -> bool:
    """Whether a WAV or Ogg file ends too early, which FFmpeg passes over in silence."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            data = _data_of_wave(file, head, size)
            return data is not None and data[0] + data[1] > size
        if head[:4] == b"OggS":
            file.seek(max(0, size - _LONGEST_OGG_PAGE))
            tail = file.read()
            last = tail.rfind(b"OggS")
            sizes = tail[last + 27 : last + 27 + tail[last + 26]] if last + 26 < len(tail) else b""
            return not sizes or last + 27 + len(sizes) + sum(sizes) > len(tail)
    return False


def _data_of_wave(file: Any, head: bytes, size: int) -> tuple[int, int] | None:
    """Place and length of a WAV file's samples; None where it claims none."""
    of_file = int.from_bytes(head[4:8], "little")
    position = 12
    while len(chunk := file.read(8)) == 8:
        length = int.from_bytes(chunk[4:], "little")
        position += 8
        if chunk[:4] == b"data":
            streamed = _is_placeholder(length) or (_is_placeholder(of_file) and of_file > size)
            return None if streamed or (length > size and not of_file) else (position, length)
        position += length + length % 2
        file.seek(position)
    return None


def _is_placeholder(length: int) -> bool:
    return length == 0 or length >= _PLACEHOLDER


def _goes_on_behind(path: Path, size: int) -> bool:
    """Whether a second WAV or MP4 file follows the first one in the same file."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            data = _data_of_wave(file, head, size)
            if data is None:
                return False
            file.seek(sum(data))
            rest = file.read(64)
            return b"RIFF" in rest[:9] and b"WAVE" in rest
        if head[4:8] == b"ftyp":
            return _atoms(file, size).count(b"moov") > 1
    return False


def _atoms(file: Any, size: int) -> list[bytes]:
    """The names of an MP4 file's outer atoms."""
    names: list[bytes] = []
    position = 0
    while position + 8 <= size and len(names) < 10_000:
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        names.append(head[4:8])
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            break
        position += length
    return names


def plain_file(path: Path) -> str:
    """A name that FFmpeg takes for a file ("12:30.wav" alone looks to it like a protocol)."""
    return os.path.abspath(path)
