"""Guards the measuring of services from outside: what is asked, what is recorded, what is left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from measuring import BRIEF, CLIP, task
from parallel_transcription.jobs.service import service_of
from parallel_transcription.measure import clients
from parallel_transcription.measure.arrivals import Load, Stratum
from parallel_transcription.measure.match import supervise_match
from parallel_transcription.measure.messages import MatchProtocol
from parallel_transcription.measure.supervise import supervise
from parallel_transcription.study.configuration import complete
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.services import check_services, of_settings
from parallel_transcription.study.study import build_study

BAD = Path(__file__).with_name("bad_services.py")
MARK = f"of-test-{os.getpid()}"
QUICK = replace(BRIEF, timeout_s=3.0, load_timeout_s=6.0)


def told(kind: str = "good", **said) -> dict:
    command = f"{{python}} {BAD} {kind} {{port}} {MARK}"
    service = of_settings({"protocol": "openai", "command": command, "ready": "/"} | said)
    return dict(vars(service))


def asked(kind: str = "good", protocol=QUICK, requests: int = 12, workers: int = 2, **said):
    """A service that serves at once, to be asked by 40 requests per second."""
    values = {"strategy": "service", "service": "bad", "arrivals": "poisson", "rate": "40"}
    one = task(files=(CLIP,), files_in_parallel=2, requests=requests, num_workers=workers, **values)
    service = service_of(one.configuration, told(kind, **said), "/models/m", protocol.timeout_s)
    load = Load(arrivals="poisson", rate=40.0, requests=requests, discipline="fifo", round=1,
                strata=[Stratum("", 1.0, [0])], seconds=[3.0], seed="s", give_up_s=3.0)  # fmt: skip
    return replace(one, service=service, load=load)


def measure(kind: str = "good", protocol=QUICK, **said):
    """A run of it."""
    return supervise(asked(kind, protocol, **said), protocol, None)


def counted(outcome: dict) -> list[dict]:
    return requests_of(outcome["starts"][-1]["passes"][-1])


def requests_of(one: dict) -> list[dict]:
    return [task for task in one["transcriptions"] if task["counted"]]


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Whatever a service does, none of it outlives the run that started it."""
    yield
    left = [p for p in psutil.process_iter(["cmdline"]) if MARK in (p.info["cmdline"] or [])]
    assert not left


@pytest.mark.slow
def test_a_service_is_started_asked_and_ended():
    outcome = measure(protocol=replace(QUICK, warmups=1))
    assert outcome["status"] == "ok" and outcome["error"] is None
    [start] = outcome["starts"]
    assert len(start["loads"]) == 1 and start["loads"][0]["finished_s"] > 0
    assert start["memory_after"]["rss"] > 5e6 > start["memory_before"]["rss"]
    warm, last = start["passes"]
    assert warm["repeat"] == 0 and len(warm["transcriptions"]) == 2  # as many as workers
    assert {one["text"] for one in counted(outcome)} == {"well"}
    assert {one["language"] for one in counted(outcome)} == {"en"}
    assert all(one["segments"] is None and one["decoded"] is None for one in counted(outcome))
    assert 0 < last["cpu_main_s"] <= last["cpu_s"] + 1e-9  # sums of the same floats
    assert last["rss_peak_bytes"] > 5e6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("error", "failed", "HTTP 500: no such file: model.bin"),
        ("busy", "failed", r"HTTP 503 \(too much to do\): come back later"),
        ("html", "failed", "the answer has no 'text': <html>welcome</html>"),
        ("half", "failed", "the connection broke"),
        ("closing", "failed", "the connection broke"),
        ("elsewhere", "failed", "HTTP 307"),
        ("hanging", "failed", "no answer within 3 s"),
        (
            "not_starting",
            "failed",
            "ended with code 1 before it was ready; its last output: no model is loaded",
        ),
        ("never_ready", "stuck", "loading the models took longer than 6 s"),
        ("dying", "killed", "'bad' killed by SIGKILL"),
    ],
)
def test_what_a_service_does_wrong_is_recorded_in_one_line(kind, status, said):
    outcome = measure(kind)
    assert outcome["status"] == status
    assert re.search(said, outcome["error"]) and "\n" not in outcome["error"]


@pytest.mark.slow
def test_a_request_that_is_turned_away_is_in_time_for_nobody():
    outcome = measure("sometimes_busy", requests=30)
    assert outcome["status"] == "ok"
    refused = [one for one in counted(outcome) if one["status"] == "refused"]
    assert 8 <= len(refused) <= 12 and all("HTTP 503" in one["error"] for one in refused)


@pytest.mark.slow
def test_a_service_that_does_not_end_is_ended_with_its_helpers():
    assert measure("stubborn")["status"] == "ok"


def test_a_port_that_somebody_listens_on_is_not_measured():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        outcome = measure(url=f"http://127.0.0.1:{port}")
    assert outcome["status"] == "failed"
    assert f"127.0.0.1:{port} is in use by another program" in outcome["error"]


def test_a_program_that_is_not_there_is_named():
    outcome = measure(command="no-such-service --port {port}")
    assert "'no-such-service' is no program of this machine" in outcome["error"]


def listens_at(port: int) -> None:
    """Wait until somebody does: one that runs already is given no time to begin."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens at {port}")


def test_one_that_runs_already_is_asked_and_left_alone():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    there = subprocess.Popen([sys.executable, str(BAD), "good", str(port), "theirs"])
    try:
        listens_at(port)
        outcome = measure(command="", url=f"http://127.0.0.1:{port}")
        assert there.poll() is None
    finally:
        there.kill()
        there.wait()
    assert outcome["status"] == "ok" and {one["text"] for one in counted(outcome)} == {"well"}
    last = outcome["starts"][0]["passes"][-1]
    assert last["cpu_s"] is None and last["foreign_cpu_share"] is None  # not ours to know
    assert last["cpu_main_s"] > 0


def test_one_that_should_run_and_does_not_is_said():
    outcome = measure("never_ready", command="", url="http://127.0.0.1:9")
    assert "no service 'bad' is ready at 127.0.0.1:9; start it" in outcome["error"]


@pytest.mark.slow
def test_proxies_of_the_environment_are_passed_by(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert measure()["status"] == "ok"


# ------------------------------------------------------------------------- what a study says of it


def filled(**said) -> clients.Service:
    configuration = complete({
        "strategy": "service", "service": "s", "num_workers": 3, "cpu_threads": 2, "instances": 4,
        "vad_filter": True, "arrivals": "closed", "requests": 20, **said.pop("dimensions", {}),
    })  # fmt: skip
    service = service_of(configuration, vars(of_settings(said)), "/models/a b", 7.0)
    assert service is not None
    return service


def test_placeholders_stand_for_what_a_configuration_is():
    one = filled(
        protocol="openai",
        command="serve '{model}' -w {num_workers} --vad={vad_filter} --port {port} {{x}}",
        env={"OMP_NUM_THREADS": "{cpu_threads}"},
        fields={"model": "tiny"},
    )
    assert one.command == [
        "serve",
        "/models/a b",
        "-w",
        "3",
        "--vad=true",
        "--port",
        "{port}",
        "{x}",
    ]
    assert one.environment == {"OMP_NUM_THREADS": "2"} and one.timeout_s == 7.0
    assert one.at(81).command[-2] == "81" and one.at(81).url == "http://127.0.0.1:81"
    assert one.path == "/v1/audio/transcriptions"
    assert one.fields == {
        "model": "tiny",
        "response_format": "json",
    }  # no language: it is found out
    with_language = filled(protocol="openai", command="s {port}", dimensions={"language": "de"})
    assert with_language.fields["language"] == "de"


def test_protocols_differ_in_what_is_posted_where():
    assert filled(protocol="asr", url="http://h:1").file_field == "audio_file"
    assert filled(protocol="inference", url="http://h:1").path == "/inference"
    wyoming = filled(protocol="wyoming", command="w {port}")
    assert wyoming.protocol == "wyoming"
    assert wyoming.at(5).address == ("127.0.0.1", 5)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"protocol": "openai"}, "give the command that starts it, or the url"),
        ({"protocol": "openai", "command": "true"}, r"write \{port\} where it says"),
        ({"protocol": "openai", "command": "true {prot}"}, r"\{prot\} stands for nothing.*'port'"),
        ({"protocol": "openai", "command": "true {port} {"}, "stands for nothing"),
        ({"protocol": "openai", "command": "true '{port}"}, "cannot be split into words"),
        ({"protocol": "openai", "command": "nowhere-x {port}"}, "'nowhere-x' is no program"),
        ({"protocol": "openai", "url": "localhost:80"}, "is no address; give it as http://"),
        ({"protocol": "wyoming", "url": "http://h:80"}, "give it as tcp://host:port"),
        ({"protocol": "openai", "url": "http://127.0.0.1:{port}"}, "for a command; give the port"),
        ({"protocol": "openai", "url": "http://h:99999"}, "is no address"),
        ({"protocol": "openai", "url": "http://h", "fields": {"a": "{b}"}}, r"\.fields\.a: \{b\}"),
        (
            {"protocol": "openai", "command": "true {port} {rate:d}"},
            r"\{rate:d\} stands for nothing",
        ),
        ({"protocol": "openai", "command": "true {port!r}"}, r"\{port!r\} stands for nothing"),
        ({"protocol": "openai", "command": "  ", "url": "http://h"}, r"\.command: is blank"),
        ({"protocol": "openai", "command": "true {port}", "env": {"A=B": "1"}}, "'A=B' is no name"),
        ({"protocol": "openai", "command": "true {port}", "env": {"": "1"}}, "'' is no name"),
        ({"protocol": "openai", "url": "http://a b:80"}, "is no address"),
        ({"protocol": "openai", "url": "http://a..b:80"}, "is no address"),
    ],
)
def test_a_service_that_cannot_be_is_refused_with_its_key(said, problem):
    with pytest.raises(StudyError, match=rf"s\.yaml: services\.asr.*{problem}"):
        check_services([], {"asr": said}, "s.yaml", here=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "asr.example.org", "node-7", "a_b", "h."])
def test_hosts_are_names_and_addresses(host):
    said = {"protocol": "openai", "url": f"http://{host}:80"}
    assert check_services([], {"asr": said}, "s.yaml", here=True)["asr"].url == said["url"]


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"strategy": "service"}, r"grid\[0\]: strategy: service needs the name"),
        ({"strategy": "service", "service": "asrr"}, r"'asrr' is none of services \(asr\).*'asr'"),
        ({"strategy": "one_model", "service": "asr"}, "service: one_model asks no service"),
        ({"strategy": "service", "service": "asr", "slowdown": 1}, "slowdown: nothing can be"),
        ({"strategy": "service", "service": "asr", "arrivals": "at_once", "rate": "",
          "requests": 0}, "arrivals: a service is measured under a load"),
    ],
)  # fmt: skip
def test_a_grid_that_asks_a_service_as_it_cannot_be_is_refused(tmp_path, block, problem):
    (tmp_path / "a.wav").write_bytes(b"RIFF....WAVE")
    grid = [{"model": "dummy-tiny", "arrivals": "poisson", "rate": 2, "requests": 20} | block]
    config = {"audio": ["a.wav"], "grid": grid,
              "services": {"asr": {"protocol": "openai", "url": "http://127.0.0.1:1"}}}  # fmt: skip
    with pytest.raises(StudyError, match=problem):
        build_study(config, "s.yaml", tmp_path)


def test_a_changed_command_measures_its_own_runs_again_and_another_name_makes_another_id(tmp_path):
    one = complete({"strategy": "service", "service": "a", "arrivals": "closed", "requests": 20})
    assert one.callers == 1  # in a closed loop, as many users as workers
    assert complete(vars(one) | {"arrivals": "poisson", "rate": "2", "callers": 0}).callers == 64
    assert json.dumps(told()) != json.dumps(told(kind="busy"))


@pytest.mark.slow
@pytest.mark.parametrize("same_port", [False, True])
def test_services_take_turns_in_a_match(same_port):
    """Side by side on free ports; one after another where both want the same one."""
    said = {}
    if same_port:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        command = f"{{python}} {BAD} good {port} {MARK}"
        said = {"command": command, "url": f"http://127.0.0.1:{port}"}
    sides = [asked(workers=workers, **said) for workers in (1, 2)]
    protocol = MatchProtocol(passes=2, warmups=1, timeout_s=3.0, load_timeout_s=6.0)
    found = supervise_match(sides, protocol, 1, None)
    assert found["status"] == "ok", found["error"]
    assert found["together"] is not same_port
    due = [[one["submitted_s"] for one in requests_of(done)] for done in found["passes"]]
    assert len(due) == 4 and due[0] == due[1] != due[2] == due[3]
    assert all(one["status"] == "ok" for done in found["passes"] for one in requests_of(done))
    assert max(max(filter(None, done["idle_cpu_s"]), default=0) for done in found["passes"]) < 0.2
