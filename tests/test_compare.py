"""Guards the comparison of two times: planted changes are found, and what is none is said."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from parallel_transcription.findings.over_time import (
    EQUIVALENT,
    FAILS,
    FASTER,
    NOT_COMPARABLE,
    OPEN,
    SLOWER,
    over_time,
)
from parallel_transcription.results.read import Results
from parallel_transcription.study.settings import DEFAULTS
from project import ROOT
from simple_records import make_record, tables_of

STUDY = {**DEFAULTS, "name": "made", "file": "config/made.yaml", "machine": "m", "audio": [],
         "grid": [], "audio_files": [], "decide": {"minutes": 0}}  # fmt: skip


def records(seconds: float, spread: float = 0.01, count: int = 6, seed: int = 1, **values) -> list:
    chance = np.random.default_rng(seed)
    found = []
    for number in range(1, count + 1):
        record = make_record(number, **values)
        for one in record["starts"][0]["passes"]:
            one["makespan_s"] = seconds * float(np.exp(chance.normal(0, spread)))
            one["foreign_cpu_s"] = one["foreign_cpu_share"] = 0.0
        found.append(record)
    return found


def results(folder, *made) -> Results:
    tables = tables_of(folder, *made)
    assert not tables.left_out
    return Results(tables.runs, tables.timings, tables.machines, STUDY)


def outcomes(tmp_path, before, now) -> dict[str, str]:
    found = over_time(
        results(tmp_path / "a", *before), results(tmp_path / "b", *now), 0.05, 0.95
    )  # fmt: skip
    return {one.name.split(",")[1].strip(): one.outcome for one in found}


def test_what_was_planted_is_found(tmp_path):
    before = [r for w in (1, 2, 3, 4) for r in records(2.0, num_workers=w, seed=w)]
    now = [
        *records(2.0, num_workers=1, seed=11),
        *records(2.4, num_workers=2, seed=12),
        *records(1.7, num_workers=3, seed=13),
        *records(2.0, spread=0.15, num_workers=4, seed=14),
    ]
    assert outcomes(tmp_path, before, now) == {
        "1 worker": EQUIVALENT, "2 workers": SLOWER, "3 workers": FASTER, "4 workers": OPEN,
    }  # fmt: skip


@pytest.mark.parametrize(("factor", "outcome"), [(2.0, SLOWER), (1.12, OPEN)])
def test_four_rounds_of_many_settings_tell_what_is_far_apart(tmp_path, factor, outcome):
    """States of processes reach 10 %: what is further out in every round is no chance of theirs."""
    cases = range(1, 16)
    before, now = (
        [r for w in cases for r in records(s, count=4, num_workers=w, seed=w + 50 * (s > 2))]
        for s in (2.0, 2.0 * factor)
    )
    assert set(outcomes(tmp_path, before, now).values()) == {outcome}


@pytest.mark.slow
def test_few_rounds_other_work_and_other_hardware_are_not_compared(tmp_path):
    one = records(2.0, num_workers=1)
    assert outcomes(tmp_path / "1", one, one[:3]) == {"1 worker": NOT_COMPARABLE}
    elsewhere = results(tmp_path / "3", *records(2.0, machine="n"))
    told = over_time(results(tmp_path / "2", *one), elsewhere, 0.05, 0.95)
    assert [(c.machine, c.outcome, c.why) for c in told] == [
        ("m", NOT_COMPARABLE, "measured before alone"), ("n", NOT_COMPARABLE, "measured now alone"),
    ]  # fmt: skip
    other = results(tmp_path / "4", *one)
    other.machines["m"]["cpu_model"] = "another"
    (told,) = over_time(results(tmp_path / "5", *one), other, 0.05, 0.95)
    assert told.why == "other hardware (cpu_model)"
    changed = [r | {"model": {"kind": "embedded", "sha256": "b" * 64}} for r in one]
    told = over_time(results(tmp_path / "6", *one), results(tmp_path / "7", *changed), 0.05, 0.95)
    assert {c.why for c in told} == {"other audio, model or options"}


def ended(record: dict, status: str) -> dict:
    """The run's last pass was given up, or its process died before one."""
    start = record["starts"][0]
    if status == "timeout":
        start["passes"][-1] |= {"status": status, "makespan_s": 60.0, "error": "too long"}
        start |= {"stopped_in_repeat": 1}
    else:
        start |= {"passes": start["passes"][:1], "step": "pass", "stopped_in_repeat": 1}
    start |= {"status": status, "error": "planted"}
    return record | {"status": status, "error": "planted"}


def test_what_hangs_now_is_slower_and_what_never_ends_well_fails(tmp_path):
    before = [r for w in (1, 2, 3) for r in records(2.0, num_workers=w, seed=w)]
    now = [
        *[ended(r, "timeout") for r in records(2.0, num_workers=1, seed=11)],
        *[ended(r, "failed") for r in records(2.0, num_workers=2, seed=12)],
        *records(2.0, num_workers=3, seed=13),
    ]
    assert outcomes(tmp_path, before, now) == {
        "1 worker": SLOWER, "2 workers": FAILS, "3 workers": EQUIVALENT,
    }  # fmt: skip
    assert outcomes(tmp_path / "back", now, before)["1 worker"] == NOT_COMPARABLE


def test_another_driver_is_no_other_machine(tmp_path):
    sides = [results(tmp_path / name, *records(2.0, seed=k)) for k, name in enumerate("ab")]
    for driver, side in zip(("570", "580"), sides, strict=True):
        side.machines["m"]["gpus"] = [{"index": 0, "name": "H200", "driver": driver}]
    (told,) = over_time(*sides, 0.05, 0.95)
    assert told.outcome == EQUIVALENT
    sides[1].machines["m"]["gpus"][0]["name"] = "A100"
    (told,) = over_time(*sides, 0.05, 0.95)
    assert told.why == "other hardware (gpus)"


@pytest.mark.slow
def test_equal_times_are_rarely_said_to_differ(tmp_path):
    said = 0
    for seed in range(16):
        before, now = (
            results(tmp_path / f"{seed}{s}", *records(2.0, 0.08, seed=100 * seed + s))
            for s in (1, 2)
        )
        said += over_time(before, now, 0.05, 0.95)[0].outcome in (FASTER, SLOWER)
    assert said <= 1


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "status"), [(1.0, 0), (1.3, 1)])
def test_the_script_tells_by_table_and_status(tmp_path, factor, status):
    for name, seconds, seed in (("a", 2.0, 1), ("b", 2.0 * factor, 2)):
        folder = tmp_path / name / "m" / "runs"
        folder.mkdir(parents=True)
        for record in records(seconds, seed=seed):
            (folder / f"{record['run']}.json").write_text(json.dumps(record))
    command = [sys.executable, ROOT / "scripts" / "compare.py", tmp_path / "a", tmp_path / "b"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and lines[1].count("|") == lines[2].count("|") == 7
    assert lines[2].endswith("**slower** |" if status else "**equivalent** |")
    nothing = subprocess.run([*command[:3], tmp_path / "c"], capture_output=True, text=True)
    assert nothing.returncode == 2 and nothing.stderr.startswith("error: no run records under")
