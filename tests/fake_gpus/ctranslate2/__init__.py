"""Stands for CTranslate2: what it says of the GPUs."""

import fake_machine

__version__ = "0.0-fake"


def get_cuda_device_count():
    return len(fake_machine.visible())


def get_supported_compute_types(device, device_index=0):
    return set(fake_machine.machine()["compute_types"] if device == "cuda" else ["float32"])
