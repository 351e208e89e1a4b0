"""Recommended settings: Pareto front of throughput, cores and memory; choice under limits.

Per machine, and per model, compute type, device and task (the same files, language, beam and word
times): options that only change how they are done, batches and a voice detector among them, compete
where their text is shown to be as good (`texts`).
1. Candidates are the configurations without failed, killed or late repeats. A/A replicas and
   slowed arms take no part in the choice. Files one after another (`callers` 1) do: with all
   threads that may be the fastest way. The choice rests on rounds; matches have no part in it.
2. Admissible are those within the limits of the study: `max_memory_mb` against the memory of the
   process after use (PSS; USS or peak RSS where it is not known), `max_gpu_memory_mb` against its
   memory on all its GPUs, `max_cores` against cores used, `max_file_s` against the longest time
   that any file took from hand-out to text in a repeat that counts, `max_wer_increase` against
   the error rate with other options. A figure that is not known breaks its limit.
3. The fastest admissible one (by makespans relative to each other in common rounds, see
   `together.relative_times`) is compared with every other (paired by round, Bonferroni: it was
   chosen by the same data). Those shown equivalent are tied with it.
4. Among the tied, and those that are neither tied nor slower while their ratio as seen is within
   the margin: least memory (on GPUs that of the GPUs, where it is known of all; differences up to
   5 % or 5 MB count as none), then fewest threads in all, fewest workers, fewest instances. That
   is the winner: frugal first, since step 5 tests that it is not slower. Runner-up: the fastest of
   the rest.
   With a search of the grid (`search`) few runs of each are there: the best is the one that all
   measurements together make the best, and among those expected to be within 1 % of it the most
   frugal wins.
5. Winner and runner-up meet in matches (`deciding`). `confirmed`: the winner is shown not to be
   slower than the runner-up by the margin or more (equivalent, or faster, or by the one-sided test,
   Bonferroni over the contests). `not confirmed`: it is shown to be slower by more than the margin;
   the runner-up is then recommended (`settled`). Else `not yet`. Where rounds alone have shown it
   to be faster beyond all noise (`is_settled`), no match is needed. With no runner-up: where the
   others break limits, two rounds without a failure confirm; where others did not always end well
   it is `not yet`, since they may be faster; where there are no others, `not compared`.

A configuration is dominated, and so not on the Pareto front, if another is at least as good in
throughput, cores used and memory (the same one), and better in one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from parallel_transcription import statistics, words
from parallel_transcription.findings.candidates import (
    broken_limits,
    candidates,
    memory_field,
    pareto,
)
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.searching import search_of
from parallel_transcription.findings.texts import not_as_good
from parallel_transcription.results.finding import Row
from parallel_transcription.results.recommended import Confirmation
from parallel_transcription.results.typed import plain
from parallel_transcription.statistics import Comparison
from parallel_transcription.study.dimensions import DEFAULTS
from parallel_transcription.study.settings import THROUGHPUT

GROUP = ["model", "compute_type", "device", "task", "files_in_parallel", "thread_env", "language",
         "beam_size", "word_timestamps"]  # fmt: skip
#: As many as a report has, about: what rounds settle is corrected for them.
REPORTED_PAIRS = 20
#: Of a search: what is expected to be so little slower (log) is as good, if it takes less memory.
TIED_AS_EXPECTED = 0.01


@dataclass(frozen=True)
class Choice:
    """What was chosen for one kind of work.

    `group` are the values of `GROUP`; `table` the candidates with their `standing`; `memory` the
    field of the memory that was weighed (`memory_field`). `winner` and `runner_up` are rows of the
    table or None; without a winner `reason` says why. `swapped`: fresh rounds favour the one that
    was the runner-up.
    """

    group: Row
    table: list[Row]
    memory: str
    winner: Row | None = None
    runner_up: Row | None = None
    reason: str = ""
    swapped: bool = False


#: What was chosen on machines that are still looked at: many questions ask.
_CHOICES: WeakKeyDictionary[Machine, list[Choice]] = WeakKeyDictionary()


def choices(machine: Machine) -> list[Choice]:
    """One choice per group.

    The first choice is the machine's own: of its main group, with the most candidates, then the
    most files at once, then the fewest options that are not the defaults, then the fastest.
    """
    if machine not in _CHOICES:
        _CHOICES[machine] = _choices(machine)
    return _CHOICES[machine]


def _choices(machine: Machine) -> list[Choice]:
    everything = candidates(machine)
    if not everything:
        return []
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in everything:
        groups.setdefault(tuple(row[name] for name in GROUP), []).append(row)
    result = [
        _choose(machine, dict(zip(GROUP, key, strict=True)), groups[key]) for key in sorted(groups)
    ]
    place = {tuple(asdict(group).values()): k for k, group in enumerate(machine.groups)}
    result.sort(
        key=lambda c: (
            c.winner is None,
            place[c.group["model"], c.group["compute_type"], c.group["device"]],
            -sum(r["standing"] != "out" for r in c.table),
            -int(c.group["files_in_parallel"]),
            len(options_of(c.group)),
            -float(c.winner["rtfx"]) if c.winner else 0.0,
            str(c.group),
        )
    )
    return result


def options_of(group: Row) -> dict[str, Any]:
    """What a kind of work is done with that is not the default, by the name of the dimension."""
    named = ("thread_env", "language", "beam_size", "word_timestamps")
    return {name: group[name] for name in named if group[name] != DEFAULTS[name]}


def _choose(machine: Machine, group: Row, rows: list[Row]) -> Choice:
    rows = sorted(rows, key=lambda r: r["arm"])
    worse = not_as_good(machine, rows)
    for row in rows:
        row["broken"] = [] if row["trouble"] else broken_limits(row, machine.limits)
        if not row["trouble"] and row["arm"] in worse:
            row["broken"].append(worse[row["arm"]])
        row["standing"] = "out" if row["trouble"] else "over the limits" if row["broken"] else ""
        row["pareto"] = False
    sound = [r for r in rows if not r["trouble"]]
    memory = memory_field(sound)
    if sound:
        for row, on_front in zip(sound, pareto(pd.DataFrame(sound), memory), strict=True):
            row["pareto"] = bool(on_front)
    allowed = [r for r in sound if not r["broken"]]
    if not allowed:
        kept = "no configuration keeps the limits"
        reason = kept if sound else "no configuration ran without trouble"
        return Choice(group, rows, memory, reason=reason)
    as_fast = _by_search(machine, allowed)
    if as_fast is None:
        place = places(machine, [r["arm"] for r in allowed])
        allowed.sort(key=lambda r: place[r["arm"]])
        as_fast = _as_fast_as_the_first(machine, allowed)
    winner = _most_frugal(as_fast, memory)
    rest = [r for r in allowed if r is not winner]
    return Choice(group, rows, memory, winner, rest[0] if rest else None)


def settled(machine: Machine, choice: Choice) -> Choice:
    """The choice, or the setting that matches show to be faster than it beyond the margin.

    Any that met it in matches may be: the runner-up, or what another question compares it with.
    """
    winner = choice.winner
    if winner is None or not chosen_by_makespan(machine):
        return choice
    ahead = [
        (pair.result.ratio, row["arm"], row)
        for row in met_in_matches(machine, choice)
        if (pair := machine.compare(winner["arm"], row["arm"])).result.size == statistics.BEYOND
        and pair.result.ratio > 1
    ]
    if not ahead:
        return choice
    best = max(ahead)[2]
    table = [
        row | {"standing": _standing_after(row, winner, best), "ratio_to_best": math.nan}
        for row in choice.table
    ]
    places = {row["arm"]: row for row in table}
    return replace(
        choice,
        table=table,
        winner=places[best["arm"]],
        runner_up=places[winner["arm"]],
        swapped=True,
    )


def chosen_by_makespan(machine: Machine) -> bool:
    """Whether settings are chosen by what matches compare: not where a search is for another."""
    found = search_of(machine)
    return found is None or found.objective == THROUGHPUT


def _standing_after(row: Row, before: Row, best: Row) -> str:
    """How a setting stands once matches have put another one in front of what rounds chose.

    What rounds said is of the one that was the fastest there: of the others nothing is known now.
    """
    if row is best:
        return "fastest"
    if row is before:
        return "slower"
    known = row["standing"] in ("tied", "fastest")
    return "open" if known else str(row["standing"])


def met_in_matches(machine: Machine, choice: Choice) -> list[Row]:
    """The settings within the limits that the chosen one was compared with in matches."""
    winner = choice.winner
    if winner is None:
        return []
    return [
        row
        for row in choice.table
        if row is not winner
        and not row["trouble"]
        and not row["broken"]
        and machine.matches.stage(winner["arm"], row["arm"])
        and machine.compare(winner["arm"], row["arm"]).by_matches
    ]


def places(machine: Machine, arms: Iterable[str]) -> dict[str, tuple[float, str]]:
    """What to sort arms by, the fastest first; those without a time come last.

    By their times relative to each other in common rounds; where some have none with the others, by
    the times of each alone, which no comparison can confirm.
    """
    relative = machine.relative_times(arms)
    timed = [arm for arm in relative if len(_calm_times(machine, arm))]
    if not all(math.isfinite(relative[arm]) for arm in timed):
        relative |= {
            arm: statistics.geometric_interval(_calm_times(machine, arm))[0] for arm in timed
        }
    return {
        arm: (factor if math.isfinite(factor) else math.inf, arm)
        for arm, factor in relative.items()
    }


def _calm_times(machine: Machine, arm: str) -> pd.Series:
    times = machine.times(arm)
    return times.loc[~times["censored"].astype(bool), "makespan_s"].dropna().astype(float)


def _as_fast_as_the_first(machine: Machine, allowed: list[Row]) -> list[Row]:
    """The fastest, and those tied with it or neither tied nor slower within the margin.

    Writes the `standing` of all, and `ratio_to_best` of the others.
    """
    best, others = allowed[0], allowed[1:]
    compared = [machine.compare(best["arm"], r["arm"], in_rounds=True).result for r in others]
    standings = {statistics.EQUIVALENT: "tied", statistics.A_FASTER: "slower"}
    best["standing"] = "fastest"
    for row, result in zip(others, statistics.correct(compared, "bonferroni"), strict=True):
        row["standing"] = standings.get(result.outcome, "open")
        row["ratio_to_best"] = 1 / result.ratio if result.rounds else float("nan")
    _, upper = statistics.band(machine.margin)
    return [
        best,
        *(
            r
            for r in others
            if r["standing"] == "tied" or (r["standing"] == "open" and r["ratio_to_best"] <= upper)
        ),
    ]


def _by_search(machine: Machine, allowed: list[Row]) -> list[Row] | None:
    """Sorts by what a search expects of each, and returns those as good as the best as it sees it.

    Few runs of each say little alone: the surrogate weighs them, and all that is alike, together.
    None where the study has no search. Writes the `standing` of all, and `ratio_to_best`.
    """
    found = search_of(machine)
    if found is None:
        return None
    known = {one.id: one for one in found.state.standings() if one.runs}
    expected = {r["arm"]: known[r["configuration"]] for r in allowed if r["configuration"] in known}
    if not expected:
        return None
    allowed.sort(key=lambda r: -expected[r["arm"]].value if r["arm"] in expected else math.inf)
    first = expected[allowed[0]["arm"]].value
    for row in allowed:
        one = expected.get(row["arm"])
        row["standing"], row["ratio_to_best"] = "open", math.nan
        if one is not None:
            row["ratio_to_best"] = math.exp(first - one.value)
            if first - one.value > TIED_AS_EXPECTED + 2 * one.sd:
                row["standing"] = "slower"
    allowed[0]["standing"] = "fastest"
    return [
        r
        for r in allowed
        if r["arm"] in expected and first - expected[r["arm"]].value <= TIED_AS_EXPECTED
    ]


def _most_frugal(tied: list[Row], memory: str) -> Row:
    """Least memory (small differences count as none), then threads, workers, instances."""
    memories = [r[memory] for r in tied if r[memory] > 0]
    least = min(memories, default=float("nan"))

    def cost(row: Row) -> tuple[Any, ...]:
        heavy = bool(memories) and not row[memory] - least <= max(5.0, 0.05 * least)
        return (
            heavy,
            row[memory] if heavy and row[memory] > 0 else 0.0,
            row["all_threads"],
            row["total_workers"],
            row["instances"],
            words.strategy_place(row["strategy"]),
            row["arm"],
        )

    return min(tied, key=cost)


def confirmation(machine: Machine, choice: Choice) -> Confirmation:
    """What matches say of a choice (see the module's text, 5)."""
    winner, second = choice.winner, choice.runner_up
    if winner is None:
        raise ValueError("there is no winner to confirm")
    if second is None:
        return Confirmation(_alone(winner, choice.table))
    against = second["configuration"]
    if not chosen_by_makespan(machine):
        return Confirmation("not yet", against=against)
    pair = machine.compare(winner["arm"], second["arm"])
    if not pair.by_matches:
        status = "confirmed" if settled_by_rounds(pair) and pair.result.ratio < 1 else "not yet"
        return Confirmation(status, against=against)
    calm = pair.a[~pair.a["censored"].astype(bool)]
    rtfx, rtfx_low, rtfx_high = plain(
        statistics.geometric_interval(calm["rtfx"], machine.confidence)
    )
    result = pair.result
    no_slower = (
        result.alone.p_not_above * len(machine.matches.contests) <= machine.alpha
        and machine.matches.ended(winner["arm"], on_its_own=True).empty
    )
    status = "not yet"
    if result.size == statistics.BEYOND:
        status = "confirmed" if result.ratio < 1 else "not confirmed"
    elif result.size == statistics.WITHIN or no_slower:
        status = "confirmed"
    ratio, low, high = plain((result.ratio, result.low, result.high))
    return Confirmation(
        status, result.rounds, against, ratio, low, high, rtfx, rtfx_low, rtfx_high,
        plain(result.level),
    )  # fmt: skip


def _alone(winner: Row, table: Iterable[Row]) -> str:
    """The status of a choice without a runner-up."""
    others = [row for row in table if row is not winner]
    if not others:
        return "not compared"
    if any(row["trouble"] for row in others) or winner["rounds"] < 2:
        return "not yet"
    return "confirmed"


def settled_by_rounds(pair: Pair) -> bool:
    """`is_settled` of a pair that was measured in rounds."""
    times = (side["makespan_s"].to_numpy(float) for side in (pair.a, pair.b))
    return is_settled(pair.result, np.subtract(*map(np.log, times)))


def is_settled(rounds: Comparison, log_ratios: ArrayLike) -> bool:
    """Whether rounds show a pair so far beyond the margin that it needs no match.

    By their own test over as many pairs as a report has, and in every round further out than states
    of processes reach.

    Args:
        rounds: The comparison.
        log_ratios: Of its rounds, shape (n,).
    """
    log_ratios = np.asarray(log_ratios, float)
    if not rounds.tested or rounds.censored_a or rounds.censored_b:
        return False
    far = math.log1p(rounds.margin) + statistics.STATES
    beyond = min(rounds.alone.p_above, rounds.alone.p_below)
    return bool(
        len(set(np.sign(log_ratios))) == 1
        and np.abs(log_ratios).min() > far
        and max(beyond, rounds.alone.p_difference) * REPORTED_PAIRS <= rounds.alpha
    )
