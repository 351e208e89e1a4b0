"""Meters: they see what they should see; margins are wide, because other programs run too."""

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from parallel_transcription.measure import meters
from parallel_transcription.measure.meters import Snapshot, difference, snapshot, total

ROOT = Path(__file__).resolve().parent.parent
LINUX = sys.platform == "linux"
KEYS = {
    "cpu_s",
    "cpu_user_s",
    "cpu_system_s",
    "context_switches_voluntary",
    "context_switches_involuntary",
    "foreign_cpu_s",
    "foreign_cpu_share",
    "steal_share",
}
BURN = "import time\nwhile time.process_time() < {}: sum(range(10000))"


def burn(seconds: float) -> None:
    """Use this much CPU time of the calling thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(10000))


def moment(**values) -> Snapshot:
    return Snapshot(
        **{
            "clock_s": 0.0,
            "cpu_user_s": 0.0,
            "cpu_system_s": 0.0,
            "context_switches_voluntary": 0,
            "context_switches_involuntary": 0,
            "machine_busy_s": 0.0,
            "steal_s": 0.0,
            **values,
        }
    )


# ---------------------------------------------------------------------------------- CPU


def test_own_cpu_time_counts_all_threads():
    before = snapshot()
    thread = threading.Thread(target=burn, args=(0.3,))
    thread.start()
    burn(0.3)
    thread.join()
    seen = difference(before, snapshot())
    assert seen.keys() == KEYS
    assert seen["cpu_s"] == pytest.approx(0.6, rel=0.25)
    assert seen["cpu_s"] == seen["cpu_user_s"] + seen["cpu_system_s"]


def test_sleeping_costs_nothing_and_is_a_voluntary_switch():
    before = snapshot()
    for _ in range(10):
        time.sleep(0.005)
    seen = difference(before, snapshot())
    assert seen["cpu_s"] < 0.03
    assert seen["context_switches_voluntary"] >= 10


@pytest.mark.slow
@pytest.mark.skipif(not LINUX, reason="needs /proc/stat")
def test_another_process_is_foreign():
    before = snapshot()
    subprocess.run([sys.executable, "-c", BURN.format(0.6)], check=True)
    after = snapshot()
    seen = difference(before, after)
    assert seen["foreign_cpu_s"] > 0.4
    capacity = (after.clock_s - before.clock_s) * psutil.cpu_count()
    assert seen["foreign_cpu_share"] == pytest.approx(
        min(1, seen["foreign_cpu_s"] / capacity), abs=0.01
    )
    assert seen["cpu_s"] < 0.2  # the child is not this process
    assert 0 <= seen["steal_share"] <= 1


def test_arithmetic_of_a_window():
    before = moment(clock_s=10, cpu_user_s=1, machine_busy_s=100, steal_s=3)
    after = moment(
        clock_s=14,
        cpu_user_s=6,
        cpu_system_s=0.5,
        context_switches_voluntary=7,
        context_switches_involuntary=2,
        machine_busy_s=107.5,
        steal_s=3.8,
    )
    assert difference(before, after, logical_cpus=2) == pytest.approx(
        {
            "cpu_s": 5.5,
            "cpu_user_s": 5.0,
            "cpu_system_s": 0.5,
            "context_switches_voluntary": 7,
            "context_switches_involuntary": 2,
            "foreign_cpu_s": 2.0,
            "foreign_cpu_share": 0.25,
            "steal_share": 0.1,
        }
    )


def test_processes_that_belong_together_are_added_and_not_foreign():
    before = total([moment(clock_s=1, machine_busy_s=50), moment(clock_s=1.1, machine_busy_s=51)])
    after = total(
        [
            moment(clock_s=3, machine_busy_s=54, cpu_user_s=0.5, context_switches_voluntary=1),
            moment(clock_s=9, machine_busy_s=99, cpu_user_s=1.5, context_switches_voluntary=2),
            moment(clock_s=9, machine_busy_s=99, cpu_system_s=1.0),
        ]
    )
    seen = difference(before, after, logical_cpus=2)
    assert seen["cpu_s"] == 3.0
    assert seen["context_switches_voluntary"] == 3
    assert seen["foreign_cpu_s"] == 1.0  # of 4 s that the machine was busy
    assert seen["foreign_cpu_share"] == 0.25


def test_rounding_never_gives_less_than_nothing_or_more_than_all():
    seen = difference(moment(), moment(clock_s=1, cpu_user_s=1.01, machine_busy_s=1), 1)
    assert seen["foreign_cpu_s"] == seen["foreign_cpu_share"] == 0
    seen = difference(moment(), moment(clock_s=1, machine_busy_s=1.1), 1)
    assert seen["foreign_cpu_share"] == 1
    seen = difference(moment(), moment(machine_busy_s=1), 1)  # no time passed
    assert seen["foreign_cpu_share"] is None


def test_meters_that_a_system_lacks_are_none():
    parts = [moment(machine_busy_s=None, steal_s=None)] * 2
    seen = difference(total(parts), total(parts))
    assert (seen["foreign_cpu_s"], seen["foreign_cpu_share"], seen["steal_share"]) == (None,) * 3
    assert seen["cpu_s"] == 0


def test_guests_count_once_and_waiting_not_at_all(monkeypatch):
    names = "user nice system idle iowait irq softirq steal guest guest_nice"
    times = namedtuple("Times", names)(1, 2, 4, 1000, 500, 8, 16, 32, 1, 2)
    monkeypatch.setattr(psutil, "cpu_times", lambda: times)
    assert meters._machine_times() == (31, 32)


def test_machine_times_of_other_systems(monkeypatch):
    times = namedtuple("Times", "user nice system idle")(1, 2, 4, 1000)
    monkeypatch.setattr(psutil, "cpu_times", lambda: times)
    assert meters._machine_times() == (7, None)

    def refuse():
        raise PermissionError

    monkeypatch.setattr(psutil, "cpu_times", refuse)
    assert meters._machine_times() == (None, None)


def test_snapshots_travel_between_processes():
    one = snapshot()
    assert pickle.loads(pickle.dumps(one)) == one


def test_a_snapshot_is_cheap():
    """Far below a millisecond; the best of many, as other programs run too."""
    costs = []
    for _ in range(200):
        begin = time.perf_counter()
        snapshot()
        costs.append(time.perf_counter() - begin)
    assert min(costs) < 0.001


# ------------------------------------------------------------------------------- memory


def in_a_process_of_its_own(code):
    """What `code` prints, as JSON: of a large test process, memory may be taken while it looks."""
    imports = "import json\nfrom parallel_transcription.measure import meters\n"
    done = subprocess.run(
        [sys.executable, "-c", imports + code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_memory_sees_what_is_added():
    before, after = in_a_process_of_its_own(
        "before = meters.memory()\n"
        "block = bytearray(b'x') * 60_000_000\n"
        "print(json.dumps([before, meters.memory()]))"
    )
    for key in ("rss", "pss", "uss") if LINUX else ("rss",):
        assert after[key] - before[key] == pytest.approx(60_000_000, rel=0.2)
    if LINUX:
        assert after["uss"] <= after["pss"] <= after["rss"]


def test_memory_where_only_rss_exists(monkeypatch):
    def refuse(self):
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    seen = meters.memory()
    assert seen["rss"] > 1e6
    assert seen["pss"] is seen["uss"] is None


@pytest.mark.skipif(not LINUX, reason="needs /proc/self/clear_refs")
def test_peak_is_that_since_the_reset():
    was_reset, low, high, rss, was_reset_again, again = in_a_process_of_its_own(
        "seen = [meters.reset_peak_rss(), meters.peak_rss()]\n"
        "block = bytearray(b'x') * 60_000_000\n"
        "del block\n"
        "seen += [meters.peak_rss(), meters.memory()['rss']]\n"
        "print(json.dumps(seen + [meters.reset_peak_rss(), meters.peak_rss()]))"
    )
    assert was_reset
    assert high - low > 50_000_000
    assert rss < high - 40_000_000
    assert was_reset_again
    assert again < high - 40_000_000


def test_peak_where_it_does_not_exist(monkeypatch):
    monkeypatch.setattr(meters, "_LINUX", False)
    assert meters.reset_peak_rss() is False
    assert meters.peak_rss() is None


@pytest.mark.skipif(not LINUX, reason="needs /proc")
def test_peak_that_cannot_be_read(monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)
    assert meters.reset_peak_rss() is False
    assert meters.peak_rss() is None


def test_affinity(monkeypatch):
    if LINUX:
        assert meters.affinity() == sorted(psutil.Process().cpu_affinity())
    monkeypatch.delattr(meters.os, "sched_getaffinity", raising=False)
    assert meters.affinity() is None
