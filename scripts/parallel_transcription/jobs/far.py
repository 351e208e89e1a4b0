"""How far a study is, what its last run gave, and how long the others will take."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parallel_transcription import words
from parallel_transcription.study.longest import OF_LENGTH, SHORTEST_S
from parallel_transcription.study.plan import Plan
from parallel_transcription.study.rates import share_of
from parallel_transcription.untrusted import clean

#: Runs that are told of without a terminal: all of few, evenly spread ones of many.
MOST_TOLD = 30
#: Records that are read to know how long configurations took before.
_MOST_READ = 300


class Far:
    """How far the runs of a study are, and how long the others will take.

    A configuration takes as long as in its last round, now or in records that are there; one that
    is not known, the mean of the others, more at a lower rate.

    Args:
        records: Files of the runs that are lacking, in the order in which they will be made.
        names: Of configurations, by id.
        shares: Of the capacity at which they get requests, by id; 1 unless given.
    """

    def __init__(
        self,
        records: Sequence[str],
        names: Mapping[str, str] | None = None,
        shares: Mapping[str, float] | None = None,
    ):
        self._names, self._shares = names or {}, shares or {}
        self._whole = len(records)
        self._left = {Path(file).parent.parent.name + "/" + Path(file).stem for file in records}
        self._took: dict[str, float] = {}
        self._took.update(_earlier(records))
        self.done = self._not_ok = 0
        self._last = ""

    @property
    def is_told(self) -> bool:
        """Whether the run that ended is one of those that are told of."""
        steps = min(self._whole, MOST_TOLD)
        return self.done * steps // self._whole > (self.done - 1) * steps // self._whole

    def expected(self) -> str:
        """How long all will take, if that is known; empty where nothing is left."""
        known = sum(_configuration(run) in self._took for run in self._left)
        if not self._left:
            return ""
        if 2 * known < len(self._left):
            return "How long it takes is told after the first run."
        return f"About {words.duration(self._seconds())}, by earlier runs of this machine."

    def now(self, run: str) -> str:
        """The live line while a run is measured."""
        configuration, _, number = run.rpartition("-r")
        name = self._names.get(configuration, configuration)
        place = f"{self.done + 1} of {self._whole}{self._rest()}"
        return f"{place} · now {name}, round {int(number)}{self._last}"

    def ended(self, file: Path) -> tuple[str, bool]:
        """Note a run; returns its line, and whether it ended well."""
        machine, run = file.parent.parent.name, file.stem
        self.done += 1
        self._left.discard(f"{machine}/{run}")
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            self._took[_configuration(run)] = record["finished_at"] - record["started_at"]
            name, told, ok = outcome(record)
            self._last = f" · last {told}"
        except (OSError, ValueError, LookupError, TypeError) as error:
            name, told, ok = run, f"its record cannot be read ({error})", False
        self._not_ok += not ok
        place = f"{self.done:>{len(str(self._whole))}} of {self._whole}{self._rest()}"
        return f"{place} · {name}: {told}", ok

    def summary(self) -> str:
        """What became of the runs."""
        runs = words.plural(self.done, "run")
        return f"{runs}, {'all ok' if not self._not_ok else f'{self._not_ok} not ok'},"

    def _rest(self) -> str:
        return (
            f" · about {words.duration(self._seconds())} left" if self._took and self._left else ""
        )

    def _seconds(self) -> float:
        mean = sum(took * self._share(run) for run, took in self._took.items()) / len(self._took)
        left = [_configuration(run) for run in self._left]
        return sum(self._took.get(one, mean / self._share(one)) for one in left)

    def _share(self, configuration: str) -> float:
        return self._shares.get(configuration, 1.0)


def shares_of(plan: Plan) -> dict[str, float]:
    """The shares of the capacity at which a study's configurations get requests, by id."""
    rates = {one: point.configuration.rate for one, point in plan.study.wanted.items()}
    shares = {one: share_of(rate) for one, rate in rates.items() if rate}
    return {one: share for one, share in shares.items() if share}


def longest(plan: Plan) -> str:
    """When a pass is given up, and why; empty for a study without passes.

    Args:
        plan: The study's; where its audio was not looked into yet, the rule is told.
    """
    wanted = [(one, point.configuration) for one, point in plan.study.wanted.items()]
    passes = [one for one, c in wanted if c.files_in_parallel > 0 and not c.under_load]
    limits = sorted({plan.timeout_s(one) for one in passes})
    if not limits:
        return ""
    if "timeout_s" in plan.study.settings:
        return f"A pass is given up after {words.duration(limits[0])} (timeout_s)."
    rule = f"{OF_LENGTH} times the length of its audio, at least {SHORTEST_S} s"
    if not plan.lengths_known:
        return f"A pass is given up after {rule} (no timeout_s is given)."
    told = " to ".join(words.duration(one) for one in dict.fromkeys((limits[0], limits[-1])))
    return f"A pass is given up after {told}: {rule} (no timeout_s is given)."


def outcome(record: Mapping[str, Any]) -> tuple[str, str, bool]:
    """The configuration of a run in words, what it gave, and whether it ended well."""
    name = words.of_work(record["configuration"])
    if record["status"] != "ok":
        why = (record["error"] or "").split("\n")[0]
        return name, f"{record['status']}{f' ({clean(why, 200)})' if why else ''}", False
    passes = [p for start in record["starts"] for p in start["passes"] if p["repeat"] >= 1]
    if not passes:
        loads = [load["finished_s"] for start in record["starts"] for load in start["loads"]]
        return name, f"loaded in {words.number(max(loads, default=0.0))} s", True
    seconds = statistics.median(p["makespan_s"] for p in passes)
    used = [p["cpu_s"] / p["makespan_s"] for p in passes if p["cpu_s"] is not None]
    cores = f", {words.number(statistics.median(used))} cores" if used else ""
    return name, f"{words.number(seconds)} s{cores}", True


def _earlier(records: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Configurations with the seconds that one of their rounds took, of records that are there."""
    wanted = {_configuration(Path(file).stem) for file in records}
    for folder in sorted({Path(file).parent for file in records}):
        there = {_configuration(path.stem): path for path in sorted(folder.glob("*.json"))}
        for name in sorted(wanted & there.keys())[:_MOST_READ]:
            try:
                record = json.loads(there[name].read_text(encoding="utf-8"))
                yield name, record["finished_at"] - record["started_at"]
            except (OSError, ValueError, LookupError, TypeError):
                continue


def _configuration(run: str) -> str:
    return run.rpartition("/")[2].rpartition("-r")[0]
