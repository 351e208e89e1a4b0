#!/usr/bin/env python3
"""Search a machine's grid: heats of configurations, one after another, within the budget.

What comes next follows from the records alone (`findings/search.py`), so it can be ended at any
moment and goes on where it was.
"""

import hashlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from parallel_transcription import cpus, words
from parallel_transcription.errors import run
from parallel_transcription.findings.explored import explored
from parallel_transcription.findings.search import Heat, Standing, Stop
from parallel_transcription.findings.searching import Elsewhere, Searching, elsewhere_of
from parallel_transcription.jobs.campaign import Campaign, from_command_line, run_campaign
from parallel_transcription.jobs.match import (
    is_like,
    is_measured_match,
    key_of,
    measure_match,
    sides_of,
)
from parallel_transcription.jobs.transcribe import Run, is_measured
from parallel_transcription.measure.configuration import Configuration
from parallel_transcription.results.heats import FOLDER as HEATS
from parallel_transcription.results.heats import lacked_memory_beside_others
from parallel_transcription.results.merge import merge_records
from parallel_transcription.results.read import Results
from parallel_transcription.results.records import read_matches, read_records, record_files
from parallel_transcription.results.searched import (
    Certificate,
    Considered,
    HeatDone,
    Raced,
    Searched,
)
from parallel_transcription.results.typed import write_plain
from parallel_transcription.study.runs import match_id, match_of
from parallel_transcription.study.searching import objective_of
from parallel_transcription.untrusted import in_brief


class Search(Campaign):
    """The search of a machine: what is there, what comes next, and measuring it."""

    def __init__(self, results: Path, study: str, log: Path):
        super().__init__(results, study, log)
        self._cpus = cpus.usable()
        self._drop_outdated()
        self._elsewhere = self._of_other_machines()

    def _drop_outdated(self) -> None:
        """Remove what was measured with other code, files or protocol: it is measured anew.

        Of rounds as well, since no rule measures again what a search chooses from.
        """
        searched = self._plan.searched
        for path, record in read_matches(self._records(HEATS), []):
            ids = [side["configuration_id"] for side in record["sides"]]
            sides = self._sides(known) if (known := [one for one in ids if one in searched]) else []
            if len(known) < len(ids):  # of a grid that had more
                same = all(is_like(record, side) for side in sides)
            else:
                same = is_measured_match(path, sides)
            if not same:
                path.unlink()
        for path, record in read_records(self._records("runs"), []):
            if record["configuration_id"] in searched:
                told = self._plan.specification(self._machine, path.stem)
                if not is_measured(path, told):
                    path.unlink()

    def _sides(self, ids: Sequence[str]) -> list[Run]:
        told = self._plan.sides(self._machine, ids)
        manifests = sorted({m for one in ids for m in self._plan.manifests_of(one)})
        return sides_of(told, self._settings["name"], manifests, self._plan.planned_match([]))

    def _of_other_machines(self) -> Elsewhere:
        """What other machines have measured, read once: they are not measured here."""
        there = [
            [file for file in record_files(self._results, folder)
             if file.parent.parent.name != self._machine]
            for folder in ("runs", HEATS)
        ]  # fmt: skip
        merged = merge_records(there[0], self._settings, heats=there[1])
        results = Results(merged.runs, merged.timings, merged.machines, self._settings)
        return elsewhere_of(results, self._machine, objective_of(self._settings))

    def searching(self) -> Searching:
        """How the search stands by the records that are there."""
        found = explored(self._results, self._machine, self._plan, self._settings)
        return Searching(found, self._machine, self._cpus, self._elsewhere)

    def step(self) -> Stop | None:
        """Plan the next heat and measure it; why there is none, if so."""
        searching = self.searching()
        planned = searching.next()
        if isinstance(planned, Stop):
            return planned
        self.measure(planned, searching.blocks)
        return None

    def measure(self, heat: Heat, blocks: int) -> None:
        """Measure a heat: its sides in turns, in processes of their own."""
        sides = self._sides([side.id for side in heat.sides])
        number = 1 + max((match_of(path.stem)[1] for path in self._records(HEATS)), default=0)
        key = key_of(sides)
        seed = int(hashlib.sha256(f"heat {key}-{number}".encode()).hexdigest()[:8], 16)
        file = self._results / self._machine / HEATS / f"{match_id(key, number)}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        log = self._log.with_name(f"{file.stem}.log")
        together = not self._crowded() & {side.id for side in heat.sides}
        record = measure_match(sides, number, blocks, seed, file, log, together=together, least=1)
        failed = f" ({record['status']}: {in_brief(record['error'])})" if record["error"] else ""
        self.say(f"search: {self.told()}{failed}")

    def _crowded(self) -> set[str]:
        """What was killed for lack of memory beside others: it is measured apart from them."""
        return {
            side["configuration_id"]
            for _, record in read_matches(self._records(HEATS), [])
            for side in record["sides"]
            if lacked_memory_beside_others(record, side)
        }

    def told(self) -> str:
        """Where it stands, on one line."""
        searching = self.searching()
        state = searching.state
        there = len({one.id for one in searching.measured})
        bests = [one for one in state.certificates() if one is not None]
        leading = ""
        if bests:
            best = self._plan.searched[bests[0].best].configuration
            leading = (
                f"best so far: {words.of_work(best.as_json())}, at most "
                f"{words.percent(math.expm1(max(0.0, bests[0].gain)))} from the best (90 %) · "
            )
        return (
            f"{leading}{there} of {len(self._plan.searched)} measured · "
            f"{words.duration(state.spent_s)} of {words.duration(searching.budget_s(state))}"
        )

    def summary(self, stop: Stop) -> Searched:
        """What is kept of it: why it stopped, how sure it is, every configuration, every heat."""
        searching = self.searching()
        state = searching.state
        return Searched(
            machine=self._machine,
            objective=searching.objective,
            stopped=stop.why,
            gain=math.expm1(searching.search.gain),
            seconds=state.spent_s,
            budget_s=searching.budget_s(state),
            grid_s=state.grid_s,
            certificates=[
                Certificate(one.best, _share(one.gain), _share(one.expected), one.chance)
                for one in state.certificates()
                if one is not None
            ],
            configurations=[self._considered(one) for one in state.standings()],
            heats=[
                HeatDone(
                    step.number,
                    [Raced(name, why) for name, why in step.sides],
                    step.seconds,
                    step.best,
                    _share(step.gain) if math.isfinite(step.gain) else None,
                    step.spent_s,
                )
                for step in searching.history()
            ],
        )

    def _considered(self, one: Standing) -> Considered:
        c = self._plan.searched[one.id].configuration
        known = math.isfinite(one.value)
        return Considered(
            configuration=one.id,
            strategy=c.strategy,
            instances=c.instances,
            num_workers=c.num_workers,
            cpu_threads=c.cpu_threads,
            work=f"{c.model}, {c.compute_type}, {_task(c)}",
            name=words.name_of(c.as_json()),
            state=one.state,
            relative=math.exp(one.value) if known else None,
            sd=one.sd if known else None,
            runs=one.runs,
            reason=one.reason,
        )


def _task(c: Configuration) -> str:
    """What a configuration does, in words."""
    if not c.under_load:
        return words.plural(c.files_in_parallel, "file")
    return f"{words.plural(c.requests, 'request')} at {c.rate}" if c.requests else c.arrivals


def _share(log_gain: float) -> float:
    """By how much more, from a difference of logarithms; nothing where it is negative."""
    return math.expm1(max(0.0, log_gain))


def search(results: Path, study: str, log: Path, out: Path) -> None:
    """Measure heats until nothing better is expected or the time is over; write what came out."""
    campaign = Search(results, study, log)
    stop = run_campaign(campaign.step)
    write_plain(campaign.summary(stop), out)
    print(f"search: {stop.why} · {campaign.told()}", file=sys.stderr)


def main() -> None:
    """The command line."""
    from_command_line(__doc__, search)


if __name__ == "__main__":
    run(main)
