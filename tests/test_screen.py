"""Guards what is seen of a study while it runs: few lines, all that matters, failures in full."""

from __future__ import annotations

import io
import json
import logging

import pytest

from parallel_transcription.jobs.far import MOST_TOLD, Far, outcome
from parallel_transcription.jobs.screen import Screen
from parallel_transcription.jobs.snakemake_insides import LogEvent
from simple_records import make_record


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def log(screen: Screen, message: str, level: int = logging.INFO, **more) -> None:
    record = logging.LogRecord("snakemake", level, "f", 1, message, None, None)
    vars(record).update(more)
    screen.emit(record)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m" / "runs").mkdir(parents=True)
    return tmp_path / "m" / "runs"


def runs(screen: Screen, folder, count: int, **changed) -> None:
    """Play so many runs, as Snakemake tells of them."""
    files = [folder / f"one_model-{n}-r001.json" for n in range(count)]
    screen._far = Far([str(file) for file in files])
    for number, file in enumerate(files):
        log(screen, "", event=LogEvent.JOB_INFO, jobid=number, rule_name="transcribe",
            output=[str(file)])  # fmt: skip
        file.write_text(json.dumps(make_record() | changed))
        log(screen, f"Finished jobid: {number}", event=LogEvent.JOB_FINISHED, job_id=number)


def shown(screen: Screen) -> list[str]:
    return screen._stream.getvalue().splitlines()


def test_each_of_few_runs_has_a_line_with_what_it_gave(folder):
    screen = Screen(io.StringIO(), logging.Formatter())
    runs(screen, folder, 4)
    lines = shown(screen)
    assert len(lines) == 4 and lines[-1].startswith("4 of 4 · one model, ")
    assert " s, " in lines[0] and "cores" in lines[0] and "left" in lines[0]


def test_of_many_runs_an_even_choice_has_lines_and_every_bad_one(folder):
    screen = Screen(io.StringIO(), logging.Formatter())
    runs(screen, folder, 200)
    assert len(shown(screen)) == MOST_TOLD and shown(screen)[-1].startswith("200 of 200")
    bad = Screen(io.StringIO(), logging.Formatter())
    runs(bad, folder, 200, status="timeout", error="a repeat took longer than 60 s\nmore")
    assert len(shown(bad)) == 200
    assert shown(bad)[7].endswith("timeout (a repeat took longer than 60 s)")


def test_on_a_terminal_one_line_changes_and_the_rest_is_above_it(folder, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "50")
    screen = Screen(Terminal(), logging.Formatter())
    runs(screen, folder, 40)
    text = screen._stream.getvalue()
    assert "\n" not in text and text.count("\r\x1b[2K") >= 80
    assert all(len(part) <= 49 for part in text.split("\r\x1b[2K"))
    log(screen, "the disk is nearly full", logging.WARNING)
    assert screen._stream.getvalue().endswith("\r\x1b[2Kthe disk is nearly full\n")


def test_what_snakemake_says_in_passing_is_not_shown_and_all_else_is():
    screen = Screen(io.StringIO(), logging.Formatter())
    for text in ("Building DAG of jobs...", "Select jobs to execute...", "Using shell: bash",
                 "Job 7 has been submitted with SLURM jobid 9 (log: x)"):  # fmt: skip
        log(screen, text)
    log(screen, "table", event=LogEvent.RUN_INFO)
    log(screen, "python x.py", event=LogEvent.SHELLCMD)
    assert shown(screen) == []
    log(screen, "Nothing to be done (all requested files are present and up to date).")
    log(screen, "Will exit after finishing currently running jobs (scheduler).")
    log(screen, "no such node", logging.ERROR)
    for _ in range(3):  # as the executor of Slurm says of each job
        log(screen, "No memory is asked for", logging.WARNING)
    assert [line[:7] for line in shown(screen)] == ["Nothing", "Will ex", "no such", "No memo"]


def test_a_failure_is_named_at_once_and_told_in_full_at_the_end(folder):
    screen = Screen(io.StringIO(), logging.Formatter())
    log(screen, "Error in rule x:\n    log: logs/x.log", logging.ERROR, event=LogEvent.JOB_ERROR,
        rule_name="transcribe")  # fmt: skip
    runs(screen, folder, 2)
    screen.end()
    lines = shown(screen)
    assert lines[0] == "failed: transcribe (in full at the end)"
    assert lines[3:5] == ["Error in rule x:", "    log: logs/x.log"]
    assert lines[5].startswith("2 runs, all ok, in ")


def test_a_record_that_cannot_be_read_is_told(folder):
    far = Far([str(folder / "a-r001.json")])
    line, ok = far.ended(folder / "a-r001.json")
    assert not ok and "its record cannot be read" in line


def test_earlier_rounds_tell_how_long_it_will_take(folder):
    took = make_record()
    took |= {"started_at": 100.0, "finished_at": 220.0}
    (folder / "a-r001.json").write_text(json.dumps(took))
    wanted = [str(folder / f"a-r{n:03d}.json") for n in (2, 3)]
    assert Far(wanted[:1]).expected() == "About 2 min, by earlier runs of this machine."
    assert "after the first run" in Far([str(folder / "b-r001.json")]).expected()
    assert Far([]).expected() == ""


def test_a_cold_start_says_how_long_loading_took():
    record = make_record()
    record["configuration"] |= {"files_in_parallel": 0}
    record["starts"][0]["passes"] = []
    name, told, ok = outcome(record)
    assert ok and "start from a folder" in name and told.startswith("loaded in ")


def test_a_configuration_takes_as_long_as_in_its_last_round_and_an_unknown_one_the_mean(folder):
    names = ["a-r001", "b-r001", "a-r002", "b-r002", "c-r001"]
    far = Far([str(folder / f"{name}.json") for name in names])
    took = make_record() | {"started_at": 100.0}
    said = []
    for name, seconds in (("a-r001", 10.0), ("b-r001", 30.0), ("b-r002", 30.0)):
        (folder / f"{name}.json").write_text(json.dumps(took | {"finished_at": 100.0 + seconds}))
        said.append(far.ended(folder / f"{name}.json")[0].split(" · ")[:2])
    assert said == [["1 of 5", "about 40 s left"], ["2 of 5", "about 60 s left"],
                    ["3 of 5", "about 30 s left"]]  # fmt: skip


def test_at_half_the_rate_requests_take_twice_as_long_to_come(folder):
    shares = {"half": 0.5, "quarter": 0.25}
    far = Far([str(folder / f"{name}-r001.json") for name in ("a", "half", "quarter")], {}, shares)
    took = make_record() | {"started_at": 100.0, "finished_at": 110.0}
    (folder / "a-r001.json").write_text(json.dumps(took))
    assert "about 60 s left" in far.ended(folder / "a-r001.json")[0]
