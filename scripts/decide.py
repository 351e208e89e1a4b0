#!/usr/bin/env python3
"""Decide what rounds leave open: matches of a machine, one after another, within the budget.

What comes next follows from the records of runs and matches alone (`findings/deciding.py`), so it
can be ended at any moment and goes on where it was.
"""

import hashlib
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from parallel_transcription import words
from parallel_transcription.errors import TableError, run
from parallel_transcription.files import write_json
from parallel_transcription.findings.deciding import Deciding, DecidingPair
from parallel_transcription.findings.explored import explored
from parallel_transcription.findings.matches import Matches
from parallel_transcription.findings.planner import Measure, Stop
from parallel_transcription.findings.questions import QUESTIONS
from parallel_transcription.jobs.campaign import Campaign, from_command_line, run_campaign
from parallel_transcription.jobs.match import (
    is_measured_match,
    key_of,
    measure_match,
    next_number,
    record_file,
    sides_of,
)
from parallel_transcription.jobs.transcribe import Run
from parallel_transcription.results.merge import merge_matches
from parallel_transcription.results.read import Results
from parallel_transcription.results.records import read_matches
from parallel_transcription.results.typed import plain

ASKS = {question.id: question.asks_in_short or question.asks for question in QUESTIONS}


class Decision(Campaign):
    """The matches of a machine: what is there, what comes next, and measuring it."""

    def __init__(self, results: Path, study: str, log: Path):
        super().__init__(results, study, log)
        self._rounds = self._explored()
        self._deciding = Deciding(self._rounds, self._machine)
        self._drop_outdated()
        self._refresh()

    def _explored(self) -> Results:
        """What the rounds have shown."""
        found = explored(self._results, self._machine, self._plan, self._settings)
        if found.runs.empty:
            raise TableError(
                f"no run records of this study under {self._results / self._machine / 'runs'}"
            )
        return found

    def _drop_outdated(self) -> None:
        """Remove what was measured with other code, files or protocol: it is measured anew."""
        grid = self._plan.study.points
        for path, record in read_matches(self._records("matches"), []):
            ids = [side["configuration_id"] for side in record["sides"]]
            if all(one in grid for one in ids) and not is_measured_match(path, self._sides(ids)):
                path.unlink()

    def _sides(self, ids: list[str]) -> list[Run]:
        told = self._plan.sides(self._machine, ids)
        manifests = sorted({m for one in ids for m in self._plan.manifests_of(one)})
        contests = [
            pair.configurations
            for pair in self._deciding.pairs
            if not pair.settled and set(pair.configurations) <= set(ids)
        ]
        planned = self._plan.planned_match(contests)
        return sides_of(told, self._settings["name"], manifests, planned)

    def _refresh(self) -> None:
        grid = self._plan.study.points

        def own(record: Mapping[str, Any]) -> bool:
            return all(side["configuration_id"] in grid for side in record["sides"])

        table, left_out = merge_matches(self._records("matches"), self._settings, own)
        for file, reason in left_out:
            print(f"warning: left out {file}: {reason}", file=sys.stderr)
        if (table["repeat"] == 0).any():  # what ended a match is a candidate no more
            self._deciding = Deciding(replace(self._rounds, matches=table), self._machine)
        self.matches: Matches = self._deciding.matches(table)

    def plan(self) -> Measure | Stop:
        """The next match, or why there is none."""
        return self._deciding.next(self.matches)

    def step(self) -> Stop | None:
        """Plan the next match and measure it; why there is none, if so."""
        planned = self.plan()
        if isinstance(planned, Stop):
            return planned
        self.measure(planned)
        return None

    def measure(self, step: Measure) -> None:
        """Measure a match."""
        ids = [arm.split("|")[0] for arm in step.sides]
        sides = self._sides(ids)
        key = key_of(sides)
        number = next_number(self._results, self._machine, key)
        seed = int(hashlib.sha256(f"{key}-{number}".encode()).hexdigest()[:8], 16)
        file = record_file(self._results, self._machine, key, number)
        file.parent.mkdir(parents=True, exist_ok=True)
        leading = self._deciding.open_pairs(self.matches)[step.leading]
        record = measure_match(sides, number, step.blocks, seed, file, self._log)
        self._refresh()
        told = self.told(leading)
        if record["status"] != "ok":
            told += f" ({record['status']}: {words_of(record['error'])})"
        self.say(f"decide: {told}")

    def told(self, pair: DecidingPair) -> str:
        """Where a pair stands, on one line."""
        ratios = self.matches.log_ratios(pair.arm_a, pair.arm_b)
        estimate = ""
        result = self.matches.compare(pair.arm_a, pair.arm_b)
        if result is not None:
            estimate = f", {words.with_interval(result.ratio, result.low, result.high)}"
        return (
            f"{ASKS[pair.question]} {words.plural(len(ratios), 'match', 'matches')}{estimate} · "
            f"{minutes(self.matches.seconds)} of {minutes(self._deciding.budget_s)} min"
        )

    def summary(self, stop: Stop) -> dict[str, object]:
        """What the workflow keeps of it: why it stopped, and where each pair stands."""
        pairs = self._deciding.open_pairs(self.matches)
        return {
            "machine": self._machine,
            "stopped": stop.why,
            "matches": self.matches.count,
            "minutes": self.matches.seconds / 60,
            "more_minutes": stop.more_s / 60,
            "pairs": [
                {
                    "questions": list(pair.questions),
                    "a": pair.configurations[0],
                    "b": pair.configurations[1],
                    "size": standing.size,
                    "by_rounds": pair.settled,
                    "matches": standing.matches,
                    "more_s": plain(standing.more_s),
                }
                for pair, standing in zip(pairs, stop.standings, strict=True)
            ],
        }


def minutes(seconds: float) -> str:
    """Seconds as minutes: "1:40"."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def words_of(error: str | None) -> str:
    """An error's first line."""
    return (error or "").splitlines()[0] if error else ""


def decide(results: Path, study: str, log: Path, out: Path) -> None:
    """Measure matches until all is decided or the time is over, and write what came out."""
    began = time.monotonic()
    decision = Decision(results, study, log)
    stop = run_campaign(decision.step)
    summary = decision.summary(stop)
    write_json(out, summary, indent=2)
    print(
        f"decide: {stop.why} · {summary['matches']} matches · {time.monotonic() - began:.0f} s now",
        file=sys.stderr,
    )


def main() -> None:
    """The command line."""
    from_command_line(__doc__, decide)


if __name__ == "__main__":
    run(main)
