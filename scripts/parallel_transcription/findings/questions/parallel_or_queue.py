"""1 Parallel or queue: does one model work on several files at the same time?

Claim: one model with several workers transcribes several files at the same time, not one after
another.

Overlapping start and end times prove nothing: with one worker, which runs strictly one call at a
time, they overlap as well, because files take turns call by call. The makespan decides.

Compared, per workload, model, compute type, device and cpu_threads (one_model, several callers):
  speed-up = makespan of the same files one after another (1 caller, 1 worker) / makespan;
  gain over one worker = makespan with the same callers and ONE worker / makespan. A queue would
  leave it at 1.0 for any number of workers.
Judged are the rows with 2 or more workers in use and workers in use x threads <= usable CPUs
(beyond that a missing gain says nothing about a queue); on CUDA all of them. Tests on paired log
ratios of makespan:
  parallel      gain over one worker above 1 + margin is shown (corrected over the report)
  queue         gain over one worker below 1 + margin is shown (of the row alone)
Verdict:
  confirmed     at least one judged row is parallel and none is a queue (a queue gives no gain
                anywhere)
  refuted       all judged rows are queues
  inconclusive  otherwise
  not measured  no judged row, e.g. because the runs could use one CPU only
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import (
    CONDITIONS,
    NOT_JUDGED,
    faster_than_margin,
    some_and_none,
)
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.finding import Finding, Row, Verdict

LITTLE = 1.25  # with one worker, a gain below this is work beside the model, not the model's calls
ABOVE = "A gain over one worker shown to be above {above}."
GROUP = [*CONDITIONS, "device_index", "cpu_threads", "files_in_parallel"]
SPEED_UP = ("speed_up", "low", "high")
GAIN = ("over_one_worker", "over_low", "over_high")


class ParallelOrQueue(PairedQuestion):
    """Several workers against one with the same callers, and against files one after another."""

    id, number = "parallel_or_queue", 1
    asks = "Does one model transcribe several files at the same time, or does it queue them?"
    asks_in_short = "Do calls run in parallel?"
    claim = (
        "One model with several workers transcribes several files at the same time, not one after "
        "another."
    )
    lacks = (
        "There is no pair of matched rounds with one worker and with several, for several callers "
        "and threads x workers within the CPUs."
    )
    to_measure = (
        "a study with one_model, files_in_parallel 2, num_workers 1 and 2, and "
        "callers 1 and 2, on at least 2 CPUs."
    )
    remedy = "Rounds of those configurations: {command}"
    would_change = by_verdict(
        "A gain over one worker that stays below {above} with threads x workers within the CPUs.",
        ABOVE,
        ABOVE,
    )
    columns = (
        show.files(),
        show.workers(),
        show.threads(),
        show.seconds("makespan_s", "makespan (s)"),
        show.interval("speed_up", "over one after another", "low", "high"),
        show.interval("over_one_worker", "over one worker", "over_low", "over_high"),
        show.decimals("cores_used", "cores"),
        show.percent("overlap_in_time", "overlap in time"),
        show.rounds(),
        show.text("outcome", "outcome"),
    )
    sorted_by = ("model", "compute_type", "files", "workers", "cpu_threads", "callers")

    def judge(self, machine: Machine) -> Finding | None:
        """On one CPU nothing can run in parallel."""
        cpus = machine.cpus
        if cpus is not None and cpus < 2 and not (_arms(machine)["device"] == "cuda").any():
            return self.not_measured(
                machine,
                why="The runs could use one CPU only, where nothing can run in parallel: this "
                "cannot be measured here.",
            )
        return super().judge(machine)

    def cases(self, machine: Machine) -> Cases:
        """Several workers against one; every row with several callers is evidence."""
        arms = _arms(machine)
        cases, overlaps = Cases(arms=arms), overlap_shares(machine)
        for base, one, same in _with_same_callers(arms):
            for _, arm in same.sort_values("num_workers").iterrows():
                speed = machine.compare(base["arm"], arm["arm"]) if base is not None else None
                gain = None
                if one is not None and arm["num_workers"] > 1:
                    gain = machine.compare(one["arm"], arm["arm"])
                row = _facts(machine, arm, speed, gain, overlaps)
                cases.evidence.append(row)
                known = (c for c in (base, one, arm) if c is not None)
                cases.runs += [c["configuration"] for c in known]
                several = arm["in_use"] > 1 and row["fits_cpus"]
                if gain is not None and gain.result.rounds and several:
                    cases.tested.append(Case(gain, row))
        return cases

    def compared(self, judged: Judged) -> None:
        """Whether each judged row is parallel or a queue."""
        alpha = judged.machine.alpha
        for row, result in zip(judged.rows, judged.results, strict=True):
            row["p_parallel"] = result.tests.p_above
            row["p_queue"] = result.alone.p_not_above
            row |= {
                "over_low": result.low,
                "over_high": result.high,
                "over_low_level": result.level,
            }
            row["outcome"] = faster_than_margin(result, alpha, "parallel", "queue", "undecided")

    def verdict(self, judged: Judged) -> Verdict:
        """Some row parallel and none a queue?"""
        return some_and_none({row["outcome"] for row in judged.rows}, "parallel", "queue")

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """Speed-up and gain of one row, and what one worker does."""
        row = _head(judged)
        files = words.plural(int(row["workers_in_use"]), "file")
        workers = words.plural(int(row["workers"]), "worker")
        parts = [
            starts("They run in parallel:", "They queue:")[verdict],
            f"{files} on {workers} of one model "
            f"({words.plural(int(row['cpu_threads']), 'thread')}) are done",
        ]
        if row["speed_up"] is not None:
            after_another = "times as fast as one after another"
            parts[-1] += f" {judged.estimate(row, after_another, *SPEED_UP)},"
        parts.append(f"{judged.estimate(row, 'times as fast as with one worker', *GAIN)}.")
        parts += _with_one_worker(judged, row)[:1]
        speed, base = row["speed_up"], "one after another"
        if speed is None:
            speed, base = row["over_one_worker"], "with one worker"
        in_short = f"{files} on {workers}: {words.number(speed)} times as fast as {base}."
        if row["speed_up"] is not None:
            name = f"speed-up, {row['workers_in_use']} files at once on {row['workers']} workers"
            effect = judged.effect(row, name, words.TIMES, *SPEED_UP)
        else:
            name = f"gain over one worker, {row['workers']} workers"
            effect = judged.effect(row, name, words.TIMES, *GAIN)
        return Answer(" ".join(parts), in_short, effect)

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What proves nothing, and the scaling laws."""
        yield (
            "Overlapping start and end times prove nothing: files take turns on one worker call by "
            "call. The makespan decides."
        )
        for _, _, same in _with_same_callers(_arms(judged.machine)):
            yield _scaling(judged.machine, same)


def _arms(machine: Machine) -> Any:
    arms = machine.ordinary()
    return arms[(arms["strategy"] == "one_model") & (arms["files_in_parallel"] > 1)]


def _with_same_callers(arms: Any) -> Iterator[tuple[Any, Any, Any]]:
    """(files one after another, one worker, all): arms of equal work with as many callers.

    The first two are None where they were not measured.
    """
    for _, group in arms.groupby(GROUP, sort=True):
        base = group[(group["callers"] == 1) & (group["num_workers"] == 1)]
        for _, same in group[group["callers"] > 1].groupby("callers", sort=True):
            one = same[same["num_workers"] == 1]
            yield (
                base.iloc[0] if len(base) else None,
                one.iloc[0] if len(one) else None,
                same,
            )


def _head(judged: Judged) -> Row:
    """The row that the answer speaks of: most workers in use, fewest threads, fewest workers."""
    return min(
        judged.cases.tested,
        key=lambda case: (
            -case.row["workers_in_use"],
            case.row["cpu_threads"],
            case.row["workers"],
            case.pair.arm_b,
        ),
    ).row


def _facts(
    machine: Machine, arm: Any, speed: Pair | None, gain: Pair | None, overlaps: dict[str, float]
) -> Row:
    times, cpus = machine.times(arm["arm"]), machine.cpus
    outside = (times["cpu_outside_engine_s"] / times["cpu_s"]).astype(float)
    s = speed.result if speed is not None and speed.result.rounds else None
    g = gain.result if gain is not None and gain.result.rounds else None
    fits = arm["device"] != "cpu" or cpus is None or arm["in_use"] * arm["threads"] <= cpus
    return {
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "device": arm["device"],
        "files": arm["files_in_parallel"],
        "callers": arm["callers"],
        "workers": arm["num_workers"],
        "workers_in_use": arm["in_use"],
        "cpu_threads": arm["cpu_threads"],
        "fits_cpus": fits,
        "rounds": s.rounds if s else (g.rounds if g else 0),
        "makespan_s": _usual_makespan(times),
        "speed_up": s.ratio if s else None,
        "low": s.low if s else None,
        "high": s.high if s else None,
        "low_level": s.level if s else None,
        "over_one_worker": g.ratio if g else None,
        "over_low": g.low if g else None,
        "over_high": g.high if g else None,
        "over_low_level": g.level if g else None,
        "p_parallel": None,
        "p_queue": None,
        "cores_used": times["cores_used"].median() if len(times) else None,
        "cpu_outside_engine_share": outside.median() if len(times) else None,
        "overlap_in_time": overlaps.get(arm["configuration"]),
        "outcome": "one worker" if arm["num_workers"] == 1 else NOT_JUDGED,
        "configuration": arm["configuration"],
        "configuration_alone": speed.configurations[0] if speed else None,
    }


def _usual_makespan(times: Any) -> float | None:
    """The median makespan in seconds; None where half the rounds ran into the time limit."""
    late = times["censored"].astype(bool)
    return None if 2 * late.sum() >= len(times) else float(times.loc[~late, "makespan_s"].median())


def _with_one_worker(judged: Judged, row: Row) -> list[str]:
    """Sentences on one worker with as many callers: what overlaps although calls wait."""
    same = ("cpu_threads", "files", "model", "callers")
    sentences = []
    for r in judged.cases.evidence:
        if r["workers"] != 1 or r["speed_up"] is None or any(r[k] != row[k] for k in same):
            continue
        if r["high"] is not None and r["high"] < LITTLE:
            overlaps = (
                "the model's calls wait for each other, only what is beside the model (decoding, "
                "features) overlaps"
            )
        elif r["low"] is not None and r["low"] > LITTLE:
            overlaps = "more than decoding and features beside the model would explain"
        else:
            overlaps = "whether more than decoding and features overlaps is open"
        share = r["cpu_outside_engine_share"]
        outside = ""
        if share is not None and math.isfinite(share):
            outside = f"; {words.percent(share)} of its CPU time is spent outside the engine"
        sentences.append(
            f"With one worker and {r['callers']} callers the gain over one after another is "
            f"{judged.estimate(r, '', *SPEED_UP)}: {overlaps}{outside}."
        )
    return sentences


def _scaling(machine: Machine, same: Any) -> str:
    """The universal scalability law through rows with 3 or more numbers of workers in use."""
    workers: list[float] = []
    throughput: list[float] = []
    for _, arm in same.iterrows():
        times = machine.times(arm["arm"])
        calm = times[~times["censored"].astype(bool)]
        workers += [arm["in_use"]] * len(calm)
        throughput += list(1 / calm["makespan_s"])
    try:
        fit = statistics.fit_scaling(workers, np.asarray(throughput), machine.confidence)
    except ValueError:
        return ""
    alpha, beta = fit.coefficients["alpha"], fit.coefficients["beta"]
    first = same.iloc[0]
    return (
        f"Scaling law for {int(first['callers'])} callers, "
        f"{words.plural(int(first['cpu_threads']), 'thread')}, {first['model']}: contention "
        f"{words.number(alpha[0], 2)} "
        f"({words.interval(alpha[1], alpha[2], machine.confidence)}), coherency "
        f"{words.number(beta[0], 2)} "
        f"({words.interval(beta[1], beta[2], machine.confidence)})."
    )


def overlap_shares(machine: Machine) -> dict[str, float]:
    """Share of the makespan in which two or more transcriptions are open, by configuration.

    Shown beside the speed-up, because it is high even where nothing runs in parallel.
    """
    timings = machine.timings
    timings = timings[(timings["status"] == "ok") & timings["finished_s"].notna()]
    timings = timings[timings["started_s"].notna()]
    shares: dict[str, list[float]] = {}
    for (name, _, _), group in timings.groupby(["configuration", "round", "repeat"], sort=True):
        start = group["started_s"].to_numpy(float)
        end = group["finished_s"].to_numpy(float)
        if len(group) < 2 or end.max() <= start.min():
            continue
        edges = np.unique(np.concatenate([start, end]))
        middle = (edges[:-1] + edges[1:]) / 2
        count = ((start[:, None] <= middle) & (middle < end[:, None])).sum(axis=0)
        share = float(np.diff(edges)[count >= 2].sum() / (end.max() - start.min()))
        shares.setdefault(str(name), []).append(share)
    return {name: float(np.median(values)) for name, values in shares.items()}
