"""Which audio files a study's patterns mean. Nothing is decoded, and nothing heavy imported."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from parallel_transcription.errors import InputError
from parallel_transcription.inputs.regular_file import Unreadable, size_of

#: Endings of what may stand beside audio ("": README, SHA256SUMS); wildcards pass over it.
NOT_AUDIO = frozenset(
    ("", ".txt", ".md", ".rst", ".json", ".yaml", ".yml", ".csv", ".tsv", ".srt", ".vtt", ".py",
     ".sh", ".sha256", ".license", ".html", ".pdf", ".ini", ".toml", ".log", ".part", ".tmp")
)  # fmt: skip
#: Endings of audio, and of video, which has sound too.
AUDIO = frozenset(
    (".wav", ".wave", ".flac", ".mp3", ".mp2", ".mp1", ".mpga", ".ogg", ".oga", ".opus", ".spx",
     ".m4a", ".m4b", ".m4r", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".aac", ".adts", ".webm",
     ".weba", ".mka", ".mkv", ".avi", ".asf", ".wma", ".wmv", ".aif", ".aiff", ".aifc", ".caf",
     ".au", ".snd", ".w64", ".rf64", ".amr", ".awb", ".ac3", ".eac3", ".dts", ".thd", ".ts",
     ".m2ts", ".mts", ".mpg", ".mpeg", ".vob", ".flv", ".ogv", ".ape", ".wv", ".tta", ".mpc",
     ".gsm", ".sph", ".voc", ".vqf", ".ra", ".rm", ".dsf", ".dff", ".shn", ".tak", ".nut", ".mxf")
)  # fmt: skip
#: What audio begins with, whatever it is called: (place, bytes).
_MAGIC = (
    (0, b"RIFF"), (0, b"RF64"), (0, b"riff"), (0, b"OggS"), (0, b"fLaC"), (0, b"ID3"),
    (4, b"ftyp"), (0, b"\x1aE\xdf\xa3"), (0, b"FORM"), (0, b"caff"), (0, b".snd"), (0, b"#!AMR"),
    (0, b"\x30\x26\xb2\x75"), (0, b"MAC "), (0, b"wvpk"), (0, b"\xff\xfb"), (0, b"\xff\xf3"),
    (0, b"\xff\xf1"),
)  # fmt: skip


MOST_ENTRIES = 300_000  # that a pattern with ** may go through


class AudioError(InputError):
    """A pattern or a file that cannot be used; the message names it, the fault and a remedy."""


def fault_of(path: Path, fault: str, remedy: str) -> AudioError:
    """The error of a file, in the form that all of them have."""
    return AudioError(f"{os.fspath(path)!r} {fault}; {remedy}")


# ----------------------------------------------------------------------------- patterns


class Matched(NamedTuple):
    """What patterns name: `files`, and `passed_over`, which wildcards met and are no audio.

    Companions of audio (NOT_AUDIO, such as transcripts) are in neither.
    """

    files: list[Path]
    passed_over: list[Path]


def expand(patterns: Sequence[str], base: str | os.PathLike[str]) -> Matched:
    """The files that patterns name, each once, in the order of the patterns.

    A pattern is a file or has wildcards (`*`, `?`, `[…]`, `**` for any folders, but for links to
    some); relative ones start at `base`, and so do the paths returned for them. Files of one
    pattern are sorted by name, numbers by value (`2.wav` before `10.wav`). Wildcards pass over
    folders, hidden files and what is no audio by its ending nor by its first bytes; what has the
    ending of audio is taken, so that it is refused if it is a link to nothing. A file named by
    itself is taken.

    Raises AudioError with a line for each pattern that matches nothing, names a folder or goes
    through too many files, and for no patterns.
    """
    if not patterns:
        raise AudioError("no audio is named; give files or patterns such as 'audio/*.flac'")
    files: dict[str, Path] = {}
    others: dict[str, Path] = {}
    bad = []
    for pattern in patterns:
        try:
            matched = _matches(pattern, Path(base))
        except AudioError as error:
            bad.append(str(error))
            continue
        for kept, found in ((files, matched.files), (others, matched.passed_over)):
            for path in found:
                kept.setdefault(os.path.abspath(Path(base) / path), path)
    if bad:
        raise AudioError("\n".join(bad))
    return Matched(list(files.values()), [p for key, p in others.items() if key not in files])


def _matches(pattern: str, base: Path) -> Matched:
    if not isinstance(pattern, str) or not pattern or "\0" in pattern:
        raise AudioError(f"{pattern!r} is no file name; give files or patterns ('audio/*.flac')")
    expanded = os.path.expanduser(pattern)
    if os.path.lexists(base / expanded):  # a name may itself contain [ ] or *
        if (base / expanded).is_dir():
            raise AudioError(
                f"{pattern!r} is a folder; name the files in it: {os.path.join(pattern, '*')!r}"
            )
        return Matched([Path(expanded)], [])
    if not glob.has_magic(expanded):
        raise AudioError(f"{pattern!r}: there is no such file; correct the name")
    found = _in_all_folders(expanded, base) if "**" in expanded else [
        Path(name) for name in glob.glob(expanded, root_dir=base)
    ]  # fmt: skip
    names = sorted(found, key=natural_key)
    there = [p for p in names if p.suffix.lower() not in NOT_AUDIO and _may_be_audio(base / p)]
    files = [path for path in there if _looks_like_audio(base / path)]
    if not files:
        only = " but folders and files that are no audio" if found else ""
        raise AudioError(f"{pattern!r} matches nothing{only}; correct the pattern")
    return Matched(files, [path for path in there if path not in files])


def _in_all_folders(pattern: str, base: Path) -> list[Path]:
    """What a pattern with `**` matches; links to folders, which may go round, are not followed."""
    parts = Path(pattern).parts
    first = next(k for k, part in enumerate(parts) if glob.has_magic(part))
    top, rest = Path(*parts[:first]), parts[first:]
    rest = (*rest, "*") if rest[-1] == "**" else rest  # files, too
    entries = 0
    for _, folders, files in os.walk(base / top):
        entries += len(folders) + len(files)
        if entries > MOST_ENTRIES:
            raise AudioError(
                f"{pattern!r} goes through more than {MOST_ENTRIES:,} files and folders; begin it "
                "with the folder that holds the audio"
            )
    found = (path.relative_to(base / top) for path in (base / top).glob("/".join(rest)))
    hidden = any(part.startswith(".") for part in rest)
    return [
        top / path for path in found if hidden or not any(p.startswith(".") for p in path.parts)
    ]


def _may_be_audio(path: Path) -> bool:
    """A file; or what is called like one, and no folder: a pipe, or a link to nothing."""
    return path.is_file() or (path.suffix.lower() in AUDIO and not path.is_dir())


def _looks_like_audio(path: Path) -> bool:
    """Whether a file's ending or its first bytes are those of audio."""
    if path.suffix.lower() in AUDIO:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return True  # it is refused with the reason
    return any(head[place:].startswith(magic) for place, magic in _MAGIC)


def check_files(paths: Iterable[Path], base: str | os.PathLike[str]) -> None:
    """Refuse what is no readable regular file with content (a pipe would make its reader wait).

    Nothing is decoded. Raises one AudioError with a line per bad file.
    """
    bad = []
    for path in paths:
        try:
            if not os.fspath(path).isprintable() and "\udc80" <= max(os.fspath(path)) <= "\udcff":
                raise fault_of(path, "has a name that is not UTF-8", "give it another name")
            size_in_bytes(path, base)
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


def size_in_bytes(path: Path, base: str | os.PathLike[str] = "") -> int:
    """The size of a regular file with content. Raises AudioError for another one."""
    try:
        size = size_of(Path(base, path), "an audio file")
    except Unreadable as error:
        raise fault_of(path, error.fault, error.remedy) from None
    if size == 0:
        raise fault_of(path, "is empty (0 bytes)", "copy it again from its source")
    return size
