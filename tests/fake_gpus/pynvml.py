"""Stands for nvidia-ml-py: as much of NVML as the meters ask for, all GPUs of the machine."""

import time
from types import SimpleNamespace

import fake_machine
from fake_machine import BUSY_W, IDLE_W, SAMPLE_S, busy_seconds, events, machine

NVML_TOTAL_POWER_SAMPLES, NVML_GPU_UTILIZATION_SAMPLES = 0, 1
NVML_PROCESSOR_CLK_SAMPLES, NVML_MEMORY_CLK_SAMPLES = 5, 6
NVML_PERF_POLICY_POWER, NVML_PERF_POLICY_THERMAL, NVML_PERF_POLICY_SYNC_BOOST = 0, 1, 2
NVML_PERF_POLICY_BOARD_LIMIT, NVML_PERF_POLICY_RELIABILITY = 3, 5
NVML_FI_DEV_PCIE_COUNT_TX_BYTES, NVML_FI_DEV_PCIE_COUNT_RX_BYTES = 197, 198
UNSIGNED_INT = 1


class NVMLError(Exception):
    pass


def nvmlInit():
    fake_machine.note("nvml")
    if not machine()["gpus"]:
        raise NVMLError("Driver Not Loaded")


def nvmlShutdown():
    pass


def nvmlSystemGetDriverVersion():
    return "0.0-fake"


def nvmlDeviceGetCount():
    return machine()["gpus"]


def nvmlDeviceGetHandleByIndex(index):
    if index >= machine()["gpus"]:
        raise NVMLError("Invalid Argument")
    return index


def nvmlDeviceGetHandleByUUID(uuid):
    return ("slice", int(uuid.removeprefix("MIG-fake-")))


def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle):
    return handle[1]


def nvmlDeviceGetUUID(handle):
    return f"GPU-fake-{handle}"


def nvmlDeviceGetIndex(handle):
    return handle


def nvmlDeviceGetName(handle):
    return "NVIDIA Imaginary 100"


def nvmlDeviceGetCudaComputeCapability(handle):
    return 8, 0


def nvmlDeviceGetMemoryInfo(handle):
    """Half a gigabyte is others'; a model is one, a context of a process 0.3."""
    gpu = handle[1] if isinstance(handle, tuple) else handle
    own = sum(_of_processes(gpu).values())
    return SimpleNamespace(total=int(16e9), used=int(0.5e9) + own)


def nvmlDeviceGetComputeRunningProcesses(handle):
    _whole(handle)
    known = machine()["knows_processes"]
    return [
        SimpleNamespace(pid=pid if known else pid + 10**7, usedGpuMemory=used)
        for pid, used in _of_processes(handle).items()
    ]


def _of_processes(gpu):
    found = {}
    for model in events("model"):
        if gpu in model["gpus"]:
            found[model["pid"]] = found.get(model["pid"], int(0.3e9)) + int(1e9)
    return found


def nvmlDeviceGetTotalEnergyConsumption(handle):
    _whole(handle)
    if not machine()["energy_counter"]:
        raise NVMLError("Not Supported")
    return int(1000 * fake_machine.joules(handle))


def nvmlDeviceGetViolationStatus(handle, policy):
    """A tenth of the work is slowed by the power limit; nothing tells of reliability."""
    _whole(handle)
    if policy == NVML_PERF_POLICY_RELIABILITY:
        raise NVMLError("Not Supported")
    busy = busy_seconds(handle, 0, time.time())
    return SimpleNamespace(violationTime=int(1e8 * busy) if policy == 0 else 0)


def nvmlDeviceGetFieldValues(handle, fields):
    _whole(handle)
    done = len([w for w in events("work") if w["gpu"] == handle])
    value = SimpleNamespace(ullVal=1000 * done)
    return [SimpleNamespace(nvmlReturn=0, valueType=3, value=value) for _ in fields]


def nvmlDeviceGetSamples(handle, sampling, since):
    _whole(handle)
    if not machine()["samples"]:
        raise NVMLError("Not Supported")
    now = time.time()
    last = int((now - machine()["late_s"]) / SAMPLE_S)
    first = int((now - machine()["buffer_s"]) / SAMPLE_S) + 1
    found = []
    for number in range(first, last + 1):
        at = number * SAMPLE_S
        share = busy_seconds(handle, at - SAMPLE_S, at) / SAMPLE_S
        value = {
            NVML_TOTAL_POWER_SAMPLES: 1000 * (IDLE_W + (BUSY_W - IDLE_W) * share),
            NVML_GPU_UTILIZATION_SAMPLES: 100 * share,
            NVML_PROCESSOR_CLK_SAMPLES: 1980,
            NVML_MEMORY_CLK_SAMPLES: 2619,
        }[sampling]
        found.append(
            SimpleNamespace(
                timeStamp=int(at * 1e6), sampleValue=SimpleNamespace(uiVal=round(value))
            )
        )
    return UNSIGNED_INT, found


def _whole(handle):
    """Slices of a GPU (MIG) have memory of their own, and no other meter."""
    if isinstance(handle, tuple):
        raise NVMLError("Not Supported")
