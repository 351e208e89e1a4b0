"""Deciding in the real pipeline: matches within a budget, and what makes them anew."""

import json

import pandas as pd
import pytest

from project import Project, small_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.alone]
STUDY = small_study(
    "deciding",
    [
        {"strategy": "one_model", "num_workers": 2},
        {"strategy": "multi_model", "instances": 2},
    ],
    audio=["audio/english-short.opus"],
    rounds=2,
    decide={"minutes": 10},
    equivalence_margin=0.4,  # five matches decide it, whatever else runs here
)


def summary(project):
    path = project.folder / "results" / "m" / "decided.json"
    return json.loads(path.read_text(encoding="utf-8"))


def matches(project):
    """When each match began, by its name."""
    records = project.folder.glob("results/m/matches/*.json")
    told = [json.loads(path.read_text(encoding="utf-8")) for path in records]
    return {record["match"]: record["started_at"] for record in told}


def test_matches_decide_what_rounds_leave_open(tmp_path):
    project = Project(tmp_path / "checkout", STUDY)

    def run(*config):
        return project.run("--until", "decide", *(["--config", *config] if config else []))

    nothing = run("decide={minutes: 0}")
    assert "budget spent" in nothing.stdout + nothing.stderr
    assert matches(project) == {} and summary(project)["stopped"] == "budget spent"

    done = run()
    line = next(one for one in done.stderr.splitlines() if one.startswith("decide: Are these"))
    assert " of 10:00 min" in line and "match" in line
    told, first = summary(project), matches(project)
    assert told["stopped"] == "decided" and told["matches"] == len(first) >= 5
    assert {pair["size"] for pair in told["pairs"]} <= {"within", "beyond"}
    assert {question for pair in told["pairs"] for question in pair["questions"]} == {
        "recommendation", "one_or_many",
    }  # fmt: skip

    run("decide={minutes: 20}")
    assert matches(project) == first, "what is decided is measured no more"

    project.run("--until", "write_findings_report")
    results = project.folder / "results"
    table = pd.read_csv(results / "matches.csv")
    assert set(table["run"]) == set(first) and (table["status"] == "ok").all()
    assert (table.groupby(["run", "repeat"])["configuration"].nunique() == 2).all()
    findings = json.loads((results / "findings.json").read_text(encoding="utf-8"))
    decided = next(f for f in findings if f["id"] == "one_or_many")
    assert decided["verdict"] == "confirmed" or table["disturbed"].any(), decided["answer"]
    assert decided["evidence"][0]["matches"] == len(first) == decided["ladder"][-1]["matches"]
    html = (results / "reports" / "findings.html").read_text(encoding="utf-8")
    assert f"{len(first)} matches with {len(table)} passes in" in html

    # another protocol is another measurement: of runs and of matches
    run("warmups=1")
    later = matches(project)
    assert summary(project)["stopped"] == "decided" and min(later.values()) > max(first.values())
