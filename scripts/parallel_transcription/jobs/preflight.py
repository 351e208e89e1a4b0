"""What this machine lacks for a study's configurations, found before any job."""

from __future__ import annotations

from collections.abc import Iterable

from parallel_transcription.jobs import packing
from parallel_transcription.measure import cuda
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.study.settings import Packing


def problems(configurations: Iterable[Configuration], packed: Packing | None) -> list[str]:
    """One sentence for each thing that is missing, with the remedy; [] if all can run.

    Args:
        configurations: Those that are to be measured here.
        packed: The study's `packing`.
    """
    configurations = list(configurations)
    if packed and configurations:
        try:
            packing.slots_of(packed)
        except packing.PackingError as error:
            return [str(error)]
    on_gpus = [c for c in configurations if c.device == "cuda"]
    if not on_gpus:
        return []
    slot = None
    if packed and packed.get("gpus"):
        try:
            slots = [packing.gpus_of(number, packed["gpus"]) for number in range(packed["jobs"])]
        except packing.PackingError as error:
            return [str(error)]
        slot = slots[0]
    return cuda.problems(on_gpus, slot)
