"""Matches: sides take turns, sleep between them, and whatever happens to one is told."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import fastjsonschema
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_machine import GpuMachine
from measuring import CLIP, PROTOCOL, task
from parallel_transcription.inputs import audio, models
from parallel_transcription.inputs.model_names import parse_model
from parallel_transcription.jobs import match as matches
from parallel_transcription.jobs import room
from parallel_transcription.jobs.load import ToldLoad
from parallel_transcription.jobs.transcribe import Run
from parallel_transcription.measure import supervise as supervising
from parallel_transcription.measure.match import orders, supervise_match
from parallel_transcription.measure.messages import MatchProtocol
from parallel_transcription.record import check_match, match_schema
from parallel_transcription.results.heats import runs_of
from parallel_transcription.results.rows import rows_of, rows_of_match
from parallel_transcription.study.configuration import complete
from project import ROOT

SHORT = MatchProtocol(passes=2, warmups=1, timeout_s=60.0, load_timeout_s=60.0)
ONE = {"strategy": "one_model", "language": "en", "cpu_threads": 1, "files_in_parallel": 2}
VALIDATE = fastjsonschema.compile(match_schema())


def side(**values):
    """A side as the workflow has it: a run of the demonstration model."""
    configuration = complete(ONE | values)
    sound = audio.inspect(Path(CLIP)) | {"path": CLIP}
    return Run(
        study="s",
        machine="m",
        configuration=configuration,
        round=1,
        protocol=PROTOCOL,
        model=models.prepare(parse_model("mini-en"), "unused"),
        audio=[sound] * configuration.files_in_parallel,
        code="c",
    )


# ------------------------------------------------------------------------------ orders


@given(st.integers(2, 6), st.integers(0, 30), st.integers(0, 2**32))
def test_each_order_is_followed_by_its_reverse(sides, blocks, seed):
    found = orders(sides, blocks, seed)
    assert len(found) == blocks
    assert all(sorted(one) == list(range(sides)) for one in found)
    assert all(b == a[::-1] for a, b in zip(found[::2], found[1::2], strict=False))
    assert found == orders(sides, blocks, seed)


def test_either_side_may_begin():
    assert {tuple(orders(2, 1, seed)[0]) for seed in range(20)} == {(0, 1), (1, 0)}


# ------------------------------------------------------------------------------ sides


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.usefixtures("no_process_left")
def test_sides_take_turns_and_sleep_between_them():
    tasks = [
        task(num_workers=2),
        task(strategy="multi_process", instances=2),
        task(cpu_threads=2),  # its threads spin after their work, before they sleep
    ]
    told = []
    found = supervise_match(
        tasks, SHORT, 3, None, lambda o: told.append((o["status"], len(o["passes"])))
    )
    assert (found["status"], found["error"]) == ("ok", None)
    assert told == [("killed", 0), ("killed", 3), ("killed", 6)], "what is left by a kill says so"
    expected = [k for order in orders(3, 2, 3) for k in order]
    assert [one["side"] for one in found["passes"]] == expected
    assert [(one["turn"], one["block"]) for one in found["passes"]] == [
        (n, n // 3) for n in range(6)
    ]
    for one in found["passes"]:
        used = one["idle_cpu_s"]
        assert used[one["side"]] is None
        others = [u for k, u in enumerate(used) if k != one["side"]]
        assert max(others) <= 0.02 * one["makespan_s"] + 0.01  # a tick of the clock that counts
    run = supervising.supervise(tasks[0], PROTOCOL, None)["starts"][0]["passes"][1]
    texts = {one["text"] for each in [*found["passes"], run] for one in each["transcriptions"]}
    assert len(texts) == 1
    assert all(one["status"] == "ok" for one in found["sides"])
    assert all(len(one["warmups"]) == 1 for one in found["sides"])
    assert all(one["engine"]["gemm_int8"] for one in found["sides"])


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize(
    "values",
    [
        {"num_workers": 3},
        {"strategy": "multi_model", "instances": 2, "num_workers": 2},
        {"strategy": "multi_process", "instances": 2},
    ],
)
def test_warm_ups_reach_all_workers_and_passes_have_their_own_files(values):
    one = task(files=[CLIP], **values)
    found = supervise_match([one, task(files=[CLIP])], replace(SHORT, passes=1), 1, None)
    assert found["status"] == "ok", found["error"]
    warm = found["sides"][0]["warmups"][0]["transcriptions"]
    assert len(warm) == one.configuration.total_workers
    assert {each["caller"] for each in warm} == set(range(len(warm)))
    assert [len(each["transcriptions"]) for each in found["passes"]] == [1, 1]


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
def test_apart_only_one_side_lives_at_a_time_and_keeps_its_process_for_turns_in_a_row():
    alive = []

    def look(_):
        alive.append(len(psutil.Process().children()))

    found = supervise_match([task(num_workers=2), task()], SHORT, 1, None, look, together=False)
    assert found["status"] == "ok", found["error"]
    assert alive == [0, 1, 1]
    assert not found["together"]
    assert sorted(one["start"]["start"] for one in found["sides"]) == [1, 2]  # ABBA
    assert all(one["idle_cpu_s"] == [None, None] for one in found["passes"])


@pytest.mark.slow
@pytest.mark.skipif("sys.platform != 'linux'", reason="stand-ins need Linux's /proc")
@pytest.mark.usefixtures("no_process_left")
def test_sides_may_share_gpus(tmp_path, monkeypatch):
    gpus = GpuMachine(tmp_path, monkeypatch)
    tasks = [
        gpus.task(device_index="1", num_workers=2),
        gpus.task(device_index="0,1", strategy="multi_process", instances=2),
    ]
    found = supervise_match(tasks, SHORT, 1, None)
    assert found["status"] == "ok", found["error"]
    used = {0: [1], 1: [0, 1]}
    for one in found["passes"]:
        assert [gpu["index"] for gpu in one["gpus"]] == used[one["side"]]
    work = sorted(gpus.events("work"), key=lambda event: event["start"])
    assert {event["gpu"] for event in work} == {0, 1}
    windows = sorted((p["started_at"], p["started_at"] + p["makespan_s"]) for p in found["passes"])
    assert all(end <= begin for (_, end), (begin, _) in pairwise(windows))


# ------------------------------------------------------------------------------ faults

CALLS = {True: 2 + 2, False: 2 + 2 + 2}  # warm-up and first block; apart, another warm-up


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize(
    ("together", "fault", "status", "words"),
    [
        (True, "raise RuntimeError('planted')", "failed", "RuntimeError: planted"),
        (True, "os.kill(os.getpid(), signal.SIGKILL)", "killed", "during a repeat"),
        (True, "ctypes.CDLL(None).sleep(600)", "timeout", "a repeat took longer than 3 s"),
        (False, "os.kill(os.getpid(), signal.SIGKILL)", "killed", "during a repeat"),
    ],
)
def test_a_side_that_dies_ends_the_match_and_whole_blocks_stay(
    plant, together, fault, status, words, tmp_path
):
    file = tmp_path / "calls"  # of the first side, also over its processes
    file.write_text("")
    plant(
        in_call=f"if model.model.num_workers == 2:\n"
        f"    open({str(file)!r}, 'a').write('x')\n"
        f"    if os.path.getsize({str(file)!r}) > {CALLS[together]}: {fault}"
    )
    protocol = replace(SHORT, passes=6, timeout_s=3.0)
    found = supervise_match([task(num_workers=2), task()], protocol, 1, None, together=together)
    assert found["status"] == status
    assert words in found["error"]
    assert [one["status"] for one in found["sides"]] == [status, "ok"]
    assert len(found["passes"]) == 2
    check_match(found)


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
def test_a_side_that_is_killed_in_its_sleep_ends_the_match():
    def kill(outcome):
        if len(outcome["passes"]) == 2:
            max(psutil.Process().children(), key=lambda p: p.create_time()).kill()

    found = supervise_match([task(num_workers=2), task()], replace(SHORT, passes=4), 1, None, kill)
    assert found["status"] == "killed"
    assert [one["status"] for one in found["sides"]] == ["ok", "killed"]
    assert len(found["passes"]) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
def test_a_side_that_does_not_load_beside_others_is_tried_alone(plant, tmp_path):
    flag = str(tmp_path / "flag")
    plant(
        in_load=f"if options['num_workers'] == 2 and not os.path.exists({flag!r}):\n"
        f"    open({flag!r}, 'w')\n    raise MemoryError('planted')"
    )
    found = supervise_match([task(), task(num_workers=2)], SHORT, 1, None)
    assert (found["status"], found["together"]) == ("ok", False)
    assert "MemoryError: planted" in found["apart_because"]
    assert len(found["passes"]) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
@pytest.mark.parametrize("together", [True, False])
def test_a_side_that_does_not_load_alone_either_ends_the_match(plant, together):
    plant(in_load="if options['num_workers'] == 2: raise RuntimeError('planted')")
    found = supervise_match([task(), task(num_workers=2)], SHORT, 1, None, together=together)
    assert found["status"] == "failed"
    assert "instances did not load" in found["error"]
    assert (found["passes"], found["sides"][1]["status"]) == ([], "failed")


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
def test_a_side_for_which_there_is_no_room_is_not_tried():
    found = supervise_match(
        [task(), task(num_workers=2)], SHORT, 1, None, room=lambda beside, one: "too large"
    )
    assert (found["status"], found["together"]) == ("ok", False)
    assert found["apart_because"] == "too large"


# ------------------------------------------------------------------------------ records


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
def test_a_match_has_a_valid_record_at_every_moment_and_is_never_measured_twice(tmp_path):
    sides = [side(num_workers=2), side(strategy="multi_model", instances=2)]
    key = matches.key_of(sides)
    assert key == matches.key_of(sides[::-1])
    assert matches.next_number(tmp_path, "m", key) == 1
    file = matches.record_file(tmp_path, "m", key, 1)
    seen = []

    def look(record):
        written = json.loads(file.read_text(encoding="utf-8"))
        check_match(VALIDATE(written))
        assert written == record
        seen.append((record["status"], len(record["passes"])))
        return len(seen) < 3

    record = matches.measure_match(
        sides, number=1, blocks=5, seed=7, record=file, log=tmp_path / "log", on_block=look
    )
    assert seen == [("killed", 0), ("killed", 2), ("killed", 4)]
    assert (record["status"], len(record["passes"])) == ("ok", 4), "ended when it was told to"
    assert file.stem == record["match"] == f"{key}-m001"
    check_match(VALIDATE(json.loads(file.read_text(encoding="utf-8"))))
    before = file.read_bytes()
    assert matches.measure_match(sides[::-1], 1, 5, 8, file)["seed"] == 7
    assert file.read_bytes() == before
    assert matches.next_number(tmp_path, "m", key) == 2
    assert not matches.is_measured_match(file, [replace(one, code="d") for one in sides])


@pytest.mark.slow
@pytest.mark.usefixtures("no_process_left")
def test_under_a_load_all_sides_of_a_block_get_the_same_requests(tmp_path):
    load = {"arrivals": "poisson", "rate": "6", "requests": 10, "num_workers": 2}
    sides = [side(**load), side(**load, callers=4)]
    record = matches.measure_match(sides, 1, 2, 7, tmp_path / "m.json", tmp_path / "log")
    check_match(VALIDATE(json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))))
    assert record["status"] == "ok", record["error"]
    assert record["load"]["rate"] == 6 and record["load"]["requests"] == 10
    due = [
        [(t["file"], t["submitted_s"]) for t in one["transcriptions"] if t["counted"]]
        for one in record["passes"]
    ]
    assert due[0] == due[1] != due[2] == due[3], "in each block others"
    rows = rows_of_match(record, 0.05)
    assert {row["repeat"] for row in rows} == {1, 2} and {row["callers"] for row in rows} == {2, 4}
    for row in rows:
        assert row["status"] == "saturated" or 0 < row["p50_s"] < 60
        assert row["offered_rps"] == 6
    assert matches.is_measured_match(tmp_path / "m.json", sides)
    mix = ToldLoad([{"name": "", "weight": 2.0, "files": [0]}])
    assert not matches.is_measured_match(tmp_path / "m.json", [replace(s, load=mix) for s in sides])
    another = [side(**load), side(**load | {"rate": "4"}, callers=4)]
    with pytest.raises(matches.MatchError, match="do not get the same requests"):
        matches.measure_match(another, 1, 2, 7, None)


TOLD = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from test_match import matches, side
matches.measure_match(
    [side(num_workers=2), side(strategy="multi_process", instances=2)], 1, 50, 1, Path({file!r})
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_match_that_is_stopped_leaves_its_blocks_and_no_process(tmp_path, number):
    file = tmp_path / "m" / "matches" / "x.json"
    code = TOLD.format(paths=[str(ROOT / "scripts"), str(ROOT / "tests")], file=str(file))
    life = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 90
    while not (file.exists() and json.loads(file.read_text())["passes"]):
        assert life.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    family = psutil.Process(life.pid).children(recursive=True)
    assert len(family) >= 4  # both sides, and the processes of the second
    life.send_signal(number)
    assert life.wait(30) != 0
    gone, left = psutil.wait_procs(family, timeout=10)
    assert not left and len(gone) == len(family)
    record = VALIDATE(json.loads(file.read_text(encoding="utf-8")))
    check_match(record)
    assert record["status"] == "killed" and record["passes"]


def test_sides_that_are_not_alike_are_no_match():
    one = side(num_workers=2)
    for sides in ([one], [one, one], [one, side(files_in_parallel=3)]):
        with pytest.raises(matches.MatchError):
            matches.measure_match(sides, 1, 1, 1, None)


def test_numbers_go_on_above_all_that_are_there(tmp_path):
    folder = tmp_path / "m" / "matches"
    folder.mkdir(parents=True)
    for name in ("k-m001.json", "k-m012.json.damaged", "other-m040.json", "k-mx.json"):
        (folder / name).touch()
    assert matches.next_number(tmp_path, "m", "k") == 13


def passes_of(*sides):
    return [
        {
            "turn": turn,
            "block": turn // 2,
            "side": one,
            "status": "ok",
            "makespan_s": 1.0,
            "idle_cpu_s": [None, 0.0],
        }
        for turn, one in enumerate(sides)
    ]


def test_a_record_has_whole_blocks_of_passes_that_went_well():
    def check(passes):
        check_match({"sides": [{}, {}], "passes": passes})

    check([])
    check(passes_of(0, 1, 1, 0))
    for wrong in (
        passes_of(0, 1, 1),
        passes_of(0, 1, 1, 1),
        passes_of(0, 1)[::-1],
        [one | {"status": "failed"} for one in passes_of(0, 1)],
        [one | {"makespan_s": None} for one in passes_of(0, 1)],
        [one | {"idle_cpu_s": []} for one in passes_of(0, 1)],
    ):
        with pytest.raises(ValueError):
            check(wrong)


# ------------------------------------------------------------------------------ room


def test_room_is_what_the_control_group_leaves(tmp_path):
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (group / "memory.max").write_text("1000000\n")
    (group / "memory.current").write_text("900000\n")
    (group / "memory.stat").write_text("anon 800000\ninactive_file 50000\n")
    assert room.free_bytes(tmp_path) == 150_000
    loaded = {"start": {"memory_after": {"rss": 50_000}}, "warmups": [{"rss_peak_bytes": 70_000}]}
    several = task(strategy="multi_model", instances=2)
    assert room.lacking([(task(), loaded)], task(num_workers=2), tmp_path) is None
    assert room.lacking([(task(), loaded)], several, tmp_path)
    assert room.lacking([(several, loaded)], task(), tmp_path) is None
    (group / "memory.max").write_text("max\n")
    assert room.free_bytes(tmp_path) > 1_000_000


@pytest.mark.slow
def test_a_heat_may_have_one_side_and_a_match_may_not(tmp_path):
    """What a search measures alone, since it has no rival, is a whole record and a round."""
    file = tmp_path / "m" / "heats" / f"{'0' * 12}-m001.json"
    file.parent.mkdir(parents=True)
    record = matches.measure_match([side(num_workers=2)], 1, 2, 3, file, least=1)
    assert record["status"] == "ok" and len(record["passes"]) == 2
    VALIDATE(json.loads(file.read_text()))
    check_match(record)
    (run,) = runs_of(record)
    runs, timings = rows_of(run, 0.05)
    assert [row["repeat"] for row in runs] == [1, 2] and len(timings) == 4
    with pytest.raises(matches.MatchError, match="2 or more different sides"):
        matches.measure_match([side(num_workers=2)], 1, 2, 3, None)
