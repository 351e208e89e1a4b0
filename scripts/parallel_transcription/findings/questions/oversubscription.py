"""3 What happens when threads x workers exceed the CPUs?

Claim: once threads x workers in use exceed the usable CPUs, the makespan gets longer by more than
the margin.

Every setting with threads x workers in use > CPUs is compared with a reference that is fixed
before any time is looked at and fills the machine: its threads x workers in use fit the CPUs and
are three quarters of them or more (of CPUs that are not whole, such as 1.5 under a quota: else the
next whole number, which keeps all of them busy). The setting with equal num_workers and the most
cpu_threads among them (all else equal); if there is none, that with the most threads x workers in
use, fewest workers first. Strategies are judged apart. Ratio = makespan of the oversubscribed
setting / reference; Holm over all of them. Settings that ran into the time limit count as at least
that long. Beside it, involuntary context switches per second against those of the reference.
Verdict:
  confirmed     some setting is slower by more than the margin, none is faster by more than it
  refuted       all are decided, and none is slower by more than the margin
  inconclusive  otherwise
  not measured  no setting exceeds the CPUs, or none fills them
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import BOUNDS, CONDITIONS, settings_of
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.finding import Row, Verdict

FILLS = 0.75  # share of the CPUs that a reference has threads for, at least


class Oversubscription(PairedQuestion):
    """Settings beyond the CPUs against the one that fits them best."""

    id, number, order = "oversubscription", 3, 3
    asks = f"What happens when threads {words.TIMES} workers exceed the CPUs?"
    asks_in_short = "Are threads beyond the CPUs slower?"
    claim = (
        f"Once threads {words.TIMES} workers in use exceed the usable CPUs, the makespan gets "
        "longer by more than the margin."
    )
    lacks = (
        f"There are no matched rounds of a setting whose threads {words.TIMES} workers exceed the "
        "CPUs and of one that fills them."
    )
    to_measure = (
        f"a study whose cpu_threads {words.TIMES} num_workers are the CPUs, and twice the CPUs or "
        "more."
    )
    would_change = by_verdict(
        "All oversubscribed settings shown not to be slower by more than the margin.",
        "An oversubscribed setting shown to be slower by more than the margin.",
        "More rounds of the settings that are open.",
    )
    columns = (
        show.strategy(),
        show.files(),
        show.in_use(),
        show.threads(),
        show.as_written("oversubscription", "per CPU"),
        show.seconds("makespan_a_s", "makespan (s)"),
        show.ratio("over that within the CPUs"),
        show.digits("switches_per_s", "switches per s"),
        show.outcome(("oversubscribed", "within the CPUs")),
    )
    sorted_by = (
        "model", "compute_type", "strategy", "files", "instances", "workers", "cpu_threads",
        "callers",
    )  # fmt: skip

    def cases(self, machine: Machine) -> Cases:
        """Settings beyond the CPUs, the least beyond first."""
        arms = machine.ordinary()
        arms = arms[(arms["device"] == "cpu") & (arms["callers"] > 1)]
        cases, cpus = Cases(arms=arms), machine.cpus
        if cpus is None:
            return cases
        arms = arms.assign(load=arms["in_use"] * arms["threads"])
        keys = [*CONDITIONS, "strategy", "files_in_parallel", "callers"]
        for _, group in arms.groupby(keys, sort=True):
            fitting = group[(group["load"] <= cpus) & (group["load"] >= FILLS * cpus)]
            if fitting.empty:  # of 1.5 CPUs two threads are the least that keep all busy
                fitting = group[group["load"] == math.ceil(cpus)]
            within = max(cpus, fitting["load"].max())
            for _, arm in group[group["load"] > within].iterrows():
                reference = _reference(fitting, arm)
                if reference is not None:
                    pair = machine.compare(arm["arm"], reference["arm"])
                    if pair.testable:
                        cases.tested.append(Case(pair, _facts(arm, reference, pair, cpus)))
        cases.tested.sort(
            key=lambda c: (c.row["oversubscription"], c.row["strategy"], c.pair.configurations[0])
        )
        return cases

    def verdict(self, judged: Judged) -> Verdict:
        """Some slower and none faster, or none slower and all decided?"""
        if _beyond(judged, slower=True):
            mixed = _beyond(judged, slower=False)
            return Verdict.INCONCLUSIVE if mixed else Verdict.CONFIRMED
        return Verdict.INCONCLUSIVE if judged.count(statistics.OPEN) else Verdict.REFUTED

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """How many are slower, where it starts, and the worst."""
        rows = judged.rows
        slower = _beyond(judged, slower=True)
        parts = [
            starts("It gets slower:", "Nothing that costs more than the margin:")[verdict],
            _counts(judged, slower),
        ]
        if slower:
            parts += _from_first_to_worst(judged, slower)
        head = next(iter(slower), rows[0])  # where it starts
        name = (
            f"makespan at {head['oversubscription']:g} times the CPUs / within them "
            f"({words.setting(head)})"
        )
        return Answer(" ".join(parts), _in_short(rows, slower), judged.effect(head, name))


def _beyond(judged: Judged, slower: bool) -> list[Row]:
    """Rows that are slower (faster) by more than the margin."""
    rows = [row for row in judged.rows if row["size"] == statistics.BEYOND]
    return [row for row in rows if (row["ratio"] > 1) == slower]


def _in_short(rows: list[Row], slower: list[Row]) -> str:
    text = f"{len(slower)} of {words.plural(len(rows), 'setting')} beyond {rows[0]['cpus']:g} CPUs "
    text += "is slower" if len(slower) == 1 else "are slower"
    if not slower:
        return f"{text} by more than the margin."
    worst = _worst(slower)
    return f"{text}, the worst {_at_least(worst)}{words.number(worst['ratio'])} times as long."


def _worst(slower: list[Row]) -> Row:
    return max(slower, key=lambda r: (r["ratio"], r["configuration_a"]))


def _at_least(row: Row) -> str:
    """Before the ratio of a setting that ran into the time limit."""
    return "at least " if row["remark"] == BOUNDS["at least"] else ""


def _reference(fitting: Any, arm: Any) -> Any:
    """The setting within the CPUs that this one is compared with; None where there is none."""
    same = fitting[
        (fitting["num_workers"] == arm["num_workers"]) & (fitting["instances"] == arm["instances"])
    ]
    if len(same):
        return same.sort_values(["threads", "arm"]).iloc[-1]
    if fitting.empty:
        return None
    order = ["load", "total_workers", "threads", "arm"]
    return fitting.sort_values(order, ascending=[False, True, True, True]).iloc[0]


def _facts(arm: Any, reference: Any, pair: Pair, cpus: float) -> Row:
    told = ("strategy", "files", "callers", "instances", "workers", "cpu_threads")
    return settings_of(arm, *told) | {
        "workers_in_use": arm["in_use"],
        "reference_workers": reference["num_workers"],
        "reference_threads": reference["cpu_threads"],
        "cpus": cpus,
        "oversubscription": arm["load"] / cpus,
        "switches_per_s": _switches(pair.a),
        "reference_switches_per_s": _switches(pair.b),
    }


def _switches(times: Any) -> float:
    """Involuntary context switches per second; nan where they are not known."""
    return float((times["context_switches_involuntary"] / times["makespan_s"]).median())


def _counts(judged: Judged, slower: list[Row]) -> str:
    rows, faster = judged.rows, len(_beyond(judged, slower=False))
    same = judged.count(statistics.WITHIN)
    return (
        f"of {words.plural(len(rows), 'oversubscribed setting')} on {words.cpus(rows[0]['cpus'])}, "
        f"{len(slower)} {'is' if len(slower) == 1 else 'are'} slower by more than the margin, "
        + (f"{faster} faster by more than it, " if faster else "")
        + f"{same} equivalent, {len(rows) - len(slower) - faster - same} open."
    )


def _from_first_to_worst(judged: Judged, slower: list[Row]) -> list[str]:
    first = slower[0]
    worst = _worst(slower)
    parts = [
        f"It starts at {first['oversubscription']:g} times the CPUs, where "
        f"{words.setting(first)} take {judged.estimate(first, 'times the makespan')}."
    ]
    if worst is not first:
        parts.append(
            f"The worst takes {_at_least(worst)}{words.number(worst['ratio'])} times the makespan "
            f"({words.setting(worst)})."
        )
    seen, before = worst["switches_per_s"], worst["reference_switches_per_s"]
    if np.isfinite(seen) and np.isfinite(before):
        parts.append(
            f"Involuntary context switches there: {words.number(seen)} per second, "
            f"{words.number(before)} within the CPUs."
        )
    return parts
