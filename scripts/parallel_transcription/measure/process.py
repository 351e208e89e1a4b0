"""The measured process: loads the models, warms up, runs the files and reports what it saw.

Started fresh for every run by `supervise` as `python -m parallel_transcription.measure.process FD`.
The order comes as a line of JSON on standard input; a side of a match then sleeps until a line says
that its next pass may begin. Reports leave as JSON lines on file descriptor FD, and only between
the timed windows. A window opens when all files are handed out at one moment and
closes when the last one is finished; inside it nothing runs but the callers and the engine.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from parallel_transcription.measure import disturbance
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.decoded import attach
from parallel_transcription.measure.load_window import LoadWindow
from parallel_transcription.measure.messages import (
    AllDone,
    Event,
    Failed,
    Loaded,
    Order,
    PassBegins,
    PassEnded,
    Prepared,
    Report,
    WindowClosed,
    encode,
)
from parallel_transcription.measure.processes import die_with_parent
from parallel_transcription.measure.window import Window

if TYPE_CHECKING:  # imported when the CPUs are set: libraries start their threads then
    from parallel_transcription.measure.gpu_meters import Gpus
    from parallel_transcription.measure.strategies import Strategy


#: Meters of a service that is not ours: who used the CPUs beside its client is not known.
UNSEEN = dict.fromkeys(
    ("cpu_s", "cpu_user_s", "cpu_system_s", "context_switches_voluntary",
     "context_switches_involuntary", "foreign_cpu_s", "foreign_cpu_share")
)  # fmt: skip


def run_pass(
    strategy: Strategy,
    files: Sequence[str],
    callers: int,
    instances: int,
    live: Report | None = None,
    gpus: Gpus | None = None,
    warming: bool = False,
    window: Window | None = None,
) -> dict[str, Any]:
    """One pass over all files: the timed window and the meters at its two ends.

    Args:
        strategy: With its models loaded.
        files: What is handed out at one moment, unless the window says otherwise.
        callers: How many take files.
        instances: How many models the callers are dealt out to.
        live: Told of every file as it starts and finishes.
        gpus: Meters of the GPUs in use, if there are any.
        warming: Whether each file ends with its first text.
        window: That of a load.

    Returns:
        The pass as the run record keeps it, without its number.
    """
    from parallel_transcription.measure import limits, meters

    holding_back = limits.Limits()
    window = window or Window(files, callers)

    def call(caller: int) -> None:
        window.serve(caller, caller % instances, strategy.transcriber(caller, warming), live)

    threads = [threading.Thread(target=call, args=(c,), daemon=True) for c in range(callers)]
    for thread in threads:
        thread.start()
    strategy.reset_peaks()
    window.wait_for_callers()
    window.lead_in()
    held_before = holding_back.read()
    if gpus:
        gpus.open_window()
    started_at, began = time.time(), time.monotonic()
    before = strategy.snapshots()
    window.open()
    window.wait_until_over()
    after = strategy.snapshots()
    clock_jump_s = (time.time() - started_at) - (time.monotonic() - began)
    if gpus:
        gpus.close_window()
    held_after = holding_back.read()

    window.close()
    for thread in threads:
        thread.join()
    done = window.told
    peaks = [peak for peak in strategy.peaks() if peak is not None]
    error = window.error
    return {
        "status": "failed" if error else "ok",
        "error": error,
        "started_at": started_at,
        "clock_jump_s": clock_jump_s,
        "makespan_s": window.makespan_s,
        **meters.difference(meters.total(before), meters.total(after)),
        **limits.between(held_before, held_after),
        "cpu_main_s": meters.difference(before[0], after[0])["cpu_s"],
        "cpu_callers_s": sum(one.transcript.cpu_s for one in done if one.transcript),
        "rss_peak_bytes": sum(peaks) if peaks else None,
        "memory": add_up(strategy.memory()),
        "transcriptions": [one.as_json() for one in done],
    }


def add_up(parts: list[dict[str, int | None]]) -> dict[str, int | None]:
    """Memory of several processes together; a meter that one of them lacks is lacking."""
    return {key: _sum(part[key] for part in parts) for key in parts[0]}


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def run(order: Order, report: Report, turns: Iterable[int] = ()) -> None:
    """Load, warm up, repeat; every step is reported when it is over.

    Args:
        order: What to run.
        report: Told of each step.
        turns: Of a side of a match: the numbers of its passes; taking one waits until it may begin.
    """
    from parallel_transcription.measure.engine import engine
    from parallel_transcription.measure.strategies import make_strategy

    strategy = make_strategy(order)
    begin = time.monotonic()
    strategy.prepare()
    report(Prepared(time.monotonic() - begin))
    gpus = open_gpus(order.configuration)
    before = add_up(strategy.memory())
    gpus_before = gpus.memory() if gpus else []
    loads = strategy.load()
    loaded = Loaded(
        loads=[asdict(load) for load in loads],
        memory_before=before,
        memory_after=add_up(strategy.memory()),
        gpus=gpus.loaded(gpus_before) if gpus else None,
        engine={} if order.service else engine(),
    )
    report(loaded)
    failures = [load.error for load in loads if load.error]
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(loads)} instances did not load: {failures[0]}")
    if order.files:
        _passes(strategy, order, report, turns, gpus, loaded.gpus)
    report(AllDone())
    strategy.close()


def _passes(
    strategy: Strategy,
    order: Order,
    report: Report,
    turns: Iterable[int],
    gpus: Gpus | None,
    loaded: list[dict[str, Any]] | None,
) -> None:
    """The warm-ups and the repeats, and again those that others disturbed; up to a failure."""
    from parallel_transcription.measure import meters, walk

    where = _place(order)
    numbers = [*range(1 - order.warmups, 1), *(order.first + k for k in range(order.repeats))]
    left = order.remeasure
    live = report if order.live else None
    warm = order.warm_files, order.warm_callers
    counted = order.files, order.configuration.callers
    for number in turns if order.in_turns else numbers:  # which grow while they are gone through
        report(PassBegins(number, vars(meters.begun(strategy.snapshots()))))
        files, callers = warm if number < 1 else counted
        instances, warming = order.configuration.instances, number < 1
        under_load = None
        if order.load and not warming:
            served = order.configuration.served_at_once
            under_load = LoadWindow(order.load, number, order.files, callers, served)
        result = run_pass(strategy, files, callers, instances, live, gpus, warming, under_load)
        if under_load:
            result["given_up"] = under_load.given_up
            result["sender_cpu_s"] = under_load.sender_cpu_s
        if order.service and order.service.command is None:
            result |= UNSEEN
        decoded = strategy.decoded()
        attach(result["transcriptions"], decoded)
        if order.walk and not warming and result["status"] == "ok":
            result["walk_lost"] = walk.lost(decoded, order.walk)
        if gpus:
            report(WindowClosed())  # what the driver's buffers hold is fetched in own time
            result["gpus"] = gpus.window()
        report(PassEnded(number, result))
        if result["status"] != "ok":
            return
        told = disturbance.of_pass(result, where, order.disturbed_above, loaded)
        if number >= order.first and left and told.at_all:
            left -= 1
            numbers.append(numbers[-1] + 1)


def _place(order: Order) -> disturbance.Place:
    """The CPUs that this process has and needs."""
    from parallel_transcription.measure import meters

    cpus = os.cpu_count()
    own = meters.affinity()
    return disturbance.place(
        order.configuration, cpus, len(own) if own else cpus, [order.quota_cpus]
    )


def open_gpus(configuration: Configuration) -> Gpus | None:
    """The meters of the GPUs, once it is clear that these can be used; None on a CPU.

    Raises:
        CudaError: for what the configuration needs and this process has not.
    """
    if configuration.device != "cuda":
        return None
    from parallel_transcription.measure import cuda, gpu_meters

    cuda.check(configuration)
    return gpu_meters.open_gpus(configuration.devices)


def main() -> None:
    """Read the order, prepare the process, measure, report."""
    descriptor = int(sys.argv[1])
    lock = threading.Lock()
    reports = os.fdopen(descriptor, "w", encoding="utf-8")

    def report(event: Event) -> None:
        with lock:
            reports.write(encode(event) + "\n")
            reports.flush()

    order = Order.from_json(sys.stdin.readline())
    die_with_parent(order.supervisor)
    if order.affinity:
        os.sched_setaffinity(0, order.affinity)  # before any library starts its threads
    try:
        run(order, report, map(int, sys.stdin))
    except Exception as error:
        import traceback

        report(Failed(f"{type(error).__name__}: {error}", getattr(error, "status", "failed")))
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
