"""Meters of the GPUs that a run uses, through NVIDIA's NVML (nvidia-ml-py).

Nothing runs inside the timed window. Counters (energy, throttling, PCIe bytes) are read at its two
ends; utilisation, clocks and, where there is no energy counter, power come from the buffers that
the driver fills by itself (nvmlDeviceGetSamples) and are read when the window is over. A buffer
holds the last seconds only: a meter whose samples cover less than COVERED of the window is None.
What a GPU or a driver does not tell is None, never 0.

Utilisation is the share of time in which at least one kernel ran (NVML's definition). It tells
whether a GPU waits, not how much of it is in use: 100 % may be a few of its multiprocessors.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import psutil

from parallel_transcription.measure import cuda

COVERED = 0.9  # the share of the window that samples must cover
LATEST_SAMPLE_S = 1.2  # the driver takes one every 1/6 to 1 s (nvmlUtilization_t)

#: NVML's performance policies (nvmlDeviceGetViolationStatus) that slow a GPU down.
POLICIES = {
    "power": "NVML_PERF_POLICY_POWER",
    "thermal": "NVML_PERF_POLICY_THERMAL",
    "sync_boost": "NVML_PERF_POLICY_SYNC_BOOST",
    "board_limit": "NVML_PERF_POLICY_BOARD_LIMIT",
    "reliability": "NVML_PERF_POLICY_RELIABILITY",
}
# The member of the union nvmlValue_t for each nvmlValueType_t.
_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")

Samples = list[tuple[float, float]]  # (seconds since 1970, value), in order


@dataclass(frozen=True)
class Gpu:
    """One GPU: its number in this process and in the machine, its name, NVML's handle of it.

    Of a MIG slice, number and name are those of the GPU that it is a part of.
    """

    device: int
    index: int | None
    name: str | None
    mig: bool
    handle: Any = field(repr=False)


@dataclass(frozen=True)
class Reading:
    """Counters of one GPU at one moment; each counts up from some start."""

    clock_s: float
    wall_s: float
    energy_mj: int | None
    throttled_ns: dict[str, int | None]
    pcie_tx_bytes: int | None
    pcie_rx_bytes: int | None


def open_gpus(devices: Sequence[int]) -> Gpus | None:
    """The meters of these GPUs, numbered as this process numbers them; None without NVML."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return Gpus(pynvml, [_find(pynvml, device) for device in devices])
    except Exception:  # no package, no driver, a driver of another version: no meters
        return None


def _find(nvml: Any, device: int) -> Gpu:
    """NVML counts all GPUs of the machine; this process those of CUDA_VISIBLE_DEVICES."""
    names = cuda.granted()
    name = str(device) if names is None else names[device]
    if name.isdecimal():
        handle = nvml.nvmlDeviceGetHandleByIndex(int(name))
    else:
        handle = _by_name(nvml, name)
    mig = name.startswith("MIG-")
    whole = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle) if mig else handle
    return Gpu(
        device=device,
        index=_known(nvml.nvmlDeviceGetIndex, whole),
        name=_text(_known(nvml.nvmlDeviceGetName, whole)),
        mig=mig,
        handle=handle,
    )


def _by_name(nvml: Any, name: str) -> Any:
    """The handle of a "GPU-…" or "MIG-…"; CUDA takes the beginning of a GPU's UUID as well."""
    if name.startswith("MIG-"):
        return nvml.nvmlDeviceGetHandleByUUID(name)
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        if (_text(nvml.nvmlDeviceGetUUID(handle)) or "").startswith(name):
            return handle
    raise LookupError(name)


class Gpus:
    """The meters of a run's GPUs.

    Use: `memory()` when nothing is timed; `open_window()` and `close_window()` right outside the
    window's ends; then `window()`.
    """

    def __init__(self, nvml: Any, gpus: Sequence[Gpu]):
        self._nvml = nvml
        self._gpus = gpus
        self._before: list[Reading] = []
        self._after: list[Reading] = []

    def describe(self) -> list[dict[str, Any]]:
        """What the record says of each GPU: no serial number, no UUID."""
        return [
            {"device": gpu.device, "index": gpu.index, "name": gpu.name, "mig": gpu.mig}
            for gpu in self._gpus
        ]

    def memory(self) -> list[dict[str, int | None]]:
        """Bytes of device memory in use now: by all, and by this process and its children.

        A driver in a container may not know our processes by their numbers: then `own` is None.
        """
        me = psutil.Process()
        ours = {me.pid, *(child.pid for child in me.children(recursive=True))}
        return [self._memory_of(gpu, ours) for gpu in self._gpus]

    def _memory_of(self, gpu: Gpu, ours: set[int]) -> dict[str, int | None]:
        info = _known(self._nvml.nvmlDeviceGetMemoryInfo, gpu.handle)
        processes = _known(self._nvml.nvmlDeviceGetComputeRunningProcesses, gpu.handle) or ()
        own = [process.usedGpuMemory for process in processes if process.pid in ours]
        return {
            "used_bytes": None if info is None else int(info.used),
            "own_bytes": sum(own) if own and None not in own else None,
        }

    def loaded(self, before: list[dict[str, int | None]]) -> list[dict[str, Any]]:
        """Each GPU with its memory before loading (as `memory` gave it) and now."""
        return [
            {
                **one,
                "used_before_bytes": was["used_bytes"],
                "used_bytes": now["used_bytes"],
                "own_bytes": now["own_bytes"],
            }
            for one, was, now in zip(self.describe(), before, self.memory(), strict=True)
        ]

    def open_window(self) -> None:
        """Read the counters, before the window opens."""
        self._before = [self._read(gpu) for gpu in self._gpus]

    def close_window(self) -> None:
        """Read the counters, after the window is closed."""
        self._after = [self._read(gpu) for gpu in self._gpus]

    def _read(self, gpu: Gpu) -> Reading:
        nvml = self._nvml
        energy = _known(nvml.nvmlDeviceGetTotalEnergyConsumption, gpu.handle)
        throttled = {
            name: _known(
                lambda policy: nvml.nvmlDeviceGetViolationStatus(gpu.handle, policy).violationTime,
                getattr(nvml, constant),
            )
            for name, constant in POLICIES.items()
        }
        sent, received = self._pcie(gpu)
        return Reading(time.monotonic(), time.time(), energy, throttled, sent, received)

    def _pcie(self, gpu: Gpu) -> tuple[int | None, int | None]:
        """Bytes over PCIe from and to the GPU, of everything that uses it."""
        with suppress(Exception):
            nvml = self._nvml
            fields = [nvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES, nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES]
            values = nvml.nvmlDeviceGetFieldValues(gpu.handle, fields)
            sent, received = (
                int(_value(v.valueType, v.value)) if v.nvmlReturn == 0 else None for v in values
            )
            return sent, received
        return None, None

    def window(self) -> list[dict[str, Any]]:
        """Each GPU over the last window. Waits up to a second for the driver's last sample."""
        memory = self.memory()
        return [
            {**one, **self._over(gpu, before, after), **of_gpu}
            for one, gpu, before, after, of_gpu in zip(
                self.describe(), self._gpus, self._before, self._after, memory, strict=True
            )
        ]

    def _over(self, gpu: Gpu, before: Reading, after: Reading) -> dict[str, Any]:
        nvml, seconds = self._nvml, after.clock_s - before.clock_s
        busy = self._samples(gpu, nvml.NVML_GPU_UTILIZATION_SAMPLES, after.wall_s)
        if any(not 0 <= value <= 100 for _, value in busy):
            busy = []  # some drivers fill the buffer with what is no percentage
        share, covered = over_window(busy, before.wall_s, after.wall_s)
        energy_j = _since(before.energy_mj, after.energy_mj, 1e-3)
        energy_from: str | None = "counter"
        if energy_j is None:
            power = self._samples(gpu, nvml.NVML_TOTAL_POWER_SAMPLES, after.wall_s)
            milliwatts, _ = over_window(power, before.wall_s, after.wall_s)
            energy_j = None if milliwatts is None else milliwatts * 1e-3 * seconds
            energy_from = "samples" if energy_j is not None else None
        clocks = {
            name: over_window(
                self._samples(gpu, sampling, after.wall_s), before.wall_s, after.wall_s
            )[0]
            for name, sampling in (
                ("sm_mhz", nvml.NVML_PROCESSOR_CLK_SAMPLES),
                ("memory_mhz", nvml.NVML_MEMORY_CLK_SAMPLES),
            )
        }
        return {
            "seconds": seconds,
            "utilisation": None if share is None else share / 100,
            "samples_cover": covered,
            "energy_j": energy_j,
            "energy_from": energy_from,
            "power_w": None if energy_j is None or seconds <= 0 else energy_j / seconds,
            **clocks,
            "throttled": {
                name: _share(_since(before.throttled_ns[name], after.throttled_ns[name], 1e-9),
                             seconds)
                for name in POLICIES
            },
            "pcie_tx_bytes": _since(before.pcie_tx_bytes, after.pcie_tx_bytes),
            "pcie_rx_bytes": _since(before.pcie_rx_bytes, after.pcie_rx_bytes),
        }  # fmt: skip

    def _samples(self, gpu: Gpu, sampling: int, until: float) -> Samples:
        """All that the driver's buffer holds, once it reaches beyond `until`; [] without one."""
        while True:
            try:
                kind, samples = self._nvml.nvmlDeviceGetSamples(gpu.handle, sampling, 0)
            except Exception:  # this GPU or driver keeps no such samples
                return []
            found = sorted((s.timeStamp / 1e6, _value(kind, s.sampleValue)) for s in samples)
            found = [sample for sample in found if sample[0] > 0]  # places not filled yet
            late = time.time() > until + LATEST_SAMPLE_S
            if late or not found or found[-1][0] >= until:
                return found
            time.sleep(0.02)


def over_window(samples: Samples, start: float, end: float) -> tuple[float | None, float]:
    """Mean of samples over a window, weighted by time, and the share of the window they cover.

    A sample stands for the time since the one before it, but for no more than twice the usual
    distance. The mean is None where less than COVERED of the window is covered.
    """
    if len(samples) < 2 or end <= start:
        return None, 0.0
    times = [at for at, _ in samples]
    usual = statistics.median(b - a for a, b in pairwise(times))
    weights, total = 0.0, 0.0
    for before, (at, value) in zip([times[0] - usual, *times], samples, strict=False):
        overlap = min(at, end) - max(before, at - 2 * usual, start)
        if overlap > 0:
            weights += overlap
            total += overlap * value
    covered = min(1.0, weights / (end - start))
    return (total / weights if covered >= COVERED else None), covered


def _known(read: Callable[[Any], Any], argument: Any) -> Any:
    """What NVML answers; None where this GPU or driver does not support the question."""
    try:
        return read(argument)
    except Exception:
        return None


def _value(kind: int, union: Any) -> float:
    return float(getattr(union, _MEMBERS[kind]))


def _since(before: int | None, after: int | None, unit: float | None = None) -> Any:
    """How far a counter went; None where it is unknown or was set back."""
    if before is None or after is None or after < before:
        return None
    return after - before if unit is None else (after - before) * unit


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None or whole <= 0 else min(1.0, part / whole)


def _text(value: str | bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
