#!/usr/bin/env python3
"""The ready studies, run as a user would: does each end, and how good was what it said beforehand?

Each is run in turn in this checkout, under a machine label of its own, with nothing else running;
its screen goes to OUT. Beside it stand two estimates of its runs: that of a trial before (as
`list_configurations.py --trial` prints it, where a study can be tried) and the first one on the
screen while it runs. Their time ends with the last run; what is adaptive (matches, a search, a
ladder) has a budget of its own, and reports follow. Page 1 of each findings.pdf is kept as a
picture.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOUND = 0.3
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = r"([\d.]+) (s|min|h)"
_RUN = re.compile(rf"^ *(\d+) of (\d+)(?: · about {_DURATION} left)?")
_TRIAL = re.compile(rf"^About {_DURATION}, by a trial .*\({_DURATION}\)")


@dataclass
class Told:
    """What a study's run said, and when (s since it began)."""

    study: str
    trial_s: float | None = None
    lines: int = 0
    status: int = 0
    first: tuple[float, float] | None = None  # when, and what was said to be left
    last_run_s: float = 0.0
    whole_s: float = 0.0
    runs: list[float] = field(default_factory=list)  # when each ended

    @property
    def off(self) -> float | None:
        """By what share the first estimate was wrong; above 0 where it said too much."""
        if self.first is None:
            return None
        at, said = self.first
        left = self.last_run_s - at
        return said / left - 1 if left > 0 else None

    @property
    def trial_off(self) -> float | None:
        """The same of the trial, against all runs."""
        if self.trial_s is None or not self.runs:
            return None
        # when the first run began: as long before its end as the second one took
        began = self.runs[0] - (self.runs[1] - self.runs[0] if len(self.runs) > 1 else 0)
        return self.trial_s / (self.last_run_s - began) - 1


def seconds(number: str, unit: str) -> float:
    """A duration as the screen has it, in seconds."""
    return float(number) * UNITS[unit]


def trial(study: str) -> float | None:
    """Seconds that a trial lets expect; None where there is no trial of such a study."""
    command = [sys.executable, "scripts/list_configurations.py", study, "--trial"]
    done = subprocess.run([*command], cwd=ROOT, capture_output=True, text=True)
    found = [m for line in done.stderr.splitlines() if (m := _TRIAL.match(line))]
    return seconds(found[0][1], found[0][2]) if found else None


def play(study: str, out: Path, config: list[str]) -> Told:
    """Run a study to its reports and note what it says."""
    told = Told(study, trial(study))
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", study]
    label = Path(study).stem
    command += ["--config", f"machine={label}", *config]
    began = time.monotonic()
    with (
        (out / "screen.txt").open("w") as screen,
        subprocess.Popen(
            [*command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            now = time.monotonic() - began
            screen.write(f"{now:7.1f}  {line}")
            told.lines += 1
            if run := _RUN.match(line):
                told.runs.append(now)
                told.last_run_s = now
                if told.first is None and run[3]:
                    told.first = now, seconds(run[3], run[4])
    told.status, told.whole_s = process.returncode, time.monotonic() - began
    pages = ROOT / "results" / "reports" / "findings.pdf"
    if told.status == 0:
        subprocess.run(
            ["pdftoppm", "-png", "-r", "80", "-singlefile", pages, out / "page_1"], check=True
        )
    return told


def share(value: float | None) -> str:
    """A deviation as a percentage."""
    return "–" if value is None else f"{100 * value:+.0f} %"


def main() -> int:
    """Run and print the table; returns 0 if all ended well and the screen's estimates held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="+", help="study files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", nargs="*", default=[], help="as of snakemake, for all")
    given = parser.parse_args()
    print("| study | status | lines | runs took | first estimate | trial | in all |")
    print("|---|---|---|---|---|---|---|", flush=True)
    kept = True
    for study in given.studies:
        told = play(study, given.out / Path(study).stem, given.config)
        kept &= told.status == 0 and abs(told.off or 0.0) <= BOUND
        print(
            f"| {study} | {told.status} | {told.lines} | {told.last_run_s / 60:.1f} min | "
            f"{share(told.off)} | {share(told.trial_off)} | {told.whole_s / 60:.1f} min |",
            flush=True,
        )
    print("bound kept" if kept else "bound missed")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
