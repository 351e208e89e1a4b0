"""The planner on studies of known truth: a short version of `benchmarks/simulate_decide.py`."""

import math
import sys

import pytest

from project import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from simulate_decide import Cell, simulate

STUDIES = 200


@pytest.mark.parametrize(
    "cell",
    [
        Cell(1.05, 0.04),
        Cell(1.05, 0.04, "edge"),
        Cell(1.05, 0.04, "states"),
        Cell(1.00, 0.04, "stalls"),
    ],
    ids=lambda cell: f"{cell.kind}-{cell.ratio}",
)
def test_false_verdicts_are_rare(cell):
    # 3 standard errors above 5 %: what a sound procedure exceeds in less than one of 500 tries
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)
    assert simulate(cell, STUDIES).false / STUDIES <= limit


def test_equal_sides_are_decided_within_three_minutes_where_the_spread_is_small():
    outcome = simulate(Cell(1.00, 0.04), 60)
    assert outcome.headline > 3.5 and outcome.minutes <= 3.0
