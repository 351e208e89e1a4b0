"""Audio of what is heard, of several streams, and of odd names and places. See `try_inputs.py`."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from making_audio import CHANNELS, Audio, bytes_of, encode, holds, made, usual, wave


def picture(form: str) -> bytes:
    import av

    pipe = io.BytesIO()
    codec, pixels = {"mjpeg": ("mjpeg", "yuvj420p"), "png": ("png", "rgb24")}[form]
    with av.open(pipe, "w", format="image2pipe") as container:
        stream = container.add_stream(codec, rate=1)
        stream.width = stream.height = 64
        stream.pix_fmt = pixels
        container.mux(stream.encode(av.VideoFrame(64, 64, pixels)))
        container.mux(stream.encode(None))
    return pipe.getvalue()


# -------------------------------------------------------------------- what is to be heard


def sounds() -> Iterator[Audio]:
    for seconds in (1 / 16000, 0.01, 0.05, 0.09):
        yield Audio(f"short-{seconds:.3f}.wav", lambda p, s=seconds: encode(p, seconds=s), None)
    for seconds in (0.11, 0.5, 1.0, 30.0, 60.02, 95.5):
        yield Audio(f"long-{seconds:g}.wav", lambda p, s=seconds: encode(p, seconds=s), seconds)
    for seconds in (0.2, 29.99):
        yield Audio(
            f"long-{seconds:g}.opus",
            lambda p, s=seconds: encode(p, "libopus", 48000, seconds=s),
            seconds,
        )
    yield Audio("silent.wav", lambda p: encode(p, amplitude=0.0), None, "silent")
    yield Audio("silent.opus", lambda p: encode(p, "libopus", 48000, amplitude=0.0), None, "silent")
    yield Audio(
        "silent.mp3", lambda p: encode(p, "libmp3lame", 44100, amplitude=0.0), None, "silen"
    )
    yield Audio("quiet.wav", lambda p: encode(p, amplitude=0.0003), None, "silent")
    yield Audio("low.wav", lambda p: encode(p, amplitude=0.002), 4.0)
    yield Audio("loud.wav", lambda p: encode(p, amplitude=1.0), 4.0)
    yield Audio("beyond.wav", lambda p: encode(p, "pcm_f32le", amplitude=30000.0), 4.0)
    for name, value in (("nan.wav", float("nan")), ("inf.wav", float("inf"))):
        yield Audio(name, lambda p, v=value: _not_numbers(p, v), None)
    yield Audio("left-only.wav", lambda p: _channels(p, "stereo", (1, 0)), 4.0)
    yield Audio("out-of-phase.wav", lambda p: _channels(p, "stereo", (1, -1)), None, "cancel")
    yield Audio(
        "out-of-phase.flac", lambda p: _channels(p, "stereo", (1, -1), "flac"), None, "canc"
    )
    yield Audio(
        "bass-only.wav", lambda p: _channels(p, "5.1", (0, 0, 0, 1, 0, 0)), None, "left out"
    )
    yield Audio("centre-only.wav", lambda p: _channels(p, "5.1", (0, 0, 1, 0, 0, 0)), 4.0)
    for name, codec, rate in (
        ("hour.wav", "pcm_s16le", 16000),
        ("hour-stereo.flac", "flac", 48000),
        ("hour.mp3", "libmp3lame", 16000),
    ):
        layout = "stereo" if "stereo" in name else "mono"
        yield Audio(name, lambda p, a=(codec, rate, layout): _hour(p, *a), 3600.0, what="hour")


def _hour(path: Path, codec: str, rate: int, layout: str) -> None:
    import numpy

    minute = wave(60.0, rate, CHANNELS[layout])
    fast = {"compression_level": "0"}
    encode(path, codec, rate, layout, samples=numpy.tile(minute, (1, 60)), coding=fast)


def _not_numbers(path: Path, value: float) -> None:
    content = bytearray(made("a.wav", "pcm_f32le"))
    place = content.index(b"data") + 8
    content[place:] = struct.pack("<f", value) * ((len(content) - place) // 4)
    path.write_bytes(content)


def _channels(path: Path, layout: str, factors: tuple[int, ...], codec: str = "pcm_s16le") -> None:
    import numpy

    samples = wave(4.0, 48000, CHANNELS[layout]) * numpy.array(factors, numpy.float32)[:, None]
    encode(path, codec, 48000, layout, samples=samples)


# --------------------------------------------------------------------------------- several streams


def _streams(
    path: Path, *tracks: tuple[str, float, str], video: float = 0.0, form: str | None = None
) -> None:
    """A file with a video of so many seconds and tracks: codec, seconds, language."""
    import av

    with av.open(os.path.abspath(path), "w", format=form) as container:
        picture = None
        if video:
            picture = container.add_stream("mpeg4", rate=5)
            picture.width = picture.height = 64
        made = []
        for codec, seconds, language in tracks:
            rate = 48000 if codec == "libopus" else 44100
            stream = container.add_stream(codec, rate=rate, layout="mono")
            stream.metadata["language"] = language
            made.append((stream, seconds, rate))
        for _ in range(int(5 * video)):
            container.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        if picture:
            container.mux(picture.encode(None))
        for stream, seconds, rate in made:
            if not seconds:
                continue
            frame = av.AudioFrame.from_ndarray(wave(seconds, rate, 1), "fltp", "mono")
            frame.sample_rate, frame.pts = rate, 0
            if not stream.codec_context.is_open:
                stream.codec_context.open()
            resampler = av.AudioResampler(
                stream.format.name, "mono", rate, frame_size=stream.codec_context.frame_size or 1024
            )
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))


def _late(path: Path, start_s: float) -> None:
    """Sound that begins long after the video does."""
    import av

    with av.open(os.path.abspath(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=5)
        picture.width = picture.height = 64
        sound = container.add_stream("libopus", rate=48000, layout="mono")
        for _ in range(int(5 * (start_s + 4))):
            container.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(wave(4.0, 48000, 1), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, int(48000 * start_s)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def _with_cover(name: str, codec: str, rate: int) -> bytes:
    """A file with a picture of 200 kB in its ID3 tag, as players and shops write it."""
    content = made(name, codec, rate)
    image = picture("mjpeg")
    data = b"\0image/jpeg\0\x03\0" + image + bytes(200_000)
    frame = b"APIC" + struct.pack(">I", len(data)) + b"\0\0" + data
    size = bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame + content


def streams() -> Iterator[Audio]:
    for name in ("talk.mkv", "talk.mp4", "talk.avi", "talk.mov"):
        codec = "libmp3lame" if name.endswith("avi") else "aac"
        yield Audio(name, lambda p, c=codec: _streams(p, (c, 6.0, "eng"), video=6.0), 6.0)
    yield Audio("short-sound.mkv", lambda p: _streams(p, ("aac", 4.0, "eng"), video=20.0), 4.0)
    yield Audio("long-sound.mp4", lambda p: _streams(p, ("aac", 20.0, "eng"), video=4.0), 20.0)
    yield Audio("late.mkv", lambda p: _late(p, 10.0), 4.0)
    two = (("libopus", 4.0, "ger"), ("libopus", 6.0, "eng"))
    yield Audio("two.mka", lambda p: _streams(p, *two), 4.0, "2 audio tracks")
    yield Audio(
        "two.mp4",
        lambda p: _streams(p, ("aac", 4.0, "deu"), ("aac", 6.0, "eng")),
        4.0,
        "2 audio tracks",
    )
    nine = tuple(("libopus", 4.0, "eng") for _ in range(9))
    yield Audio("nine.mka", lambda p: _streams(p, *nine), 4.0, "9 audio tracks")
    yield Audio(
        "first-empty.mka",
        lambda p: _streams(p, ("libopus", 0.0, "ger"), ("libopus", 4.0, "eng")),
        None,
    )
    for name in ("a.mp3", "a.aac", "a.flac"):
        yield Audio(f"cover-{name}", holds(lambda n=name: _with_cover(*usual(n))), 4.0)

    def cut_film(share: float, name: str) -> bytes:
        whole = bytes_of(lambda p: _streams(p, ("aac", 20.0, "eng"), video=20.0), name)
        return whole[: int(share * len(whole))]

    for name in ("film.mkv", "film.avi", "film.mp4"):
        for share in (0.4, 0.7):
            yield Audio(f"cut-{share}-{name}", holds(lambda s=share, n=name: cut_film(s, n)), None)


# -------------------------------------------------------------------------------- names and places


NAMES = (
    "with space.wav",
    "it's.wav",
    'a "quote".wav',
    "two\nlines.wav",
    "tab\there.wav",
    "🎙.wav",
    "-rf.wav",
    "--out.wav",
    "%03d.wav",
    "12:30.wav",
    "http:x.wav",
    "concat:a|b.wav",
    "[1].wav",
    "*.wav",
    "?.wav",
    "~.wav",
    "$(x).wav",
    "{run}.wav",
    "a&b;c.wav",
    "back\\slash.wav",
    "UPPER.WAV",
    "no-ending",
    "two.parts.wav",
    "ends with dot.",
    "会议录音.wav",
    "cafe\u0301.wav",
    "\u202eright.wav",
    "pipe:0",
    "data:x",
    "subfile,,start,0,end,9,,:a.wav",
    "n" * 251 + ".wav",
)


def names() -> Iterator[Audio]:
    for name in NAMES:
        yield Audio(name, holds(lambda: made("a.wav")), 4.0, what="name")
    for shown, name, codec in (
        ("wav.mp3", "a.wav", "pcm_s16le"),
        ("mp3.wav", "a.mp3", "libmp3lame"),
        ("flac.mp3", "a.flac", "flac"),
        ("m4a.wav", "a.m4a", "aac"),
        ("opus.mp3", "a.opus", "libopus"),
        ("webm.mp3", "a.webm", "libopus"),
        ("mp3.m4a", "a.mp3", "libmp3lame"),
        ("aac.mp3", "a.aac", "aac"),
        ("wav.ogg", "a.wav", "pcm_s16le"),
        ("wav.txt", "a.wav", "pcm_s16le"),
        ("mp3.ul", "a.mp3", "libmp3lame"),
        ("wav.raw", "a.wav", "pcm_s16le"),
    ):
        rate = 48000 if codec == "libopus" else 44100
        yield Audio(shown, holds(lambda a=(name, codec, rate): made(*a)), 4.0)
    yield Audio(os.fsdecode(b"\xff.wav"), holds(lambda: made("a.wav")), None, "UTF-8")
    yield Audio("missing.wav", lambda p: None, None, "no such file")
    yield Audio("n" * 300 + ".wav", lambda p: None, None, "no such file")
    yield Audio("folder.wav", Path.mkdir, None, "folder")
    yield Audio("pipe.wav", os.mkfifo, None, "no regular file")
    yield Audio("device.wav", lambda p: p.symlink_to("/dev/zero"), None, "no regular file")
    yield Audio("null.wav", lambda p: p.symlink_to("/dev/null"), None, "no regular file")
    yield Audio("loop.wav", lambda p: p.symlink_to(p.name), None, "cannot be read|link")
    yield Audio("dangling.wav", lambda p: p.symlink_to("nowhere"), None)
    yield Audio("to-folder.wav", lambda p: p.symlink_to("."), None, "folder")
    yield Audio("socket.wav", _socket, None)
    yield Audio("proc.wav", lambda p: p.symlink_to("/proc/self/status"), None)
    yield Audio("secret.wav", _unreadable, None, "Permission denied", what="as nobody")
    yield Audio("link.wav", _linked, 4.0)
    yield Audio("hard.wav", lambda p: os.link(_beside(p), p), 4.0)
    yield Audio("sparse.wav", _sparse, None)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(path.parent):
        one.bind(path.name)


def _unreadable(path: Path) -> None:
    encode(path)
    path.chmod(0)


def _beside(path: Path) -> Path:
    other = path.parent / "beside" / "other.wav"
    other.parent.mkdir()
    encode(other)
    return other


def _linked(path: Path) -> None:
    path.symlink_to(_beside(path))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2_000_000_000)


def everything() -> Iterator[Audio]:
    for kind in (streams, names, sounds):
        yield from kind()
