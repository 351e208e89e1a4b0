"""How audio of any form is made, for `inputs_of_audio.py` and `inputs_of_sounds.py`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Make = Callable[[Path], Any]


@dataclass(frozen=True)
class Audio:
    """A file: its name, who makes it, its seconds (None: to be refused), what the line must say."""

    name: str
    make: Make
    seconds: float | None = None
    says: str = ""
    what: str = ""


class Pipe:
    """What a program writes to when its output is piped: nothing can be filled in later."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def write(self, data: bytes) -> int:
        self.bytes += data
        return len(data)


def wave(seconds: float, rate: int, channels: int, amplitude: float = 0.5) -> Any:
    """Something like speech: a tone that swells four times a second, the same on all channels."""
    import numpy

    times = numpy.arange(int(rate * seconds)) / rate
    swell = 0.6 + 0.4 * numpy.sin(2 * numpy.pi * 4 * times)
    one = amplitude * swell * numpy.sin(2 * numpy.pi * 300 * times)
    return numpy.tile(one.astype(numpy.float32), (channels, 1))


CHANNELS = {"mono": 1, "stereo": 2, "2.1": 3, "quad": 4, "5.1": 6}


def encode(
    target: Any,
    codec: str = "pcm_s16le",
    rate: int = 16000,
    layout: str = "mono",
    seconds: float = 4.0,
    amplitude: float = 0.5,
    form: str | None = None,
    options: dict[str, str] | None = None,
    samples: Any = None,
    coding: dict[str, str] | None = None,
) -> None:
    """Write an audio file; `target` is a path or has `write`."""
    import av

    if samples is None:
        samples = wave(seconds, rate, CHANNELS[layout], amplitude)
    place = os.path.abspath(target) if isinstance(target, Path) else target
    with av.open(place, "w", format=form, options=options or {}) as container:
        stream = container.add_stream(
            codec, rate=rate, layout=layout, options={"strict": "-2"} | (coding or {})
        )
        context = stream.codec_context
        if codec.startswith("wma"):
            context.bit_rate = 64000
        context.open()
        resampler = av.AudioResampler(
            context.format.name, layout, rate, frame_size=context.frame_size or 1024
        )
        for start in range(0, samples.shape[1], rate):
            part = samples[:, start : start + rate].copy()
            frame = av.AudioFrame.from_ndarray(part, "fltp", layout)
            frame.sample_rate, frame.pts = rate, start
            for piece in resampler.resample(frame):
                container.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


def made(name: str, *arguments: Any, **options: Any) -> bytes:
    """The bytes of an audio file; `name` says its container."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        encode(path, *arguments, **options)
        return path.read_bytes()


def piped(form: str, *arguments: Any, **options: Any) -> bytes:
    """The bytes of an audio file as a program writes it to a pipe."""
    pipe = Pipe()
    encode(pipe, *arguments, form=form, **options)
    return bytes(pipe.bytes)


def holds(content: Callable[[], bytes]) -> Make:
    return lambda path: path.write_bytes(content())


#: Container, codec, rate: the usual ones and the odd ones.
USUAL: tuple[tuple[str, str, int], ...] = (
    ("a.wav", "pcm_s16le", 16000),
    ("a.flac", "flac", 44100),
    ("a.ogg", "libopus", 48000),
    ("vorbis.ogg", "vorbis", 44100),
    ("a.opus", "libopus", 48000),
    ("a.mp3", "libmp3lame", 44100),
    ("a.m4a", "aac", 44100),
    ("a.mka", "libopus", 48000),
    ("a.webm", "libopus", 48000),
    ("a.aiff", "pcm_s16be", 44100),
    ("a.caf", "pcm_s16le", 44100),
    ("a.w64", "pcm_s16le", 16000),
    ("a.au", "pcm_s16be", 16000),
    ("a.avi", "libmp3lame", 44100),
    ("a.flv", "libmp3lame", 44100),
    ("a.wma", "wmav2", 44100),
    ("a.tta", "tta", 44100),
    ("a.wv", "wavpack", 44100),
    ("a.mov", "pcm_s16le", 48000),
    ("a.3gp", "libopencore_amrnb", 8000),
)
#: Of these a part is a whole: nothing in them says how long they are.
ENDLESS: tuple[tuple[str, str, int], ...] = (
    ("a.aac", "aac", 44100),
    ("a.amr", "libopencore_amrnb", 8000),
    ("a.ts", "aac", 44100),
    ("a.ac3", "ac3", 48000),
    ("a.eac3", "eac3", 48000),
    ("a.mp2", "mp2", 48000),
    ("a.mpg", "mp2", 48000),
    ("a.g722", "g722", 16000),
)
ODD: tuple[tuple[str, str, int, str], ...] = (
    ("8k.wav", "pcm_s16le", 8000, "mono"),
    ("11k.wav", "pcm_u8", 11025, "mono"),
    ("22k.wav", "pcm_s24le", 22050, "stereo"),
    ("32k.wav", "pcm_s32le", 32000, "stereo"),
    ("float.wav", "pcm_f32le", 48000, "stereo"),
    ("double.wav", "pcm_f64le", 48000, "mono"),
    ("96k.wav", "pcm_s24le", 96000, "5.1"),
    ("192k.wav", "pcm_s16le", 192000, "5.1"),
    ("ulaw.wav", "pcm_mulaw", 8000, "mono"),
    ("alaw.wav", "pcm_alaw", 8000, "stereo"),
    ("ima.wav", "adpcm_ima_wav", 22050, "mono"),
    ("ms.wav", "adpcm_ms", 22050, "stereo"),
    ("g722.wav", "g722", 16000, "mono"),
    ("mp3-in.wav", "libmp3lame", 44100, "mono"),
    ("quad.wav", "pcm_s16le", 44100, "quad"),
    ("three.wav", "pcm_s16le", 44100, "2.1"),
    ("mono.flac", "flac", 16000, "mono"),
    ("96k.flac", "flac", 96000, "5.1"),
    ("flac.ogg", "flac", 44100, "stereo"),
    ("5.1.opus", "libopus", 48000, "5.1"),
    ("12k.opus", "libopus", 12000, "mono"),
    ("8k.mp3", "libmp3lame", 8000, "mono"),
    ("22k.mp3", "libmp3lame", 22050, "stereo"),
    ("alac.m4a", "alac", 44100, "stereo"),
    ("8k.m4a", "aac", 8000, "mono"),
    ("96k.m4a", "aac", 96000, "5.1"),
    ("opus.mp4", "libopus", 48000, "mono"),
    ("mp3.mp4", "libmp3lame", 44100, "mono"),
    ("flac.mka", "flac", 44100, "stereo"),
    ("pcm.mkv", "pcm_s16le", 44100, "stereo"),
    ("aac.mkv", "aac", 44100, "stereo"),
    ("ulaw.au", "pcm_mulaw", 8000, "mono"),
    ("24.aiff", "pcm_s24be", 96000, "stereo"),
    ("alac.caf", "alac", 44100, "mono"),
    ("pcm.avi", "pcm_s16le", 44100, "stereo"),
    ("aac.flv", "aac", 44100, "stereo"),
    ("a.voc", "pcm_u8", 8000, "mono"),
    ("a.nut", "pcm_s16le", 44100, "mono"),
    ("opus.ts", "libopus", 48000, "mono"),
    ("a.oga", "flac", 16000, "mono"),
    ("a.m4b", "aac", 22050, "mono"),
    ("a.3g2", "aac", 16000, "mono"),
    ("a.sox", "pcm_s32le", 16000, "mono"),
    ("a.wmv", "wmav1", 22050, "mono"),
)


def usual(name: str) -> tuple[str, str, int]:
    """Container, codec and rate of a usual one."""
    return next(one for one in (*USUAL, *ENDLESS) if one[0] == name)


def bytes_of(make: Make, name: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        make(path)
        return path.read_bytes()
