"""5 Does one model use several GPUs?

Claim: one model with a list of devices works on all of them: with G devices it is faster than on
one by more than the margin, and each of them does a part of the work.

Compared: one_model with device cuda and a device_index list against the same model on the first
of its devices (equal workload, cpu_threads, callers >= number of devices, num_workers); ratio =
makespan on one / makespan on G, paired by round, Holm over the pairs. Beside it, how evenly the
GPUs of the list worked (utilisation of the least busy over that of the busiest), their energy and
the host's CPU cores per GPU.
A pair shown to have a speed-up above 1 + margin
  uses them     if the least busy GPU works at least a tenth as much as the busiest; where the
                utilisation is not known, if the speed-up is shown to be above G - 1
  uses some     if the least busy one works less
Verdict:
  confirmed     some pair uses them, and none uses some or is shown to be below 1 + margin
  refuted       all pairs use some or are shown to be below 1 + margin
  inconclusive  otherwise
  not measured  no rows with two or more GPUs
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parallel_transcription import words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import (
    CONDITIONS,
    faster_than_margin,
    median_of,
    settings_of,
    some_and_none,
)
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.one_against_others import count
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import NO_UTILISATION, by_verdict, starts
from parallel_transcription.findings.rounds import SEVERAL_GPUS
from parallel_transcription.results.finding import Row, Verdict

USES, SOME, USES_NOT = "uses them", "uses some", "does not use them"
LEAST_BALANCE = 0.1  # of utilisations: a GPU without work is busy for next to nothing
OTHER_SIDE = "A speed-up shown to be on the other side of {above}."


class SeveralGpus(PairedQuestion):
    """One model on a list of GPUs against the same on one."""

    id, number, order = "several_gpus", 5, 1
    asks = "Does one model use several GPUs?"
    asks_in_short = "Does one model use several GPUs?"
    claim = (
        "One model with a list of devices works on all of them: it is faster than on one by more "
        "than the margin, and each does a part."
    )
    lacks = "Not measured here: there are no matched rounds on one and on several GPUs."
    to_measure = SEVERAL_GPUS
    to_measure_on = " on a machine with two or more"
    remedy = f"Runs on two or more GPUs: {SEVERAL_GPUS}"
    would_change = by_verdict(OTHER_SIDE, OTHER_SIDE, OTHER_SIDE)
    columns = (
        show.text("device_index", "GPUs"),
        show.integer("workers_per_device", "workers each"),
        show.files(),
        show.ratio("times as fast as on one"),
        show.percent("utilisation_of_one", "busy, one"),
        show.percent("utilisation", "busy, all"),
        show.decimals("balance", "least / most busy"),
        show.decimals("energy_ratio", "energy / one"),
        show.decimals("cores_per_gpu", "cores per GPU"),
        show.rounds(),
        show.text("verdict", "outcome"),
    )
    sorted_by = ("model", "compute_type", "files", "devices", "workers_per_device", "callers")

    def cases(self, machine: Machine) -> Cases:
        """One_model on one GPU against the same on a list, with at least a file for each."""
        arms = machine.ordinary()
        arms = arms[(arms["device"] == "cuda") & (arms["strategy"] == "one_model")]
        lists, alone = arms[arms["gpus"] > 1], arms[arms["gpus"] == 1]
        cases = Cases(arms=lists)
        for _, arm in lists.sort_values("arm").iterrows():
            devices = count(arm["device_index"])
            if arm["callers"] < devices or devices < 2:
                continue
            single = alone
            keys = ["num_workers", "cpu_threads", "files_in_parallel", "callers"]
            for key in [*CONDITIONS, *keys]:
                single = single[single[key] == arm[key]]
            for _, base in single.sort_values(["device_index", "arm"]).head(1).iterrows():
                pair = machine.compare(base["arm"], arm["arm"])
                if pair.testable:
                    cases.tested.append(Case(pair, _facts(arm, devices, pair)))
        return cases

    def compared(self, judged: Judged) -> None:
        """The comparison, and whether the GPUs are used."""
        super().compared(judged)
        alpha = judged.machine.alpha
        for row, result in zip(judged.rows, judged.results, strict=True):
            row["verdict"] = faster_than_margin(result, alpha, _all_or_some(row), USES_NOT, "open")

    def verdict(self, judged: Judged) -> Verdict:
        """Some pair uses them and none does not?"""
        outcomes = {row["verdict"].replace(SOME, USES_NOT) for row in judged.rows}
        return some_and_none(outcomes, USES, USES_NOT)

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """The speed-up of most GPUs, and how evenly they worked."""
        head = _head(judged.rows)
        answer = (
            f"{starts()[verdict]} one model on {head['devices']} GPUs is "
            f"{judged.estimate(head, 'times as fast as on one')}{_best_of(judged, head)}."
        )
        if head["balance"] is not None:
            answer += (
                f" The least busy of them works {words.percent(head['balance'])} as much as the "
                "busiest."
            )
        return Answer(
            answer,
            f"One model on {head['devices']} GPUs is {words.times(head['ratio'])} times as fast "
            "as on one.",
            judged.effect(head, f"speed-up of {head['devices']} GPUs"),
        )

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What num_workers means on a list, and meters that are missing."""
        yield "num_workers counts for each GPU: 2 workers on 3 GPUs are 6 in all."
        if _head(judged.rows)["balance"] is None:
            yield NO_UTILISATION


def _all_or_some(row: Row) -> str:
    """What a speed-up means: that all GPUs work, or some."""
    if row["balance"] is not None:
        return USES if row["balance"] >= LEAST_BALANCE else SOME
    return USES if row["low"] is not None and row["low"] > row["devices"] - 1 else "open"


def _head(rows: list[Row]) -> Row:
    """The row that the answer speaks of: that of the most GPUs and, of these, the fastest."""
    return max(rows, key=lambda r: (r["devices"], r["ratio"], r["configuration_b"]))


def _best_of(judged: Judged, head: Row) -> str:
    """That the row is the best of several, where it is."""
    same = sum(row["devices"] == head["devices"] for row in judged.rows)
    return f" (the best of {same} pairs with as many)" if same > 1 else ""


def _facts(arm: Any, devices: int, pair: Pair) -> Row:
    one, all_of_them = pair.a["energy_j"].median(), pair.b["energy_j"].median()
    return settings_of(arm, "device_index", "files", "callers") | {
        "devices": devices,
        "workers_per_device": arm["num_workers"],
        "balance": median_of(pair.b, "gpu_balance"),
        "utilisation": median_of(pair.b, "gpu_util"),
        "utilisation_of_one": median_of(pair.a, "gpu_util"),
        "cores_per_gpu": median_of(pair.b, "cores_per_gpu"),
        "energy_ratio": all_of_them / one if one > 0 else None,
    }
