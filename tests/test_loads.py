"""Guards the answers on loads: planted truths of queues, through records, tables and questions."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from parallel_transcription.findings import bands
from parallel_transcription.findings.judge import judge
from parallel_transcription.findings.objectives import (
    MEETS,
    judged,
    kept,
    objectives,
    standing,
)
from parallel_transcription.report import contents, layout
from parallel_transcription.results.finding import Verdict
from parallel_transcription.results.read import Results
from parallel_transcription.study.settings import DEFAULTS
from planted_loads import load_record
from planted_matches import planted_matches
from queues import SERVICE, rate_for, table_of, true_percentile
from simple_records import tables_of

SERVED = SERVICE["M/G/k"]
STUDY = {
    **DEFAULTS, "name": "made", "file": "config/made.yaml", "machine": "m", "audio": [],
    "grid": [], "audio_files": [], "decide": {"minutes": 0},
}  # fmt: skip
#: Rates of two workers at so much of what they carry at most.
RATES = [round(rate_for(SERVED, 2, busy), 3) for busy in (0.35, 0.55, 0.7, 0.88)]


def found(tmp_path, *records, matches=None, **settings) -> dict:
    """The findings on loads of some records, by question; `matches` makes them of the runs."""
    study = STUDY | settings
    merged = tables_of(tmp_path, *records, **settings)
    assert not merged.left_out
    results = Results(merged.runs, merged.timings, merged.machines, study)
    if matches:
        results = replace(results, matches=matches(merged.runs))
    return {one.id: one for one in judge(results) if one.number == 10}


def rounds(rate: float = RATES[1], count: int = 5, **values) -> list[dict]:
    return [load_record(n, rate, **values) for n in range(1, count + 1)]


@pytest.mark.slow
def test_nothing_is_asked_of_a_study_without_loads(tmp_path):
    from simple_records import make_record

    assert found(tmp_path, *[make_record(n) for n in range(1, 5)]) == {}


def test_equal_sides_under_the_same_load_are_equivalent(tmp_path):
    many = {"strategy": "multi_model", "instances": 2, "num_workers": 1}
    told = found(
        tmp_path, *rounds(spread=0.002, seed=1), *rounds(spread=0.002, seed=2, **many)
    )["load_one_or_many"]  # fmt: skip
    assert told.verdict == Verdict.CONFIRMED
    assert told.effect.value == pytest.approx(1, abs=0.05)


def test_a_slower_side_moves_the_verdict(tmp_path):
    many = {"strategy": "multi_process", "instances": 2, "num_workers": 1}
    told = found(
        tmp_path, *rounds(spread=0.002, seed=1), *rounds(slower=0.7, spread=0.002, seed=2, **many)
    )["load_processes"]  # fmt: skip
    assert told.verdict == Verdict.REFUTED
    assert told.effect.value > 1.2


def test_other_requests_are_not_compared(tmp_path):
    """Another rate, another number of requests or another mix is another load."""
    many = {"strategy": "multi_model", "instances": 2, "num_workers": 1}
    told = found(tmp_path, *rounds(), *rounds(rate=RATES[2], **many))
    assert told["load_one_or_many"].verdict == Verdict.NOT_MEASURED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.0, Verdict.CONFIRMED), (1.4, Verdict.REFUTED), (math.inf, Verdict.REFUTED)],
)
def test_matches_decide_what_rounds_leave_open(tmp_path, ratio, verdict):
    """By the margin of latencies; a side that carries less than comes is late beyond it."""
    many = {"strategy": "multi_model", "instances": 2, "num_workers": 1}
    records = [*rounds(spread=0.15, seed=1), *rounds(spread=0.15, seed=2, **many)]
    told = found(tmp_path, *records)["load_one_or_many"]
    assert told.verdict == Verdict.INCONCLUSIVE
    chance = np.random.default_rng(3)

    def made(runs):
        ids = runs.drop_duplicates("configuration").set_index("strategy")["configuration"]
        one, other = ids["one_model"], ids["multi_model"]
        blocks = [
            [{one: ratio * float(np.exp(chance.normal(0, 0.06))), other: 1.0} for _ in range(6)]
            for _ in range(8)
        ]
        return planted_matches(runs, blocks)

    told = found(tmp_path / "matches", *records, matches=made)["load_one_or_many"]
    assert told.verdict == verdict
    assert told.ladder[-1]["matches"] == 8 and told.ladder[-1]["margin"] == 0.1
    assert told.evidence[0]["matches"] == 8
    if verdict == Verdict.CONFIRMED:
        assert 1 / 1.1 < told.effect.low < 1 < told.effect.high < 1.1


@pytest.mark.slow
def test_more_callers_that_make_all_late_confirm_the_claim(tmp_path):
    same = {"takes": SERVICE["M/D/k"], "rate": 1.0}
    more = {"callers": 8, **same}
    told = found(tmp_path, *rounds(**same), *rounds(slower=1.4, **more))["load_callers"]
    assert told.verdict == Verdict.CONFIRMED
    told = found(tmp_path / "other", *rounds(slower=1.4, **same), *rounds(slower=0.7, **more))
    assert told["load_callers"].verdict == Verdict.REFUTED


@pytest.mark.slow
def test_the_largest_load_within_the_objective_is_a_band(tmp_path):
    records = [r for rate in RATES for r in rounds(rate, requests=200, count=6)]
    truth = [true_percentile(SERVED, rate, 2, 95) for rate in RATES]
    limit = float(np.sqrt(truth[0] * truth[2]))
    told = found(tmp_path, *records, slo={"p95": limit})["max_load"]
    assert told.verdict == Verdict.CONFIRMED
    assert told.effect.value >= RATES[0]
    for row in told.evidence:
        true = truth[RATES.index(row["rate"])]
        assert row["standing"] != "met" or true <= limit * 1.02
        assert row["standing"] != "missed" or true >= limit * 0.98


@pytest.mark.slow
def test_an_impossible_objective_is_refuted_and_one_without_requests_is_not_measured(tmp_path):
    records = [r for rate in RATES[:2] for r in rounds(rate)]
    told = found(tmp_path, *records, slo={"p95": 0.01})["max_load"]
    assert told.verdict == Verdict.REFUTED
    few = [r for rate in RATES[:2] for r in rounds(rate, requests=20)]
    told = found(tmp_path / "few", *few, slo={"p95": 100})["max_load"]
    assert told.verdict == Verdict.NOT_MEASURED
    assert {row["p95_s"] for row in told.evidence} == {None}
    assert found(tmp_path / "none", *records)["max_load"].verdict == Verdict.NOT_MEASURED


def test_a_saturated_rate_is_missed_and_has_no_percentiles(tmp_path):
    records = [r for rate in (RATES[0], 4.0) for r in rounds(rate)]
    told = found(tmp_path, *records, slo={"p95": 60})["max_load"]
    by_rate = {row["rate"]: row for row in told.evidence}
    assert by_rate[4.0]["standing"] == "saturated" and by_rate[4.0]["p95_s"] is None
    assert by_rate[RATES[0]]["standing"] == "met"


def test_requests_that_wait_inside_the_engine_have_no_known_long_run(tmp_path):
    told = found(tmp_path, *rounds(RATES[0], callers=8), slo={"p95": 60})["max_load"]
    assert told.verdict != Verdict.CONFIRMED
    assert [row["standing"] for row in told.evidence] == ["open"]


@pytest.mark.slow
def test_looks_of_a_ladder_begin_with_five_rounds_and_pairs_are_those_of_named_rates(tmp_path):
    many = {"strategy": "multi_model", "instances": 2, "num_workers": 1}
    named = {"strategy": "one_model", "arrivals": "poisson", "requests": 80, "mix": "calls"}
    study = {"slo": {"p95": 60}, "ladder": {}, "grid": [named | {"rate": "1"}]}
    four = [r for n in (0.8, 1.0) for r in rounds(n, 4, spread=0.02, **(many if n < 1 else {}))]
    told = found(tmp_path, *four, **study)
    assert {row["standing"] for row in told["max_load"].evidence} == {"open"}
    assert "load_one_or_many" not in told
    six = [*four, load_record(5, 1.0, spread=0.02)]
    told = found(tmp_path / "6", *six, **study)["max_load"].evidence
    assert {row["rate"]: row["standing"] for row in told} == {0.8: "open", 1.0: "met"}


@pytest.mark.slow
def test_long_files_may_take_longer_where_the_objective_says_so(tmp_path):
    records = rounds(RATES[0], requests=80)
    strict = found(tmp_path, *records, slo={"p95": 2.0})["max_load"]
    by_length = found(
        tmp_path / "l", *records, slo={"p95": {"seconds": 2.0, "of_length": 0.4}}
    )["max_load"]  # fmt: skip
    assert by_length.verdict == Verdict.CONFIRMED and strict.verdict != Verdict.CONFIRMED


def test_the_parts_of_latency_add_up_and_a_plain_queue_has_no_interference(tmp_path):
    records = [r for rate in RATES[2:] for r in rounds(rate, requests=120, count=9)]
    told = found(tmp_path, *records)["load_explained"]
    assert told.verdict == Verdict.CONFIRMED
    for row in told.evidence:
        parts = row["service_s"] + row["queue_s"] + row["interference_s"]
        assert parts == pytest.approx(row["latency_s"], rel=0.05)
        assert row["interference_s"] == pytest.approx(0, abs=0.02 * row["latency_s"])


def test_workers_that_slow_each_other_down_are_found_out(tmp_path):
    records = [
        r
        for rate in (RATES[0], RATES[1])
        for r in rounds(rate, crowding=1.0, requests=120, count=8)
    ]
    told = found(tmp_path, *records)["load_explained"]
    assert told.verdict == Verdict.REFUTED


@pytest.mark.slow
@pytest.mark.parametrize(
    ("queue", "utilisation"), [("M/G/k", 0.5), ("M/D/k", 0.7), ("M/G/k", 0.85)]
)
def test_an_objective_that_is_missed_is_rarely_said_to_be_kept(queue, utilisation):
    """Truth: the p95 of a queue that runs for ever is just above the objective."""
    service = SERVICE[queue]
    rate = rate_for(service, 2, utilisation)
    limit = true_percentile(service, rate, 2, 95) * 0.999
    (objective,) = objectives({"p95": limit})
    said = 0
    for study in range(20):
        told = kept(table_of(service, rate, 2, 60, 5, study), objective, 0.95, rate, 2)
        said += standing([told], 0.05) == MEETS
    assert said <= 1  # benchmarks/simulate_loads.py has more of them


@pytest.mark.slow
def test_an_objective_that_is_kept_by_far_is_said_to_be():
    service = SERVICE["M/G/k"]
    rate = rate_for(service, 2, 0.5)
    (objective,) = objectives({"p95": 2.5 * true_percentile(service, rate, 2, 95)})
    said = 0
    for study in range(20):
        told = kept(table_of(service, rate, 2, 60, 5, study), objective, 0.95, rate, 2)
        said += standing([told], 0.05) == MEETS
    assert said >= 15


@pytest.mark.slow
def test_a_service_is_held_against_the_library_by_the_same_requests(tmp_path):
    service = {"strategy": "service", "service": "asr"}
    told = found(
        tmp_path, *rounds(spread=0.002, seed=1), *rounds(spread=0.002, seed=2, **service),
        slo={"p95": 60},
    )  # fmt: skip
    assert told["load_services"].verdict == Verdict.CONFIRMED
    assert told["load_services"].effect.value == pytest.approx(1, abs=0.05)
    assert "load_callers" not in told  # how many it serves at once is its own affair
    slower = found(
        tmp_path / "2", *rounds(spread=0.002, seed=1),
        *rounds(slower=1.5, spread=0.002, seed=2, **service),
    )  # fmt: skip
    assert slower["load_services"].verdict == Verdict.REFUTED


@pytest.mark.slow
def test_the_long_run_of_a_service_is_seen_from_requests_that_find_it_free(tmp_path):
    service = {"strategy": "service", "service": "asr"}
    band = found(
        tmp_path, *[r for rate in RATES[:2] for r in rounds(rate, spread=0.02, **service)],
        *[r for rate in RATES[:2] for r in rounds(rate, spread=0.02)], slo={"p95": 60},
    )["max_load"]  # fmt: skip
    late = {row["service"]: row["lateness"] for row in band.evidence if row["rate"] == RATES[0]}
    assert late["asr"] == pytest.approx(late[""], rel=0.1)
    assert band.verdict == Verdict.CONFIRMED


def test_two_services_are_held_against_each_other(tmp_path):
    pair = [{"strategy": "service", "service": name} for name in ("a", "b")]
    told = found(
        tmp_path, *rounds(RATES[0], spread=0.002, seed=1, **pair[0]),
        *rounds(RATES[0], slower=1.4, spread=0.002, seed=2, **pair[1]),
    )["load_between_services"]  # fmt: skip
    assert told.verdict == Verdict.REFUTED
    assert told.effect.value < 0.85
    [row] = told.evidence
    assert (row["first"], row["second"]) == ("service a, 2 workers, 1 thread",
                                             "service b, 2 workers, 1 thread")  # fmt: skip


def test_a_machine_that_got_requests_alone_has_no_empty_pages_of_files_at_once(tmp_path):
    merged = tables_of(tmp_path, *rounds(count=4))
    results = Results(merged.runs, merged.timings, merged.machines, STUDY)
    made = contents.machine_report(results, "m", tmp_path)
    page = layout.render(made, {}, "", "screen")
    assert "<h2>Loads</h2>" in page
    for heading in ("Who transcribed when", "Throughput, cores and memory", "Times of each file"):
        assert heading not in page
    assert "Audio at once" not in page and "No file was transcribed" not in page


def dead(record: dict) -> dict:
    """The round's process was killed in its pass."""
    start = record["starts"][0]
    killed = {"status": "killed", "error": "killed by SIGKILL"}
    start |= killed | {"passes": start["passes"][:1], "step": "pass", "stopped_in_repeat": 1}
    return record | killed


def test_a_rate_at_which_all_rounds_die_is_missed(tmp_path):
    records = [*rounds(RATES[0]), *map(dead, rounds(RATES[2]))]
    told = found(tmp_path, *records, slo={"p95": 60})["max_load"]
    standings = {row["rate"]: row["standing"] for row in told.evidence}
    assert standings == {RATES[0]: "met", RATES[2]: "missed"}
    assert told.effect.high == RATES[2]


def test_a_configuration_that_always_dies_carries_nothing_and_misses_nothing(tmp_path):
    told = found(tmp_path, *map(dead, rounds(RATES[0])), slo={"p95": 60}).get("max_load")
    assert told is None or told.verdict in (Verdict.NOT_MEASURED, Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(("settings", "said"), [(1, MEETS), (5, "undecided")])
def test_that_some_of_many_settings_keep_an_objective_takes_more_than_one_alone(settings, said):
    """The best of many looks good: what shows it of one alone does not of one among five."""
    (asked,) = objectives({"p95": 2.0})
    close = judged(asked, np.exp([-0.12, -0.10, -0.16, -0.06]), True, 0.95, False)
    assert 0.01 < close.p_meets < 0.05
    rung = SimpleNamespace(kept=[close], row={"rate": 1.0}, standing="")
    bands._judge([rung], SimpleNamespace(alpha=0.05, study=STUDY), settings)
    assert rung.standing == said


def test_a_long_last_request_is_not_beyond_what_is_carried(tmp_path):
    records = rounds(RATES[0])
    for record in records:
        record["starts"][0]["passes"][1]["given_up"] = "requests left 60 s after the last one came"
    told = found(tmp_path, *records, slo={"p95": 60})["max_load"]
    assert [row["standing"] for row in told.evidence] == ["met"]


def test_a_service_that_refuses_some_in_half_of_the_blocks_is_later(tmp_path):
    service = {"strategy": "service", "service": "asr"}
    records = [*rounds(spread=0.1, seed=1), *rounds(spread=0.1, seed=2, **service)]

    def made(runs):
        ids = runs.drop_duplicates("configuration").set_index("strategy")["configuration"]
        library, asked = ids["one_model"], ids["service"]
        table = planted_matches(runs, [[{library: 1.0, asked: 1.0}] * 6] * 8)
        refused = (table["configuration"] == asked) & (table["repeat"] % 2 == 0)
        return table.assign(p95_s=table["p95_s"].mask(refused, math.inf))

    told = found(tmp_path, *records, matches=made)["load_services"]
    assert told.verdict != Verdict.CONFIRMED


def test_a_service_that_refuses_some_in_every_round_is_later(tmp_path):
    service = {"strategy": "service", "service": "asr"}
    asked = rounds(spread=0.002, seed=2, **service)
    for record in asked:
        told = record["starts"][0]["passes"][1]["transcriptions"]
        for one in [one for one in told if one["counted"]][::8]:
            one |= {"status": "refused", "error": "answered 429"}
    told = found(tmp_path, *rounds(spread=0.002, seed=1), *asked)["load_services"]
    assert told.verdict == Verdict.REFUTED


def test_where_nothing_is_lost_nothing_is_said_of_what_is(tmp_path):
    records = rounds(RATES[0], requests=60, takes=SERVICE["M/D/k"], num_workers=8)
    told = found(tmp_path, *records)["load_explained"]
    assert told.verdict == Verdict.INCONCLUSIVE
    assert {row["larger"] for row in told.evidence} == {"nothing"}


def test_a_file_that_never_found_a_free_worker_does_not_hide_the_long_run():
    """A service does not say when it begins: of a file that always waited nobody knows its time."""
    rate = rate_for(SERVED, 2, 0.5)
    table = table_of(SERVED, rate, 2, 80, 5, 1)
    (objective,) = objectives({"p95": 60})
    whole = kept(table, objective, 0.95, rate, 2)
    names = sorted(set(table["audio_sha256"]))
    hidden = table.assign(service_s=table["service_s"].mask(table["audio_sha256"] == names[0]))
    partly = kept(hidden, objective, 0.95, rate, 2)
    assert (partly.lateness > 0).all() and np.isfinite(partly.lateness).all()
    assert partly.estimate == pytest.approx(whole.estimate, rel=0.5)
    two = table.assign(service_s=table["service_s"].where(table["audio_sha256"].isin(names[:2])))
    unknown = kept(two, objective, 0.95, rate, 2)
    assert np.isnan(unknown.lateness).all() and standing([unknown], 0.05) not in (MEETS, "misses")
