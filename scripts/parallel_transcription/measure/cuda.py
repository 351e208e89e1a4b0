"""CUDA for the measured process: which GPUs it sees, the library it needs, and a check of both.

A configuration numbers its GPUs itself. On a machine of one's own these are the machine's numbers,
in the order of the PCI bus, as nvidia-smi shows them. Where CUDA_VISIBLE_DEVICES is set (by a
scheduler, by packing or by hand) they only say how many different GPUs are wanted: the devices of
the configuration are the first ones of those granted, in order.

Run as `python -m parallel_transcription.measure.cuda` this checks what comes as JSON on standard
input.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.places import SCRIPTS

GRANT = "CUDA_VISIBLE_DEVICES"
CUBLAS = "libcublas.so.12"  # all that CTranslate2's wheel takes from outside; no cuDNN
#: Compute types that the engine chooses itself, from what the GPU can do.
_CHOSEN_BY_ENGINE = ("default", "auto")


class CudaError(RuntimeError):
    """What CUDA lacks here; the message says what to do."""


def granted(environment: Mapping[str, str] | None = None) -> list[str] | None:
    """The GPUs that CUDA_VISIBLE_DEVICES grants, as it names them; None if all are visible.

    Numbers, or "GPU-…" and "MIG-…" names. As CUDA does, this stops at the first empty or negative
    entry (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    text = (os.environ if environment is None else environment).get(GRANT)
    if text is None:
        return None
    found: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if not name or name.startswith("-") or name in found:
            break
        found.append(name)
    return found


def place(
    configuration: Configuration, gpus: Sequence[str] | None = None
) -> tuple[Configuration, dict[str, str]]:
    """The configuration as the measured process counts, and what its environment needs.

    Args:
        configuration: As the study has it.
        gpus: Those of the process's packing slot, if it has one.
    """
    if configuration.device != "cuda":
        return configuration, {}
    environment = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # CUDA's own order is by speed
    if gpus is not None:
        environment[GRANT] = ",".join(gpus)
    if folders := library_folders():
        # the loader reads it when a process starts; what the user set comes first
        set_already = os.environ.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, [set_already, *folders]))
    if granted({**os.environ, **environment}) is not None:
        own = range(len(configuration.devices))
        configuration = replace(configuration, device_index=",".join(map(str, own)))
    return configuration, environment


def library_folders() -> list[str]:
    """Where pip (nvidia/cublas/lib beside the packages) or conda (lib) put cuBLAS."""
    places = [Path(entry) / "nvidia/cublas/lib" for entry in sys.path if entry]
    return [str(p) for p in [*places, Path(sys.prefix) / "lib"] if (p / CUBLAS).exists()]


def check(configuration: Configuration) -> None:
    """Whether this process, with the environment that it has, can run the configuration.

    Raises:
        CudaError: for the first thing that is missing.
    """
    import ctranslate2

    devices = configuration.devices
    grant = os.environ.get(GRANT)
    seen = f" ({GRANT} is {grant!r})" if grant is not None else ""
    count = ctranslate2.get_cuda_device_count()
    if not count:
        raise CudaError(
            f"device: cuda, but the engine sees no GPU{seen}. nvidia-smi must list one: install "
            "NVIDIA's driver (525 or later), give a container its GPUs, ask the scheduler for "
            "them; or set device: cpu"
        )
    if max(devices) >= count:
        raise CudaError(
            f'device_index: "{configuration.device_index}" needs GPU {max(devices)}, but there '
            f"{'is only GPU 0' if count == 1 else f'are only GPUs 0 to {count - 1}'}{seen}; "
            "name GPUs that exist, or ask the scheduler for more"
        )
    wanted = configuration.compute_type
    if wanted not in _CHOSEN_BY_ENGINE:
        for device in devices:
            known = sorted(ctranslate2.get_supported_compute_types("cuda", device))
            if wanted not in known:
                raise CudaError(
                    f"compute_type: {wanted} does not run on GPU {device}; it can do "
                    f"{', '.join(known)}"
                )
    try:
        ctypes.CDLL(CUBLAS)
    except OSError as error:
        raise CudaError(
            f"cuBLAS for CUDA 12 cannot be loaded ({error}). Install it with: make cuda (pip), or "
            "with conda envs/cuda.yaml; a CUDA of the system needs its folder in LD_LIBRARY_PATH. "
            "cuDNN is not needed"
        ) from None


def problems(
    configurations: Iterable[Configuration], gpus: Sequence[str] | None = None
) -> list[str]:
    """What these configurations lack on this machine, one sentence each; found before any job.

    Asks a process with the environment of a measured one. Where the engine is not installed
    (Snakemake in a conda environment of its own) there is no answer yet; every run checks again.

    Args:
        configurations: Those on a CPU are passed over.
        gpus: Those of a packing slot.
    """
    needs = {(c.device_index, c.compute_type): c for c in configurations if c.device == "cuda"}
    if not needs or not importlib.util.find_spec("ctranslate2"):
        return []
    placed = [place(configuration, gpus) for _, configuration in sorted(needs.items())]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "parallel_transcription.measure.cuda"],
        input=json.dumps([configuration.as_json() for configuration, _ in placed]),
        env={**os.environ, **placed[0][1], "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return [f"the check of CUDA ended with code {done.returncode}: {last}"]
    found: list[str] = json.loads(done.stdout)
    return found


def main() -> None:
    """Check each configuration on standard input; print what is missing as JSON."""
    found = []
    for configuration in json.load(sys.stdin):
        try:
            check(Configuration(**configuration))
        except CudaError as error:
            found.append(str(error))
    print(json.dumps(list(dict.fromkeys(found))))


if __name__ == "__main__":
    main()
