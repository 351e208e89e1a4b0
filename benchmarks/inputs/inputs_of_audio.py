"""Audio of every kind that people have, each with what must become of it. See `try_inputs.py`.

What is right follows from first principles: a file is taken whole, with so many seconds, or it is
refused. It is refused if the file itself says that something is missing, if decoders leave out what
it holds, if its form cannot be known, or if there is nothing to hear.
"""

from __future__ import annotations

import gzip
import io
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import inputs_of_sounds
from inputs_of_sounds import picture
from making_audio import (
    ENDLESS,
    ODD,
    USUAL,
    Audio,
    bytes_of,
    encode,
    holds,
    made,
    piped,
    usual,
    wave,
)


def good() -> Iterator[Audio]:
    for name, codec, rate in (*USUAL, *ENDLESS):
        layout = "stereo" if name in ("a.wma", "vorbis.ogg") else "mono"
        yield Audio(name, lambda p, a=(codec, rate, layout): encode(p, *a), 4.0)
    for name, codec, rate, layout in ODD:
        odd = {"layout": layout} | ({"form": "ogg"} if name == "a.oga" else {})
        yield Audio(name, lambda p, a=(codec, rate), o=odd: encode(p, *a, **o), 4.0)
    for form, name, codec, rate in (
        ("wav", "piped.wav", "pcm_s16le", 16000),
        ("flac", "piped.flac", "flac", 44100),
        ("mp3", "piped.mp3", "libmp3lame", 44100),
        ("ogg", "piped.ogg", "libopus", 48000),
        ("matroska", "piped.mka", "pcm_s16le", 44100),
        ("webm", "piped.webm", "libopus", 48000),
        ("au", "piped.au", "pcm_s16be", 16000),
        ("aiff", "piped.aiff", "pcm_s16be", 44100),
        ("flv", "piped.flv", "libmp3lame", 44100),
        ("avi", "piped.avi", "libmp3lame", 44100),
        ("asf", "piped.wma", "wmav2", 44100),
        ("caf", "piped.caf", "pcm_s16le", 44100),
        ("w64", "piped.w64", "pcm_s16le", 16000),
        ("adts", "piped.aac", "aac", 44100),
        ("wv", "piped.wv", "wavpack", 44100),
        ("nut", "piped.nut", "pcm_s16le", 44100),
    ):
        layout = "stereo" if codec == "wmav2" else "mono"
        # FFmpeg itself reads neither of these two when nothing was filled in.
        seconds = None if form in ("aiff", "w64") else 4.0
        yield Audio(name, holds(lambda a=(form, codec, rate, layout): piped(*a)), seconds)
    yield Audio("a.sbc", lambda p: encode(p, "sbc", 16000), None, "decoded")  # nor these
    yield Audio("flac.nut", lambda p: encode(p, "flac", 44100), None, "decoded")
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    yield Audio("fragments.m4a", lambda p: encode(p, "aac", 44100, options=fragments), 4.0)
    front = {"movflags": "faststart"}
    yield Audio("moov-first.m4a", lambda p: encode(p, "aac", 44100, options=front), 4.0)
    yield Audio("rf64.wav", lambda p: encode(p, options={"rf64": "always"}), 4.0)
    no_header = {"write_xing": "0"}
    cbr = {"id3v2_version": "0"} | no_header
    yield Audio("cbr.mp3", lambda p: encode(p, "libmp3lame", 44100, options=cbr), 4.0)
    yield Audio(
        "vbr.mp3",
        lambda p: encode(
            p, "libmp3lame", 44100, options=no_header, samples=swelling(44100), coding={"q": "4"}
        ),
        8.0,
    )


def swelling(rate: int) -> Any:
    """Silence, then noise: a guess from the first bit rate is far off."""
    import numpy

    quiet = numpy.zeros((1, 4 * rate), numpy.float32)
    noise = numpy.random.default_rng(0).uniform(-0.5, 0.5, (1, 4 * rate)).astype(numpy.float32)
    return numpy.concatenate([quiet, noise], axis=1)


def cut() -> Iterator[Audio]:
    for share in (0.3, 0.6, 0.9):
        for name, codec, rate in USUAL:
            layout = "stereo" if name in ("a.wma", "vorbis.ogg") else "mono"

            def part(a=(name, codec, rate, layout), share=share) -> bytes:
                content = made(*a, seconds=10.0)
                return content[: int(share * len(content))]

            yield Audio(f"cut-{share}-{name}", holds(part), None, "cut off|cannot be decoded")
        for name, codec, rate in ENDLESS:

            def rest(a=(name, codec, rate), share=share) -> bytes:
                content = made(*a, seconds=10.0)
                return content[: int(share * len(content))]

            yield Audio(f"begun-{share}-{name}", holds(rest), 10.0 * share)
    for name, options in (
        ("rf64.wav", {"rf64": "always"}),
        ("first.m4a", {"movflags": "faststart"}),
    ):
        codec, rate = ("aac", 44100) if name.endswith("m4a") else ("pcm_s16le", 16000)
        yield Audio(
            f"cut-{name}",
            holds(lambda a=(name, codec, rate), o=options: made(*a, options=o)[:30000]),
            None,
            "cut off",
        )
    for name in ("a.wav", "a.m4a", "a.mp3", "a.opus", "a.flac"):
        yield Audio(f"head-{name}", holds(lambda n=name: made(*usual(n))[:60]), None)


def joined() -> Iterator[Audio]:
    """Two files in one; what a decoder does not read to its end is to be refused."""
    whole = {
        "a.flac",
        "a.ogg",
        "vorbis.ogg",
        "a.opus",
        "a.mka",
        "a.webm",
        "a.avi",
        "a.aac",
        "a.ts",
        "a.ac3",
        "a.eac3",
        "a.mp2",
        "a.mpg",
        "a.g722",
        "a.au",
    }
    for name, codec, rate in (*USUAL, *ENDLESS):
        layout = "stereo" if name in ("a.wma", "vorbis.ogg") else "mono"
        yield Audio(
            f"twice-{name}",
            holds(lambda a=(name, codec, rate, layout): made(*a) * 2),
            8.0 if name in whole else None,
            "" if name in whole else "joined|behind its end|decoded",
        )
    for name, codec, rates in (
        ("a.mp3", "libmp3lame", (44100, 22050)),
        ("a.aac", "aac", (44100, 48000)),
        ("a.flac", "flac", (44100, 48000)),
        ("vorbis.ogg", "vorbis", (44100, 22050)),
        ("a.ac3", "ac3", (48000, 32000)),
        ("a.ts", "aac", (44100, 48000)),
    ):

        def two(n=name, c=codec, rates=rates) -> bytes:
            layout = "stereo" if c == "vorbis" else "mono"
            return b"".join(made(n, c, rate, layout) for rate in rates)

        yield Audio(f"two-rates-{name}", holds(two), None, "joined|changes|damaged")
    yield Audio("wav-then-mp3.wav", holds(lambda: made("a.wav") + made(*usual("a.mp3"))), None)
    yield Audio(
        "mono-then-stereo.aac",
        holds(lambda: made("a.aac", "aac", 44100) + made("a.aac", "aac", 44100, "stereo")),
        8.0,
    )
    opus = usual("a.opus")
    yield Audio("mono-then-stereo.opus", holds(lambda: made(*opus) + made(*opus, "stereo")), None)


# ------------------------------------------------------------------------- claims that are wrong


def _patched(content: bytes, sign: bytes, offset: int, value: bytes) -> bytes:
    place = content.index(sign) + offset
    return content[:place] + value + content[place + len(value) :]


def claims() -> Iterator[Audio]:
    wav = made("a.wav")
    for size in (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFDB):
        new = _patched(wav, b"data", 4, struct.pack("<I", size))
        yield Audio(f"size-{size:x}.wav", holds(lambda c=new: c), 4.0)
    half = _patched(wav, b"data", 4, struct.pack("<I", 64000))
    yield Audio("says-half.wav", holds(lambda: half), None, "header|behind")
    more = _patched(wav, b"data", 4, struct.pack("<I", 256000))
    yield Audio("says-double.wav", holds(lambda: more), None, "cut off")
    no_rate = _patched(wav, b"fmt ", 12, struct.pack("<I", 0))
    yield Audio("rate-0.wav", holds(lambda: no_rate), None)
    no_channels = _patched(wav, b"fmt ", 10, struct.pack("<H", 0))
    yield Audio("no-channels.wav", holds(lambda: no_channels), None)
    unknown = _patched(wav, b"fmt ", 8, struct.pack("<H", 0x1234))
    yield Audio("unknown-codec.wav", holds(lambda: unknown), None, "codec|decode")
    note = b"LIST" + struct.pack("<I", 40000) + b"INFO" + bytes(39996)
    yield Audio("notes-behind.wav", holds(lambda: wav + note), 4.0)
    yield Audio("notes-behind-cut.wav", holds(lambda: wav + note[:20000]), 4.0)
    for name in ("a.wav", "a.flac", "a.mp3", "a.opus", "a.m4a", "a.aac", "a.mka", "a.aiff"):
        yield Audio(
            f"zeros-behind-{name}", holds(lambda n=name: made(*usual(n)) + bytes(200_000)), 4.0
        )
    tag = b"TAG" + b"title".ljust(125, b"\0")
    yield Audio("id3v1.mp3", holds(lambda: made(*usual("a.mp3")) + tag), 4.0)
    footer = b"APETAGEX" + struct.pack("<IIII8x", 2000, 300_032, 1, 0x80000000)
    ape = footer + os.urandom(300_000) + footer
    yield Audio("large-tag-behind.mp3", holds(lambda: made(*usual("a.mp3")) + ape), 4.0)
    id3 = b"ID3\x04\0\0" + bytes(((300_000 >> s) & 0x7F) for s in (21, 14, 7, 0)) + bytes(300_000)
    yield Audio("large-tag-before.mp3", holds(lambda: id3 + made(*usual("a.mp3"))), 4.0)
    yield Audio("tag-before.flac", holds(lambda: id3 + made(*usual("a.flac"))), 4.0)

    def xing(frames: int) -> bytes:
        content = made(*usual("a.mp3"))
        sign = b"Xing" if b"Xing" in content else b"Info"
        return _patched(content, sign, 8, struct.pack(">I", frames))

    yield Audio("xing-says-more.mp3", holds(lambda: xing(600)), None, "cut off")
    yield Audio("mka-says-more.mka", holds(lambda: _longer_mka(8000.0)), None, "cut off")
    hole = made(*usual("a.mp3"))
    middle = len(hole) // 3
    yield Audio("hole.mp3", holds(lambda: hole[:middle] + bytes(middle) + hole[2 * middle :]), None)
    ogg = made(*usual("a.opus"))
    third = len(ogg) // 3
    yield Audio(
        "hole.opus", holds(lambda: ogg[:third] + bytes(third) + ogg[2 * third :]), 2.0, "missing"
    )
    flac = made(*usual("a.flac"))
    part = len(flac) // 3
    yield Audio("hole.flac", holds(lambda: flac[:part] + bytes(part) + flac[2 * part :]), None)


def _longer_mka(milliseconds: float) -> bytes:
    content = made(*usual("a.mka"))
    return _patched(content, b"\x44\x89\x88", 3, struct.pack(">d", milliseconds))


# -------------------------------------------------------------------------------- what is no audio


def _zipped() -> bytes:
    pipe = io.BytesIO()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr("a.wav", made("a.wav"))
    return pipe.getvalue()


def _silent_video(path: Path, codec: str = "mpeg4") -> None:
    import av

    with av.open(os.path.abspath(path), "w") as container:
        stream = container.add_stream(codec, rate=5)
        stream.width = stream.height = 64
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))


TEXTS = {
    "page.mp3": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>\n" * 50,
    "answer.wav": b'{"error": "not found", "status": 404}',
    "words.wav": b"one two three\n" * 2000,
    "words.txt": b"one two three\n" * 2000,
    "pointer.wav": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 128044\n",
    "list.m3u8": b"#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n",
    "list.m3u": b"#EXTM3U\n/etc/hostname\n",
    "list.pls": b"[playlist]\nFile1=a.mp3\n",
    "list.ffconcat": b"ffconcat version 1.0\nfile a.wav\n",
    "talk.srt": b"1\n00:00:00,000 --> 00:00:02,000\nHello there\n\n" * 20,
    "talk.vtt": b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello there\n",
    "talk.lrc": b"[00:00.00]Hello there\n[00:02.00]again\n",
    "session.sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "disc.cue": b'FILE "a.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "paper.pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n" + bytes(range(256)) * 40,
    "program.wav": b"\x7fELF\x02\x01\x01" + bytes(9) + bytes(range(256)) * 40,
    "junk.wav": bytes(range(256)) * 40,
    "zeros.wav": bytes(64000),
    "zeros.mp3": bytes(64000),
    "one-byte.wav": b"R",
    "riff.wav": b"RIFF\x24\0\0\0WAVE",
    "id3.mp3": b"ID3\x04\0\0\0\0\0\0",
    "empty.wav": b"",
    "empty.flac": b"",
    "ftyp.m4a": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42",
    "ebml.mka": b"\x1aE\xdf\xa3",
}


def nothing() -> Iterator[Audio]:
    for name, content in TEXTS.items():
        yield Audio(name, holds(lambda c=content: c), None)
    for name, form in (
        ("cover.jpg", "mjpeg"),
        ("cover.png", "png"),
        ("cover.mp3", "mjpeg"),
        ("cover.flac", "png"),
    ):
        yield Audio(name, holds(lambda f=form: picture(f)), None)
    for name in ("film.mp4", "film.mkv", "film.avi"):
        yield Audio(name, _silent_video, None, "no audio")
    yield Audio("film.wav", holds(lambda: bytes_of(_silent_video, "f.mp4")), None, "no audio")
    yield Audio("a.wav.gz", holds(lambda: gzip.compress(made("a.wav"))), None)
    yield Audio("zip.wav", holds(_zipped), None)
    raw = wave(4.0, 8000, 1)[0]
    short = (raw * 30000).astype("<i2").tobytes()
    for name in (
        "raw.wav",
        "raw.mp3",
        "raw.pcm",
        "raw.raw",
        "raw.sw",
        "raw.ul",
        "raw.al",
        "raw.sb",
        "raw.uw",
        "raw.flac",
        "raw.dat",
        "raw",
    ):
        yield Audio(name, holds(lambda: short), None, "header|decode|no audio|no sound")
    header = made("a.wav", seconds=0.1)
    header = header[: header.index(b"data") + 4] + bytes(4)
    yield Audio("no-samples.wav", holds(lambda: header), None)
    yield Audio("no-samples.mp3", holds(lambda: made(*usual("a.mp3"))[:500]), None)
    text = made("a.m4a", "aac", 44100)
    ac4 = text.replace(b"mp4a", b"ac-4").replace(b"esds", b"dac4")
    yield Audio("no-decoder.m4a", holds(lambda: ac4), None, "codec")
    locked = text.replace(b"mp4a", b"enca").replace(b"esds", b"sinf")
    yield Audio("encrypted.m4a", holds(lambda: locked), None)
    sound = text.index(b"mdat") + 4
    noise = os.urandom(text.index(b"moov") - 4 - sound)
    protected = text.replace(b"mp4a", b"drms")
    protected = protected[:sound] + noise + protected[sound + len(noise) :]
    yield Audio("protected.m4p", holds(lambda: protected), None)


def everything() -> Iterator[Audio]:
    yield from inputs_of_sounds.everything()
    for kind in (good, cut, joined, claims, nothing):
        yield from kind()
