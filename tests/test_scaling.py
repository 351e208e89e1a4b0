"""Guards the scaling law: fitted where it may be, the same in evidence, words and figure."""

from __future__ import annotations

import pandas as pd
import pytest

from judging import calm_tables, finish
from parallel_transcription.findings import scaling
from parallel_transcription.report.figures.draw import FIGURES, draw
from parallel_transcription.report.figures.sources import Sources
from synthetic_study import configuration


def points(files: int, workers=(1, 2, 3, 4)) -> list[dict]:
    shared = {"threads": 1, "files": files}
    alone = configuration("one_model", callers=1, **shared)
    return [alone, *(configuration("one_model", workers=w, callers=4, **shared) for w in workers)]


def study(folder, files: int, workers=(1, 2, 3, 4), **given):
    return finish(folder, calm_tables(1, points(files, workers), **given))


def law(results) -> list[dict]:
    (found,) = (f for f in results.findings if f.id == "parallel_or_queue")
    return [row for row in found.evidence if row.get("contention") is not None]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return study(tmp_path_factory.mktemp("scaling"), files=16)


@pytest.mark.slow
def test_each_row_of_the_law_has_its_coefficients_with_their_ends(measured):
    rows = law(measured)
    assert [row["workers_in_use"] for row in rows] == [1, 2, 3, 4]
    assert len({(row["contention"], row["coherency"]) for row in rows}) == 1
    one = rows[0]
    assert one["contention_low"] <= one["contention"] <= one["contention_high"]
    assert one["coherency_low"] <= one["coherency"] <= one["coherency_high"]
    assert one["configuration_one_worker"] == one["configuration"]
    assert one["falls_beyond"] is None or one["coherency_low"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"files": 4}, {"files": 16, "workers": (1, 4)}])
def test_too_few_files_or_numbers_of_workers_have_no_law(tmp_path, given):
    results = study(tmp_path, **given)
    assert law(results) == []
    assert FIGURES["scaling"].make(Sources(results)) is None


def test_the_words_are_those_of_the_evidence(measured):
    rows = law(measured)
    (said,) = scaling.sentences(rows, 0.95)
    assert said.startswith("Scaling law for 4 callers, 1 thread")
    (found,) = (f for f in measured.findings if f.id == "parallel_or_queue")
    assert said in found.notes
    fell = [row | {"falls_beyond": 3.4, "falls_beyond_low": 3, "falls_beyond_high": 4}
            for row in rows]  # fmt: skip
    assert "it falls beyond 3.4 workers" in next(iter(scaling.sentences(fell, 0.95)))


@pytest.mark.slow
def test_what_only_stays_does_not_fall(tmp_path):
    """Beyond the CPUs throughput stays: the law bends down, but no round shows a fall."""
    stays = study(tmp_path, files=16, cliff=0.0)
    rows = law(stays)
    assert rows[0]["coherency_low"] > 0, "the law alone would claim a peak"
    assert all(row["falls_beyond"] is None for row in rows)


@pytest.mark.slow
def test_the_figure_has_every_round_and_the_lines_of_the_law(measured, tmp_path):
    plot = FIGURES["scaling"].make(Sources(measured))
    rounds = measured.runs["round"].nunique()
    assert len(plot.data) == 4 * rounds
    assert plot.data.loc[plot.data["workers"] == 1, "ratio"].eq(1).all()
    (written,) = draw(measured, tmp_path, only=["scaling"])
    assert "not measured" not in written.read_text()


def test_where_no_round_has_all_numbers_of_workers_no_fall_is_claimed():
    """Heats of a search have the best so far and some others, never all."""
    rounds = [1, 2, 2, 3, 3]
    points = pd.DataFrame(
        {"workers": [8, 8, 6, 8, 4], "throughput": [2.0, 2.1, 1.9, 2.0, 1.2]}, index=rounds
    )
    assert scaling._falls(points, 0.05) is False
