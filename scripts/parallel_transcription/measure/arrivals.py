"""When requests arrive under a load, and for which files: a schedule for each pass.

A schedule follows from the load, the round and the pass alone, never from the configuration that
serves it: so all configurations get the same requests at the same moments (common random numbers),
and rates of one round are scaled copies of each other. The first part of it fills the system and is
not counted, the last part keeps it full until the last counted request is done.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # its threads start as it is imported, so only when the CPUs are set
    import numpy as np

#: Requests that come before the first counted one, as a share of those.
LEAD_IN = 0.25
LEAST_LEAD_IN = 4
#: Coefficient of variation of the gaps between requests that come in bursts; 1 is Poisson's.
BURSTINESS = 2.0


@dataclass(frozen=True)
class Stratum:
    """Files of a mix that are alike: their places in the list of files, and their weight."""

    name: str
    weight: float
    files: list[int]


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a configuration is to serve.

    `arrivals` is `closed` (the next request comes when a caller is free), `poisson`, `constant`,
    `bursts` or `trace`; `rate` is in requests per second (0: closed, or as the trace has it);
    `seconds` the length of each file; `trace` seconds and length of each request; `seed` what tells
    its random numbers from those of other loads; `give_up_s` how long after its last arrival a
    pass is over, whatever is left.
    """

    arrivals: str
    rate: float
    requests: int
    discipline: str
    strata: list[Stratum]
    seconds: list[float]
    seed: str
    round: int
    give_up_s: float
    trace: list[tuple[float, float]] | None = None

    @classmethod
    def of(cls, content: dict[str, Any]) -> Load:
        """The load that a line of JSON holds."""
        strata = [Stratum(**one) for one in content["strata"]]
        trace = content["trace"] and [(float(at), float(s)) for at, s in content["trace"]]
        return cls(**content | {"strata": strata, "trace": trace})

    @property
    def lead_in(self) -> int:
        """Requests before the first that is counted."""
        if self.trace is not None:
            return len(self.trace) // 5
        return max(LEAST_LEAD_IN, math.ceil(LEAD_IN * self.requests))

    @property
    def counted(self) -> int:
        """Requests that are counted."""
        return self.requests if self.trace is None else len(self.trace) - self.lead_in

    @property
    def lasts_s(self) -> float:
        """Seconds until the last counted request arrives; 0 where the next waits for a caller."""
        if self.trace is not None:
            return self.trace[-1][0] - self.trace[0][0]
        return (self.lead_in + self.requests) / self.rate if self.rate else 0.0


@dataclass(frozen=True)
class Schedule:
    """The requests of a pass.

    `at`: seconds from its beginning, ascending, shape (n,); all 0 where the next request waits for
    a caller. `files`: their places in the list of files, shape (n,). `first` and `end` bound those
    that are counted.
    """

    at: list[float]
    files: list[int]
    first: int
    end: int


def schedule(load: Load, number: int) -> Schedule:
    """The requests of a pass of a load.

    Args:
        load: What is to be served.
        number: Of the pass.
    """
    import numpy as np

    times, which = (_chance(load, number, stream) for stream in ("times", "files"))
    first, end = load.lead_in, load.lead_in + load.counted
    if load.trace is not None:
        begin = load.trace[0][0]
        nearest = _nearest(load.seconds, [length for _, length in load.trace])
        return Schedule([at - begin for at, _ in load.trace], nearest, first, end)
    count = end + load.counted  # enough to go on until the last counted one is done
    if load.arrivals == "closed":
        at = np.zeros(count)
    else:
        at = np.cumsum(gaps(load.arrivals, count, times)) / load.rate
    files = draw(load.strata, count, which)
    return Schedule([float(t) for t in at], files, first, end)


def gaps(arrivals: str, count: int, chance: np.random.Generator) -> np.ndarray:
    """Times between requests, of mean 1, shape (count,)."""
    import numpy as np

    if arrivals == "constant":
        return np.ones(count)
    if arrivals == "bursts":
        shape = BURSTINESS**-2
        return chance.gamma(shape, 1 / shape, count)
    return chance.exponential(1.0, count)


def draw(strata: Sequence[Stratum], count: int, chance: np.random.Generator) -> list[int]:
    """So many files of a mix, each drawn for itself: a part by its weight, of it any file.

    Exact shares in each pass would take from a queue the bursts of long files that make it late.
    """
    files = [one for stratum in strata for one in stratum.files]
    weights = [one.weight / len(one.files) for one in strata for _ in one.files]
    total = sum(weights)
    drawn = chance.choice(len(files), count, p=[weight / total for weight in weights])
    return [files[int(place)] for place in drawn]


def _chance(load: Load, number: int, stream: str) -> np.random.Generator:
    import numpy as np

    digest = hashlib.sha256(f"{load.seed} {stream}".encode()).hexdigest()
    return np.random.default_rng(np.random.SeedSequence([int(digest[:16], 16), load.round, number]))


def _nearest(seconds: Sequence[float], wanted: Sequence[float]) -> list[int]:
    """For each length the file that is nearest to it in ratio, the first of equal ones."""
    import numpy as np

    known = np.log(np.asarray(seconds, float))
    return [int(np.argmin(np.abs(known - math.log(one)))) for one in wanted]
