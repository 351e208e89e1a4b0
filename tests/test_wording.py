"""The wording of findings and of the report's first page: one golden file for each study.

Here, and only here, tests look at sentences. The studies are synthetic; their run records go the
way of `make reports`. After a change of words on purpose: `make golden`, and review its diff.
"""

from __future__ import annotations

import difflib
import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planted_matches import decided
from planted_records import write_records
from project import ROOT
from studies import script
from synthetic_study import (
    configuration,
    default_configurations,
    gpu_configurations,
    make_tables,
)

GOLDEN = ROOT / "tests" / "golden"
TEXTS = ("question", "claim", "verdict", "in_short", "answer", "change")


def cpu() -> dict:
    """All questions on CPUs, with failed and late runs, other texts, and what matches decide."""
    made = make_tables(
        1, rounds=5, repeats=2, text_differences=4, init_failures=(0.2, 0.0, 0.0), by_name_starts=30
    )
    return decided(made)


def two_machines() -> dict:
    """Two machines, few and noisy rounds, a limit of memory: what is not decided."""
    points = default_configurations(workers=(1, 2), threads=(1, 2), files=(2,))
    return make_tables(
        4, machines=2, rounds=2, repeats=1, configurations=points, timeouts=False, failures=False,
        spread=0.12, ratio_processes=0.9, limits={"max_memory_mb": 250.0}, init_starts=0,
    )  # fmt: skip


def gpu() -> dict:
    """One to three GPUs."""
    return make_tables(
        2, rounds=4, repeats=1, configurations=gpu_configurations(workers=(1, 2, 4), files=(3, 6)),
        timeouts=False, failures=False, init_starts=0,
    )  # fmt: skip


def batched() -> dict:
    """Windows in batches, planted slow-downs, many models that are slower than one."""
    plain = {"condition_on_previous_text": False, "temperature_fallback": False}
    points = default_configurations(workers=(1, 2), threads=(1, 2), files=(2,))
    points += [configuration("one_model", workers=2, slowdown=share) for share in (0.1, 0.5)]
    for workers in (1, 2):
        points.append(configuration("one_model", workers=workers, **plain))
        points.append(configuration("one_model", workers=workers, batch_size=4, **plain))
    return make_tables(
        3, rounds=6, repeats=1, configurations=points, ratio_many=1.12, timeouts=False,
        failures=False, init_starts=0,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("study", [cpu, two_machines, gpu, batched])
def test_the_wording_is_that_of_the_golden_file(
    study: Callable[[], dict],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golden = GOLDEN / f"{study.__name__}.txt"
    # the fonts of the page, which take as long as its words, say nothing
    monkeypatch.setattr("parallel_transcription.report.layout._subset", lambda *_: b"")
    write_records(study(), tmp_path)
    said = wording(tmp_path)
    if request.config.getoption("golden"):
        golden.write_text(said, encoding="utf-8")
    known = golden.read_text(encoding="utf-8") if golden.exists() else ""
    names = str(golden.relative_to(ROOT)), "now"
    changes = list(difflib.unified_diff(known.splitlines(), said.splitlines(), *names, lineterm=""))
    assert not changes, "\n".join(["the wording changed (on purpose: make golden)", *changes])


def wording(results: Path) -> str:
    """All texts of the findings and of the first page, a sentence a line."""
    page = results / "findings.html"
    for step in (
        ("merge_timings.py", "--out", results),
        (
            *("judge_findings.py", "--findings", results / "findings.json"),
            *("--scoreboard", results / "scoreboard.json"),
        ),
        ("recommend_settings.py", "--out", results / "recommended.yaml"),
    ):
        done = script(*step, "--results", results)
        assert done.returncode == 0, done.stderr
    figures = results / "figures"  # none are drawn: the wording needs none
    command = ("write_report.py", "findings", "--figures", figures, "--out-html", page)
    done = script(*command, "--results", results)
    assert done.returncode == 0, done.stderr
    found = json.loads((results / "findings.json").read_text(encoding="utf-8"))
    parts = ["# First page", first_page(page.read_text(encoding="utf-8")), "# Findings"]
    return "\n\n".join([*parts, *map(texts_of, found)]) + "\n"


def texts_of(finding: dict[str, Any]) -> str:
    """The texts of one finding, each under its name."""
    lines = [f"## {finding['machine']}: {finding['number']} {finding['id']}"]
    for key in TEXTS:
        lines += [f"{key}:", *sentences(finding[key] or "–")]
    for note in finding["notes"]:
        lines += ["note:", *sentences(note)]
    return "\n".join(lines)


def sentences(text: str) -> list[str]:
    """The text's sentences, so that a diff shows the one that changed."""
    return [f"  {sentence}" for sentence in re.split(r"(?<=[.;:]) (?=\S)", text.strip())]


class FirstPage(html.parser.HTMLParser):
    """The text of the page's first section: a line for each paragraph, table row, line of code."""

    CELLS = frozenset({"td", "th"})
    INLINE = frozenset({"a", "span", "b", "i", "em", "strong", "code", "sub", "sup"})

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0  # of sections
        self.over = False
        self.drawn = 0  # depth of pictures: their texts are not the page's
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.depth += tag == "section"
        self.drawn += tag == "svg"
        if tag == "br":
            self._add(" ")
        elif tag in self.CELLS:
            self._add(" | ")
        elif tag not in self.INLINE:
            self._add("\n")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "section"
        self.drawn -= tag == "svg"
        self.over |= tag == "section" and self.depth == 0
        if tag not in self.INLINE | self.CELLS:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        self._add(data)

    def _add(self, text: str) -> None:
        if self.depth and not self.over and not self.drawn:
            self.text += text


def first_page(page: str) -> str:
    """What the first page says, without its figure."""
    reader = FirstPage()
    reader.feed(page)
    assert reader.over, "the page has no section"
    lines = (line.rstrip().removeprefix(" | ") for line in reader.text.splitlines())
    return "\n".join(line for line in lines if line.strip())
