"""Guards a study of loads from its file to its reports, with real faster-whisper."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from parallel_transcription.study import rates
from project import CLIP, OTHER_CLIP, Project, small_study

pytestmark = pytest.mark.slow

LOAD = {"arrivals": "poisson", "requests": 12, "mix": "clips"}
MIXES = {
    "clips": [
        {"name": "first", "files": f"audio/{CLIP}", "weight": 2},
        {"name": "second", "files": f"audio/{OTHER_CLIP}"},
    ]
}


def _to_the_report(folder, study):
    Project(folder, study).run("--until", "write_findings_report")


@pytest.fixture(scope="module")
def done(made_once):
    """A study of two strategies under the same share of the capacity, run to its end."""
    grid = [
        {"strategy": "one_model", "num_workers": 2, "rate": "60%", **LOAD},
        {"strategy": "multi_process", "instances": 2, "rate": "60%", **LOAD},
    ]
    study = small_study(
        "loads", grid, rounds=1, mixes=MIXES, slo={"p50": 30}, timeout_s=30, warmups=1,
        ladder={"minutes": 0.001},
    )  # fmt: skip
    return Project.at(made_once("loads", lambda folder: _to_the_report(folder, study)))


def every_record(project: Project) -> list[dict]:
    return [json.loads(p.read_text()) for p in project.folder.glob("results/m/runs/*.json")]


def is_of_the_ladder(rate: str) -> bool:
    """The study's own rates are shares of the capacity."""
    return bool(rate) and not rate.endswith("%")


def records(project: Project) -> dict[str, dict]:
    found = [r for r in every_record(project) if not is_of_the_ladder(r["configuration"]["rate"])]
    return {f"{r['configuration']['strategy']} {r['load']['arrivals']}": r for r in found}


def test_all_sides_get_the_same_requests_at_a_rate_of_the_ladder(done):
    told = records(done)
    one, other = told["one_model poisson"], told["multi_process poisson"]
    assert one["status"] == other["status"] == "ok"
    assert one["load"] == other["load"]
    assert rates.is_on_ladder(one["load"]["rate"])
    share = one["load"]["rate"] / one["load"]["capacity_rps"]
    assert 0.55 < share < 0.65
    due = [
        [(t["counter"], t["file"], t["submitted_s"]) for t in r["starts"][0]["passes"][-1]
         ["transcriptions"] if t["counted"]]
        for r in (one, other)
    ]  # fmt: skip
    assert due[0] == due[1] and len(due[0]) == 12
    assert 0 < sum(CLIP in file for _, file, _ in due[0]) < 12


def test_what_rates_are_shares_of_is_measured_first_and_once(done):
    closed = records(done)["one_model closed"]
    assert closed["round"] == 1 and closed["load"]["rate"] is None
    began = {name: record["started_at"] for name, record in records(done).items()}
    assert min(began, key=began.get) == "one_model closed"
    assert len(began) == 3


def test_latency_is_from_when_a_request_was_due(done):
    timings = pd.read_parquet(done.folder / "results" / "timings.parquet")
    own = timings[(timings["arrivals"] == "poisson") & timings["counted"]]
    own = own[own["rate"].str.endswith("%")]
    assert len(own) == 24
    assert (own["seconds"] - (own["finished_s"] - own["submitted_s"])).abs().max() < 1e-9
    assert (own["wait_s"] + own["service_s"] - own["seconds"]).abs().max() < 1e-9
    assert (own["sent_s"] >= own["submitted_s"]).all()
    assert (own["first_segment_s"] <= own["service_s"]).all() and (own["wer"] < 0.2).all()
    assert set(own["part"]) == {"first", "second"}
    runs = pd.read_parquet(done.folder / "results" / "runs.parquet")
    load = runs[runs["arrivals"] == "poisson"]
    assert load["p50_s"].notna().all() and load["p95_s"].isna().all()  # 12 requests carry no p95


def test_the_report_is_there_and_nothing_runs_again(done):
    findings = json.loads((done.folder / "results" / "findings.json").read_text())
    asked = {f["id"] for f in (findings if isinstance(findings, list) else findings["findings"])}
    assert {"max_load", "load_processes", "load_explained"} <= asked
    assert (done.folder / "results" / "reports" / "findings.pdf").stat().st_size > 10_000
    assert set(done.planned()) <= {"write_machine_report"}


def test_the_ladder_goes_on_from_the_rounds_within_its_minutes_and_is_in_the_tables(done):
    found = json.loads((done.folder / "results" / "m" / "ladder.json").read_text())
    own = [r for r in every_record(done) if is_of_the_ladder(r["configuration"]["rate"])]
    assert found["stopped"] == "budget spent" and found["runs"] == len(own) == 1
    assert {one["why"] for one in found["settings"]} == {"budget spent"}
    told = records(done)["one_model poisson"]["load"]
    for record in own:  # at the rate of the rounds first, in a round of its own
        assert record["status"] == "ok" and record["load"]["seed"] == told["seed"]
        assert record["load"]["rate"] == told["rate"] and record["round"] == 2
    runs = pd.read_parquet(done.folder / "results" / "runs.parquet")
    assert set(runs["run"]) >= {record["run"] for record in own}
    findings = json.loads((done.folder / "results" / "findings.json").read_text())
    rows = next(f for f in findings if f["id"] == "max_load")["evidence"]
    assert sum(row["rounds"] for row in rows) == 2 + len(own)
    assert len({row["rate"] for row in rows}) == 1


def test_an_objective_reruns_nothing_and_another_mix_measures_only_what_has_it(done, tmp_path):
    done = Project.moved(done, tmp_path / "p")
    study = done.study()
    done.write_study(study | {"slo": {"p50": 1}, "latency_margin": 0.2})
    assert "transcribe" not in done.planned()
    heavier = {"clips": [MIXES["clips"][0] | {"weight": 5}, MIXES["clips"][1]]}
    done.write_study(study | {"mixes": heavier})
    assert len(done.planned()["transcribe"]) == 3
    done.write_study(study)
    assert "transcribe" not in done.planned()
