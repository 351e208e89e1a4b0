"""Which runs are a pair, what ranks them, what is planned for them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judging import calm_tables, question
from parallel_transcription import statistics
from parallel_transcription.findings import together
from parallel_transcription.findings.judge import family_of, judge_machine
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.rounds import more_rounds
from synthetic_study import as_results, configuration

HOUR = 3600.0
POINTS = [configuration("one_model", workers=2), configuration("multi_model", instances=2)]


def small(points=None, **given):
    return calm_tables(1, points, **{"repeats": 2} | given)


def machine_of(tables, **study):
    tables = {**tables, "study": {**tables["study"], **study}}
    return Machine(as_results(tables), "synthetic-a")


def later(tables, hours, strategy="multi_model", rounds=None):
    """The tables with the runs of a strategy measured so many hours later."""
    runs = tables["runs"].copy()
    moved = runs["strategy"] == strategy
    if rounds is not None:
        moved &= runs["round"].isin(rounds)
    times = pd.to_datetime(runs["started_at"], utc=True, format="ISO8601")
    times = times.where(~moved, times + pd.Timedelta(hours=hours))
    runs["started_at"] = [t.isoformat() for t in times]
    return {**tables, "runs": runs}


def pair_of(machine):
    arms = machine.arms.set_index("strategy")["arm"]
    return machine.compare(arms["one_model"], arms["multi_model"])


@given(
    st.integers(2, 5).flatmap(
        lambda n: st.tuples(
            st.lists(st.floats(0.5, 5.0), min_size=n, max_size=n),
            st.lists(st.floats(0.2, 8.0), min_size=2, max_size=6),
            st.randoms(use_true_random=False),
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_ranks_are_those_of_the_arms_whatever_the_hours_were(drawn):
    """Arms of known factors in occasions of any speed; each arm lacks some of them."""
    factors, speeds, random = drawn
    times = {}
    for k, factor in enumerate(factors):
        own = {o: factor * s for o, s in enumerate(speeds) if o == 0 or random.random() < 0.6}
        times[f"arm{k}"] = pd.Series(own)
    found = together.relative_times(times)
    mean = np.exp(np.mean(np.log(factors)))
    for k, factor in enumerate(factors):
        assert found[f"arm{k}"] == pytest.approx(factor / mean)


def test_what_shares_no_hour_with_the_others_has_no_rank():
    found = together.relative_times({
        "a": pd.Series({1: 2.0, 2: 2.0}), "b": pd.Series({1: 3.0}), "c": pd.Series({9: 0.1}),
        "never": pd.Series(dtype=float),
    })  # fmt: skip
    assert found["a"] < found["b"]
    assert np.isnan(found["c"]) and np.isnan(found["never"])
    assert together.relative_times({}) == {}


def test_a_round_measured_in_two_months_is_two_occasions():
    begun = pd.Series({("a", 1): 0.0, ("b", 1): 100.0, ("c", 1): 9e6, ("a", 2): 7200.0,
                       ("b", 2): np.nan})  # fmt: skip
    begun.index.names = ["arm", "round"]
    found = together.occasions(begun, pd.Series({1: HOUR, 2: HOUR}))
    assert found["a", 1] == found["b", 1] != found["c", 1]
    assert found["a", 2] == found["b", 2] != found["a", 1]


@pytest.mark.parametrize(("hours", "rounds"), [(0.0, 6), (0.5, 6), (30.0, 0), (-30.0, 0)])
def test_only_rounds_of_one_occasion_are_pairs(hours, rounds):
    pair = pair_of(machine_of(later(small(points=POINTS, rounds=6), hours)))
    assert (pair.result.rounds, pair.apart) == (rounds, 6 - rounds)


def test_the_study_says_how_far_apart_is_together():
    tables = later(small(points=POINTS, rounds=6), 30.0)
    assert pair_of(machine_of(tables, together_h=48)).result.rounds == 6


def runs_of(starts, makespan=10.0):
    """Runs of one round that began at these seconds, each with two passes."""
    rows = [
        {"arm": f"a{k}", "round": 1, "repeat": repeat, "makespan_s": makespan, "timeout_s": 60.0,
         "load_s": 1.0, "warmup_s": makespan, "started_at": pd.Timestamp(t, unit="s", tz="UTC")}
        for k, t in enumerate(starts) for repeat in (1, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(started_at=lambda r: [t.isoformat() for t in r["started_at"]])


def test_a_round_may_take_as_long_as_it_took_but_a_pause_is_no_part_of_it():
    starts = [40.0 * k for k in range(500)]  # 5.5 hours, of which 62 % are passes
    whole = together.allowed(runs_of(starts), 1.0)[1]
    assert 499 * 40 <= whole <= 500 * 40 + 200
    paused = [t + 30 * 24 * HOUR * (k >= 250) for k, t in enumerate(starts)]
    assert together.allowed(runs_of(paused), 1.0)[1] == pytest.approx(whole, abs=200)
    assert together.allowed(runs_of(starts[:9]), 1.0)[1] == HOUR
    assert together.allowed(runs_of([0.0, 1e7], makespan=4 * HOUR), 1.0)[1] < 60 * HOUR


def test_rounds_that_are_apart_are_left_out_one_by_one_and_the_next_plan_makes_up_for_them():
    tables = later(small(points=POINTS, rounds=6, spread=0.05), 30.0, rounds=[1, 2, 3])
    machine = machine_of(tables)
    pair = pair_of(machine)
    assert (pair.result.rounds, pair.apart, list(pair.a.index)) == (3, 3, [4, 5, 6])
    plan, said = more_rounds(machine, [(pair, pair.result)])
    assert plan.rounds == 6 + statistics.LEAST_ROUNDS - 3 and "too few" in said


def test_records_that_do_not_tell_when_are_paired_by_number_and_it_is_said():
    tables = small(points=POINTS, rounds=6)
    runs = tables["runs"].assign(started_at=None)
    machine = machine_of({**tables, "runs": runs})
    pair = pair_of(machine)
    assert (pair.result.rounds, pair.untimed, pair.apart) == (6, 6, 0)
    results = as_results({**tables, "runs": runs})
    notes = [
        n for f in judge_machine(results, "synthetic-a") if f.id == "one_or_many" for n in f.notes
    ]
    assert any("do not tell" in note for note in notes)


@pytest.mark.slow
def test_the_family_of_a_report_is_what_all_its_questions_compare():
    machine = machine_of(small(rounds=4))
    asked = ("one_or_many", "processes", "best_threads", "oversubscription", "parallel_or_queue")
    results = {id(r): r for q in asked for r in question(q).comparisons(machine) if r.tested}
    whole = family_of([machine])
    assert whole.size >= len(results) > len(question("one_or_many").comparisons(machine))
    machine.family = whole
    alone = judge_one_alone(machine)
    machine.family = None
    assert judge_one_alone(machine) <= alone, "corrected over less"


def judge_one_alone(machine):
    """The largest corrected p-value of a question."""
    return max(r["p_difference_adjusted"] for r in question("one_or_many").judge(machine).evidence)


def test_a_plan_is_for_each_pair_by_its_own_spread():
    """Of pairs with 6 % and 10 % noise the noisy one decides how many rounds it takes."""
    rng = np.random.default_rng(1)
    machine = machine_of(small(points=POINTS, rounds=6))
    pair = pair_of(machine)

    def one(sd, mean=0.0, n=6):
        d = rng.normal(0, 1, n)
        d = mean + sd * (d - d.mean()) / d.std(ddof=1)
        share = statistics.share_of(1)
        return statistics.compare(np.exp(d), np.ones(n), machine.margin, share=share)

    near = [one(0.06), one(0.10)]
    assert {c.size for c in near} == {statistics.OPEN}
    plans = [more_rounds(machine, [(pair, c)]) for c in near]
    both, said = more_rounds(machine, [(pair, c) for c in near])
    alone = [plan.rounds for plan, _ in plans if plan]
    assert len(alone) == 2 and both.rounds == max(alone) > 2 * min(alone)
    pooled = statistics.pooled_sd([(c.rounds, c.sd) for c in near])[0]
    assert both.rounds > statistics.rounds_needed(pooled, machine.margin)
    assert "chance" in said
    hopeless, why = more_rounds(machine, [(pair, one(0.01, 0.047))])
    assert hopeless is None and "hardly" in why
