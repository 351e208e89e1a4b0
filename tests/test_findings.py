"""Findings: verdicts follow from the tables, whatever is in them and whatever is missing."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from judging import calm_tables, judge_one, judged, question
from parallel_transcription.errors import TableError
from parallel_transcription.findings.judge import judge
from parallel_transcription.findings.question import Question
from parallel_transcription.published import scoreboard
from parallel_transcription.published.checks import CHECKS
from parallel_transcription.published.claims import read_published
from parallel_transcription.results.finding import read_findings, to_json
from parallel_transcription.results.read import read_tables
from studies import script
from synthetic_study import configuration, make_tables, sha, write_tables

ROOT = Path(__file__).resolve().parent.parent
IDS = {
    "parallel_or_queue": 1,
    "one_or_many": 2,
    "processes": 2,
    "threads_limit": 3,
    "best_threads": 3,
    "oversubscription": 3,
    "workers_equal_files": 4,
    "several_gpus": 5,
    "one_per_gpu": 5,
    "gpu_saturation": 5,
    "memory_workers": 6,
    "memory_instances": 6,
    "memory_limit": 6,
    "memory_growth": 6,
    "init_race": 7,
    "recommendation": 8,
    "noise_floor": 0,
    "same_text": 0,
}
KEYS = {
    "id", "number", "question", "claim", "machine", "verdict", "answer", "effect", "evidence",
    "figure", "runs", "change", "more_rounds", "notes", "in_short", "short_question", "chapter",
    "columns", "group", "shown", "more_minutes", "ladder", "doubt",
}  # fmt: skip
VERDICTS = {"confirmed", "refuted", "inconclusive", "not measured"}


@pytest.fixture(scope="module")
def study():
    return make_tables(1, machines=2)


@pytest.fixture(scope="module")
def found(study):
    return judged(study)


@pytest.fixture(scope="module")
def from_a_cluster():
    """Findings on a label whose jobs ran on unlike nodes."""
    study = make_tables(2, rounds=2, repeats=1)
    (label,) = study["machines"]
    study["machines"][label] |= {"mixed_hardware": True, "scheduler": "slurm"}
    return judged(study)


def of(found, id, machine="synthetic-a"):
    return next(f for f in found if f.id == id and f.machine == machine)


def small(seed=1, points=None, **given):
    return calm_tables(seed, points, **{"repeats": 2} | given)


@pytest.mark.slow
def test_every_question_of_every_machine_is_answered(found):
    for machine in ("synthetic-a", "synthetic-b"):
        own = [f for f in found if f.machine == machine]
        assert [(f.id, f.number) for f in own] == list(IDS.items())  # in this order
    for finding in found:
        assert set(finding.to_json()) == KEYS
        assert finding.verdict in VERDICTS
        assert finding.answer.endswith((".", ".yaml")) and finding.claim and finding.change
        assert len({tuple(row) for row in finding.evidence}) <= 1  # the same columns in all
        assert finding.figure in (None, finding.id, "memory")


@pytest.mark.slow
def test_every_answer_fits_the_first_page(found):
    """Answers of questions that stand there; others speak of the whole machine."""
    for finding in found:
        if finding.number and finding.verdict != "not measured":
            assert 0 < len(finding.in_short) <= 90 and finding.in_short.endswith("."), finding.id


def test_what_a_page_shows_of_the_evidence_is_there(found):
    """A column that the evidence does not have, or a row that is not there, would be empty."""
    for finding in found:
        named = {n for c in finding.columns for n in (c.name, c.low, c.high, c.more) if n}
        assert not finding.evidence or named <= set(finding.evidence[0]), finding.id
        assert len(set(finding.shown)) == len(finding.shown) <= 48, finding.id
        assert bool(finding.shown_rows) == bool(finding.evidence), finding.id


def test_codes_of_outcomes_have_words(found):
    """A page would show a code as it is."""
    for finding in found:
        for column in finding.columns:
            if column.words and column.name == "outcome":
                codes = {r[n] for r in finding.evidence for n in ("outcome", "remark")}
                known = {*column.words, "equivalent", "inconclusive", ""}
                assert codes <= known, finding.id


def test_findings_are_plain_json_without_nan_and_read_as_they_were(found, tmp_path):
    text = json.dumps(to_json(found), allow_nan=False)
    assert json.loads(text) == to_json(found)
    assert str(ROOT) not in text
    (tmp_path / "findings.json").write_text(text, encoding="utf-8")
    assert read_findings(tmp_path / "findings.json") == found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verdict": "perhaps"}, "[0].verdict: 'perhaps' is no Verdict"),
        ({"number": "1"}, "[0].number: '1' is no int"),
        ({"shown": [10_000]}, "names rows that are not there"),
        ({"colour": "red"}, "[0] has a colour"),
        ({"effect": {"name": "x"}}, "[0].effect has no confidence"),
    ],
)
def test_a_file_of_something_else_is_refused_with_the_place(found, change, told, tmp_path):
    file = tmp_path / "findings.json"
    file.write_text(json.dumps([found[0].to_json() | change]), encoding="utf-8")
    with pytest.raises(TableError, match=re.escape(told)):
        read_findings(file)


def test_the_truth_of_the_synthetic_study_is_found(found):
    expected = {
        "parallel_or_queue": "confirmed",
        "one_or_many": "confirmed",
        "processes": "confirmed",
        "threads_limit": "confirmed",
        "oversubscription": "confirmed",
        "workers_equal_files": "refuted",  # 4 files on 2 CPUs: 2 workers are faster
        "several_gpus": "not measured",
        "one_per_gpu": "not measured",
        "gpu_saturation": "not measured",
        "memory_workers": "confirmed",
        "memory_instances": "refuted",
        "init_race": "refuted",
        "same_text": "confirmed",
        "noise_floor": "confirmed",
    }
    assert {id: of(found, id).verdict for id in expected} == expected
    assert of(found, "workers_equal_files", "synthetic-b").verdict == "confirmed"  # 8 CPUs
    assert of(found, "parallel_or_queue").effect.value == pytest.approx(2.0, abs=0.06)
    memory = of(found, "memory_instances").effect
    assert memory.low < 57 < memory.high


@pytest.mark.slow
def test_written_and_read_tables_give_the_same_findings_whatever_the_order_of_rows(
    study, found, tmp_path
):
    write_tables(study, tmp_path)
    read = read_tables(tmp_path)
    runs = read.runs.sample(frac=1, random_state=3)
    timings = read.timings.sample(frac=1, random_state=4)
    assert list(runs["run"]) != list(read.runs["run"])
    assert judge(replace(read, runs=runs, timings=timings)) == found


def test_a_question_is_known_by_its_class_alone(monkeypatch):
    monkeypatch.setattr(Question, "known", dict(Question.known))

    class Trial(type(question("same_text"))):
        id, order = "trial", 9

    assert Question.known["trial"] is Trial
    with pytest.raises(TypeError, match="two questions 'trial'"):
        type("Again", (Trial,), {"id": "trial"})


# --- single questions ---------------------------------------------------------------------------


def queue_points():
    return [
        configuration("one_model", callers=1),
        configuration("one_model"),
        configuration("one_model", workers=2),
        configuration("one_model", workers=4),
    ]


def test_a_queue_is_refuted_although_times_overlap():
    tables = small(points=queue_points())
    runs = tables["runs"].copy()
    base = runs[(runs["callers"] == 2) & (runs["num_workers"] == 1)].set_index(["round", "repeat"])
    rng = np.random.default_rng(1)
    for k in runs.index[runs["num_workers"] > 1]:
        same = base.loc[(runs.at[k, "round"], runs.at[k, "repeat"])]
        runs.at[k, "makespan_s"] = same["makespan_s"] * np.exp(rng.normal(0, 0.005))
        runs.loc[k, ["cpu_s", "cores_used"]] = same[["cpu_s", "cores_used"]]
    finding = judge_one(runs, "parallel_or_queue", tables["timings"])
    assert finding.verdict == "refuted"
    assert finding.answer.startswith("They queue")
    row = next(r for r in finding.evidence if r["workers"] == 2)
    assert row["outcome"] == "queue" and row["overlap_in_time"] > 0.8


def test_nothing_runs_in_parallel_on_one_cpu():
    tables = small(points=queue_points(), cpus=1)
    finding = judge_one(tables["runs"], "parallel_or_queue", tables["timings"])
    assert finding.verdict == "not measured"
    assert "one CPU" in finding.answer


def test_with_one_worker_the_gain_and_what_overlaps_are_told(found):
    row = next(
        r
        for r in of(found, "parallel_or_queue").evidence
        if r["workers"] == 1 and r["cpu_threads"] == 1 and r["files"] == 2
    )
    assert row["low"] < 1.03 < row["high"] + 0.02
    assert row["cpu_outside_engine_share"] == pytest.approx(0.015, abs=0.01)
    assert "wait for each other" in of(found, "parallel_or_queue").answer


def test_few_rounds_with_wide_spread_are_inconclusive_and_say_what_would_decide():
    tables = small(
        points=[configuration("one_model", workers=2), configuration("multi_model", instances=2)],
        spread=0.05,
        rounds=3,
    )
    finding = judge_one(tables["runs"], "one_or_many", study=tables["study"])
    assert finding.verdict == "inconclusive"
    plan = finding.more_rounds
    assert plan.rounds > 3
    names = sorted(set(tables["runs"]["configuration"]))
    listed = ",".join(f'"{n}"' for n in names)
    assert plan.command == (
        f"snakemake --cores all --config min_rounds={plan.rounds} 'only=[{listed}]'"
    )
    elsewhere = judge_one(
        tables["runs"], "one_or_many", study={**tables["study"], "file": "config/x.yaml"}
    )
    assert "--configfile config/x.yaml --config" in elsewhere.more_rounds.command


def test_a_difference_that_may_be_within_the_margin_does_not_refute():
    rounds = 8
    points = [configuration("one_model", workers=2), configuration("multi_model", instances=2)]
    tables = small(points=points, rounds=rounds, repeats=1)
    runs = tables["runs"].copy()
    noise = np.random.default_rng(2).normal(0, 0.025, rounds)
    noise -= noise.mean()
    for strategy, shift in (("one_model", 0.0), ("multi_model", 0.045)):
        mask = runs["strategy"] == strategy
        runs.loc[mask, "makespan_s"] = 3 * np.exp(shift + (noise if shift else 0))
    finding = judge_one(runs, "one_or_many")
    (row,) = finding.evidence
    assert (row["outcome"], row["size"]) == ("a_faster", "open")
    assert finding.verdict == "inconclusive"


def test_arms_with_different_workloads_or_threads_are_never_paired():
    points = [configuration("one_model", workers=2), configuration("multi_model", instances=2)]
    tables = small(points=points)
    runs = tables["runs"].copy()
    runs.loc[runs["strategy"] == "one_model", "workload"] = "other"
    assert judge_one(runs, "one_or_many").verdict == "not measured"
    tables = small(points=[points[0], configuration("multi_model", instances=2, threads=2)])
    assert judge_one(tables["runs"], "one_or_many").verdict == "not measured"


def test_more_cores_than_threads_allow_refute_the_limit():
    tables = small(points=queue_points())
    runs = tables["runs"].copy()
    runs["cpu_s"] = runs["cpu_s"] * 1.4
    finding = judge_one(runs, "threads_limit")
    assert finding.verdict == "refuted"
    assert judge_one(tables["runs"], "threads_limit").verdict == "confirmed"
    runs["cpu_s"] = None
    assert judge_one(runs, "threads_limit").verdict == "not measured"


def test_the_limit_counts_per_worker_and_per_instance(found):
    rows = of(found, "threads_limit").evidence
    for level in ("worker", "instance"):
        shown = {r["limit_counts_per_level"] for r in rows if r["level"] == level}
        assert "shown" in shown
    assert "per worker" in of(found, "threads_limit").answer


def test_the_best_setting_and_what_ties_with_it(found):
    rows = [r for r in of(found, "best_threads", "synthetic-b").evidence if r["files"] == 2]
    assert rows[0]["standing"] == "best" and rows[0]["cpu_threads"] == 4
    ratios = [r["time_ratio_to_best"] for r in rows if r["rtfx"] is not None]
    assert ratios == sorted(ratios) and ratios[0] == 1
    late = rows[-1]  # ran into the time limit: no throughput, last, surely slower
    assert (late["cpu_threads"], late["rtfx"], late["standing"]) == (64, None, "slower")


def test_threads_that_change_nothing_do_not_matter():
    points = [configuration("one_model", workers=2, threads=t) for t in (1, 2)]
    tables = small(points=points, cpus=2, cliff=0.0, rounds=6)
    runs = tables["runs"].copy()
    faster = runs["cpu_threads"] == 2
    runs.loc[faster, ["makespan_s"]] *= 2**0.17
    runs["rtfx"] = runs["audio_total_s"] / runs["makespan_s"]
    assert judge_one(runs, "best_threads").verdict == "refuted"


def test_oversubscription_starts_where_it_was_planted(found):
    finding = of(found, "oversubscription")
    assert finding.effect.value > 1.1
    assert all(r["oversubscription"] > 1 for r in finding.evidence)
    late = next(r for r in finding.evidence if r["cpu_threads"] == 64)
    assert late["ratio"] > 15 and late["high"] is None and late["remark"] == "ratio_at_least"
    none = small(points=queue_points(), cpus=8)
    assert judge_one(none["runs"], "oversubscription").verdict == "not measured"


def test_more_workers_are_judged_by_cpu_seconds_too(found):
    rows = of(found, "workers_equal_files", "synthetic-b").evidence
    more = [r for r in rows if r["relation"] == "more workers"]
    assert more and {r["cpu_standing"] for r in more} == {"equivalent"}
    assert {r["standing"] for r in rows if r["relation"] == "fewer workers"} == {"slower"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "file"),
    [("several_gpus", "multi_gpu"), ("one_per_gpu", "multi_gpu"), ("gpu_saturation", "gpu")],
)
def test_without_gpus_the_command_is_told_and_nothing_else(found, id, file):
    finding = of(found, id)
    assert finding.verdict == "not measured"
    assert f"config/{file}.yaml" in finding.answer
    assert finding.effect is None and finding.evidence == []
    assert finding.figure is None and finding.evidence == []


def test_workers_that_copy_the_model_refute_and_missing_memory_is_said():
    points = [*queue_points(), configuration("multi_model", instances=2)]
    tables = small(points=points)
    runs = tables["runs"].copy()
    runs["model_mb"] = 60.0 * runs["total_workers"] + np.arange(len(runs)) % 3 * 0.1
    assert judge_one(runs, "memory_workers").verdict == "refuted"
    runs["model_mb"] = None
    for id in ("memory_workers", "memory_instances"):
        assert judge_one(runs, id).verdict == "not measured"


@pytest.mark.parametrize(
    ("starts", "failures", "verdict"),
    [
        (40, (0.475, 0.0, 0.0), "confirmed"),
        (40, (0.0, 0.0, 0.0), "refuted"),
        (20, (0.0, 0.0, 0.0), "inconclusive"),
        (30, (0.034, 0.0, 0.0), "inconclusive"),
        (30, (0.4, 0.4, 0.4), "inconclusive"),
    ],
)
def test_the_init_race(starts, failures, verdict):
    tables = small(points=[], init_starts=starts, init_failures=failures)
    finding = judge_one(tables["runs"], "init_race", study=tables["study"])
    assert finding.verdict == verdict
    rows = finding.evidence
    assert [r["init_stagger_s"] for r in rows] == [0.0, 0.1, 0.5]
    if (starts, verdict) == (20, "inconclusive"):
        assert finding.more_rounds.rounds == 2  # 20 starts a round, 29 are needed
    if verdict == "refuted":
        assert "hub" in finding.answer  # what was not tested is said


def test_without_cold_starts_the_race_is_not_measured():
    tables = small(points=queue_points())
    assert judge_one(tables["runs"], "init_race").verdict == "not measured"


def texts_of(timings, mask, name):
    """The timings with another text, numbered by the row, where `mask` is true."""
    timings = timings.copy()
    timings.loc[mask, "text_sha256"] = [sha(f"{name} {k}") for k in timings.index[mask]]
    return timings


def test_other_texts_are_found_and_listed():
    tables = small(points=queue_points())
    timings = tables["timings"]
    file = timings["file"].str.contains("_1")
    changed = texts_of(timings, (timings["callers"] > 1) & file, "other")
    finding = judge_one(tables["runs"], "same_text", changed)
    assert finding.verdict == "refuted"
    assert sum(r["different"] for r in finding.evidence) == ((timings["callers"] > 1) & file).sum()
    assert finding.evidence[0]["files_different"]
    assert judge_one(tables["runs"], "same_text").verdict == "not measured"


def test_a_difference_that_alone_has_as_often_is_not_put_down_to_parallel():
    tables = small(points=queue_points())
    timings = tables["timings"]
    everywhere = texts_of(timings, timings["file"].str.contains("_1"), "other")
    finding = judge_one(tables["runs"], "same_text", everywhere)
    assert finding.verdict == "inconclusive"
    assert "need not be the cause" in finding.answer


def test_texts_drawn_at_a_temperature_are_told_and_not_judged():
    tables = small(points=queue_points())
    timings = tables["timings"]
    first = timings["file"].str.contains("_1")
    drawn = texts_of(timings, first, "drawn").assign(temperature=np.where(first, 0.4, 0.0))
    finding = judge_one(tables["runs"], "same_text", drawn)
    assert finding.verdict == "confirmed"  # by the other file
    assert sum(r["drawn"] for r in finding.evidence) == (first & (timings["callers"] > 1)).sum()
    everything = texts_of(timings, first | True, "drawn").assign(temperature=0.4)
    assert judge_one(tables["runs"], "same_text", everything).verdict == "not measured"


def test_texts_drawn_in_parallel_only_are_a_difference():
    tables = small(points=queue_points())
    timings = tables["timings"]
    hot = (timings["callers"] > 1) & timings["file"].str.contains("_1")
    drawn = texts_of(timings, hot, "drawn").assign(temperature=np.where(hot, 0.4, 0.0))
    assert judge_one(tables["runs"], "same_text", drawn).verdict == "refuted"


def test_few_equal_texts_are_no_proof():
    tables = small(points=queue_points(), rounds=1, repeats=1)
    finding = judge_one(tables["runs"], "same_text", tables["timings"])
    assert finding.verdict == "inconclusive"
    assert sum(r["transcriptions"] for r in finding.evidence) < 29


def test_a_file_that_alone_gives_two_texts_is_no_difference_and_is_said():
    tables = small(points=queue_points(), text_differences=1)
    timings = tables["timings"].copy()
    alone = timings.index[(timings["callers"] == 1) & (timings["file"].str.contains("_1"))][0]
    timings.loc[alone, "text_sha256"] = sha("Another text.")
    finding = judge_one(tables["runs"], "same_text", timings)
    assert finding.verdict == "confirmed"
    assert any("more than one text" in note for note in finding.notes)


def test_the_noise_floor_uses_placebo_workers_where_there_are_no_replicas():
    points = [configuration("multi_model", instances=2, workers=w) for w in (1, 2, 4)]
    finding = judge_one(small(points=points)["runs"], "noise_floor")
    assert {r["kind"] for r in finding.evidence} == {"placebo workers"}
    assert finding.verdict == "confirmed" and len(finding.evidence) == 2
    assert finding.effect.low < finding.effect.value < finding.effect.high


def test_the_published_table_as_noise_floor_would_show_its_noise(study):
    runs = small(points=[configuration("multi_model", instances=2, workers=w) for w in (1, 2)])[
        "runs"
    ]
    runs.loc[runs["num_workers"] == 2, "makespan_s"] *= 1.11
    assert judge_one(runs, "noise_floor").verdict == "refuted"


def test_a_real_planted_slowdown_is_found():
    points = [configuration("one_model", workers=2, slowdown=s) for s in (0.0, 0.02, 0.2)]
    finding = judge_one(small(points=points)["runs"], "planted_effect")
    assert finding.verdict == "confirmed"
    assert finding.effect.value == pytest.approx(1.2, abs=0.02)
    assert judge_one(small(points=points[:1])["runs"], "planted_effect") is None


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(0.7, "confirmed"), (1.0, "refuted"), (1.3, "refuted")]
)
def test_batches_are_compared_with_the_same_configuration_without(ratio, verdict):
    points = [configuration("one_model", workers=2, batch_size=n) for n in (0, 4, 8)]
    tables = small(points=points, ratio_batches=ratio)
    finding = judge_one(tables["runs"], "batching", timings=tables["timings"])
    assert (finding.verdict, finding.number) == (verdict, 9), finding.answer
    assert finding.effect.value == pytest.approx(1 / ratio, rel=0.03)
    assert [row["batch_size"] for row in finding.evidence] == [4, 8]
    assert judge_one(small(points=points[:1])["runs"], "batching") is None


def test_slowed_and_replica_arms_and_batches_answer_no_other_question():
    points = [
        configuration("one_model", workers=2, slowdown=0.5),
        configuration("one_model", workers=2, replica=2),
        configuration("one_model", workers=2, batch_size=4),
        configuration("multi_model", instances=2),
    ]
    assert judge_one(small(points=points)["runs"], "one_or_many").verdict == ("not measured")


def test_failed_and_late_arms_are_reported(found):
    notes = " ".join(of(found, "one_or_many").notes)
    assert "failed in 6 repeats (RuntimeError: out of memory)" in notes
    assert "ran into the time limit" in notes
    assert "disturbed repeat" in notes


def test_an_arm_that_always_runs_into_the_limit_is_decided():
    points = [configuration("one_model", workers=2), configuration("multi_model", instances=2)]
    runs = small(points=points, rounds=4)["runs"]
    late = runs["strategy"] == "multi_model"
    runs.loc[late, ["makespan_s", "rtfx"]] = np.nan
    runs.loc[late, "status"] = "timeout"
    finding = judge_one(runs, "one_or_many")
    (row,) = finding.evidence
    assert (row["outcome"], row["size"]) == ("a_faster", "beyond")
    assert row["censored_rounds"] == 4 and row["remark"] == "ratio_at_most"
    assert finding.verdict == "refuted"


# --- odd tables ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("status", ["failed", "timeout", "killed"])
def test_a_study_in_which_nothing_worked_is_judged(status):
    runs = small()["runs"].assign(status=status, makespan_s=np.nan, rtfx=np.nan, error="no luck")
    found = judged({"runs": runs})
    assert {f.verdict for f in found} <= {"not measured", "inconclusive", "refuted"}
    assert not any(f.verdict == "confirmed" for f in found)


def test_only_cold_starts_or_a_single_run_are_judged():
    tables = small(points=[], init_starts=3)
    assert {f.verdict for f in judged(tables)} == {"not measured", "inconclusive"}
    single = small(points=queue_points()[:1], rounds=1, repeats=1)
    assert len(judged(single)) == len(IDS)


def test_an_empty_table_has_no_findings():
    runs = small()["runs"].iloc[:0]
    assert judged({"runs": runs}) == []


# --- scoreboard ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published():
    return read_published()


def test_every_claim_gets_a_line_per_machine(found, published):
    board = scoreboard.scoreboard(found, published)
    assert len(board) == 2 * len(published.claims)
    for line in board:
        assert line.verdict in VERDICTS
        assert line.claim and line.source and line.ours and line.ours_in_short and line.published
    json.dumps(scoreboard.to_json(board), allow_nan=False)
    verdicts = {x.id: x.verdict for x in board if x.machine == "synthetic-a"}
    assert verdicts["once_in_memory_workers"] == "confirmed"
    assert verdicts["once_in_memory_instances"] == "refuted"
    assert verdicts["parallel_with_one_worker"] == "refuted"
    assert verdicts["more_workers_same_time"] == "confirmed"
    assert verdicts["more_workers_more_cpu"] == "refuted"
    assert verdicts["several_gpus"] == "not measured"
    assert verdicts["threads_per_worker"] == "confirmed"


def test_claims_name_findings_and_columns_that_exist(found, published):
    columns = {f.id: set(f.evidence[0]) for f in found if f.evidence}
    for claim in published.claims:
        rule = claim.judged_by
        if rule is None:
            assert claim.ours
            continue
        assert rule.finding in Question.known
        rows = rule.rows
        if rows and rule.finding in columns:
            bounds = rows.above
            used = {*rows.where, rows.column} - {""}
            used |= {bounds.estimate, bounds.low, bounds.high} if bounds else set()
            assert used <= columns[rule.finding]


def test_the_published_tables_contradict_some_claims_themselves(published):
    say = {claim.check: published.says(claim) for claim in published.claims}
    assert set(say) == {*CHECKS, None}
    assert "23 to 60 % in file 1 and 5 to 11 % in makespan" in say["placebo"]
    assert "16 % longer" in say["three_gpus"]
    assert "19 of 19" in say["cpu_in_use"]
    assert "8 workers 33.0 s" in say["more_workers_time"]
    assert "Contradicted" in say["more_workers_cpu"]


def test_claims_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(TableError, match="does not exist"):
        read_published(tmp_path)


# --- scripts ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_scripts_write_the_results_and_twice_the_same(tmp_path):
    write_tables(small(points=queue_points()), tmp_path)
    command = [sys.executable, ROOT / "scripts" / "judge_findings.py", "--results", tmp_path]
    outputs = [
        "--findings",
        tmp_path / "findings.json",
        "--scoreboard",
        tmp_path / "scoreboard.json",
    ]
    done = subprocess.run([*command, *outputs], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first = (tmp_path / "findings.json").read_bytes()
    assert json.loads((tmp_path / "scoreboard.json").read_text())
    assert script("judge_findings.py", "--results", tmp_path, *outputs).returncode == 0
    assert (tmp_path / "findings.json").read_bytes() == first


@pytest.mark.parametrize(
    ("name", "outputs"),
    [("judge_findings.py", ["--findings", "f", "--scoreboard", "s"]),
     ("recommend_settings.py", ["--out", "r"])],
)  # fmt: skip
def test_a_missing_table_is_an_error_in_one_line(name, outputs, tmp_path):
    done = script(name, "--results", tmp_path / "nowhere", *outputs)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["judge_findings.py", "recommend_settings.py"])
def test_the_scripts_explain_themselves(name):
    done = script(name, "--help")
    assert done.returncode == 0 and "--results" in done.stdout


@pytest.mark.slow
def test_unlike_nodes_under_one_label_are_told_with_every_answer(from_a_cluster, found):
    text = "The runs under this label come from more than one kind of machine."
    answered = [f for f in from_a_cluster if f.verdict != "not measured"]
    assert answered
    for finding in answered:
        assert text in finding.notes, finding.id
    assert not any(text in f.notes for f in found)


@pytest.mark.slow
def test_more_rounds_of_a_clusters_machine_are_jobs_again(from_a_cluster, found):
    def commands(findings):
        more = [one for f in findings for one in (f.more_rounds, f.more_minutes) if one]
        return [one.command for one in more]

    assert commands(from_a_cluster)
    assert all(c.startswith("snakemake --profile slurm ") for c in commands(from_a_cluster))
    assert not any("slurm" in command for command in commands(found))
