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
5. Winner and runner-up meet in matches (`deciding`). `confirmed`: the winner is shown not to be
   slower than the runner-up by the margin or more (equivalent, or faster, or by the one-sided test,
   Bonferroni over the contests). `not confirmed`: it is shown to be slower by more than the margin;
   the runner-up is then recommended (`settled`). Else `not yet`. Where rounds alone have shown it
   to be faster beyond all noise (`is_settled`), no match is needed. With no runner-up there is
   nothing to lose against: two rounds without a failure confirm.

A configuration is dominated, and so not on the Pareto front, if another is at least as good in
throughput, cores used and memory (the same one), and better in one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.texts import not_as_good
from parallel_transcription.results.finding import Row
from parallel_transcription.results.recommended import Confirmation
from parallel_transcription.results.typed import plain
from parallel_transcription.statistics import Comparison

GROUP = ["model", "compute_type", "device", "task", "files_in_parallel", "thread_env", "language",
         "beam_size", "word_timestamps"]  # fmt: skip
#: As many as a report has, about: what rounds settle is corrected for them.
REPORTED_PAIRS = 20
#: Endings that keep a configuration from being recommended or called best.
TROUBLE = ("failed", "killed", "stuck", "timeout")
MERITS = ("rtfx", "rtfx_low", "rtfx_high", "mean_makespan_s", "makespan_s", "cores_used",
          "memory_mb", "gpu_memory_mb", "rss_peak_mb", "load_s")  # fmt: skip


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


def candidates(machine: Machine) -> list[Row]:
    """One row per arm with a time: figures of merit, `trouble` (why it is no candidate)."""
    arms = machine.unaltered()
    slowest = _slowest_files(machine)
    rows = []
    for arm in arms.to_dict("records"):
        times = machine.times(arm["arm"])
        calm = times[~times["censored"].astype(bool)]
        trouble = [
            f"{name} in {words.plural(int(arm[f'n_{name}']), 'repeat')}"
            for name in TROUBLE
            if arm[f"n_{name}"]
        ]
        if calm.empty:
            trouble = trouble or ["no time"]
        rows.append(
            {
                **arm,
                "task": machine.tasks.get(arm["workload"], arm["workload"]),
                **_merits(calm, machine.confidence),
                "rounds": len(calm),
                "slowest_file_s": slowest.get(arm["arm"], float("nan")),
                "all_threads": int(arm["total_workers"] * arm["threads"]),
                "trouble": "; ".join(trouble),
            }
        )
    return rows


def _merits(calm: pd.DataFrame, confidence: float) -> Row:
    """Figures of merit over the rounds of an arm; nan where there are none."""
    if calm.empty:
        return dict.fromkeys(MERITS, float("nan"))
    rtfx, low, high = statistics.geometric_interval(calm["rtfx"], confidence)
    medians = calm[["makespan_s", "cores_used", "gpu_mem_mb", "load_s"]].astype(float).median()
    memory = [float(calm[c].median()) for c in ("pss_mb", "uss_mb", "rss_peak_mb")]
    return {
        "rtfx": rtfx,
        "rtfx_low": low,
        "rtfx_high": high,
        "mean_makespan_s": statistics.geometric_interval(calm["makespan_s"])[0],
        "makespan_s": float(medians["makespan_s"]),
        "cores_used": float(medians["cores_used"]),
        "memory_mb": next((m for m in memory if m > 0), float("nan")),
        "gpu_memory_mb": float(medians["gpu_mem_mb"]),
        "rss_peak_mb": memory[2],
        "load_s": float(medians["load_s"]),
    }


def _slowest_files(machine: Machine) -> dict[str, float]:
    """The longest time of a file per arm, from its hand-out to its text (s)."""
    runs = machine.runs[machine.runs["counts"] & (machine.runs["status"] == "ok")]
    timings = machine.timings.merge(runs[["run", "repeat", "arm"]], on=["run", "repeat"])
    longest = timings.groupby("arm", sort=True)["seconds"].max().dropna()
    return {str(arm): float(seconds) for arm, seconds in longest.items()}


def broken_limits(row: Row, limits: Mapping[str, Any]) -> list[str]:
    """Which of the study's limits a candidate breaks, in words. An unknown figure breaks it."""
    # what kills a container is its peak
    peak = row["rss_peak_mb"] if row["rss_peak_mb"] > 0 else row["memory_mb"]
    checks = [
        ("max_memory_mb", peak, "MB of memory at the peak"),
        ("max_cores", row["cores_used"], "cores used"),
        ("max_file_s", row["slowest_file_s"], "s for a file"),
    ]
    if row["device"] == "cuda":
        checks.append(("max_gpu_memory_mb", row["gpu_memory_mb"], "MB of memory on GPUs"))
    broken = []
    for name, value, unit in checks:
        limit = limits.get(name)
        if limit is not None and not value <= float(limit):
            broken.append(f"{words.number(value)} {unit}, limit {words.number(float(limit))}")
    return broken


def memory_field(rows: list[Row]) -> str:
    """The memory that is scarce: that of the GPUs where it is known of all, else the host's."""
    on_gpus = rows and all(row["gpu_memory_mb"] > 0 for row in rows)
    return "gpu_memory_mb" if on_gpus else "memory_mb"


def pareto(table: pd.DataFrame, memory: str = "memory_mb") -> Any:
    """True where no other row is at least as good in all of rtfx, cores, memory, better in one."""
    merit = np.column_stack(
        [-table["rtfx"].to_numpy(float), table["cores_used"].to_numpy(float),
         table[memory].to_numpy(float)]
    )  # fmt: skip
    merit = np.where(np.isnan(merit), np.inf, merit)
    front = np.ones(len(merit), bool)
    for k in range(len(merit)):
        no_worse = (merit <= merit[k]).all(axis=1)
        better = (merit < merit[k]).any(axis=1)
        front[k] = not (no_worse & better).any()
    return front


#: What was chosen on machines that are still looked at: many questions ask.
_CHOICES: WeakKeyDictionary[Machine, list[Choice]] = WeakKeyDictionary()


def choices(machine: Machine) -> list[Choice]:
    """One choice per group.

    The first choice is the machine's own: of its main group, with the most candidates, then the
    most files at once, then by name.
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
            str(c.group),
        )
    )
    return result


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
    place = places(machine, [r["arm"] for r in allowed])
    allowed.sort(key=lambda r: place[r["arm"]])
    winner = _most_frugal(_as_fast_as_the_first(machine, allowed), memory)
    rest = [r for r in allowed if r is not winner]
    return Choice(group, rows, memory, winner, rest[0] if rest else None)


def settled(machine: Machine, choice: Choice) -> Choice:
    """The choice; the other way round where matches show its runner-up to be faster."""
    if choice.runner_up is None or confirmation(machine, choice).status != "not confirmed":
        return choice
    return replace(choice, winner=choice.runner_up, runner_up=choice.winner, swapped=True)


def places(machine: Machine, arms: Iterable[str]) -> dict[str, tuple[float, str]]:
    """What to sort arms by, the fastest first; those without common rounds come last."""
    return {
        arm: (factor if math.isfinite(factor) else math.inf, arm)
        for arm, factor in machine.relative_times(arms).items()
    }


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
        return Confirmation("confirmed" if winner["rounds"] >= 2 else "not yet")
    against = second["configuration"]
    pair = machine.compare(winner["arm"], second["arm"])
    if not pair.by_matches:
        status = "confirmed" if settled_by_rounds(pair) and pair.result.ratio < 1 else "not yet"
        return Confirmation(status, against=against)
    calm = pair.a[~pair.a["censored"].astype(bool)]
    rtfx, rtfx_low, rtfx_high = plain(
        statistics.geometric_interval(calm["rtfx"], machine.confidence)
    )
    result = pair.result
    no_slower = result.alone.p_not_above * len(machine.matches.contests) <= machine.alpha
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
