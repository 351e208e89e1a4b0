"""Guards that a study which can only time out ends after its first round, with the value to set."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from parallel_transcription.errors import InputError
from parallel_transcription.jobs.first_round import FirstRound
from parallel_transcription.jobs.snakemake_insides import LogEvent
from parallel_transcription.study.longest import enough_s
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.study import build_study
from project import ROOT, Project, small_study
from simple_records import make_record

GRID = [
    {"strategy": "one_model", "num_workers": [1, 2]},
    {"strategy": "one_model", "files_in_parallel": 0},  # a start cannot time out
]


class Study:
    """A study of two configurations and a cold start, two rounds each; nothing of it is there."""

    def __init__(self, folder: Path):
        settings = small_study("s", GRID, rounds=2, audio=["audio/english-short.opus"])
        study = build_study(settings, "config/mine.yaml", ROOT)
        self.plan = Plan(study, ROOT, folder, "code", folder / "cache")
        self.stopped = 0
        self.watch = FirstRound(self.plan, self.stop)
        self.records = self.plan.records("m")
        self.first = [r for r in self.records if "-r01" in r and "-f2-" in r]

    def stop(self) -> None:
        self.stopped += 1

    def write(self, file: str, status: str = "timeout", passes: int = 1) -> None:
        """A record with a warm-up, and so many passes less one."""
        record = make_record() | {"status": status}
        record["starts"][0]["passes"] = record["starts"][0]["passes"][:passes]
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps(record))

    def end(self, file: str, status: str = "timeout", passes: int = 1) -> None:
        """Snakemake tells of a job, which leaves a record."""
        self.write(file, status, passes)
        job = hash(file)
        for more in (
            {"event": LogEvent.JOB_INFO, "jobid": job, "output": [file]},
            {"event": LogEvent.JOB_FINISHED, "job_id": job},
        ):
            record = logging.LogRecord("snakemake", logging.INFO, "f", 1, "", None, None)
            vars(record).update(more)
            self.watch.handle(record)


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_it_ends_when_the_last_of_the_first_round_was_too_late(study):
    study.watch.begin(study.records)
    study.end(study.first[0])
    assert not study.stopped and not study.watch.told
    study.end(study.first[1])
    assert study.stopped == 1
    assert "timeout_s: 120" in study.watch.told and "config/mine.yaml" in study.watch.told


@pytest.mark.parametrize("hope", [("ok", 3), ("failed", 1), ("timeout", 2)])
def test_it_goes_on_where_one_was_not(study, hope):
    """The last one is a run whose second pass was late, and the first was not."""
    study.watch.begin(study.records)
    study.end(study.first[0], *hope)
    study.end(study.first[1])
    assert not study.stopped and not study.watch.told


def test_it_does_not_begin_again_unless_the_study_was_changed(study):
    for file in study.first:
        study.write(file)
    with pytest.raises(InputError, match="timeout_s: 120"):
        study.watch.begin([file for file in study.records if file not in study.first])
    again = FirstRound(study.plan, study.stop)
    again.begin(study.records)  # all are measured again, with another limit
    starts = [file for file in study.records if "-f0-" in file]
    for rest in ([], starts):  # nothing is left to do but the report, or what cannot time out
        FirstRound(study.plan, study.stop).begin(rest)


def test_the_value_follows_from_warm_ups_where_there_were_some():
    assert enough_s(60, [])[0] == 600
    assert enough_s(60, [(4.0, 15.0)])[0] == 120, "at least twice as long as was not enough"
    assert enough_s(60, [(4.0, 15.0), (10.0, 3600.0)])[0] == 3 * 10 * 120
    assert enough_s(0.3, [(0.41, 30.0)])[0] == 2, "a whole number"


@pytest.mark.slow
def test_snakemake_ends_and_what_was_measured_is_reported(tmp_path):
    project = Project(
        tmp_path / "checkout",
        small_study("late", GRID[:1], rounds=3, timeout_s=0.01, only={"num_workers": 1}),
    )
    (project.folder / "scripts" / "build_reports.py").write_text("open('reported', 'w')\n")
    done = project.snakemake()
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 1 and len(project.runs()) == 1
    assert any(re.search(r"timeout_s: \d+ .* in config/test.yaml\.$", one) for one in said[-4:])
    assert (project.folder / "reported").exists()
