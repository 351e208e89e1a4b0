"""Planted truths: what is true of a machine, and what the report must (or must not) say of it.

Each scenario is a folder of run records, made by the product's own types, that goes through the
steps of `make reports`. It fails if a verdict is another than the truth allows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from build_reports import judge_findings, merge_timings, recommend_settings
from parallel_transcription.published.claims import read_published
from parallel_transcription.published.scoreboard import scoreboard
from parallel_transcription.results.finding import Finding
from parallel_transcription.results.read import Results, read_results
from parallel_transcription.results.recommended import Recommendation
from planted_world import Model, Record, World, arm, cold_start, write

CONFIRMED, REFUTED, OPEN, UNMEASURED = "confirmed", "refuted", "inconclusive", "not measured"
UNDECIDED = (OPEN, UNMEASURED)
NOT_REFUTED, NOT_CONFIRMED = (CONFIRMED, *UNDECIDED), (REFUTED, *UNDECIDED)

Verdicts = str | tuple[str, ...]
Check = Callable[["Outcome"], None]


@dataclass
class Planted:
    """Records of a scenario, and the verdicts that its truth allows, by question (and model)."""

    records: list[Record]
    allowed: dict[str | tuple[str, str], Verdicts] = field(default_factory=dict)
    check: Check | None = None


@dataclass(frozen=True)
class Outcome:
    """What came out of a scenario."""

    label: str
    results: Results

    def finding(self, id: str, model: str | None = None) -> Finding:
        """The finding of a question: of the main group, or of a model's."""
        found = [f for f in self.results.findings if f.machine == self.label and f.id == id]
        if model is not None:
            found = [f for f in found if f.group and f.group.model == model]
        assert found, f"{id} was not judged"
        return found[0]

    @property
    def recommended(self) -> Recommendation:
        """What is recommended on the machine."""
        return self.results.recommended[self.label]


SCENARIOS: dict[str, Callable[[], Planted]] = {}


def scenario(make: Callable[[], Planted]) -> Callable[[], Planted]:
    """Makes a function a scenario, labelled by its name."""
    SCENARIOS[make.__name__.replace("_", "-")] = make
    return make


def judged(name: str, planted: Planted, folder: Path) -> Outcome:
    """A scenario through the steps of `make reports` up to what is concluded."""
    label = f"p-{name}"
    write(planted.records, folder, label)
    merge_timings(folder, folder)
    judge_findings(folder, folder / "findings.json", folder / "scoreboard.json")
    recommend_settings(folder, folder / "recommended.yaml")
    return Outcome(label, read_results(folder))


# ---------------------------------------------------------------- grids

T1 = [arm(c=1, t=1), arm(w=1, t=1), arm(w=2, t=1)]
T2 = [arm(c=1, t=2), arm(w=1, t=2), arm(w=2, t=2)]
MATCHED = [arm(w=2, t=1), arm("multi_model", n=2, t=1), arm("multi_process", n=2, t=1)]
AGAIN = [arm(w=2, t=1, replica=2)]
CUDA = {"device": "cuda", "compute_type": "float16", "t": 1}


def on(model: str, grid):
    """A grid with another model."""
    return [replace(point, model=model) for point in grid]


def strategy_is(name: str):
    return lambda point: point.strategy == name


# ---------------------------------------------------------------- 1 parallel, or a queue


def parallel(world: World, allowed: Verdicts, grid=(*T1, *T2), **more) -> Planted:
    return Planted(world.records(grid, **more), {"parallel_or_queue": allowed})


@scenario
def two_workers_on_four_cpus():
    return parallel(World(), CONFIRMED)


@scenario
def a_true_queue():
    return parallel(World(queue=True), REFUTED)


@scenario
def a_true_queue_on_many_cpus():
    return parallel(World(cpus=64, queue=True), REFUTED)


@scenario
def a_quota_of_one_cpu():
    return parallel(World(cpus=8, quota=1.0, rtf=0.1), NOT_REFUTED)


@scenario
def a_quota_of_one_and_a_half():
    return parallel(World(cpus=8, quota=1.5, rtf=0.1), NOT_REFUTED, grid=T1)


@scenario
def a_quota_of_two():
    return parallel(World(cpus=8, quota=2.0), CONFIRMED, grid=T1)


@scenario
def two_threads_of_one_core():
    return parallel(World(cpus=2, cores=1, capacity=1.02), NOT_REFUTED, grid=T1)


@scenario
def two_threads_of_one_core_that_help_a_little():
    return parallel(World(cpus=2, cores=1, capacity=1.25), CONFIRMED, grid=T1)


@scenario
def memory_feeds_one_core():
    return parallel(World(cpus=8, capacity=1.0), NOT_REFUTED, grid=T1)


@scenario
def memory_feeds_one_core_of_many():
    grid = [arm(c=1, t=1, f=4), arm(w=1, t=1, f=4), arm(w=2, t=1, f=4), arm(w=4, t=1, f=4)]
    return parallel(World(cpus=16, capacity=1.01), NOT_REFUTED, grid=grid)


@scenario
def files_of_eleven_and_sixty_seconds():
    return parallel(World(audio_s=(11.0, 60.0)), CONFIRMED, grid=T1)


@scenario
def one_long_file_and_a_tiny_one():
    """At best 62 / 60: there is nothing that a second worker could gain."""
    return parallel(World(audio_s=(60.0, 2.0)), NOT_REFUTED, grid=T1)


@scenario
def a_queue_of_unlike_files():
    return parallel(World(audio_s=(40.0, 60.0), queue=True), REFUTED)


@scenario
def a_gpu_that_one_worker_fills():
    grid = [arm(c=1, f=4, **CUDA), arm(w=1, f=4, **CUDA), arm(w=2, f=4, **CUDA),
            arm(w=4, f=4, **CUDA)]  # fmt: skip
    planted = parallel(World(gpu_holds=1.0), NOT_REFUTED, grid=grid)
    planted.allowed["gpu_saturation"] = REFUTED
    return planted


@scenario
def a_gpu_that_four_workers_fill():
    grid = [arm(c=1, f=4, **CUDA), arm(w=1, f=4, **CUDA), arm(w=2, f=4, **CUDA),
            arm(w=4, f=4, **CUDA)]  # fmt: skip
    planted = parallel(World(gpu_holds=4.0), CONFIRMED, grid=grid)
    planted.allowed["gpu_saturation"] = CONFIRMED
    return planted


@scenario
def a_queue_on_a_gpu():
    grid = [arm(c=1, f=4, **CUDA), arm(w=1, f=4, **CUDA), arm(w=4, f=4, **CUDA)]
    return parallel(World(gpu_holds=4.0, queue=True), REFUTED, grid=grid)


@scenario
def as_few_files_as_gpus_in_a_list():
    """With 3 files on 3 GPUs, 2 workers for each are no more in use than 1 for each."""
    gpus = {**CUDA, "device_index": "0,1,2", "f": 3}
    one = {**CUDA, "f": 3}
    grid = [arm(c=1, w=1, **one), arm(w=1, **one), arm(w=3, **one), arm(w=1, **gpus),
            arm(w=2, **gpus)]  # fmt: skip
    return parallel(World(gpu_holds=3.0), CONFIRMED, grid=grid)


@scenario
def the_gain_is_no_more_than_noise():
    return parallel(World(spread=0.15), (*UNDECIDED, CONFIRMED), grid=T1)


@scenario
def one_cpu_only():
    return parallel(World(cpus=1), UNDECIDED)


# ---------------------------------------------------------------- 2 one model or many


def matched(world: World, one: Verdicts, processes: Verdicts | None = None, grid=MATCHED, **more):
    allowed: dict = {"one_or_many": one}
    if processes is not None:
        allowed["processes"] = processes
    return Planted(world.records(grid, **more), allowed)


@scenario
def all_equal():
    return matched(World(), CONFIRMED, CONFIRMED)


@scenario
def many_models_are_slower():
    return matched(World(many=1.11), REFUTED, CONFIRMED)


@scenario
def many_models_are_faster():
    return matched(World(many=0.90), REFUTED, CONFIRMED)


@scenario
def processes_are_slower():
    return matched(World(processes=1.2), CONFIRMED, REFUTED)


@scenario
def a_difference_at_the_margin():
    return matched(World(many=1.05), UNDECIDED)


@scenario
def a_difference_within_the_margin():
    return matched(World(many=1.02), CONFIRMED)


@scenario
def a_difference_that_noise_hides():
    return matched(World(many=1.08, spread=0.12), UNDECIDED)


@scenario
def one_round():
    return matched(World(many=1.3), UNDECIDED, rounds=[1])


@scenario
def two_rounds():
    return matched(World(many=1.3), UNDECIDED, rounds=[1, 2])


@scenario
def three_rounds():
    return matched(World(), UNDECIDED, rounds=[1, 2, 3])


@scenario
def strong_drift_of_the_machine():
    return matched(World(drift=0.3), CONFIRMED, CONFIRMED)


@scenario
def a_steady_slow_down_over_the_study():
    return matched(World(), CONFIRMED, shift=lambda point, number: 1.04**number)


@scenario
def measured_a_month_apart():
    """What differs is the machine of February, not the strategy."""
    many = strategy_is("multi_model")
    return matched(
        World(),
        UNDECIDED,
        CONFIRMED,
        at=lambda point, number: number + 744 * many(point),
        shift=lambda point, number: 1.08 if many(point) else 1.0,
    )


@scenario
def measured_a_month_apart_hides_a_difference():
    many = strategy_is("multi_model")
    return matched(
        World(many=1.10),
        UNDECIDED,
        at=lambda point, number: number + 744 * many(point),
        shift=lambda point, number: 1 / 1.10 if many(point) else 1.0,
    )


@scenario
def measured_a_day_apart():
    many = strategy_is("multi_model")
    return matched(World(), UNDECIDED, at=lambda point, number: number / 4 + 24 * many(point))


@scenario
def measured_half_an_hour_apart():
    many = strategy_is("multi_model")
    return matched(World(), CONFIRMED, at=lambda point, number: 2 * number + 0.5 * many(point))


@scenario
def measured_apart_in_half_of_the_rounds():
    """The later six rounds of many models are of a slower February; the first six are pairs."""
    late_ones = lambda point, number: number > 6 and point.strategy == "multi_model"  # noqa: E731
    return matched(
        World(),
        CONFIRMED,
        rounds=range(1, 13),
        at=lambda point, number: number + 744 * late_ones(point, number),
        shift=lambda point, number: 1.08 if late_ones(point, number) else 1.0,
    )


@scenario
def measured_apart_and_then_both_anew():
    """What the report advises: later rounds of both, which are all that counts."""
    many = strategy_is("multi_model")
    planted = matched(
        World(many=1.3),
        REFUTED,
        rounds=range(1, 11),
        at=lambda point, number: number + (744 * many(point) if number < 5 else 1500),
        shift=lambda point, number: 1 / 1.3 if many(point) and number < 5 else 1.0,
    )

    def check(outcome: Outcome) -> None:
        notes = " ".join(outcome.finding("one_or_many").notes)
        assert "apart" in notes and "min_rounds" not in notes

    planted.check = check
    return planted


@scenario
def measured_apart_is_said_with_the_way_out():
    many = strategy_is("multi_model")
    planted = matched(World(), UNDECIDED, at=lambda point, number: number + 100 * many(point))

    def check(outcome: Outcome) -> None:
        found = outcome.finding("one_or_many")
        said = " ".join([found.answer, *found.notes])
        assert "apart" in said and "min_rounds=11" in said

    planted.check = check
    return planted


@scenario
def killed_in_a_round_and_resumed_the_next_day():
    """One round is lost as a pair, not the study; the next day the machine is 10 % slower."""
    next_day = lambda p, n: n > 3 or (n == 3 and p.strategy != "one_model")  # noqa: E731
    return matched(
        World(),
        CONFIRMED,
        at=lambda p, n: n / 4 + 24 * next_day(p, n),
        shift=lambda p, n: 1.10 if next_day(p, n) else 1.0,
    )


@scenario
def a_round_that_takes_hours_is_together():
    """Two hours apart, in rounds whose passes alone take most of an hour each."""
    many = strategy_is("multi_model")
    world = World(rtf=40.0, timeout_s=20_000.0)
    return matched(world, CONFIRMED, at=lambda point, number: 9 * number + 2 * many(point))


def told(rounds: Callable[[int], int], **judged: float):
    """Records that say how many rounds were planned when they were measured, and the margin."""

    def change(record: Record, point, number: int) -> Record:
        values = {"equivalence_margin": 0.05, "confidence": 0.95, "disturbed_above": 0.05} | judged
        return record | {"planned": {"rounds": rounds(number), "limits": {}, **values}}

    return change


def looks(rounds: Callable[[int], int], allowed: Verdicts) -> Planted:
    grid = [arm(w=2, t=1), arm("multi_model", n=2, t=1)]
    world = World(spread=0.022)
    return matched(world, allowed, grid=grid, rounds=range(1, 9), change=told(rounds), seed=5)


@scenario
def eight_rounds_that_were_planned():
    return looks(lambda number: 8, CONFIRMED)


@scenario
def eight_rounds_of_which_four_were_looked_at_one_by_one():
    """The same times; but whoever looks five times until it pleases errs five times as often."""
    return looks(lambda number: max(4, number), UNDECIDED)


@scenario
def the_margin_was_another_when_measured():
    planted = matched(World(), CONFIRMED, change=told(lambda n: 6, equivalence_margin=0.02))

    def check(outcome: Outcome) -> None:
        notes = outcome.finding("one_or_many").notes
        assert any("when measured" in note and "2 %" in note for note in notes)

    planted.check = check
    return planted


@scenario
def one_hang_in_forty_rounds():
    """However many others are alike: how long it would have taken nobody knows."""

    def change(record: Record, point, number: int) -> Record:
        if number == 17 and point.strategy == "multi_model":
            late(record, 60.0)
        return record

    return matched(World(), NOT_CONFIRMED, CONFIRMED, rounds=range(1, 41), change=change)


@scenario
def two_states_of_all_processes():
    """Each process is by chance 8 % slower, whatever its strategy: nothing is different."""
    return matched(World(states=0.08, spread=0.003), NOT_REFUTED, NOT_REFUTED, rounds=range(1, 6))


@scenario
def two_models_of_opposite_truth():
    world = World(models=(Model("tiny", many=1.11), Model("large", cost=3.0, many=0.90)))
    planted = matched(world, REFUTED, grid=on("tiny", MATCHED) + on("large", MATCHED))

    def check(outcome: Outcome) -> None:
        for model, slower in (("tiny", "many"), ("large", "one")):
            found = outcome.finding("one_or_many", model)
            assert found.verdict == REFUTED
            assert found.effect is not None
            assert (found.effect.value < 0.95) == (slower == "many")

    planted.check = check
    return planted


@scenario
def two_models_one_of_them_equal():
    world = World(models=(Model("tiny"), Model("large", cost=3.0, many=1.25)))
    planted = Planted(world.records(on("tiny", MATCHED) + on("large", MATCHED)))
    planted.allowed = {
        ("one_or_many", "tiny"): CONFIRMED,
        ("one_or_many", "large"): REFUTED,
        ("processes", "large"): CONFIRMED,
    }
    return planted


@scenario
def two_compute_types_of_unlike_truth():
    """float32 stands for a model of its own: it costs more, and many models suffer."""
    world = World()
    slow = [replace(point, compute_type="float32") for point in MATCHED]
    records = world.records(
        [*MATCHED, *slow],
        shift=lambda p, n: 1.3 if p.compute_type == "float32" and p.strategy != "one_model" else 1,
    )
    planted = Planted(records)

    def check(outcome: Outcome) -> None:
        found = [f for f in outcome.results.findings
                 if f.machine == outcome.label and f.id == "one_or_many"]  # fmt: skip
        by = {f.group.compute_type: f.verdict for f in found if f.group}
        assert by == {"int8": CONFIRMED, "float32": REFUTED}

    planted.check = check
    return planted


@scenario
def one_hang_in_eight_rounds():
    """Seven equal rounds and one of more than the limit: that is not equal."""

    def change(record: Record, point, number: int) -> Record:
        if number == 5 and point.strategy == "multi_model":
            late(record, 60.0)
        return record

    return matched(World(), NOT_CONFIRMED, CONFIRMED, rounds=range(1, 9), change=change)


@scenario
def five_equal_pairs_and_one_that_never_ends():
    grid = []
    for threads in (1, 2, 4):
        for files in (2, 4):
            one, many = arm(w=files, t=threads, f=files), arm("multi_model", n=files, t=threads)
            grid += [one, replace(many, files_in_parallel=files, callers=files)]

    def change(record: Record, point, number: int) -> Record:
        if point.strategy == "multi_model" and point.instances == 4 and point.cpu_threads == 4:
            late(record, 60.0)
        return record

    return matched(World(cpus=16), REFUTED, grid=grid, change=change)


@scenario
def everything_runs_into_the_limit():
    def change(record: Record, point, number: int) -> Record:
        late(record, 60.0)
        return record

    planted = matched(World(rtf=2.0), UNDECIDED, UNDECIDED, change=change)

    def check(outcome: Outcome) -> None:
        assert outcome.finding("recommendation").verdict == UNMEASURED
        assert "None" not in outcome.finding("recommendation").answer
        assert "timeout_s" in outcome.finding("recommendation").answer

    planted.check = check
    return planted


@scenario
def everything_fails_in_the_same_way():
    def change(record: Record, point, number: int) -> Record:
        error = "RuntimeError: out of memory"
        record["starts"][0] |= {"status": "failed", "error": error, "passes": []}
        return record | {"status": "failed", "error": error}

    planted = matched(World(), UNDECIDED, change=change)

    def check(outcome: Outcome) -> None:
        answer = outcome.finding("recommendation").answer
        assert "None" not in answer and "out of memory" in answer

    planted.check = check
    return planted


def late(record: Record, limit: float, step: str = "a repeat") -> None:
    """The run's (last) pass was cut off at the limit, or a step before or after it."""
    start = record["starts"][0]
    error = f"{step} took longer than {limit:g} s"
    start |= {"status": "timeout", "error": error}
    record |= {"status": "timeout", "error": error}
    if step == "a repeat":
        start["stopped_in_repeat"] = start["passes"][-1]["repeat"]
        start["passes"] = start["passes"][:-1]
    elif step == "a warm-up":
        start["stopped_in_repeat"] = 0
        start["passes"] = []
    elif step == "loading the models":
        start |= {"passes": [], "loads": [], "memory_after": None}


def late_once(step: str):
    def change(record: Record, point, number: int) -> Record:
        if number == 2 and point.strategy == "multi_model":
            late(record, 900.0, step)
        return record

    return change


@scenario
def one_load_takes_too_long():
    """Five equal rounds are left; loading is no transcription of more than 60 s."""
    return matched(World(), CONFIRMED, change=late_once("loading the models"))


@scenario
def one_warm_up_takes_too_long():
    return matched(World(), CONFIRMED, change=late_once("a warm-up"))


@scenario
def one_hang_at_exit():
    """Its pass of 2 s is a good one, and there is no second of 60 s."""
    planted = matched(World(), CONFIRMED, change=late_once("ending"))

    def check(outcome: Outcome) -> None:
        runs = outcome.results.runs
        runs = runs[(runs["machine"] == outcome.label) & (runs["round"] == 2)]
        hung = runs[(runs["strategy"] == "multi_model") & runs["counts"]]
        assert hung["makespan_s"].max() < 10

    planted.check = check
    return planted


@scenario
def seven_processes_hang_at_exit():
    def change(record: Record, point, number: int) -> Record:
        if point.strategy == "multi_process":
            late(record, 60.0, "ending")
        return record

    return matched(World(), CONFIRMED, CONFIRMED, change=change)


def slower_again(factor: float):
    return lambda point, number: factor if point.replica == 2 else 1.0


@scenario
def the_same_twice_is_the_same():
    planted = matched(World(), CONFIRMED, grid=[*MATCHED, *AGAIN])
    planted.allowed["noise_floor"] = CONFIRMED
    return planted


@scenario
def the_same_twice_differs():
    """A machine on which the same takes 10 % longer decides nothing."""
    planted = matched(World(), UNDECIDED, grid=[*MATCHED, *AGAIN], shift=slower_again(1.10))
    planted.allowed["noise_floor"] = REFUTED
    return planted


@scenario
def the_same_twice_differs_and_so_do_models():
    planted = matched(World(many=1.2), UNDECIDED, grid=[*MATCHED, *AGAIN], shift=slower_again(1.10))
    planted.allowed["noise_floor"] = REFUTED
    return planted


@scenario
def others_slow_one_side_in_half_of_the_rounds():
    """With them many models are slower, without them equal: open."""

    def change(record: Record, point, number: int) -> Record:
        if point.strategy == "multi_model" and number % 2:
            for one in record["starts"][0]["passes"]:
                disturb(one, 1.6)
        return record

    return matched(World(), NOT_REFUTED, change=change, rounds=range(1, 13))


@scenario
def others_are_there_in_every_round():
    """All rounds beside a backup: what is said must say so."""

    def change(record: Record, point, number: int) -> Record:
        for one in record["starts"][0]["passes"]:
            disturb(one, 1.0)
        return record

    planted = matched(World(), (CONFIRMED, *UNDECIDED), change=change)

    def check(outcome: Outcome) -> None:
        found = outcome.finding("one_or_many")
        assert any("disturb" in note.lower() for note in found.notes) or found.verdict == OPEN

    planted.check = check
    return planted


def disturb(one: Record, factor: float, cpus: float = 2.5) -> None:
    one["makespan_s"] *= factor
    one["foreign_cpu_s"] = cpus * one["makespan_s"]
    one["foreign_cpu_share"] = cpus / 4
    for task in one["transcriptions"]:
        task["started_s"] *= factor
        task["finished_s"] *= factor


@scenario
def a_busy_neighbour_on_one_of_64_cpus():
    """One foreign CPU is 1.6 % of the machine, and yet holds up a team of 64 threads."""
    grid = [arm(w=2, t=32), arm("multi_model", n=2, t=32)]

    def change(record: Record, point, number: int) -> Record:
        if point.strategy == "multi_model":
            for one in record["starts"][0]["passes"]:
                disturb(one, 1.5, cpus=1.0)
                one["foreign_cpu_share"] = 1 / 64
        return record

    planted = Planted(World(cpus=64).records(grid, change=change))

    def check(outcome: Outcome) -> None:
        runs = outcome.results.runs
        mine = runs[(runs["machine"] == outcome.label) & (runs["strategy"] == "multi_model")]
        assert mine["disturbed"].all()

    planted.check = check
    return planted


@scenario
def a_neighbour_on_a_machine_that_is_mostly_idle():
    """Four of 64 CPUs are foreign, and 60 are idle: nothing was disturbed."""
    grid = [arm(w=2, t=1), arm("multi_model", n=2, t=1)]

    def change(record: Record, point, number: int) -> Record:
        for one in record["starts"][0]["passes"]:
            one["foreign_cpu_s"] = 4 * one["makespan_s"]
            one["foreign_cpu_share"] = 4 / 64
        return record

    planted = matched(World(cpus=64), CONFIRMED, grid=grid, change=change)
    return planted


@scenario
def records_of_another_study_under_the_label():
    """Other files, other truth: two studies are no pair."""
    own = World().records(MATCHED)
    other = World(audio_s=(7.0,) * 8, many=1.5).records(MATCHED, range(7, 13), seed=2)
    for record in other:
        record["study"] = "another"
        for sound in record["audio"]:
            sound["sha256"] = "f" + sound["sha256"][1:]
    return Planted(own + other, {"one_or_many": NOT_REFUTED})


def damaged(value) -> Planted:
    def change(record: Record, point, number: int) -> Record:
        if number == 3 and point.strategy == "multi_model":
            record["starts"][0]["passes"][-1]["makespan_s"] = value
        return record

    planted = matched(World(), CONFIRMED, change=change)

    def check(outcome: Outcome) -> None:
        mine = [f for f in outcome.results.left_out if f"/{outcome.label}/" in f]
        assert len(mine) == 1

    planted.check = check
    return planted


@scenario
def a_makespan_of_zero():
    return damaged(0.0)


@scenario
def a_negative_makespan():
    return damaged(-2.0)


@scenario
def a_makespan_that_is_no_number():
    return damaged(float("nan"))


# ---------------------------------------------------------------- 3 threads

THREADS = [arm(w=2, t=t) for t in (1, 2, 4)]
ONE_WORKER = [arm(w=1, t=t) for t in (1, 2, 4)]


@scenario
def threads_are_kept():
    return Planted(World(cpus=16).records([*THREADS, *ONE_WORKER]), {"threads_limit": CONFIRMED})


@scenario
def threads_are_ignored():
    world = World(cpus=64, ignores_threads=8)
    return Planted(world.records([*THREADS, *ONE_WORKER]), {"threads_limit": REFUTED})


@scenario
def a_quota_hides_that_threads_are_ignored():
    world = World(cpus=8, quota=1.0, ignores_threads=8, rtf=0.1)
    return Planted(world.records([*THREADS, *ONE_WORKER]), {"threads_limit": NOT_CONFIRMED})


@scenario
def a_quota_of_two_hides_that_threads_are_ignored():
    world = World(cpus=16, quota=2.0, ignores_threads=8, rtf=0.1)
    grid = [arm(w=1, t=1), arm(w=1, t=2), arm(w=2, t=1)]
    return Planted(world.records(grid), {"threads_limit": NOT_CONFIRMED})


@scenario
def more_threads_are_faster():
    world = World(cpus=16)
    return Planted(world.records(THREADS), {"best_threads": CONFIRMED})


@scenario
def threads_do_not_matter():
    world = World(cpus=16, gain=0.0)
    return Planted(world.records(THREADS), {"best_threads": REFUTED})


@scenario
def the_best_number_of_threads_never_rests_on_survivors():
    """4 threads: over the limit in 3 of 6 rounds, else 5 % faster than 2 threads always are."""

    def change(record: Record, point, number: int) -> Record:
        if point.cpu_threads == 4 and number % 2:
            late(record, 60.0)
        return record

    def shift(point, number: int) -> float:
        return {1: 1.5, 2: 1.0 * 2**0.7, 4: 0.95 * 4**0.7}[point.cpu_threads]

    records = World(cpus=16).records(THREADS, shift=shift, change=change)
    planted = Planted(records)

    def check(outcome: Outcome) -> None:
        assert outcome.finding("best_threads").evidence[0]["cpu_threads"] == 2
        assert settings(outcome)[2] == 2

    planted.check = check
    return planted


@scenario
def threads_beyond_the_cpus_cost():
    grid = [arm(w=2, t=t) for t in (1, 2, 4)]
    world = World(cpus=4, crowded=1.3)
    return Planted(world.records(grid), {"oversubscription": CONFIRMED})


@scenario
def threads_beyond_the_cpus_help():
    grid = [arm(w=2, t=t) for t in (1, 2, 4)]
    world = World(cpus=4, crowded=0.85, gain=0.99)
    records = world.records(grid, shift=lambda p, n: 0.8 if p.cpu_threads == 4 else 1.0)
    return Planted(records, {"oversubscription": REFUTED})


@scenario
def threads_beyond_a_quota_cost():
    grid = [arm(w=2, t=1), arm(w=2, t=4)]
    world = World(cpus=8, quota=2.0, crowded=1.5, rtf=0.1)
    return Planted(world.records(grid), {"oversubscription": CONFIRMED})


@scenario
def a_reference_that_leaves_four_of_six_cpus_idle():
    """2 x 4 threads on 6 CPUs are faster than 2 x 1, which is no reference for a full machine."""
    world = World(cpus=6, crowded=1.2, gain=0.9)
    grid = [arm(w=2, t=1), arm(w=2, t=4)]
    return Planted(world.records(grid), {"oversubscription": UNDECIDED})


# ---------------------------------------------------------------- 4 workers and files


def four_files(*workers: int):
    return [arm(w=w, t=1, f=4) for w in workers]


@scenario
def as_many_workers_as_files_is_best():
    return Planted(
        World(cpus=8).records(four_files(1, 2, 4, 8)), {"workers_equal_files": CONFIRMED}
    )


@scenario
def fewer_workers_are_faster():
    records = World(cpus=8).records(
        four_files(2, 4), shift=lambda p, n: 0.3 if p.num_workers == 2 else 1.0
    )
    return Planted(records, {"workers_equal_files": REFUTED})


@scenario
def more_workers_than_files_are_faster():
    records = World(cpus=8).records(
        four_files(2, 4, 8), shift=lambda p, n: 0.8 if p.num_workers == 8 else 1.0
    )
    return Planted(records, {"workers_equal_files": REFUTED})


# ---------------------------------------------------------------- 5 GPUs


def gpus(*lists: str, f: int = 3, strategies=("one_model",), **more):
    made = []
    for devices in lists:
        count = len(devices.split(","))
        for strategy in strategies:
            n = count if strategy != "one_model" else 1
            made.append(arm(strategy, n=n, f=f, device_index=devices, **CUDA, **more))
    return made


@scenario
def three_gpus_of_a_list_work():
    world = World(gpu_holds=1.0)
    return Planted(world.records(gpus("0", "0,1,2")), {"several_gpus": CONFIRMED})


@scenario
def one_gpu_of_a_list_works():
    world = World(gpu_holds=1.0, gpus_used=1)
    return Planted(world.records(gpus("0", "0,1,2")), {"several_gpus": REFUTED})


@scenario
def two_of_three_gpus_work():
    """1.5 times as fast, and yet "works on all of them" is not true."""
    world = World(gpu_holds=1.0, gpus_used=2)
    return Planted(world.records(gpus("0", "0,1,2")), {"several_gpus": NOT_CONFIRMED})


@scenario
def a_list_is_as_good_as_one_model_per_gpu():
    world = World(gpu_holds=1.0)
    grid = gpus("0,1,2", strategies=("one_model", "multi_model"))
    return Planted(world.records(grid), {"one_per_gpu": CONFIRMED})


@scenario
def one_model_per_gpu_is_faster():
    world = World(gpu_holds=1.0, many=0.85)
    grid = gpus("0,1,2", strategies=("one_model", "multi_model"))
    return Planted(world.records(grid), {"one_per_gpu": REFUTED})


@scenario
def few_noisy_rounds_show_no_saturation():
    world = World(gpu_holds=4.0, spread=0.5)
    grid = [arm(w=w, f=4, **CUDA) for w in (1, 2, 4)]
    return Planted(world.records(grid, rounds=range(1, 5)), {"gpu_saturation": (CONFIRMED, OPEN)})


# ---------------------------------------------------------------- 6 memory

COPIES = [arm(w=1, t=1, f=4), arm(w=2, t=1, f=4), arm(w=4, t=1, f=4),
          arm("multi_model", n=2, t=1, f=4), arm("multi_model", n=4, t=1, f=4)]  # fmt: skip


@scenario
def workers_share_the_model():
    return Planted(
        World(cpus=8).records(COPIES),
        {"memory_workers": CONFIRMED, "memory_instances": REFUTED},
    )


@scenario
def workers_copy_the_model():
    return Planted(World(cpus=8, worker_mb=58.0).records(COPIES), {"memory_workers": REFUTED})


@scenario
def instances_share_the_model():
    return Planted(World(cpus=8, instance_mb=1.0).records(COPIES), {"memory_instances": CONFIRMED})


@scenario
def workers_copy_the_model_at_their_first_call():
    """After loading there is one copy, after the first calls one for each worker."""
    world = World(cpus=8, first_use_mb=1500.0, models=(Model(mb=1500.0),))
    return Planted(world.records(COPIES), {"memory_workers": NOT_CONFIRMED})


@scenario
def workers_take_buffers_when_they_work():
    """60 MB for each worker in use, which is no copy of a model of 85 MB."""
    world = World(cpus=8, first_use_mb=60.0, models=(Model(mb=85.0),))
    return Planted(world.records(COPIES), {"memory_workers": CONFIRMED})


@scenario
def a_small_and_a_large_model_on_a_gpu():
    """The small one's memory is mostly CUDA's context; the large one is decided for itself."""
    world = World(models=(Model("tiny", mb=75.0), Model("large", mb=3000.0)))
    grid = [arm(w=w, f=4, **CUDA) for w in (1, 2, 4)]
    records = world.records(on("tiny", grid) + on("large", grid))
    return Planted(records, {("memory_workers", "large"): CONFIRMED})


# ---------------------------------------------------------------- 7 cold starts


def starts(
    *counts: tuple[float, int, int], error: str | None = None, **values: object
) -> list[Record]:
    """Cold starts of four models: (stagger, failures, starts)."""
    made = []
    for stagger, failures, of in counts:
        point = arm("multi_model", n=4, t=1, f=0, init_stagger_s=stagger, **values)
        record = cold_start(World(), point, failures, of)
        if error:
            for start in record["starts"]:
                start["error"] = start["error"] and error
        made.append(record)
    return made


#: Ways to load by name, and starts of each.
LOADED_BY_NAME = (("cold", 30), ("cached", 20))


@scenario
def no_start_fails():
    return Planted(starts((0.0, 0, 30), (0.5, 0, 4)), {"init_race": REFUTED})


@scenario
def starts_at_once_race():
    return Planted(starts((0.0, 13, 20), (0.5, 0, 20)), {"init_race": CONFIRMED})


@scenario
def too_few_starts():
    return Planted(starts((0.0, 0, 5), (0.5, 0, 5)), {"init_race": UNDECIDED})


@scenario
def starts_without_memory_are_no_race():
    error = "RuntimeError: 1 of 4 instances did not load: MemoryError: out of memory"
    return Planted(starts((0.0, 13, 20), (0.5, 0, 20), error=error), {"init_race": NOT_CONFIRMED})


@scenario
def names_that_race_and_folders_that_do_not():
    by_name = starts((0.0, 13, 20), (0.5, 0, 20), load="cold")
    by_name += starts((0.0, 0, 30), load="cached")
    truth = {"init_race": REFUTED, "init_race_by_name": CONFIRMED}
    return Planted(starts((0.0, 0, 30)) + by_name, truth)


@scenario
def names_that_do_not_race():
    ways = [starts((0.0, 0, 30), (0.5, 0, 10), load=load) for load in ("cold", "cached")]
    return Planted([*ways[0], *ways[1]], {"init_race_by_name": REFUTED})


@scenario
def too_few_starts_by_name_in_one_way():
    ways = [starts((0.0, 0, n), (0.5, 0, 10), load=load) for load, n in LOADED_BY_NAME]
    return Planted([*ways[0], *ways[1]], {"init_race_by_name": UNDECIDED})


@scenario
def a_hub_without_an_answer_is_no_race():
    error = "RuntimeError: 1 of 4 instances did not load: ConnectError: Connection refused"
    made = starts((0.0, 13, 20), (0.5, 0, 20), error=error, load="cold")
    return Planted(made, {"init_race_by_name": NOT_CONFIRMED})


# ---------------------------------------------------------------- 8 recommended settings


def settings(outcome: Outcome) -> tuple[str, int, int, int]:
    """Strategy, workers, threads and callers of what is recommended."""
    best = outcome.recommended.evidence
    assert best is not None
    return best.strategy, best.num_workers, best.cpu_threads, best.callers


@scenario
def one_file_at_a_time_with_all_threads_is_fastest():
    """Memory feeds 2.5 cores, and jobs side by side lose more than threads do."""
    world = World(cpus=4, gain=0.95)
    grid = [arm(c=1, t=1), arm(c=1, t=4), arm(w=2, t=1), arm(w=2, t=2)]
    records = world.records(grid, shift=lambda p, n: 1.5 if p.callers > 1 else 1.0)
    planted = Planted(records)

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[2:] == (4, 1)

    planted.check = check
    return planted


@scenario
def the_fastest_in_every_common_round():
    """X is 20 % faster than Y in each round that both have; Y also has later, faster rounds."""
    x, y = arm(w=2, t=2), arm(w=2, t=1)
    own = World(gain=0.0).records(
        [x, y], range(1, 5), shift=lambda p, n: 1.2 if p.cpu_threads == 1 else 1.0
    )
    later = World(gain=0.0).records(
        [y], range(5, 21), seed=2, at=lambda p, n: 500 + n, shift=lambda p, n: 0.84
    )
    planted = Planted(own + later)

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[2] == 2

    planted.check = check
    return planted


@scenario
def the_fastest_by_a_chain_of_common_rounds():
    """X beats Y, Y beats Z; Z was measured with Y only, in an hour that was fast for both."""
    x, y, z = arm(w=2, t=4), arm(w=2, t=2), arm(w=2, t=1)
    world = World(gain=0.0, cpus=16)
    cost = {4: 1.0, 2: 1.1, 1: 1.2}
    own = world.records([x, y], range(1, 7), shift=lambda p, n: cost[p.cpu_threads])
    later = world.records(
        [y, z],
        range(7, 13),
        seed=2,
        at=lambda p, n: 500 + n + p.cpu_threads / 60,
        shift=lambda p, n: 0.7 * cost[p.cpu_threads],
    )
    planted = Planted(own + later)

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[2] == 4

    planted.check = check
    return planted


@scenario
def most_workers_are_recommended_where_they_help():
    grid = [arm(c=1, t=1, f=4), *four_files(1, 2, 4)]
    planted = Planted(World(cpus=8).records(grid))

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[1] == 4

    planted.check = check
    return planted


@scenario
def one_disturbed_failure_excludes_no_setting():
    """The fastest was killed in one of 8 rounds, beside a foreign load that took the machine."""

    def change(record: Record, point, number: int) -> Record:
        if number == 4 and point.num_workers == 4:
            late(record, 60.0)
            one = record["starts"][0]["passes"]
            for kept in one:
                disturb(kept, 3.0, cpus=7.5)
        return record

    grid = [arm(c=1, t=1, f=4), *four_files(1, 2, 4)]
    records = World(cpus=8).records(grid, rounds=range(1, 9), change=change)
    return Planted(records, {"recommendation": (CONFIRMED, *UNDECIDED)})


# ---------------------------------------------------------------- 0 texts, planted slow-downs


def say(record: Record, words: Callable[[Record], str]) -> Record:
    for one in record["starts"][0]["passes"]:
        for task in one["transcriptions"]:
            task["text"] = words(task)
    return record


@scenario
def texts_are_the_same():
    return Planted(World().records(T1, range(1, 9)), {"same_text": CONFIRMED})


@scenario
def texts_differ_in_parallel_only():
    def change(record: Record, point, number: int) -> Record:
        return say(record, lambda t: "Another." if point.num_workers > 1 else "The train.")

    return Planted(World().records(T1, rounds=range(1, 9), change=change), {"same_text": REFUTED})


@scenario
def texts_are_random_alone_as_well():
    """A file that is sampled at a temperature has another text each time, alone as in parallel."""

    def change(record: Record, point, number: int) -> Record:
        return say(record, lambda t: f"Text {point.num_workers} {point.callers} {number}.")

    return Planted(
        World().records(T1, rounds=range(1, 9), change=change), {"same_text": NOT_REFUTED}
    )


@scenario
def a_planted_slow_down_is_found():
    grid = [arm(w=2, t=1), arm(w=2, t=1, slowdown=0.15)]
    return Planted(World().records(grid), {"planted_effect": CONFIRMED})


PLAIN = {"condition_on_previous_text": False, "temperature_fallback": False}


def batches(cost: float, allowed: Verdicts) -> Planted:
    grid = [arm(w=2, t=1, **PLAIN), arm(w=2, t=1, batch_size=8, **PLAIN)]
    return Planted(World(batches=cost).records(grid), {"batching": allowed})


@scenario
def batches_are_faster():
    return batches(0.7, CONFIRMED)


@scenario
def batches_are_no_faster():
    return batches(1.0, REFUTED)


@scenario
def batches_are_slower():
    return batches(1.3, REFUTED)


@scenario
def batches_of_other_work_are_no_pair():
    """Without batches the previous text is used, with them it is not: unlike work."""
    grid = [arm(w=2, t=1), arm(w=2, t=1, batch_size=8, **PLAIN)]
    return Planted(World(batches=0.5).records(grid), {"batching": UNDECIDED})


# ---------------------------------------------------------------- matches

NOISY = World(spread=0.1)  # rounds of which decide nothing


def met(world: World, allowed: dict[str, Verdicts], count: int = 8, **more) -> Planted:
    """Noisy rounds of one model and others, and matches of them as the world says."""
    grid = [*T1, *T2, *MATCHED[1:], *AGAIN]
    rounds = replace(world, spread=0.1, states=0.0).records(grid, range(1, 5))
    return Planted(rounds + world.matches([*MATCHED, *AGAIN], count, **more), dict(allowed))


@scenario
def noisy_rounds_alone_decide_nothing():
    return met(World(), {"one_or_many": OPEN, "processes": OPEN}, count=1)


@scenario
def matches_decide_what_noisy_rounds_leave_open():
    said = {"one_or_many": CONFIRMED, "processes": CONFIRMED, "noise_floor": CONFIRMED}
    planted = met(World(spread=0.03), said)

    def check(outcome: Outcome) -> None:
        found = outcome.finding("one_or_many")
        assert found.evidence[0]["matches"] == 8 and found.evidence[0]["passes"] == 48
        assert [look["matches"] for look in found.ladder] == [1, 2, 3, 4, 5, 6, 8]
        assert found.more_rounds is None and found.more_minutes is None

    planted.check = check
    return planted


@scenario
def matches_find_many_models_slower():
    return met(World(spread=0.03, many=1.2), {"one_or_many": REFUTED, "processes": CONFIRMED})


@scenario
def matches_find_processes_faster():
    said = {"one_or_many": CONFIRMED, "processes": REFUTED}
    return met(World(spread=0.03, processes=0.85), said)


@scenario
def four_matches_are_no_look():
    return met(World(spread=0.001), {"one_or_many": OPEN, "processes": OPEN}, count=4)


@scenario
def matches_at_the_edge_of_the_margin_stay_open():
    return met(World(spread=0.03, many=1.05), {"one_or_many": OPEN})


@scenario
def wild_matches_stay_open_and_say_how_long_it_takes():
    planted = met(World(spread=0.4), {"one_or_many": OPEN})

    def check(outcome: Outcome) -> None:
        found = outcome.finding("one_or_many")
        assert found.more_minutes is None or "decide={minutes: " in found.more_minutes.command

    planted.check = check
    return planted


@scenario
def a_few_more_minutes_decide_it():
    planted = met(World(spread=0.14), {"one_or_many": OPEN}, count=6)

    def check(outcome: Outcome) -> None:
        more = outcome.finding("one_or_many").more_minutes
        assert more is not None and more.minutes > 0
        assert f"minutes: {5 + more.minutes}" in more.command, "six matches took five minutes"

    planted.check = check
    return planted


@scenario
def two_states_of_processes_are_no_difference():
    return met(World(spread=0.005, states=0.08), {"one_or_many": NOT_REFUTED}, count=6)


@scenario
def what_met_for_others_sake_is_not_judged_by_matches():
    """One model met processes in these matches, which were to decide it against many alone."""
    world = World(spread=0.03, processes=1.1)
    return met(world, {"one_or_many": CONFIRMED, "processes": OPEN}, contests=[(0, 1)])


@scenario
def a_side_that_dies_ends_its_match_and_its_whole_blocks_count():
    def dies(record: Record, number: int) -> Record:
        if number < 7:
            return record
        side = record["sides"][1] | {"status": "killed", "error": "killed by SIGKILL"}
        sides = [record["sides"][0], side, *record["sides"][2:]]
        return record | {"status": "killed", "error": side["error"], "sides": sides,
                         "passes": record["passes"][:8]}  # fmt: skip

    planted = met(World(spread=0.03), {"one_or_many": CONFIRMED}, change=dies)

    def check(outcome: Outcome) -> None:
        assert outcome.finding("one_or_many").evidence[0]["passes"] == 6 * 6 + 2 * 2

    planted.check = check
    return planted


def disturbed_in(first: int, factor: float):
    """Blocks from this one on in which others took the CPUs and held one side up."""

    def change(record: Record, number: int) -> Record:
        passes = [
            one
            if one["block"] < first
            else one
            | {"foreign_cpu_s": 3.9 * one["makespan_s"], "foreign_cpu_share": 0.97}
            | {"makespan_s": one["makespan_s"] * (factor if one["side"] == 1 else 1.0)}
            for one in record["passes"]
        ]
        return record | {"passes": passes}

    return change


@scenario
def disturbed_blocks_do_not_count():
    change = disturbed_in(3, 1.5)
    return met(World(spread=0.02), {"one_or_many": CONFIRMED}, change=change)


@scenario
def matches_that_others_disturbed_throughout_decide_nothing():
    change = disturbed_in(0, 1.5)
    return met(World(spread=0.02), {"one_or_many": OPEN}, change=change)


@scenario
def what_differs_from_itself_in_matches_puts_all_in_doubt():
    """The second of two equal configurations is slower, match after match."""
    said = {"noise_floor": REFUTED, "one_or_many": OPEN, "processes": OPEN}
    return met(World(spread=0.02), said, change=_slower(3, 1.2))


@scenario
def the_side_that_matches_favour_is_what_is_pasted():
    """Rounds like two threads better, by chance; matches show that one thread is faster."""
    x, y = arm(w=2, t=2), arm(w=2, t=1)
    flattered = World(spread=0.01).records(
        [x, y], range(1, 7), shift=lambda p, n: 0.9 if p.cpu_threads == 2 else 1.0
    )
    truth = World(spread=0.02, gain=0.0, crowded=1.0)
    slower = truth.matches([x, y], change=_slower(0, 1.3))
    planted = Planted(flattered + slower, {"recommendation": CONFIRMED})

    def check(outcome: Outcome) -> None:
        assert outcome.recommended.status == "confirmed"
        assert outcome.recommended.whisper_model.cpu_threads == 1
        assert any("Chosen first" in n for n in outcome.finding("recommendation").notes)

    planted.check = check
    return planted


def _slower(side: int, factor: float):
    def change(record: Record, number: int) -> Record:
        passes = [
            one | {"makespan_s": one["makespan_s"] * (factor if one["side"] == side else 1.0)}
            for one in record["passes"]
        ]
        return record | {"passes": passes}

    return change


@scenario
def damaged_matches_are_left_out_and_named():
    planted = met(World(spread=0.03), {"one_or_many": OPEN}, change=_torn)

    def check(outcome: Outcome) -> None:
        assert len(outcome.results.left_out) == 5

    planted.check = check
    return planted


def _torn(record: Record, number: int) -> Record:
    """More than three matches without their last pass, so no whole blocks: not as we write them."""
    return record if number < 4 else record | {"passes": record["passes"][:-1]}


# ---------------------------------------------------------------- deaths, stalls, other machines


def killed(record: Record, error: str = "killed by SIGKILL", keep: int = 1) -> Record:
    """The run died after so many passes."""
    start = record["starts"][0]
    start |= {"status": "killed", "error": error, "passes": start["passes"][:keep]}
    return record | {"status": "killed", "error": error}


def ended(side: int, first: int, status: str, error: str):
    """From a match on, a side ends it after four whole blocks."""

    def change(record: Record, number: int) -> Record:
        if number < first:
            return record
        sides = list(record["sides"])
        sides[side] = sides[side] | {"status": status, "error": error}
        passes = [one for one in record["passes"] if one["block"] < 4]
        return record | {"status": status, "error": error, "sides": sides, "passes": passes}

    return change


@scenario
def many_models_that_die_in_every_other_round_are_not_as_good():
    def change(record: Record, point, number: int) -> Record:
        return killed(record) if number % 2 and point.strategy == "multi_model" else record

    records = World().records(MATCHED[:2], range(1, 11), change=change)
    planted = Planted(records, {"one_or_many": (REFUTED, OPEN), "memory_limit": OPEN})

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[0] == "one_model"

    planted.check = check
    return planted


@scenario
def a_side_that_crashes_in_two_of_eight_matches_is_not_as_good():
    change = ended(0, 7, "killed", "killed by SIGSEGV")
    grid = [arm(w=2, t=1), arm("multi_model", n=2, t=1)]
    rounds = World(spread=0.03).records(grid, range(1, 7))
    planted = Planted(
        rounds + World(spread=0.02).matches(grid, change=change), {"one_or_many": OPEN}
    )

    def check(outcome: Outcome) -> None:
        assert any("SIGSEGV" in note for note in outcome.finding("one_or_many").notes)
        assert settings(outcome)[0] == "multi_model" and outcome.recommended.status == "not yet"

    planted.check = check
    return planted


@scenario
def a_side_that_hangs_in_every_match_is_not_as_good():
    change = ended(1, 1, "timeout", "a repeat took longer than 60 s")
    return met(World(spread=0.02), {"one_or_many": OPEN}, change=change)


@scenario
def a_side_killed_beside_others_may_have_lacked_their_memory():
    """Alone it may have room: whole blocks count, and it stays a candidate."""
    change = ended(0, 7, "killed", "killed by SIGKILL (most likely out of memory)")
    grid = [arm(w=2, t=1), arm("multi_model", n=2, t=1)]
    rounds = World(spread=0.03).records(grid, range(1, 7))
    planted = Planted(
        rounds + World(spread=0.02).matches(grid, change=change), {"one_or_many": CONFIRMED}
    )

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[0] == "one_model"

    planted.check = check
    return planted


@scenario
def who_is_killed_for_memory_has_no_peak_that_fits():
    def change(record: Record, point, number: int) -> Record:
        return killed(record, keep=0) if point.strategy == "multi_process" else record

    records = World().records([*T1, *MATCHED[1:]], change=change)
    planted = Planted(records, {"memory_limit": OPEN, "processes": UNMEASURED})

    def check(outcome: Outcome) -> None:
        assert "killed" in outcome.finding("processes").answer

    planted.check = check
    return planted


@scenario
def what_grows_until_it_is_killed_has_come_to_no_plateau():
    def change(record: Record, point, number: int) -> Record:
        if point.num_workers == 1:
            return record
        for place, one in enumerate(record["starts"][0]["passes"]):
            one["memory"] = {
                name: size + 300_000_000 * place for name, size in one["memory"].items()
            }
        return killed(record, keep=5)

    grid = [arm(w=2, t=1), arm(w=1, t=1)]
    records = World().records(grid, repeats=8, change=change)
    return Planted(records, {"memory_growth": OPEN, "memory_limit": OPEN})


def growing(step: float, every: int):
    """Memory that rises by so many bytes every so many passes."""

    def change(record: Record, point, number: int) -> Record:
        for place, one in enumerate(record["starts"][0]["passes"]):
            more = round(step * ((place + every - 1) // every))
            one["memory"] = {name: size + more for name, size in one["memory"].items()}
            one["rss_peak_bytes"] = one["memory"]["rss"]
        return record

    return change


@scenario
def the_peak_of_what_leaks_is_no_bound():
    records = World().records(T1, repeats=8, change=growing(30e6, 1))
    return Planted(records, {"memory_growth": REFUTED, "memory_limit": OPEN})


@scenario
def a_leak_in_steps_is_no_plateau():
    records = World().records(T1, repeats=10, change=growing(100e6, 5))
    return Planted(records, {"memory_growth": (REFUTED, OPEN)})


@scenario
def one_pass_in_three_of_many_models_stalls():
    """Its typical pass is as fast, its mean 1.67 times as long."""

    def change(record: Record, point, number: int) -> Record:
        if point.strategy == "multi_model":
            one = record["starts"][0]["passes"][1 + number % 3]
            one["makespan_s"] *= 3
            for task in one["transcriptions"]:
                task["finished_s"] *= 3
        return record

    records = World().records(MATCHED, range(1, 9), repeats=3, change=change)
    return Planted(records, {"one_or_many": NOT_CONFIRMED, "processes": CONFIRMED})


@scenario
def one_block_of_every_match_stalls():
    def change(record: Record, number: int) -> Record:
        passes = [
            one | {"makespan_s": one["makespan_s"] * (3 if stalls(one, number) else 1)}
            for one in record["passes"]
        ]
        return record | {"passes": passes}

    def stalls(one: Record, number: int) -> bool:
        return one["side"] == 1 and one["block"] == number % 6

    return met(World(spread=0.02), {"one_or_many": OPEN}, change=change)


@scenario
def the_fast_ones_were_killed_once_each():
    """The slowest is left alone: that it is the best was not shown."""

    def change(record: Record, point, number: int) -> Record:
        dies = (point.num_workers == 2 and number == 3) or (
            point.strategy == "multi_model" and number == 7
        )
        return killed(record) if dies else record

    grid = [arm(c=1, t=1), arm(w=2, t=1), arm("multi_model", n=2, t=1)]
    planted = Planted(World().records(grid, range(1, 13), change=change), {"recommendation": OPEN})

    def check(outcome: Outcome) -> None:
        assert outcome.recommended.status == "not yet"
        notes = outcome.finding("recommendation").notes
        assert sum(note.startswith("Faster, but out") for note in notes) == 2

    planted.check = check
    return planted


@scenario
def a_single_setting_is_compared_with_nothing():
    planted = Planted(World().records([arm(w=2, t=1)]), {"recommendation": UNMEASURED})

    def check(outcome: Outcome) -> None:
        assert outcome.recommended.status == "not compared" and settings(outcome)[1] == 2

    planted.check = check
    return planted


@scenario
def many_models_ran_on_fewer_cpus():
    """Each side as fast as it can be: the one CPU is what differs."""

    def change(record: Record, point, number: int) -> Record:
        if point.strategy == "multi_model":
            record["host"] = record["host"] | {"affinity_cpus": 1}
        return record

    def shift(point, number: int) -> float:
        return 2.0 if point.strategy == "multi_model" else 1.0

    records = World(cpus=8).records(MATCHED, shift=shift, change=change)
    return Planted(records, {"one_or_many": UNMEASURED, "processes": CONFIRMED})


def elsewhere(**facts):
    """Many models were measured on a host with other facts, and are slower by 20 %."""

    def change(record: Record, point, number: int) -> Record:
        if point.strategy == "multi_model":
            record["host"] = record["host"] | facts
        return record

    def shift(point, number: int) -> float:
        return 1.2 if point.strategy == "multi_model" else 1.0

    return World().records(MATCHED, shift=shift, change=change)


@scenario
def many_models_ran_on_another_kind_of_cpu():
    planted = Planted(elsewhere(cpu_model="Another CPU"), {"one_or_many": UNMEASURED})

    def check(outcome: Outcome) -> None:
        assert outcome.recommended.status != "confirmed"

    planted.check = check
    return planted


@scenario
def many_models_ran_with_another_engine():
    versions = {"python": "3.11", "faster-whisper": "1.2.1", "ctranslate2": "4.5.0"}
    return Planted(elsewhere(versions=versions), {"one_or_many": UNMEASURED})


@scenario
def kinds_of_nodes_that_change_by_round_are_compared():
    def change(record: Record, point, number: int) -> Record:
        record["host"] = record["host"] | {"cpu_model": f"CPU {number % 2}"}
        return record

    records = World().records(MATCHED, range(1, 9), change=change)
    return Planted(records, {"one_or_many": CONFIRMED})


@scenario
def noise_keeps_settings_and_claims_in_doubt():
    """Two measurements of the same differ by 15 %: nothing that rests on times may be confirmed."""

    def shift(point, number: int) -> float:
        return 1.15 if point.replica == 2 else 1.0

    records = World().records([*T1, *T2, *AGAIN], shift=shift)
    planted = Planted(records, {"noise_floor": REFUTED, "recommendation": OPEN})

    def check(outcome: Outcome) -> None:
        assert outcome.recommended.status == "in doubt"
        lines = scoreboard(outcome.results.findings, read_published())
        by_time = [
            one for one in lines if one.finding in ("workers_equal_files", "parallel_or_queue")
        ]
        assert by_time and not {one.verdict for one in by_time} & {CONFIRMED, REFUTED}

    planted.check = check
    return planted


@scenario
def what_matches_show_to_lose_is_not_as_good():
    """Rounds tie three settings; matches show the first choice to be slower by 30 %."""
    grid = [arm(w=2, t=1), arm("multi_model", n=2, t=1), arm(c=1, t=1)]
    rounds = World().records(grid)
    planted = Planted(rounds + World(many=1 / 1.3, spread=0.02).matches(grid[:2]))

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[0] == "multi_model"
        assert outcome.recommended.as_good == []

    planted.check = check
    return planted


@scenario
def the_throughput_of_one_beam_needs_one_beam():
    grid = [arm(w=2, t=1, beam_size=1), arm("multi_model", n=2, t=1, beam_size=1), arm(w=2, t=1)]
    records = World().records(grid, shift=lambda p, n: 0.5 if p.beam_size == 1 else 1.0)
    planted = Planted(records)

    def check(outcome: Outcome) -> None:
        assert any("beam_size=1" in note for note in outcome.recommended.notes)
        assert "beam 1" in outcome.finding("recommendation").answer

    planted.check = check
    return planted


@scenario
def the_faster_of_two_measured_apart_is_recommended_and_not_confirmed():
    records = World(many=2.0).records(
        MATCHED[:2], at=lambda p, n: n + 744 * (p.strategy == "one_model")
    )
    planted = Planted(records, {"one_or_many": UNMEASURED})

    def check(outcome: Outcome) -> None:
        assert settings(outcome)[0] == "one_model" and outcome.recommended.status == "not yet"

    planted.check = check
    return planted


@scenario
def threads_beyond_a_quota_of_one_and_a_half_cost():
    """Two threads keep 1.5 CPUs busy: they are what four are held against."""
    world = World(cpus=8, quota=1.5, crowded=1.25, rtf=0.1)
    grid = [arm(w=1, t=1), arm(w=2, t=1), arm(w=2, t=2)]
    return Planted(world.records(grid), {"oversubscription": CONFIRMED})


# ---------------------------------------------------------------- the tests


#: `make test` has every third scenario, in turn, `make test-all` has all.
PICKED = [
    name if place % 3 == 0 else pytest.param(name, marks=pytest.mark.thorough)
    for place, name in enumerate(SCENARIOS)
]


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKED)
def test_the_report_says_what_is_true(tmp_path, name):
    planted = SCENARIOS[name]()
    outcome = judged(name, planted, tmp_path)
    for key, allowed in planted.allowed.items():
        id, model = key if isinstance(key, tuple) else (key, None)
        found = outcome.finding(id, model)
        allowed = (allowed,) if isinstance(allowed, str) else allowed
        assert found.verdict in allowed, f"{id}: {found.verdict}: {found.answer}"
    if planted.check:
        planted.check(outcome)
    assert planted.allowed or planted.check, "nothing is expected"


@pytest.mark.slow
def test_no_two_scenarios_are_alike():
    texts = Counter(json.dumps(make().records, sort_keys=True) for make in SCENARIOS.values())
    assert max(texts.values()) == 1
