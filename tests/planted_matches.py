"""Matches of known times, as rows of the table: added to tables of runs, without measuring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from parallel_transcription.findings.deciding import deciding_pairs
from parallel_transcription.findings.machine import by_group
from parallel_transcription.results.columns import MATCH_COLUMNS
from parallel_transcription.results.merge import matches_table
from synthetic_study import as_results

Block = Mapping[str, float]  # seconds of each side, by the configuration's id


def planted_matches(
    runs: pd.DataFrame,
    matches: Sequence[Sequence[Block]],
    contests: Sequence[tuple[str, str]] = (),
    match_s: float = 10.0,
    disturbed: Sequence[tuple[int, int]] = (),
) -> pd.DataFrame:
    """The table of matches of one machine.

    Args:
        runs: Its table of runs; a side's other columns are those of a run of it.
        matches: For each match its blocks, in the order of time. Under a load it is the p95 of a
            pass, infinite where more requests came than are carried.
        contests: What each match was to decide; its first side against each other unless given.
        match_s: What each took.
        disturbed: Match and block, from 0, in which others disturbed all sides.
    """
    known = {row["configuration"]: row for row in runs.to_dict("records")}
    rows = []
    for number, blocks in enumerate(matches):
        sides = list(blocks[0])
        asked = contests or [(sides[0], other) for other in sides[1:]]
        for block, seconds in enumerate(blocks):
            order = sides if block % 2 == 0 else sides[::-1]
            for place, side in enumerate(order):
                minute = f"{number // 60:02d}:{number % 60:02d}"
                late, took = math.isinf(seconds[side]), seconds[side]
                rows.append(
                    known[side]
                    | {
                        "run": f"{'0' * 12}-m{number + 1:03d}",
                        "round": number + 1,
                        "repeat": block + 1,
                        "turn": block * len(sides) + place,
                        "status": "saturated" if late else "ok",
                        "error": "",
                        "makespan_s": None if late else took,
                        "p95_s": None if late or known[side]["arrivals"] == "at_once" else took,
                        "rtfx": known[side]["audio_total_s"] / took,
                        "disturbed": (number, block) in disturbed,
                        "started_at": f"2026-11-02T{minute}:00.000+00:00",
                        "together": True,
                        "contests": " ".join("/".join(p) for p in asked if set(p) <= set(sides)),
                        "idle_cpu_s": 0.0,
                        "match_s": match_s,
                    }
                )
    return matches_table(pd.DataFrame(rows, columns=list(MATCH_COLUMNS)))


def of_ratios(
    a: str, b: str, logs: Sequence[float], blocks: int = 6, spread: float = 0.0, seed: int = 1
) -> list[list[Block]]:
    """Matches of two sides of which each has this log ratio of A over B, with noise of passes."""
    rng = np.random.default_rng(seed)
    return [
        [{a: float(np.exp(log + rng.normal(0, spread))), b: 1.0} for _ in range(blocks)]
        for log in logs
    ]


def decided(made: dict) -> dict:
    """A synthetic study with matches of four of its deciding pairs: equal, different and open."""
    results = as_results(made)
    pairs = deciding_pairs(by_group(results, results.labels[0]))
    met = [
        match
        for pair, log_ratio in zip(pairs, (0.01, 0.0, 0.2, 0.045), strict=False)
        for match in of_ratios(*pair.configurations, [log_ratio] * 6, spread=0.01)
    ]
    return made | {"matches": planted_matches(results.runs, met)}
