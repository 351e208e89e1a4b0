"""The machine and the engine that measurements were made on.

Linux is read from /proc and /sys, macOS through `sysctl`; what a system does not tell is None.
Nothing here identifies a person or a computer, but for `node`, which is kept apart.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from parallel_transcription import cpus
from parallel_transcription.measure.limits import ROOT

_PACKAGES = (
    "faster-whisper",
    "ctranslate2",
    "onnxruntime",
    "av",
    "numpy",
    "tokenizers",
    "huggingface_hub",
    "snakemake",
)
_CPUS = Path("/sys/devices/system/cpu")
# Makers and cores of ARM, which /proc/cpuinfo gives as numbers (arch/arm64/include/asm/cputype.h).
_ARM_MAKERS = {"0x41": "ARM", "0x46": "Fujitsu", "0x48": "HiSilicon", "0x4e": "NVIDIA",
               "0x51": "Qualcomm", "0x61": "Apple", "0xc0": "Ampere"}  # fmt: skip
_ARM_CORES = {"0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd08": "Cortex-A72",
              "0xd0b": "Cortex-A76", "0xd0c": "Neoverse N1", "0xd40": "Neoverse V1",
              "0xd49": "Neoverse N2", "0xd4f": "Neoverse V2", "0xd8e": "Neoverse N3"}  # fmt: skip


def describe(own: Sequence[int] | None = None, root: Path = ROOT) -> dict[str, Any]:
    """The machine in words and numbers, plain JSON.

    Args:
        own: The CPUs that are used, where they are not all that this process may use.
        root: The folder that stands for `/` where CPUs and control groups are looked up.

    Returns:
        What `cpus.describe` tells of the part that may be used, and of the whole machine:

        cpu_model, vendor, physical_cores, logical_cpus, threads_per_core (of the core that has
        most), caches (name to size, such as "L2": "2 × 1 MiB"), governor (of the CPU frequency),
        memory_mb (1e6 bytes), virtualised (the hypervisor, such as "kvm", or None), container
        (bool), os, kernel, architecture, python, versions (of the packages that matter, as far as
        they are there), gpus.
    """
    info = _cpu_info()
    logical = os.cpu_count()
    physical = _physical_cores()
    return {
        "cpu_model": _cpu_model(info),
        "vendor": _vendor(info),
        "physical_cores": physical,
        "logical_cpus": logical,
        "threads_per_core": _threads_per_core(logical, physical),
        "caches": _caches(),
        "governor": cpus.governors(cpus.mine() if own is None else own, root),
        "memory_mb": _memory_mb(),
        "virtualised": _hypervisor(info),
        "container": _in_container(),
        "os": _system(),
        "kernel": os.uname().release,
        "architecture": os.uname().machine,
        "python": ".".join(map(str, sys.version_info[:3])),
        "versions": versions(),
        **cpus.describe(own, root),
        "gpus": gpus(),
    }


def node() -> str:
    """The host's name. Private: it belongs into records, not into reports."""
    return os.uname().nodename


def vendor() -> str | None:
    """The CPU's maker, as `describe` names it."""
    return _vendor(_cpu_info())


def cpu_flags() -> frozenset[str]:
    """What an x86 CPU can do, in the words of Linux; empty elsewhere."""
    return frozenset(_cpu_info().get("flags", "").split())


def default_label() -> str:
    """A short name for this kind of machine: "amd-epyc-2c", "apple-m2-8c", "…-64c-2xh200".

    Lower-case letters, digits, dots and dashes, at most 60; cores are physical ones.
    """
    cores = _physical_cores() or os.cpu_count() or 1
    parts = [*_label_words(_cpu_model(_cpu_info()) or os.uname().machine), f"{cores}c"]
    names = [gpu["name"] for gpu in gpus() if gpu["name"]]
    for name in dict.fromkeys(names):
        words = "-".join(_label_words(name))
        parts.append(words if names.count(name) == 1 else f"{names.count(name)}x{words}")
    return "-".join(parts)[:60].strip("-.")


_NOT_IN_LABELS = re.compile(
    r"\((r|tm|c)\)|@.*|\b\d+(st|nd|rd|th) gen\b|\b\d+-core\b|\b(cpu|processor|nvidia|geforce|"
    r"tesla|graphics|virtual)\b|\b(w/|with) radeon.*",
    re.IGNORECASE,
)


def _label_words(name: str) -> list[str]:
    """The telling words of a product's name, lower case."""
    return re.findall(r"[a-z0-9.]+", _NOT_IN_LABELS.sub(" ", name).lower())


def versions() -> dict[str, str]:
    """Versions of the packages that matter, as far as they are installed."""
    found = {}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package.replace("-", "_")] = metadata.version(package)
    return found


# --------------------------------------------------------------------------------- GPUs


def gpus() -> list[dict[str, Any]]:
    """NVIDIA GPUs: number, name, memory_mb (1e6 bytes), driver, compute_capability ("9.0").

    Through pynvml if it can be imported, else names alone from the driver's /proc.
    """
    try:
        return _gpus_by_nvml()
    except Exception:  # no pynvml, no driver, a driver of another version: all the same here
        return _gpus_by_driver()


def _gpus_by_nvml() -> list[dict[str, Any]]:
    import pynvml

    pynvml.nvmlInit()
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        found = []
        for number in range(pynvml.nvmlDeviceGetCount()):
            device = pynvml.nvmlDeviceGetHandleByIndex(number)
            major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(device)
            found.append(
                {
                    "number": number,
                    "name": _text(pynvml.nvmlDeviceGetName(device)),
                    "memory_mb": round(pynvml.nvmlDeviceGetMemoryInfo(device).total / 1e6),
                    "driver": driver,
                    "compute_capability": f"{major}.{minor}",
                }
            )
        return found
    finally:
        pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _gpus_by_driver(folder: Path = Path("/proc/driver/nvidia")) -> list[dict[str, Any]]:
    version = re.search(r"Kernel Module\D*([\d.]+)", _read(folder / "version") or "")
    found: list[dict[str, Any]] = []
    for file in sorted(folder.glob("gpus/*/information")):
        name = re.search(r"^Model:\s*(.+)$", _read(file) or "", re.MULTILINE)
        found.append(
            {
                "number": len(found),
                "name": name[1].strip() if name else None,
                "memory_mb": None,
                "driver": version[1] if version else None,
                "compute_capability": None,
            }
        )
    return found


# ---------------------------------------------------------------------------- processor


def _cpu_info() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty elsewhere."""
    info: dict[str, str] = {}
    for line in (_read(Path("/proc/cpuinfo")) or "").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            info.setdefault(key.strip(), value.strip())
    return info


def _cpu_model(info: dict[str, str]) -> str | None:
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string")
    model = info.get("model name") or info.get("Model") or info.get("cpu model")
    if model and not model.lower().startswith("armv"):
        return " ".join(model.split())
    maker = _ARM_MAKERS.get(info.get("CPU implementer", ""), "")
    core = _ARM_CORES.get(info.get("CPU part", ""), info.get("CPU part", ""))
    return f"{maker} {core}".strip() or model


def _vendor(info: dict[str, str]) -> str | None:
    if sys.platform == "darwin":
        return "Apple" if os.uname().machine == "arm64" else _sysctl("machdep.cpu.vendor")
    names = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel", "HygonGenuine": "Hygon"}
    vendor = info.get("vendor_id")
    return names.get(vendor, vendor) if vendor else _ARM_MAKERS.get(info.get("CPU implementer", ""))


def _physical_cores() -> int | None:
    if sys.platform == "darwin":
        return _number(_sysctl("hw.physicalcpu"))
    if cores := _sibling_lists():
        return len(cores)
    import psutil

    return psutil.cpu_count(logical=False)


def _sibling_lists() -> set[str]:
    """The CPUs of each physical core, as Linux writes them; empty elsewhere."""
    found = set()
    for cpu in _CPUS.glob("cpu[0-9]*"):
        topology = cpu / "topology"
        found.add(_read(topology / "core_cpus_list") or _read(topology / "thread_siblings_list"))
    return {text for text in found if text}


def _threads_per_core(logical: int | None, physical: int | None) -> int | None:
    """Hardware threads of a core; of the largest where a processor has cores of several kinds."""
    if lists := _sibling_lists():
        return max(len(cpus.parse(text)) for text in lists)
    return logical // physical if logical and physical else None


def _caches() -> dict[str, str]:
    """Sizes of the caches: of each one, and how many there are."""
    found: dict[str, dict[str, str]] = {}
    for index in sorted(_CPUS.glob("cpu[0-9]*/cache/index[0-9]*")):
        level, kind = _read(index / "level"), _read(index / "type")
        size, shared = _read(index / "size"), _read(index / "shared_cpu_list")
        if level and kind and size and shared:
            suffix = {"Data": "d", "Instruction": "i"}.get(kind, "")
            found.setdefault(f"L{level}{suffix}", {})[shared] = size
    caches = {}
    for name, instances in sorted(found.items()):
        size = _cache_size(next(iter(instances.values())))
        caches[name] = size if len(instances) == 1 else f"{len(instances)} × {size}"
    if not caches and sys.platform == "darwin":
        for name, key in (("L1d", "l1dcachesize"), ("L1i", "l1icachesize"), ("L2", "l2cachesize"),
                          ("L3", "l3cachesize")):  # fmt: skip
            size = _number(_sysctl(f"hw.{key}"))
            if size:
                caches[name] = _cache_size(f"{size // 1024}K")
    return caches


def _cache_size(text: str) -> str:
    """A cache's size as Linux writes it ("1024K") in words ("1 MiB"); other texts as they are."""
    number = _number(text.rstrip("K"))
    if number is None:
        return text
    return f"{number / 1024:g} MiB" if number >= 1024 else f"{number} KiB"


# ------------------------------------------------------------------- memory and system


def _memory_mb() -> int:
    import psutil

    return round(psutil.virtual_memory().total / 1e6)


def _system() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:  # a system without os-release
        return os.uname().sysname


_HYPERVISORS = {
    "kvm": "kvm",
    "qemu": "kvm",
    "amazon ec2": "kvm",
    "google": "kvm",
    "openstack": "kvm",
    "vmware": "vmware",
    "virtualbox": "virtualbox",
    "innotek": "virtualbox",
    "microsoft corporation": "hyper-v",
    "hyperv": "hyper-v",
    "hyper-v": "hyper-v",
    "xen": "xen",
    "parallels": "parallels",
    "apple virtualization": "apple",
    "bochs": "bochs",
}


def _hypervisor(info: dict[str, str]) -> str | None:
    """The hypervisor's name, "unknown" if there is one without a name, None on bare metal."""
    if sys.platform == "darwin":
        return "unknown" if _sysctl("kern.hv_vmm_present") == "1" else None
    flags = info.get("flags", "").split()
    dmi = Path("/sys/class/dmi/id")
    hints = [
        _read(Path("/sys/hypervisor/type")),
        _read(dmi / "sys_vendor"),
        _read(dmi / "product_name"),
        _read(Path("/proc/device-tree/hypervisor/compatible")),
        _read(Path("/sys/devices/system/clocksource/clocksource0/available_clocksource")),
    ]
    if flags and "hypervisor" not in flags:
        return None  # x86 says so itself; a maker's name such as Microsoft may be a bare laptop
    for hint in filter(None, hints):
        for word, name in _HYPERVISORS.items():
            if word in hint.lower():
                return name
    return "unknown" if "hypervisor" in flags else None


def _in_container() -> bool:
    if any(Path(file).exists() for file in ("/.dockerenv", "/run/.containerenv")):
        return True
    variables = ("container", "APPTAINER_NAME", "SINGULARITY_NAME", "KUBERNETES_SERVICE_HOST")
    if any(os.environ.get(variable) for variable in variables):
        return True
    groups = _read(Path("/proc/1/cgroup")) or ""
    return bool(re.search(r"docker|kubepods|containerd|/lxc|libpod|garden", groups))


# --------------------------------------------------------------------------- small tools


def _read(file: Path) -> str | None:
    """The text of a small file without space around it; None if it cannot be read or is empty."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t") or None
    except OSError:
        return None


def _number(text: str | None) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        return None


def _sysctl(name: str) -> str | None:
    """A value of macOS's kernel."""
    import subprocess

    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
