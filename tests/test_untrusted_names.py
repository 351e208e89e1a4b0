"""A study whose every name is hostile runs to its PDFs: nothing is run, nobody is named.

The files, the model's folder and the study are named like shell commands, options, markup, formulas
and formats; all of it lies in the home folder of someone whose name must not travel with a report.
"""

import ast
import json
import re
import shutil
import socket
import subprocess
import xml.etree.ElementTree as ET

import pandas as pd
import pytest
import yaml

from parallel_transcription.report.layout import TEMPLATES
from parallel_transcription.results.export import write_tables
from parallel_transcription.results.merge import merge_records
from parallel_transcription.untrusted import (
    clean,
    hide_homes,
    hide_places,
    in_brief,
    shorten_middle,
)
from project import ROOT, Project

CLIP = ROOT / "tests" / "data" / "held_out" / "short_unseen_voices-002.opus"  # of a train
PERSON = "secret.person-7"
NAMES = [
    "$(touch pwned).opus", "`touch pwned`.opus", ";touch pwned;.opus", "x|touch pwned&.opus",
    "it's \"quoted\".opus", "-rf.opus", "--help.opus", "two\nlines.opus", "tab\there.opus",
    "{wildcards.key} {{7*7}} %s.opus", "<script>alert(1)<b>.opus", "=1+1.opus", "@SUM(A1).opus",
    "$\\frac{1}{0}$ _^.opus", "ü שלום \u202egnp.opus", ".hidden [x] *.opus", "~root.opus",
    "\x1b[31mred.opus", "n" * 200 + ".opus",
]  # fmt: skip
TRANSCRIPTS = {
    "=1+1.txt": '=HYPERLINK("http://127.0.0.1:9/x") the train',
    "-rf.txt": "<img src=http://127.0.0.1:9/x onerror=alert(1)> the train ]]>",
    "--help.txt": "the \u202etrain\u202c " + "long " * 20_000,
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The project after that study; every file of it, and the process that ran it."""
    home = tmp_path_factory.mktemp("home") / PERSON
    project = Project(home / "work" / "check out;touch pwned", {})
    (project.folder / "odd").mkdir()
    for name in NAMES:
        shutil.copy(CLIP, project.folder / "odd" / name)
    for name, text in TRANSCRIPTS.items():
        (project.folder / "odd" / name).write_text(text)
    (home / "recordings").mkdir()
    shutil.copy(CLIP, home / "recordings" / "mine.opus")
    (project.folder / "odd" / "link.opus").symlink_to(home / "recordings" / "mine.opus")
    model = home / "models" / "my $(touch pwned) 'mini'"
    shutil.copytree(ROOT / "resources/models/mini-en", model)
    study = {
        "machine": "test-machine",
        "audio": [f"odd/{name}" for name in NAMES[:5]]
        + ["odd/*", "odd/.hidden [[]x] [*].opus", str(home / "recordings" / "mine.opus")],
        "defaults": {"language": "en", "cpu_threads": 1, "files_in_parallel": len(NAMES) + 2},
        "rounds": 1,
        "repeats": 1,
        "warmups": 0,
        "remeasure": 0,
        "decide": {"minutes": 0},
        "timeout_s": 250,
        "grid": [
            {"strategy": "one_model", "model": str(model), "num_workers": 2, "callers": 2},
            {"strategy": "one_model", "model": str(model), "compute_type": "bfloat16"},
        ],
    }
    file = project.folder / "config" / "$(touch pwned) it's mine.yaml"
    file.write_text(yaml.safe_dump(study))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
            patch.setenv(name, str(home) if name == "HOME" else PERSON)
        patch.delenv("XDG_CACHE_HOME", raising=False)
        done = project.snakemake("--configfile", f"config/{file.name}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return project, home


BINARY = {".pdf", ".parquet", ".png"}
RAW = "<the bytes of the file>"  # between what a reader sees of a binary file and its bytes


@pytest.fixture(scope="module")
def mailed(hostile):
    """What one would mail, by name, as the text that a reader can get out of it."""
    results = hostile[0].folder / "results"
    said = {}
    for path in sorted(results.rglob("*")):
        name = str(path.relative_to(results))
        if not path.is_file() or name.startswith(("prepared/", "models/", "test-machine/runs/")):
            continue
        content = path.read_bytes()
        if path.suffix not in BINARY:
            said[name] = content.decode("utf-8", "replace")
            continue
        text = pd.read_parquet(path).to_csv() if path.suffix == ".parquet" else ""
        for command in (["pdftotext", path, "-"], ["pdfinfo", path]):
            if path.suffix == ".pdf" and shutil.which(command[0]):
                done = subprocess.run(command, capture_output=True, check=True)
                text += done.stdout.decode("utf-8", "replace")
        # Compressed bytes hold any character by chance; names of people and of keys are long ASCII.
        said[name] = text + RAW + content.decode("ascii", "ignore")
    return said


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_file_was_transcribed_and_nothing_was_run(hostile):
    project, home = hostile
    assert not [path for path in home.parent.rglob("*") if path.name == "pwned"]
    timings = pd.read_parquet(project.folder / "results" / "timings.parquet")
    assert {*NAMES, "link.opus", "mine.opus"} == set(timings["file"])
    assert (timings["status"] == "ok").all()
    assert timings["text"].str.contains("train").all()
    runs = pd.read_parquet(project.folder / "results" / "runs.parquet")
    assert sorted(runs["status"]) in (["failed", "ok"], ["ok", "ok"])  # some CPUs know bfloat16


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_that_one_mails_names_a_person_or_a_machine(hostile, mailed):
    project, home = hostile
    records = (project.folder / "results" / "test-machine" / "runs").glob("*.json")
    assert all(PERSON in path.read_text() for path in records)  # there was something to hide
    assert {"runs.csv", "findings.json", "recommended.yaml", "reports/findings.pdf"} <= set(mailed)
    secrets = [PERSON, str(home), str(home.parent)]
    host = socket.gethostname()
    secrets += [host] if len(host) > 5 else []  # shorter names are found in any text
    for name, text in mailed.items():
        for secret in secrets:
            assert secret not in text, f"{name} names {secret}"
    assert json.loads(mailed["study.json"])["name"] == "touch-pwned-it-s-mine"
    assert "~/models/my $(touch pwned) 'mini'" in mailed["runs.csv"]  # where, but not whose
    snippet = yaml.safe_load(mailed["recommended.yaml"])["test-machine"]["snippet"]
    call = ast.parse(snippet).body[0].value  # can be pasted, and finds the folder
    assert ast.unparse(call.args[0].func) == "os.path.expanduser"
    assert ast.literal_eval(call.args[0].args[0]) == "~/models/my $(touch pwned) 'mini'"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(hostile):
    results = hostile[0].folder / "results"
    seen = 0
    for path in sorted(results.rglob("*.csv")):
        cells = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in cells:
            for cell in cells[column]:
                begins = cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
                assert not begins or re.fullmatch(r"-?[\d.e+-]+", cell), f"{path.name}: {cell[:50]}"
                seen += cell.startswith("'")
    assert seen >= 4
    assert pd.read_csv(results / "timings.csv")["finished_s"].dtype == float


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_names_stay_text_in_reports_and_figures(hostile, mailed):
    ours = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    html = mailed["reports/findings.html"].replace(f"<script>{ours}</script>", "")
    assert "<script" not in html and "49 %s" not in html
    figures = [name for name in mailed if name.endswith(".svg")]
    assert figures
    for name in figures:
        root = ET.fromstring(mailed[name])
        assert not [e for e in root.iter() if str(e.tag).endswith(("script", "foreignObject"))]
    for name, text in mailed.items():
        if name.startswith("reports/"):
            assert "/JavaScript" not in text and "/Launch" not in text
            read = text.split(RAW)[0]
            assert "\u202e" not in read and "\x1b" not in read
    if shutil.which("pdftotext"):
        assert "<script>alert(1)<b>.opus" in mailed["reports/test-machine.pdf"]


# ------------------------------------------------------------ what an error may say

PLACES = {
    "OSError: /home/ann/models/x.bin: no": "OSError: …/x.bin: no",
    "model '/data/Ann B/models/x' is bad": "model '…/x' is bad",
    'File "/gpfs/u/ann/x.py", line 3': 'File "…/x.py", line 3',
    "see file:///srv/ann/log.txt": "see …/log.txt",
    "../../home/ann/x.yaml": "~/x.yaml",
    "C:\\Users\\ann\\models\\x": "…/x",
    "on node7.cluster.example (node7): no": "on … (…): no",
    "text/plain, 1/2, and/or, http://host.example/a/b": None,
    "mynode7 and node71 are others": None,
}


@pytest.mark.parametrize("error", PLACES)
def test_an_error_names_the_file_not_where_someone_keeps_it(error):
    assert hide_places(error, "node7.cluster.example") == (PLACES[error] or error)


def test_our_own_home_is_known_wherever_it_is():
    assert hide_homes("in /gpfs/u/ann/x and /gpfs/u/anna", home="/gpfs/u/ann") == (
        "in ~/x and /gpfs/u/anna"
    )


def test_errors_of_records_reach_no_table_with_folder_or_host(tmp_path):
    """All ways into the tables: a start, a repeat, a file that is left out."""
    from test_timings import make_record, save

    secret = "RuntimeError: cannot open '/home/ann/models/m/model.bin' on planted-host.example"
    made = make_record()
    made["node"] = "planted-host.example"
    start = made["starts"][0]
    start["passes"][-1] |= {"status": "failed", "error": secret}
    made |= {"status": "failed", "error": secret}
    (path,) = save(tmp_path, made)
    bad = path.with_name("bad.json")
    bad.write_text(json.dumps(made | {"machine": "/home/ann/x"}))
    tables = merge_records([path, bad], {"disturbed_above": 0.05})
    write_tables(tables, tmp_path)
    for name in ("runs.csv", "timings.csv", "left_out.csv", "machines.json"):
        text = (tmp_path / name).read_text()
        for planted in ("/ann", "planted-host", "/home/"):
            assert planted not in text, name
    assert "cannot open '…/model.bin' on …" in (tmp_path / "runs.csv").read_text()
    assert len(tables.left_out) == 1


def test_clean_text_is_one_line_of_letters():
    assert clean("a\n\tb\x00\x1b\u202ec\u200b  d") == "a bc d"
    assert clean("x" * 50, 10) == "x" * 9 + "…"
    assert clean(None) == clean(float("nan")) == ""
    assert clean(" 3\u202f550 MB\xa0\u2003 \n") == "3\u202f550 MB"
    assert clean("שלום ä 你") == "שלום ä 你"


def test_an_error_in_brief_keeps_its_cause_at_the_end():
    error = "ProcessEnded: " + "somewhere " * 30 + ": killed by SIGKILL (most likely out of memory)"
    assert in_brief(error + "\n  at line 3").endswith("(most likely out of memory)")
    assert len(in_brief(error)) <= 160 and in_brief("") == ""


def test_a_long_name_keeps_both_ends():
    assert shorten_middle("a" * 50 + ".opus", 13) == "aaaaaa…a.opus"
    assert shorten_middle("a.opus", 13) == "a.opus"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OSError: /home/ann/models/x: no", "OSError: ~/models/x: no"),
        ("/Users/Ann Lee/x", "~ Lee/x"),
        ("C:\\Users\\ann\\x", "~\\x"),
        ("'/root/x'", "'~/x'"),
        ("/rooted /homes/x", "/rooted /homes/x"),
    ],
)
def test_home_folders_are_not_named(text, expected):
    assert clean(text) == expected


# ---------------------------------------------------------------- no shell, anywhere


def test_every_text_in_a_rules_shell_command_is_quoted():
    """Snakemake's `:q` is Python's shlex.quote; nothing stands bare."""
    seen = 0
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for command in re.findall(r"shell:\n((?: +f?\".*\"\n)+)", file.read_text()):
            for place in re.findall(r"\{([^{}]+)\}", command):
                seen += 1
                assert place.endswith(":q"), f"{file.name}: {{{place}}}"
    assert seen > 25


def test_no_program_starts_a_shell_on_texts():
    """Commands are lists; the one shell (apt-get) gets a constant."""
    calls = 0
    for file in sorted((ROOT / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            assert name not in ("os.system", "os.popen", "eval", "exec", "pickle.load"), file
            assert name not in ("subprocess.getoutput", "subprocess.getstatusoutput"), file
            assert not [k for k in node.keywords if k.arg == "shell"], file
            if name in ("subprocess.run", "subprocess.Popen", "subprocess.check_output"):
                calls += 1
                command = node.args[0]
                assert isinstance(command, ast.List), f"{file.name}: {ast.unparse(command)}"
                if "sh" in [getattr(e, "value", None) for e in command.elts]:
                    assert ast.unparse(command) == "['sh', '-c', COMMANDS['apt-get']]", file
    assert calls >= 3
