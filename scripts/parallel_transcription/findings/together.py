"""Which runs were measured together: in one round, and close in time.

Rounds pair configurations because the machine is the same for both sides: its load, clock, kernel,
neighbours. A block that is added to a study a month later has rounds of the same numbers, and its
machine may be another one by a few per cent, which is the same in every pair and so what no test
can tell from a difference. So two runs of a round are a pair only where they began within
`together_h` of each other; a round that takes longer may itself take so long.

Ranking rests on the same: `relative_times` takes a round in which the sides were far apart for as
many rounds as it is (`occasions`), and compares configurations within these only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

#: A round's processes also take time to start and to end: its work is not all of its length.
STARTS = 2.0


def begun(runs: pd.DataFrame) -> pd.Series:
    """When the run of each (arm, round) began, seconds since 1970; nan where no record tells."""
    times = pd.to_datetime(runs["started_at"], utc=True, errors="coerce", format="ISO8601")
    seconds = (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return seconds.groupby([runs["arm"], runs["round"]]).min()


def allowed(runs: pd.DataFrame, together_h: float) -> pd.Series:
    """How far apart two runs of each round may have begun (s)."""
    runs = runs.drop_duplicates(["arm", "round", "repeat"])
    passes = runs["makespan_s"].fillna(runs["timeout_s"]).fillna(0)
    first = ~runs.duplicated(["arm", "round"])
    before = (runs["load_s"].fillna(0) + runs["warmup_s"].fillna(0)).where(first, 0)
    work = (passes + before).groupby(runs["round"]).sum()
    return (STARTS * work).clip(lower=3600 * together_h)


def occasions(begun: pd.Series, allowed: pd.Series) -> pd.Series:
    """The occasion at which each (arm, round) was measured: a number for each stretch of a round.

    A stretch ends where the next run of the round began later than `allowed` after the first one.
    Runs whose times are not known are the stretch of their round.
    """
    found: dict[tuple[str, int], int] = {}
    number = 0
    for round_number, group in begun.groupby(level="round", sort=True):
        limit = float(allowed.get(round_number, 0.0))
        first = float("nan")
        number += 1
        for key, start in group.sort_values(kind="stable").items():
            if start - first > limit:
                number, first = number + 1, start
            elif np.isnan(first):
                first = start
            found[key] = number
    return pd.Series(found, dtype="int64")


def relative_times(times: Mapping[str, pd.Series]) -> dict[str, float]:
    """Times of arms relative to each other, from what they have in common.

    The model is log time = arm + occasion, by least squares: where all arms took part in all
    occasions these are the geometric means, and an arm that alone was measured in a fast hour
    gains nothing by it.

    Args:
        times: For each arm its times by occasion.

    Returns:
        A factor for each arm, 1 for their geometric mean; nan for one that shares no occasion with
        the arms that most others share some with.
    """
    together = _connected(times)
    rows = [(a, o, t) for a in together for o, t in times[a].items() if t > 0]
    result = dict.fromkeys(times, float("nan"))
    if not rows:
        return result
    arms = {a: k for k, a in enumerate(together)}
    places = {o: len(arms) + k for k, o in enumerate(dict.fromkeys(o for _, o, _ in rows))}
    matrix = np.zeros((len(rows), len(arms) + len(places)))
    for k, (a, o, _) in enumerate(rows):
        matrix[k, arms[a]] = matrix[k, places[o]] = 1.0
    solved = np.linalg.lstsq(matrix, np.log([t for _, _, t in rows]), rcond=None)[0]
    effects = solved[: len(arms)]
    return result | {
        a: float(factor) for a, factor in zip(arms, np.exp(effects - effects.mean()), strict=True)
    }


def _connected(times: Mapping[str, pd.Series]) -> list[str]:
    """The largest set of arms that common occasions connect; of equals the first."""
    left = [a for a in times if len(times[a])]
    sets: list[list[str]] = []
    while left:
        members, seen = [left[0]], set(times[left[0]].index)
        while more := [a for a in left if a not in members and seen & set(times[a].index)]:
            members += more
            seen |= {o for a in more for o in times[a].index}
        sets.append([a for a in left if a in members])
        left = [a for a in left if a not in members]
    return max(sets, key=len, default=[])
