"""Studies on a real Slurm: four virtual nodes on this host, two of them with two fake GPUs each."""

import json
import os
import re
import signal
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import ResourceList
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from parallel_transcription.jobs import cluster
from slurm_accounting import ACCOUNT
from slurm_cluster import missing, running_slurm
from slurm_project import QUICK, ClusterProject, what

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        bool(missing()),
        reason=f"no Slurm to start: {', '.join(missing())} not found "
        "(Debian: munge slurm-client slurmctld slurmd)",
    ),
]
#: Configurations that sleep while they start: time to do something to their jobs.
SLOW = {"strategy": "multi_model", "instances": 2}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with running_slurm(tmp_path_factory.mktemp("slurm") / "slurm") as cluster:
        yield cluster


def overlapping(records):
    """Pairs of runs that were measured at the same time."""
    spans = sorted((r["started_at"], r["finished_at"], r["run"]) for r in records)
    return [(one, other) for one, other in pairwise(spans) if one[1] > other[0]]


# ------------------------------------------------------------------------- a whole study


@pytest.fixture(scope="module")
def studied(slurm, tmp_path_factory):
    """A study of two kinds of nodes that has run to its reports."""
    project = ClusterProject(
        tmp_path_factory.mktemp("studied") / "checkout",
        slurm,
        machines={
            "login-node": "local",
            "epyc": {"partition": "cpu", "constraint": "epyc"},
            "xeon": {"partition": "cpu", "constraint": "xeon", "cores": 2, "mem_mb": 3000},
        },
        grid=[{"strategy": "one_model", "num_workers": [1, 2]}],
    )
    project.cluster_run(*QUICK)
    return project


def test_a_study_runs_on_every_machine_of_the_cluster_to_its_reports(studied):
    folder = studied.folder / "results"
    for name in ("findings.pdf", "epyc.pdf", "xeon.pdf"):
        assert (folder / "reports" / name).stat().st_size > 0
    assert not (folder / "login-node").exists(), "this host is measured without a scheduler"
    assert set(json.loads((folder / "machines.json").read_text())) == {"epyc", "xeon"}
    findings = json.loads((folder / "findings.json").read_text())
    assert {finding["machine"] for finding in findings} == {"epyc", "xeon"}
    records = studied.records()
    assert [r["error"] for r in records if r["status"] != "ok"] == []
    grid = [r for r in records if r["round"] < 900]
    assert Counter(r["machine"] for r in grid) == {"epyc": 2, "xeon": 2}
    runs = {m: {r["run"] for r in grid if r["machine"] == m} for m in ("epyc", "xeon")}
    assert runs["epyc"] == runs["xeon"]


def test_only_measurements_are_jobs_each_submitted_once(studied):
    submitted = Counter(what(job) for job in studied.jobs())
    assert set(submitted.values()) == {1}
    assert {one.split()[0] for one in submitted} == {"transcribe", "decide"}
    assert len(submitted) == 6


def test_a_measurement_has_a_node_for_itself(studied):
    for job in studied.jobs():
        assert job["shared"] == "NO" and job["cpus"] == "16", job
    for machine in ("epyc", "xeon"):
        assert not overlapping(studied.records(machine))


def test_a_job_asks_for_what_its_machine_says(studied):
    for job in studied.jobs():
        details = studied.slurm.details(job["id"])
        limits = details["TimeLimit"], details["Partition"], details["Features"]
        if "xeon" in what(job):
            assert details["MinMemoryNode"] == "3000M"
            assert limits[1:] == ("cpu", "xeon")
        else:
            assert limits[1:] == ("cpu", "epyc")
    by_rule = {what(job): studied.slurm.details(job["id"])["TimeLimit"] for job in studied.jobs()}
    # 120 s for the load and 60 s for a pass, and some minutes to start; matches may run over
    assert by_rule["decide epyc"] == "00:12:00"
    assert {v for k, v in by_rule.items() if k.startswith("transcribe")} == {"00:08:00"}


def test_a_record_names_its_node_and_its_job_and_the_jobs_log(studied):
    jobs = {job["id"]: job for job in studied.jobs()}
    for record in studied.records():
        job = record["job"]
        assert job["scheduler"] == "slurm" and job["partition"] == "cpu"
        assert job["node"] == jobs[job["job_id"]]["node"]
        assert job["node"] == {"epyc": "cpu1", "xeon": "cpu2"}[record["machine"]]
        assert record["node"] == os.uname().nodename
        assert record["host"]["logical_cpus"] == os.cpu_count()
        log = studied.folder / job["log"]
        assert record["run"] in log.read_text() or "decide" in job["log"]
        assert not Path(job["log"]).is_absolute()


def test_jobs_are_measured_in_the_order_of_the_study(studied):
    grid = [r for r in studied.records("epyc") if r["round"] < 900]
    grid.sort(key=lambda record: record["started_at"])
    measured = [(r["configuration_id"], r["round"]) for r in grid]
    assert measured == [one for one in studied.planned_order() if one in measured]


def test_a_change_submits_only_what_it_changed(studied):
    before = {job["id"] for job in studied.jobs()}
    studied.change(grid=[{"strategy": "one_model", "num_workers": [1, 2, 3]}])
    studied.cluster_run(*QUICK, "--until", "transcribe")
    new = sorted(what(job) for job in studied.jobs() if job["id"] not in before)
    assert len(new) == 2
    assert all("-w3-" in one for one in new)
    assert [one.split("_")[0] for one in new] == ["transcribe epyc", "transcribe xeon"]


# --------------------------------------------------------------------------------- GPUs


def test_runs_queue_for_the_gpus_that_they_use_and_see_only_these(slurm, tmp_path):
    """A node with two GPUs, of which another user holds one.

    A run on one GPU goes, a run on two waits until both are free. There is no CUDA here: that both
    fail is a result and is recorded.
    """
    holder = slurm.command(
        *("sbatch", "--parsable", "--partition=gpu", "--constraint=a100", "--gpus=1"),
        *(f"--output={tmp_path}/holder.log", "--wrap", "sleep 300"),
    ).strip()
    project = ClusterProject(
        tmp_path / "checkout",
        slurm,
        machines={
            "a100": {
                "partition": "gpu",
                "gpu_model": "a100",
                "exclusive": False,
                "cores": 2,
                "mem_mb": 2000,
            }
        },
        grid=[
            {"strategy": "one_model"},
            {"strategy": "one_model", "device": "cuda", "device_index": ["0", "0,1"]},
        ],
    )
    process = project.start(*QUICK, "--until", "transcribe")
    waiting = {}

    def only_the_run_on_two_gpus_waits():
        waiting.update({what(job): job for job in project.jobs("PENDING")})
        return len(project.records()) == 2 and any(
            job["reason"] == "Resources" for job in project.jobs("PENDING")
        )

    assert slurm.wait_for(only_the_run_on_two_gpus_waits, 120), project.output[-3000:]
    (job,) = project.jobs("PENDING")
    assert "cuda0.1" in what(job)
    slurm.command("scancel", holder)
    assert project.finish(process) == 0, project.output[-4000:]

    asked = {what(job): slurm.details(job["id"]).get("TresPerJob", "") for job in project.jobs()}
    of = {re.search(r"-(cpu|cuda[\d.]*)-", name)[1]: tres for name, tres in asked.items()}
    assert of == {"cpu": "", "cuda": "gres:gpu:a100:1", "cuda0.1": "gres:gpu:a100:2"}
    for record in project.records():
        number = {"cpu": 0, "0": 1, "0,1": 2}[
            "cpu"
            if record["configuration"]["device"] == "cpu"
            else record["configuration"]["device_index"]
        ]
        seen = record["job"]["gpus"]
        assert len(seen.split(",") if seen else []) == number
        assert record["status"] == ("failed" if number else "ok"), record["error"]
    assert len(project.jobs()) == 3, "a failed run is a result, and is not tried again"
    assert not overlapping(project.records()), "what may share a node goes one at a time"


@pytest.mark.parametrize(
    ("machine", "node"),
    [
        ({"gpu_model": "a100", "gpu_request": "gres"}, "gpu1"),
        ({"constraint": "a100", "gpu_request": "gres", "exclusive": False}, "gpu1"),
        ({"gpu_model": "h100-sxm5-80gb"}, "gpu2"),
    ],
)
def test_slurm_takes_every_way_of_asking_for_gpus(slurm, machine, node):
    """The options are those of the plugin; without running anything."""
    asked = cluster.resources(machine) | cluster.gpu_resources(machine, 2)
    job = SimpleNamespace(resources=ResourceList(fromdict=asked), threads=1)
    told = {"run_uuid": "x", "slurm_logfile": "x", "comment_str": "", "account": "",
            "partition": "-p gpu", "workdir": None}  # fmt: skip
    options = f"{get_submit_command(job, told)} {set_gres_string(job)}"
    done = subprocess.run(
        ["bash", "-c", f"{options} --test-only --wrap true"],
        env=slurm.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and f"on nodes {node} " in done.stderr, (options, done.stderr)


# ------------------------------------------------------------------- what can go wrong


def test_jobs_that_end_without_a_record_are_tried_again(slurm, tmp_path):
    """A cancelled job, one whose node dies, and one that Slurm stops, then displaces.

    At last Snakemake is interrupted: it cancels what is left.
    """
    project = ClusterProject(
        tmp_path / "checkout",
        slurm,
        machines={"any": {"partition": "spare", "runtime_min": 1}},
        grid=[SLOW | {"init_stagger_s": [12, 14, 100]}],
    )
    process = project.start(*QUICK, "--until", "transcribe")
    try:
        # the third waits for the node that becomes free first
        states = {"RUNNING": 2, "PENDING": 1}
        assert slurm.wait_for(lambda: Counter(j["state"] for j in project.jobs()) == states, 60)
        cancelled, lost = project.jobs("RUNNING")
        slurm.command("scancel", cancelled["id"])
        slurm.kill_node(lost["node"])
        slurm.start_node(lost["node"])
        stopped = project.wait_for_job("TIMEOUT", seconds=150)
        displaced = project.wait_for_job("RUNNING", does=what(stopped))
        slurm.command(
            *("sbatch", "--partition=urgent", "--exclusive", f"--nodelist={displaced['node']}"),
            *("--output=/dev/null", "--wrap", "sleep 1"),
        )
        project.wait_for_job("PREEMPTED")
        again = project.wait_for_job("RUNNING", does=what(stopped))
        assert slurm.wait_for(lambda: len(project.jobs("COMPLETED")) == 2, 60), project.output
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    finally:
        process.kill()
    assert slurm.details(stopped["id"])["TimeLimit"] == "00:01:00"
    for one in (displaced, again):
        assert slurm.details(one["id"])["TimeLimit"] == "00:02:00", "twice the time"
    assert slurm.wait_for(lambda: project.jobs("CANCELLED")[-1]["id"] == again["id"])
    ended = {job["id"]: (what(job), job["state"]) for job in project.jobs()}
    assert ended[cancelled["id"]][1] == "CANCELLED"
    assert ended[lost["id"]][1] in ("NODE_FAIL", "FAILED")
    states = Counter(state for _, state in ended.values())
    assert states["COMPLETED"] == 2 and states["PREEMPTED"] == 1 and len(ended) == 7
    assert ended[displaced["id"]][1] == "PREEMPTED" and "submitted again" in project.output
    for first in (cancelled, lost):
        assert (what(first), "COMPLETED") in ended.values(), "tried again once, with success"
    assert [r["status"] for r in project.records()] == ["ok"] * 2


def test_a_killed_snakemake_loses_nothing_and_submits_nothing_twice(slurm, tmp_path):
    project = ClusterProject(
        tmp_path / "checkout",
        slurm,
        machines={"epyc": {"partition": "cpu", "constraint": "epyc"}},
        grid=[SLOW | {"init_stagger_s": [8, 9]}],
    )
    process = project.start(*QUICK)
    running = project.wait_for_job("RUNNING")
    project.wait_for_job("PENDING")
    process.kill()
    process.wait()
    jobs = [job["id"] for job in project.jobs()]
    assert len(jobs) == 2

    assert project.finish(project.start()) != 0
    assert "--unlock" in project.output, "Snakemake's own lock comes first"
    assert project.finish(project.start("--unlock")) == 0
    assert project.finish(project.start(*QUICK)) != 0
    assert re.search("[12] jobs that an earlier Snakemake submitted", project.output)
    assert f"scancel --me --name={running['name']}" in project.output
    assert [job["id"] for job in project.jobs()] == jobs, "nothing is submitted beside live jobs"

    assert slurm.wait_for(lambda: len(project.jobs("COMPLETED")) == 2, 90)
    kept = {r["run"]: r["finished_at"] for r in project.records()}
    assert len(kept) == 2
    project.cluster_run(*QUICK, "--until", "decide")
    assert [what(job).split()[0] for job in project.jobs()] == [
        *("transcribe", "transcribe", "decide")
    ]
    now = {r["run"]: r["finished_at"] for r in project.records() if r["round"] < 900}
    assert now == kept
    # and a later change is seen, although no Snakemake saw these runs end
    project.change(repeats=2)
    study = ("--configfile", str(project.study_file))
    assert len(project.planned("--profile", "slurm", *study)["transcribe"]) == 2


def test_jobs_that_can_never_start_are_ended_at_once_with_what_to_set(slurm, tmp_path):
    brief = {"partition": "brief", "runtime_min": 10}
    project = ClusterProject(
        tmp_path / "checkout",
        slurm,
        machines={"brief": brief, "nowhere": {"constraint": "nosuch"}},
        grid=[{"strategy": "one_model"}],
    )
    assert project.finish(project.start(*QUICK, "--until", "transcribe")) != 0
    assert [job["state"] for job in project.jobs()] == ["CANCELLED"], "there is one attempt"
    assert project.output.count("can never start: Partition") == 1
    assert "brief: 1 job never started: its partition" in project.output
    assert (
        "nowhere: 1 job never started: no node has this feature: set constraint" in project.output
    )
    # without a limit of its own, it asks for what its partition gives at most
    project.change(machines={"brief": {"partition": "brief"}})
    project.cluster_run(*QUICK, "--until", "transcribe")
    (done,) = project.jobs("COMPLETED")
    assert slurm.details(done["id"])["TimeLimit"] == "00:03:00"


@pytest.mark.skipif(
    bool(missing(accounting=True)),
    reason=f"no accounting to start: {', '.join(missing(accounting=True))} not found "
    "(Debian: mariadb-server-core slurmdbd)",
)
def test_limits_of_the_account_and_a_queue_that_forgets(tmp_path):
    """One job at a time by the quality of service; Slurm forgets each as soon as it can."""
    with running_slurm(tmp_path / "slurm", accounting=True, remembers_s=2) as slurm:
        slurm.allow_qos("single", "MaxSubmitJobsPerUser=1")
        slurm.allow_qos("small", "MaxTRESPerJob=cpu=4")
        project = ClusterProject(
            tmp_path / "checkout",
            slurm,
            machines={
                "single": {"partition": "cpu", "qos": "single", "account": ACCOUNT},
                "small": {"partition": "cpu", "qos": "small"},
            },
            grid=[{"strategy": "one_model", "num_workers": [1, 2]}],
        )
        executor = "scripts/parallel_transcription/jobs/slurm_executor.py"
        project.edit(executor, "AGAIN_S = 30.0", "AGAIN_S = 1.0")
        assert project.finish(project.start(*QUICK, "--until", "transcribe")) != 0
        told = project.output
    assert [(r["machine"], r["status"]) for r in project.records()] == [("single", "ok")] * 2
    assert "no more jobs for now (QOSMaxSubmitJobPerUserLimit)" in told
    assert "small: 2 jobs never started: its qos or account never gives so much" in told
