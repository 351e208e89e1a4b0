"""The planner on studies of known truth: a short version of `benchmarks/simulate_decide.py`."""

import math
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from project import ROOT

SPEC = spec_from_file_location("simulate_decide", ROOT / "benchmarks/simulate_decide.py")
simulation = module_from_spec(SPEC)
sys.modules[SPEC.name] = simulation  # its dataclasses look there
SPEC.loader.exec_module(simulation)
Cell = simulation.Cell

STUDIES = 200


@pytest.mark.slow
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
    assert simulation.simulate(cell, STUDIES).false / STUDIES <= limit


def test_equal_sides_are_decided_within_three_minutes_where_the_spread_is_small():
    outcome = simulation.simulate(Cell(1.00, 0.04), 60)
    assert outcome.headline > 3.5 and outcome.minutes <= 3.0


def test_a_procedure_that_errs_is_found_out(monkeypatch):
    spending_p = simulation.planner.sequential.spending_p
    monkeypatch.setattr(
        simulation.planner.sequential, "spending_p", lambda n, p: spending_p(n, p) / 10
    )
    simulation.planner._tested.cache_clear()
    bold = simulation.simulate(Cell(1.05, 0.04), 60)
    simulation.planner._tested.cache_clear()
    assert bold.false / 60 > 0.05 + 3 * math.sqrt(0.05 * 0.95 / 60)
