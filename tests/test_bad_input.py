"""Bad input of every kind ends with a clear message: what, where, which value, what to do.

No traceback, no exit status 0, nothing written, nothing that hangs. What a study's values may be is
in test_study.py, damaged audio in test_audio.py, damaged models in test_models.py; here are the
files themselves, names that try to break out, command lines, foreign results and environments.
"""

import os
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_transcription.study.dimensions import LANGUAGES, NAMES
from parallel_transcription.study.file import read_study_file
from parallel_transcription.study.settings import SETTINGS
from parallel_transcription.study.study import StudyError, build_study
from project import ROOT, Project

CLIP = "audio/english-short.opus"
GOOD = {
    "audio": [CLIP],
    "defaults": {"model": "mini-en"},
    "grid": [{"strategy": "one_model", "num_workers": [1, 2]}],
}


def study_with(text: str) -> str:
    """The good study with top-level keys replaced by those of `text`."""
    keys = {line.split(":")[0] for line in text.splitlines() if line[:1].isalpha()}
    return yaml.safe_dump({k: v for k, v in GOOD.items() if k not in keys}) + text + "\n"


def block(text: str) -> str:
    """The good study whose block also says `text`."""
    return study_with(f"grid:\n  - strategy: one_model\n    {text}")


def bomb(first: str, more: str) -> str:
    """Nine lines, each naming the one before nine times: 9**9 values when written out."""
    names = "abcdefghij"
    lines = [f"a: &a {first}"]
    for before, name in pairwise(names):
        lines.append(f"{name}: &{name} " + more.replace("X", f"*{before}"))
    return "\n".join(lines)


LAUGHS = bomb("[x, x, x]", "[X, X, X, X, X, X, X, X, X]")
KEYED_LAUGHS = bomb("{x: y}", "{a: X, b: X, c: X, d: X, e: X, f: X, g: X, h: X, i: X}")

# name: (the whole file, what the message must contain)
FILES = {
    "nothing": ("", ["is empty", "audio"]),
    "only a remark": ("# to do\n", ["is empty"]),
    "a list": ("- audio\n- grid\n", ["no mapping"]),
    "a word": ("study\n", ["no mapping"]),
    "a list that never ends": ("audio: [a, b\n", ["line 2", "not YAML"]),
    "a quote that never ends": ('audio: ["a]\n', ["not YAML"]),
    "tabs": ("audio:\n\t- a.wav\n", ["line 2", "spaces, not with tabs"]),
    "Latin-1": ("name: Bü\n".encode("latin-1"), ["line 1", "UTF-8"]),
    "UTF-16": ("name: x\n".encode("utf-16"), ["UTF-8"]),
    "a zero byte": (b"name: a\0b\n", ["#x0000", "remove it"]),
    "an escape sequence": (b"name: \x1b[31m\n", ["#x001b", "remove it"]),
    "sound": ((ROOT / CLIP).read_bytes()[:9000], ["UTF-8"]),
    "too much": ("# " + "x" * 200_000, ["200002 bytes", "200000"]),
    "two studies": (study_with("") + "---\nrounds: 2\n", ["one study in a file"]),
    "a Python call": (study_with("name: !!python/object/apply:os.system [ls]"),
                      ["line 10", "!!python/object/apply:os.system", "plain values"]),
    "a Python name": (study_with("name: !!python/name:os.system"), ["!!python/name", "tag"]),
    "a Python tuple": (study_with("only: !!python/tuple [a]"), ["!!python/tuple", "tag"]),
    "binary": (study_with("name: !!binary aGFsbG8="), ["!!binary", "tag"]),
    "a tag of one's own": (study_with("name: !mine x"), ["!mine", "tag"]),
    "a template that runs code": (study_with("__use_yte__: true"), ["__use_yte__", "run code"]),
    "a key twice": (study_with("rounds: 2\nrounds: 3"),
                    ["line 11", "'rounds'", "second time", "line 10"]),
    "a key twice, once in quotes": (study_with("rounds: 2\n'rounds': 3"), ["second time"]),
    "a key twice in a block": (block("num_workers: 1\n    num_workers: 2"), ["'num_workers'"]),
    "a billion laughs": (study_with(LAUGHS), ["more than 50000 values"]),
    "a billion laughs with keys": (study_with(KEYED_LAUGHS), ["more than 50000 values"]),
    "a list in itself": (study_with("only: &x [*x]"), ["levels", "flatten"]),
    "a mapping in itself": (study_with("limits: &x {max_cores: *x}"), ["levels", "flatten"]),
    "3000 brackets": (f"audio: {'[' * 3000}{']' * 3000}\n", ["line 1", "20 levels"]),
    "an unknown alias": (study_with("name: *x"), ["line 10", "quotes"]),
    "a bare wildcard": ("audio: [*.wav]\n", ["line 1", "* or &", "quotes"]),
    "a bare at sign": (study_with("name: @home"), ["line 10", "quotes"]),
    "a colon in a text": (study_with("name: a: b"), ["line 10", "quotes"]),
    "no as a language": (study_with("defaults: {model: mini-en, language: no}"),
                         ["defaults.language", "False", "reads no, off", "quotes"]),
    "no as a strategy": (study_with("grid: [{strategy: off}]"), ["grid[0].strategy", "quotes"]),
    "yes as a name": (study_with("name: yes"), ["name", "True", "reads yes, on", "quotes"]),
    "no as a key": (study_with("no: 3"), ["'no'", "a boolean", "quotes"]),
    "a number as a key": (study_with("3: 4"), ["'3'", "an integer", "quotes"]),
    "nothing as a key": (study_with("~: 4"), ["'~'", "null", "quotes"]),
    "a list as a key": (study_with("[a, b]: 4"), ["line 10", "no key"]),
    "a number to base 8": (study_with("rounds: 010"), ["line 10", "'010'", "leading 0"]),
    "a number to base 60": (study_with("timeout_s: 1:30"), ["line 10", "'1:30'", "base 60"]),
    "a number of 5000 digits": (study_with("rounds: " + "9" * 5000), ["line 10", "5000 digits"]),
    "not a number": (study_with("timeout_s: .nan"), ["timeout_s", "nan", "finite"]),
    "less than all": (study_with("timeout_s: -.inf"), ["timeout_s", "-inf", "finite"]),
    "a date": (study_with("name: 2026-01-31"), ["line 10", "'2026-01-31'", "date", "quotes"]),
    "a moment": (study_with("name: 2026-01-31T12:00:00"), ["line 10", "date", "quotes"]),
    "null": (study_with("rounds:"), ["rounds", "null", "integer"]),
    "null for a list": (study_with("audio:"), ["audio", "null", "a list"]),
    "no audio at all": ("grid: [{strategy: one_model}]\n", ["missing key 'audio'", "Files"]),
    "no grid at all": (f"audio: [{CLIP}]\n", ["missing key 'grid'", "blocks"]),
    "no strategy": (study_with("grid: [{num_workers: 2}]"), ["grid[0]", "strategy is missing"]),
    "a fraction": (block("num_workers: 1.5"), ["num_workers", "1.5", "integer"]),
    "a number as text": (block("num_workers: '2'"), ["num_workers", "'2'", "integer"]),
    "a number with a unit": (study_with("timeout_s: 60s"), ["timeout_s", "'60s'", "number"]),
    "a comma for a point": (study_with("confidence: 0,95"), ["confidence", "'0,95'", "number"]),
    "per cent for a share": (study_with("confidence: 95"), ["confidence", "95", "less than 1"]),
    "a language in words": (block("language: English"), ["language", "'English'", "auto"]),
    "a language that Whisper has not": (block("language: xx"), ["language", "'xx'", "en, or auto"]),
    "too many rounds": (study_with("rounds: 901"), ["rounds", "901", "at most 900"]),
    "too many workers": (block("num_workers: 5000"), ["num_workers", "5000", "at most 1024"]),
    "a name of 300 letters": (study_with("name: " + "x" * 300), ["name", "xxx", "letters, digits"]),
}  # fmt: skip

# Texts that try to leave their place: a path, a shell, a terminal, an option.
ESCAPES = {
    "up": "../../up", "absolute": "/etc/passwd", "dots": "..", "hidden": ".hidden",
    "home": "~root/x", "option": "--help", "dash": "-rf", "substitution": "$(touch pwned)",
    "backticks": "`touch pwned`", "semicolon": "x;touch pwned", "pipe": "x|touch pwned",
    "ampersand": "x&touch pwned", "redirection": "x>pwned", "quote": "x'y", "double quote": 'x"y',
    "braces": "{wildcards.run}", "variable": "${HOME}", "space": "a b", "empty": "",
    "newline": "x\n", "newlines": "x\ntouch pwned\n", "zero": "x\0y", "escape": "\x1b[2Jx",
    "from right to left": "x\u202eexe.wav", "no width": "x\u200b", "umlaut": "Büro",
    "full width": "\uff58", "surrogate": "x\ud800", "300 letters": "y" * 300, "backslash": "a\\b",
    "wildcard": "*", "percent": "%s%n", "html": "<script>alert(1)</script>",
}  # fmt: skip
PLACES = {
    "label": lambda text: {"machine": text},
    "name": lambda text: {"name": text},
    "only": lambda text: {"only": text},
    "thread_env": lambda text: {"defaults": {"thread_env": f"OMP_NUM_THREADS={text or '?'}"}},
    "language": lambda text: {"defaults": {"language": text}},
    "device_index": lambda text: {"defaults": {"device": "cuda", "device_index": text}},
    "model": lambda text: {"defaults": {"model": text}},
    "audio": lambda text: {"audio": [text]},
    "key": lambda text: {text: 1},
}  # fmt: skip

#: What may stand there: any readable file can be named as audio (it must decode), and the value of
#: a variable may have signs that no shell ever sees (OMP_PLACES={0:4}).
ALLOWED = {
    *(("audio", case) for case in ("absolute", "wildcard")),
    *(("thread_env", case) for case in ("dots", "hidden", "option", "dash", "braces")),
    ("thread_env", "300 letters"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a script in this process; gives its exit status and what it said."""

    def call(name, *arguments) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [name, *map(os.fspath, arguments)])
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")
        said = "".join(capsys.readouterr())
        if isinstance(stop.value.code, str):  # as Python does with sys.exit("…")
            return 1, f"{said}{stop.value.code}\n"
        return stop.value.code or 0, said

    return call


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_with_its_line_or_key(case, folder, script):
    content, expected = FILES[case]
    content = content if isinstance(content, bytes) else content.encode()
    Path("mine.yaml").write_bytes(content)
    status, said = script("list_configurations.py", "mine.yaml")
    assert status == 2
    assert all(line.startswith("error: mine.yaml: ") for line in said.splitlines()), said
    for part in expected:
        assert part in said, said
    assert len(said) < 2000 and os.listdir() == ["mine.yaml"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("place", "case"), [(p, c) for p in PLACES for c in ESCAPES if (p, c) not in ALLOWED]
)
def test_a_text_cannot_leave_its_place(case, place, folder):
    """Refused with file, key and value; nothing is run or written. (Good file names: below.)."""
    text = ESCAPES[case]
    with pytest.raises(StudyError) as error:
        build_study({**GOOD, **PLACES[place](text)}, "mine.yaml", ROOT)
    message = str(error.value)
    message.encode()  # can be printed
    assert message.startswith("mine.yaml: ") and len(message) < 3000
    key = {"label": "machine", "key": ""}.get(place, place)
    assert key in message
    assert "\x1b" not in message and "\u202e" not in message and "\0" not in message
    assert os.listdir() == []


def fifo(path):
    os.mkfifo(path)


def link_to_nothing(path):
    path.symlink_to("nowhere")


def link_to_itself(path):
    path.symlink_to(path)


def unreadable(path):
    path.write_text("x")
    path.chmod(0)


# name: (how the file is made, what the message must contain, whether root sees the fault)
ODD_FILES = {
    "missing": (lambda path: None, ["correct the name"], True),
    "a folder": (Path.mkdir, ["a folder"], True),
    "a pipe": (fifo, ["no regular file"], True),
    "a device": (lambda path: path.symlink_to("/dev/zero"), ["no regular file"], True),
    "a link to nothing": (link_to_nothing, ["correct the name"], True),
    "a link to itself": (link_to_itself, ["cannot be read"], True),
    "an unreadable file": (unreadable, ["Permission denied", "rights"], False),
    "a name of 300 letters": (None, ["File name too long"], True),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", ODD_FILES)
@pytest.mark.parametrize("role", ["study", "audio"])
def test_an_odd_file_is_refused_and_never_waited_for(case, role, folder, script):
    make, expected, by_root = ODD_FILES[case]
    if not by_root and os.geteuid() == 0:
        pytest.skip("root may read everything")
    name = "x" * 300 if make is None else "odd"
    if make:
        make(folder / name)
    file = name
    if role == "audio":
        Path("mine.yaml").write_text(study_with(f"audio: ['{folder / name}']"))
        file = "mine.yaml"
    status, said = script("list_configurations.py", file)
    assert status == 2
    assert said.startswith(f"error: {file}: ") and said.count("\n") == 1
    if role == "audio" and case in ("missing", "a name of 300 letters"):
        expected = ["there is no such file", "correct the name"]
    for part in [*expected, name]:
        assert part in said, said


def test_every_bad_audio_file_is_named_at_once(folder):
    for name in ("a.wav", "b.wav"):
        (folder / name).touch()
    study = {**GOOD, "audio": [str(folder / "*.wav"), str(ROOT / CLIP)]}
    with pytest.raises(StudyError) as error:
        build_study(study, "mine.yaml", ROOT)
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("mine.yaml: audio: ") and "empty" in line for line in lines)


def test_a_file_name_that_is_no_text_is_refused(folder):
    (folder / os.fsdecode(b"a\xff.wav")).write_text("x")
    with pytest.raises(StudyError, match=r"udcff\.wav' has a name that is not UTF-8; give it"):
        build_study({**GOOD, "audio": [str(folder / "*.wav")]}, "mine.yaml", ROOT)


def test_files_beyond_the_last_in_parallel_are_named(script, tmp_path):
    """files_in_parallel takes the first of the list; the rest is not silently left out."""
    study = tmp_path / "mine.yaml"
    clips = [CLIP, "audio/english-1.opus", "audio/english-2.opus", "audio/english-3.opus"]
    study.write_text(yaml.safe_dump({**GOOD, "audio": clips}))
    status, said = script("list_configurations.py", study)
    assert status == 0
    assert said.count("not used: ") == 2
    assert "not used: audio/english-2.opus" in said and "not used: audio/english-3.opus" in said


# ------------------------------------------------------------------ good files stay good


def test_forms_of_yaml_that_mean_what_they_say_are_read(folder):
    plain = yaml.safe_dump(GOOD).encode()
    merged = b"base: &b {num_workers: 1}\ngrid: [{<<: *b, num_workers: 2}]\n"
    for content in (plain, b"\xef\xbb\xbf" + plain, plain.replace(b"\n", b"\r\n"), plain.rstrip()):
        Path("mine.yaml").write_bytes(content)
        assert read_study_file("mine.yaml") == GOOD
    Path("mine.yaml").write_bytes(merged)
    assert read_study_file("mine.yaml")["grid"] == [{"num_workers": 2}]
    Path("mine.yaml").write_text('language: "no"\nx: !!str 010\ny: 1_000\nz: 0x10\nw: 1e3\n')
    assert list(read_study_file("mine.yaml").values()) == ["no", "010", 1000, 16, "1e3"]


def test_languages_are_those_of_whisper():
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert frozenset(_LANGUAGE_CODES) == LANGUAGES


# ----------------------------------------------------------------------------- fuzzing

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**17, 10**30)
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from([*ESCAPES.values(), "mini-en", "dummy-tiny", "one_model", CLIP])
)
WORDS = st.sampled_from([*NAMES, *(s.name for s in SETTINGS)]) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | SCALARS.filter(lambda v: v == v), inner, max_size=4)
    ),
    max_leaves=12,
)
FUZZED = settings(max_examples=250, deadline=None, derandomize=True)


def steps(value, path=()):
    """All places in a study."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from steps(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from steps(inner, (*path, i))


def put(study, path, value):
    """A copy of the study with another value at a place."""
    if not path:
        return value
    copy = dict(study) if isinstance(study, dict) else list(study)
    copy[path[0]] = put(study[path[0]], path[1:], value)
    return copy


def builds_or_says_why(study):
    try:
        build_study(study, "mine.yaml", ROOT)
    except StudyError as error:
        assert all(line.startswith("mine.yaml: ") for line in str(error).split("\n"))
        assert len(str(error)) < 20_000
        str(error).encode()


@pytest.mark.timeout(120)
@FUZZED
@given(study=VALUES)
def test_any_values_are_a_study_or_a_clear_error(study):
    builds_or_says_why(study)


FULL = yaml.safe_load((ROOT / "config/cpu.yaml").read_text(encoding="utf-8")) | {
    "limits": {"max_cores": 2},
    "packing": {"jobs": 2, "cores": 1},
    "only": {"num_workers": [1]},
    "confidence": 0.9,
}


@pytest.mark.timeout(120)
@FUZZED
@given(path=st.sampled_from(list(steps(FULL))), value=VALUES)
def test_a_study_with_one_value_changed_is_a_study_or_a_clear_error(path, value):
    builds_or_says_why(put(FULL, path, value))


@pytest.mark.timeout(120)
@FUZZED
@given(data=st.data())
def test_any_text_is_yaml_or_a_clear_error(data, tmp_path_factory):
    """Bytes of all kinds, and a good file with some bytes changed."""
    good = bytearray((ROOT / "config/config.yaml").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 1))
        odd = st.sampled_from(
            [b"\t", b"&a ", b"*a", b"!!", b": ", b"[", b"}", b"\n- ", b"\0", b"'"]
        )
        good[place : place + data.draw(st.integers(0, 9))] = data.draw(odd | st.binary(max_size=9))
    file = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    for content in (bytes(good), data.draw(st.binary(max_size=200))):
        file.write_bytes(content)
        try:
            read_study_file(file)
        except StudyError as error:
            assert str(error).startswith(f"{file}: ")


# ----------------------------------------------------------------- command lines, by hand

NO_STUDY = ("--study", "{}")
MERGING = ("merge_timings.py", "--results", "empty", "--out", "o")
JUDGED, PAGES = "--findings f.json --scoreboard s.json", "--figures figures"
SPEC = ("--manifests", "nowhere", "--log", "l", "--record", "r.json")
# name: (script and arguments, exit status, what the message must contain)
COMMANDS = {
    "no file": ("transcribe_one_model.py", 2, ["name at least one audio file"]),
    "an unknown option": ("transcribe_one_model.py --nonsense x", 2, ["--nonsense"]),
    "no value": ("transcribe_one_model.py x --model", 2, ["--model", "expected one argument"]),
    "words for a number": ("transcribe_one_model.py --num-workers two x", 2, ["'two'"]),
    "no workers": ("transcribe_one_model.py --num-workers 0 CLIP", 2, ["num_workers", "at least"]),
    "a million workers": ("transcribe_one_model.py --num-workers 1000000 CLIP", 2,
                          ["num_workers", "at most 1024"]),
    "threads below 0": ("transcribe_one_model.py --cpu-threads -1 CLIP", 2, ["cpu_threads", "-1"]),
    "no beams": ("transcribe_one_model.py --beam-size 0 CLIP", 2, ["beam_size", "at least 1"]),
    "no repeats": ("transcribe_one_model.py --repeats 0 CLIP", 2, ["repeats", "at least 1"]),
    "no time": ("transcribe_one_model.py --timeout-s nan CLIP", 2, ["timeout_s", "finite"]),
    "a foreign variable": ("transcribe_one_model.py --thread-env LD_PRELOAD=x.so CLIP", 2,
                           ["thread_env", "'LD_PRELOAD=x.so'", "OMP_NUM_THREADS"]),
    "two faults": ("transcribe_one_model.py --beam-size 0 --repeats 0 CLIP", 2,
                   ["beam_size", "repeats"]),
    "an unknown language": ("transcribe_one_model.py --language xx CLIP", 2, ["'xx'", "auto"]),
    "no instances": ("transcribe_multi_model.py --instances 0 CLIP", 2, ["instances", "at least"]),
    "a GPU on the CPU": ("transcribe_multi_process.py --device-index 1 CLIP", 2, ["device: cuda"]),
    "an unknown model": ("transcribe_one_model.py --model tinny CLIP", 2, ["'tinny'", "tiny"]),
    "an option as a model": ("transcribe_one_model.py --model=-x CLIP", 2, ["'-x'", "'./-x'"]),
    "a folder as a record": ("transcribe_one_model.py --record . CLIP", 2, ["--record", "'.'"]),
    "a device as a record": ("transcribe_one_model.py --record /dev/null CLIP", 2, ["--record"]),
    "a device as a log": ("transcribe_one_model.py --log /dev/null CLIP", 2, ["--log"]),
    "half a specification": ("transcribe_one_model.py --spec {", 2, ["--spec", "workflow"]),
    "an empty specification": (("transcribe_one_model.py", "--spec", "{}", *SPEC), 2, ["--spec"]),
    "a specification alone": (("transcribe_one_model.py", "--spec", '{"model": "x"}'), 2,
                              ["--spec", "by hand"]),
    "a model without a name": ("prepare_model.py --model= --out m.json", 1,
                               ["a model is a name", "mini-en"]),
    "a manifest in a file": ("prepare_model.py --model mini-en --out file/m.json", 1,
                             ["file/m.json: "]),
    "no audio": ("inspect_audio.py --out o.json --", 2, ["FILE"]),
    "audio without a name": (("inspect_audio.py", "--out", "o.json", "--", ""), 1,
                             ["is a folder", "give an audio file"]),
    "audio that is text": ("inspect_audio.py --out o.json -- file", 1, ["'file'", "decoded"]),
    "two bad audio files": ("inspect_audio.py --out o.json -- file nowhere.wav", 1,
                            ["'file'", "'nowhere.wav' does not exist"]),
    "a study that is a folder": ("list_configurations.py .", 2, [".: is a folder"]),
    "merging nothing": ("merge_timings.py --results empty --out o", 1,
                        ["empty/*/runs/", "run the study"]),
    "merging without a study": ((*MERGING, *NO_STUDY), 1, ["--study", "{}"]),
    "merging half a study": ((*MERGING, "--study", "{"), 1, ["--study", "not JSON"]),
    "merging foreign files": ("merge_timings.py --results foreign --out o", 1,
                              ["study.json", "remove it"]),
    "merging beside odd settings": ("merge_timings.py --results odd --out o", 1,
                                    ["odd/study.json: ", "confidence", "remove"]),
    "deciding without a study": (("decide.py", "--results", "empty", *NO_STUDY, "--log", "l",
                                  "--out", "o"), 1, ["--study", "{}"]),
    "judging nothing": (f"judge_findings.py --results empty {JUDGED}", 1,
                        ["no results in empty", "merge_timings.py"]),
    "judging foreign tables": (f"judge_findings.py --results foreign {JUDGED}", 1, ["foreign/"]),
    "recommending from nothing": ("recommend_settings.py --results empty --out o", 1,
                                  ["no results in empty"]),
    "drawing nothing": ("draw_figures.py --results empty --out o", 1, ["no results in empty"]),
    "drawing foreign results": ("draw_figures.py --results foreign --out o", 1,
                                ["foreign/", "is not what this workflow writes", "make it again"]),
    "a report of nothing": (f"write_report.py findings --results empty {PAGES} --out-pdf x.pdf", 1,
                            ["no results in empty"]),
    "a report of foreign results": (f"write_report.py findings --results foreign {PAGES}"
                                    " --out-pdf x.pdf", 1,
                                    ["foreign/", "is not what this workflow writes"]),
    "a report of no machine": (f"write_report.py machine --machine m --results empty {PAGES}"
                               " --out x.pdf", 1,
                               ["no results in empty"]),
    "a report of no form": (f"write_report.py findings --results empty {PAGES}", 2, ["--out-pdf"]),
    "reports of nothing": ("build_reports.py --results empty", 1, ["empty/*/runs/"]),
    "a report without a kind": ("write_report.py", 2, ["kind"]),
    **{f"a margin of {m}": (f"compare.py --margin={m} empty empty", 2,
                            ["--margin: equivalence_margin: "]) for m in (5, "inf", "nan", 0, -1)},
    "comparing nothing": ("compare_verdicts.py a=nowhere", 2, ["a=nowhere", "No such file"]),
    "comparing foreign findings": ("compare_verdicts.py a=foreign/findings.json", 2, ["a=foreign"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with empty and foreign results in it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "empty").mkdir()
    (folder / "file").write_text("no sound\n")
    foreign = folder / "foreign"
    (foreign / "m" / "runs").mkdir(parents=True)
    for name, text in {
        "m/runs/x.json": '{"a": 1}', "m/runs/y.json": "no JSON", "runs.parquet": "a,b\n1,2,3\n4\n",
        "timings.parquet": "x", "machines.json": "[]", "study.json": "[1]", "findings.json": "{",
        "recommended.yaml": "- a", "scoreboard.json": "{}",
    }.items():  # fmt: skip
        (foreign / name).write_text(text)
    (folder / "odd").mkdir()
    (folder / "odd" / "study.json").write_text('{"confidence": "high", "search": 3}')
    return folder


def files(folder):
    return sorted(str(path) for path in Path(folder).rglob("*"))


@pytest.mark.parametrize("case", COMMANDS)
def test_a_bad_command_line_gets_clear_lines(case, place, script, monkeypatch):
    command, wanted, expected = COMMANDS[case]
    arguments = command.split() if isinstance(command, str) else command
    before = files(place)
    monkeypatch.chdir(place)
    status, said = script(*(ROOT / CLIP if a == "CLIP" else a for a in arguments))
    assert status == wanted, said
    assert "Traceback" not in said and len(said) < 4000
    for part in expected:
        assert part in said, said
    assert files(place) == before


def test_another_python_is_told_to_use_the_environment(tmp_path):
    """Started without the packages: one line that says what to do, not an ImportError."""
    for name in sorted(path.name for path in (ROOT / "scripts").glob("*.py")):
        if name in ("check_system.py",):  # needs no package
            continue
        command = [sys.executable, "-S", ROOT / "scripts" / name, "--help"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 1 and ". .venv/bin/activate" in done.stderr, name
        assert "Traceback" not in done.stderr, name


def test_missing_libraries_of_weasyprint_are_named(tmp_path, finished_tables):
    """What WeasyPrint does without Pango: it raises OSError when it is imported."""
    (tmp_path / "weasyprint").mkdir()
    (tmp_path / "weasyprint" / "__init__.py").write_text(
        "raise OSError(\"cannot load library 'libpango-1.0-0'\\nhelp\")"
    )
    out = tmp_path / "x.pdf"
    command = [sys.executable, ROOT / "scripts/write_report.py", "findings"]
    done = subprocess.run(
        [*command, "--results", finished_tables, "--figures", "figures", "--out-pdf", out],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "libpango" in done.stderr and "scripts/check_system.py" in done.stderr
    assert not out.exists()


@pytest.fixture
def finished_tables(tmp_path):
    import synthetic_study as synthetic

    points = [synthetic.configuration("one_model")]
    synthetic.write_tables(
        synthetic.make_tables(1, configurations=points, rounds=1, repeats=1, init_starts=0),
        tmp_path / "results",
    )
    return str(tmp_path / "results")


# --------------------------------------------------------------------- through Snakemake

# name: (the study's file, further arguments, what the message must contain)
WORKFLOWS = {
    "a key twice": (study_with("rounds: 2\nrounds: 3"), [],
                    ["config/test.yaml: line 11", "'rounds'"]),
    "a billion laughs": (study_with(LAUGHS), [], ["config/test.yaml", "more than 50000 values"]),
    "a Python call": (study_with("name: !!python/object/apply:os.system ['touch pwned']"), [], []),
    "a number to base 8": (study_with("rounds: 010"), [], ["config/test.yaml: line 10", "'010'"]),
    "a label with a shell command": (study_with("machine: $(touch pwned)"), [], ["machine"]),
    "a value on the command line": (study_with(""), ["--config", "rounds=none"],
                                    ["rounds", "'none'", "integer"]),
    "a key on the command line": (study_with(""), ["--config", "workers=2"], ["'workers'"]),
    "a pipe as audio": (study_with("audio: [pipe]"), [], ["'pipe' is no regular file"]),
    "a model that is not there": (study_with("defaults: {model: ./nowhere}"), [], ["./nowhere"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("workflow") / "checkout", GOOD)
    os.mkfifo(project.folder / "pipe")
    return project


@pytest.mark.slow
@pytest.mark.parametrize("case", WORKFLOWS)
def test_snakemake_ends_with_the_message_before_any_job(case, workflow):
    text, arguments, expected = WORKFLOWS[case]
    workflow.study_file.write_text(text)
    done = workflow.snakemake(*arguments, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in said
    for part in expected:
        assert part in said, said
    assert not list(workflow.folder.rglob("pwned"))
    assert not (workflow.folder / "results").exists()


# name: (what the file holds; None for no file, what the message must contain)
BEFORE_SNAKEMAKE = {
    "missing": (None, "does not exist"),
    "no text": (b"\x80\x81\n", "UTF-8"),
    "a template": (b"__use_yte__: true\n__definitions__:\n- open('pwned', 'w')\n", "templates"),
}


@pytest.mark.parametrize("case", BEFORE_SNAKEMAKE)
def test_our_reader_has_a_study_before_snakemake(case, workflow, monkeypatch):
    """Through the profile that Snakemake reads in the checkout, with its own command line."""
    from snakemake.cli import parse_args

    content, expected = BEFORE_SNAKEMAKE[case]
    file = workflow.folder / "before.yaml"
    if content:
        file.write_bytes(content)
    monkeypatch.chdir(workflow.folder)
    command = ["--cores", "1", "--configfile", "config/config.yaml", "before.yaml", "--dry-run"]
    monkeypatch.setattr(sys, "argv", ["snakemake", *command])
    with pytest.raises(SystemExit) as ended:
        parse_args(command)
    assert "before.yaml" in str(ended.value.code) and expected in str(ended.value.code)
    assert not list(workflow.folder.rglob("pwned"))
    file.unlink(missing_ok=True)


@pytest.mark.slow
def test_another_working_directory_is_refused(workflow, tmp_path):
    workflow.study_file.write_text(study_with(""))
    done = workflow.snakemake("-n", "--directory", str(tmp_path))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and f"cd {workflow.folder}" in said and "Traceback" not in said
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_an_old_snakemake_is_refused(workflow):
    """The version that is asked for stands before all else, so that nothing older gets further."""
    snakefile = workflow.folder / "Snakefile"
    text = snakefile.read_text()
    first = next(line for line in text.splitlines() if line and not line.startswith(("#", "from")))
    assert first == 'min_version("9.21.1")'
    try:
        snakefile.write_text(text.replace("9.21.1", "99.0"))
        done = workflow.snakemake("-n")
    finally:
        snakefile.write_text(text)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "99.0" in said and "Traceback" not in said
