"""Scripts by hand: --help, a progress line per file, clear errors; generated files are current."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from snakemake.cli import get_argument_parser

import studies
from parallel_transcription.study.settings import SETTINGS
from project import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))
#: `bare.py` is the bare script that others compare with.
BENCHMARKS = sorted(p.name for p in (ROOT / "benchmarks").glob("*.py") if p.name != "bare.py")
CLIP = "audio/english-short.opus"


def script(name, *arguments):
    return run(f"scripts/{name}", *arguments)


def run(file, *arguments):
    return subprocess.run(
        [sys.executable, file, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md",
         *(ROOT / folder / "README.md" for folder in ("config", "benchmarks", "audio")),
         *sorted((ROOT / "docs").rglob("*.md"))]  # fmt: skip
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
#: Commands of scripts that our pages give: the folder, the file, and what follows on the line.
COMMANDS = re.findall(r"python (scripts|benchmarks)/(\w+\.py)([^`|#\n]*)", TEXT)
#: What our pages give Snakemake.
SNAKEMAKE = sorted({one.strip() for one in re.findall(r"snakemake (--[^`|#\n]*)", TEXT)})
#: Studies that readers make, by the `cp` of a page.
COPIES = dict(re.findall(r"^cp (\S+) (\S+)", TEXT, re.M))


def options_of_pages(name):
    """The options that our pages give a script."""
    rest = " ".join(rest for _, file, rest in COMMANDS if file == name)
    return set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_help_and_the_options_that_our_pages_give_it(name):
    done = studies.script(name, "--help")
    assert done.returncode == 0 and "usage:" in done.stdout
    assert {one for one in options_of_pages(name) if one not in done.stdout} == set()


@pytest.mark.slow  # a process each
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_help_and_the_options_that_our_pages_give_it(name):
    """What `make test` does not run must still find what it imports."""
    done = run(f"benchmarks/{name}", "--help")
    assert done.returncode == 0 and "usage:" in done.stdout, done.stderr
    assert {one for one in options_of_pages(name) if one not in done.stdout} == set()


def test_what_our_pages_tell_to_run_is_there():
    assert len(COMMANDS) > 15
    missing = {f"{folder}/{file}" for folder, file, _ in COMMANDS} - {
        str(path.relative_to(ROOT))
        for folder in ("scripts", "benchmarks")
        for path in (ROOT / folder).glob("*.py")
    }
    assert missing == set()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    asked = set(re.findall(r"`make ([a-z-]+)[^`]*`", TEXT)) | set(
        re.findall(r"^make ([a-z-]+)", TEXT, re.M)
    )
    assert asked and asked <= targets


def test_files_in_commands_of_our_pages_are_there():
    """Studies, audio and locks; what a reader copies is what it is copied from."""
    assert COPIES and all((ROOT / source).is_file() for source in COPIES)
    commands = [*SNAKEMAKE, *(rest for _, _, rest in COMMANDS), *re.findall(r"pip ([^`]*)`", TEXT)]
    named = {
        one
        for rest in commands
        for one in re.findall(r"(?<!\S)(?:config|audio|requirements)/\S+", rest)
    }
    assert len(named) > 6
    lost = {one for one in named - set(COPIES.values()) if not any(ROOT.glob(one))}
    assert lost == set()


def test_snakemake_takes_what_our_pages_give_it():
    """Its own parser; what they change in a study, a study has."""
    assert len(SNAKEMAKE) > 10
    parser = get_argument_parser()
    for command in SNAKEMAKE:
        parsed = parser.parse_args(shlex.split(command))
        changed = {one.partition("=")[0] for one in parsed.config or []}
        assert changed <= {key.name for key in SETTINGS}, command
        for profile in parsed.profile or []:
            assert (ROOT / profile / "config.yaml").is_file(), command


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["one_model", "multi_model", "multi_process"])
def test_by_hand_prints_a_line_per_file(strategy, tmp_path):
    """With the options of our pages, on a shorter clip."""
    name, record = f"transcribe_{strategy}.py", tmp_path / "record.json"
    given = next((rest for _, file, rest in COMMANDS if file == name), "--language en")
    options = [one for one in shlex.split(given) if not one.startswith("audio/")]
    done = script(name, *options, f"--record={record}", CLIP, CLIP)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "all files submitted" in done.stdout
    for counter in (1, 2):
        assert any(line.startswith(f"{counter} started") for line in lines)
        assert any(line.startswith(f"{counter} finished") and "took" in line for line in lines)
    assert json.loads(record.read_text())["status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "name at least one audio file"),
        (("--model", "nonsense", CLIP), "nonsense"),
        (("--device-index", "1", CLIP), "device: cuda"),
        (("--compute-type", "float16", CLIP), "float16"),
        (("no-such-file.wav",), "no-such-file.wav"),
        (("README.md",), "README.md"),
    ],
)
def test_by_hand_bad_input_gets_one_clear_line(arguments, expected):
    done = script("transcribe_one_model.py", *arguments)
    assert done.returncode != 0
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_list_configurations_shows_ids_and_refuses_a_bad_study(tmp_path):
    done = script("list_configurations.py")
    assert done.returncode == 0 and "one_model-mini-en-int8-cpu-i1-w2-t1-f2" in done.stdout
    bad = tmp_path / "bad.yaml"
    bad.write_text("audio: [x\n")
    done = script("list_configurations.py", str(bad))
    assert done.returncode == 2 and "bad.yaml" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("generator", ["scripts/write_reference.py", "docs/make_architecture.py"])
def test_what_is_generated_from_the_code_is_what_the_code_says(generator):
    """Schemas, reference tables, the page on the architecture."""
    done = run(generator, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
