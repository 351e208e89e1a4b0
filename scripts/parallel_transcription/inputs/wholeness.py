"""Whether an audio file is whole: what it claims, what it holds, what comes out of it.

A length is held against a file only if the file itself claims it (`claims`): a header that was
filled in, not the placeholder of a stream, and no guess from the bit rate.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallel_transcription.inputs import claims
from parallel_transcription.inputs.patterns import fault_of

SHORTFALL_S = 0.5  # how much shorter than it claims a whole file may turn out
SHORTFALL_SHARE = 0.02
COPY = "copy it again from its source"


@dataclass(frozen=True)
class Contents:
    """What a container holds, in seconds: its claim (None without one), the end of its last packet.

    `audio_s` is the length of all packets of the first audio stream together, `span_s` from the
    first one's begin to the last one's end; both end times count only where packets have times.
    `last_byte` is where the last packet ends in the file, None where FFmpeg does not tell; `stops`
    says that it stopped there with an error, which faster-whisper takes for the end.
    """

    claimed_s: float | None
    end_s: float
    audio_s: float
    span_s: float
    last_byte: int | None
    stops: bool

    def remark(self) -> str | None:
        """What one should know of pauses for which there are no packets."""
        if not is_short(self.audio_s, self.span_s):
            return None
        return (
            f"has gaps: {self.span_s - self.audio_s:.1f} of {self.span_s:.1f} s are missing in it, "
            "and faster-whisper joins what is there"
        )


def contents(container: Any, path: Path) -> Contents:
    """Go through the packets of an open container (`av.open`), without decoding them."""
    import av

    stream = container.streams.audio[0]
    claimed = claims.seconds(container, path)
    tag = claims.tag_behind(path, path.stat().st_size)
    end = total = last = 0.0
    first, last_byte, stops, untold = None, 0, False, 0
    try:
        for packet in container.demux():
            if not packet.size or packet.time_base is None or (packet.pos or 0) >= tag:
                continue
            last_byte = max(last_byte, (packet.pos or 0) + packet.size if packet.pos else 0)
            seconds = float((packet.duration or 0) * packet.time_base)
            begin = packet.pts if packet.pts is not None else packet.dts
            until = (float(begin * packet.time_base) if begin is not None else end) + seconds
            end = max(end, until)
            if packet.stream.index == stream.index and not packet.is_discard:  # before a cut
                untold += not packet.duration
                first = until - seconds if first is None else min(first, until - seconds)
                last, total = max(last, until), total + seconds
    except av.error.InvalidDataError:
        stops = True  # faster-whisper takes it for the end
    span = last - (first or 0.0)
    if not claims.has_times(container):
        end = span = total
    elif untold:  # packets without a length leave no gaps that one could tell
        total = span
    return Contents(claimed, end, total, span, last_byte or None, stops)


def check_contents(path: Path, size: int, held: Contents) -> None:
    """Refuse a file whose end is missing, or of which something is not read. Raises AudioError."""
    samples = claims.samples(path, size)
    cut = _cut_in_a_page(path, size) or claims.is_cut_in_a_box(path, size)
    if (samples and samples.end > size) or cut:
        raise fault_of(path, "is cut off: its end is missing", COPY)
    if held.last_byte and claims.another_begins(path, held.last_byte):
        raise _joined(path, "holds another file behind its end, which no decoder reads")
    _check_claim(path, max(held.end_s, held.audio_s), held.claimed_s)
    if held.stops and not claims.only_zeros_follow(path, held.last_byte or 0):
        raise _joined(path, f"stops decoders after {held.audio_s:.1f} s, before its end")
    _check_what_follows(path, size, samples, held)


def _check_what_follows(
    path: Path, size: int, samples: claims.Samples | None, held: Contents
) -> None:
    """Refuse a WAV file that goes on behind the samples of which its header tells."""
    if samples is None or not _is_wave(path) or not held.audio_s:
        return
    rest_s = (size - samples.end) / (samples.end - samples.begin) * held.audio_s
    if is_short(held.audio_s, held.audio_s + rest_s) and claims.goes_on(path, size, samples.end):
        raise fault_of(
            path,
            f"goes on behind the {held.audio_s:.1f} s of which its header tells, and no decoder "
            "reads that",
            "its header is wrong, or another file was joined to it: write it anew, for example "
            "with sox --ignore-length IN OUT.wav",
        )


def check_decoded(path: Path, seconds: float, held: Contents) -> None:
    """Refuse a file of which a decoder gives only a part. Raises AudioError."""
    if is_short(seconds, held.audio_s):
        if held.claimed_s is not None and not is_short(held.claimed_s, held.audio_s):
            _check_claim(path, seconds, held.claimed_s)
        raise _joined(path, f"gives {seconds:.1f} s of the {held.audio_s:.1f} s that it holds")


def _check_claim(path: Path, seconds: float, claimed_s: float | None) -> None:
    if claimed_s is not None and is_short(seconds, claimed_s):
        raise fault_of(
            path,
            f"is cut off or damaged: {seconds:.1f} s of the {claimed_s:.1f} s that it claims are "
            "there",
            COPY,
        )


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


def _is_wave(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:] == b"WAVE"


def _cut_in_a_page(path: Path, size: int) -> bool:
    """Whether an Ogg file ends within a page, which FFmpeg passes over in silence."""
    with path.open("rb") as file:
        return file.read(4) == b"OggS" and claims.end_of_page(file, size) > size


def plain_file(path: Path) -> str:
    """A name that FFmpeg takes for a file ("12:30.wav" alone looks to it like a protocol)."""
    return os.path.abspath(path)
