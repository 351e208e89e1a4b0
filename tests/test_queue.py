"""Guards what is said of Slurm's queue: who waits in vain, and how long a partition lets run."""

from __future__ import annotations

import logging
import re
import subprocess
from pathlib import Path

import pytest
import snakemake

from parallel_transcription.jobs import queue
from parallel_transcription.jobs.cluster import ClusterError, LiveJob, runtime_min
from parallel_transcription.jobs.queue import Fate, Seen


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


@pytest.mark.parametrize(
    ("state", "reason", "fate"),
    [
        ("PENDING", "Priority", Fate.LIVES),
        ("RUNNING", "None", Fate.LIVES),
        ("COMPLETING", "None", Fate.LIVES),
        ("REQUEUED", "None", Fate.LIVES),
        ("COMPLETED", "None", Fate.DONE),
        ("TIMEOUT", "TimeLimit", Fate.FAILED),
        ("NODE_FAIL", "None", Fate.FAILED),
        ("PREEMPTED", "None", Fate.PREEMPTED),
        ("SUSPENDED", "None", Fate.PREEMPTED),
        ("PENDING", "InvalidAccount", Fate.HOPELESS),
        ("RUNNING", "InvalidAccount", Fate.LIVES),
        ("PENDING", "launch failed requeued held", Fate.HELD),
        ("PENDING", "JobHoldMaxRequeue", Fate.HELD),
        ("PENDING", "JobHeldUser", Fate.LIVES),
    ],
)
def test_what_is_done_about_a_job_follows_from_its_state_and_reason(state, reason, fate):
    assert queue.fate(Seen(state, reason)) is fate


#: What sbatch of Slurm 22.05 printed, with accounting.
@pytest.mark.parametrize(
    ("said", "for_now", "remedy"),
    [
        ("QOSMaxSubmitJobPerUserLimit; Job violates accounting/QOS policy", True, "qos or account"),
        ("AssocGrpSubmitJobsLimit; Job violates accounting/QOS policy", True, "qos or account"),
        ("Unable to contact slurm controller (connect failure)", True, ""),
        ("QOSMaxCpuPerJobLimit; Job violates accounting/QOS policy", False, "lower cores"),
        (
            "AssocGrpGRES; Job violates accounting/QOS policy (job submit limit, user's size "
            "and/or time limits)",
            False,
            "its qos or account never gives so much",
        ),
        ("Invalid account or account/partition combination specified", False, "set account"),
        ("Invalid qos specification", False, "set qos"),
        ("Invalid feature specification", False, "set constraint"),
        ("Invalid node name specified", False, "set extra"),
        (
            "invalid partition specified: x; Invalid partition name specified",
            False,
            "set partition",
        ),
        ("Invalid generic resource (gres) specification", False, "set gpu_model"),
        (
            "Requested GRES option unsupported by configured SelectType plugin",
            False,
            "gpu_request: gres",
        ),
        ("Memory specification can not be satisfied", False, "lower mem_mb"),
        ("Requested node configuration is not available", False, "no node has what it asks for"),
        ("Requested time limit is invalid (missing or exceeds some limit)", False, "runtime_min"),
        ("a filter of the site speaks", False, ""),
    ],
)
def test_a_refusal_says_what_to_set_and_whether_to_wait(said, for_now, remedy):
    assert queue.is_refused_for_now(said) is for_now
    assert remedy in queue.refusal(said) and bool(remedy) == bool(queue.refusal(said))


def test_what_the_queue_forgot_is_looked_up_where_there_is_accounting(monkeypatch):
    told = {
        "squeue": "1\tRUNNING\tNone\n2\tPENDING\tQOSMaxCpuPerJobLimit\n",
        "sacct": "3|COMPLETED\n4|CANCELLED by 0\n5|RUNNING\n",
    }
    asked = []

    def answer(command):
        asked.append(command)
        if command[0] not in told:
            raise ClusterError("Slurm accounting storage is disabled")
        return told[command[0]]

    monkeypatch.setattr(queue, "answer", answer)
    seen = queue.look("run", ["1", "2", "3", "4", "5"])
    assert {number: one.state for number, one in seen.items()} == {
        "1": "RUNNING", "2": "PENDING", "3": "COMPLETED", "4": "CANCELLED",
    }, "that 5 runs is not believed: the queue does not know it"  # fmt: skip
    assert "--jobs=3,4,5" in asked[1] and "--name=run" in asked[0]
    del told["sacct"]
    assert set(queue.look("run", ["1", "3"])) == {"1", "2"}
    asked.clear()
    queue.look("run", ["1"])
    assert [command[0] for command in asked] == ["squeue"]
    del told["squeue"]
    with pytest.raises(ClusterError):
        queue.look("run", [])


def test_an_interruption_is_heard():
    heard = queue.Interrupted()
    for text in ("Select jobs to execute...", "Finished jobid: 3"):
        heard.handle(logging.LogRecord("s", logging.INFO, "f", 1, text, None, None))
    assert not heard.seen
    scheduler = Path(snakemake.__file__).parent / "scheduling" / "job_scheduler.py"
    (text,) = re.findall(r'"(Terminating [^"]*)"', scheduler.read_text(encoding="utf-8"))
    heard.handle(logging.LogRecord("s", logging.INFO, "f", 1, text, None, None))
    assert heard.seen, "it is what this Snakemake says"


def test_all_that_live_are_cancelled_at_once_and_none_is_no_fault(monkeypatch, tmp_path):
    jobs = [LiveJob(str(n), "RUNNING", "s", "transcribe a") for n in (1, 2)]
    asked = []
    monkeypatch.setattr(queue, "live_jobs", lambda folder: jobs)
    monkeypatch.setattr(queue, "answer", asked.append)
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
