"""What counts: the one place that says which rounds, repeats and runs an answer rests on.

- Disturbed repeats count only where their round has nothing else (column `counts`).
- A late repeat (status `timeout`) counts as the largest: "more than the limit". One that was
  disturbed never counts: what it would have taken alone is not known.
- Failed, stuck and killed repeats have no time. Where others of their arm end well, one that failed
  or was killed counts as late as well (`died`): who answers every other time is not as fast as who
  always does. An arm that never ends well has no times.
- What ended late or was killed beside foreign load is no failure of its configuration (`excused`).
- A load beyond what its configuration carries (`saturated`) counts as later than the limit.
- A/A replicas and planted slow-downs (`unaltered`), batches, loads by a hub's name and requests
  that arrive by a schedule (`ordinary`), answer questions of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from parallel_transcription.results.columns import METERS

MOST_AUTOMATIC_THREADS = 4  # CTranslate2 takes so many for cpu_threads 0, or the CPUs if fewer
_OMP_THREADS = r"(?:^| )OMP_NUM_THREADS=(\d+)(?:[ ,]|$)"  # which it takes instead where it is set
_LATE = ("timeout", "saturated")
_HAS_TIME = ("ok", *_LATE)
DEATHS = ("failed", "killed")
_BY_LOAD = ("timeout", "stuck", "killed")  # endings that a foreign load can bring about
LEAST_CLOCK = 0.9  # of a GPU, against what is usual for the configuration


def usable_cpus(runs: pd.DataFrame, facts: Mapping[str, Any]) -> float | None:
    """CPUs that the runs could really use, such as 1.5 under a quota.

    The one number that rules, bounds, figures and words take. The machine's where no run says it,
    None where nothing does.
    """
    told = runs["usable_cpus"].fillna(runs["affinity_cpus"]).fillna(runs["logical_cpus"]).dropna()
    if len(told):
        return float(told.quantile(0.5, "lower"))  # of unlike ones one that there is
    known = [facts.get(name) for name in ("usable_cpus", "cgroup_cpus", "logical_cpus")]
    return min((float(count) for count in known if count), default=None)


def usable_cores(runs: pd.DataFrame, facts: Mapping[str, Any]) -> float | None:
    """Physical cores that the runs could really keep busy: no more than `usable_cpus`.

    Two hardware threads of one core share its arithmetic units: whether anything is left for
    another worker depends on cores, not on CPUs. None where it is not known.
    """
    told = runs["physical_cores"].dropna()
    cores = float(told.median()) if len(told) else facts.get("usable_cores")
    if not cores:
        return None
    return min(float(cores), usable_cpus(runs, facts) or float(cores))


def marked(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs with the columns that follow from others."""
    usual = runs.groupby(["machine", "configuration"])["gpu_sm_mhz"].transform("median")
    slow = runs["gpu_sm_mhz"] < LEAST_CLOCK * usual
    runs = runs.assign(
        disturbed=runs["disturbed"] | slow, gpu_disturbed=runs["gpu_disturbed"] | slow
    )
    automatic = (
        runs["logical_cpus"].fillna(MOST_AUTOMATIC_THREADS).clip(upper=MOST_AUTOMATIC_THREADS)
    )
    said = runs["thread_env"].str.extract(_OMP_THREADS)[0].astype("float64")
    automatic = said.where(said > 0, automatic)
    unaltered = (runs["replica"] == 1) & (runs["slowdown"] == 0)
    runs = runs.assign(
        arm=runs["configuration"] + "|" + runs["workload"],
        threads=runs["cpu_threads"].where(runs["cpu_threads"] > 0, automatic).astype("int64"),
        in_use=np.maximum(1, np.minimum(runs["total_workers"], runs["callers"])),
        unaltered=unaltered,
        ordinary=unaltered
        & (runs["batch_size"] == 0)
        & (runs["load"] == "folder")
        & (runs["arrivals"] == "at_once"),
    )
    runs = runs.assign(measured_on=_measured_on(runs))
    excused = runs["disturbed"] & runs["status"].isin(_BY_LOAD)
    ends_well = (runs["status"] == "ok").groupby([runs["machine"], runs["arm"]]).transform("any")
    died = runs["status"].isin(DEATHS) & ~excused & ends_well
    runs = runs.assign(excused=excused, died=died)
    return runs.assign(counts=_counts(runs))


def _measured_on(runs: pd.DataFrame) -> pd.Series:
    """What two runs must agree in to be compared, beside the work and the time."""
    cpus = runs["usable_cpus"]
    most = cpus.groupby(runs["machine"]).transform("max")
    held_back = (cpus < most) & (cpus < runs["in_use"] * runs["threads"])
    return runs["host_kind"] + (" on " + cpus.astype("string") + " CPUs").where(held_back, "")


def killed_for_memory(runs: pd.DataFrame) -> pd.Series:
    """Which were killed by SIGKILL, as the system does for lack of memory, and are not excused."""
    killed = (runs["status"] == "killed") & ~runs["excused"]
    return killed & runs["error"].str.contains("SIGKILL")


def _counts(runs: pd.DataFrame) -> pd.Series:
    calm = (runs["status"].isin(_HAS_TIME) & ~runs["disturbed"]) | runs["died"]
    calm_round = calm.groupby([runs["machine"], runs["arm"], runs["round"]]).transform("any")
    return calm | ((runs["status"] == "ok") & ~calm_round)


class Median(NamedTuple):
    """The middle of some times in seconds; `censored`: it is at least that."""

    value: float
    censored: bool


def median(values: ArrayLike, late: ArrayLike) -> Median:
    """The median of times of which late ones are the largest; nan of none.

    Args:
        values: Times in seconds, shape (n,); of a late one the limit that it passed.
        late: Which are late, shape (n,).
    """
    values, late = np.asarray(values, float), np.asarray(late, bool)
    if not len(values):
        return Median(float("nan"), False)
    order = np.lexsort((values, late))
    middle = sorted({order[(len(order) - 1) // 2], order[len(order) // 2]})
    return Median(float(values[middle].mean()), bool(late[middle].any()))


def times(runs: pd.DataFrame) -> pd.DataFrame:
    """The repeats that count, with their time as `value` (s): the limit where `late`."""
    counted = runs[runs["counts"]]
    # of requests more than are left out got no answer: their p95 is later than any limit
    never = np.isinf(counted["makespan_s"].astype("float64"))
    late = counted["status"].isin(_LATE) | counted["died"] | never
    value = counted["makespan_s"].where(~late, counted["timeout_s"])
    return counted.assign(late=late, value=value)[value.notna()]


def per_round(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per (arm, round): the unit of all statistics.

    `makespan_s` is the median over the repeats that count, and `censored` says that it is the
    limit, or at least so much. Where a round has nothing but disturbed repeats, all count and
    `disturbed` is true. Meters are medians over the same repeats. `left_out`: disturbed repeats
    that do not count. A round without a time is not in the table.
    """
    keys = ["arm", "round"]
    columns = ["makespan_s", "censored", "disturbed", "left_out", "repeats", *METERS]
    counted = times(runs)
    if counted.empty:
        index = pd.MultiIndex.from_arrays([[], []], names=keys)
        return pd.DataFrame(columns=columns, index=index)
    groups = counted.groupby(keys, sort=True)
    rows = {key: median(group["value"], group["late"]) for key, group in groups}
    index = pd.MultiIndex.from_tuples(rows, names=keys)
    table = pd.DataFrame(rows.values(), index=index, columns=["makespan_s", "censored"])
    table["disturbed"] = groups["disturbed"].any()
    table["repeats"] = groups.size()
    had_time = runs[runs["status"].isin(_HAS_TIME) | runs["died"]].groupby(keys, sort=True).size()
    table["left_out"] = had_time - table["repeats"]
    return table.join(groups[list(METERS)].median())[columns]
