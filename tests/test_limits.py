"""What a process may really use: quota, cpuset, memory, cores, in containers of many shapes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from machine_tree import V1, V2, processor, tree, write
from parallel_transcription import cpus
from parallel_transcription.jobs import packing, preflight
from parallel_transcription.measure import limits
from parallel_transcription.measure.limits import Limits, between

EIGHT = range(8)
HERE = V2.format(group="/", folder="/sys/fs/cgroup")


def v1(group: str, *controllers: str) -> str:
    """Version 1's mounts: a folder for each controller, showing the given group."""
    return "\n".join(
        V1.format(group=group, folder=f"/sys/fs/cgroup/{one}", controllers=one)
        for one in controllers
    )


# ------------------------------------------------------------------------------- quotas


SHAPES = {
    "bare": ("0::/", HERE, {}, None),
    "unreadable": ("", "", {}, None),
    "nonsense": ("nonsense", "x y z", {"sys/fs/cgroup/cpu.max": "garbage"}, None),
    # docker run --cpus=1.5, with a namespace of its own: the container's group is "/"
    "docker v2": ("0::/", HERE, {"sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
    "docker v2, no quota": ("0::/", HERE, {"sys/fs/cgroup/cpu.max": "max 100000"}, None),
    "less than a CPU": ("0::/", HERE, {"sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5),
    "another period": ("0::/", HERE, {"sys/fs/cgroup/cpu.max": "30000 10000"}, 3.0),
    "no period": ("0::/", HERE, {"sys/fs/cgroup/cpu.max": "300000"}, 3.0),
    # the host's path, although only the container's part is mounted (docker, --cgroupns=host)
    "docker v2 without namespace": (
        "0::/system.slice/docker-12ab.scope",
        V2.format(group="/system.slice/docker-12ab.scope", folder="/sys/fs/cgroup"),
        {"sys/fs/cgroup/cpu.max": "200000 100000"},
        2.0,
    ),
    "docker v1 without namespace": (
        "5:memory:/docker/12ab\n4:cpu,cpuacct:/docker/12ab\n0::/",
        V1.format(
            group="/docker/12ab", folder="/sys/fs/cgroup/cpu,cpuacct", controllers="cpu,cpuacct"
        ),
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        2.5,
    ),
    "docker v1 mounted whole": (
        "4:cpu:/docker/12ab",
        v1("/", "cpu"),
        {
            "sys/fs/cgroup/cpu/docker/12ab/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu/docker/12ab/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/docker/cpu.cfs_period_us": "100000",
        },
        1.0,
    ),
    "v1 without quota": (
        "4:cpu:/x",
        v1("/", "cpu"),
        {
            "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
        },
        None,
    ),
    "v1, no mountinfo": (
        "4:cpu,cpuacct:/x",
        "",
        {
            "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
        },
        2.0,
    ),
    # kubernetes, burstable: the pod has a quota of its own beside the container's
    "kubernetes v1": (
        "7:cpu,cpuacct:/kubepods/burstable/pod7/c1",
        V1.format(group="/", folder="/sys/fs/cgroup/cpu", controllers="cpu,cpuacct"),
        {
            "sys/fs/cgroup/cpu/kubepods/burstable/pod7/c1/cpu.cfs_quota_us": "400000",
            "sys/fs/cgroup/cpu/kubepods/burstable/pod7/c1/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/kubepods/burstable/pod7/cpu.cfs_quota_us": "300000",
            "sys/fs/cgroup/cpu/kubepods/burstable/pod7/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/kubepods/burstable/cpu.cfs_quota_us": "-1",
        },
        3.0,
    ),
    "kubernetes v2": (
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice/c1.scope",
        HERE,
        {
            "sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/"
            "kubepods-burstable-pod7.slice/cpu.max": "350000 100000",
            "sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/"
            "kubepods-burstable-pod7.slice/c1.scope/cpu.max": "max 100000",
        },
        3.5,
    ),
    "user slice": (
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope",
        HERE,
        {
            "sys/fs/cgroup/user.slice/cpu.max": "600000 100000",
            "sys/fs/cgroup/user.slice/user-1000.slice/cpu.max": "200000 100000",
            "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cpu.max": "max 100000",
        },
        2.0,
    ),
    "hybrid": (
        "4:cpu:/a\n1:name=systemd:/s\n0::/s",
        v1("/", "cpu") + "\n" + V2.format(group="/", folder="/sys/fs/cgroup/unified"),
        {
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "700000",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/unified/s/cgroup.controllers": "",
        },
        7.0,
    ),
    "outside of the namespace": (
        "0::/../../other",
        HERE,
        {"sys/fs/cgroup/cpu.max": "50000 100000"},
        0.5,
    ),
    "a mount point with a space": (
        "0::/",
        V2.format(group="/", folder="/my\\040groups"),
        {"my groups/cpu.max": "150000 100000"},
        1.5,
    ),
    "more than there are": ("0::/", HERE, {"sys/fs/cgroup/cpu.max": "6400000 100000"}, 64.0),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_least_quota_on_the_way_up_counts(tmp_path, shape):
    groups, mounts, files, quota = SHAPES[shape]
    root = tree(tmp_path, groups, mounts, files)
    assert limits.cpu_quota(root) == quota
    assert cpus.usable(EIGHT, root) == min(8.0, quota or 8.0)
    assert cpus.usable([3], root) == min(1.0, quota or 1.0)


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "megabytes"),
    [
        ("0::/", HERE, {}, None),
        ("0::/a", HERE, {"sys/fs/cgroup/a/memory.max": "max"}, None),
        (
            "0::/a",
            HERE,
            {"sys/fs/cgroup/a/memory.max": "4000000000", "sys/fs/cgroup/memory.max": "2000000000"},
            2000,
        ),
        (
            "3:memory:/y",
            v1("/", "memory"),
            {
                "sys/fs/cgroup/memory/y/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            None,
        ),
        (
            "3:memory:/docker/1",
            v1("/docker/1", "memory"),
            {"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912"},
            537,
        ),
    ],
)
def test_the_least_memory_limit_counts(tmp_path, groups, mounts, files, megabytes):
    assert cpus.memory_limit_mb(tree(tmp_path, groups, mounts, files)) == megabytes


def test_the_cpuset_is_that_of_the_nearest_group_that_says_one(tmp_path):
    files = {"sys/fs/cgroup/a/cpuset.cpus.effective": "2-3", "sys/fs/cgroup/a/b/cpu.max": "max 1"}
    root = tree(tmp_path / "v2", "0::/a/b", HERE, files)
    assert cpus.cpuset(root) == "2-3"
    files = {"sys/fs/cgroup/cpuset/cpuset.cpus": "0-1", "sys/fs/cgroup/cpuset/x/cpuset.cpus": "1"}
    root = tree(tmp_path / "v1", "2:cpuset:/x", v1("/", "cpuset"), files)
    assert cpus.cpuset(root) == "1"


# -------------------------------------------------------------------------------- cores


def test_lists_of_cpus_there_and_back():
    assert cpus.parse("0-2,8, 10") == [0, 1, 2, 8, 10]
    assert cpus.parse("") == cpus.parse("x") == []
    assert cpus.as_list([8, 0, 2, 1, 1]) == "0-2,8"
    assert cpus.as_list([]) == ""


@pytest.mark.parametrize(
    ("topology", "allowed", "cores"),
    [
        (processor(2), [0, 1], [[0], [1]]),
        (processor(1, 2), [0, 1], [[0, 1]]),
        (processor(4, 2), [0, 4, 1], [[0, 4], [1]]),
        (processor(4, 2, apart=False), [0, 1, 2], [[0, 1], [2]]),
        (processor(2, 4), range(8), [[0, 2, 4, 6], [1, 3, 5, 7]]),
        ({}, [0, 1], []),
    ],
)
def test_cores_among_the_cpus_that_may_be_used(tmp_path, topology, allowed, cores):
    write(tmp_path, topology)
    assert cpus.cores(allowed, tmp_path) == cores


def test_a_small_cloud_machine_has_one_core(tmp_path):
    facts = cpus.describe([0, 1], tree(tmp_path, files=processor(1, 2)))
    assert (facts["usable_cpus"], facts["usable_cores"], facts["affinity"]) == (2.0, 1, "0-1")


def test_numa_nodes_have_the_cpus_that_may_be_used(tmp_path):
    nodes = {"node0": "0-3,8-11", "node1": "4-7,12-15", "node2": ""}
    write(tmp_path, {f"sys/devices/system/node/{n}/cpulist": t for n, t in nodes.items()})
    assert cpus.numa_nodes([0, 1, 4], tmp_path) == {"0": 2, "1": 1}


def clocks(**mhz: int) -> dict[str, str]:
    return {
        f"sys/devices/system/cpu/{cpu}/cpufreq/cpuinfo_max_freq": str(value * 1000)
        for cpu, value in mhz.items()
    }


def capacities(**values: int) -> dict[str, str]:
    return {f"sys/devices/system/cpu/{c}/cpu_capacity": str(v) for c, v in values.items()}


@pytest.mark.parametrize(
    ("files", "kinds"),
    [
        ({}, [[0, 1, 2]]),
        (clocks(cpu0=5200, cpu1=5000, cpu2=3800), [[0, 1], [2]]),
        (clocks(cpu0=5200, cpu1=5000, cpu2=4900), [[0, 1, 2]]),  # better and worse pieces
        (capacities(cpu0=446, cpu1=1024, cpu2=446), [[1], [0, 2]]),
        (capacities(cpu0=1024, cpu1=1024, cpu2=1024), [[0, 1, 2]]),
        (clocks(cpu0=5200), [[0, 1, 2]]),  # of the others nothing is told
    ],
)
def test_kinds_of_cpus(tmp_path, files, kinds):
    write(tmp_path, files)
    assert cpus.kinds([0, 1, 2], tmp_path) == kinds


# ------------------------------------------------------------------------------ packing


def test_slots_are_whole_cores(tmp_path):
    write(tmp_path, processor(8, 2))
    assert cpus.slots(4, range(16), tmp_path) == [
        [0, 1, 2, 3, 8, 9, 10, 11],
        [4, 5, 6, 7, 12, 13, 14, 15],
    ]
    assert cpus.slots(1, [0, 8], tmp_path) == [[0, 8]]
    assert cpus.slots(2, [0, 8], tmp_path) == []


def test_slots_are_of_the_fastest_kind(tmp_path):
    write(tmp_path, capacities(cpu0=500, cpu1=500, cpu2=1024, cpu3=1024) | processor(4))
    assert cpus.slots(1, range(4), tmp_path) == [[2], [3]]


def test_slots_do_not_mix_nodes_where_they_can_be_kept_apart(tmp_path):
    nodes = {"node0": "0,2,4,6", "node1": "1,3,5,7"}
    write(tmp_path, {f"sys/devices/system/node/{n}/cpulist": t for n, t in nodes.items()})
    write(tmp_path, processor(8))
    assert cpus.slots(4, range(8), tmp_path) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_slots_without_a_topology_are_cpus(tmp_path):
    assert cpus.slots(2, [1, 3, 5], tmp_path) == [[1, 3]]


def test_a_quota_that_does_not_carry_the_slots_is_refused_before_any_run(monkeypatch):
    monkeypatch.setattr(packing.cpus, "slots", lambda size: [[0, 4], [1, 5], [2, 6]])
    monkeypatch.setattr(packing, "cpu_quota", lambda: 4.0)
    assert packing.slots_of({"jobs": 2, "cores": 1}) == [[0, 4], [1, 5]]
    monkeypatch.setattr(packing, "cpu_quota", lambda: 3.5)
    with pytest.raises(packing.PackingError, match=r"4 CPUs together .* quota of 3\.5 CPUs"):
        packing.slots_of({"jobs": 2, "cores": 1})
    (problem,) = preflight.problems(["a configuration"], {"jobs": 2, "cores": 1})
    assert "quota" in problem


# ------------------------------------------------------------------------------- meters


STATISTICS = "usage_usec 9\nnr_periods {}\nnr_throttled {}\nthrottled_usec {}"


def test_throttling_is_added_up_over_the_levels_that_have_a_quota(tmp_path):
    files = {
        "sys/fs/cgroup/a/b/cpu.max": "150000 100000",
        "sys/fs/cgroup/a/b/cpu.stat": STATISTICS.format(10, 2, 300_000),
        "sys/fs/cgroup/a/cpu.max": "400000 100000",
        "sys/fs/cgroup/a/cpu.stat": STATISTICS.format(10, 1, 50_000),
        "sys/fs/cgroup/cpu.stat": STATISTICS.format(99, 99, 99_000_000),
    }
    found = Limits([0], tree(tmp_path, "0::/a/b", HERE, files))
    before = found.read()
    write(tmp_path, {"sys/fs/cgroup/a/b/cpu.stat": STATISTICS.format(25, 9, 1_300_000)})
    seen = between(before, found.read())
    assert seen["quota_periods"] == 15
    assert seen["throttled_periods"] == 7
    assert seen["throttled_s"] == pytest.approx(1.0)


def test_version_1_counts_nanoseconds(tmp_path):
    base = "sys/fs/cgroup/cpu/"
    files = {f"{base}cpu.cfs_quota_us": "100000", f"{base}cpu.cfs_period_us": "100000"}
    files[f"{base}cpu.stat"] = "nr_periods 1\nnr_throttled 0\nthrottled_time 0"
    found = Limits([], tree(tmp_path, "4:cpu:/docker/1", v1("/docker/1", "cpu"), files))
    before = found.read()
    write(tmp_path, {f"{base}cpu.stat": "nr_periods 5\nnr_throttled 3\nthrottled_time 250000000"})
    seen = between(before, found.read())
    assert (seen["throttled_periods"], seen["throttled_s"]) == (3, 0.25)


def test_what_the_system_does_not_tell_is_none_and_not_zero(tmp_path):
    found = Limits([0, 1], tree(tmp_path))
    assert set(between(found.read(), found.read()).values()) == {None}
    files = {"sys/fs/cgroup/cpu.max": "150000 100000", "sys/fs/cgroup/cpu.stat": "usage_usec 5"}
    found = Limits([0], tree(tmp_path, files=files))
    assert between(found.read(), found.read())["throttled_s"] is None


def test_clocks_and_heat_are_those_of_the_cpus_in_use(tmp_path):
    cpu = "sys/devices/system/cpu/cpu{}/{}"
    heat = "thermal_throttle/core_throttle_count"
    for number, khz in enumerate((3_000_000, 2_000_000, 800_000)):
        write(tmp_path, {cpu.format(number, "cpufreq/scaling_cur_freq"): str(khz)})
        write(tmp_path, {cpu.format(number, heat): "7"})
    found = Limits([0, 1], tree(tmp_path))
    before = found.read()
    write(tmp_path, {cpu.format(1, heat): "9", cpu.format(2, heat): "100"})
    write(tmp_path, {cpu.format(0, "cpufreq/scaling_cur_freq"): "2000000"})
    seen = between(before, found.read())
    assert (seen["cpu_mhz_opening"], seen["cpu_mhz_closing"]) == (2500, 2000)
    assert seen["thermal_throttles"] == 2


# ------------------------------------------------------------------------- a real quota


BUSY = """
import json, sys, threading, time
sys.path.insert(0, {scripts!r})
from parallel_transcription import cpus
from parallel_transcription.measure.limits import Limits, between
import hashlib
block = bytes(1 << 20)
def burn(until):
    while time.monotonic() < until:
        hashlib.sha256(block)  # sets the lock of the interpreter free
found = Limits()
before = found.read()
latest = time.monotonic() + 10
while True:  # on a busy machine it may take a while until two threads get a CPU's worth
    until = time.monotonic() + 1
    threads = [threading.Thread(target=burn, args=(until,)) for _ in range(2)]
    [t.start() for t in threads]; [t.join() for t in threads]
    seen = between(before, found.read())
    if seen["throttled_periods"] > 5 or time.monotonic() > latest:
        break
print(json.dumps([cpus.describe(), seen]))
"""


@pytest.fixture
def quota(request):
    """A control group with so many µs of each 100 ms; yields the file that takes processes."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs: with one no quota of one is ever used up")
    for level in limits.levels("cpu"):
        if not (level / "cgroup.procs").exists():
            continue
        group = level / f"parallel-transcription-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError as error:
            pytest.skip(f"no control group can be made here: {error}")
        try:
            if (group / "cpu.cfs_quota_us").exists():
                (group / "cpu.cfs_period_us").write_text("100000")
                (group / "cpu.cfs_quota_us").write_text(str(request.param))
            elif (group / "cpu.max").exists():
                (group / "cpu.max").write_text(f"{request.param} 100000")
            else:
                pytest.skip("the control groups here have no CPU controller")
            yield group / "cgroup.procs"
        finally:
            group.rmdir()
        return
    pytest.skip("no control groups of the CPU here")


@pytest.mark.slow
@pytest.mark.parametrize(("quota", "count"), [(100_000, 1.0), (20_000, 0.2)], indirect=["quota"])
def test_a_real_quota_is_seen_and_throttles(quota, count):
    """Two busy threads use up one CPU; where others leave them less, at least a fifth of one."""
    scripts = str(Path(__file__).parent.parent / "scripts")
    done = subprocess.run(
        ["sh", "-c", 'echo $$ > "$1"; shift; exec "$@"', "sh", quota, sys.executable,
         "-c", BUSY.format(scripts=scripts)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if "write error" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip(f"no process may be moved into a control group here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    facts, seen = json.loads(done.stdout)
    assert facts["cgroup_cpus"] == facts["usable_cpus"] == count
    assert facts["affinity_cpus"] >= 2
    assert seen["quota_periods"] > 0
    if count == 1.0 and seen["throttled_periods"] <= 5:
        pytest.skip("others leave the two threads less than one CPU: nothing to throttle")
    assert seen["throttled_periods"] > 5
    assert seen["throttled_s"] > 0
