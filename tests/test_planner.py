"""The planner of matches: which next, when to stop, and what it promises."""

import math
from dataclasses import replace

import numpy as np
import pytest

from parallel_transcription.findings import planner
from parallel_transcription.findings.planner import Contest, Cost, Measure, Stop
from parallel_transcription.statistics import BEYOND, OPEN, WITHIN

COSTS = {side: Cost(2.0, 1.0) for side in ("one", "two", "processes", "four", "double")}
PAIRS = [("one", "two"), ("one", "processes"), ("four", "one"), ("double", "one")]


def contests(*matches, prior_sd=0.03):
    """The contests of PAIRS; `matches` are theirs, none for those that follow."""
    given = [*matches, *[()] * len(PAIRS)]
    return [Contest(a, b, tuple(given[k]), prior_sd) for k, (a, b) in enumerate(PAIRS)]


def met(log_ratio, count, blocks=6, sd=0.02, seed=1):
    rng = np.random.default_rng(seed)
    return tuple(tuple(m) for m in rng.normal(log_ratio, sd, (count, blocks)).tolist())


def play(found, costs, budget, truth, sd, seed=0, spent=0.0):
    """Matches until the planner stops; asserts that it keeps what it says."""
    rng = np.random.default_rng(seed)
    steps = []
    while True:
        step = planner.next_match(found, costs, budget, spent)
        assert step == planner.next_match(found, costs, budget, spent)
        if isinstance(step, Stop):
            return found, step, steps, spent
        assert spent + step.seconds <= budget
        times = {s: truth[s] + rng.normal(0, sd / math.sqrt(2), step.blocks) for s in step.sides}
        for k, one in enumerate(found):
            if one.side_a in times and one.side_b in times:
                ratios = tuple((times[one.side_a] - times[one.side_b]).tolist())
                stage = one.stage or len(steps) + 1
                found[k] = replace(one, matches=(*one.matches, ratios), stage=stage)
        spent += step.seconds
        steps.append(step)


TRUTH = dict.fromkeys(COSTS, 0.0)


def test_pairs_with_a_common_side_are_measured_in_one_match():
    step = planner.next_match(contests(), COSTS, 180, 0)
    assert isinstance(step, Measure)
    assert step.sides[:2] == ("one", "two") and len(set(step.sides)) == len(step.sides) >= 3
    assert step.leading == 0


def test_a_budget_that_does_not_reach_a_first_look_is_called_so():
    costly = {side: Cost(5.0, 10.0) for side in COSTS}
    stop = planner.next_match(contests(), costly, 200, 0)
    assert isinstance(stop, Stop) and stop.why == planner.SHORT
    assert stop.more_s > 200


def test_all_decided_is_the_end_before_the_budget_is():
    _, stop, steps, spent = play(contests(), COSTS, 600, TRUTH, 0.03)
    assert stop.why == planner.DECIDED and stop.more_s == 0 and spent < 300
    assert [s.size for s in stop.standings] == [WITHIN] * 4
    assert len({step.blocks for step in steps}) == 1


def test_a_slow_side_is_shown_beyond_and_leaves_the_matches():
    truth = TRUTH | {"two": 0.3}
    _, stop, _, _ = play(contests(), COSTS, 600, truth, 0.03)
    assert stop.standings[0].size == BEYOND
    assert [s.size for s in stop.standings[1:]] == [WITHIN] * 3


def test_no_match_that_the_budget_cannot_pay():
    stop = planner.next_match(contests(), COSTS, 180, 175)
    assert isinstance(stop, Stop) and stop.why == planner.OVER
    assert stop.more_s > 0 and all(s.more_s > 0 for s in stop.standings)
    nothing = planner.next_match(contests(), COSTS, 0, 0)
    assert isinstance(nothing, Stop) and nothing.why == planner.OVER


def test_a_wild_machine_is_not_measured_for_nothing():
    first = planner.next_match(contests(prior_sd=0.3), COSTS, 180, 0)
    assert isinstance(first, Measure), "rounds may be wilder than turns: a match says it"
    wild = ((0.6, -0.6) * 3, (-0.6, 0.6) * 3)
    stop = planner.next_match(contests(wild), COSTS, 180, 40)
    assert isinstance(stop, Stop) and stop.why == planner.HOPELESS
    assert all(s.more_s is None for s in stop.standings), "not in any reasonable time"


def test_little_time_goes_to_the_first_question():
    step = planner.next_match(contests(prior_sd=0.08), COSTS, 75, 0)
    assert isinstance(step, Measure) and step.sides == ("one", "two")


def test_more_minutes_go_on_where_it_stopped():
    found, stop, steps, spent = play(contests(prior_sd=0.08), COSTS, 100, TRUTH, 0.08)
    assert OPEN in [s.size for s in stop.standings]
    had = [one.matches for one in found]
    found, stop, more, _ = play(found, COSTS, 3000, TRUTH, 0.08, seed=1, spent=spent)
    assert more and {step.blocks for step in more} == {steps[0].blocks}
    assert all(one.matches[: len(m)] == m for one, m in zip(found, had, strict=True))
    assert stop.why == planner.DECIDED


def test_a_ratio_near_the_margin_alone_drops_nobody():
    near = met(0.045, 2)  # two matches do not know yet on which side of the margin it is
    found = contests(near, prior_sd=0.03)
    step = planner.next_match(found, COSTS, 600, 40)
    assert isinstance(step, Measure) and "two" in step.sides


def test_one_stall_neither_ends_nor_decides_a_contest():
    calm = met(0.0, 4)
    stalled = (*calm[:3], (*calm[3][:5], 1.1))
    sizes = planner.sizes(contests(stalled))
    assert sizes == [OPEN] * 4  # four matches are no look
    step = planner.next_match(contests(stalled), COSTS, 180, 60)
    assert isinstance(step, Measure) and step.sides[:2] == ("one", "two")


def test_what_rounds_have_settled_is_not_measured():
    found = contests()
    found[0] = replace(found[0], settled=True)
    step = planner.next_match(found, COSTS, 180, 0)
    assert isinstance(step, Measure) and "two" not in step.sides
    done = [replace(one, settled=True) for one in found]
    assert planner.next_match(done, COSTS, 180, 0).why == planner.DECIDED


def test_a_match_that_was_stopped_does_not_shorten_the_next_ones():
    cut = contests(met(0.0, 1, blocks=1))
    step = planner.next_match(cut, COSTS, 600, 10)
    assert isinstance(step, Measure) and step.blocks == min(planner.OF_MAKESPANS.blocks)
    later = contests((*met(0.0, 1, blocks=6), *met(0.0, 3, blocks=8, seed=2)))
    step = planner.next_match(later, COSTS, 600, 40)
    assert isinstance(step, Measure) and step.blocks == 8


def test_sides_that_met_for_others_sake_are_not_decided_yet():
    equal = met(0.0, 8)
    (asked, *_), met_only = contests(equal), replace(contests(equal)[0], asked=False)
    assert planner.sizes([asked]) == [WITHIN] and planner.sizes([met_only]) == [OPEN]
    assert isinstance(planner.next_match([met_only], COSTS, 600, 60), Measure)


def test_what_was_given_up_was_looked_at_as_well():
    doubtful = contests(met(0.0, 5, sd=0.045, seed=7))[:1]
    wild = [replace(one, matches=met(0.3, 5, sd=0.4, seed=k)) for k, one in enumerate(contests())]
    alone = planner.next_match(doubtful, COSTS, 0, 0)
    among = planner.next_match(doubtful, COSTS, 0, 0, given_up=wild)
    assert [one.size for one in alone.standings] == [WITHIN]
    assert [one.size for one in among.standings] == [OPEN]


def test_sides_that_share_nothing_take_turns_by_weight():
    costs = {side: Cost(2.0, 1.0) for side in "abcd"}
    found = [Contest("a", "b", prior_sd=0.03), Contest("c", "d", prior_sd=0.03)]
    found, stop, steps, _ = play(found, costs, 600, dict.fromkeys("abcd", 0.0), 0.03)
    assert steps[0].sides == ("a", "b") and stop.why == planner.DECIDED
    assert {step.sides for step in steps} == {("a", "b"), ("c", "d")}


def test_no_more_sides_than_fit():
    many = {f"s{k}": Cost(0.1, 0.1) for k in range(9)} | {"one": Cost(0.1, 0.1)}
    found = [Contest("one", f"s{k}", prior_sd=0.03) for k in range(9)]
    step = planner.next_match(found, many, 600, 0)
    assert isinstance(step, Measure) and len(step.sides) == planner.MOST_SIDES


def test_nothing_to_decide_is_decided():
    assert planner.next_match([], {}, 180, 0) == Stop(planner.DECIDED, (), 0.0)


@pytest.mark.parametrize("count", range(0, 12))
def test_promised_minutes_are_of_the_open_ones_only(count):
    found = contests(met(0.0, count, sd=0.03), prior_sd=0.05)
    for standing in planner.next_match(found, COSTS, 0, 0).standings:
        assert (standing.more_s == 0) == (standing.size != OPEN)


def test_makespans_and_latencies_are_planned_for_apart_and_share_time_and_level():
    loads = {"noise": planner.OF_LATENCIES, "margin": 0.1}
    quiet = Contest("a", "b", met(0.0, 5, sd=0.01), stage=1)
    loud = Contest("c", "d", met(0.0, 5, sd=0.3), stage=2, **loads)
    costs = {side: Cost(2.0, 1.0) for side in "abcd"}
    alone, both = planner.sizes([quiet]), planner.sizes([quiet, loud])
    assert alone[0] == both[0] == WITHIN, "wild latencies make no makespan wild"
    assert both[1] == OPEN
    step = planner.next_match([quiet, loud], costs, 3600, 60)
    assert isinstance(step, Measure) and set(step.sides) == {"c", "d"}
    fresh = [Contest("a", "b"), Contest("c", "d", **loads)]
    step = planner.next_match(fresh, costs, 600, 0)
    assert set(step.sides) in ({"a", "b"}, {"c", "d"}), "never in one match"
    assert planner.next_match(fresh, costs, 0, 0).more_s > 0


def test_each_pair_has_a_margin_of_its_own():
    off = met(0.07, 8, sd=0.01)
    wide = Contest("a", "b", off, margin=0.1, noise=planner.OF_LATENCIES)
    narrow = Contest("a", "b", off, margin=0.05)
    assert planner.sizes([wide]) == [WITHIN]
    assert planner.sizes([narrow]) == [BEYOND]
