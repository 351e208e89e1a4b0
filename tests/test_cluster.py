"""What jobs ask a cluster for, and what stands in their way; without a cluster."""

import os
import re
import stat

import pytest
from snakemake_executor_plugin_slurm.validation import get_forbidden_slurm_options

from parallel_transcription.jobs import cluster
from parallel_transcription.jobs.snakemake_insides import hands_out_jobs
from parallel_transcription.study.configuration import complete
from project import ROOT, Project

STUDY = {
    "audio": ["audio/english-short.opus"],
    "rounds": 1,
    "grid": [{"strategy": "one_model"}],
}


def test_a_machine_without_keys_asks_for_a_whole_node_and_no_thread_limit():
    asked = cluster.resources({})
    assert asked["slurm_extra"] == "--exclusive"
    assert asked["cpus_per_task"] < 0, "leaves the flag out: all CPUs of the node"
    assert asked["nodes"] == 1 and asked["mem_mb"] == 0 and asked["shared_node"] == 0
    assert not {"slurm_partition", "slurm_account", "constraint", "qos"} & set(asked)


def test_every_key_of_a_machine_reaches_the_scheduler():
    machine = {
        "partition": "gpu",
        "account": "speech",
        "qos": "short",
        "constraint": "a100",
        "exclusive": False,
        "cores": 16,
        "mem_mb": 32000,
        "extra": "--nodelist=n7",
    }
    assert cluster.resources(machine) == {
        "nodes": 1,
        "slurm_partition": "gpu",
        "slurm_account": "speech",
        "qos": "short",
        "constraint": "a100",
        "cpus_per_task": 16,
        "mem_mb": 32000,
        "shared_node": 1,
        "slurm_extra": "--nodelist=n7",
    }
    assert cluster.runtime_min({"runtime_min": 7}, 100) == 7
    assert cluster.runtime_min({}, 100) > 100


@pytest.mark.parametrize(
    ("machine", "asked"),
    [
        ({}, {"gpu": 2}),
        ({"gpu_model": "a100"}, {"gpu": 2, "gpu_model": "a100"}),
        ({"gpu_model": "1g.10gb"}, {"gpu": 2, "gpu_model": "1g.10gb"}),
        ({"gpu_request": "gres"}, {"gres": "gpu:2"}),
        ({"gpu_request": "gres", "gpu_model": "a100"}, {"gres": "gpu:a100:2"}),
        # names that the plugin refuses and Slurm takes
        (
            {"gpu_model": "a100-sxm4-80gb"},
            {"slurm_extra": "--exclusive --gpus-per-node=a100-sxm4-80gb:2"},
        ),
        (
            {"gpu_model": "1g.10gb+me", "gpu_request": "gres", "exclusive": False},
            {"slurm_extra": "--gpus-per-node=1g.10gb+me:2"},
        ),
    ],
)
def test_gpus_are_asked_for_in_the_way_that_a_site_takes(machine, asked):
    assert cluster.gpu_resources(machine, 2) == asked
    assert cluster.gpu_resources(machine, 0) == {}
    assert set(asked) <= set(cluster.GPU_RESOURCES)
    options = asked.get("slurm_extra", "")
    assert not any(re.search(p, options + " ") for p in get_forbidden_slurm_options())


@pytest.mark.parametrize(
    ("model", "is_slice"),
    [("1g.10gb", True), ("nvidia_a100-sxm4-80gb_3g.40gb", True), ("1g.10gb+me", True),
     ("a100-sxm4-80gb", False), ("h100", False)],
)  # fmt: skip
def test_several_slices_for_one_process_are_told(model, is_slice):
    gpu = {"strategy": "one_model", "device": "cuda"}
    two = [complete(gpu | {"device_index": "0,1"})]
    machines = {"laptop": None, "gpu": {"gpu_model": model}}
    assert len(cluster.sliced(machines, two)) == is_slice
    assert cluster.sliced(machines, [complete(gpu)]) == []


def test_cores_below_a_configurations_threads_are_told():
    machines = {"epyc": {"cores": 4}, "xeon": {"cores": 64}, "all": {}}
    arms = [complete({"strategy": "one_model", "num_workers": n, "cpu_threads": 2}) for n in (1, 4)]
    (note,) = cluster.confined(machines, arms)
    assert note.startswith("machines.epyc.cores: 4: 1 of 2 configurations") and "up to 8" in note


@pytest.mark.parametrize("extra", ["--mem=4G", "--gpus=2", "-p gpu", "--nodelist=a --time=5"])
def test_an_option_that_the_workflow_sets_is_refused(extra):
    with pytest.raises(cluster.ClusterError, match=r"machines: extra: -.*leave it out"):
        cluster.resources({"extra": extra})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--cores", "2"], False),
        (["-n", "--cores", "2"], False),
        (["--profile", "slurm", "-n"], True),
        (["--executor", "slurm", "--jobs", "3"], True),
        (["--touch", "--cores", "1"], False),
    ],
    ids=["here", "plan", "profile", "option", "touch"],
)
def test_the_executor_is_known_from_command_line_and_profile(monkeypatch, arguments, expected):
    monkeypatch.chdir(ROOT)
    assert hands_out_jobs(arguments) is expected


@pytest.fixture
def fake_command(tmp_path, monkeypatch):
    """Put a command of one's own first on the PATH."""

    def put(name, script):
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{file.parent}{os.pathsep}{os.environ['PATH']}")

    return put


def test_only_live_jobs_of_this_folder_count(fake_command, tmp_path):
    here, other = tmp_path / "here", tmp_path / "other"
    here.mkdir()
    other.mkdir()
    lines = [
        f"1\tRUNNING\tname-a\t{here}\trule_transcribe_wildcards_m_x-r01",
        f"2\tPENDING\tname-a\t{here}\trule_decide_wildcards_m",
        f"3\tRUNNING\tname-b\t{other}\trule_transcribe_wildcards_m_x-r01",
        f"4\tRUNNING\tsomething\t{here}\t(null)",
        f"5\tCOMPLETING\tname-a\t{here}\trule_transcribe_wildcards_m_x-r02",
        f"6\tRUNNING\tname-c\t{tmp_path}/gone\trule_transcribe_wildcards_m_x-r02",
    ]
    (tmp_path / "answer").write_text("\n".join(lines) + "\n")
    fake_command("squeue", f"cat {tmp_path}/answer")
    jobs = cluster.live_jobs(here)
    assert [(job.id, job.state) for job in jobs] == [("1", "RUNNING"), ("2", "PENDING")]
    with pytest.raises(cluster.ClusterError) as error:
        cluster.refuse_beside(jobs)
    for part in ("2 jobs", "transcribe m_x-r01", "scancel --me --name=name-a"):
        assert part in str(error.value)
    cluster.refuse_beside([])


def test_a_scheduler_that_does_not_answer_is_an_error(fake_command, tmp_path, monkeypatch):
    fake_command("squeue", "echo 'slurm_load_jobs error: no controller' >&2; exit 1")
    with pytest.raises(cluster.ClusterError, match="no controller"):
        cluster.live_jobs(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(cluster.ClusterError, match="no such command"):
        cluster.live_jobs(tmp_path)


def test_a_process_outside_of_a_job_has_none(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert cluster.this_job() is None


def test_a_job_is_known_even_if_the_scheduler_does_not_answer(fake_command, monkeypatch):
    fake_command("scontrol", "exit 1")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    job = cluster.this_job()
    assert (job["job_id"], job["node"], job["log"]) == ("7", "n1", None)


@pytest.mark.slow
def test_the_literal_command_plans_the_default_study_for_the_cluster(tmp_path):
    project = Project(tmp_path / "checkout", STUDY)
    (project.folder / "config" / "config.yaml").write_text(project.study_file.read_text())
    jobs = project.planned("--profile", "slurm")
    (record,) = jobs["transcribe"]
    assert record.startswith("results/slurm/runs/")


@pytest.mark.slow
def test_a_study_without_a_machine_on_the_cluster_stops_before_any_job(tmp_path):
    project = Project(tmp_path / "checkout", STUDY | {"machines": {"laptop": "local"}})
    done = project.snakemake("--profile", "slurm")
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in said
    assert "config/test.yaml: machines: nothing to measure here: laptop is this host" in said
    assert not (project.folder / "results").exists()
