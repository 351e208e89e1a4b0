"""Guards the search of a grid: what it measures, when it stops, what it says of the rest."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parallel_transcription.findings.laws import chances
from parallel_transcription.findings.paste import recommend
from parallel_transcription.findings.rounds import last_round
from parallel_transcription.findings.search import (
    FOUND,
    NOTHING,
    OVER,
    Known,
    Measured,
    Search,
    Stop,
)
from parallel_transcription.findings.searching import Searching, space_of
from parallel_transcription.findings.space import Point
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.report.pages.recommended import recommended_view
from parallel_transcription.results.heats import runs_of
from parallel_transcription.results.read import Results
from parallel_transcription.results.searched import Certificate, Searched
from parallel_transcription.statistics.surrogate import Seen, Surrogate
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.file import StudyError
from parallel_transcription.study.rates import on_ladder
from parallel_transcription.study.runs import FIRST_HEAT
from parallel_transcription.study.searching import searched, work_of
from parallel_transcription.study.settings import DEFAULTS
from parallel_transcription.study.study import build_study
from planted_loads import load_record
from project import CLIP, ROOT, Project, own_environment, small_study, snakemake_command
from queues import SERVICE, rate_for
from simple_records import tables_of

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import replay_search
import replay_tables


def point(workers: int, threads: int = 1, cpus: float = 4, files: int = 8, **more) -> Point:
    told = {"strategy": "one_model", "num_workers": workers, "cpu_threads": threads}
    configuration = complete(told | {"files_in_parallel": files} | more)
    return Point(identify(configuration), configuration, cpus, (10.0,) * files, "work")


SPACE = [point(w, t) for w in (1, 2, 3, 4, 6, 8) for t in (1, 2, 3, 4)]


def play(space, value, known=None, budget=math.inf, noise=0.01, most=40, seed=0):
    """Search until it stops; returns the last state, why it stopped, and the heats."""
    chance, search, seen = np.random.default_rng(seed), Search(space), []
    heats, known = [], known or Known()
    by_id = {one.id: one for one in space}
    for number in range(1, most + 1):
        state = search.at(seen, known)
        heat = state.next(budget)
        if isinstance(heat, Stop):
            return state, heat.why, heats
        heats.append(heat)
        drift = 0.05 * chance.standard_normal()
        for side in heat.sides:
            true = value(by_id[side.id])
            noisy = true + drift + noise * chance.standard_normal()
            seen.append(Measured(side.id, number, noisy, 5 + math.exp(-true)))
    return search.at(seen, known), "", heats


def peak(one: Point) -> float:
    return -0.2 * math.log2(one.in_use / 4) ** 2 - 0.3 * math.log2(one.threads) ** 2


class TestSurrogate:
    """What is expected of points that were not measured."""

    def prior(self):
        x = np.linspace(0, 4, 9)[:, None]
        return Surrogate(np.zeros(9), np.hstack([3 * np.ones((9, 1)), 0.3 * x]), x)

    def seen(self, points, values, rounds=None):
        count = len(points)
        rounds = np.zeros(count, int) if rounds is None else np.array(rounds)
        return Seen(np.array(points), rounds, np.array(values, float), np.zeros(count))

    def test_what_was_measured_is_known_best_and_the_rest_less_the_farther(self):
        posterior = self.prior().fit(self.seen([4, 4, 4, 5], [1.0, 1.01, 0.99, 1.02], range(4)))
        assert posterior.mean[4] == pytest.approx(1.0, abs=0.05)
        assert posterior.sd[4] < posterior.sd[8] and posterior.sd[4] < posterior.sd[0]

    def test_a_round_that_was_slow_for_all_makes_none_slower(self):
        points, rounds = [0, 4, 0, 4], [1, 1, 2, 2]
        calm = self.prior().fit(self.seen(points, [0.0, 0.2, 0.0, 0.2], rounds))
        slow = self.prior().fit(self.seen(points, [0.0, 0.2, -0.1, 0.1], rounds))
        assert slow.mean[4] - slow.mean[0] == pytest.approx(calm.mean[4] - calm.mean[0], abs=0.01)

    def test_a_stall_hardly_counts(self):
        values = [0.0, 0.01, -0.01, 0.0, -0.7]
        posterior = self.prior().fit(self.seen([4] * 5, values, range(5)))
        assert posterior.mean[4] > np.mean(values) + 0.05

    @given(st.lists(st.floats(-1, 1), min_size=3, max_size=12), st.randoms(use_true_random=False))
    @settings(max_examples=20, deadline=None)
    def test_the_order_of_measurements_does_not_matter(self, values, shuffled):
        points = [k % 9 for k in range(len(values))]
        rounds = [k // 3 for k in range(len(values))]
        order = list(range(len(values)))
        shuffled.shuffle(order)
        one = self.prior().fit(self.seen(points, values, rounds))
        other = self.prior().fit(
            self.seen(*([row[k] for k in order] for row in (points, values, rounds)))
        )
        assert one.mean == pytest.approx(other.mean, abs=1e-6)

    def test_draws_have_the_mean_and_the_spread_that_they_are_of(self):
        posterior = self.prior().fit(self.seen([2, 6], [0.0, 0.3], [0, 0]))
        places = np.arange(9)
        draws = posterior.draws(places, 20_000, 1)
        assert draws.mean(axis=0) == pytest.approx(posterior.mean, abs=0.08)
        sd = np.sqrt(np.diag(posterior.covariance(places, places)))
        assert draws.std(axis=0) == pytest.approx(sd, rel=0.05)


class TestPlanner:
    """Which heat is next, and when there is none."""

    def test_the_first_heat_are_rules_of_thumb(self):
        heat = Search(SPACE).at([]).next(math.inf)
        chosen = {(p.in_use, p.threads) for p in SPACE if p.id in {s.id for s in heat.sides}}
        assert {(4, 1), (1, 4), (2, 2)} <= chosen
        assert {side.why for side in heat.sides} == {"seed"}

    def test_each_later_heat_has_the_best_so_far_and_no_side_twice(self):
        _, _, heats = play(SPACE, peak)
        assert len(heats) > 1
        for heat in heats[1:]:
            assert heat.sides[0].why == "best so far" and len(heat.sides) >= 2
        for heat in heats:
            assert len({side.id for side in heat.sides}) == len(heat.sides)

    def test_it_finds_the_peak_without_measuring_the_grid_and_says_so(self):
        state, why, _ = play(SPACE, peak)
        assert why == FOUND
        (certificate,) = state.certificates()
        assert certificate.best == point(4, 1).id and certificate.gain <= math.log1p(0.02)
        assert sum(one.runs > 0 for one in state.standings()) < 0.7 * len(SPACE)

    def test_the_same_records_plan_the_same(self):
        seen = [Measured(p.id, 1, peak(p), 5.0) for p in SPACE[:6]]
        search = Search(SPACE)
        assert search.at(seen).next(1e9) == Search(SPACE).at(seen[::-1]).next(1e9)

    def test_the_budget_is_kept(self):
        state, why, heats = play(SPACE, peak, budget=60, noise=0.1)
        assert why == OVER and state.spent_s <= 60 and len(heats) >= 1

    def test_what_failed_is_never_the_best_and_not_measured_again(self):
        broken = point(4, 1).id
        out = Known({broken: "failed"})
        state, _, heats = play(SPACE, lambda p: math.nan if p.id == broken else peak(p), out)
        assert all(one.best != broken for one in state.certificates() if one)
        assert sum(broken in {side.id for side in heat.sides} for heat in heats) == 1

    def test_what_would_break_a_limit_is_struck_with_the_reason(self):
        out = Known(chance={p.id: 0.0 for p in SPACE if p.in_use > 3})
        state, _, heats = play(SPACE, peak, out)
        measured = {side.id for heat in heats for side in heat.sides}
        assert measured and all(p.in_use <= 3 for p in SPACE if p.id in measured)
        struck = [one for one in state.standings() if one.state == "struck"]
        assert struck and all("limit" in one.reason for one in struck)

    def test_workers_that_never_get_a_file_are_struck(self):
        space = [point(w, t, files=4) for w in (1, 2, 4, 8) for t in (1, 2, 4)]
        state, _, heats = play(space, peak)
        measured = {side.id for heat in heats for side in heat.sides}
        idle = {p.id for p in space if p.configuration.num_workers == 8}
        assert not idle & measured
        assert {one.id for one in state.standings() if one.state == "struck"} >= idle

    def test_where_nothing_keeps_the_limits_it_ends_and_says_so(self):
        out = Known({p.id: "over the limit" for p in SPACE})
        state, why, _ = play(SPACE, peak, out, budget=400)
        assert why in (OVER, NOTHING) and state.certificates() == [None]

    def test_each_kind_of_work_has_a_best_of_its_own(self):
        other = [
            Point(p.id + "x", p.configuration, p.cpus, p.seconds, "other") for p in SPACE
        ]  # fmt: skip
        state, _, _ = play([*SPACE, *other], peak, most=60)
        bests = [one.best for one in state.certificates()]
        assert bests[0] == point(4, 1).id and bests[1].endswith("x")

    def test_what_has_no_rival_is_measured_alone(self):
        lone = [Point("lone", point(1).configuration, 4, (10.0,), "lone")]
        heat = Search(lone).at([]).next(math.inf)
        assert [side.id for side in heat.sides] == ["lone"]
        state, why, _ = play([*SPACE, *lone], peak)
        assert why == FOUND and {one.best for one in state.certificates()} >= {"lone"}

    def test_where_rules_agree_the_first_heat_has_two_sides(self):
        space = [point(2, batch_size=size) for size in (0, 2, 4, 8)]
        heat = Search(space).at([]).next(math.inf)
        assert len({side.id for side in heat.sides}) == 2

    def test_the_last_one_that_may_keep_the_limits_is_measured(self):
        out = Known({p.id: "over the limit" for p in SPACE[1:]})
        seen = [Measured(p.id, 1, peak(p), 5.0) for p in SPACE[1:]]
        heat = Search(SPACE).at(seen, out).next(math.inf)
        assert [side.id for side in heat.sides] == [SPACE[0].id]

    def test_a_budget_that_is_spent_begins_no_further_kind_of_work(self):
        other = [Point(p.id + "x", p.configuration, p.cpus, p.seconds, "other") for p in SPACE]
        seen = [Measured(p.id, 1, peak(p), 50.0) for p in SPACE[:2]]
        state = Search([*SPACE, *other]).at(seen)
        assert state.next(99.0) == Stop(OVER)
        assert {side.why for side in state.next(101.0).sides} == {"seed"}

    def test_the_grid_takes_as_long_as_its_configurations_have_rounds(self):
        seen = [Measured(p.id, 1, peak(p), 5.0) for p in SPACE]
        once, most = (Search(SPACE, rounds=one).at(seen).grid_s for one in (1, 10))
        rounds = [10, *[1] * (len(SPACE) - 1)]
        assert once < Search(SPACE, rounds=rounds).at(seen).grid_s < 2 * once < most

    def test_records_of_another_machine_say_what_to_expect(self):
        far = [Point("far" + p.id, p.configuration, p.cpus, p.seconds, "far") for p in SPACE]

        def turned(p):  # against the rule of thumb
            return -0.3 * math.log2(p.in_use) ** 2 - 0.6 * math.log2(p.threads / 2) ** 2

        there = [Measured("far" + p.id, 0, turned(p), 5.0) for p in SPACE]
        told = Search(SPACE, elsewhere=far, there=there).at([])
        untold = Search(SPACE).at([])
        true = [turned(p) for p in SPACE]
        own = slice(len(SPACE))
        assert np.corrcoef(told.values.mean[own], true)[0, 1] > 0.9
        assert np.corrcoef(untold.values.mean[own], true)[0, 1] < 0.5


def test_memory_that_was_not_measured_follows_from_what_was():
    points = [point(1, instances=n, strategy="multi_model") for n in (1, 2, 3, 4, 6, 8)]
    known = {p.id: 100 + 80.0 * p.configuration.instances for p in points[:4]}
    found = chances(points, {"max_memory_mb": known}, {"max_memory_mb": 600})
    assert found[points[4].id] < 0.75 and found[points[5].id] < 0.05
    assert found[points[0].id] > 0.99


@pytest.mark.parametrize(
    "name",
    [
        "knife-edge limit",
        pytest.param("smooth", marks=pytest.mark.thorough),
        pytest.param("a setting that crashes", marks=pytest.mark.thorough),
    ],
)
def test_on_a_planted_surface_it_is_near_the_best_for_a_tenth_of_the_grid(name):
    outcomes = [replay_search.replay(name, seed)["search"] for seed in range(4)]
    assert np.mean([one.cost for one in outcomes]) <= 0.11
    assert np.median([one.regret for one in outcomes]) < 0.03


def test_a_surface_is_labelled_synthetic_and_a_measured_table_says_where():
    assert replay_tables.surface("ridge", 0).synthetic
    for name in replay_tables.names():
        table = replay_tables.read(name)
        assert not table.synthetic and len(table.points) >= 40
        assert table.values.shape[1] >= 10 and np.isfinite(table.values).all()


# ---------------------------------------------------------------- in a study

GRID = [
    {"strategy": "one_model", "num_workers": [1, 2, 3, 4], "cpu_threads": [1, 2, 3, 4]},
    {"strategy": "multi_model", "instances": [2, 3], "cpu_threads": [1, 2]},
]


def study(**more) -> dict:
    return small_study("searched", GRID, rounds=5, repeats=1, **more)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"grid": GRID[1:]}, "4 configurations to choose from are too few"),
        ({"rounds": 2}, "set rounds to at least 3"),
        ({"search": {"objective": "speed"}}, "objective"),
        ({"search": {"minutes": 0}}, "minutes"),
        ({"search": {"gains": 0.1}}, "gains"),
        ({"search": {"objective": "p95"}}, "0 configurations .*requests at a rate"),
    ],
)
def test_a_search_that_cannot_be_is_refused(change, told):
    values = study(search={}) | {"audio": [f"audio/{CLIP}"]} | change
    with pytest.raises(StudyError, match=told):
        build_study(values, "study.yaml", ROOT)


def test_all_the_time_of_a_heat_counts_whoever_ended_it():
    def side(status, loaded):
        loads = [{"finished_s": loaded}]
        start = {"loads": loads, "passes": [], "status": status}
        return {
            "configuration_id": status, "status": status, "start": start, "warmups": [],
            "error": "killed by SIGKILL" if status == "killed" else None,
        }  # fmt: skip

    def heat(*sides, passes=(), together=True):
        return {
            "match": "a" * 12 + "-m001", "started_at": 0.0, "finished_at": 100.0,
            "together": together,
            "protocol": {"passes": 2}, "sides": list(sides), "passes": list(passes),
        }  # fmt: skip

    turns = [{"side": k, "block": 0, "makespan_s": 10.0} for k in (0, 1)]
    crashed = runs_of(heat(side("ok", 5.0), side("failed", None)))
    assert [run["finished_at"] for run in crashed] == [0.0, 100.0]
    late = runs_of(heat(side("ok", 5.0), side("ok", 15.0), side("timeout", 5.0), passes=turns))
    assert [run["finished_at"] for run in late] == [15.0, 25.0, 60.0]
    sides = side("ok", 5.0), side("ok", 15.0), side("killed", 5.0)
    told = [run["status"] for run in runs_of(heat(*sides, passes=turns))]
    assert told == ["ok", "ok"], "what lacked memory beside others may fit alone"
    apart = runs_of(heat(*sides, passes=turns, together=False))
    assert [run["status"] for run in apart] == ["ok", "ok", "killed"]
    well = runs_of(heat(side("ok", 5.0), side("ok", 15.0), passes=turns))
    assert [run["finished_at"] for run in well] == [37.5, 62.5]


def test_rungs_of_a_ladder_are_no_part_of_a_search():
    asked = load_study() | {"ladder": {}, "slo": {"p95": 5}}
    built = build_study(asked, "study.yaml", ROOT)
    assert set(space_of(built.settings)) == set(searched(built.settings, built.wanted.values()))


def test_a_share_of_a_capacity_is_the_same_rate_only_for_the_same_options():
    def work(rate, batch_size):
        of_load = {"strategy": "one_model", "arrivals": "poisson", "requests": 60, "rate": rate}
        return work_of(complete(of_load | {"batch_size": batch_size}))

    assert work("2", 0) == work("2", 4) and work("70%", 0) != work("70%", 4)


# ---------------------------------------------------------------- under a load

LOADS = [{"strategy": "one_model", "num_workers": [1, 2, 3, 4, 6, 8], "cpu_threads": [1, 2, 3, 4]}]
RATE = on_ladder(rate_for(SERVICE["M/G/k"], 2, 0.6))
OF_LOADS = {"arrivals": "poisson", "requests": 60, "rate": RATE, "language": "en"}


def load_study() -> dict:
    return study(search={"objective": "p95"}) | {
        "audio": [f"audio/{CLIP}"], "grid": LOADS, "defaults": OF_LOADS,
    }  # fmt: skip


def served_by(one: Configuration, number: int) -> dict:
    """Threads help a worker, and workers with theirs slow each other down: neither end is best."""
    values = {n: getattr(one, n) for n in ("strategy", "num_workers", "cpu_threads", "language")}
    return load_record(
        number, RATE, slower=1.4 * one.cpu_threads**-0.4, crowding=0.12 * one.cpu_threads,
        requests=60, mix="", **values,
    )  # fmt: skip


def test_requests_that_come_by_themselves_are_what_a_p95_is_searched_for():
    at_once = GRID[1] | {"arrivals": "at_once", "files_in_parallel": 2}
    built = build_study(load_study() | {"grid": [*LOADS, at_once]}, "study.yaml", ROOT)
    found = searched(built.settings, built.wanted.values())
    assert len(found) == 24 and all(p.configuration.under_load for p in found.values())
    values = load_study() | {"defaults": OF_LOADS | {"rate": "70%"}}
    built = build_study(values, "study.yaml", ROOT)
    closed = {one.id for one in built.wanted.values() if one.configuration.arrivals == "closed"}
    assert closed and closed.isdisjoint(searched(built.settings, built.wanted.values()))


def test_the_rule_of_thumb_knows_what_waiting_costs():
    load = {"arrivals": "poisson", "requests": 60, "rate": "80%", "files": 0}
    few, enough = (replace(point(w, **load), seconds=(10.0,) * 60).expected for w in (2, 4))
    assert few > enough + 1, "requests that two workers cannot carry wait longer and longer"


@given(
    st.lists(st.floats(0.1, 36_000), min_size=1, max_size=60),
    st.integers(1, 100),
    st.integers(1, 8),
    st.sampled_from(["fifo", "shortest"]),
)
@settings(max_examples=40, deadline=2000)
def test_the_rule_of_thumb_ends_whatever_the_lengths_and_the_rate(lengths, share, workers, order):
    load = {"arrivals": "poisson", "requests": len(lengths), "rate": f"{share}%", "files": 0}
    one = replace(point(workers, discipline=order, **load), seconds=tuple(lengths))
    alone = replace(point(workers, files=1), seconds=(max(lengths),)).expected
    assert math.isfinite(one.expected) and one.expected < alone + math.log(400 * len(lengths))


@pytest.mark.slow
def test_a_search_under_a_load_comes_close_to_what_serves_soonest(tmp_path):
    """Of 24 settings a third is measured; what does not carry the load is never the best."""
    settings = load_study() | {"file": "study.yaml", "audio_files": []}
    settings = json.loads(json.dumps(DEFAULTS | settings | {"machine": "m"}))
    records, heats = [], 0
    while True:
        merged = tables_of(tmp_path / str(heats), *records, **settings)
        results = Results(merged.runs, merged.timings, merged.machines, settings)
        searching = Searching(results, "m", cpus=4)
        heat = searching.state.next(math.inf)
        if isinstance(heat, Stop) or heats == 4:
            break
        heats += 1
        space = {p.id: p.configuration for p in searching.search.space}
        records += [served_by(space[side.id], heats) for side in heat.sides]
    standings = searching.state.standings()
    assert len({one.id for one in searching.measured}) <= 12

    def true(one: str) -> float:
        passes = [served_by(space[one], number) for number in (101, 102, 103)]
        took = [
            task["finished_s"] - task["submitted_s"]
            for record in passes
            for task in record["starts"][0]["passes"][1]["transcriptions"]
            if task["counted"]
        ]
        return float(np.quantile(took, 0.95))

    (certificate,) = searching.state.certificates()
    assert true(certificate.best) < 1.25 * min(true(one) for one in space)
    page = _recommended(results, certificate.best)
    assert "the lowest p95 that a search found" in page["loads"][0]["text"]
    assert "is better by more than 25 %" in page["loads"][0]["text"]
    late = [one for one in standings if one.state == "out"]
    assert all("more than it carries" in one.reason for one in late)


def _recommended(results: Results, best: str) -> dict:
    """What the page says where a search found this one, and nothing 1.25 times as good."""
    found = Searched(
        machine="m", objective="p95", stopped="budget spent", gain=0.02, seconds=1, budget_s=1,
        grid_s=10, certificates=[Certificate(best, 0.25, 0.1, 0.5)], configurations=[], heats=[],
    )  # fmt: skip
    results = replace(results, searches={"m": found})
    (told,) = recommend(results)["m"].loads
    assert told.configuration == best and told.rate == pytest.approx(RATE)
    return recommended_view(replace(results, recommended=recommend(results)), "m")


def test_heats_are_no_rounds_that_a_study_could_have_more_of():
    """Their numbers are above all rounds: a thousand rounds were asked for to have two more."""
    assert last_round([FIRST_HEAT + 1, 3, FIRST_HEAT + 4]) == 3
    assert last_round([FIRST_HEAT + 1]) == 0


def test_what_only_names_is_measured_by_rounds():
    values = study(search={}) | {"audio": [f"audio/{CLIP}"]}
    whole = build_study(values, "study.yaml", ROOT)
    part = build_study(values | {"only": {"num_workers": 1}}, "study.yaml", ROOT)
    assert len(searched(whole.settings, whole.wanted.values())) == 20
    assert searched(part.settings, part.wanted.values()) == {}


def heats_of(project: Project) -> dict[Path, dict]:
    folder = project.folder / "results" / "m" / "heats"
    return {path: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def kill_in_the_second_heat(project: Project) -> None:
    """SIGKILL to Snakemake; returns when nothing of it runs any more."""
    running = subprocess.Popen(
        snakemake_command("--until", "search"), cwd=project.folder, env=own_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    try:
        while len(heats_of(project)) < 2 and running.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    here = str(project.folder)
    while any(here in " ".join(one.info["cmdline"] or []) for one in
              psutil.process_iter(["cmdline"])):  # fmt: skip
        assert time.monotonic() < deadline
        time.sleep(0.1)
    shutil.rmtree(project.folder / ".snakemake" / "locks")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.thorough
def test_a_search_measures_a_part_of_the_grid_and_a_kill_loses_no_heat(tmp_path):
    grid = [*GRID, {"strategy": "one_model", "num_workers": 2, "cpu_threads": 1, "replica": 2}]
    project = Project(tmp_path / "p", study(search={"minutes": 0.5}) | {"grid": grid})
    kill_in_the_second_heat(project)
    before = heats_of(project)
    project.run("--until", "write_findings_report")
    heats = heats_of(project)
    assert before and all(heats[path] == heat for path, heat in before.items())

    results = project.folder / "results"
    found = json.loads((results / "m" / "search.json").read_text())
    measured = {one["configuration"] for one in found["configurations"] if one["runs"]}
    met = [heat for heat in heats.values() if heat["passes"]]
    sides = [side["configuration_id"] for heat in met for side in heat["sides"]]
    assert set(sides) == measured and 4 <= len(measured) < 20
    assert len(sides) == sum(one["runs"] for one in found["configurations"])
    assert len(met) == len(found["heats"])
    runs = {path.stem for path in (results / "m" / "runs").glob("*.json")}
    assert len(runs) == 5, "a replica is measured as without a search"
    table = pd.read_parquet(results / "runs.parquet")
    assert set(table["configuration"]) == measured | {one.rpartition("-r")[0] for one in runs}
    best = found["certificates"][0]["best"]
    assert best in measured and found["certificates"][0]["better_by"] >= 0

    findings = json.loads((results / "findings.json").read_text())
    told = next(f for f in findings if f["id"] == "recommendation")
    assert any("Found by a search" in one for one in told["notes"])
    html = (results / "reports" / "findings.html").read_text(encoding="utf-8")
    assert not re.search(r"min_rounds=\d{4}", html), "heats are no rounds"
    assert "What the search did" in html
    assert f"{len(measured)} of 20 configurations measured" in html
    assert (results / "figures" / "m-search_map.svg").stat().st_size > 5_000

    assert not {"transcribe", "search", "decide", "merge_timings"} & set(project.planned())
    (results / "m" / "search.json").unlink()
    project.run("--until", "search")
    again = heats_of(project)
    assert all(again[path] == heat for path, heat in heats.items())
