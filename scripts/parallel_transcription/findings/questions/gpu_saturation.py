"""5 Where does one GPU saturate?

Claim: one worker of one model does not fill a GPU: more workers, or more models on it, raise the
throughput by more than the margin.

Compared on one GPU, with equal workload, cpu_threads, files and callers (two or more): one_model
with num_workers 1 against one_model with more workers, and against multi_model and multi_process
with more instances of one worker each; gain = makespan with one / makespan with more, paired by
round, Holm over all of them.
Verdict:
  confirmed     some gain above 1 + margin is shown
  refuted       all gains are shown to be below 1 + margin
  inconclusive  otherwise
  not measured  no such pairs on a GPU
A series (workers of one model, models, processes) is saturated from the smallest number on which
all larger ones are shown not to be faster than by more than the margin; where none is, that is open
up to the most measured.
Beside it: utilisation, memory, energy and the host's CPU cores per GPU, medians over rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import (
    CONDITIONS,
    faster_than_margin,
    median_of,
    settings_of,
)
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import NO_UTILISATION, by_verdict, starts
from parallel_transcription.findings.rounds import ONE_GPU
from parallel_transcription.results.finding import Row, Verdict

SERIES = {"one_model": "workers", "multi_model": "models", "multi_process": "processes"}
METERS = ("gpu_util", "gpu_mem_mb", "power_w", "energy_j", "cores_per_gpu", "gpu_throttled")
OTHER_SIDE = "Gains shown to be on the other side of {above}."


class GpuSaturation(PairedQuestion):
    """More workers, models or processes on one GPU against one worker."""

    id, number, order = "gpu_saturation", 5, 3
    asks = "Where does one GPU saturate: how many workers or models does it take?"
    asks_in_short = "Does more than a worker fill a GPU?"
    claim = (
        "One worker does not fill a GPU: more workers or models on it raise the throughput by more "
        "than the margin."
    )
    lacks = "Not measured here: no matched rounds with one and with several workers on a GPU."
    to_measure = ONE_GPU
    to_measure_on = " on a machine with one"
    remedy = f"Runs on a GPU: {ONE_GPU}"
    would_change = by_verdict(OTHER_SIDE, OTHER_SIDE, OTHER_SIDE)
    columns = (
        show.text("series", "on one GPU"),
        show.integer("number", "number"),
        show.files(),
        show.interval("rtfx", "seconds of audio per second", "rtfx_low", "rtfx_high"),
        show.ratio("over one"),
        show.percent("gpu_util", "busy"),
        show.digits("gpu_mem_mb", "memory (MB)"),
        show.digits("power_w", "power (W)"),
        show.percent("gpu_throttled", "slowed down"),
        show.decimals("cores_per_gpu", "CPU cores"),
        show.text("verdict", "outcome"),
        show.mark("enough", "enough"),
    )
    sorted_by = ("model", "compute_type", "strategy", "files", "number", "cpu_threads", "callers")

    def cases(self, machine: Machine) -> Cases:
        """Each series with one worker first; all of its members are evidence."""
        arms = machine.ordinary()
        arms = arms[(arms["gpus"] == 1) & (arms["callers"] > 1)]
        cases = Cases(arms=arms)
        for strategy, members in _series(machine, arms):
            enough = _enough(machine, members)
            for number, arm in members.items():
                row = _facts(machine, arm, strategy, number, number == enough)
                cases.evidence.append(row)
                pair = machine.compare(members[1]["arm"], arm["arm"])
                if number > 1 and pair.testable:
                    cases.tested.append(Case(pair, row))
        if not cases.tested:
            cases.evidence = []
        return cases

    def compared(self, judged: Judged) -> None:
        """The comparison, and whether there is a gain."""
        super().compared(judged)
        alpha = judged.machine.alpha
        for row, result in zip(judged.rows, judged.results, strict=True):
            row["verdict"] = faster_than_margin(result, alpha, "faster than one", "no gain", "open")

    def verdict(self, judged: Judged) -> Verdict:
        """Some gain, or none anywhere?"""
        outcomes = {row["verdict"] for row in judged.rows}
        if "faster than one" in outcomes:
            return Verdict.CONFIRMED
        return Verdict.REFUTED if outcomes == {"no gain"} else Verdict.INCONCLUSIVE

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """The largest gain, and where each series is saturated."""
        head = max(judged.rows, key=lambda r: (r["ratio"], r["configuration_b"]))
        who = f"{head['number']} {head['series']}"
        start = starts("More than one worker pays:", "One worker is enough:")[verdict]
        best = f" (the most of {len(judged.rows)} pairs)" if len(judged.rows) > 1 else ""
        takes = judged.estimate(head, "times as fast as one")
        answer = f"{start} {who} on one GPU are {takes}{best}."
        if head["gpu_util"] is not None:
            answer += f" The GPU is then busy {words.percent(head['gpu_util'])} of the time."
        if head["cores_per_gpu"] is not None:
            answer += f" It takes {words.number(head['cores_per_gpu'], 2)} CPU cores of the host."
        shown, beyond = _ends(judged.cases.evidence)
        if shown:
            answer += f" More than these are shown not to be faster: {'; '.join(shown[:3])}."
        if beyond:
            answer += f" Not saturated up to the most measured: {'; '.join(beyond[:3])}."
        return Answer(
            answer,
            f"{who} on one GPU are {words.times(head['ratio'])} times as fast as one.",
            judged.effect(head, f"throughput of {who} over that of one"),
        )

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """Meters that are missing."""
        if all(row["gpu_util"] is None for row in judged.cases.evidence):
            yield NO_UTILISATION


def _series(machine: Machine, arms: Any) -> Iterator[tuple[str, dict[int, Any]]]:
    """(strategy, arms by number of workers or instances), from one worker of one model on."""
    arms = arms[arms["arm"].map(lambda arm: len(machine.times(arm)) > 0).astype(bool)]
    keys = [*CONDITIONS, "device_index", "cpu_threads", "files_in_parallel", "callers"]
    for _, group in arms.groupby(keys, sort=True):
        one = group[(group["strategy"] == "one_model") & (group["num_workers"] == 1)]
        if one.empty:
            continue
        for strategy in SERIES:
            members = {1: one.iloc[0]}
            for _, arm in group[group["strategy"] == strategy].iterrows():
                if strategy == "one_model":
                    members[int(arm["num_workers"])] = arm
                elif arm["num_workers"] == 1 and arm["instances"] > 1:
                    members[int(arm["instances"])] = arm
            if len(members) > 1:
                yield strategy, {n: members[n] for n in sorted(members)}


def _enough(machine: Machine, members: dict[int, Any]) -> int:
    """The smallest number that all larger ones are shown not to beat; else the largest."""

    def beats_none(a: int, b: int) -> bool:
        result = machine.compare(members[a]["arm"], members[b]["arm"]).result
        return result.tested and result.alone.p_not_above <= machine.alpha

    perhaps_better = {a for a, b in combinations(members, 2) if not beats_none(a, b)}
    return next(number for number in members if number not in perhaps_better)


def _facts(machine: Machine, arm: Any, strategy: str, number: int, enough: bool) -> Row:
    rounds = machine.times(arm["arm"])
    rtfx, low, high = statistics.geometric_interval(rounds["rtfx"].dropna(), machine.confidence)
    return {
        "series": SERIES[strategy],
        "number": number,
        **settings_of(arm, "strategy", "device_index", "files", "callers", "cpu_threads"),
        "rtfx": rtfx,
        "rtfx_low": low,
        "rtfx_high": high,
        **{name: median_of(rounds, name) for name in METERS},
        "enough": enough,
        "configuration": arm["configuration"],
    }


def _ends(evidence: list[Row]) -> tuple[list[str], list[str]]:
    """Where series are saturated, and those that are not yet, in words.

    Series of more numbers, which tell more, come first.
    """
    series: list[list[Row]] = []
    for row in evidence:
        if row["number"] == 1:  # a series starts
            series.append([])
        series[-1].append(row)
    shown: list[str] = []
    beyond: list[str] = []
    for rows in sorted(series, key=lambda rows: -len(rows)):
        (enough,) = (row for row in rows if row["enough"])
        (beyond if enough is rows[-1] else shown).append(
            f"{enough['number']} {enough['series']}, {enough['model']} "
            f"{enough['compute_type']}, {words.plural(int(enough['files']), 'file')}"
        )
    return shown, beyond
