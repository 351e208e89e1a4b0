"""Which pairs the questions want decided, and what they become for the planner."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from judging import calm_tables
from parallel_transcription import statistics
from parallel_transcription.findings import deciding, planner
from parallel_transcription.findings.choose import choices, is_settled
from parallel_transcription.findings.judge import judge
from parallel_transcription.findings.machine import Machine, by_group
from parallel_transcription.findings.matches import Margins, Matches
from parallel_transcription.results.finding import Verdict
from planted_matches import planted_matches
from synthetic_study import as_results, configuration

MARGINS = Margins(0.05, 0.1)


def points():
    """The default study in small: two files at once on two cores, and the double of one model."""
    one = {"workers": 2, "threads": 1, "files": 2}
    return [
        configuration("one_model", **one),
        configuration("one_model", **one, replica=2),
        configuration("one_model", workers=1, threads=1, files=2),
        configuration("one_model", workers=4, threads=1, files=2),
        configuration("one_model", workers=2, threads=2, files=2),
        configuration("multi_model", instances=2, workers=1, threads=1, files=2),
        configuration("multi_process", instances=2, workers=1, threads=1, files=2),
    ]


@pytest.fixture(scope="module")
def results():
    return as_results(calm_tables(1, points()))


@pytest.fixture(scope="module")
def machine(results):
    return Machine(results, results.labels[0])


@pytest.fixture(scope="module")
def pairs_of(results):
    def pairs_of(questions=None):
        return deciding.deciding_pairs(by_group(results, results.labels[0]), questions)

    return pairs_of


def settings(machine, arm):
    return machine.arms.set_index("arm").loc[arm]


def test_the_pairs_stand_in_order_of_weight(pairs_of):
    pairs = pairs_of()
    weights = [one.decided for q in pairs for one in deciding.QUESTIONS if one.id == q.question]
    assert weights == sorted(weights)
    asked = {question for pair in pairs for question in pair.questions}
    assert {"recommendation", "one_or_many", "processes", "workers_equal_files",
            "best_threads", "noise_floor"} <= asked  # fmt: skip
    keys = [frozenset((pair.arm_a, pair.arm_b)) for pair in pairs]
    assert len(set(keys)) == len(keys) and all(len(key) == 2 for key in keys)


def test_the_recommended_settings_against_the_runner_up_come_first(machine, pairs_of):
    first, choice = pairs_of()[0], choices(machine)[0]
    assert {first.arm_a, first.arm_b} == {choice.winner["arm"], choice.runner_up["arm"]}
    assert first.configurations[0] in first.arm_a and first.workload in first.arm_a


def test_each_question_names_what_it_asks(machine, pairs_of):
    by = {q: p for p in pairs_of() for q in p.questions}
    a, b = (settings(machine, arm) for arm in (by["one_or_many"].arm_a, by["one_or_many"].arm_b))
    assert {a["strategy"], b["strategy"]} == {"one_model", "multi_model"}
    assert a["total_workers"] == b["total_workers"] == 2
    a, b = (settings(machine, arm) for arm in (by["noise_floor"].arm_a, by["noise_floor"].arm_b))
    assert {a["replica"], b["replica"]} == {1, 2} and a["num_workers"] == b["num_workers"]
    pairs = [p for p in pairs_of({"workers_equal_files"})]
    against = [settings(machine, p.arm_a)["num_workers"] for p in pairs]
    assert against == [1, 4]
    assert all(settings(machine, p.arm_b)["num_workers"] == 2 for p in pairs)
    for pair in pairs_of({"best_threads"}):
        a, b = settings(machine, pair.arm_a), settings(machine, pair.arm_b)
        assert a["cpu_threads"] != b["cpu_threads"] and a["num_workers"] == b["num_workers"]


def test_only_the_questions_of_the_study_are_decided(pairs_of):
    pairs = pairs_of({"processes"})
    assert [pair.question for pair in pairs] == ["processes"]
    assert pairs_of(()) == []


def test_what_is_planned_can_be_measured(results, machine, pairs_of):
    pairs = pairs_of()
    costs = deciding.costs(machine, pairs)
    study = {**results.study, "decide": {"minutes": 100}}
    planned = deciding.Deciding(replace(results, study=study), results.labels[0])
    step = planned.next(machine.matches)
    assert isinstance(step, planner.Measure)
    assert set(step.sides) <= set(costs) and all(costs[s].pass_s > 0 for s in step.sides)
    assert all(cost.start_s >= deciding.PROCESS_S for cost in costs.values())


def test_matches_become_log_ratios_of_the_contests_that_they_hold(results, pairs_of):
    first, second = pairs_of()[:2]
    (a, b), (c, d) = first.configurations, second.configurations
    blocks = [{a: 1.0, b: 2.0}, {a: 2.0, b: 2.0}]
    other = [{c: 3.0, d: 1.0}]
    table = planted_matches(results.runs, [blocks, other, blocks])
    met = Matches(table, MARGINS, 0.95)
    one, two = deciding.contests([first, second], met, MARGINS)
    assert one.matches == (pytest.approx((math.log(0.5), 0.0)),) * 2
    assert two.matches == (pytest.approx((math.log(3),)),)
    assert (one.stage, two.stage) == (1, 2)
    assert met.log_ratios(b, a) == [] and met.count == 3 and met.seconds == 30


def test_what_others_disturbed_counts_only_where_a_match_has_nothing_else(results, pairs_of):
    pair = pairs_of()[0]
    a, b = pair.configurations
    blocks = [{a: 2.0, b: 1.0}, {a: 1.0, b: 1.0}]
    table = planted_matches(results.runs, [blocks, blocks], disturbed=[(0, 0), (1, 0), (1, 1)])
    met = Matches(table, MARGINS, 0.95)
    assert met.log_ratios(pair.arm_a, pair.arm_b) == [(0.0,), (pytest.approx(math.log(2)), 0.0)]
    assert met.blocks(pair.arm_a, pair.arm_b).disturbed == {2}


def test_a_pair_whose_matches_end_again_and_again_is_decided_no_more(results, pairs_of):
    label = results.labels[0]
    study = {**results.study, "decide": {"minutes": 100}}
    planned = deciding.Deciding(replace(results, study=study), label)
    b, a = planned.pairs[0].configurations
    table = planted_matches(results.runs, [[{a: 1.0, b: 1.0}]] * 2)
    ended = table.assign(repeat=0, status="failed", error="RuntimeError: out of memory")
    table = pd.concat([table, ended[ended["configuration"] == a]])
    still = planned.open_pairs(planned.matches(table))
    failed = planned.pairs[0].arm_b
    assert still and all(failed not in (p.arm_a, p.arm_b) for p in still)


@pytest.mark.slow
def test_a_side_that_ended_a_match_is_measured_on_only_where_it_may_be_shown_slower(results):
    study = {**results.study, "decide": {"minutes": 100}}
    planned = deciding.Deciding(replace(results, study=study), results.labels[0])
    pair = planned.pairs[0]
    b, a = pair.configurations

    def still_open(time_of_a):
        table = planted_matches(results.runs, [[{a: time_of_a, b: 1.0}]] * 3)
        ended = table.assign(repeat=0, status="timeout")
        one = ended[(ended["configuration"] == a) & (ended["round"] == 1)]
        return pair in planned.open_pairs(planned.matches(pd.concat([table, one])))

    assert still_open(1.5) and not still_open(1.0) and not still_open(0.7)


@pytest.mark.slow
def test_who_ended_a_match_is_neither_recommended_nor_its_runner_up(results):
    study = {**results.study, "decide": {"minutes": 100}}
    planned = deciding.Deciding(replace(results, study=study), results.labels[0])
    first = planned.pairs[0]
    table = planted_matches(results.runs, [[dict.fromkeys(first.configurations, 1.0)]])
    ended = table[table["arm"] == first.arm_a].assign(repeat=0, status="timeout")
    after = replace(results, study=study, matches=pd.concat([table, ended]))
    asked = [p for p in deciding.Deciding(after, results.labels[0]).pairs
             if "recommendation" in p.questions]  # fmt: skip
    assert asked and first.arm_a not in (asked[0].arm_a, asked[0].arm_b)


@pytest.mark.slow
def test_a_match_that_hung_makes_the_next_ones_no_dearer(results):
    study = {**results.study, "decide": {"minutes": 100}}
    planned = deciding.Deciding(replace(results, study=study), results.labels[0])
    a, b = planned.pairs[0].configurations
    well = planted_matches(results.runs, [[{a: 1.0, b: 1.0}]] * 3)
    hung = well[well["round"] == 3].assign(match_s=6000.0)
    ended = hung[hung["configuration"] == a].assign(repeat=0, status="timeout")
    table = pd.concat([well[well["round"] < 3], hung, ended])
    calm, after = (planned.next(planned.matches(one)) for one in (well, table))
    assert isinstance(calm, planner.Measure)
    assert planned._slower(planned.matches(table)) == planned._slower(planned.matches(well))
    assert isinstance(after, planner.Stop) or after.seconds < 2 * calm.seconds


def test_rounds_settle_only_what_is_far_beyond_the_margin_in_all_of_them():
    def settled(logs):
        return is_settled(statistics.compare(np.exp(logs), np.ones(len(logs)), 0.05), logs)

    far = [0.62, 0.66, 0.64, 0.65]
    assert settled(far) and settled([-one for one in far])
    assert not settled(far[:3])  # three rounds know no spread
    assert not settled([*far[:3], 0.12])  # states may reach so far
    assert not settled([0.08, 0.081, 0.08, 0.081])
    assert not settled([*far[:3], -0.64])
    assert not settled([0.3, 0.9, 0.4, 1.4])  # far, and too wild for 20 pairs
    assert not settled([])


def test_without_a_recommendation_the_questions_still_have_pairs(pairs_of, monkeypatch):
    monkeypatch.setattr("parallel_transcription.findings.near.choices", lambda machine: [])
    by = {q for p in pairs_of() for q in p.questions}
    assert {"one_or_many", "processes", "noise_floor"} <= by


def test_a_pair_of_two_questions_is_one_contest(pairs_of):
    pairs = pairs_of()
    shared = [pair for pair in pairs if len(pair.questions) > 1]
    assert all(pair.question == pair.questions[0] for pair in shared)
    again = replace(pairs[0], questions=())
    assert again == pairs[0]


@pytest.mark.slow
def test_matches_of_more_workers_leave_fewer_open(results):
    """Three rounds test nothing, and the budget was over after the first contest."""
    few = replace(results, runs=results.runs[results.runs["round"] <= 3])
    one = few.runs[(few.runs["strategy"] == "one_model") & (few.runs["cpu_threads"] == 1)]
    by_workers = {
        int(workers): own["configuration"].iloc[0]
        for workers, own in one[one["replica"] == 1].groupby("num_workers")
    }
    blocks = [{by_workers[2]: 1.0, by_workers[4]: 1.0 + 0.001 * k} for k in range(6)]
    met = replace(few, matches=planted_matches(few.runs, [blocks] * 8))
    told = {one.id: one for one in judge(met)}["workers_equal_files"]
    assert told.verdict == Verdict.INCONCLUSIVE
