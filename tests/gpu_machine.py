"""A measured process that believes to have GPUs (see `fake_gpus`): nothing here is measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from parallel_transcription.measure import cuda
from parallel_transcription.measure.messages import Protocol, Task
from parallel_transcription.measure.supervise import supervise
from parallel_transcription.places import SCRIPTS
from parallel_transcription.study.configuration import check, complete

FAKES = Path(__file__).resolve().parent / "fake_gpus"
PROTOCOL = Protocol(repeats=1, warmups=0, timeout_s=60.0, load_timeout_s=60.0)


class GpuMachine:
    """GPUs as `facts` say (fake_machine.MACHINE), for processes started with our environment."""

    def __init__(self, folder: Path, monkeypatch, **facts):
        self.folder = folder / "machine"
        self.folder.mkdir()
        self.change(**facts)
        monkeypatch.setenv("FAKE_GPUS", str(self.folder))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        self.fakes = FAKES
        self.libraries = folder / "libraries"
        put_cublas(self.libraries)

    def change(self, **facts) -> None:
        (self.folder / "machine.json").write_text(json.dumps(facts))

    def events(self, kind: str) -> list[dict]:
        """What the stand-ins were asked for: models that were made, pieces of work."""
        file = self.folder / "log.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def task(self, files: int = 3, gpus: list[str] | None = None, **values) -> Task:
        """What a measured process on this machine is told."""
        values = {"strategy": "one_model", "device": "cuda", "compute_type": "float16"} | values
        configuration = complete({"files_in_parallel": files, "language": "en"} | values)
        check(configuration)
        placed, environment = cuda.place(configuration, gpus)
        environment["PYTHONPATH"] = f"{self.fakes}:{SCRIPTS}"
        environment.setdefault("LD_LIBRARY_PATH", str(self.libraries))
        return Task(
            configuration=placed,
            model_path="a-model",
            files=[f"file-{number}" for number in range(files)],
            environment=environment,
        )

    def run(
        self, files: int = 3, gpus: list[str] | None = None, timeout_s: float = 60.0, **values
    ) -> dict:
        """Measure a configuration in a real measured process; what `supervise` returns."""
        task = self.task(files, gpus, **values)
        return supervise(task, replace(PROTOCOL, timeout_s=timeout_s), None)


def put_cublas(folder: Path) -> None:
    """A library that can be loaded, under the name that the engine asks for."""
    folder.mkdir(parents=True)
    maps = Path("/proc/self/maps").read_text().splitlines()
    libraries = {line.split()[-1] for line in maps if "/libm.so" in line or "/libm-" in line}
    shutil.copy(libraries.pop(), folder / cuda.CUBLAS)
