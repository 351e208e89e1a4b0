"""A study goes on whatever happens to single runs, and its report shows what happened."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from planted_faults import sitecustomize
from project import ROOT, Project, small_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STUDY = small_study(
    "faulty",
    [
        {"strategy": "one_model", "num_workers": [1, 2, 3]},
        {"strategy": ["multi_model", "multi_process"], "instances": 2},
    ],
    rounds=1,
    timeout_s=3,
)
PLANTED = """
if HELPER:
    os.kill(os.getpid(), signal.SIGKILL)  # multi_process
if loads == 2:
    raise RuntimeError("<b>planted</b>")  # multi_model
if model.model.num_workers == 2:
    ctypes.string_at(0)
if model.model.num_workers == 3:
    ctypes.PyDLL(None).sleep(600)
"""


def statuses(project):
    found = {}
    for path in project.folder.glob("results/m/runs/*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        configuration = record["configuration"]
        key = (configuration["strategy"], configuration["num_workers"])
        if record["round"] < 900:
            found[key] = (record["status"], record["error"])
    return found


def test_a_study_goes_on_beside_its_faulty_runs(tmp_path):
    project = Project(tmp_path / "checkout", STUDY)
    planted = project.folder / "scripts" / "sitecustomize.py"
    planted.write_text(sitecustomize(in_call=PLANTED))
    project.run("--until", "recommend_settings")
    found = statuses(project)
    assert {key: status for key, (status, _) in found.items()} == {
        ("one_model", 1): "ok",
        ("one_model", 2): "failed",
        ("one_model", 3): "timeout",
        ("multi_model", 1): "failed",
        ("multi_process", 1): "killed",
    }
    assert "SIGSEGV" in found["one_model", 2][1]
    results = project.folder / "results"
    runs = pd.read_csv(results / "runs.csv")
    assert sorted(runs.loc[runs["round"] < 900, "status"]) == [
        "failed", "failed", "killed", "ok", "timeout",
    ]  # fmt: skip
    errors = " ".join(runs.loc[runs["round"] < 900, "error"].dropna())
    assert "native crash (SIGSEGV)" in errors and "most likely out of memory" in errors
    assert "<b>planted" in errors
    recommended = yaml.safe_load((results / "recommended.yaml").read_text())
    assert recommended["m"]["whisper_model"]["num_workers"] == 1
    project.write_study(STUDY | {"rounds": 2})
    jobs = project.planned("--until", "transcribe")
    assert len(jobs["transcribe"]) == 5, "a failed run is a result, not done again"


@pytest.mark.thorough
def test_a_study_in_which_every_run_fails_has_a_report(tmp_path):
    project = Project(tmp_path / "checkout", STUDY)
    planted = project.folder / "scripts" / "sitecustomize.py"
    planted.write_text(sitecustomize(in_load="raise RuntimeError('<b>no model today')"))
    project.run("--until", "write_findings_report")
    assert {status for status, _ in statuses(project).values()} == {"failed"}
    results = project.folder / "results"
    recommended = yaml.safe_load((results / "recommended.yaml").read_text())["m"]
    assert "whisper_model" not in recommended
    findings = json.loads((results / "findings.json").read_text())
    assert {f["verdict"] for f in findings if f["number"] in (1, 2, 3, 4)} <= {
        "not measured",
        "inconclusive",
    }
    html = (results / "reports" / "findings.html").read_text(encoding="utf-8")
    assert "Of 5 repeats, 5 failed" in html
    assert "&lt;b&gt;no model today" in html and "<b>no model" not in html
    assert (results / "reports" / "findings.pdf").read_bytes()[:5] == b"%PDF-"


def test_a_model_that_cannot_be_prepared_does_not_stop_the_others(tmp_path):
    """Its runs have no record; the next snakemake tries again."""
    study = json.loads(json.dumps(STUDY))
    study["grid"] = [{"strategy": "one_model", "model": ["./mine", "mini-en"]}]
    project = Project(tmp_path / "checkout", study)
    mine = project.folder / "mine"
    shutil.copytree(project.folder / "resources" / "models" / "mini-en", mine)
    whole = (mine / "model.bin").read_bytes()
    (mine / "model.bin").write_bytes(whole[:1000])
    done = project.snakemake("--until", "transcribe")
    assert done.returncode != 0
    assert len(project.runs()) == 1, "the other model was measured"
    (mine / "model.bin").write_bytes(whole)
    project.run("--until", "transcribe")
    assert len(project.runs()) == 2


# ------------------------------------------------------------------ full disk, read-only folder


def in_a_namespace(script, folder, **variables):
    """Run a shell script as root of name spaces of its own, where it may mount."""
    probe = subprocess.run(["unshare", "-Urm", "mount", "-t", "tmpfs", "x", "/mnt"])
    if probe.returncode:
        pytest.skip("this system lets nobody mount in a user name space (unshare -Urm)")
    environment = {**os.environ, **variables, "PYTHON": sys.executable}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    return subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="mounts in name spaces are Linux's")
def test_a_read_only_folder_and_a_full_disk_lose_nothing(tmp_path):
    """Every job says why it has no record; with room, only the missing ones are measured."""
    grid = [{"strategy": ["one_model", "multi_model", "multi_process"], "instances": 1}]
    project = Project(tmp_path / "checkout", STUDY | {"rounds": 2, "grid": grid})
    (project.folder / "results" / "m" / "runs").mkdir(parents=True)
    script = """
        study() { snakemake --cores 2 --configfile config/test.yaml --until transcribe; }
        runs=results/m/runs
        mount --bind "$PWD" "$PWD"; mount -o remount,ro,bind "$PWD"
        (cd "$PWD"; study > ../checkout.txt 2>&1); umount "$PWD"
        mount -t tmpfs -o size=20k records $runs
        mount -o remount,ro $runs;              study > read_only.txt 2>&1; echo $?
        mount -o remount,rw,size=20k $runs;     study > full.txt 2>&1; echo $?
        stat -c '%n %i' $runs/*.json > some.txt
        mount -o remount,size=10m $runs;        study > room.txt 2>&1; echo $?
        stat -c '%n %i' $runs/*.json > all.txt
        cp -r $runs records
    """
    done = in_a_namespace(script, project.folder)
    assert done.stdout.split() == ["1", "1", "0"], done.stdout + done.stderr

    def text(name):
        return (project.folder / name).read_text(encoding="utf-8")

    assert "/.snakemake cannot be written to; copy the project" in text("../checkout.txt")
    words = "results/m/runs: Read-only file system; no run could be recorded there"
    assert words in text("read_only.txt")
    assert "No space left on device" in text("full.txt")
    words = "error: this run has no record; the next snakemake measures it again"
    assert text("full.txt").count(words) > 1, "the study went on"
    for name in ("../checkout.txt", "read_only.txt", "full.txt"):
        assert "Traceback" not in text(name)
    some, everything = text("some.txt").splitlines(), text("all.txt").splitlines()
    assert 0 < len(some) < 5 and len(everything) == 6
    assert set(some) <= set(everything), "what was recorded stays as it was"
    for path in (project.folder / "records").iterdir():
        assert json.loads(path.read_text(encoding="utf-8"))["status"] == "ok"


@pytest.mark.skipif(sys.platform != "linux", reason="mounts in name spaces are Linux's")
@pytest.mark.parametrize(
    "command",
    [
        "inspect_audio.py --out $FULL/audio.json -- $CLIP",
        "prepare_model.py --model mini-en --out $FULL/model.json",
        "transcribe_one_model.py --language en --record $FULL/record.json $CLIP",
        "transcribe_one_model.py --language en --log $FULL/logs/log $CLIP",
        "merge_timings.py --results $RESULTS --out $FULL",
        "write_report.py findings --results $RESULTS --figures $RESULTS/figures"
        " --out-html $FULL/findings.html",
    ],
)
def test_a_step_without_room_says_so(finished, tmp_path, command):
    """A full disk under a manifest, a record, a log and the tables."""
    full = tmp_path / "full"
    full.mkdir()
    script = f"""
        mount -t tmpfs -o size=4k,nr_inodes=3 full $FULL
        head -c 4096 /dev/zero > $FULL/filler
        {sys.executable} scripts/{command}
        echo "status $?"
        ls -A $FULL
    """
    done = in_a_namespace(
        script,
        ROOT,
        FULL=str(full),
        CLIP="audio/english-short.opus",
        RESULTS=str(finished.folder / "results"),
    )
    assert "status 1" in done.stdout, done.stdout + done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    left = set(done.stdout.rsplit("status 1", 1)[1].split())
    assert left <= {"filler", "logs"}, "no partial file stays"


@pytest.mark.skipif(sys.platform != "linux", reason="mounts in name spaces are Linux's")
@pytest.mark.parametrize("strategy", ["one_model", "multi_process"])
def test_a_log_that_cannot_grow_stops_no_run(tmp_path, strategy):
    """A disk that fills up under the log costs the log, not the run."""
    full, record = tmp_path / "full", tmp_path / "record.json"
    full.mkdir()
    script = f"""
        mount -t tmpfs -o size=4k full $FULL
        head -c 4096 /dev/zero > $FULL/filler
        {sys.executable} scripts/transcribe_{strategy}.py --language en --log $FULL/log \\
            --record $RECORD audio/english-short.opus
        echo "status $? $(stat -c %s $FULL/log)"
    """
    done = in_a_namespace(script, ROOT, FULL=str(full), RECORD=str(record))
    assert "status 0 0" in done.stdout, done.stdout + done.stderr
    assert json.loads(record.read_text())["status"] == "ok"
