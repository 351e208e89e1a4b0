"""What an audio file's own header claims: where its samples end, and how long they are.

FFmpeg passes over missing ends in silence, and tells guesses (from bit rates and sizes) in the same
field as claims. So headers that FFmpeg does not hold to are read here: those of the containers that
say a size (RIFF, RF64, BW64, AIFF, 8SVX, CAF, Wave64, AU, ASF, NIST SPHERE, DSF, SoX, VOC, boxes of
MP4), and Xing's and Fraunhofer's of MP3. RealMedia and GXF are not held to theirs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

#: Containers of which FFmpeg tells the length that stands in their header or index.
_TIMED = frozenset(
    ("flac", "mov", "mp4", "m4a", "3gp", "tta", "ape", "wv", "mpc", "mpc8", "mxf")
)  # fmt: skip
#: The same, if this stands in what comes before their first packets (else it guesses).
_TIMED_IF = {
    "matroska": re.compile(rb"\x44\x89[\x84\x88]"),  # the element Duration of RFC 9559
    "flv": re.compile(rb"duration\0(?!\0{8})"),
}
_HEAD = 1 << 16  # bytes
#: Containers whose packets say when they are to be heard, so that sound may begin late or pause.
_WITH_TIMES = {"matroska", "flv", "mov", "mp4", "asf", "avi", "mpegts", "mpeg", "ogg", "nut"}
#: Sound without any header, of which FFmpeg takes rate, channels and layout for granted.
_WITHOUT_A_HEADER = re.compile(r"[usf]\d+[bl]?e?|alaw|mulaw|vidc|g726(le)?|dfpwm|bit")
#: Sizes from here on stand in headers of streams, whose length was not known: programs write
#: 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF less the header, or the like.
_PLACEHOLDER = 0x7FFF0000
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_WAVE64 = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
#: What a file begins with, and so one of its kind that was joined behind it.
_BEGINNINGS = [
    re.compile(sign, re.DOTALL)
    for sign in (
        rb"RIFF....WAVE",
        rb"FORM....AIF",
        rb"\.snd\0",
        rb"FLV\x01",
        rb"TTA\d",
        rb"caff\0\x01",
        rb"OggS",
        rb"fLaC",
        rb"\x1aE\xdf\xa3",
        rb"\0\0\0.ftyp",
        re.escape(_ASF),
        re.escape(_WAVE64),
    )
]
_SPHERE = re.compile(rb"(sample_count|sample_n_bytes|channel_count) -i (\d+)")
LONGEST_OGG_PAGE = 65307  # bytes, RFC 3533
_SEARCHED = 1 << 24  # bytes behind the last packet: tags and indexes lie there too
#: Chunks that follow the samples of a WAV file.
_NOTES = re.compile(
    rb".?(LIST|id3 |ID3 |bext|cue |smpl|JUNK|PAD |iXML|_PMX|fact|afsp|acid|inst|FLLR)"
)


class _Chunks(NamedTuple):
    """How a container lists its chunks: where the first one is, what the samples' one is called.

    `size` is the layout of a chunk's size, of `counted` bytes of its head as well, `padded` to a
    multiple of so many bytes.
    """

    first: int
    samples: bytes
    size: str
    counted: int = 0
    padded: int = 2


class Samples(NamedTuple):
    """Where a header says that a file's samples begin and end, in bytes."""

    begin: int
    end: int


def seconds(container: Any, path: Path) -> float | None:
    """How long an open container (`av.open`) says that it is; None where it claims nothing."""
    import av

    names = set(container.format.name.split(","))
    stream = container.streams.audio[0]
    if "mp3" in names:
        frames = _frames_of_mp3(path)
        return frames and frames * _samples_of_a_frame(stream.codec_context.sample_rate)
    if not names & _TIMED and not any(_stands_in(path, sign) for name, sign in _TIMED_IF.items()
                                      if name in names):  # fmt: skip
        return None
    own = float(stream.duration * stream.time_base) if stream.duration else 0.0
    return max(own, (container.duration or 0) / av.time_base) or None


def _stands_in(path: Path, sign: re.Pattern[bytes]) -> bool:
    """Whether something stands in the head of a file."""
    with path.open("rb") as file:
        return bool(sign.search(file.read(_HEAD)))


def has_times(container: Any) -> bool:
    """Whether the packets of an open container say when they are to be heard."""
    return bool(_WITH_TIMES & set(container.format.name.split(",")))


def has_no_header(container: Any) -> bool:
    """Whether FFmpeg knows by the ending of a file alone what is in it, and guesses its rate."""
    return bool(_WITHOUT_A_HEADER.fullmatch(container.format.name))


def samples(path: Path, size: int) -> Samples | None:
    """Where the samples lie, as the header has it; None where it does not say.

    Args:
        path: The file.
        size: Its size, in bytes.
    """
    with path.open("rb") as file:
        head = file.read(64)
        for begins, read in _READERS:
            if head.startswith(begins):
                return read(file, head, size)
    return None


def another_begins(path: Path, last_byte: int) -> bool:
    """Whether a file of the same kind begins behind the last packet that a demuxer gave."""
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(last_byte)
        rest = file.read(_SEARCHED)
    return any(begins.match(head) and begins.search(rest) for begins in _BEGINNINGS)


def goes_on(path: Path, size: int, end: int) -> bool:
    """Whether what follows a WAV file's samples is neither notes nor nothing."""
    with path.open("rb") as file:
        file.seek(end)
        rest = file.read(1 << 16)
    if not rest.strip(b"\0"):
        return False
    if _more_samples(rest):
        return True
    known = _NOTES.match(rest)  # an odd length is padded, or is not
    chunk = rest[:4].isascii() and rest[:4].decode("latin-1").isprintable()
    return not known and not (chunk and int.from_bytes(rest[4:8], "little") <= size - end)


def _more_samples(rest: bytes) -> bool:
    """Whether another chunk of samples, of which decoders know nothing, is among what follows."""
    place = 0
    while len(chunk := rest[place : place + 8]) == 8:
        if chunk[:4] == b"data":
            return True
        if not _NOTES.match(chunk):
            return False
        place += 8 + int.from_bytes(chunk[4:], "little")
        place += place % 2
    return False


def end_of_page(file: BinaryIO, place: int) -> int:
    """Where the page of an Ogg file ends that begins last before a place; the place itself, else.

    A page has a head of 27 bytes, of which the last is the number of sizes that follow (RFC 3533).
    """
    start = max(0, place - LONGEST_OGG_PAGE)
    file.seek(start)
    page = file.read(place - start + LONGEST_OGG_PAGE)
    last = page.rfind(b"OggS", 0, place - start)
    if last < 0 or last + 26 >= len(page):
        return place
    sizes = page[last + 27 : last + 27 + page[last + 26]]
    return start + last + 27 + len(sizes) + sum(sizes)


def is_cut_in_a_box(path: Path, size: int) -> bool:
    """Whether an MP4 file ends within a box of its media, as one in fragments may (ISO 14496-12).

    Its index tells of what was there when it was written, so FFmpeg passes over the missing end.
    """
    with path.open("rb") as file:
        place = 0
        while place + 8 <= size:
            file.seek(place)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if place == 0 and kind != b"ftyp":
                return False
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:  # 0: to the end of the file; else no box
                return False
            place += length
            if place > size:
                return kind in (b"mdat", b"moof")
    return False


def only_zeros_follow(path: Path, place: int) -> bool:
    """Whether a file holds nothing but zeros behind what ends at or near a byte."""
    with path.open("rb") as file:
        file.seek(end_of_page(file, place))
        while part := file.read(1 << 20):
            if part.strip(b"\0"):
                return False
    return True


# ----------------------------------------------------------------------------- headers of chunks


def _of_chunks(layout: _Chunks) -> Callable[[BinaryIO, bytes, int], Samples | None]:
    def read(file: BinaryIO, head: bytes, size: int) -> Samples | None:
        return _in_chunks(layout, file, head, size)

    return read


def _in_chunks(layout: _Chunks, file: BinaryIO, head: bytes, size: int) -> Samples | None:
    name, width = len(layout.samples), struct.calcsize(layout.size)
    of_file = int.from_bytes(head[4:8], "little" if layout.size[0] == "<" else "big")
    position, long_size = layout.first, 0
    while position < size:
        file.seek(position)
        chunk = file.read(name + width)
        if len(chunk) < name + width:
            break
        (length,) = struct.unpack(layout.size, chunk[name:])
        length -= layout.counted
        position += name + width
        if chunk[:name] == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], "little")
        elif chunk[:name] == layout.samples:
            if head.startswith((b"RF64", b"BW64")) and long_size:
                return Samples(position, position + long_size)
            return None if _is_open(length, of_file, size, width) else Samples(
                position, position + length)  # fmt: skip
        if length < 0:
            break
        position += -(-length // layout.padded) * layout.padded
    return None


def _is_open(length: int, of_file: int, size: int, width: int) -> bool:
    """Whether a size is none: it was written to a stream, before the length was known."""
    if length <= 0:
        return True
    if width > 4:
        return False
    streamed = _is_placeholder(length) or (_is_placeholder(of_file) and of_file > size)
    return streamed or (length > size and not of_file)


def _is_placeholder(length: int) -> bool:
    return length == 0 or length >= _PLACEHOLDER


_WAVE = _Chunks(12, b"data", "<I")
_WAVE_OF_BIG_ENDS = _Chunks(12, b"data", ">I")
_AIFF = _of_chunks(_Chunks(12, b"SSND", ">I"))
_8SVX = _of_chunks(_Chunks(12, b"BODY", ">I"))


def _riff(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    """WAV: its chunk; AVI: all of its first part."""
    if head[8:12] == b"WAVE":
        return _in_chunks(_WAVE, file, head, size)
    length = int.from_bytes(head[4:8], "little")
    is_open = head[8:12] != b"AVI " or _is_placeholder(length)
    return None if is_open else Samples(12, 8 + length)


def _form(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    if head[8:12] == b"8SVX":
        return _8SVX(file, head, size)
    return _AIFF(file, head, size) if head[8:12] in (b"AIFF", b"AIFC") else None


def _au(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    begin, length = struct.unpack(">II", head[4:12])
    return None if _is_placeholder(length) else Samples(begin, begin + length)


def _asf(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    """ASF (WMA, WMV): the size of the whole file, unless it is a broadcast."""
    file.seek(0)
    first = file.read(_HEAD)
    place = first.find(_ASF_PROPERTIES)
    if place < 0 or len(first) < place + 92:
        return None
    length = int.from_bytes(first[place + 40 : place + 48], "little")
    broadcast = first[place + 88] & 1
    return None if broadcast or not length else Samples(0, length)


def _sphere(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    """NIST SPHERE: a head of lines, "name -i number"; samples that are shortened have no size."""
    file.seek(0)
    first = file.read(_HEAD)
    known = {name: int(number) for name, number in _SPHERE.findall(first)}
    needed = [known.get(name, 0) for name in (b"sample_count", b"sample_n_bytes", b"channel_count")]
    begin = int(first[8:16]) if first[8:16].strip().isdigit() else 0
    if b"shorten" in first[:begin] or not all((begin, *needed)):
        return None
    count, width, channels = needed
    return Samples(begin, begin + count * width * channels)


def _dsf(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    """DSF: the size of the whole file."""
    length = int.from_bytes(head[12:20], "little")
    return Samples(28, length) if length else None


def _sox(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    """SoX's own: samples of four bytes behind a head of a size, in the order of its machine."""
    order: Literal["little", "big"] = "little" if head.startswith(b".SoX") else "big"
    begin = 4 + int.from_bytes(head[4:8], order)
    count = int.from_bytes(head[8:16], order)
    return Samples(begin, begin + 4 * count) if count else None


def _voc(file: BinaryIO, head: bytes, size: int) -> Samples | None:
    """VOC: blocks, each with its size, up to one of type 0."""
    begin = place = int.from_bytes(head[20:22], "little")
    while place + 4 <= size:
        file.seek(place)
        block = file.read(4)
        if block[0] == 0:
            break
        place += 4 + int.from_bytes(block[1:], "little")
    return Samples(begin, place)


_READERS: tuple[tuple[bytes, Callable[[BinaryIO, bytes, int], Samples | None]], ...] = (
    (b"RIFF", _riff),
    (b"RF64", _of_chunks(_WAVE)),
    (b"BW64", _of_chunks(_WAVE)),
    (b"RIFX", _of_chunks(_WAVE_OF_BIG_ENDS)),
    (b"FORM", _form),
    (b"caff", _of_chunks(_Chunks(8, b"data", ">q", padded=1))),
    (_WAVE64, _of_chunks(_Chunks(40, b"data" + bytes.fromhex("f3acd3118cd100c04f8edb8a"), "<q",
                                 counted=24, padded=8))),
    (b".snd", _au),
    (b"NIST_1A", _sphere),
    (b"DSD ", _dsf),
    (b".SoX", _sox),
    (b"XoS.", _sox),
    (b"Creative Voice File\x1a", _voc),
    (_ASF, _asf),
)  # fmt: skip


# -------------------------------------------------------------------------------------------- MP3


def _frames_of_mp3(path: Path) -> int | None:
    """How many frames the header of an MP3 file says that follow; None without one."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # four times seven bits, less its own ten bytes
            places = zip(head[6:], (21, 14, 7, 0), strict=True)
            file.seek(10 + sum((byte & 0x7F) << shift for byte, shift in places))
        else:
            file.seek(0)
        first = file.read(4096)
    for name in (b"Xing", b"Info"):
        place = first.find(name)
        if place >= 0:
            flags = int.from_bytes(first[place + 4 : place + 8], "big")
            return (
                int.from_bytes(first[place + 8 : place + 12], "big") or None if flags & 1 else None
            )
    place = first.find(b"VBRI")
    return int.from_bytes(first[place + 14 : place + 18], "big") or None if place >= 0 else None


def tag_behind(path: Path, size: int) -> int:
    """Where the APE tag at the end of a file begins, in which FFmpeg sees frames; else its size.

    Its last 32 bytes, which ID3v1's 128 may follow, are a footer: `APETAGEX`, version, size (of the
    tag without its header, which is as long as the footer), number of items, flags.
    """
    with path.open("rb") as file:
        for behind in (0, 128):
            file.seek(max(0, size - behind - 32))
            footer = file.read(32)
            if footer[:8] == b"APETAGEX" and len(footer) == 32:
                return size - behind - int.from_bytes(footer[12:16], "little") - 32
    return size


def _samples_of_a_frame(rate: int) -> float:
    """Seconds of a frame: 1152 samples of MPEG 1, 576 of MPEG 2 and 2.5."""
    return (1152 if rate >= 32000 else 576) / rate
