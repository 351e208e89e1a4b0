"""One model against as many models or processes of their own: what questions 2 and 5 share.

Matched pairs: one_model against the others with the same workload, model, compute type, devices,
cpu_threads, files in parallel, callers, total workers, thread environment; at least 2 instances and
2 callers. All such pairs are tested; ratio = makespan of one model / makespan of the others, paired
by round.
Verdict:
  confirmed     every tested pair is equivalent (the ratio shown within the margin)
  refuted       some pair is shown to differ by more than the margin, in either direction
  inconclusive  otherwise. A pair that is decided "faster" while it is open whether by more than
                the margin does not refute: the claim is about the margin. More rounds settle it.
Pairs without a common round (one arm failed in all) are named in the notes and not judged.
"""

from __future__ import annotations

import math
from typing import Any

from parallel_transcription import statistics, words
from parallel_transcription.findings.evidence import CONDITIONS, settings_of
from parallel_transcription.findings.machine import Machine, alike
from parallel_transcription.findings.question import Case, Judged
from parallel_transcription.results.finding import Row, Verdict

ONE = "one model"
MATCHED = [*CONDITIONS, "cpu_threads", "files_in_parallel", "callers", "total_workers", "devices"]


def devices(text: str) -> str:
    """The set of devices in a device_index string, whatever their order: "1,0" -> "0,1"."""
    return ",".join(sorted({p.strip() for p in str(text).split(",") if p.strip()}))


def count(text: str) -> int:
    """How many devices a device_index string names."""
    return len(devices(text).split(","))


def matched_pairs(
    machine: Machine, strategy: str, on_several_gpus: bool = False
) -> tuple[list[Case], list[str]]:
    """One_model against `strategy`, and sentences on arms that have no rounds.

    With one device each, or on the same two or more GPUs (question 5).
    """
    arms = machine.ordinary()
    arms = arms[(arms["callers"] > 1) & (arms["total_workers"] > 1)].copy()
    arms["devices"] = [devices(d) for d in arms["device_index"]]
    arms = arms[(arms["gpus"] > 1) == on_several_gpus]
    ones = arms[arms["strategy"] == "one_model"]
    others = arms[(arms["strategy"] == strategy) & (arms["instances"] > 1)]
    cases, notes = [], []
    for _, one in ones.sort_values("arm").iterrows():
        for _, other in alike(others, one, MATCHED).sort_values("arm").iterrows():
            pair = machine.compare(one["arm"], other["arm"])
            if pair.result.rounds:
                cases.append(Case(pair, _facts(one, other)))
            elif not (pair.apart or pair.unlike):  # that is said by `remarks.notes_on_runs_apart`
                notes.append(
                    f"{one['configuration']} and {other['configuration']} have no common round "
                    "with a time on either side; not judged."
                )
    return cases, notes


def _facts(one: Any, other: Any) -> Row:
    same = ("device", "device_index", "files", "callers", "total_workers", "cpu_threads")
    return settings_of(one, *same) | {
        "instances": other["instances"],
        "workers_per_instance": other["num_workers"],
    }


def verdict_of(judged: Judged) -> Verdict:
    """The verdict of the claim that both sides are equal within the margin."""
    if judged.count(statistics.WITHIN) == len(judged.results):
        return Verdict.CONFIRMED
    if judged.count(statistics.BEYOND):
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE


def deciding(judged: Judged) -> Row:
    """The row of the pair that decided: the one furthest from equal.

    Of those that refute, where some do; by the interval's end where all are within the margin, as
    there it is the widest reach that had to be shown.
    """
    beyond = [row for row in judged.rows if row["size"] == statistics.BEYOND]

    def reach(row: Row) -> tuple[float, str]:
        ends = ("ratio",) if beyond else ("ratio", "low", "high")
        sizes = [abs(math.log(row[name])) for name in ends if row[name] and row[name] > 0]
        return max((size for size in sizes if math.isfinite(size)), default=0.0), row[
            "configuration_a"
        ]

    return max(beyond or judged.rows, key=reach)


def told(row: Row, other: str) -> str:
    """What a row compares, in words."""
    return (
        f"makespan of one model / {other}, "
        f"{words.plural(int(row['total_workers']), 'worker')} in all, "
        f"{words.threads(row['cpu_threads'])}"
    )


def in_short(judged: Judged) -> str:
    """How many pairs are equal, different and open."""
    margin = f"{100 * judged.machine.margin:g} %"
    counts = {
        f"equal within ±{margin}": judged.count(statistics.WITHIN),
        f"different by more than ±{margin}": judged.count(statistics.BEYOND),
        "open": judged.count(statistics.OPEN),
    }
    parts = [f"{number} {word}" for word, number in counts.items() if number]
    return f"Of {words.plural(len(judged.results), 'matched pair')}: {', '.join(parts)}."
