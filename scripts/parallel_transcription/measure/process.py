"""The measured process: loads the models, warms up, runs the files and reports what it saw.

Started fresh for every run by ``supervise`` as ``python -m parallel_transcription.measure.process
FD``. The order comes as JSON on standard input, reports leave as JSON lines on file descriptor FD,
and only between the timed windows. A window opens when all files are handed out at one moment and
closes when the last one is finished; inside it nothing runs but the callers and the engine.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from parallel_transcription.measure.processes import die_with_parent

Report = Callable[..., None]


@dataclass
class Transcription:
    """One file handed to one caller; times in seconds since the window opened."""

    counter: int
    file: str
    caller: int
    instance: int
    submitted_s: float = 0.0
    started_s: float | None = None
    finished_s: float | None = None
    status: str = "ok"
    error: str | None = None
    heard: Any = None


def run_pass(
    strategy: Any, order: dict[str, Any], live: Report | None, gpus: Any = None
) -> dict[str, Any]:
    """One pass over all files: the timed window and the meters at its two ends.

    Args:
        strategy: With its models loaded.
        order: What to run.
        live: Told of every file as it starts and finishes.
        gpus: Meters of the GPUs in use (``gpu_meters.Gpus``), if there are any.

    Returns:
        The pass as the run record keeps it, without its number.
    """
    from parallel_transcription.measure import meters

    configuration = order["configuration"]
    callers, instances = configuration["callers"], configuration["instances"]
    waiting = deque(Transcription(i + 1, file, -1, -1) for i, file in enumerate(order["files"]))
    everything = list(waiting)
    unfinished = threading.Semaphore(0)
    opened = threading.Event()
    ready = threading.Barrier(callers + 1)
    window_opened = 0.0

    def call(caller: int) -> None:
        seat = strategy.seat(caller)
        ready.wait()
        opened.wait()
        while True:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            task.caller, task.instance = caller, caller % instances
            task.started_s = time.monotonic() - window_opened
            if live:
                live("started", counter=task.counter, file=task.file, at=task.started_s)
            try:
                task.heard = seat(task.file)
            except BaseException as error:  # a panic of the tokenizers library is no Exception
                task.status, task.error = "failed", f"{type(error).__name__}: {error}"
            task.finished_s = time.monotonic() - window_opened
            if live:
                live(
                    "finished",
                    counter=task.counter,
                    file=task.file,
                    seconds=task.finished_s - task.submitted_s,
                    error=task.error,
                )
            unfinished.release()

    threads = [threading.Thread(target=call, args=(c,), daemon=True) for c in range(callers)]
    for thread in threads:
        thread.start()
    strategy.reset_peaks()
    ready.wait()
    if gpus:
        gpus.open_window()
    started_at = time.time()
    before = strategy.snapshots()
    window_opened = time.monotonic()
    opened.set()
    for _ in everything:
        unfinished.acquire()
    after = strategy.snapshots()
    slept_s = (time.time() - started_at) - (time.monotonic() - window_opened)
    if gpus:
        gpus.close_window()

    for thread in threads:
        thread.join()
    peaks = [peak for peak in strategy.peaks() if peak is not None]
    failed = [task for task in everything if task.status != "ok"]
    return {
        "status": "failed" if failed else "ok",
        "error": failed[0].error if failed else None,
        "started_at": started_at,
        "clock_jump_s": slept_s,
        "makespan_s": max(task.finished_s for task in everything),
        **meters.difference(meters.total(before), meters.total(after)),
        "cpu_callers_s": sum(task.heard.cpu_s for task in everything if task.heard),
        "rss_peak_bytes": sum(peaks) if peaks else None,
        "memory": add_up(strategy.memory()),
        "transcriptions": [_plain(task) for task in everything],
    }


def _plain(task: Transcription) -> dict[str, Any]:
    plain = {k: v for k, v in vars(task).items() if k != "heard"}
    heard = (
        asdict(task.heard)
        if task.heard
        else dict.fromkeys(("text", "segments", "last_end_s", "language", "cpu_s"))
    )
    return plain | heard


def add_up(parts: list[dict[str, int | None]]) -> dict[str, int | None]:
    """Memory of several processes together; a meter that one of them lacks is lacking."""
    return {
        key: None if any(p[key] is None for p in parts) else sum(p[key] for p in parts)
        for key in parts[0]
    }


def run(order: dict[str, Any], report: Report) -> None:
    """Load, warm up, repeat; every step is reported when it is over."""
    from parallel_transcription.measure import walk
    from parallel_transcription.measure.engine import engine
    from parallel_transcription.measure.strategies import make_strategy

    strategy = make_strategy(order["configuration"], order["model_path"])
    begin = time.monotonic()
    strategy.prepare()
    report("prepared", seconds=time.monotonic() - begin)
    gpus = open_gpus(order["configuration"])
    before = add_up(strategy.memory())
    gpus_before = gpus and gpus.memory()
    loads = strategy.load()
    report(
        "loaded",
        loads=[asdict(load) for load in loads],
        memory_before=before,
        memory_after=add_up(strategy.memory()),
        gpus=gpus and gpus.loaded(gpus_before),
        engine=engine(),
    )
    failures = [load.error for load in loads if load.error]
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(loads)} instances did not load: {failures[0]}")
    live = report if order["live"] else None
    passes = order["warmups"] + order["repeats"] if order["files"] else 0
    for number in range(1 - order["warmups"], 1 - order["warmups"] + passes):
        report("pass", repeat=number)
        result = run_pass(strategy, order, live, gpus)
        decoded = strategy.decoded()
        if order.get("walk") and result["status"] == "ok":
            result["walk_lost"] = walk.lost(decoded, order["walk"])
        if gpus:
            report("timed", repeat=number)  # what the driver's buffers hold is fetched in own time
            result["gpus"] = gpus.window()
        report("passed", repeat=number, result=result)
        if result["status"] != "ok":
            break
    report("end")
    strategy.close()


def open_gpus(configuration: dict[str, Any]) -> Any:
    """The meters of the GPUs, once it is clear that these can be used; None on a CPU.

    Raises:
        CudaError: for what the configuration needs and this process has not.
    """
    if configuration["device"] != "cuda":
        return None
    from parallel_transcription.measure import cuda, gpu_meters
    from parallel_transcription.measure.placement import devices_of

    cuda.check(configuration)
    return gpu_meters.open_gpus(devices_of(configuration))


def main() -> None:
    """Read the order, prepare the process, measure, report."""
    descriptor = int(sys.argv[1])
    lock = threading.Lock()
    reports = os.fdopen(descriptor, "w", encoding="utf-8")

    def report(event: str, **content: Any) -> None:
        with lock:
            reports.write(json.dumps({"event": event, **content}) + "\n")
            reports.flush()

    order = json.load(sys.stdin)
    die_with_parent(order["supervisor"])
    if order["affinity"]:
        os.sched_setaffinity(0, order["affinity"])  # before any library starts its threads
    try:
        run(order, report)
    except Exception as error:
        import traceback

        from parallel_transcription.measure.strategies import ProcessEnded

        status = error.status if isinstance(error, ProcessEnded) else "failed"
        report("error", error=f"{type(error).__name__}: {error}", status=status)
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
