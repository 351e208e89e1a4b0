"""What the two reports show: a machine's, and that of the findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parallel_transcription.published.scoreboard import Line
from parallel_transcription.report.figures.names import Caption, file_stem, read_captions
from parallel_transcription.report.pages import (
    answers,
    comparison,
    data,
    description,
    ladder,
    matches,
    published,
    recommended,
    search,
    sizing,
)
from parallel_transcription.results import summaries as tables
from parallel_transcription.results.read import Results
from parallel_transcription.untrusted import clean


@dataclass(frozen=True)
class Report:
    """A report before it is laid out.

    Attributes:
        template: The file that lays it out.
        content: What it shows, by the names that the template uses.
        figures: Files of its figures, by label of the machine and id of the figure.
        captions: Of the figures, by id.
    """

    template: str
    content: dict[str, Any]
    figures: dict[tuple[str, str], Path]
    captions: dict[str, Caption]


def machine_report(results: Results, machine: str, figures: Path) -> Report:
    """What the report of one machine shows."""
    mine = results.of(machine)
    study = description.study_view(mine)
    content = {
        "title": f"Parallel transcription on {clean(machine, 80)}",
        "running_left": "Parallel transcription",
        "running": f"{clean(machine, 50)} · study {clean(study['name'], 40)}",
        "study": study,
        "machine": description.machine_view(mine, machine),
        "tables": [data.files_table_view(t) for t in tables.files_tables(mine)],
        "cold_starts": data.cold_start_view(mine),
        "loads": data.loads_view(mine),
        "parts": data.parts_view(mine),
        "transcripts": data.transcripts_view(mine),
    }
    return Report("machine.html", content, *pictures(figures, [machine]))


def findings_report(results: Results, figures: Path, scoreboard: list[Line]) -> Report:
    """What the report of the findings shows."""
    study = description.study_view(results)
    labels = results.labels
    machines = [description.machine_view(results.of(label), label) for label in labels]
    views = [answers.finding_view(f, results) for f in results.findings]
    aside = answers.set_aside_view(results)
    content = {
        "title": "Parallel transcription: findings",
        "running_left": "Parallel transcription: findings",
        "running": clean(f"study {study['name']} · {', '.join(m['label'] for m in machines)}", 90),
        "study": study,
        "machines": machines,
        "sections": answers.sections(results),
        "set_aside": aside,
        "first_figure": "load_latency" if of_loads(results) else "recommendation",
        "general": [v for v in views if not v["number"]],
        "recommended": [recommended.recommended_view(results, label) for label in labels],
        "searches": [
            view for label in labels if (view := search.search_view(results, label)) is not None
        ],
        "ladders": [
            view for label in labels if (view := ladder.ladder_view(results, label)) is not None
        ],
        "matches": [
            view for label in labels if (view := matches.matches_view(results, label)) is not None
        ],
        "sizing": sizing.sizing_view(results),
        "published": None if aside else published.chapter(results, scoreboard),
        "side_by_side": comparison.machines_side_by_side(results),
        "overview": comparison.overview_view(results),
        "data": data.data_view(results),
    }
    return Report("findings.html", content, *pictures(figures, labels))


def of_loads(results: Results) -> bool:
    """Whether all that was timed are requests under a load."""
    timed = results.runs[results.runs["files_in_parallel"] > 0]
    return bool(len(timed)) and bool((timed["arrivals"] != "at_once").all())


def pictures(
    folder: Path, labels: list[str]
) -> tuple[dict[tuple[str, str], Path], dict[str, Caption]]:
    """Figures that exist, by machine and id; and their captions, by id."""
    captions = read_captions(folder)
    paths = {
        (label, name): folder / f"{file_stem(label, name)}.svg"
        for label in labels
        for name in captions
    }
    return {key: path for key, path in paths.items() if path.is_file()}, captions
