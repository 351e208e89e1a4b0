#!/usr/bin/env python3
"""Find the largest load within a study's objectives: fresh runs, up and down the ladder of rates.

Which rate comes next follows from the run records alone (`findings/climb.py`), so it can be ended
at any moment and goes on where it was.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path

from parallel_transcription import words
from parallel_transcription.errors import run
from parallel_transcription.findings.bands import Band
from parallel_transcription.findings.climb import Run, Stop
from parallel_transcription.findings.climbing import Climbing
from parallel_transcription.findings.explored import explored
from parallel_transcription.findings.objectives import objectives
from parallel_transcription.jobs.campaign import Campaign, from_command_line, run_campaign
from parallel_transcription.jobs.transcribe import is_measured, measure_specified
from parallel_transcription.results.climbed import Climbed, Ladder
from parallel_transcription.results.records import read_records
from parallel_transcription.results.typed import write_plain
from parallel_transcription.study.configuration import identify
from parallel_transcription.study.ladders import climbs
from parallel_transcription.study.rates import written
from parallel_transcription.study.runs import run_id
from parallel_transcription.untrusted import in_brief


class Climb(Campaign):
    """The ladder of a machine: what is there, what comes next, and measuring it."""

    def __init__(self, results: Path, study: str, log: Path):
        super().__init__(results, study, log)
        self._drop_outdated()

    def _drop_outdated(self) -> None:
        """Remove what this study's ladder measured with other code or files: it is done anew."""
        points, rounds = self._plan.study.points, set(self._plan.runs)
        files = [file for file in self._records("runs") if file.stem not in rounds]
        for path, record in read_records(files, []):
            point = points.get(record["configuration_id"])
            own = record["study"] == self._settings["name"]
            if own and point and climbs(point.configuration):
                told = self._plan.specification(self._machine, path.stem)
                if not is_measured(path, told):
                    path.unlink()

    def climbing(self) -> Climbing:
        """How the ladder stands by the records that are there."""
        found = explored(self._results, self._machine, self._plan, self._settings)
        return Climbing(found, self._machine)

    def step(self) -> Stop | None:
        """Plan the next run and measure it; why there is none, if so."""
        planned = self.climbing().next()
        if isinstance(planned, Stop):
            return planned
        self.measure(planned)
        return None

    def measure(self, planned: Run) -> None:
        """Measure a run, in a fresh process."""
        alike = self.climbing().configurations[planned.id]
        configuration = replace(alike, rate=written(planned.rate))
        name = run_id(identify(configuration), planned.round)
        record = measure_specified(
            self._plan.specification(self._machine, name),
            self._settings["name"],
            self._plan.manifests(name),
            self._log.with_name(f"{name}.log"),
            Path(self._plan.record(self._machine, name)),
            self._plan.planned(name),
        )
        failed = f" ({record['status']}: {in_brief(record['error'])})" if record["error"] else ""
        climbing = self.climbing()
        self.say(
            f"ladder: {words.of_work(configuration.as_json())}, round {planned.round}: "
            f"{told(climbing.band(planned.id))} · {spent(climbing)}{failed}"
        )

    def summary(self, stop: Stop) -> Ladder:
        """What is kept of it: why it stopped, and what each configuration carries."""
        climbing = self.climbing()
        asked = objectives(self._settings["slo"])
        return Ladder(
            machine=self._machine,
            objectives=words.listing([str(one) for one in asked]),
            stopped=stop.why,
            seconds=climbing.spent_s,
            budget_s=climbing.budget_s,
            runs=climbing.made,
            settings=[
                _climbed(climbing, name, stop.ends.get(name, ""))
                for name in climbing.configurations
            ],
        )


def _climbed(climbing: Climbing, name: str, why: str) -> Climbed:
    band, runs = climbing.band(name), climbing.own_runs(name)
    return Climbed(
        configuration=band.at["configuration"],
        name=words.name_of(climbing.configurations[name].as_json()),
        load=words.load(climbing.configurations[name].as_json()),
        met=band.highest,
        missed=band.lowest_missed if math.isfinite(band.lowest_missed) else None,
        open=[row["rate"] for row in band.rows if row["standing"] == "open"],
        rounds=sum(row["rounds"] for row in band.rows),
        runs=len(runs),
        seconds=float(runs["run_s"].sum()),
        why=why,
    )


def told(band: Band) -> str:
    """What a configuration carries, as far as is known: "from 2 to 2.5 per s"."""
    met = f"{words.number(band.highest)} per s met" if band.highest else "none met"
    if not math.isfinite(band.lowest_missed):
        return f"{met}, none missed"
    return f"{met}, {words.number(band.lowest_missed)} missed"


def spent(climbing: Climbing) -> str:
    """What it took of what it may take."""
    return f"{words.duration(climbing.spent_s)} of {words.duration(climbing.budget_s)}"


def climb(results: Path, study: str, log: Path, out: Path) -> None:
    """Measure runs until all bands are narrow or the time is over; write what came out."""
    campaign = Climb(results, study, log)
    stop = run_campaign(campaign.step)
    write_plain(campaign.summary(stop), out)
    climbing = campaign.climbing()
    runs = words.plural(climbing.made, "run")
    print(f"ladder: {stop.why} · {runs} · {spent(climbing)}", file=sys.stderr)


def main() -> None:
    """The command line."""
    from_command_line(__doc__, climb)


if __name__ == "__main__":
    run(main)
