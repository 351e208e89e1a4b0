"""What the engine, CTranslate2, can do in this process, and what it says while it loads."""

from __future__ import annotations

import re
from typing import Any


def engine() -> dict[str, Any]:
    """What the engine of this process can do.

    Returns:
        Its version, the compute types that it supports per kind of device, and the number of CUDA
        devices that it sees.
    """
    import ctranslate2

    devices = ctranslate2.get_cuda_device_count()
    kinds = ["cpu"] + (["cuda"] if devices else [])
    return {
        "ctranslate2": ctranslate2.__version__,
        "compute_types": {
            kind: sorted(ctranslate2.get_supported_compute_types(kind)) for kind in kinds
        },
        "cuda_devices": devices,
    }


_VERBOSE = {
    "isa": r"Selected ISA: (\S+)",
    "mkl": r"Use Intel MKL: (\S+)",
    "gemm_float32": r"SGEMM backend: (\S+)",
    "gemm_int16": r"GEMM_S16 backend: (\S+)",
    "gemm_int8": r"GEMM_S8 backend: (\S+)",
    "gemm_packed": r"SGEMM backend: .*\(packed: (\w+)",
    "compute_type": r"Selected compute type: (\S+)",
    "devices": r"Loaded model .* on device (\w+:\d+)$",
    "cublas": r"Loaded cuBLAS library version (\S+)",
}
_SEVERAL = frozenset(("compute_type", "devices"))
_GPU = re.compile(r"GPU #(?P<number>\d+): (?P<name>.+) \(CC=(?P<compute_capability>[\d.]+)\)$")


def parse_verbose(text: str) -> dict[str, Any]:
    """What CTranslate2 prints with CT2_VERBOSE=1 (set before it is imported) when it loads models.

    Returns those that were printed of: cpu, cpu_features (list), isa (the instruction set in use),
    mkl (bool), gemm_float32, gemm_int16, gemm_int8 (the backends: DNNL, MKL, OpenBLAS, Ruy,
    Accelerate; None for none), gemm_packed (bool), cublas, gpus (list), and, of the models loaded,
    compute_type and devices (different ones joined by commas). Paths are left out.
    """
    found: dict[str, list[str]] = {}
    result: dict[str, Any] = {}
    for line in text.splitlines():
        line = line.strip()
        if cpu := re.search(r"CPU: (\S+) \((.+)\)$", line):
            result["cpu"] = cpu[1]
            result["cpu_features"] = re.findall(r"([\w.]+)=true", cpu[2])
        elif gpu := _GPU.search(line):
            result.setdefault("gpus", []).append({**gpu.groupdict(), "number": int(gpu["number"])})
        for key, pattern in _VERBOSE.items():
            if match := re.search(pattern, line):
                found.setdefault(key, []).append(match[1])
    for key, values in found.items():
        plain = ", ".join(dict.fromkeys(values)) if key in _SEVERAL else values[0]
        result[key] = {"true": True, "false": False, "none": None}.get(plain, plain)
    return result
