"""Stands for faster-whisper on GPUs: one queue of calls, `num_workers` places per device."""

import queue
import time
from types import SimpleNamespace

import fake_machine


class WhisperModel:
    def __init__(self, path, *, device, device_index, compute_type, cpu_threads, num_workers):
        assert device == "cuda"
        wanted = device_index if isinstance(device_index, list) else [device_index]
        there = fake_machine.visible()
        if max(wanted) >= len(there):
            raise RuntimeError("CUDA failed with error invalid device ordinal")
        gpus = [there[index] for index in wanted]
        fake_machine.note(
            "model", gpus=gpus, device_index=device_index, num_workers=num_workers,
            cpu_threads=cpu_threads, compute_type=compute_type,
        )  # fmt: skip
        self.model = SimpleNamespace(compute_type=compute_type)
        self._places = queue.Queue()
        for _ in range(num_workers):
            for gpu in gpus:
                self._places.put(gpu)

    def transcribe(self, path, **options):
        return self._segments(path), SimpleNamespace(language="en", duration_after_vad=1.0)

    def _segments(self, path):
        gpu = self._places.get()
        try:
            start = time.time()
            time.sleep(fake_machine.seconds_on(gpu))
            fake_machine.note("work", gpu=gpu, file=path, start=start, end=time.time())
        finally:
            self._places.put(gpu)
        yield SimpleNamespace(
            text=" not a transcript", seek=0, end=1.0, tokens=[1, 2],
            temperature=0.0, avg_logprob=0.0, compression_ratio=1.0,
        )  # fmt: skip
