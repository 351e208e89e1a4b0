"""Audio: which files a pattern means, and which files are refused before anything is timed."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_transcription.inputs import inspected, patterns
from parallel_transcription.inputs.audio import inspect
from parallel_transcription.inputs.inspected import inspect_all
from parallel_transcription.inputs.patterns import AudioError, expand, natural_key
from parallel_transcription.places import SCRIPTS


def write_sound(path, codec="pcm_s16le", rate=16000, layout="mono", seconds=2.0, amplitude=0.5):
    """A tone of 440 Hz, encoded by PyAV."""
    import av
    import numpy

    times = numpy.arange(int(rate * seconds)) / rate
    wave = (amplitude * numpy.sin(2 * numpy.pi * 440 * times)).astype(numpy.float32)
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    frame = av.AudioFrame.from_ndarray(numpy.tile(wave, (channels, 1)), "fltp", layout)
    frame.sample_rate = rate
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(os.path.abspath(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        context = stream.codec_context
        if codec.startswith("wma"):
            context.bit_rate = 64000  # it has no default
        resampler = av.AudioResampler(
            context.format.name, layout, rate, frame_size=context.frame_size or 0
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


# ----------------------------------------------------------------------------- patterns


def expanded(patterns, base) -> list[str]:
    return [path.as_posix() for path in expand(patterns, base).files]


def test_order_is_that_of_the_patterns_then_natural(folder):
    touch(folder, "b/take10.wav", "b/take2.wav", "b/Take1.wav", "a/x.wav", "a/ä.wav")
    assert expanded(["b/*.wav", "a/*"], folder) == [
        "b/Take1.wav",
        "b/take2.wav",
        "b/take10.wav",
        "a/x.wav",
        "a/ä.wav",
    ]


def test_every_file_once_at_its_first_place(folder):
    touch(folder, "1.wav", "2.wav", "3.wav")
    patterns = ["2.wav", "*.wav", "./1.wav", str(folder / "3.wav"), "x/../2.wav"]
    (folder / "x").mkdir()
    assert expanded(patterns, folder) == ["2.wav", "1.wav", "3.wav"]


def test_paths_stay_relative_to_the_base_wherever_one_is(folder, monkeypatch):
    touch(folder, "project/audio/a.wav", "other/b.wav")
    monkeypatch.chdir("/")
    patterns = ["audio/*.wav", "../other/*.wav", str(folder / "other" / "*.wav")]
    found = expanded(patterns, folder / "project")
    assert found == ["audio/a.wav", "../other/b.wav"]


def test_wildcards_pass_over_what_is_no_audio(folder):
    touch(
        folder,
        "a/1.flac",
        "a/1.txt",
        "a/README.md",
        "a/.hidden.wav",
        "a/deep/2.opus",
        "a/SUMS.sha256",
    )
    assert expanded(["a/*"], folder) == ["a/1.flac"]
    assert expanded(["a/**"], folder) == ["a/1.flac", "a/deep/2.opus"]
    assert expanded(["a/1.txt"], folder) == ["a/1.txt"]  # asked for by name


@pytest.mark.parametrize(
    "name",
    [
        "take[1].wav",
        "-rf.wav",
        "grün & blau.wav",
        "a\nb.wav",
        "$(x);`y`'.wav",
        "12:30.wav",
        "*?.wav",
    ],
)
def test_odd_names_are_names(folder, name):
    touch(folder, name, "other.wav")
    assert expanded([name], folder) == [name]
    assert name in expanded(["*.wav"], folder)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nowhere.wav", "'nowhere.wav': there is no such file"),
        ("audio/*.ogg", "'audio/.*' matches nothing; correct"),
        ("audio/*.txt", "matches nothing but folders and files that are no audio"),
        ("audio", "'audio' is a folder; name the files in it: 'audio/\\*'"),
        ("audio/", "is a folder"),
        ("", "is no file name"),
        ("a\0b", "is no file name"),
        (7, "7 is no file name"),
        ("x" * 5000, "there is no such file"),
    ],
)
def test_patterns_that_name_no_file(folder, pattern, message):
    touch(folder, "audio/a.wav", "audio/a.txt")
    with pytest.raises(AudioError, match=message):
        expand(["audio/a.wav", pattern], folder)


def test_links_that_go_round_are_not_followed(folder):
    touch(folder, "a/x.wav", "a/b/y.wav")
    (folder / "a" / "round").symlink_to(".")
    (folder / "a" / "b" / "back").symlink_to("..")
    assert expanded(["**/*.wav"], folder) == ["a/b/y.wav", "a/x.wav"]
    assert expanded(["a/**/*.wav"], folder) == ["a/b/y.wav", "a/x.wav"]
    assert expanded([f"{folder}/**/y.wav"], folder) == [f"{folder}/a/b/y.wav"]


def test_hidden_folders_are_passed_over(folder):
    touch(folder, ".cache/x.wav", "a/.y.wav", "a/z.wav")
    assert expanded(["**/*.wav"], folder) == ["a/z.wav"]


def test_a_pattern_that_goes_through_too_much_is_refused(folder, monkeypatch):
    monkeypatch.setattr(patterns, "MOST_ENTRIES", 5)
    touch(folder, *(f"{k}.txt" for k in range(9)))
    with pytest.raises(AudioError, match="begin it with the folder"):
        expand(["**/*.wav"], folder)


def test_wildcards_take_links_to_nothing_and_pipes_for_files(folder):
    """Data that was not fetched, or is not mounted, is refused; nothing waits for a pipe."""
    touch(folder, "a.wav")
    (folder / "b.wav").symlink_to("nowhere.wav")
    os.mkfifo(folder / "c.wav")
    os.mkfifo(folder / "d.unknown")
    found = expand(["*"], folder).files
    assert [path.name for path in found] == ["a.wav", "b.wav", "c.wav"]
    with pytest.raises(AudioError, match=r"'b\.wav' does not exist"):
        patterns.check_files(found[1:], folder)


def test_all_patterns_that_match_nothing_are_named(folder):
    with pytest.raises(AudioError) as refused:
        expand(["x*.wav", "y.wav", "z*.wav"], folder)
    assert len(str(refused.value).splitlines()) == 3


def test_no_patterns(folder):
    with pytest.raises(AudioError, match="no audio is named"):
        expand([], folder)


def test_natural_order():
    names = ["b", "a10", "a9", "a09", "A1", "a", "10", "9", "²", "a-1"]
    assert sorted(names, key=natural_key)[:2] == ["9", "10"]
    assert sorted(names, key=natural_key) == sorted(reversed(names), key=natural_key)


# --------------------------------------------------------------------------- good files

FORMATS = [
    ("a.wav", {}),
    ("b.wav", {"codec": "pcm_s24le", "rate": 48000, "layout": "stereo"}),
    ("c.wav", {"codec": "pcm_f32le", "rate": 8000}),
    ("d.wav", {"codec": "pcm_mulaw", "rate": 11025}),
    ("e.flac", {"codec": "flac", "rate": 44100, "layout": "stereo"}),
    ("f.flac", {"codec": "flac", "rate": 96000, "layout": "5.1"}),
    ("g.opus", {"codec": "libopus", "rate": 48000}),
    ("h.mp3", {"codec": "libmp3lame", "rate": 22050, "layout": "stereo"}),
    ("i.mp4", {"codec": "aac", "rate": 32000, "layout": "stereo"}),
    ("j.m4a", {"codec": "alac", "rate": 44100}),
    ("k.webm", {"codec": "libopus", "rate": 24000}),
]


@pytest.mark.parametrize(("name", "options"), FORMATS, ids=[name for name, _ in FORMATS])
def test_any_format_rate_and_layout(folder, name, options):
    path = write_sound(folder / name, **options)
    found = inspect(name)
    assert found["seconds"] == pytest.approx(2.0, abs=0.1)
    assert found["sample_rate"] in (options.get("rate", 16000), 48000)  # Opus decodes to 48 kHz
    assert found["channels"] == {"stereo": 2, "5.1": 6}.get(options.get("layout"), 1)
    assert found["peak_dbfs"] == pytest.approx(-6, abs=4)
    assert -3.5 < found["rms_dbfs"] - found["peak_dbfs"] < -2.5  # a sine: -3.01 dB
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["size_bytes"] == path.stat().st_size
    assert found["file"] == found["path"] == name
    assert found["reference"] is None
    assert json.loads(json.dumps(found)) == found


def test_seconds_are_what_faster_whisper_gets(folder):
    from faster_whisper.audio import decode_audio

    path = write_sound(folder / "a.mp3", "libmp3lame", rate=44100)
    assert inspect(path)["seconds"] * 16000 == len(decode_audio(str(path)))


@pytest.mark.parametrize(
    "name",
    [
        "-rf.wav",
        "grün & blau.wav",
        "a\nb.wav",
        "$(x);`y`'.wav",
        "12:30.wav",
        "http:x.wav",
        "%03d.wav",
    ],
)
def test_odd_names_are_decoded(folder, name):
    write_sound(folder / name)
    assert inspect(name)["file"] == name


def test_reference_is_the_text_beside(folder):
    write_sound(folder / "a.b.wav")
    (folder / "a.b.txt").write_bytes(b"\xef\xbb\xbf \xc3\x9cber alles\r\n")
    assert inspect("a.b.wav")["reference"] == "Über alles"
    (folder / "a.b.txt").write_text("\n")
    assert inspect("a.b.wav")["reference"] is None
    (folder / "a.b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AudioError, match=r"a\.b\.txt' is not UTF-8"):
        inspect("a.b.wav")


# ---------------------------------------------------------------------------- bad files


def cut(name: str, codec: str, share: float, **options):
    def make(path: Path):
        whole = write_sound(path.with_name(name), codec, seconds=4.0, **options)
        content = whole.read_bytes()
        whole.unlink()
        path.write_bytes(content[: int(share * len(content))])

    return make


def video_only(path: Path):
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))


def no_samples(path: Path):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))


def constant(path: Path):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(b"\xff\x7f" * 16000)


def twice(path: Path, codec: str, rate: int) -> Path:
    part = write_sound(path, codec, rate).read_bytes()
    path.write_bytes(part + part)
    return path


def unknown_length(path: Path):
    """A RIFF file whose size was never filled in, as programs write it to a pipe."""
    write_sound(path)
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)


BAD = {
    "nowhere.wav": (lambda p: None, "does not exist"),
    "folder.wav": (lambda p: p.mkdir(), "is a folder"),
    "pipe.wav": (os.mkfifo, "is no regular file"),
    "x" * 300 + ".wav": (lambda p: None, "cannot be read .File name too long"),
    "empty.wav": (lambda p: p.touch(), "is empty .0 bytes"),
    "junk.wav": (lambda p: p.write_bytes(bytes(range(256)) * 40), "cannot be decoded"),
    "text.mp3": (lambda p: p.write_text("not a sound\n" * 100), "cannot be decoded|cut off"),
    "no_samples.wav": (no_samples, "cannot be decoded|0 samples"),
    "video.mp4": (video_only, "has no audio stream"),
    "list.m3u8": (lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\na.ts\n"), "playlist|cannot be"),
    "list.ffconcat": (
        lambda p: p.write_text("ffconcat version 1.0\nfile /etc/hostname\n"),
        "playlist|cannot be",
    ),
    "short.wav": (lambda p: write_sound(p, seconds=0.05), r"lasts only 0\.050 s"),
    "silent.wav": (lambda p: write_sound(p, amplitude=0.0), "is silent .digital silence"),
    "quiet.wav": (lambda p: write_sound(p, amplitude=0.0005), "is silent .its peak is -66 dBFS"),
    "cut.wav": (cut("w.wav", "pcm_s16le", 0.5), "its end is missing"),
    "cut.flac": (cut("w.flac", "flac", 0.5), "is cut off or damaged"),
    "cut.mp3": (cut("w.mp3", "libmp3lame", 0.5), "is cut off or damaged"),
    "cut.opus": (cut("w.opus", "libopus", 0.5, rate=48000), "its end is missing"),
    "cut.webm": (cut("w.webm", "libopus", 0.5, rate=48000), "is cut off or damaged"),
    "cut.mp4": (cut("w.mp4", "aac", 0.9), "cannot be decoded"),
    "cut.au": (cut("w.au", "pcm_s16be", 0.5), "its end is missing"),
    "cut.caf": (cut("w.caf", "pcm_s16le", 0.5), "its end is missing"),
    "cut.w64": (cut("w.w64", "pcm_s16le", 0.5), "its end is missing"),
    "cut.avi": (cut("w.avi", "libmp3lame", 0.5, rate=44100), "its end is missing"),
    "cut.wma": (cut("w.wma", "wmav2", 0.5, rate=44100, layout="stereo"), "its end is missing"),
    "cut.wv": (cut("w.wv", "wavpack", 0.5), "is cut off or damaged: .* of the 4.0 s"),
    "headerless.sw": (lambda p: p.write_bytes(bytes(range(256)) * 99), "has no header"),
    "constant.wav": (lambda p: constant(p), "all of its samples are one value"),
    "half.wav": (lambda p: with_sizes(p, 32036, 32000), "goes on behind the 1.0 s"),
    "twice.amr": (lambda p: twice(p, "libopencore_amrnb", 8000), "cannot be decoded|joined"),
}


@pytest.mark.parametrize("name", BAD, ids=lambda name: name[:20])
def test_bad_files_are_named_with_fault_and_remedy(folder, name):
    make, message = BAD[name]
    make(folder / name)
    with pytest.raises(AudioError, match=f"^'{name}' .*(?:{message}).*; ."):
        inspect(name)


def test_wave_of_unknown_length_is_good(folder):
    unknown_length(folder / "piped.wav")
    assert inspect("piped.wav")["seconds"] == pytest.approx(2.0, abs=0.01)


def test_wave_with_other_chunks_first_is_good(folder):
    content = write_sound(folder / "a.wav").read_bytes()
    odd = b"junk" + (3).to_bytes(4, "little") + b"abc\0"
    (folder / "b.wav").write_bytes(content[:12] + odd + content[12:])
    assert inspect("b.wav")["seconds"] == pytest.approx(2.0, abs=0.01)
    (folder / "b.wav").write_bytes((content[:12] + odd + content[12:])[:-5000])
    with pytest.raises(AudioError, match="its end is missing"):
        inspect("b.wav")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(folder):
    write_sound(folder / "a.wav").chmod(0)
    with pytest.raises(AudioError, match="cannot be read"):
        inspect("a.wav")


# -------------------------------------------------------------------------- many files


def test_all_bad_files_are_named_at_once(folder):
    write_sound(folder / "good.wav")
    touch(folder, "bad1.wav", "bad2.wav")
    with pytest.raises(AudioError) as caught:
        inspect_all(["bad2.wav", "good.wav", "bad1.wav", "nowhere.wav"])
    assert [line.split("'")[1] for line in str(caught.value).splitlines()] == [
        "bad1.wav",
        "bad2.wav",
        "nowhere.wav",
    ]


def inspect_audio(*arguments: str, cwd: Path):
    command = [sys.executable, str(SCRIPTS / "inspect_audio.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_script_writes_a_manifest_sorted_by_path(folder):
    for name in ("b.wav", "-rf.wav", "a\nb.wav"):
        write_sound(folder / name, seconds=0.2)
    names = ("b.wav", "-rf.wav", "a\nb.wav", "b.wav")
    done = inspect_audio("--out", "new/audio.json", "--", *names, cwd=folder)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "new" / "audio.json").read_text())
    assert [entry["path"] for entry in manifest] == ["-rf.wav", "a\nb.wav", "b.wav"]
    assert [path.name for path in (folder / "new").iterdir()] == ["audio.json"]


def test_script_names_all_bad_files_and_writes_nothing(folder):
    write_sound(folder / "good.wav")
    touch(folder, "bad.wav")
    done = inspect_audio("--out", "audio.json", "good.wav", "bad.wav", "gone.wav", cwd=folder)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: 'bad.wav' is empty (0 bytes); copy it again from its source",
        "error: 'gone.wav' does not exist; correct the name",
    ]
    assert not (folder / "audio.json").exists()


# ------------------------------------------------------- what claims a length, and what does not


def with_sizes(path: Path, of_file: int, of_data: int, drop: int = 0) -> Path:
    """A WAV file whose header says so of its sizes; `drop` bytes of its end are missing."""
    content = bytearray(write_sound(path).read_bytes())
    place = content.index(b"data") + 4
    content[4:8] = of_file.to_bytes(4, "little")
    content[place : place + 4] = of_data.to_bytes(4, "little")
    path.write_bytes(content[: len(content) - drop])
    return path


@pytest.mark.slow
@given(
    of_data=st.sampled_from([0, 0xFFFFFFFF]) | st.integers(0x7FFF0000, 0xFFFFFFFF),
    of_file=st.sampled_from([0, 36, 0xFFFFFFFF]) | st.integers(0x7FFF0000, 0xFFFFFFFF),
)
@settings(max_examples=40, deadline=None)
def test_a_stream_of_unknown_length_is_taken_whole(tmp_path_factory, of_data, of_file):
    path = with_sizes(tmp_path_factory.mktemp("wave") / "a.wav", of_file, of_data)
    assert inspect(path)["seconds"] == pytest.approx(2.0, abs=0.01)


@given(drop=st.integers(2, 60_000))
@settings(max_examples=20, deadline=None)
def test_a_wave_that_claims_more_than_is_there_is_cut_off(tmp_path_factory, drop):
    path = with_sizes(tmp_path_factory.mktemp("wave") / "a.wav", 64036, 64000, drop)
    with pytest.raises(AudioError, match="its end is missing"):
        inspect(path)


def mp3_without_a_header(path: Path) -> Path:
    """Frames of unlike size, so that FFmpeg's guess of the length from the first ones is wrong."""
    loud = write_sound(path.with_name("loud.mp3"), "libmp3lame", 44100, amplitude=0.9)
    content = loud.read_bytes()
    start = content.index(b"Xing") if b"Xing" in content else content.index(b"Info")
    begin = content.index(b"\xff\xfb", start)  # the first frame of sound
    path.write_bytes(content[begin:])
    return path


def test_a_guess_from_the_bit_rate_is_no_claim(folder):
    from faster_whisper.audio import decode_audio

    path = mp3_without_a_header(folder / "a.mp3")
    assert inspect(path)["seconds"] * 16000 == len(decode_audio(str(path)))
    aac = write_sound(folder / "b.aac", "aac", 44100, seconds=3.0)
    assert inspect(aac)["seconds"] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp3", "libmp3lame"), ("a.opus", "libopus"), ("a.caf", "pcm_s16le")]
)
def test_zeros_behind_the_end_are_no_fault(folder, name, codec):
    path = write_sound(folder / name, codec, 48000)
    path.write_bytes(path.read_bytes() + bytes(100_000))
    assert inspect(path)["seconds"] == pytest.approx(2.0, abs=0.1)


def test_a_tag_behind_the_end_is_no_sound(folder):
    import random
    import struct

    footer = b"APETAGEX" + struct.pack("<IIII8x", 2000, 300_032, 1, 0x80000000)
    picture = random.Random(0).randbytes(300_000)
    path = write_sound(folder / "a.mp3", "libmp3lame", 44100)
    path.write_bytes(path.read_bytes() + footer + picture + footer)
    assert inspect(path)["seconds"] == pytest.approx(2.0, abs=0.1)


def test_what_is_missing_in_the_middle_is_told(folder):
    content = write_sound(folder / "a.opus", "libopus", 48000, seconds=6.0).read_bytes()
    third = len(content) // 3
    (folder / "a.opus").write_bytes(content[:third] + bytes(third) + content[2 * third :])
    assert "are missing in it" in inspect("a.opus")["remark"]


@pytest.mark.parametrize(("form", "codec"), [("avi", "libmp3lame"), ("matroska", "pcm_s16le")])
def test_what_went_through_a_pipe_claims_nothing(folder, form, codec):
    import io

    class Pipe(io.BytesIO):
        seek = None

    import av
    import numpy

    pipe = Pipe()
    with av.open(pipe, "w", format=form) as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        stream.codec_context.open()
        resampler = av.AudioResampler(
            stream.format.name, "mono", 48000, frame_size=stream.codec_context.frame_size or 1024
        )
        wave = numpy.sin(numpy.arange(96000) * 0.06).astype(numpy.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
        frame.sample_rate = 48000
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    (folder / "a").write_bytes(pipe.getvalue())
    assert inspect("a")["seconds"] == pytest.approx(2.0, abs=0.1)


def video_with_sound(path: Path, seconds: float = 4.0) -> Path:
    import av
    import numpy

    with av.open(str(path), "w", format="matroska") as container:
        sound = container.add_stream("libopus", rate=48000, layout="mono")
        picture = container.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        for k in range(int(10 * seconds)):
            noise = numpy.random.default_rng(k).integers(0, 255, (64, 64, 3), dtype="uint8")
            container.mux(picture.encode(av.VideoFrame.from_ndarray(noise, "rgb24")))
            wave = numpy.sin(numpy.arange(4800) * 0.06).astype(numpy.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            frame.sample_rate, frame.pts = 48000, 4800 * k
            container.mux(sound.encode(frame))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    return path


def test_a_video_is_held_against_its_container(folder):
    whole = video_with_sound(folder / "a.mkv")
    assert inspect(whole)["seconds"] == pytest.approx(4.0, abs=0.1)
    content = whole.read_bytes()
    (folder / "cut.mkv").write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(AudioError, match=r"of the 4\.\d s that it claims"):
        inspect("cut.mkv")


@pytest.mark.parametrize(
    ("name", "codec", "rates", "told"),
    [
        ("a.wav", "pcm_s16le", (16000, 16000), "another file behind its end"),
        ("a.mp3", "libmp3lame", (44100, 44100), r"gives \d.\d s of the \d.\d s that it holds"),
        ("a.m4a", "aac", (44100, 44100), "another file behind its end"),
        ("a.aiff", "pcm_s16be", (44100, 44100), "another file behind its end"),
        ("a.caf", "pcm_s16le", (44100, 44100), "another file behind its end"),
        ("a.tta", "tta", (44100, 44100), "another file behind its end"),
        ("a.flac", "flac", (44100, 48000), "changes its sample rate"),
        ("a.aac", "aac", (44100, 48000), "changes its sample rate"),
    ],
)
def test_files_joined_byte_by_byte_are_told(folder, name, codec, rates, told):
    parts = [
        write_sound(folder / f"{k}-{name}", codec, rate).read_bytes()
        for k, rate in enumerate(rates)
    ]
    (folder / name).write_bytes(b"".join(parts))
    with pytest.raises(AudioError, match=told):
        inspect(name)


@pytest.mark.parametrize(("name", "codec"), [("a.opus", "libopus"), ("a.flac", "flac")])
def test_joined_files_that_decoders_read_to_the_end_are_good(folder, name, codec):
    from faster_whisper.audio import decode_audio

    part = write_sound(folder / f"part-{name}", codec, 48000).read_bytes()
    (folder / name).write_bytes(part + part)
    found = inspect(name)["seconds"]
    assert found == pytest.approx(4.0, abs=0.1)
    assert found * 16000 == len(decode_audio(name))


def test_a_codec_without_a_decoder_is_told_beside_the_other_bad_files(folder):
    content = write_sound(folder / "a.m4a", "aac", 44100).read_bytes()
    (folder / "a.m4a").write_bytes(content.replace(b"mp4a", b"ac-4").replace(b"esds", b"dac4"))
    touch(folder, "b.wav")
    with pytest.raises(AudioError) as caught:
        inspect_all(["a.m4a", "b.wav"], folder / "kept")
    first, second = str(caught.value).splitlines()
    assert "cannot decode" in first and "is empty" in second


def test_channels_that_cancel_each_other_are_no_silence(folder):
    import wave

    import numpy

    tone = (9000 * numpy.sin(numpy.arange(32000) * 0.1)).astype("<i2")
    with wave.open("a.wav", "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        file.writeframes(numpy.column_stack([tone, -tone]).tobytes())
    with pytest.raises(AudioError, match="2 channels cancel each other"):
        inspect("a.wav")


def test_of_several_tracks_the_one_that_is_taken_is_told(folder):
    import av
    import numpy

    with av.open("a.mka", "w") as container:
        streams = [container.add_stream("libopus", rate=48000, layout="mono") for _ in range(2)]
        for stream, language in zip(streams, ("ger", "eng"), strict=True):
            stream.metadata["language"] = language
        for stream in streams:
            wave = numpy.sin(numpy.arange(48000) * 0.06).astype(numpy.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            frame.sample_rate = 48000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert (
        "2 audio tracks (ger, eng); faster-whisper takes the first one (ger)"
        in (inspect("a.mka")["remark"])
    )
    inspect_all(["a.mka"], folder / "kept")
    assert inspected.remarks(["a.mka"], folder / "kept")[0].startswith("a.mka has 2 audio tracks")


# ------------------------------------------------------------ what patterns leave out, and say


def test_patterns_leave_out_what_is_no_audio_and_say_so(folder):
    touch(folder, "a/1.flac", "a/cover.jpg", "a/talk.TextGrid", "a/notes.txt", "a/x.docx")
    (folder / "a" / "recording").write_bytes(b"OggS" + bytes(40))  # in NOT_AUDIO: no ending
    (folder / "a" / "recording.dat").write_bytes(b"OggS" + bytes(40))
    found = expand(["a/*"], folder)
    assert [path.name for path in found.files] == ["1.flac", "recording.dat"]
    assert [path.name for path in found.passed_over] == ["cover.jpg", "talk.TextGrid", "x.docx"]
    named = expand(["a/cover.jpg", "a/*"], folder)
    assert named.files[0].name == "cover.jpg"  # asked for, and refused later
    assert "cover.jpg" not in [path.name for path in named.passed_over]


# ---------------------------------------------------------------------- remembered by content


def test_what_was_seen_is_remembered_by_content(folder, monkeypatch):
    write_sound(folder / "a.wav")
    (folder / "b.wav").write_bytes((folder / "a.wav").read_bytes())
    kept = folder / "kept"
    (first,) = inspect_all(["a.wav"], kept)
    assert inspected.unknown(["a.wav", "b.wav"], kept) == []
    monkeypatch.setattr(inspected.audio, "inspect", lambda name: pytest.fail("decoded again"))
    (folder / "b.txt").write_text("words")
    (again,) = inspect_all(["b.wav"], kept)
    assert again == first | {"file": "b.wav", "path": "b.wav", "reference": "words"}
    write_sound(folder / "a.wav", seconds=3.0)
    assert inspected.unknown(["a.wav"], kept) == ["a.wav"]


def test_a_file_that_ends_its_process_is_named_beside_the_others(folder, monkeypatch):
    write_sound(folder / "a.wav")
    touch(folder, "b.wav")
    look = inspected.audio.inspect

    def inspect_or_end(name):
        return os._exit(9) if name == "c.wav" else look(name)

    monkeypatch.setattr(inspected.audio, "inspect", inspect_or_end)
    monkeypatch.setattr(inspected.cpus, "mine", lambda: [0, 1])
    with pytest.raises(AudioError) as caught:
        inspect_all(["a.wav", "b.wav", "c.wav"], folder / "kept")
    first, second = str(caught.value).splitlines()
    assert "is empty" in first and "'c.wav' ends the process that decodes it" in second


# ----------------------------------------------------------------------------- sizes in headers


def _chunk(name: bytes, data: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(data)) + data + b"\0" * (len(data) % 2)


def _wave(head: bytes = b"RIFF", order: str = "<", *more: bytes) -> bytes:
    form = struct.pack(f"{order}HHIIHH", 1, 1, 16000, 32000, 2, 16)
    tone = struct.pack(f"{order}64000h", *(9000 * (-1) ** (k // 40) for k in range(64000)))
    body = b"WAVE" + _chunk(b"fmt ", form, order) + _chunk(b"data", tone, order) + b"".join(more)
    return head + struct.pack(f"{order}I", len(body)) + body


def _with_size_of_64_bits() -> bytes:
    plain = _wave()
    size = struct.pack("<QQQI", len(plain) + 28, 128000, 64000, 0)
    head = b"BW64" + b"\xff" * 4 + b"WAVE" + _chunk(b"ds64", size)
    return head + plain[12:].replace(b"data" + struct.pack("<I", 128000), b"data" + b"\xff" * 4)


def _sphere() -> bytes:
    lines = (
        "NIST_1A\n   1024\nsample_count -i 64000\nsample_n_bytes -i 2\nchannel_count -i 1\n"
        "sample_rate -i 16000\nsample_byte_format -s2 01\nsample_coding -s3 pcm\nend_head\n"
    )
    return lines.encode().ljust(1024) + _wave()[44:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("big.wav", _wave(b"RIFX", ">")),
        ("long.wav", _with_size_of_64_bits()),
        ("corpus.sph", _sphere()),
    ],
)
def test_a_size_in_the_header_is_held_against_the_file(folder, name, content):
    (folder / name).write_bytes(content)
    assert inspect(name)["seconds"] == pytest.approx(4.0, abs=0.01)
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match="is cut off"):
        inspect(name)


def test_a_second_chunk_of_samples_is_told(folder):
    notes = _chunk(b"LIST", b"INFOICMT\4\0\0\0abcd")
    (folder / "two.wav").write_bytes(_wave(b"RIFF", "<", notes, _chunk(b"data", _wave()[44:])))
    with pytest.raises(AudioError, match="goes on behind"):
        inspect("two.wav")
    (folder / "one.wav").write_bytes(_wave(b"RIFF", "<", notes))
    assert inspect("one.wav")["seconds"] == pytest.approx(4.0, abs=0.01)


def test_an_mp4_that_ends_within_its_media_is_cut_off(folder):
    write_sound(folder / "a.mp4", "aac", 44100, seconds=4.0)
    whole = (folder / "a.mp4").read_bytes()
    behind = struct.pack(">I4s", 5000, b"mdat") + bytes(992)
    (folder / "b.mp4").write_bytes(whole + behind)
    with pytest.raises(AudioError, match="is cut off"):
        inspect("b.mp4")
    (folder / "c.mp4").write_bytes(whole + struct.pack(">I4s", 1000, b"free") + bytes(992))
    assert inspect("c.mp4")["seconds"] == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_what_a_player_has_cut_away_in_front_is_not_missing(folder, codec):
    """An edit list begins 2 s in: FFmpeg hands on packets before that, to be thrown away."""
    write_sound(folder / "a.m4a", codec, 44100, seconds=10.0)
    whole = (folder / "a.m4a").read_bytes()
    place = whole.index(b"elst") + 12  # of one edit: its length in ms, where in the media it begins
    edit = struct.pack(">II", 6000, 2 * 44100 + 1024)
    (folder / "cut.m4a").write_bytes(whole[:place] + edit + whole[place + 8 :])
    found = inspect("cut.m4a")
    assert found["seconds"] == pytest.approx(6.0, abs=0.15)
    assert not found.get("remark")


def test_packets_without_a_length_leave_no_gaps(folder):
    write_sound(folder / "a.mkv", "alac", 44100, seconds=4.0)
    assert not inspect("a.mkv").get("remark")
