"""The measured process: loads the models, warms up, runs the files and reports what it saw.

Started fresh for every run by `supervise` as `python -m parallel_transcription.measure.process FD`.
The order comes as JSON on standard input, reports leave as JSON lines on file descriptor FD, and
only between the timed windows. A window opens when all files are handed out at one moment and
closes when the last one is finished; inside it nothing runs but the callers and the engine.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.decoded import attach
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


def run_pass(
    strategy: Strategy, order: Order, live: Report | None = None, gpus: Gpus | None = None
) -> dict[str, Any]:
    """One pass over all files: the timed window and the meters at its two ends.

    Args:
        strategy: With its models loaded.
        order: What to run.
        live: Told of every file as it starts and finishes.
        gpus: Meters of the GPUs in use, if there are any.

    Returns:
        The pass as the run record keeps it, without its number.
    """
    from parallel_transcription.measure import limits, meters

    holding_back = limits.Limits()
    callers, instances = order.configuration.callers, order.configuration.instances
    window = Window(order.files, callers)

    def call(caller: int) -> None:
        window.serve(caller, caller % instances, strategy.transcriber(caller), live)

    threads = [threading.Thread(target=call, args=(c,), daemon=True) for c in range(callers)]
    for thread in threads:
        thread.start()
    strategy.reset_peaks()
    window.wait_for_callers()
    held_before = holding_back.read()
    if gpus:
        gpus.open_window()
    started_at = time.time()
    before = strategy.snapshots()
    window.open()
    window.wait_until_over()
    after = strategy.snapshots()
    clock_jump_s = (time.time() - started_at) - window.since()
    if gpus:
        gpus.close_window()
    held_after = holding_back.read()

    for thread in threads:
        thread.join()
    done = window.transcriptions
    peaks = [peak for peak in strategy.peaks() if peak is not None]
    failed = [one for one in done if one.status != "ok"]
    return {
        "status": "failed" if failed else "ok",
        "error": failed[0].error if failed else None,
        "started_at": started_at,
        "clock_jump_s": clock_jump_s,
        "makespan_s": max(one.finished_s for one in done if one.finished_s is not None),
        **meters.difference(meters.total(before), meters.total(after)),
        **limits.between(held_before, held_after),
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


def run(order: Order, report: Report) -> None:
    """Load, warm up, repeat; every step is reported when it is over."""
    from parallel_transcription.measure import walk
    from parallel_transcription.measure.engine import engine
    from parallel_transcription.measure.strategies import make_strategy

    strategy = make_strategy(order.configuration, order.model_path)
    begin = time.monotonic()
    strategy.prepare()
    report(Prepared(time.monotonic() - begin))
    gpus = open_gpus(order.configuration)
    before = add_up(strategy.memory())
    gpus_before = gpus.memory() if gpus else []
    loads = strategy.load()
    report(
        Loaded(
            loads=[asdict(load) for load in loads],
            memory_before=before,
            memory_after=add_up(strategy.memory()),
            gpus=gpus.loaded(gpus_before) if gpus else None,
            engine=engine(),
        )
    )
    failures = [load.error for load in loads if load.error]
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(loads)} instances did not load: {failures[0]}")
    passes = order.warmups + order.repeats if order.files else 0
    for number in range(1 - order.warmups, 1 - order.warmups + passes):
        report(PassBegins(number))
        result = run_pass(strategy, order, report if order.live else None, gpus)
        decoded = strategy.decoded()
        attach(result["transcriptions"], decoded)
        if order.walk and result["status"] == "ok":
            result["walk_lost"] = walk.lost(decoded, order.walk)
        if gpus:
            report(WindowClosed())  # what the driver's buffers hold is fetched in own time
            result["gpus"] = gpus.window()
        report(PassEnded(number, result))
        if result["status"] != "ok":
            break
    report(AllDone())
    strategy.close()


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

    order = Order.from_json(sys.stdin.read())
    die_with_parent(order.supervisor)
    if order.affinity:
        os.sched_setaffinity(0, order.affinity)  # before any library starts its threads
    try:
        run(order, report)
    except Exception as error:
        import traceback

        from parallel_transcription.measure.strategies import ProcessEnded

        status = error.status if isinstance(error, ProcessEnded) else "failed"
        report(Failed(f"{type(error).__name__}: {error}", status))
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
