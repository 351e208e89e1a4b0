"""The whole way from study file to PDF, with real faster-whisper: the contract holds."""

import json
import shutil
import subprocess
import sys
from itertools import pairwise

import pandas as pd
import pytest
import yaml

from parallel_transcription.results.columns import RUN_COLUMNS, TIMING_COLUMNS
from project import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def results(finished):
    return finished.folder / "results"


@pytest.fixture(scope="module")
def records(results):
    paths = (results / "test-machine" / "runs").glob("*.json")
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_every_promised_file_is_there(results):
    for name in (
        "timings.csv",
        "timings.parquet",
        "runs.csv",
        "runs.parquet",
        "machines.json",
        "study.json",
        "findings.json",
        "scoreboard.json",
        "recommended.yaml",
        "left_out.csv",
        "left_out.parquet",
        "reports/findings.pdf",
        "reports/findings.html",
        "reports/test-machine.pdf",
    ):
        assert (results / name).stat().st_size > 0, name
    assert (results / "reports/findings.pdf").read_bytes()[:5] == b"%PDF-"
    figures = {path.suffix for path in (results / "figures").iterdir()}
    assert {".svg", ".png"} <= figures


def test_snakemakes_own_report_has_every_figure_with_its_caption(checkout):
    """Captions come from a file that the step wrote; a change in it draws no figure again."""
    figures = checkout.folder / "results/figures"
    captions = json.loads((figures / "captions.json").read_text(encoding="utf-8"))
    assert {f"test-machine-{name}.svg" for name in captions} <= {f.name for f in figures.iterdir()}
    (figures / "captions.json").write_text(
        json.dumps({name: {"title": "t", "caption": f"How {name} is read"} for name in captions})
    )
    assert "draw_figures" not in checkout.planned()
    checkout.run("--report", "report.html")
    page = (checkout.folder / "report.html").read_text(encoding="utf-8")
    assert [name for name in captions if f"How {name} is read" not in page] == []


def test_all_runs_went_well(records):
    assert [r["run"] for r in records if r["status"] != "ok"] == []


def test_tables_have_the_contracts_columns_and_every_record(results, records):
    runs = pd.read_csv(results / "runs.csv")
    timings = pd.read_csv(results / "timings.csv")
    assert tuple(runs.columns) == RUN_COLUMNS
    assert tuple(timings.columns) == TIMING_COLUMNS
    assert set(runs["run"]) == {record["run"] for record in records}


def test_rounds_are_measured_in_the_planned_order(checkout, records):
    grid = sorted((r for r in records if r["round"] < 900), key=lambda r: r["started_at"])
    measured = [(r["configuration_id"], r["round"]) for r in grid]
    assert measured == checkout.planned_order()
    assert [number for _, number in measured] == sorted(number for _, number in measured)


def test_timings_never_overlap(records):
    spans = sorted((r["started_at"], r["finished_at"]) for r in records)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_workers_hear_what_one_alone_hears(results):
    timings = pd.read_csv(results / "timings.csv")
    assert (timings.groupby("file")["text_sha256"].nunique() == 1).all()
    assert timings["wer"].notna().all()


def test_the_measured_process_was_not_told_how_many_threads_to_use(records):
    for record in records:
        assert "OMP_NUM_THREADS" not in record["environment"]
        assert "MKL_NUM_THREADS" not in record["environment"]


def test_settings_are_recommended_for_the_machine(results):
    recommended = yaml.safe_load((results / "recommended.yaml").read_text())
    assert set(recommended) == {"test-machine"}
    assert recommended["test-machine"]["whisper_model"]["compute_type"] == "int8"


def test_findings_answer_every_question_in_words_and_numbers(results):
    findings = json.loads((results / "findings.json").read_text())
    assert {f["number"] for f in findings} >= set(range(1, 9))
    verdicts = {"confirmed", "refuted", "inconclusive", "not measured"}
    for finding in findings:
        assert finding["verdict"] in verdicts
        assert finding["answer"] and finding["machine"] == "test-machine"


def test_no_private_name_in_what_one_mails(results, records):
    """The records keep the host's name; tables and reports do not."""
    import getpass
    import socket

    text = "\n".join(
        (results / name).read_text(encoding="utf-8")
        for name in ("runs.csv", "timings.csv", "findings.json", "reports/findings.html")
    )
    assert {record["node"] for record in records} == {socket.gethostname()}
    assert str(results.parent) not in text
    for private in (socket.gethostname(), getpass.getuser()):
        if len(private) > 4:
            assert private not in text


def test_results_of_other_machines_stand_beside_this_ones(checkout):
    """Records are merged by label; everything is built again from the records alone."""
    source = checkout.folder / "results" / "test-machine" / "runs"
    target = checkout.folder / "results" / "other-machine" / "runs"
    target.mkdir(parents=True)
    for path in source.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8")) | {"machine": "other-machine"}
        (target / path.name).write_text(json.dumps(record), encoding="utf-8")
    (target / "broken.json").write_text("{")
    checkout.run("--until", "judge_findings")
    folder = checkout.folder / "results"
    assert set(json.loads((folder / "machines.json").read_text())) == {
        "test-machine",
        "other-machine",
    }
    assert "broken.json" in (folder / "left_out.csv").read_text()
    assert {f["machine"] for f in json.loads((folder / "findings.json").read_text())} == {
        "test-machine",
        "other-machine",
    }


@pytest.mark.skipif(sys.prefix != str(ROOT / ".venv"), reason="this is not make's environment")
def test_make_reports_needs_nothing_but_records(results, tmp_path):
    """On any machine, the same records give the same findings."""
    shutil.copytree(results / "test-machine" / "runs", tmp_path / "test-machine" / "runs")
    done = subprocess.run(
        ["make", "reports", f"RESULTS={tmp_path}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("test-machine.pdf", "findings.pdf"):
        assert (tmp_path / "reports" / name).read_bytes()[:5] == b"%PDF-"
    keys = ("id", "verdict", "answer", "effect", "evidence")
    alone, workflow = (
        [{key: finding[key] for key in keys} for finding in json.loads(file.read_text())]
        for file in (tmp_path / "findings.json", results / "findings.json")
    )
    assert alone == workflow
