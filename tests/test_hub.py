"""Models of the hub, with the real huggingface_hub against a hub on loopback (fake_hub.py).

Downloaded once and outside every measurement, pinned to a commit, told apart by their content; what
can go wrong on the way ends with a clear message. A folder is never looked for on the hub.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from fake_hub import FakeHub, mini_en
from parallel_transcription.measure.messages import Protocol, Task
from parallel_transcription.measure.supervise import supervise
from parallel_transcription.study.configuration import complete
from project import ROOT, Project

pytestmark = pytest.mark.slow  # starts processes that download

MODEL = "org/name"
CLIP = "audio/english-short.opus"


def other() -> dict[str, bytes]:
    """The same model, changed upstream: with one field more in a file that is hashed."""
    files = mini_en()
    config = json.loads(files["config.json"])
    return files | {"config.json": json.dumps(config | {"changed": True}).encode()}


@pytest.fixture
def hub():
    with FakeHub() as served:
        yield served


@pytest.fixture
def prepare(hub, tmp_path):
    """prepare_model.py in a process of its own; its manifest, or its message."""

    def run(model, home="home"):
        manifest = tmp_path / "manifest.json"
        manifest.unlink(missing_ok=True)
        command = [sys.executable, ROOT / "scripts/prepare_model.py", "--model", model,
                   "--models-folder", tmp_path / "models", "--out", manifest]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, **hub.environment(tmp_path / home)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        assert (done.returncode == 0) == manifest.exists()
        return json.loads(manifest.read_text()) if done.returncode == 0 else done.stderr

    return run


def test_a_model_is_downloaded_once_with_commit_and_hash_of_each_file(hub, prepare):
    commit = hub.publish(MODEL, mini_en() | {"pytorch_model.bin": b"not wanted"})
    first = prepare(MODEL)
    assert first["revision"] == commit and first["repository"] == MODEL
    assert first["files"] == {n: hashlib.sha256(c).hexdigest() for n, c in mini_en().items()}
    assert hub.asked_for("model.bin") == 1 and hub.asked_for("pytorch_model.bin") == 0
    assert prepare(MODEL) == first
    assert hub.asked_for("model.bin") == 1


def test_a_pinned_commit_stays_what_it_was(hub, prepare):
    old = hub.publish(MODEL, mini_en())
    new = hub.publish(MODEL, other())
    pinned, latest = prepare(f"{MODEL}@{old}"), prepare(MODEL)
    assert pinned["revision"] == old and latest["revision"] == new
    assert pinned["sha256"] != latest["sha256"]
    assert pinned["files"]["model.bin"] == latest["files"]["model.bin"]
    hub.requests.clear()
    assert prepare(f"{MODEL}@{old}") == pinned
    assert hub.requests == []  # what is pinned and here needs no network


def test_a_tag_is_resolved_to_its_commit(hub, prepare):
    commit = hub.publish(MODEL, mini_en(), branch="v1")
    hub.publish(MODEL, other())
    assert prepare(f"{MODEL}@v1")["revision"] == commit


# fault of the hub: what the message must contain
FAULTS = {
    "401": ["has no model org/name, or it is private", "hf auth login"],
    "403": ["access to org/name must be granted", "hf auth login"],
    "404": ["has no model org/name", "check the name"],
    "500": ["the hub cannot be reached", "./folder"],
    "hang": ["the hub cannot be reached", "./folder"],
    "cut": ["the hub cannot be reached", "./folder"],
    "garbage": ["could not be downloaded", "JSON", "try again later"],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_is_said_and_the_next_try_succeeds(hub, prepare, fault):
    commit = hub.publish(MODEL, mini_en())
    hub.fault = fault
    message = prepare(MODEL)
    assert "error: 'org/name'" in message
    for part in FAULTS[fault]:
        assert part in message, message
    hub.fault = None
    assert prepare(MODEL)["revision"] == commit  # nothing half done is taken for whole


def test_without_a_hub_what_is_here_is_taken_and_that_is_noted(hub, prepare):
    commit = hub.publish(MODEL, mini_en())
    prepare(MODEL)
    hub.fault = "hang"
    again = prepare(MODEL)
    assert again["revision"] == commit and "could not be reached" in again["notes"][0]


def test_a_revision_or_a_model_that_is_not_there(hub, prepare):
    hub.publish(MODEL, mini_en())
    assert "org/name has no revision 'v9'; check the part after '@'" in prepare(f"{MODEL}@v9")
    assert "the hub has no model org/nowhere" in prepare("org/nowhere")


def test_a_model_of_another_kind_is_refused(hub, prepare):
    hub.publish(MODEL, {"config.json": b"{}", "pytorch_model.bin": b"x"})
    assert "has no model.bin" in prepare(MODEL)


def test_a_file_cut_short_in_the_cache_is_seen_and_the_remedy_works(hub, prepare, tmp_path):
    hub.publish(MODEL, mini_en())
    model = (tmp_path / prepare(MODEL)["path"]) / "model.bin"
    with open(model, "r+b") as file:
        file.truncate(1000)
    message = prepare(MODEL)
    kept = tmp_path / "home" / "hub" / "models--org--name"
    assert "cut off after 1,000 bytes" in message and f"remove '{kept}'" in message
    shutil.rmtree(kept)
    assert prepare(MODEL)["size_bytes"] > 1_000_000


# ------------------------------------------------------- a folder is not asked for on the hub


@pytest.mark.parametrize("name", ["./org/name", "../org/name", "/org/name", "~/org/name"])
def test_a_missing_folder_is_not_looked_for_on_the_hub(hub, prepare, name):
    hub.publish(MODEL, mini_en())
    assert "there is no folder" in prepare(name)
    assert hub.requests == []


@pytest.mark.parametrize("strategy", ["multi_model", "multi_process"])
def test_a_folder_that_went_away_is_not_looked_for_on_the_hub(hub, tmp_path, monkeypatch, strategy):
    """In the measured process itself, where a download would be timed."""
    hub.publish(MODEL, mini_en())
    for name, value in hub.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    configuration = complete(
        {"strategy": strategy, "instances": 2, "language": "en", "files_in_parallel": 1}
    )
    protocol = Protocol(repeats=1, warmups=0, timeout_s=30, load_timeout_s=30)
    for missing in (MODEL, str(tmp_path / "org" / "name")):  # even if it looks like a hub's id
        files = [str(ROOT / CLIP)]
        task = Task(configuration=configuration, model_path=missing, files=files)
        done = supervise(task, protocol, tmp_path / "log")
        assert done["status"] == "failed" and done["error"]
    assert hub.requests == []


# --------------------------------------------------------------------- the whole way


@pytest.mark.timeout(200)
def test_a_study_of_a_pinned_model_downloads_it_once_and_its_records_say_which(
    hub, tmp_path, monkeypatch
):
    old = hub.publish(MODEL, mini_en())
    hub.publish(MODEL, other())
    for name, value in hub.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    study = {
        "machine": "test-machine",
        "audio": [CLIP],
        "defaults": {"model": f"{MODEL}@{old}", "language": "en", "cpu_threads": 1,
                     "files_in_parallel": 1},
        "rounds": 1, "repeats": 1, "warmups": 0, "remeasure": 0,
        "grid": [{"strategy": ["one_model", "multi_model"]}],
    }  # fmt: skip
    project = Project(tmp_path / "checkout", study)
    project.run("--until", "transcribe")
    assert hub.asked_for("model.bin") == 1
    records = list(project.folder.glob("results/test-machine/runs/*.json"))
    assert len(records) == 2
    for path in records:
        record = json.loads(path.read_text())
        assert record["status"] == "ok" and record["environment"]["HF_HUB_OFFLINE"] == "1"
        assert record["model"]["revision"] == old
        expected = hashlib.sha256(mini_en()["model.bin"]).hexdigest()
        assert record["model"]["files"]["model.bin"] == expected
    hub.requests.clear()
    assert not {"transcribe", "prepare_model"} & set(project.planned())
    assert hub.requests == []  # planning asks nobody
