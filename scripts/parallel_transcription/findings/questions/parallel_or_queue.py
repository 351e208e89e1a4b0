"""1 Parallel or queue: does one model work on several files at the same time?

Claim: one model with several workers transcribes several files at the same time, not one after
another.

Overlapping start and end times prove nothing: with one worker, which runs strictly one call at a
time, they overlap as well, because files take turns call by call. The makespan decides, and where
it does not get shorter, what is in use: `findings.at_once` tells a queue from a machine that has
nothing left to gain.

Compared, per workload, model, compute type, device and cpu_threads (one_model, several callers):
  speed-up = makespan of the same files one after another (1 caller, 1 worker) / makespan;
  over the best alone = makespan of the best way of doing the files one after another (1 caller,
  whatever threads) / makespan: what an operator would gain;
  gain over one worker = makespan with the same callers and ONE worker / makespan. A queue would
  leave it at 1.0 for any number of workers.
Judged are the rows with more workers in use than with one worker, which leave CPUs that one
worker does not fill (workers in use x threads < usable CPUs; on CUDA all of them), and whose files
allow a gain of two margins or more (from the files' own times one after another). Tests on paired
log ratios, the gain corrected over the report, what is in use over the judged rows (Holm).
Verdict:
  confirmed     some judged row is parallel, and none is a queue (a queue gives no gain anywhere);
                or some row is at once without a gain, none is parallel and none a queue: they run
                at once, but there is nothing left to gain here
  refuted       some judged row is a queue, and none is parallel or at once
  inconclusive  otherwise
  not measured  no judged row, e.g. because the runs could use one CPU only
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings import at_once, scaling, show
from parallel_transcription.findings.at_once import AT_ONCE, NOTHING_LEFT, PARALLEL, QUEUE
from parallel_transcription.findings.candidates import TROUBLE
from parallel_transcription.findings.evidence import CONDITIONS, NOT_JUDGED, counted
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.passes import (
    counted_timings,
    file_times,
    most_gain,
    overlap_share,
    service_times,
)
from parallel_transcription.findings.question import Answer, Case, Cases, Judged, PairedQuestion
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.finding import Finding, Row, Verdict

#: With one worker: whether the model's calls wait for each other.
WAIT, OVERLAP, NOT_TOLD = "calls wait", "calls overlap", "open"
ABOVE = "A gain over one worker shown to be above {above}."
GROUP = [*CONDITIONS, "device_index", "cpu_threads", "files_in_parallel"]
SPEED_UP = ("speed_up", "low", "high")
BEST_ALONE = ("over_best_alone", "best_low", "best_high")
GAIN = ("over_one_worker", "over_low", "over_high")
IN_USE = ("in_use_ratio", "in_use_low", "in_use_high")
SLOWER, NOT_SLOWER = "at once, each slower", "at once, none slower"


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
        "There is no pair of matched rounds with one worker and with several, for several callers, "
        "where one worker leaves CPUs and the files allow a gain."
    )
    to_measure = (
        "a study with one_model, files_in_parallel 2, num_workers 1 and 2, callers 1 and 2, and "
        "cpu_threads 1 and 2, on at least 2 CPUs."
    )
    remedy = "Rounds of those configurations: {command}"
    would_change = by_verdict(
        "A gain over one worker that stays below {above}, with cores in use that stay those of one "
        "worker although more are free.",
        ABOVE,
        ABOVE,
    )
    columns = (
        show.files(),
        show.workers(),
        show.threads(),
        show.seconds("makespan_s", "makespan (s)"),
        show.interval("speed_up", "over one after another", "low", "high"),
        show.interval("over_best_alone", "over the best way so", "best_low", "best_high"),
        show.decimals("at_most", "at most"),
        show.interval("over_one_worker", "over one worker", "over_low", "over_high"),
        show.decimals("cores_used", "cores"),
        show.decimals("in_use_ratio", "in use, over one"),
        show.rounds(),
        show.text("outcome", "outcome"),
    )
    sorted_by = ("model", "compute_type", "files", "workers", "cpu_threads", "callers")

    def judge(self, machine: Machine) -> Finding | None:
        """On one CPU nothing can run in parallel."""
        cpus = machine.cpus
        if cpus is not None and cpus <= 1 and not (_arms(machine)["device"] == "cuda").any():
            return self.not_measured(
                machine,
                why="The runs could use one CPU only, where nothing can run in parallel: this "
                "cannot be measured here.",
            )
        return super().judge(machine)

    def cases(self, machine: Machine) -> Cases:
        """Several workers against one; every row with several callers is evidence."""
        arms, timings = _arms(machine), counted_timings(machine)
        cases = Cases(arms=arms)
        for base, best, one, same in _with_same_callers(machine, arms):
            law = scaling.law_of(machine, same)
            for _, arm in same.sort_values("num_workers").iterrows():
                pairs = [
                    machine.compare(a["arm"], arm["arm"]) if a is not None else None
                    for a in (base, best, one if arm["num_workers"] > 1 else None)
                ]
                gain = pairs[2]
                row = _facts(machine, arm, pairs, timings)
                row["one_worker"] = _calls(machine, arm, base, row)
                times = file_times(timings, best if base is None else base, arm)
                row["at_most"] = most_gain(times, int(arm["in_use"]))
                if base is not None:
                    row["together"] = _together(machine, timings, base["arm"], arm["arm"])
                row |= law.get(arm["arm"], {})
                cases.evidence.append(row)
                known = (c for c in (base, best, one, arm) if c is not None)
                cases.runs += [c["configuration"] for c in known]
                if one is not None and gain is not None and gain.result.rounds:
                    # with a list of GPUs one worker on each of them is a gain by itself
                    most = row["at_most"] / most_gain(times, int(one["in_use"]))
                    use = at_once.in_use(machine, gain, one, arm, most)
                    row |= use.as_row()
                    if _can_tell(machine, one, arm, most):
                        row["use"] = use
                        cases.tested.append(Case(gain, row))
        return cases

    def compared(self, judged: Judged) -> None:
        """What each judged row shows."""
        uses = [row.pop("use") for row in judged.rows]
        rises = statistics.adjust([use.p_rises for use in uses])
        stays = statistics.adjust([use.p_stays for use in uses])
        for row, use, result, *p in zip(
            judged.rows, uses, judged.results, rises, stays, strict=True
        ):
            row["p_parallel"] = result.tests.p_above
            row["p_no_gain"] = result.tests.p_not_above
            row["p_in_use_rises"], row["p_in_use_stays"] = p
            sure = row["threads"] == 1 or row["device"] == "cuda"
            alpha = judged.machine.alpha
            row["outcome"] = at_once.outcome(result, use, (p[0], p[1]), sure, alpha)
            row |= _ratios(result, GAIN)
        for row in judged.rows:
            together = row["together"] if row["outcome"] in (PARALLEL, AT_ONCE) else row["outcome"]
            row["side_by_side"] = together

    def verdict(self, judged: Judged) -> Verdict:
        """Some row parallel (or at once) and none a queue, or the other way round?"""
        outcomes = {row["outcome"] for row in judged.rows}
        if outcomes & {PARALLEL, AT_ONCE}:
            return Verdict.INCONCLUSIVE if QUEUE in outcomes else Verdict.CONFIRMED
        return Verdict.REFUTED if QUEUE in outcomes else Verdict.INCONCLUSIVE

    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """Speed-up and gain of one row, and what one worker does."""
        row = _head(judged)
        files = words.plural(int(row["files"]), "file")
        workers = _workers(row)
        parts = [
            _start(row, verdict),
            f"{files} on {workers} of one model "
            f"({words.plural(int(row['threads']), 'thread')} each) are done",
        ]
        if row["speed_up"] is not None:
            after_another = "times as fast as one after another with the same threads"
            parts[-1] += f" {judged.estimate(row, after_another, *SPEED_UP)},"
        if _is_matched_worse(row):
            best = words.plural(int(row["best_alone_threads"]), "thread")
            after_another = f"times as fast as in the best way one after another ({best})"
            parts[-1] += f" {judged.estimate(row, after_another, *BEST_ALONE)},"
        parts.append(f"{judged.estimate(row, f'times as fast as with {_one(row)}', *GAIN)}.")
        parts += _in_use(judged, row)
        parts += _with_one_worker(judged, row)[:1]
        return Answer(" ".join(parts), _in_short(row, files, workers), _effect(judged, row))

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """What proves nothing, and the scaling laws."""
        yield (
            "Overlapping start and end times prove nothing: files take turns on one worker call by "
            "call. The makespan decides."
        )
        if any(_is_matched_worse(row) for row in judged.rows):
            yield (
                "The best way one after another was chosen by the rounds that it is compared in, "
                "so the gain over it is, if anything, a little too small."
            )
        yield from scaling.sentences(judged.cases.evidence, judged.machine.confidence)


def _arms(machine: Machine) -> Any:
    arms = machine.ordinary()
    return arms[(arms["strategy"] == "one_model") & (arms["files_in_parallel"] > 1)]


def _with_same_callers(machine: Machine, arms: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """(files one after another, the best way so, one worker, all) with as many callers.

    The first three are None where they were not measured. One after another are those of equal
    work and equal threads; the best way so may have any number of threads.
    """
    alone = arms[arms["callers"] == 1]
    for values, group in arms.groupby(GROUP, sort=True):
        same_work = alone
        for name, value in zip(GROUP, values, strict=True):
            # on a list of GPUs the best way alone is another question
            if name != "cpu_threads":
                same_work = same_work[same_work[name] == value]
        base = group[(group["callers"] == 1) & (group["num_workers"] == 1)]
        for _, same in group[group["callers"] > 1].groupby("callers", sort=True):
            one = same[same["num_workers"] == 1]
            yield (
                base.iloc[0] if len(base) else None,
                _best(machine, same_work),
                one.iloc[0] if len(one) else None,
                same,
            )


def _best(machine: Machine, alone: Any) -> Any:
    """The arm of the least median makespan among those that always ended in time, or None."""
    found = []
    for _, arm in alone.iterrows():
        times = machine.times(arm["arm"])
        if len(times) and not any(arm[f"n_{name}"] for name in TROUBLE):
            found.append((float(times["makespan_s"].median()), arm["arm"], arm))
    return min(found, key=lambda one: one[:2])[2] if found else None


def _can_tell(machine: Machine, one: Any, arm: Any, most: float) -> bool:
    """Whether more workers could show a gain: they are in use, CPUs are left, the files allow."""
    left = (
        arm["device"] != "cpu"
        or machine.cpus is None
        or one["in_use"] * one["threads"] < machine.cpus
    )
    return bool(arm["in_use"] > one["in_use"] and left and most >= 1 + 2 * machine.margin)


def _head(judged: Judged) -> Row:
    """The row that the answer speaks of: one that decided.

    Among these one within the CPUs, with the most workers in use, the fewest threads and workers.
    """
    order = (PARALLEL, QUEUE, AT_ONCE, NOTHING_LEFT)
    seen = {row["outcome"] for row in judged.rows}
    deciding = next((o for o in order if o in seen), None)
    return min(
        judged.cases.tested,
        key=lambda case: (
            deciding is not None and case.row["outcome"] != deciding,
            not case.row["fits_cpus"],
            -case.row["workers_in_use"],
            case.row["threads"],
            case.row["workers"],
            case.pair.arm_b,
        ),
    ).row


def _is_matched_worse(row: Row) -> bool:
    """Whether there is a better way one after another than with the threads of the row."""
    best = row["configuration_best_alone"]
    return best is not None and best != row["configuration_alone"]


def _start(row: Row, verdict: Verdict) -> str:
    """How the answer begins."""
    if verdict == Verdict.CONFIRMED and row["outcome"] == AT_ONCE:
        return "They run at once, but there is nothing left to gain here:"
    if verdict == Verdict.INCONCLUSIVE and row["outcome"] == NOTHING_LEFT:
        return "Not decided, for there is nothing left to gain here:"
    return starts("They run in parallel:", "They queue:")[verdict]


def _in_use(judged: Judged, row: Row) -> list[str]:
    """A sentence on what is in use, where that decides."""
    what = "The GPU is" if row["device"] == "cuda" else "CPU cores are"
    if row["outcome"] == PARALLEL or row["in_use_ratio"] is None:
        return []
    if not math.isfinite(row["in_use_ratio"]):
        return []
    times = judged.estimate(row, f"times as much as with {_one(row)}", *IN_USE)
    left = {"yes": "; more was free", "no": "; no more was free"}.get(row["room"], "")
    return [f"{what} in use {times}{left}."]


def _workers(row: Row) -> str:
    """Its workers: on a list of GPUs as many on each."""
    workers = words.plural(int(row["workers"]), "worker")
    return workers if row["gpus"] == 1 else f"{workers} on each of {row['gpus']} GPUs"


def _one(row: Row) -> str:
    """What its partner with one worker has."""
    return "one worker" if row["gpus"] == 1 else "one on each"


def _in_short(row: Row, files: str, workers: str) -> str:
    if row["outcome"] in (AT_ONCE, NOTHING_LEFT):
        gain = words.number(row["over_one_worker"])
        at_once = "At once, but n" if row["outcome"] == AT_ONCE else "N"
        return f"{at_once}othing left to gain: {gain} times as fast as with {_one(row)}."
    if row["speed_up"] is None:
        gain = words.number(row["over_one_worker"])
        return f"{files} on {workers}: {gain} times as fast as with {_one(row)}."
    speed = words.number(row["speed_up"])
    if not _is_matched_worse(row):
        return f"{files} on {workers}: {speed} times as fast as one after another."
    best = words.number(row["over_best_alone"])
    return (
        f"{files} on {workers}: {speed} {words.TIMES} one after another, {best} {words.TIMES} the "
        "best way so."
    )


def _effect(judged: Judged, row: Row) -> Any:
    """The number that decides: gain over one worker, or what is in use at once without a gain."""
    workers = _workers(row)
    if row["outcome"] == AT_ONCE:
        return judged.effect(row, f"in use, {workers} over one worker", words.TIMES, *IN_USE)
    if row["outcome"] == PARALLEL and row["speed_up"] is not None:
        name = f"speed-up, {row['files']} files at once on {workers}"
        return judged.effect(row, name, words.TIMES, *SPEED_UP)
    return judged.effect(row, f"gain over one worker, {workers}", words.TIMES, *GAIN)


def _together(machine: Machine, timings: pd.DataFrame, alone: str, arm: str) -> str:
    """Whether a file takes longer at once with others than alone, by the margin's tests."""
    a, b = service_times(timings, arm), service_times(timings, alone)
    both = a.index.intersection(b.index)
    if len(both) < 2:
        return ""
    result = statistics.compare(a[both], b[both], machine.margin, machine.confidence)
    if result.tests.p_difference <= machine.alpha and result.ratio > 1:
        return SLOWER
    return NOT_SLOWER if result.tests.p_not_above <= machine.alpha else ""


def _facts(machine: Machine, arm: Any, pairs: list[Pair | None], timings: pd.DataFrame) -> Row:
    times, cpus = machine.times(arm["arm"]), machine.cpus
    outside = (times["cpu_outside_engine_s"] / times["cpu_s"]).astype(float)
    s, best, g = (p.result if p is not None and p.result.rounds else None for p in pairs)
    speed, over_best, _ = pairs
    fits = arm["device"] != "cpu" or cpus is None or arm["in_use"] * arm["threads"] <= cpus
    alone = over_best.configurations[0] if over_best else None
    return {
        "model": arm["model"],
        "compute_type": arm["compute_type"],
        "device": arm["device"],
        "files": arm["files_in_parallel"],
        "callers": arm["callers"],
        "workers": arm["num_workers"],
        "workers_in_use": arm["in_use"],
        "gpus": arm["device_index"].count(",") + 1,
        "cpu_threads": arm["cpu_threads"],
        "threads": arm["threads"],
        "fits_cpus": fits,
        **(counted(told) if (told := s or g) else {"rounds": 0}),
        "makespan_s": _usual_makespan(times),
        **_ratios(s, SPEED_UP),
        **_ratios(best, BEST_ALONE),
        "best_alone_threads": _threads_of(machine, alone),
        "at_most": None,
        **_ratios(g, GAIN),
        "p_parallel": None,
        "p_no_gain": None,
        "cores_used": times["cores_used"].median() if len(times) else None,
        **dict.fromkeys(IN_USE),
        "room": "",
        "p_in_use_rises": None,
        "p_in_use_stays": None,
        "cpu_outside_engine_share": outside.median() if len(times) else None,
        "overlap_in_time": overlap_share(timings, arm["arm"]),
        "together": "",
        "side_by_side": "",
        "one_worker": "",
        "outcome": "one worker" if arm["num_workers"] == 1 else NOT_JUDGED,
        "configuration": arm["configuration"],
        "configuration_alone": speed.configurations[0] if speed else None,
        "configuration_best_alone": alone,
    }


def _calls(machine: Machine, arm: Any, base: Any, row: Row) -> str:
    """Whether calls wait for the one worker, by what work beside the model explains at most.

    Where a share s of a file's time alone is spent beside the model, calls that wait can overlap
    only that: the speed-up stays below 1 / (1 - s). "" for several workers.
    """
    if arm["num_workers"] != 1 or base is None or row["low"] is None:
        return ""
    beside = _share_beside_model(machine.times(base["arm"]), base)
    if beside is None or row["high"] is None:
        return NOT_TOLD
    bound = (1 + machine.margin) / (1 - beside)
    if row["high"] < bound:
        return WAIT
    return OVERLAP if row["low"] > bound else NOT_TOLD


def _share_beside_model(alone: Any, base: Any) -> float | None:
    """Share of the time of files one after another that is spent outside of the engine."""
    if base["device"] == "cuda":
        busy = alone["gpu_util"].astype(float).median()
        return None if math.isnan(busy) else 1 - float(busy)
    outside = alone["cpu_outside_engine_s"].astype(float)
    engine = (alone["cpu_s"].astype(float) - outside) / base["threads"]
    share = (outside / (outside + engine)).median()
    return None if math.isnan(share) else min(float(share), 0.9)


def _ratios(result: Any, names: tuple[str, str, str]) -> Row:
    values = (result.ratio, result.low, result.high) if result else (None, None, None)
    level = result.level if result else None
    return dict(zip(names, values, strict=True)) | {f"{names[1]}_level": level}


def _threads_of(machine: Machine, configuration: str | None) -> int | None:
    arms = machine.arms[machine.arms["configuration"] == configuration]
    return int(arms["threads"].iloc[0]) if len(arms) else None


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
        overlaps = {
            WAIT: "the model's calls wait for each other, only what is beside the model (decoding, "
            "features) overlaps",
            OVERLAP: "more than decoding and features beside the model would explain",
        }.get(r["one_worker"], "whether more than decoding and features overlaps is open")
        share = r["cpu_outside_engine_share"]
        outside = ""
        if share is not None and math.isfinite(share):
            outside = f"; {words.percent(share)} of its CPU time is spent outside the engine"
        sentences.append(
            f"With one worker and {r['callers']} callers the gain over one after another is "
            f"{judged.estimate(r, '', *SPEED_UP)}: {overlaps}{outside}."
        )
    return sentences
