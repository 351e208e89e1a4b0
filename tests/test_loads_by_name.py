"""Cold starts by a hub's name: the loopback hub, what a start finds, and what is told of it."""

import json
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from parallel_transcription.inputs.model_names import parse_model
from parallel_transcription.inputs.models import prepare
from parallel_transcription.jobs.packing import Slot
from parallel_transcription.jobs.transcribe import Run, task_of
from parallel_transcription.measure import by_name
from parallel_transcription.measure.by_name import ByName, NotFilled
from parallel_transcription.measure.loopback_hub import Hub, Served
from parallel_transcription.measure.messages import Protocol, Task
from parallel_transcription.measure.supervise import supervise
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.study import build_study
from planted_faults import sitecustomize
from project import ROOT, Project, small_study

NAME = "loopback/mini-en"
MODEL = ROOT / "resources" / "models" / "mini-en"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The embedded model as the hub serves it."""
    manifest = prepare(parse_model("mini-en"), tmp_path_factory.mktemp("models"))
    return Served(NAME, str(MODEL), manifest["files"], manifest["sha256"][:40])


def ask(address, path, **headers):
    with urllib.request.urlopen(urllib.request.Request(address + path, headers=headers)) as answer:
        return answer.headers, answer.read()


# ------------------------------------------------------------------------------------ the hub


def test_the_hub_serves_the_model_whole_and_in_parts(served):
    with Hub(served) as hub:
        told = json.loads(ask(hub.address, f"/api/models/{NAME}/revision/main")[1])
        assert told["sha"] == served.commit
        assert {one["rfilename"] for one in told["siblings"]} == set(served.files)
        whole = (MODEL / "model.bin").read_bytes()
        file = f"/{NAME}/resolve/{served.commit}/model.bin"
        headers, content = ask(hub.address, file)
        assert content == whole and headers["X-Repo-Commit"] == served.commit
        headers, rest = ask(hub.address, file, Range="bytes=1000-")
        assert rest == whole[1000:] and headers["Content-Range"].startswith("bytes 1000-")
        for lacking in (f"/{NAME}/resolve/main/x", "/api/models/org/other", "/", f"{file}/../x"):
            with pytest.raises(urllib.error.HTTPError) as error:
                ask(hub.address, lacking)
            assert error.value.code == 404
        assert hub.answered == (7, 2 * len(whole) - 1000)


def test_the_hub_is_on_the_loopback_alone_and_ends_with_its_user(served):
    with pytest.raises(KeyboardInterrupt), Hub(served) as hub:
        place = hub._server.server_address
        raise KeyboardInterrupt
    assert place[0] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=5)


# ------------------------------------------------------------------------------------- starts


def test_a_start_asks_the_loopback_alone_whatever_the_shell_says(served, tmp_path):
    shell = {
        "PATH": os.environ["PATH"], "HF_HUB_CACHE": str(tmp_path), "HF_TOKEN": "secret",
        "HUGGINGFACE_HUB_CACHE": str(tmp_path), "HTTPS_PROXY": "http://proxy",
        "HF_HUB_OFFLINE": "1", "all_proxy": "socks5://proxy",
    }  # fmt: skip
    with ByName(served, "cold", shell, 60) as hub:
        with hub.start() as first, hub.start() as second:
            for told in (first, second):
                assert told["HF_ENDPOINT"].startswith("http://127.0.0.1:")
                assert not list(Path(told["HF_HOME"]).iterdir())
            assert first["HF_HOME"] != second["HF_HOME"]
            assert "secret" not in str(first) and "//proxy" not in str(first)
            assert str(tmp_path) not in first.values() and first["HF_HUB_OFFLINE"] == "0"
        assert not Path(first["HF_HOME"]).exists()


def test_a_cache_that_cannot_be_filled_is_no_failed_start(served):
    with pytest.raises(NotFilled, match="it took too long"), ByName(served, "cached", {}, 0.001):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["multi_model", "multi_process"])
def test_an_empty_cache_is_filled_in_each_start_and_a_filled_one_is_asked_about(
    served, tmp_path, monkeypatch, strategy
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(by_name.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    size = sum((MODEL / name).stat().st_size for name in served.files)
    asked = {}
    for load in ("cold", "cached"):
        configuration = complete(
            {"strategy": strategy, "instances": 2, "files_in_parallel": 0, "load": load}
        )
        task = Task(configuration=configuration, model_path=str(MODEL), files=[], served=served)
        protocol = Protocol(repeats=2, warmups=0, timeout_s=60, load_timeout_s=60)
        done = supervise(task, protocol, tmp_path / "log")
        assert done["status"] == "ok", done["error"]
        assert done["environment"]["HF_HUB_OFFLINE"] == "0"
        asked[load] = [start["hub"] for start in done["starts"]]
    assert [start["bytes"] for start in asked["cold"]] == [size, size]  # once, not once for each
    assert [start["bytes"] for start in asked["cached"]] == [0, 0]
    assert all(start["requests"] >= 2 for start in asked["cached"])  # each instance asks
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "temporary"]
    assert not list((tmp_path / "temporary").iterdir()), "nothing is left behind"


# -------------------------------------------------------------------------------- the study


def test_a_folder_has_the_id_that_it_always_had():
    values = {"strategy": "multi_model", "instances": 4, "files_in_parallel": 0}
    assert identify(complete(values | {"load": "folder"})) == identify(complete(values))
    assert (
        len({identify(complete(values | {"load": x})) for x in ("folder", "cold", "cached")}) == 3
    )


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"load": "cold", "files_in_parallel": 2}, "grid[0].load: cold measures cold starts"),
        ({"load": "cached", "strategy": "one_model", "instances": 1}, "use multi_model"),
        ({"load": "cold", "instances": 1}, "instances above 1"),
        ({"load": "cold", "model": "./audio"}, "set load: folder, or take a hub id"),
        ({"load": "hub"}, "'hub' is not one of folder, cached, cold"),
    ],
)
def test_what_cannot_be_loaded_by_name_is_refused_before_any_job(block, said, monkeypatch):
    monkeypatch.setattr("parallel_transcription.inputs.models.identity", lambda *_: {})
    values = {"strategy": "multi_model", "instances": 2, "files_in_parallel": 0}
    study = {"audio": ["audio/english-short.opus"], "grid": [values | block]}
    with pytest.raises(StudyError) as error:
        build_study(study, "mine.yaml", ROOT)
    assert said in str(error.value)


def test_a_model_has_its_own_name_on_the_hub_and_others_get_one():
    manifest = {"path": "results/models/x", "files": {"model.bin": "0" * 64}, "sha256": "1" * 64}
    own = manifest | {"repository": "org/name", "revision": "a" * 40, "slug": "org--name"}
    none = manifest | {"repository": None, "revision": None, "slug": "dummy-tiny"}
    values = {"strategy": "multi_model", "instances": 2, "files_in_parallel": 0}
    asked = {}
    for model in (own, none):
        for load in ("cold", "folder"):
            run = Run(
                study="x", machine="m", configuration=complete(values | {"load": load}), round=1,
                protocol=Protocol(repeats=1, warmups=0, timeout_s=1, load_timeout_s=1),
                model=model, audio=[], code="",
            )  # fmt: skip
            asked[model["slug"], load] = task_of(run, Slot(None, None), {})
    named = asked["org--name", "cold"]
    assert named.loads == "org/name" and named.served.commit == "a" * 40
    assert asked["dummy-tiny", "cold"].loads == "loopback/dummy-tiny"
    assert asked["dummy-tiny", "folder"].loads == str(ROOT / "results/models/x")


#: A race: whoever downloads marks it, and another one that comes meanwhile cannot.
RACE = """
import glob, os
home = os.environ.get("HF_HOME", "")
if home and not glob.glob(home + "/hub/*/snapshots/*/model.bin"):
    open(home + "/downloading", "x")
"""


@pytest.mark.slow
@pytest.mark.thorough
def test_a_planted_race_is_found_where_it_is(tmp_path):
    start = {"strategy": "multi_model", "instances": 2, "files_in_parallel": 0}
    study = small_study(
        "by-name",
        [
            start | {"load": ["cold", "cached"], "init_stagger_s": 0, "repeats": 5},
            start | {"load": "cold", "init_stagger_s": 2, "repeats": 3},
        ],
        rounds=1,
    )
    project = Project(tmp_path / "checkout", study)
    (project.folder / "scripts" / "sitecustomize.py").write_text(sitecustomize(in_load=RACE))
    project.run("--until", "judge_findings")
    records = [
        json.loads(path.read_text()) for path in project.folder.glob("results/m/runs/*.json")
    ]
    assert len(records) == 3
    for record in records:
        told = record["configuration"]
        racing = (told["load"], told["init_stagger_s"]) == ("cold", 0)
        assert record["status"] == ("failed" if racing else "ok"), record["error"]
        assert all(start["hub"]["requests"] for start in record["starts"])
        loaded = [start["hub"]["bytes"] > 0 for start in record["starts"]]
        assert loaded == [told["load"] == "cold"] * len(loaded)
    results = project.folder / "results"
    found = {one["id"]: one for one in json.loads((results / "findings.json").read_text())}
    assert found["init_race_by_name"]["verdict"] == "confirmed"
    assert found["init_race"]["verdict"] == "not measured"  # nothing came from a folder
    failures = {
        (row["load"], row["init_stagger_s"]): (row["failures"], row["starts"])
        for row in found["init_race_by_name"]["evidence"]
    }
    assert failures == {("cold", 0): (5, 5), ("cold", 2): (0, 3), ("cached", 0): (0, 5)}
    board = json.loads((results / "scoreboard.json").read_text())
    assert {line["verdict"] for line in board if line["id"] == "stagger"} == {"confirmed"}
