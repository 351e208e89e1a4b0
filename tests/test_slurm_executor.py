"""No job of a study waits for ever: what is done about jobs of a Slurm, without one."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm import Executor

from parallel_transcription.jobs import queue, slurm_executor
from parallel_transcription.jobs.cluster import ClusterError
from parallel_transcription.jobs.queue import Seen
from parallel_transcription.jobs.slurm_executor import SlurmExecutor


class Job:
    """A job of Snakemake, as far as it is looked at."""

    def __init__(self, output, machine="epyc"):
        self.rule = SimpleNamespace(name="transcribe")
        self.wildcards_dict = {"machine": machine}
        self.output = [output]
        self.resources = {}
        self.attempt, self.restart_times = 1, 2


class Pool:
    """Runs what is submitted at once."""

    def submit(self, function, *arguments):
        function(*arguments)


@pytest.fixture
def executor(monkeypatch):
    """An executor of the plugin whose Slurm is `executor.seen`; what it did is in its lists."""
    made = SlurmExecutor.__new__(SlurmExecutor)
    made.workflow = SimpleNamespace(
        executor_settings=SimpleNamespace(init_seconds_before_status_checks=10)
    )
    monkeypatch.setattr(Executor, "__post_init__", lambda self, test_mode: None)
    made.__post_init__()
    made.run_uuid, made.active_jobs = "run", []
    made.told, made.done, made.failed, made.cancelled, made.submitted = [], [], [], [], []
    made.logger = SimpleNamespace(error=made.told.append)
    made.status_rate_limiter = contextlib.AsyncExitStack()
    made._job_submission_executor = Pool()
    made.report_job_success = lambda job: made.done.append(job.external_jobid)
    made.report_job_error = lambda job, msg, aux_logs: made.failed.append(job.external_jobid)
    monkeypatch.setattr(Executor, "run_job", lambda self, job: made.submitted.append(job))
    monkeypatch.setattr(Executor, "handle_job_error", lambda self, job: None)
    monkeypatch.setattr(slurm_executor, "answer", made.cancelled.append)
    monkeypatch.setattr(queue, "look", lambda run, jobs: made.seen)
    return made


def submitted(number, output, **options):
    """A job that is in Slurm's queue."""
    return SimpleNamespace(
        external_jobid=number, job=Job(output, **options), aux={"slurm_logfile": "log"}
    )


def look(executor, *jobs):
    """The numbers of the jobs that live on."""

    async def check():
        return [job.external_jobid async for job in executor.check_active_jobs(jobs)]

    return asyncio.run(check())


def test_what_slurm_forgot_ended_and_its_record_tells_how(executor, tmp_path):
    record = tmp_path / "record.json"
    record.write_text("{}")
    jobs = [submitted("1", record), submitted("2", tmp_path / "none"), submitted("3", record)]
    executor.seen = {"3": Seen("RUNNING")}
    assert look(executor, *jobs) == ["1", "2", "3"], "one look is not enough"
    executor.seen = {"1": Seen("RUNNING"), "3": Seen("RUNNING")}
    assert look(executor, *jobs) == ["1", "3"]
    assert executor.failed == ["2"]
    executor.seen = {"3": Seen("RUNNING")}
    assert look(executor, jobs[0], jobs[2]) == ["1", "3"], "it was seen in between"
    assert look(executor, jobs[0], jobs[2]) == ["3"]
    assert executor.done == ["1"]


def test_a_queue_that_does_not_answer_ends_nothing(executor, tmp_path, monkeypatch):
    def silent(run, jobs):
        raise ClusterError("squeue: no answer")

    monkeypatch.setattr(queue, "look", silent)
    job = submitted("1", tmp_path / "none")
    for _ in range(3):
        assert look(executor, job) == ["1"]
    assert len(executor.told) == 1


def test_looks_are_never_far_apart(executor, tmp_path):
    executor.seen = {"1": Seen("RUNNING")}
    job = submitted("1", tmp_path / "none")
    pauses = []
    for _ in range(6):
        look(executor, job)
        pauses.append(executor.next_seconds_between_status_checks)
    assert pauses == sorted(pauses) and pauses[-1] == 30
    executor.seen = {"1": Seen("FAILED")}
    look(executor, job)
    assert executor.next_seconds_between_status_checks == 10


@pytest.mark.parametrize("state", ["PREEMPTED", "SUSPENDED"])
def test_a_preempted_job_is_submitted_again_some_times(executor, tmp_path, state, monkeypatch):
    monkeypatch.setattr(slurm_executor, "MOST_PREEMPTED", 2)
    executor.seen = {"1": Seen(state)}
    job = submitted("1", tmp_path / "none")
    for again in (1, 2):
        assert look(executor, job) == []
        assert executor.submitted == [job.job] * again and executor.failed == []
    assert len(executor.told) == 1 and job.job.attempt == 1
    assert look(executor, job) == []
    assert executor.failed == ["1"], "but not for ever"


def test_hopeless_jobs_are_cancelled_not_tried_again_and_told_once_for_each_machine(
    executor, tmp_path, monkeypatch
):
    jobs = [submitted(n, tmp_path / n, machine=m) for n, m in (("1", "a"), ("2", "a"), ("3", "b"))]
    executor.seen = {n: Seen("PENDING", "InvalidAccount") for n in "123"}
    assert look(executor, *jobs) == [] and executor.failed == ["1", "2", "3"]
    assert [command[-1] for command in executor.cancelled] == ["1", "2", "3"]
    assert len(executor.told) == 2 and all("set account" in line for line in executor.told)
    shown = []
    monkeypatch.setattr(Executor, "print_job_error", lambda self, job, msg: shown.append(job))
    for one in jobs:
        executor.print_job_error(one)
        executor.handle_job_error(one.job)
        assert one.job.attempt > one.job.restart_times, "no attempt is left"
    assert shown == []
    monkeypatch.setattr(Executor, "shutdown", lambda self: None)
    executor.shutdown()
    assert "a: 2 jobs" in executor.told[2] and "b: 1 job " in executor.told[3]


def test_a_job_that_could_not_be_started_is_tried_again(executor, tmp_path):
    job = submitted("1", tmp_path / "none")
    executor.seen = {"1": Seen("PENDING", "launch failed requeued held")}
    assert look(executor, job) == [] and executor.failed == ["1"]
    assert executor.cancelled[0][-1] == "1"
    executor.handle_job_error(job.job)
    assert job.job.attempt == 1


def refusing(executor, monkeypatch, *answers):
    """Let sbatch refuse with these words, one after another, then take the job."""
    words, reported = list(answers), []

    def run_job(self, job):
        if words:
            said = words.pop(0)
            self._report_job_error_threadsafe(
                SimpleNamespace(job=job), f"SLURM sbatch failed. The error message was '{said}'.\n"
            )
        else:
            executor.submitted.append(job)

    monkeypatch.setattr(Executor, "run_job", run_job)
    monkeypatch.setattr(
        Executor, "_report_job_error_threadsafe", lambda self, job, msg: reported.append(msg)
    )
    monkeypatch.setattr(slurm_executor, "AGAIN_S", 0.001)
    return reported


LIMIT = (
    "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job "
    "violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


def test_where_slurm_takes_no_more_jobs_for_now_a_job_waits(executor, tmp_path, monkeypatch):
    reported = refusing(executor, monkeypatch, LIMIT, LIMIT)
    job = Job(tmp_path)
    executor.run_job(job)
    assert executor.submitted == [job] and reported == []
    (line,) = executor.told
    assert "(AssocMaxSubmitJobLimit)" in line


def test_it_waits_no_longer_than_places_may_become_free(executor, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm_executor, "PATIENCE_S", -1.0)
    reported = refusing(executor, monkeypatch, LIMIT)
    executor.run_job(Job(tmp_path))
    assert len(reported) == 1 and executor.submitted == []
    assert "set qos or account" in executor.told[-1]


def test_a_job_that_is_refused_for_good_is_told_and_an_interrupt_submits_nothing(
    executor, tmp_path, monkeypatch
):
    refused = "sbatch: error: Batch job submission failed: Invalid feature specification"
    reported = refusing(executor, monkeypatch, refused)
    executor.run_job(Job(tmp_path))
    assert len(reported) == 1 and "set constraint" in executor.told[0]
    monkeypatch.setattr(Executor, "cancel_jobs", lambda self, jobs: None)
    executor.cancel_jobs([])
    executor.run_job(Job(tmp_path))
    assert executor.submitted == []


def test_an_account_is_asked_for_only_where_the_study_names_one(executor, tmp_path):
    job = Job(tmp_path)
    assert list(executor.get_account_arg(job)) == [""], "none is guessed from earlier jobs"
    job.resources = {"slurm_account": "speech"}
    assert list(executor.get_account_arg(job)) == [" -A speech"]
