"""A checkout whose runs are jobs of the tests' private Slurm."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from project import Project

#: Looks for ended jobs more often than a site would like.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--max-status-checks-per-second", "1")
STUDY = {
    "name": "cluster-6",  # its order within a round is that of the grid, as tests below need
    "audio": ["audio/english-short.opus"],
    "defaults": {
        "model": "mini-en",
        "language": "en",
        "cpu_threads": 1,
        "files_in_parallel": 1,
    },
    "rounds": 1,
    "repeats": 1,
    "warmups": 0,
    "remeasure": 0,  # other tests run at the same time
    "decide": {"minutes": 0.1},
    "timeout_s": 60,
    "load_timeout_s": 120,
}


class ClusterProject(Project):
    """A checkout on the cluster, whose default study is the test's."""

    def __init__(self, folder, slurm, **study):
        super().__init__(folder, STUDY | study)
        self.slurm = slurm

    @property
    def study_file(self):
        return self.folder / "config" / "config.yaml"

    def change(self, **study):
        self.write_study(self.study() | study)

    def start(self, *arguments):
        """Start `snakemake --profile slurm` in the checkout."""
        environment = self.slurm.environment
        path = f"{Path(sys.executable).parent}:{environment['PATH']}"
        with (self.folder / "output.txt").open("w") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments],
                cwd=self.folder,
                env={**environment, "PATH": path},
                stdout=output,
                stderr=output,
            )

    @property
    def output(self):
        return (self.folder / "output.txt").read_text(errors="replace")

    def finish(self, process, timeout=240):
        """The exit status of a started Snakemake; it is interrupted if it takes too long."""
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            pytest.fail(f"Snakemake took too long:\n{self.output[-4000:]}\n{self.jobs()}")

    def cluster_run(self, *arguments):
        """Run to the end; it must succeed."""
        status = self.finish(self.start(*arguments))
        assert status == 0, f"{self.output[-6000:]}\n{self.jobs()}"

    def jobs(self, *states):
        """The jobs that were submitted from here, oldest first; those in these states."""
        jobs = self.slurm.jobs("all")
        mine = [job for job in jobs if Path(job["folder"]) == self.folder]
        return [job for job in mine if not states or job["state"] in states]

    def wait_for_job(self, state, known=(), seconds=60, does=""):
        """The first job in a state that is not among the known ones, and does this."""

        def found():
            return [
                job
                for job in self.jobs(state)
                if job["id"] not in known and what(job).endswith(does)
            ]

        assert self.slurm.wait_for(found, seconds), f"{self.jobs()}\n{self.output[-3000:]}"
        return found()[0]

    def records(self, machine="*"):
        paths = sorted(self.folder.glob(f"results/{machine}/runs/*.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def what(job):
    """What a job does: its rule and wildcards."""
    return job["comment"].removeprefix("rule_").replace("_wildcards_", " ")
