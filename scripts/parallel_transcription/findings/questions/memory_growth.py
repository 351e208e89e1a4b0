"""6 Does memory go on growing with every pass?

Claim: the memory of a process that transcribes again and again stops growing.

Per configuration, over processes with LEAST_PASSES or more counted passes: the slope of the
process's own memory (USS after each pass) over the later half of its passes, in MB per pass; the
first half is warming up. By Theil and Sen, whom one odd pass does not move. One value per process,
a t interval over processes.
  leak       the slope is shown to be above GROWTH of the memory per pass
  plateau    the slope is shown to be below it, no process was killed for lack of memory, and since
             its last rise by more than STEP of it the memory has been level for longer than it took
             to come there (memory also grows in steps, which a slope does not see)
  undecided  otherwise
Verdict:
  confirmed     every configuration has come to a plateau, and none was killed for lack of memory
  refuted       some configuration leaks
  inconclusive  otherwise
  not measured  no configuration with LEAST_PROCESSES processes of so many passes
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.evidence import settings_of
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.results.counting import killed_for_memory
from parallel_transcription.results.finding import Finding, Row, Verdict

LEAST_PASSES = 6
LEAST_PROCESSES = 2
GROWTH = 0.002  # of the memory, per pass: doubled after 500 passes
STEP = 0.02  # of the memory
LEAK, PLATEAU, UNDECIDED = "leak", "plateau", "undecided"


class MemoryGrowth(Question):
    """Memory after each pass of long-lived processes."""

    id, number, order = "memory_growth", 6, 4
    asks = "Does memory go on growing with every pass?"
    asks_in_short = "Does memory stop growing?"
    claim = "The memory of a process that transcribes again and again stops growing."
    lacks = (
        f"No configuration has {LEAST_PROCESSES} processes of {LEAST_PASSES} or more passes that "
        "tell their memory."
    )
    to_measure = f"a study with repeats: {LEAST_PASSES} in {LEAST_PROCESSES} or more rounds."
    would_change = by_verdict(
        "Growth that begins after more passes than were measured.",
        "A plateau over more passes.",
        "More passes, or more processes.",
    )
    columns = (
        show.label(),
        show.decimals("uss_mb", "memory (MB)", 0),
        show.interval("slope_mb", "growth per pass (MB)", "slope_low", "slope_high"),
        show.integer("passes", "passes"),
        show.integer("processes", "processes"),
        show.text("outcome", "outcome"),
    )
    figure = None

    def judge(self, machine: Machine) -> Finding | None:
        """The slope of each configuration that has processes enough."""
        rows = _rows(machine)
        if not rows:
            return self.not_measured(machine)
        outcomes = [row["outcome"] for row in rows]
        verdict = Verdict.INCONCLUSIVE
        if LEAK in outcomes:
            verdict = Verdict.REFUTED
        elif all(outcome == PLATEAU for outcome in outcomes) and not killed_configurations(machine):
            verdict = Verdict.CONFIRMED
        worst = max(rows, key=lambda r: (r["slope_mb"] / r["uss_mb"], r["configuration"]))
        level = machine.confidence
        slope = words.estimate(
            worst["slope_mb"], worst["slope_low"], worst["slope_high"], level, "MB per pass"
        )
        counts = {what: outcomes.count(what) for what in (PLATEAU, LEAK, UNDECIDED)}
        text = (
            f"{starts()[verdict]} of {words.plural(len(rows), 'configuration')}, "
            f"{counts[PLATEAU]} came to a plateau, {counts[LEAK]} went on growing, "
            f"{counts[UNDECIDED]} are undecided. The steepest, {worst['label']}: {slope} of "
            f"{words.number(worst['uss_mb'])} MB, over {worst['passes']} passes."
        )
        ends = (worst["slope_low"], worst["slope_high"])
        effect = effect_of("growth of memory, the steepest", worst["slope_mb"], ends, "MB", level)
        short = f"{counts[PLATEAU]} of {len(rows)} came to a plateau."
        configurations = [row["configuration"] for row in rows]
        notes = [
            f"{name}: a process was killed, as the system does for lack of memory."
            for name in sorted(killed_configurations(machine))
        ]
        answer = Answer(text, short, effect)
        return self.finding(machine, verdict, answer, rows, configurations, notes=notes)


def growing_configurations(machine: Machine) -> list[str]:
    """Those whose memory is shown to go on growing."""
    return [row["configuration"] for row in _rows(machine) if row["outcome"] == LEAK]


def killed_configurations(machine: Machine) -> dict[str, int]:
    """How many passes of each configuration were killed for lack of memory; others lack."""
    runs = machine.runs[machine.runs["ordinary"] & killed_for_memory(machine.runs)]
    return {str(name): len(own) for name, own in runs.groupby("configuration")}


def _rows(machine: Machine) -> list[Row]:
    """Per configuration with processes enough: the slope over the later half of the passes."""
    passes, killed = _passes(machine), killed_configurations(machine)
    rows = []
    for configuration, group in passes.groupby("configuration", sort=True):
        processes = [p for _, p in group.groupby("process") if len(p) >= LEAST_PASSES]
        if len(processes) < LEAST_PROCESSES:
            continue
        slopes = [_later_slope(process) for process in processes]
        mean, low, high = statistics.t_interval(slopes, machine.confidence)
        size = float(np.mean([process["uss_mb"].iloc[-1] for process in processes]))
        first = group.iloc[0]
        level = np.mean([_is_level(process) for process in processes]) > 0.5
        flat = high < GROWTH * size and level and configuration not in killed
        outcome = LEAK if low > GROWTH * size else PLATEAU if flat else UNDECIDED
        rows.append(
            {
                **settings_of(first, "device"),
                "label": words.name_of(first),
                "uss_mb": size,
                "slope_mb": mean,
                "slope_low": low,
                "slope_high": high,
                "passes": min(map(len, processes)),
                "processes": len(processes),
                "outcome": outcome,
                "configuration": str(configuration),
            }
        )
    return rows


def _passes(machine: Machine) -> pd.DataFrame:
    """A row per counted pass: the process it was in, its place there, and the memory after it."""
    runs = machine.runs
    known = runs[runs["ordinary"] & (runs["status"] == "ok") & (runs["uss_mb"] > 0)]
    return known.assign(process=known["run"]).sort_values(["process", "repeat"])


def _is_level(process: pd.DataFrame) -> bool:
    """Whether more passes have passed since the memory of a process rose than had until then."""
    memory = process["uss_mb"].to_numpy(float)
    rises = np.flatnonzero(np.diff(memory) > STEP * memory[:-1]) + 1
    last = int(rises[-1]) if len(rises) else 0
    return len(memory) - 1 - last > last


def _later_slope(process: pd.DataFrame) -> float:
    """MB per pass over the later half of a process's passes."""
    later = process["uss_mb"].to_numpy(float)[len(process) // 2 :]
    return float(scipy.stats.theilslopes(later).slope)
