"""How many machines a traffic takes and what it costs, as results/sizing.yaml holds it.

The findings write it, the report reads it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from parallel_transcription.results.typed import plain, read_checked

HEAD = """\
# Machines for the study's `traffic`, and what they cost by its `prices`. Rates in requests per
# second, as measured to be within the objectives; a load that was not measured is not told of.
"""


@dataclass(frozen=True)
class Sizing:
    """A kind of machine for a traffic; None is not known.

    `rate`: requests per second of one machine within the objectives. `machines`: that the busiest
    hour takes. `machine_hours`: a day, `fixed` with as many at all hours, `following` with as many
    as each hour takes. Costs are per hour of audio, in `currency`.
    """

    machine: str
    load: str
    objectives: str
    snippet: str
    callers: int
    rate: float
    peak_rate: float
    machines: int
    busy: float
    audio_hours: float
    machine_hours_fixed: float
    machine_hours_following: float
    cost_fixed: float | None
    cost_following: float | None
    currency: str | None
    note: str | None


def write_sizing(found: Sequence[Sizing], path: Path) -> None:
    """Write the sizings of all machines."""
    values = [plain(dataclasses.asdict(one)) for one in found]
    path.write_text(HEAD + yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100))


def read_sizing(path: Path) -> list[Sizing]:
    """The sizings, checked; none where there is no file.

    Raises:
        TableError: The file is there and holds something else.
    """
    return read_checked(path, list[Sizing], yaml.safe_load) or []
