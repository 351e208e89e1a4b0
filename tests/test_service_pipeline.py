"""Guards a study of services, real ones, from its file to its answers; and a kill in its midst.

The services: ours (resources/reference_service.py), faster-whisper-server by OpenAI's protocol and
wyoming-faster-whisper by Wyoming's, all on 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pandas as pd
import psutil
import pytest

from project import Project, own_environment, small_study, snakemake_command

pytestmark = pytest.mark.slow

SERVICES = {
    "ours": {
        "protocol": "openai",
        "ready": "/health",
        "command": "{python} resources/reference_service.py --model {model} --port {port} "
        "--cpu-threads {cpu_threads} --num-workers {num_workers} --processes {instances} "
        "--queue {discipline}",
    },
    "fws": {
        "protocol": "openai",
        "ready": "/health",
        "command": "faster-whisper-server {model} --host 127.0.0.1 --port {port}",
    },
    "wyoming": {
        "protocol": "wyoming",
        "command": "wyoming-faster-whisper --model {model} --uri tcp://127.0.0.1:{port} "
        "--data-dir results/wyoming --language {language} --beam-size {beam_size} "
        "--compute-type {compute_type} --cpu-threads {cpu_threads} --stt-library faster-whisper",
    },
}
LOAD = {"arrivals": "constant", "rate": 4, "requests": 12}


def study_of(*services: str, **settings) -> dict:
    grid = [{"strategy": "service", "service": one, "num_workers": 2, **LOAD} for one in services]
    return small_study(
        "services", grid, services={one: SERVICES[one] for one in services}, slo={"p50": 30},
        rounds=1, timeout_s=60, warmups=1, **settings,
    )  # fmt: skip


def _to_the_answers(folder, study):
    Project(folder, study).run("--until", "recommend_settings")


@pytest.fixture(scope="module")
def done(made_once):
    """All three services and the library itself, under the same requests."""
    study = study_of(*SERVICES)
    study["grid"].append({"strategy": "one_model", "num_workers": 2, **LOAD})
    study["grid"].append(study["grid"][0] | {"instances": 2, "num_workers": 1})
    return Project.at(made_once("services", lambda folder: _to_the_answers(folder, study)))


def records(project: Project) -> list[dict]:
    return [json.loads(path.read_text()) for path in project.folder.glob("results/m/runs/*.json")]


def test_all_services_are_measured_by_the_same_requests(done):
    found = records(done)
    assert [one["error"] for one in found] == [None] * 5
    due = [
        [(t["counter"], t["file"], t["submitted_s"]) for t in r["starts"][0]["passes"][-1]
         ["transcriptions"] if t["counted"]]
        for r in found
    ]  # fmt: skip
    assert all(one == due[0] and len(one) == 12 for one in due)


def test_their_texts_are_those_of_the_library(done):
    timings = pd.read_parquet(done.folder / "results" / "timings.parquet")
    own = timings[timings["counted"]]
    texts = own.groupby("file")["text"].agg(lambda t: {" ".join(one.split()) for one in t})
    assert all(len(said) == 1 for said in texts), texts
    assert (own["wer"] < 0.2).all() and len(texts) == 2


def test_their_meters_are_those_of_their_processes(done):
    runs = pd.read_parquet(done.folder / "results" / "runs.parquet")
    services = runs[runs["service"] != ""]
    assert (services["load_s"] > 0).all() and (services["rss_peak_mb"] > 50).all()
    assert (services["cpu_s"] > 0.5).all()
    assert (services["client_cpu_s"] < 0.1 * services["cpu_s"]).all()
    two = services[services["instances"] == 2]["pss_mb"].iloc[0]
    one = services[(services["service"] == "ours") & (services["instances"] == 1)]["pss_mb"].iloc[0]
    assert two > 1.3 * one  # each process has a model of its own
    assert runs[runs["service"] == ""]["client_cpu_s"].isna().all()


def test_the_report_asks_what_is_asked_of_services(done):
    findings = json.loads((done.folder / "results" / "findings.json").read_text())
    asked = {f["id"] for f in (findings if isinstance(findings, list) else findings["findings"])}
    assert {"max_load", "load_services", "load_between_services"} <= asked


def test_a_changed_command_measures_that_service_again_alone(done, tmp_path):
    done = Project.moved(done, tmp_path / "p")
    study = done.study()
    changed = SERVICES["fws"] | {"command": SERVICES["fws"]["command"] + " --batch-size 2"}
    done.write_study(study | {"services": SERVICES | {"fws": changed}})
    [again] = done.planned()["transcribe"]
    assert "service-fws-" in again
    done.write_study(study)
    assert "transcribe" not in done.planned()


@pytest.mark.thorough
def test_a_kill_leaves_no_service_behind_and_the_next_start_measures_it(tmp_path):
    service = "wyoming"
    project = Project(tmp_path / "p", study_of(service))
    running = subprocess.Popen(
        snakemake_command("--until", "transcribe"), cwd=project.folder, env=own_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        served = wait_for(lambda: [p for p in family(running.pid) if str(project.folder) in p[1]
                                   and f"{service_program(service)}" in p[1]])  # fmt: skip
        time.sleep(2)  # into its requests
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    wait_for(lambda: not any(psutil.pid_exists(pid) and alive(pid) for pid, _ in served))
    assert records(project) == []
    project.snakemake("--unlock")
    project.run("--until", "transcribe")
    [record] = records(project)
    assert record["status"] == "ok"


def service_program(service: str) -> str:
    return SERVICES[service]["command"].split()[0]


def family(process: int) -> list[tuple[int, str]]:
    """Process ids and command lines of what a process has started."""
    found = []
    for one in psutil.Process(process).children(recursive=True):
        try:
            found.append((one.pid, " ".join(one.cmdline())))
        except psutil.Error:
            continue
    return found


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_for(ready, seconds: float = 90.0):
    """What `ready` gives once it is true of something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := ready():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")
