"""How the work is spread: one model with N workers, N models in threads, N models in processes.

A fourth, a service that is asked from outside, is in `services.py`.

A strategy loads its models and then gives each caller a transcriber. A caller is a thread that
hands one file after another to its transcriber and waits for the text. Everything here runs in the
measured process; nothing is timed here but the loading.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from parallel_transcription.measure import meters
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.decoded import Decoded
from parallel_transcription.measure.loading import Load, load_staggered
from parallel_transcription.measure.messages import Order
from parallel_transcription.measure.processes import die_with_parent, how_it_ended
from parallel_transcription.measure.transcriber import (
    Kept,
    Transcriber,
    Transcript,
    make_transcriber,
    model_options,
    take,
)


class Strategy(Protocol):
    """What the measured process needs of a strategy."""

    def prepare(self) -> None:
        """Imports and helper processes: what a service does before it loads a model."""

    def load(self) -> list[Load]:
        """Load all instances, staggered as configured; errors are in the result, not raised."""

    def transcriber(self, caller: int, warming: bool = False) -> Transcriber:
        """What a caller hands its files to: instance `caller % instances`."""

    def snapshots(self) -> list[meters.Snapshot]:
        """The meters of every process that works, this one first."""

    def memory(self) -> list[dict[str, int | None]]:
        """Memory of every process that works, this one first."""

    def reset_peaks(self) -> None:
        """Start a new peak of resident memory in every process."""

    def peaks(self) -> list[int | None]:
        """Peak resident memory of every process since the last reset, in bytes."""

    def decoded(self) -> list[Decoded]:
        """How each file was decoded since this was last asked; never ask while the clock runs."""

    def close(self) -> None:
        """End helper processes."""


class ThreadStrategy:
    """One or many `WhisperModel` instances in this process: one_model and multi_model."""

    def __init__(self, configuration: Configuration, model_path: str):
        self.configuration = configuration
        self.model_path = model_path
        self.models: list[Any] = []
        self.kept: Kept = []
        self.closing = threading.Event()

    def _device_indices(self) -> list[int | list[int]]:
        devices = self.configuration.devices
        if self.configuration.strategy == "one_model":
            return [devices if len(devices) > 1 else devices[0]]
        return [devices[i % len(devices)] for i in range(self.configuration.instances)]

    def prepare(self) -> None:
        import faster_whisper  # noqa: F401

    def load(self) -> list[Load]:
        from faster_whisper import WhisperModel

        def loader(index: int | list[int]) -> Callable[[], Any]:
            options = model_options(self.configuration, index)
            return lambda: WhisperModel(self.model_path, **options)

        self.models, loads = load_staggered(
            [loader(index) for index in self._device_indices()],
            self.configuration.init_stagger_s,
            self.closing,
        )
        for load, model in zip(loads, self.models, strict=True):
            load.compute_type = model and model.model.compute_type
        return loads

    def transcriber(self, caller: int, warming: bool = False) -> Transcriber:
        model = self.models[caller % len(self.models)]
        return make_transcriber(model, self.configuration, self.kept, warming)

    def snapshots(self) -> list[meters.Snapshot]:
        return [meters.snapshot()]

    def memory(self) -> list[dict[str, int | None]]:
        return [meters.memory()]

    def reset_peaks(self) -> None:
        meters.reset_peak_rss()

    def peaks(self) -> list[int | None]:
        return [meters.peak_rss()]

    def decoded(self) -> list[Decoded]:
        return take(self.kept)

    def close(self) -> None:
        self.closing.set()
        self.models.clear()


class ProcessEnded(RuntimeError):
    """A process of the multi_process strategy ended too early; `status` is that of the run."""

    def __init__(self, process: BaseProcess):
        process.join(10)
        self.status, how = how_it_ended(process.exitcode)
        super().__init__(f"{process.name} of the multi_process strategy: {how}")


class ProcessStrategy:
    """N processes with one `WhisperModel` each; this process only hands the files out.

    Every caller has a pipe of its own to a thread in its instance's process, so that several
    callers of one instance do not wait for each other outside the engine.
    """

    def __init__(self, configuration: Configuration, model_path: str, callers: int):
        self.configuration = configuration
        self.model_path = model_path
        self.callers = callers
        self.processes: list[BaseProcess] = []
        self.controls: list[Connection] = []
        self.lines: dict[int, Connection] = {}
        self.closing = threading.Event()

    def prepare(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork after threads started can hang
        instances = self.configuration.instances
        devices = self.configuration.devices
        for i in range(instances):
            callers = [c for c in range(self.callers) if c % instances == i]
            ours, theirs = zip(*(context.Pipe() for _ in range(len(callers) + 1)), strict=True)
            process = context.Process(
                target=_instance_process,
                args=(theirs, self.configuration, self.model_path, devices[i % len(devices)]),
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
            self.configuration.init_stagger_s,
            self.closing,
        )
        for load, compute_type in zip(loads, compute_types, strict=True):
            load.compute_type = compute_type
        return loads

    def transcriber(self, caller: int, warming: bool = False) -> Transcriber:
        instance, line = caller % len(self.processes), self.lines[caller]
        return lambda path: Transcript(**self._ask(instance, line, (path, warming)))

    def snapshots(self) -> list[meters.Snapshot]:
        return [meters.snapshot(), *self._ask_all("snapshot")]

    def memory(self) -> list[dict[str, int | None]]:
        return [meters.memory(), *self._ask_all("memory")]

    def reset_peaks(self) -> None:
        meters.reset_peak_rss()
        self._ask_all("reset_peak")

    def peaks(self) -> list[int | None]:
        return [meters.peak_rss(), *self._ask_all("peak")]

    def decoded(self) -> list[Decoded]:
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

    def _ask(self, instance: int, connection: Connection, question: Any) -> Any:
        self._send(instance, connection, question)
        return self._answer(instance, connection)

    def _send(self, instance: int, connection: Connection, question: Any) -> None:
        try:
            connection.send(question)
        except OSError:
            raise ProcessEnded(self.processes[instance]) from None

    def _answer(self, instance: int, connection: Connection) -> Any:
        try:
            good, answer = connection.recv()
        except (EOFError, OSError):
            raise ProcessEnded(self.processes[instance]) from None
        if not good:
            raise RuntimeError(answer)
        return answer


def _instance_process(
    connections: Sequence[Connection],
    configuration: Configuration,
    model_path: str,
    device_index: int,
) -> None:
    """The life of one process: load on demand, then serve its callers and its control line."""
    if parent := multiprocessing.parent_process():
        die_with_parent(parent.pid or 0)

    from faster_whisper import WhisperModel

    control, *lines = connections
    transcribers: dict[bool, Transcriber] = {}  # by whether they are warming
    kept: Kept = []

    def load() -> str:
        model = WhisperModel(model_path, **model_options(configuration, device_index))
        for warming in (False, True):
            transcribers[warming] = make_transcriber(model, configuration, kept, warming)
        return str(model.model.compute_type)

    questions: dict[str, Callable[[], Any]] = {
        "load": load,
        "snapshot": meters.snapshot,
        "memory": meters.memory,
        "reset_peak": meters.reset_peak_rss,
        "peak": meters.peak_rss,
        "decoded": lambda: take(kept),
    }

    def transcribe(asked: tuple[str, bool]) -> dict[str, Any]:
        path, warming = asked
        return asdict(transcribers[warming](path))

    def serve(connection: Connection, answer_to: Callable[[Any], Any]) -> None:
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
        threading.Thread(target=serve, args=(line, transcribe), daemon=True).start()
    control.send((True, None))
    serve(control, lambda question: questions[question]())


def make_strategy(order: Order) -> Strategy:
    """The strategy that the configuration of an order names."""
    if order.service is not None:
        from parallel_transcription.measure.services import ServiceStrategy

        return ServiceStrategy(order.configuration, order.service, order.files)
    if order.configuration.strategy == "multi_process":
        return ProcessStrategy(order.configuration, order.model_path, order.warm_callers)
    return ThreadStrategy(order.configuration, order.model_path)
