"""Content hashes: what changes them, what does not, and what the cache survives."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from parallel_transcription import fingerprint
from parallel_transcription.fingerprint import (
    FingerprintError,
    code_fingerprint,
    file_sha256,
    folder_sha256,
    imported_files,
    package_fingerprint,
)

SCRIPTS = Path(fingerprint.__file__).resolve().parents[1]


def write(path: Path, content: str | bytes, age_s: float = 60.0) -> Path:
    """A file that was last changed some time ago, so that its hash is remembered."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that trusts files at once (tests cannot wait until a file has settled)."""
    monkeypatch.setattr(fingerprint, "_SETTLED_NS", -1)
    monkeypatch.setattr(fingerprint, "_caches", {})
    return tmp_path / "cache" / "hashes.txt"


@pytest.fixture
def reads(monkeypatch):
    """Counts the files that are read for hashing."""
    real, seen = hashlib.sha256, []

    def counting(*arguments):
        seen.append(1)
        return real(*arguments)

    monkeypatch.setattr(fingerprint.hashlib, "sha256", counting)
    return seen


# ------------------------------------------------------------------------------------- files


def test_hash_of_a_file_is_its_sha256(tmp_path):
    content = os.urandom(3_000_001)
    assert file_sha256(write(tmp_path / "a", content)) == hashlib.sha256(content).hexdigest()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FingerprintError, match=r"nowhere\.bin"):
        file_sha256(tmp_path / "nowhere.bin")


def test_cache_reads_a_file_only_once(tmp_path, cache, reads):
    path = write(tmp_path / "a", "content")
    first = file_sha256(path, cache)
    assert file_sha256(path, cache) == first
    fingerprint._caches.clear()  # as another process
    assert file_sha256(path, cache) == first
    assert len(reads) == 1


def test_cache_notices_a_change_of_content_with_equal_size_and_time(tmp_path, cache):
    path = write(tmp_path / "a", "content")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    first = file_sha256(path, cache)
    path.write_text("CONTENT")
    os.utime(path, ns=times)
    assert file_sha256(path, cache) != first


def test_fresh_files_are_not_remembered(tmp_path, cache, monkeypatch, reads):
    monkeypatch.setattr(fingerprint, "_SETTLED_NS", 2_000_000_000)
    path = write(tmp_path / "a", "content", age_s=0)
    assert file_sha256(path, cache) == file_sha256(path, cache)
    assert len(reads) == 2


damages = pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[:-20],
        lambda text: b"\xff\x00 garbage\n" * 3 + text,
        lambda text: text.replace(text.split()[2], b"0" * 64),
        lambda text: b"{not json",
        lambda text: text.replace(b"\n", b""),
    ],
    ids=["empty", "cut", "garbage", "wrong hash", "foreign", "no line end"],
)


@damages
def test_damaged_cache_costs_time_only(tmp_path, cache, damage):
    path = write(tmp_path / "a", "content")
    right = file_sha256(path, cache)
    cache.write_bytes(damage(cache.read_bytes()))
    fingerprint._caches.clear()
    assert file_sha256(path, cache) == right
    fingerprint._caches.clear()
    assert file_sha256(path, cache) == right  # and what was appended to the damage works
    assert right.encode() in cache.read_bytes()


def test_cache_that_cannot_be_written_is_no_fault(tmp_path, cache):
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("a file where the cache's folder should be")
    path = write(tmp_path / "a", "content")
    assert file_sha256(path, cache) == hashlib.sha256(b"content").hexdigest()


def test_several_processes_share_a_cache(tmp_path):
    cache = tmp_path / "hashes.txt"
    files = [write(tmp_path / f"f{i}", f"content {i}") for i in range(50)]
    code = (
        "import sys, json; from parallel_transcription import fingerprint as f;"
        "f._SETTLED_NS = -1;"
        "print(json.dumps([f.file_sha256(p, sys.argv[1]) for p in sys.argv[2:]]))"
    )

    def run(order):
        command = [sys.executable, "-c", code, str(cache), *map(str, files[::order])]
        done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)[::order]

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(run, (1, -1, 1)))
    right = [hashlib.sha256(f"content {i}".encode()).hexdigest() for i in range(50)]
    assert results == [right] * 3
    # a writer that meets another's line half written starts a new one, so some may be empty
    lines = [line for line in cache.read_text().splitlines() if line]
    assert len(lines) >= 50
    for line in lines:
        _, key, value = line.split(" ")
        assert fingerprint._cache_line(key, value) == line + "\n"


def test_cache_is_compacted(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(fingerprint, "_COMPACT_ABOVE_LINES", 10)
    path = write(tmp_path / "a", "content")
    right = file_sha256(path, cache)
    cache.write_text(cache.read_text() * 50)
    fingerprint._caches.clear()
    other = file_sha256(write(tmp_path / "b", "other"), cache)
    assert len(cache.read_text().splitlines()) == 2
    fingerprint._caches.clear()
    assert (file_sha256(path, cache), file_sha256(tmp_path / "b", cache)) == (right, other)


# ----------------------------------------------------------------------------------- folders


def test_folder_hash_is_that_of_its_list_of_files(tmp_path):
    write(tmp_path / "m" / "b.txt", "B")
    write(tmp_path / "m" / "sub" / "a.txt", "A")
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in "AB"}
    lines = f'{hashes["B"]} "b.txt"\n{hashes["A"]} "sub/a.txt"\n'
    assert folder_sha256(tmp_path / "m") == hashlib.sha256(lines.encode()).hexdigest()


def test_folder_hash_ignores_place_times_and_what_does_not_count(tmp_path):
    for name, content in {"model.bin": "m", "config.json": "{}", "ü \n.txt": "x"}.items():
        write(tmp_path / "one" / name, content)
    first = folder_sha256(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for name in (".DS_Store", ".git/HEAD", "__pycache__/a.pyc", "config.json~"):
        write(tmp_path / "two" / name, "noise")
    (tmp_path / "two" / "empty").mkdir()
    assert folder_sha256(tmp_path / "two") == first


def test_folder_hash_sees_names_and_contents(tmp_path):
    write(tmp_path / "a", "1")
    hashes = {folder_sha256(tmp_path)}
    write(tmp_path / "b", "1")
    hashes.add(folder_sha256(tmp_path))
    os.rename(tmp_path / "b", tmp_path / "c")
    hashes.add(folder_sha256(tmp_path))
    write(tmp_path / "c", "2")
    hashes.add(folder_sha256(tmp_path))
    assert len(hashes) == 4


def test_folder_hash_of_matching_files_only(tmp_path):
    write(tmp_path / "model.bin", "m")
    first = folder_sha256(tmp_path, ["*.bin"])
    write(tmp_path / "README.md", "r")
    assert folder_sha256(tmp_path, ["*.bin"]) == first
    with pytest.raises(FingerprintError, match="no files"):
        folder_sha256(tmp_path, ["*.json"])
    with pytest.raises(FingerprintError, match="not a folder"):
        folder_sha256(tmp_path / "model.bin")


# -------------------------------------------------------------------------------------- code


@pytest.fixture
def project(tmp_path):
    """A package with every way to import, and modules that nothing measured imports."""
    files = {
        "run.py": "import sys\nfrom pkg import direct\nimport beside\n",
        "report.py": "import pkg.figures\n",
        "beside.py": "import json\n",
        "pkg/__init__.py": "",
        "pkg/direct.py": (
            "from __future__ import annotations\n"
            "from typing import TYPE_CHECKING\n"
            "from . import sibling\n"
            "from .sub import name_of_init\n"
            "if TYPE_CHECKING:\n    from pkg import only_types\n"
            "def f():\n    from pkg.inside import thing\n"
            "    import importlib\n    importlib.import_module('pkg.by_name')\n"
        ),
        "pkg/sibling.py": "from .sub.deep import value\n",
        "pkg/sub/__init__.py": "from ..up import x\nname_of_init = 1\n",
        "pkg/sub/deep.py": "value = 1\n",
        "pkg/up.py": "import pkg.cycle\n",
        "pkg/cycle.py": "import pkg.up\nimport statistics\n",
        "pkg/inside.py": "thing = 1\n",
        "pkg/by_name.py": "",
        "pkg/figures.py": "from pkg import statistics\n",
        "pkg/statistics.py": "",
        "pkg/only_types.py": "",
    }
    for name, text in files.items():
        write(tmp_path / "scripts" / name, text)
    return tmp_path / "scripts"


_IMPORTED = (
    "beside.py pkg/__init__.py pkg/by_name.py pkg/cycle.py pkg/direct.py pkg/inside.py "
    "pkg/sibling.py pkg/sub/__init__.py pkg/sub/deep.py pkg/up.py run.py"
)
IMPORTED = _IMPORTED.split()


def names(project, *entries):
    return [f.relative_to(project).as_posix() for f in imported_files(entries)]


def test_all_imports_of_our_own_are_found(project):
    assert names(project, project / "run.py") == IMPORTED


def test_a_package_whose_modules_all_count(project):
    """A file dropped into the folder takes part, so the step that reads the folder runs again."""
    write(project / "pkg/all/__init__.py", "from tool import import_siblings\n")
    write(project / "pkg/all/one.py", "from pkg import statistics\n")
    write(project / "step.py", "import pkg.all\n")
    assert names(project, project / "step.py") == [
        "pkg/__init__.py",
        "pkg/all/__init__.py",
        "step.py",
    ]
    write(
        project / "pkg/all/__init__.py",
        "from tool import import_siblings\nimport_siblings(__package__)\n",
    )
    assert {"pkg/all/one.py", "pkg/statistics.py"} <= set(names(project, project / "step.py"))
    before = code_fingerprint([project / "step.py"])
    write(project / "pkg/all/two.py", "")
    assert code_fingerprint([project / "step.py"]) != before


@pytest.mark.parametrize(
    ("script", "folder"),
    [("judge_findings.py", "findings/questions"), ("draw_figures.py", "report/figures")],
)
def test_the_steps_know_every_question_and_every_figure(script, folder):
    modules = set((SCRIPTS / "parallel_transcription" / folder).glob("*.py"))
    assert modules <= set(imported_files([SCRIPTS / script]))


def test_entry_may_be_a_module_of_the_package(project):
    assert names(project, project / "pkg/sub/deep.py") == ["pkg/sub/deep.py"]
    assert "pkg/by_name.py" in names(project, project / "pkg/direct.py")


def test_only_what_is_imported_changes_the_fingerprint(project):
    first = code_fingerprint([project / "run.py"])
    for name in ("report.py", "pkg/figures.py", "pkg/statistics.py", "pkg/only_types.py"):
        write(project / name, "changed = True\n")
    assert code_fingerprint([project / "run.py"]) == first
    for name in IMPORTED:
        path = project / name
        text = path.read_text()
        write(path, text + "# changed\n")
        assert code_fingerprint([project / "run.py"]) == first, name
        write(path, text + "changed = True\n")
        assert code_fingerprint([project / "run.py"]) != first, name
        write(path, text)
    assert code_fingerprint([project / "run.py"]) == first


def test_place_working_folder_times_order_and_line_ends_do_not_matter(project, monkeypatch):
    both = [project / "run.py", project / "report.py"]
    first = code_fingerprint(both)
    copy = project.parent / "elsewhere"
    shutil.copytree(project, copy)
    for file in copy.rglob("*.py"):
        write(file, file.read_bytes().replace(b"\n", b"\r\n"), age_s=7)
    monkeypatch.chdir(copy)
    assert code_fingerprint(["report.py", "run.py", "run.py"]) == first


def test_fingerprint_is_that_of_any_python(project):
    """The same value in a Python without site packages and with another hash seed."""
    code = "import sys; from parallel_transcription.fingerprint import *;"
    code += "print(code_fingerprint(sys.argv[1:]))"
    for seed in "1", "2":
        done = subprocess.run(
            [sys.executable, "-S", "-c", code, str(project / "run.py")],
            cwd=SCRIPTS,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == code_fingerprint([project / "run.py"])


CODE = '''"""What it is for."""
import asyncio

class Worker(int):
    """A class."""

    attribute: int = 1
    "What the attribute is."

@decorator(name="x", *some, **more)
async def work(a, /, b=1e22, *rest, c: "int" = -1, **more) -> None:
    """A function."""
    async with open(a) as file, other:
        async for line in file:
            yield f"{line!r:>{b}} {{}} {a + 1:.2f}" "and" f"{c}"
    try:
        x = [y async for y in z if (n := len(y)) > 0b11][1:2, ...]
    except* (ValueError, TypeError) as error:
        raise RuntimeError("é", b"\\xff", 1j) from error
    match x:
        case {"a": [1, *_], **rest} | Point(x=0) if not rest:
            del x[0]
    return lambda *, key=None: {**key, "b": (1,)}
'''


def test_comments_docstrings_and_formatting_do_not_count(tmp_path):
    file = write(tmp_path / "code.py", CODE)
    first = package_fingerprint(tmp_path)
    same = CODE.replace("What it is for", "Another text").replace("A function", "Does things")
    same = same.replace("A class.", "No class.").replace("What the attribute is", "It is one")
    same = same.replace("import asyncio", "import asyncio  # why").replace("    ", "  ")
    same = same.replace("(a, /, b=1e22,", "(\n    a,\n\n    /, b = 1e22,").replace('"x"', "'x'")
    write(file, same.replace("{**key, ", "{**key,\n# more\n").replace("(1,)}", "(1,),}"))
    assert package_fingerprint(tmp_path) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1e22", "1e21"),
        ('"and"', '"or"'),
        (":.2f", ":.3f"),
        ("(1,)", "(1)"),
        ("len(y)", "sum(y)"),
        ("key=None", "key=0"),
        ("not rest", "rest"),
        ("async for line", "for line"),
    ],
)
def test_everything_else_counts(tmp_path, old, new):
    file = write(tmp_path / "code.py", CODE)
    first = package_fingerprint(tmp_path)
    assert old in CODE
    write(file, CODE.replace(old, new))
    assert package_fingerprint(tmp_path) != first


def test_the_name_of_a_module_counts_and_a_new_one(tmp_path):
    file = write(tmp_path / "code.py", CODE)
    first = package_fingerprint(tmp_path)
    write(tmp_path / "inner" / "more.py", "")
    second = package_fingerprint(tmp_path)
    (tmp_path / "inner" / "more.py").rename(tmp_path / "inner" / "other.py")
    third = package_fingerprint(tmp_path)
    write(tmp_path / "notes.txt", "not code")
    assert package_fingerprint(tmp_path) == third
    file.rename(tmp_path / "inner" / "code.py")
    assert len({first, second, third, package_fingerprint(tmp_path)}) == 4


def test_the_fingerprint_is_the_same_from_every_version_of_python(tmp_path):
    """As Python 3.11, 3.12 and 3.13 made it: another environment must not measure again."""
    write(tmp_path / "code.py", CODE)
    assert (
        package_fingerprint(tmp_path)
        == "c3f8f0d5455545502bb5b3ab859c41b1b026992035d4028fe0c46907ca86948a"
    )


def test_equal_names_in_different_folders_both_count(tmp_path):
    first, second = write(tmp_path / "a/x.py", "A = 1"), write(tmp_path / "b/x.py", "B = 1")
    before = code_fingerprint([first, second])
    write(second, "B = 2")
    assert code_fingerprint([first, second]) != before


def test_broken_code_is_named(tmp_path):
    with pytest.raises(FingerprintError, match=r"broken\.py.*line 2"):
        code_fingerprint([write(tmp_path / "broken.py", "x = 1\ndef f(:\n")])
    with pytest.raises(FingerprintError, match=r"missing\.py"):
        code_fingerprint([tmp_path / "missing.py"])


@pytest.fixture
def parsed(monkeypatch):
    """The texts that are parsed; `parsed.forget()` makes what follows another process."""

    class Parsed(list):
        def forget(self):
            fingerprint._caches.clear()
            fingerprint._remembered.cache_clear()

    real, seen = fingerprint._parse, Parsed()
    monkeypatch.setattr(fingerprint, "_parse", lambda text: seen.append(text) or real(text))
    seen.forget()
    return seen


def test_a_cache_parses_a_module_once_and_changes_no_fingerprint(project, cache, parsed):
    of_all = code_fingerprint([project / "run.py"]), package_fingerprint(project)
    parsed.clear()
    for _ in range(2):
        parsed.forget()
        assert code_fingerprint([project / "run.py"], cache) == of_all[0]
        assert package_fingerprint(project, cache) == of_all[1]
    assert len(parsed) == len({path.read_bytes() for path in project.rglob("*.py")})


@pytest.mark.parametrize("text", ["value = 2\n", "value = 1\nimport pkg.figures\n"])
def test_a_cache_notices_changed_code_and_imports(project, cache, parsed, text):
    first = code_fingerprint([project / "run.py"], cache)
    write(project / "pkg" / "sub" / "deep.py", text)
    parsed.forget()
    changed = code_fingerprint([project / "run.py"], cache)
    assert first != changed == code_fingerprint([project / "run.py"])


@damages
def test_a_damaged_cache_of_code_costs_time_only(project, cache, parsed, damage):
    right = code_fingerprint([project / "run.py"], cache)
    cache.write_bytes(damage(cache.read_bytes()))
    for _ in range(2):
        parsed.forget()
        assert code_fingerprint([project / "run.py"], cache) == right


@pytest.mark.parametrize("name", ["pkg.figures,x", "ü.figures", "pkg figures", "pkg\nfigures"])
def test_odd_names_of_modules_come_back_from_a_cache_as_they_were(project, cache, parsed, name):
    write(project / "run.py", f"import importlib\nimportlib.import_module({name!r})\n")
    right = code_fingerprint([project / "run.py"])
    for _ in range(2):
        parsed.forget()
        assert code_fingerprint([project / "run.py"], cache) == right


def test_what_other_rules_made_of_a_text_is_not_taken_from_a_cache(
    project, cache, parsed, monkeypatch
):
    code_fingerprint([project / "run.py"], cache)
    parsed.clear()
    parsed.forget()
    monkeypatch.setattr(fingerprint, "_rules", lambda: "3.99-another")
    code_fingerprint([project / "run.py"], cache)
    assert parsed


def test_measuring_code_does_not_import_reporting_code():
    """The real package: what prepares models has no business with tables and figures."""
    found = names(SCRIPTS, SCRIPTS / "prepare_model.py")
    assert "parallel_transcription/inputs/dummy_weights.py" in found
    assert "parallel_transcription/__init__.py" in found
    parts = {part for file in found for part in Path(file).parts}
    assert not {"results", "findings", "report"} & parts


@pytest.mark.parametrize("module", ["fingerprint", "inputs.models", "inputs.audio", "host"])
def test_modules_of_the_planning_import_nothing_heavy(module):
    heavy = "{'numpy', 'av', 'ctranslate2', 'faster_whisper', 'psutil', 'huggingface_hub'}"
    code = f"import sys, parallel_transcription.{module}; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
