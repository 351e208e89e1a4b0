"""A machine of known truth, and the run records that the pipeline would write on it.

A `World` says what is true of a machine: its CPUs and what a cgroup leaves of them, how long a file
takes, whether workers queue, what many models cost, what disturbs. `World.records` plays the runs
of a grid on it and gives records in the product's own form, checked against its own schema. So a
planted truth passes through the whole way of the data, from records to reports.

Nothing here was measured: the model, the machine and the study are all called "planted".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.measure.match import orders
from parallel_transcription.study.configuration import complete, identify
from parallel_transcription.study.runs import match_id, match_key, run_id

Record = dict[str, Any]
EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z
SENTENCE = "The train to platform nine leaves at half past seven."


def arm(strategy: str = "one_model", **values: Any) -> Configuration:
    """A configuration; `w`, `t`, `n`, `c`, `f` are workers, threads, instances, callers, files."""
    short = {"w": "num_workers", "t": "cpu_threads", "n": "instances", "c": "callers",
             "f": "files_in_parallel"}  # fmt: skip
    named = {short.get(key, key): value for key, value in values.items()}
    return complete({"strategy": strategy, "model": "planted", "files_in_parallel": 2, **named})


@dataclass(frozen=True)
class Model:
    """What is true of one model on a machine, beside the machine's own truth."""

    name: str = "planted"
    cost: float = 1.0  # of a second of audio, against the world's
    many: float | None = None  # makespan of many models over that of one; the world's unless given
    processes: float | None = None
    kind: str = "local"
    mb: float = 60.0


@dataclass(frozen=True)
class World:
    """What is true of a machine.

    Times are seconds; a job is a file handed to a worker. With b jobs at once of t threads each,
    every job runs at t ** `gain` times the speed of one thread, as long as `capacity` CPUs last,
    and shares what there is beyond that.
    """

    cpus: int = 4  # that the process may run on
    host_cpus: int | None = None  # of the machine, where a container sees fewer
    quota: float | None = None  # of a cgroup, CPUs
    cores: int | None = None  # physical
    capacity: float | None = None  # CPUs' worth of work in all; usable CPUs unless given
    audio_s: tuple[float, ...] = (60.0,) * 8
    rtf: float = 0.05  # seconds per second of audio, alone on one thread
    gain: float = 0.7
    queue: bool = False  # one model does one job at a time, whatever its workers
    many: float = 1.0
    processes: float = 1.0
    alone: float = 1.0  # cost of jobs that run alone: below 1 is a gain that parallel jobs lack
    crowded: float = 1.0  # factor on times where threads exceed the usable CPUs
    automatic: int = 4  # threads that the engine takes for cpu_threads 0
    ignores_threads: int | None = None  # threads that the engine takes whatever it is told
    batches: float = 1.0
    gpu_holds: float = 4.0  # workers that one GPU serves at full speed
    gpus_used: int | None = None  # of a list; all of them unless given
    worker_mb: float = 0.2
    instance_mb: float = 55.0
    first_use_mb: float = 0.0  # that each used worker adds at its first call
    gpu_context_mb: float = 450.0
    peak_factor: float = 1.0  # peak of memory over what stands after a pass
    spread: float = 0.01  # sd of the log of one run's times
    drift: float = 0.02  # sd of the log of what a round shares
    states: float = 0.0  # distance (log) of two states that a process is in by chance
    stall: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # strategy: rate, factor
    foreign: float = 0.0  # CPUs that others use
    steal: float = 0.0
    timeout_s: float = 60.0
    models: tuple[Model, ...] = (Model(),)
    label: str = "planted"

    # ------------------------------------------------------------------ the law

    @property
    def usable(self) -> float:
        """CPUs that a run can use."""
        return min(self.cpus, self.quota or self.cpus)

    def model(self, name: str) -> Model:
        """What is true of a model."""
        return next((m for m in self.models if m.name == name), Model(name))

    def threads(self, configuration: Configuration) -> int:
        """Threads that a worker has."""
        told = configuration.cpu_threads or min(self.automatic, self.cpus)
        return told if self.ignores_threads is None else self.ignores_threads

    def workers(self, configuration: Configuration) -> int:
        """Jobs that can be worked on at once."""
        if self.queue and configuration.strategy == "one_model":
            return 1
        return configuration.total_workers

    def speed(self, configuration: Configuration, jobs: int) -> float:
        """Speed of each of so many jobs, against one job of one thread."""
        if configuration.device == "cuda":
            used = min(self.gpus_used or configuration.gpus, configuration.gpus, jobs)
            return min(1.0, self.gpu_holds / (jobs / used))
        threads = self.threads(configuration)
        most = min(threads, self.cpus) ** self.gain
        demand = jobs * threads
        capacity = self.usable if self.capacity is None else self.capacity
        speed = most * min(1.0, capacity / demand)
        if demand > self.usable + 0.01:
            speed /= self.crowded
        return speed / self.alone if jobs == 1 else speed

    def factor(self, configuration: Configuration) -> float:
        """What strategy, batches and a planted slow-down cost."""
        model = self.model(configuration.model)
        many = self.many if model.many is None else model.many
        processes = self.processes if model.processes is None else model.processes
        by = {"one_model": 1.0, "multi_model": many, "multi_process": processes}
        cost = by[configuration.strategy] if configuration.total_workers > 1 else 1.0
        if configuration.batch_size:
            cost *= self.batches
        return cost * model.cost * (1 + configuration.slowdown)

    def play(self, configuration: Configuration) -> tuple[list[tuple[float, float, int]], float]:
        """The jobs of a pass as (taken, done, caller), and the CPU seconds, without noise."""
        files = configuration.files_in_parallel
        lengths = [self.audio_s[k % len(self.audio_s)] for k in range(files)]
        left = [s * self.rtf * self.factor(configuration) for s in lengths]
        taken, done, who = [0.0] * files, [0.0] * files, [0] * files
        waiting, now, cpu = list(range(files)), 0.0, 0.0
        free, held = list(range(configuration.callers)), []
        workers, threads = self.workers(configuration), self.threads(configuration)
        while waiting or held:
            while waiting and free:
                job = waiting.pop(0)
                taken[job], who[job] = now, free.pop(0)
                held.append(job)
            active = held[:workers]
            speed = self.speed(configuration, len(active))
            step = min(left[job] for job in active) / speed
            now += step
            cpu += step * min(len(active) * threads, self.usable) * 0.98
            for job in active:
                left[job] -= step * speed
            for job in [job for job in active if left[job] < 1e-9]:
                done[job] = now
                held.remove(job)
                free.append(who[job])
        jobs = list(zip(taken, done, who, strict=True))
        return jobs, now * 0.3 if configuration.device == "cuda" else cpu

    # ------------------------------------------------------------------ the records

    def records(
        self,
        grid: Iterable[Configuration],
        rounds: Iterable[int] = range(1, 7),
        *,
        repeats: int = 1,
        seed: int = 1,
        at: Callable[[Configuration, int], float] | None = None,
        shift: Callable[[Configuration, int], float] | None = None,
        change: Callable[[Record, Configuration, int], Record | None] | None = None,
    ) -> list[Record]:
        """The records of a grid.

        Args:
            grid: Configurations, files beyond the last one from the start again.
            rounds: Their numbers.
            repeats: Passes of a run.
            seed: Of the noise.
            at: When a run began, in hours; by default rounds are an hour apart.
            shift: What a run's times are multiplied with.
            change: A record as it should be instead; None leaves it out.
        """
        rng = np.random.default_rng(seed)
        made = []
        points = list(grid)
        for number in rounds:
            shared = float(np.exp(rng.normal(0, self.drift)))
            for place, point in enumerate(points):
                factor = shared * float(np.exp(rng.normal(0, self.spread)))
                factor *= float(np.exp(self.states * (rng.random() < 0.5)))
                factor *= shift(point, number) if shift else 1.0
                hours = at(point, number) if at else number + place / 60
                record = self._record(point, number, factor, EPOCH + 3600 * hours, repeats, rng)
                record = record if change is None else change(record, point, number)
                if record is not None:
                    made.append(record)
        return made

    def matches(
        self,
        sides: Sequence[Configuration],
        count: int = 8,
        blocks: int = 6,
        *,
        contests: Sequence[tuple[int, int]] | None = None,
        seed: int = 1,
        hours: float = 100.0,
        change: Callable[[Record, int], Record] | None = None,
    ) -> list[Record]:
        """The records of matches, a minute apart; passes spread by `spread`, processes by states.

        Args:
            sides: Their configurations.
            count: How many matches.
            blocks: Passes of each side.
            contests: The pairs to decide, by the places of their sides; the first side against
                each other unless given.
            seed: Of noise and order.
            hours: When the first one began.
            change: A record as it should be instead, by its number from 1.
        """
        rng = np.random.default_rng(seed)
        ids = [identify(side) for side in sides]
        pairs = contests or [(0, place) for place in range(1, len(sides))]
        key = match_key(ids, [self.label])
        made = []
        for number in range(1, count + 1):
            started = EPOCH + 3600 * hours + 60 * number
            runs = []
            for side in sides:
                state = float(np.exp(self.states * (rng.random() < 0.5)))
                runs.append(self._record(side, 1, state, started, blocks, rng))
            passes = []
            for block, order in enumerate(orders(len(sides), blocks, seed + number)):
                for place in order:
                    one = runs[place]["starts"][0]["passes"][block + 1]
                    noise = float(np.exp(rng.normal(0, self.spread)))
                    idle: list[float | None] = [0.0] * len(sides)
                    idle[place] = None
                    passes.append(
                        one
                        | {"turn": len(passes), "block": block, "side": place, "idle_cpu_s": idle}
                        | {"makespan_s": one["makespan_s"] * noise, "repeat": block + 1}
                    )
            kept = ("schema", "study", "machine", "code", "specification", "model", "audio",
                    "host", "node", "affinity", "packed", "log", "job")  # fmt: skip
            record = {name: runs[0][name] for name in kept} | {
                "match": match_id(key, number), "number": number, "seed": seed,
                "together": True, "apart_because": None,
                "protocol": {"passes": blocks, "warmups": 1, "timeout_s": self.timeout_s,
                             "load_timeout_s": 900},
                "planned": {"contests": [[ids[a], ids[b]] for a, b in pairs]},
                "started_at": started, "finished_at": started + 50.0,
                "status": "ok", "error": None,
                "sides": [
                    {
                        "configuration_id": name, "configuration": side.as_json(),
                        "status": "ok", "error": None,
                        "start": run["starts"][0] | {"passes": []}, "engine": {},
                        "environment": run["environment"],
                        "warmups": run["starts"][0]["passes"][:1],
                    }
                    for name, side, run in zip(ids, sides, runs, strict=True)
                ],
                "passes": passes,
            }  # fmt: skip
            made.append(record if change is None else change(record, number))
        return made

    def _record(
        self,
        configuration: Configuration,
        number: int,
        factor: float,
        started: float,
        repeats: int,
        rng: np.random.Generator,
    ) -> Record:
        name = identify(configuration)
        files, model = configuration.files_in_parallel, self.model(configuration.model)
        start: Record = {
            "start": 1, "status": "ok", "error": None, "stopped_in_repeat": None,
            "started_at": started, "prepare_s": 0.5,
            "loads": [
                {"instance": k, "started_s": 0.1 * k, "finished_s": 0.1 * (k + 1) + 0.2,
                 "error": None, "compute_type": "int8_float32"}
                for k in range(configuration.instances)
            ],
            "memory_before": _memory(50.0),
            "memory_after": _memory(50.0 + self._model_mb(configuration, model, rng)),
            "passes": [],
        }  # fmt: skip
        if configuration.device == "cuda":
            start["gpus"] = [
                _gpu(d, self._gpu_mb(configuration, model)) | {"used_before_bytes": 0}
                for d in configuration.devices
            ]
        after = started + 2
        for repeat in range(repeats + 1 if files else 0):
            rate, times = self.stall.get(configuration.strategy, (0.0, 1.0))
            slow = times if rng.random() < rate else 1.0
            noise = factor * slow * float(np.exp(rng.normal(0, self.spread / 4)))
            one = self._pass(configuration, model, repeat, noise, after)
            after += one["makespan_s"] + 0.1
            start["passes"].append(one)
        audio = [
            {"path": f"audio/planted-{k}.wav", "file": f"planted-{k}.wav", "sha256": f"{k:064x}",
             "seconds": self.audio_s[k % len(self.audio_s)], "reference": SENTENCE}
            for k in range(files)
        ]  # fmt: skip
        return {
            "schema": 1, "run": run_id(name, number), "configuration_id": name,
            "configuration": configuration.as_json(), "round": number, "study": "planted",
            "machine": self.label,
            "protocol": {"repeats": repeats, "warmups": 1, "timeout_s": self.timeout_s,
                         "load_timeout_s": 900},
            "code": "planted", "specification": "",
            "model": {"kind": model.kind, "sha256": _sha(model.name)}, "audio": audio,
            "host": self.host(), "node": "planted-node", "engine": {},
            "environment": {"OPENBLAS_NUM_THREADS": "1"},
            "affinity": None, "packed": False, "log": None, "job": None,
            "started_at": started, "finished_at": after,
            "status": "ok", "error": None, "starts": [start],
        }  # fmt: skip

    def host(self) -> Record:
        """The machine's facts as a record has them."""
        return {
            "cpu_model": "Planted CPU (nothing was measured)",
            "logical_cpus": self.host_cpus or self.cpus,
            "affinity_cpus": self.cpus,
            "physical_cores": self.cores or self.host_cpus or self.cpus,
            "cgroup_cpus": self.quota,
            "memory_mb": 16000,
            "caches": {},
            "virtualised": None,
            "os": "planted",
            "versions": {"python": "3.11", "faster-whisper": "1.2.1", "ctranslate2": "4.8.5"},
            "gpus": [],
        }

    def _model_mb(self, c: Configuration, model: Model, rng: np.random.Generator) -> float:
        copies = 1.0 if c.strategy == "one_model" else 1 + (c.instances - 1) * self.instance_mb / 60
        noise = float(rng.normal(0, 0.3))
        return model.mb * copies + self.worker_mb * (c.total_workers - c.instances) + noise

    def _gpu_mb(self, c: Configuration, model: Model) -> float:
        return self.gpu_context_mb + model.mb * c.instances

    def _pass(
        self, c: Configuration, model: Model, repeat: int, noise: float, started: float
    ) -> Record:
        jobs, cpu = self.play(c)
        makespan = max(done for _, done, _ in jobs) * noise
        used = 120.0 + model.mb + self.first_use_mb * min(self.workers(c), c.callers)
        one: Record = {
            "repeat": repeat, "status": "ok", "error": None, "started_at": started,
            "clock_jump_s": 0.0, "makespan_s": makespan, "cpu_s": cpu * noise,
            "cpu_user_s": None, "cpu_system_s": None, "context_switches_voluntary": 10,
            "context_switches_involuntary": 10, "foreign_cpu_s": self.foreign * makespan,
            "foreign_cpu_share": self.foreign / (self.host_cpus or self.cpus),
            "steal_share": self.steal, "cpu_callers_s": 0.02 * len(jobs),
            "rss_peak_bytes": round(used * self.peak_factor * 1e6), "memory": _memory(used),
            "transcriptions": [
                {"counter": k + 1, "file": f"planted-{k}.wav", "caller": who,
                 "instance": who % c.instances, "submitted_s": 0.0, "started_s": taken * noise,
                 "finished_s": done * noise, "status": "ok", "error": None, "text": SENTENCE,
                 "segments": 1, "last_end_s": 59.0, "language": "en", "cpu_s": 0.02}
                for k, (taken, done, who) in enumerate(jobs)
            ],
        }  # fmt: skip
        if c.device == "cuda":
            one["gpus"] = self._gpu_windows(c, model, makespan)
        return one

    def _gpu_windows(self, c: Configuration, model: Model, makespan: float) -> list[Record]:
        workers = min(self.workers(c), c.callers, c.files_in_parallel)
        used = min(self.gpus_used or c.gpus, c.gpus, workers)
        busy = min(1.0, (workers / used) / self.gpu_holds)
        mb = self._gpu_mb(c, model) / c.gpus
        return [
            _gpu(device, mb)
            | {
                "seconds": makespan,
                "utilisation": 0.97 * busy if place < used else 0.0,
                "samples_cover": 0.99,
                "energy_j": 100.0 * makespan,
                "energy_from": "counter",
                "power_w": 100.0,
                "sm_mhz": 1500.0,
                "memory_mhz": None,
                "throttled": {"heat": 0.0},
                "pcie_tx_bytes": None,
                "pcie_rx_bytes": None,
            }
            for place, device in enumerate(c.devices)
        ]


def _memory(mb: float) -> Record:
    return {"rss": round(mb * 1e6), "pss": round(mb * 1e6), "uss": round(mb * 1e6)}


def _gpu(device: int, mb: float) -> Record:
    size = round(mb * 1e6)
    return {"device": device, "index": device, "name": "Planted GPU", "mig": False,
            "used_bytes": size, "own_bytes": size}  # fmt: skip


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def cold_start(world: World, configuration: Configuration, failures: int, of: int) -> Record:
    """A record of cold starts, the first `failures` of which fail by a race."""
    record = world.records([configuration], [1])[0]
    start = record["starts"][0]
    record["starts"] = []
    for number in range(1, of + 1):
        bad = number <= failures
        error = "RuntimeError: 1 of 4 instances did not load: FileExistsError: a race"
        record["starts"].append(
            start | {"start": number, "status": "failed" if bad else "ok",
                     "error": error if bad else None}
        )  # fmt: skip
    if failures:
        record |= {"status": "failed", "error": record["starts"][0]["error"]}
    return record


def write(records: Iterable[Record], folder: Path, label: str | None = None) -> None:
    """Write records as a results folder has them."""
    for record in records:
        record = record if label is None else record | {"machine": label}
        own = ("matches", record["match"]) if "match" in record else ("runs", record["run"])
        file = folder / record["machine"] / own[0] / f"{own[1]}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(record), encoding="utf-8")
