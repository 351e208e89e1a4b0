"""A study with device: cuda through Snakemake; GPUs, engine and driver are stand-ins.

What is asserted is which GPUs runs got, what was refused, and what the tables hold.
"""

import json
import shutil
from itertools import pairwise

import pandas as pd
import pytest

from gpu_machine import FAKES, put_cublas
from project import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif("sys.platform != 'linux'", reason="stand-ins need Linux's /proc"),
]
STUDY = {
    "machine": "gpus",
    "audio": ["audio/english-short.opus"],
    "defaults": {"device": "cuda", "compute_type": "float16", "language": "en", "cpu_threads": 1},
    "rounds": 2,
    "repeats": 1,
    "warmups": 0,
    "remeasure": 0,  # other tests run at the same time
    "decide": {"minutes": 0},
}


@pytest.fixture
def gpu_project(tmp_path, monkeypatch):
    """Makes a checkout on a machine with GPUs that are not there."""

    def make(study, **facts):
        project = Project(tmp_path / "checkout", STUDY | study)
        shutil.copytree(FAKES, project.folder / "scripts", dirs_exist_ok=True)
        put_cublas(project.folder / "scripts/nvidia/cublas/lib")
        machine = tmp_path / "machine"
        machine.mkdir()
        (machine / "machine.json").write_text(json.dumps(facts))
        monkeypatch.setenv("FAKE_GPUS", str(machine))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
        return project

    return make


def records_of(project):
    paths = sorted(project.folder.glob("results/gpus/runs/*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_one_model_and_one_per_gpu_from_study_to_findings(gpu_project):
    """Also: the engine finds cuBLAS from a pip wheel without LD_LIBRARY_PATH being set."""
    grid = [
        {"strategy": "one_model", "device_index": ["0", "0,1"], "files_in_parallel": 4},
        {"strategy": ["multi_model", "multi_process"], "instances": 2, "device_index": "0,1",
         "files_in_parallel": 4},
    ]  # fmt: skip
    project = gpu_project({"grid": grid}, gpus=2)
    project.run("--until", "judge_findings")
    for record in records_of(project):
        assert record["status"] == "ok", record["error"]
        devices = record["configuration"]["device_index"].split(",")
        used = record["starts"][0]["passes"][0]["gpus"]
        assert [gpu["index"] for gpu in used] == [int(device) for device in devices]
        assert [gpu["name"] for gpu in record["host"]["gpus"]] == ["NVIDIA Imaginary 100"] * 2
    runs = pd.read_csv(project.folder / "results/runs.csv", dtype={"device_index": str})
    assert dict(zip(runs["device_index"], runs["gpus"], strict=True)) == {"0": 1, "0,1": 2}
    assert (runs["energy_j"] > 0).all() and (runs["cores_per_gpu"] > 0).all()
    contexts = runs["instances"].where(runs["strategy"] == "multi_process", 1)
    models = runs["instances"].where(runs["strategy"] != "one_model", runs["gpus"])
    own = 1000.0 * models + 300.0 * runs["gpus"].where(contexts == 1, contexts)
    assert runs["gpu_model_mb"].tolist() == pytest.approx(own.tolist())
    findings = json.loads((project.folder / "results/findings.json").read_text())
    several = next(f for f in findings if f["id"] == "several_gpus")
    assert several["verdict"] != "not measured"


def test_packed_runs_have_gpus_of_their_own(gpu_project):
    grid = [{"strategy": "one_model", "device_index": ["0", "1"], "num_workers": [1, 2]}]
    packing = {"jobs": 2, "cores": 1, "gpus": 1}
    project = gpu_project({"grid": grid, "packing": packing}, gpus=2, seconds=1)
    project.run("--until", "transcribe")
    spans = []
    for record in records_of(project):
        assert record["status"] == "ok" and record["packed"]
        (gpu,) = record["starts"][0]["passes"][0]["gpus"]
        assert record["environment"]["CUDA_VISIBLE_DEVICES"] == str(gpu["index"])
        spans.append((record["started_at"], record["finished_at"], gpu["index"]))
    beside = [(a, b) for a, b in pairwise(sorted(spans)) if b[0] < a[1]]
    assert beside, "some runs were measured at one time"
    assert all(a[2] != b[2] for a, b in beside)


@pytest.mark.parametrize(
    ("study", "gpus", "message"),
    [
        ({"device_index": "0,1"}, 1, 'device_index: "0,1" needs GPU 1, but there is only GPU 0'),
        ({}, 0, "the engine sees no GPU"),
        ({"packing": {"jobs": 2, "cores": 1, "gpus": 2}}, 3, "slot 2 of 2 GPUs does not fit"),
        ({"packing": {"jobs": 2, "cores": 1}}, 3, "packing.gpus: none for each run"),
    ],
)
def test_what_the_machine_lacks_is_said_before_any_job(gpu_project, study, gpus, message):
    block = {"strategy": "one_model"} | {k: v for k, v in study.items() if k != "packing"}
    settings = {k: v for k, v in study.items() if k == "packing"}
    project = gpu_project({"grid": [block], **settings}, gpus=gpus)
    done = project.snakemake()
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert not list(project.folder.glob("results/**/*.json"))


def test_the_check_by_hand_says_the_same(gpu_project):
    import subprocess
    import sys

    project = gpu_project({"grid": [{"strategy": "one_model", "device_index": "0,1"}]}, gpus=1)

    def check():
        command = [sys.executable, "scripts/check_gpus.py", "config/test.yaml"]
        return subprocess.run(command, cwd=project.folder, capture_output=True, text=True)

    done = check()
    assert done.returncode == 1
    assert "GPU 0: NVIDIA Imaginary 100" in done.stdout
    assert "needs GPU 1" in done.stderr
    (project.folder.parent / "machine/machine.json").write_text('{"gpus": 2}')
    done = check()
    assert done.returncode == 0, done.stderr
    assert "all 1 configurations with device: cuda can run here" in done.stdout
