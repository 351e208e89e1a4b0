"""Guards what is said of Slurm's queue: who waits in vain, and how long a partition lets run."""

from __future__ import annotations

import subprocess

import pytest

from parallel_transcription.jobs import queue
from parallel_transcription.jobs.cluster import LiveJob, runtime_min


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("PartitionTimeLimit", "lower runtime_min"),
        ("QOSMaxWallDurationPerJobLimit", "lower runtime_min, or set qos or account"),
        ("AssocMaxWallDurationPerJobLimit", "lower runtime_min"),
        ("QOSMaxCpuPerJobLimit", "lower cores"),
        ("QOSMinGRES", ""),
        ("AssocMaxMemPerJob", "lower cores or mem_mb"),
        ("QOSMinCpuNotSatisfied", "never gives so much"),
        ("BadConstraints", "set constraint"),
        ("InvalidAccount", "set account"),
        ("InvalidQOS", "set qos"),
        ("Priority", ""),
        ("Resources", ""),
        ("QOSMaxJobsPerUserLimit", ""),
        ("AssocGrpCpuLimit", ""),
        ("ReqNodeNotAvail", ""),
        ("JobHeldUser", ""),
        ("None", ""),
    ],
)
def test_only_what_no_waiting_changes_is_hopeless(reason, said):
    assert said in queue.never(reason) and bool(said) == bool(queue.never(reason))


def test_hopeless_jobs_alone_are_cancelled_and_each_is_told(monkeypatch, tmp_path):
    jobs = [
        LiveJob("1", "PENDING", "s", "transcribe a", "Priority"),
        LiveJob("2", "PENDING", "s", "transcribe b", "InvalidAccount"),
        LiveJob("3", "RUNNING", "s", "transcribe c", "None"),
    ]
    asked, told = [], []
    monkeypatch.setattr(queue, "live_jobs", lambda folder: jobs)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))
    assert queue.end_hopeless(tmp_path, told.append) == [jobs[1]]
    assert asked == [["scancel", "2"]]
    assert told == ["job 2 (transcribe b) can never start: InvalidAccount; its account is not "
                    "taken: set account"]  # fmt: skip


def test_all_that_live_are_cancelled_at_once_and_none_is_no_fault(monkeypatch, tmp_path):
    jobs = [LiveJob(str(n), "RUNNING", "s", "transcribe a", "None") for n in (1, 2)]
    asked = []
    monkeypatch.setattr(queue, "live_jobs", lambda folder: jobs)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))
    assert queue.end_all(tmp_path) == jobs and asked == [["scancel", "1", "2"]]
    jobs.clear()
    assert queue.end_all(tmp_path) == [] and len(asked) == 1


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("30", 30), ("1:30", 1), ("60:00", 60), ("2:00:00", 120), ("1-00:00:00", 1440),
     ("7-12", 10_800), ("1-02:30", 1590), ("infinite", None), ("n/a", None)],
)  # fmt: skip
def test_limits_of_partitions_are_read(monkeypatch, limit, minutes):
    table = f"cpu*\t{limit}\ngpu\t5:00\n"

    def answer(command, **_):
        return subprocess.CompletedProcess(command, 0, table, "")

    monkeypatch.setattr(subprocess, "run", answer)
    assert queue.longest_min(None) == queue.longest_min("cpu") == minutes
    assert queue.longest_min("gpu") == 5 and queue.longest_min("other") is None


def test_a_job_asks_for_no_more_than_its_partition_gives():
    assert runtime_min({}, 30, attempt=2, longest=60) == 60
    assert runtime_min({}, 30, attempt=1, longest=None) == 35
    assert runtime_min({"runtime_min": 40}, 30, attempt=2, longest=60) == 80  # as it is written
