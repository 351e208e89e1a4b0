"""How the work is spread: one model with N workers, N models in threads, N models in processes.

A strategy loads its models and then offers seats, one per caller. A caller is a thread that hands
one file after another to its seat and waits for the text. Everything here runs in the measured
process; nothing is timed here but the loading.
"""

from __future__ import annotations

import math
import multiprocessing
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from parallel_transcription.measure import meters, walk
from parallel_transcription.measure.placement import devices_of
from parallel_transcription.measure.processes import die_with_parent, how_it_ended

#: Whisper's input (`faster_whisper.decode_audio`, and `FeatureExtractor.chunk_length`).
SAMPLES_PER_SECOND = 16_000
WINDOW_S = 30


@dataclass
class Heard:
    """What one transcription gave; ``cpu_s`` is the CPU time of the calling thread alone."""

    text: str
    segments: int
    last_end_s: float
    language: str
    cpu_s: float


@dataclass
class Load:
    """One instance's initialisation, in seconds since the first one's start."""

    instance: int
    started_s: float
    finished_s: float
    error: str | None = None
    compute_type: str | None = None


Seat = Callable[[str], Heard]


class Strategy(Protocol):
    """What ``measure`` needs of a strategy."""

    def prepare(self) -> None:
        """Imports and helper processes: what a service does before it loads a model."""

    def load(self) -> list[Load]:
        """Load all instances, staggered as configured; errors are in the result, not raised."""

    def seat(self, caller: int) -> Seat:
        """The seat of a caller: instance ``caller % instances``."""

    def snapshots(self) -> list[meters.Snapshot]:
        """The meters of every process that works, this one first."""

    def memory(self) -> list[dict[str, int | None]]:
        """Memory of every process that works, this one first."""

    def reset_peaks(self) -> None:
        """Start a new peak of resident memory in every process."""

    def peaks(self) -> list[int | None]:
        """Peak resident memory of every process since the last reset, in bytes."""

    def decoded(self) -> list[walk.Decoded]:
        """How each file was decoded since this was last asked; never ask while the clock runs."""

    def close(self) -> None:
        """End helper processes."""


def transcribe_options(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of ``WhisperModel.transcribe``; what is at its default stays out."""
    options: dict[str, Any] = {
        "beam_size": configuration["beam_size"],
        "vad_filter": configuration["vad_filter"],
        "word_timestamps": configuration["word_timestamps"],
        "condition_on_previous_text": configuration["condition_on_previous_text"],
    }
    if configuration["language"] != "auto":
        options["language"] = configuration["language"]
    if not configuration["temperature_fallback"]:
        options["temperature"] = 0.0
    return options


def model_options(configuration: Mapping[str, Any], device_index: int | list[int]) -> dict:
    """The keyword arguments of ``WhisperModel``."""
    return {
        "device": configuration["device"],
        "device_index": device_index,
        "compute_type": configuration["compute_type"],
        "cpu_threads": configuration["cpu_threads"],
        "num_workers": configuration["num_workers"],
    }


def one_after_another(model: Any, options: Mapping[str, Any]) -> Callable[[str], tuple]:
    """``WhisperModel.transcribe`` with these options."""
    return lambda path: model.transcribe(path, **options)


def in_batches(model: Any, options: Mapping[str, Any], batch_size: int) -> Callable[[str], tuple]:
    """The same with so many windows of a file decoded together.

    It does the same work: with timestamps, and all of the audio unless the options say
    ``vad_filter`` (the pipeline's own defaults are without and with it). A pipeline has state of
    its file, so each call gets its own; it costs nothing.
    """
    from faster_whisper import BatchedInferencePipeline, decode_audio

    options = {**options, "batch_size": batch_size, "without_timestamps": False}

    def windows(seconds: float) -> list[dict[str, float]]:
        starts = range(0, math.ceil(seconds), WINDOW_S)
        return [{"start": start, "end": min(start + WINDOW_S, seconds)} for start in starts]

    def transcribe(path: str) -> tuple:
        audio = decode_audio(path)
        cuts = {}
        if not options["vad_filter"]:
            cuts["clip_timestamps"] = windows(len(audio) / SAMPLES_PER_SECOND)
        return BatchedInferencePipeline(model).transcribe(audio, **options, **cuts)

    return transcribe


#: A file and its segments, kept until the clock has stopped.
Kept = list[tuple[str, list[Any]]]


def make_seat(model: Any, configuration: Mapping[str, Any], kept: Kept) -> Seat:
    """A seat at a loaded ``WhisperModel``; it adds the segments of each file to ``kept``."""
    options = transcribe_options(configuration)
    batch_size, slowdown = configuration["batch_size"], configuration["slowdown"]
    if batch_size:
        start = in_batches(model, options, batch_size)
    else:
        start = one_after_another(model, options)

    def transcribe(path: str) -> Heard:
        cpu_before = time.thread_time()
        segments, info = start(path)
        heard = []
        since = time.monotonic()
        for segment in segments:  # a generator: the work happens here
            heard.append(segment)
            if slowdown:
                time.sleep(slowdown * (time.monotonic() - since))
                since = time.monotonic()
        kept.append((path, heard))
        return Heard(
            text="".join(segment.text for segment in heard).strip(),
            segments=len(heard),
            last_end_s=heard[-1].end if heard else 0.0,
            language=info.language,
            cpu_s=time.thread_time() - cpu_before,
        )

    return transcribe


def take(kept: Kept) -> list[walk.Decoded]:
    """Sum up what the seats kept, and forget it."""
    taken, kept[:] = list(kept), []
    return [walk.summary(file, segments) for file, segments in taken]


def load_staggered(
    loaders: list[Callable[[], Any]], stagger_s: float, closing: threading.Event
) -> tuple[list, list[Load]]:
    """Run all loaders in threads, each ``stagger_s`` after the one before it.

    The threads wait for ``closing`` when they have loaded. If they ended, glibc would give their
    memory arenas to the callers, whose passes would then take some per cent less system time than
    in a service that loads its models in the main thread (benchmarks/harness_overhead.py).

    Returns:
        The loaded objects (None where it failed) and their times, in the loaders' order.
    """
    loaded: list[Any] = [None] * len(loaders)
    loads = [Load(i, 0.0, 0.0) for i in range(len(loaders))]
    begin = time.monotonic()

    def work(i: int) -> None:
        time.sleep(max(0.0, i * stagger_s - (time.monotonic() - begin)))
        loads[i].started_s = time.monotonic() - begin
        try:
            loaded[i] = loaders[i]()
        except BaseException as error:  # one that ended the thread would go unseen
            loads[i].error = f"{type(error).__name__}: {error}"
        loads[i].finished_s = time.monotonic() - begin
        unfinished.release()
        closing.wait()

    unfinished = threading.Semaphore(0)
    for i in range(len(loaders)):
        threading.Thread(target=work, args=(i,), name=f"loader {i}", daemon=True).start()
    for _ in loaders:
        unfinished.acquire()
    return loaded, loads


class ThreadStrategy:
    """One or many ``WhisperModel`` instances in this process: one_model and multi_model."""

    def __init__(self, configuration: Mapping[str, Any], model_path: str):
        self.configuration = configuration
        self.model_path = model_path
        self.models: list[Any] = []
        self.kept: Kept = []
        self.closing = threading.Event()

    def _device_indices(self) -> list[int | list[int]]:
        devices = devices_of(self.configuration)
        if self.configuration["strategy"] == "one_model":
            return [devices if len(devices) > 1 else devices[0]]
        return [devices[i % len(devices)] for i in range(self.configuration["instances"])]

    def prepare(self) -> None:
        import faster_whisper  # noqa: F401

    def load(self) -> list[Load]:
        from faster_whisper import WhisperModel

        def loader(index: int | list[int]) -> Callable[[], Any]:
            options = model_options(self.configuration, index)
            return lambda: WhisperModel(self.model_path, **options)

        self.models, loads = load_staggered(
            [loader(index) for index in self._device_indices()],
            self.configuration["init_stagger_s"],
            self.closing,
        )
        for load, model in zip(loads, self.models, strict=True):
            load.compute_type = model and model.model.compute_type
        return loads

    def seat(self, caller: int) -> Seat:
        return make_seat(self.models[caller % len(self.models)], self.configuration, self.kept)

    def snapshots(self) -> list[meters.Snapshot]:
        return [meters.snapshot()]

    def memory(self) -> list[dict[str, int | None]]:
        return [meters.memory()]

    def reset_peaks(self) -> None:
        meters.reset_peak_rss()

    def peaks(self) -> list[int | None]:
        return [meters.peak_rss()]

    def decoded(self) -> list[walk.Decoded]:
        return take(self.kept)

    def close(self) -> None:
        self.closing.set()
        self.models.clear()


class ProcessEnded(RuntimeError):
    """A process of the multi_process strategy ended too early; ``status`` is that of the run."""

    def __init__(self, process: multiprocessing.process.BaseProcess):
        process.join(10)
        self.status, how = how_it_ended(process.exitcode)
        super().__init__(f"{process.name} of the multi_process strategy: {how}")


class ProcessStrategy:
    """N processes with one ``WhisperModel`` each; this process only hands the files out.

    Every caller has a pipe of its own to a thread in its instance's process, so that several
    callers of one instance do not wait for each other outside the engine.
    """

    def __init__(self, configuration: Mapping[str, Any], model_path: str):
        self.configuration = configuration
        self.model_path = model_path
        self.processes: list[multiprocessing.process.BaseProcess] = []
        self.controls: list[Any] = []
        self.lines: dict[int, Any] = {}
        self.closing = threading.Event()

    def prepare(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork after threads started can hang
        instances = self.configuration["instances"]
        devices = devices_of(self.configuration)
        for i in range(instances):
            callers = [c for c in range(self.configuration["callers"]) if c % instances == i]
            ours, theirs = zip(*(context.Pipe() for _ in range(len(callers) + 1)), strict=True)
            process = context.Process(
                target=_instance_process,
                args=(
                    theirs,
                    dict(self.configuration),
                    self.model_path,
                    devices[i % len(devices)],
                ),
                name=f"process {i + 1} of {instances}",
                daemon=True,
            )
            process.start()
            for connection in theirs:
                connection.close()
            self.processes.append(process)
            self.controls.append(ours[0])
            self.lines.update(zip(callers, ours[1:], strict=True))
        for instance in range(instances):
            self._answer(instance, self.controls[instance])

    def load(self) -> list[Load]:
        def loader(instance: int) -> Callable[[], Any]:
            return lambda: self._ask(instance, self.controls[instance], "load")

        compute_types, loads = load_staggered(
            [loader(instance) for instance in range(len(self.controls))],
            self.configuration["init_stagger_s"],
            self.closing,
        )
        for load, compute_type in zip(loads, compute_types, strict=True):
            load.compute_type = compute_type
        return loads

    def seat(self, caller: int) -> Seat:
        instance, line = caller % len(self.processes), self.lines[caller]
        return lambda path: Heard(**self._ask(instance, line, path))

    def snapshots(self) -> list[meters.Snapshot]:
        return [meters.snapshot(), *self._ask_all("snapshot")]

    def memory(self) -> list[dict[str, int | None]]:
        return [meters.memory(), *self._ask_all("memory")]

    def reset_peaks(self) -> None:
        meters.reset_peak_rss()
        self._ask_all("reset_peak")

    def peaks(self) -> list[int | None]:
        return [meters.peak_rss(), *self._ask_all("peak")]

    def decoded(self) -> list[walk.Decoded]:
        return [one for answer in self._ask_all("decoded") for one in answer]

    def close(self) -> None:
        self.closing.set()
        for control in self.controls:
            control.close()
        for process in self.processes:
            process.join(10)
            if process.is_alive():
                process.kill()

    def _ask_all(self, question: str) -> list[Any]:
        for instance, control in enumerate(self.controls):
            self._send(instance, control, question)
        return [self._answer(i, control) for i, control in enumerate(self.controls)]

    def _ask(self, instance: int, connection: Any, question: str) -> Any:
        self._send(instance, connection, question)
        return self._answer(instance, connection)

    def _send(self, instance: int, connection: Any, question: str) -> None:
        try:
            connection.send(question)
        except OSError:
            raise ProcessEnded(self.processes[instance]) from None

    def _answer(self, instance: int, connection: Any) -> Any:
        try:
            good, answer = connection.recv()
        except (EOFError, OSError):
            raise ProcessEnded(self.processes[instance]) from None
        if not good:
            raise RuntimeError(answer)
        return answer


def _instance_process(
    connections: tuple, configuration: Mapping[str, Any], model_path: str, device_index: int
) -> None:
    """The life of one process: load on demand, then serve its callers and its control line."""
    from dataclasses import asdict

    die_with_parent(multiprocessing.parent_process().pid)

    from faster_whisper import WhisperModel

    control, *lines = connections
    seats: list[Seat] = []
    kept: Kept = []

    def load() -> str:
        model = WhisperModel(model_path, **model_options(configuration, device_index))
        seats.append(make_seat(model, configuration, kept))
        return model.model.compute_type

    questions: dict[str, Callable[[], Any]] = {
        "load": load,
        "snapshot": meters.snapshot,
        "memory": meters.memory,
        "reset_peak": meters.reset_peak_rss,
        "peak": meters.peak_rss,
        "decoded": lambda: take(kept),
    }

    def serve(connection: Any, answer_to: Callable[[str], Any]) -> None:
        while True:
            try:
                question = connection.recv()
            except EOFError:
                return
            try:
                answer = (True, answer_to(question))
            except BaseException as error:  # the one who asked must not wait for ever
                answer = (False, f"{type(error).__name__}: {error}")
            connection.send(answer)

    for line in lines:
        threading.Thread(
            target=serve, args=(line, lambda path: asdict(seats[0](path))), daemon=True
        ).start()
    control.send((True, None))
    serve(control, lambda question: questions[question]())


def make_strategy(configuration: Mapping[str, Any], model_path: str) -> Strategy:
    """The strategy that a configuration names."""
    if configuration["strategy"] == "multi_process":
        return ProcessStrategy(configuration, model_path)
    return ThreadStrategy(configuration, model_path)
