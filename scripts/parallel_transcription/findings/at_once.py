"""Parallel, at once without a gain, or a queue: told apart by makespan and by cores in use.

A makespan that more workers do not shorten has two causes that a makespan cannot tell apart. In a
queue, what is in use stays that of one worker while more could be used. Where there is nothing
left to gain (a quota, two hardware threads of one core, memory that feeds no more, a GPU that one
worker fills), workers do run at once: more cores are in use, or no more were to be had.

For a row with more workers in use than its partner with one worker, and files that allow a gain:
  parallel          the gain is shown to be above 1 + margin
  at once, no gain  the gain is shown to be below 1 + margin, and cores in use (GPU: utilisation)
                    rise by half of what the workers could add, or more. With one thread for each
                    worker only: threads of a team that wait in a spin loop count as used
  queue             the gain is shown to be below 1 + margin, cores in use are shown to rise by less
                    than a quarter of that, and more were there to be used (`room`)
  nothing left      the gain is shown to be below 1 + margin, and no more were there to be used
  undecided         otherwise
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from parallel_transcription import statistics
from parallel_transcription.findings.evidence import median_of
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.room import room_on_cpus, room_on_gpu
from parallel_transcription.results.finding import Row
from parallel_transcription.statistics import Comparison

PARALLEL, AT_ONCE, QUEUE = "parallel", "at once, no gain", "queue"
NOTHING_LEFT, UNDECIDED = "nothing left", "undecided"
#: Shares of the rise that workers could bring: at least so much shows work at once, less a queue.
AT_ONCE_FROM, QUEUE_BELOW = 0.5, 0.25


@dataclass(frozen=True)
class InUse:
    """Cores in use (GPU: utilisation) with several workers over those with one, round by round."""

    ratio: float
    low: float
    high: float
    p_rises: float
    p_stays: float
    room: bool | None

    def as_row(self) -> Row:
        """Its columns in a row of evidence."""
        return {
            "in_use_ratio": self.ratio,
            "in_use_low": self.low,
            "in_use_high": self.high,
            "room": {True: "yes", False: "no", None: "not known"}[self.room],
        }


def in_use(machine: Machine, pair: Pair, one: Any, arm: Any, most: float) -> InUse:
    """What is in use with one worker (side A of the pair) and with several.

    Args:
        machine: Where both were measured.
        pair: Their matched rounds.
        one: The arm with one worker.
        arm: The arm with several.
        most: The gain that the files allow.
    """
    on_gpu = arm["device"] == "cuda"
    meter = "gpu_util" if on_gpu else "cores_used"
    a, b = (side[meter].to_numpy(float) for side in (pair.a, pair.b))
    late = pair.a["censored"].to_numpy(bool) | pair.b["censored"].to_numpy(bool)
    known = (a > 0) & (b > 0) & ~late
    ratios = b[known] / a[known]
    value, low, high = statistics.geometric_interval(ratios, machine.confidence)
    logs = np.log(ratios)
    p_rises, _ = statistics.one_sided(logs, float(np.log(1 + AT_ONCE_FROM * (most - 1))))
    _, p_stays = statistics.one_sided(logs, float(np.log(1 + QUEUE_BELOW * (most - 1))))
    if on_gpu:
        room = room_on_gpu(median_of(pair.b, meter))
    elif known.any():
        # room for half of another worker as busy as the one
        each = float(np.median(a[known])) / one["in_use"]
        room = room_on_cpus(machine, float(np.median(b[known])) + 0.5 * each)
    else:
        room = None
    return InUse(value, low, high, p_rises, p_stays, room)


def outcome(gain: Comparison, use: InUse, p: tuple[float, float], sure: bool, alpha: float) -> str:
    """What a row shows (see the module's text).

    Args:
        gain: One worker's makespan over that of several, corrected.
        use: What is in use.
        p: `p_rises` and `p_stays`, corrected.
        sure: Whether cores that count as used are at work: no threads that may only spin.
        alpha: Significance level.
    """
    p_rises, p_stays = p
    if gain.tests.p_above <= alpha and gain.tests.p_difference <= alpha:
        return PARALLEL
    if not gain.tests.p_not_above <= alpha:
        return UNDECIDED
    if p_rises <= alpha and sure:
        return AT_ONCE
    if use.room is False:
        return NOTHING_LEFT
    return QUEUE if p_stays <= alpha and use.room else UNDECIDED
