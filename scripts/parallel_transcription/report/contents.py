"""What the two reports show: a machine's, and that of the findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from parallel_transcription.places import CAPTIONS
from parallel_transcription.report.figures import FIGURES
from parallel_transcription.report.figures.names import file_stem
from parallel_transcription.report.pages import (
    answers,
    cells,
    comparison,
    data,
    description,
    recommended,
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
    """

    template: str
    content: dict[str, Any]
    figures: dict[tuple[str, str], Path]


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
        "transcripts": data.transcripts_view(mine),
        "captions": captions(),
        "titles": FIGURES,
    }
    return Report("machine.html", content, figure_paths(figures, [machine]))


def findings_report(
    results: Results, figures: Path, cpu: pd.DataFrame, gpu: pd.DataFrame
) -> Report:
    """What the report of the findings shows."""
    study = description.study_view(results)
    labels = results.labels
    machines = [description.machine_view(results.of(label), label) for label in labels]
    views = [answers.finding_view(f, results) for f in results.findings]
    content = {
        "title": "Parallel transcription: findings",
        "running_left": "Parallel transcription: findings",
        "running": clean(f"study {study['name']} · {', '.join(m['label'] for m in machines)}", 90),
        "study": study,
        "machines": machines,
        "sections": answers.sections(results),
        "general": [v for v in views if not v["number"]],
        "recommended": [recommended.recommended_view(results, label) for label in labels],
        "published": [
            {"machine": clean(label, 80), "key": label,
             "tables": comparison.published_view(results.of(label), cpu, label)}
            for label in labels
        ],
        "published_gpu": comparison.published_gpu_view(gpu, results),
        "scoreboard": comparison.scoreboard_view(results),
        "side_by_side": comparison.machines_side_by_side(results),
        "overview": comparison.overview_view(results),
        "not_measured": cells.badge("not measured"),
        "data": data.data_view(results),
        "captions": captions(),
        "titles": FIGURES,
    }  # fmt: skip
    return Report("findings.html", content, figure_paths(figures, labels))


def captions() -> dict[str, str]:
    """Captions of the figures: those that ``snakemake --report`` shows too."""
    found = dict(FIGURES)
    for name in FIGURES:
        path = CAPTIONS / f"{name}.rst"
        if path.is_file():
            found[name] = " ".join(path.read_text(encoding="utf-8").split())
    return found


def figure_paths(folder: Path, labels: list[str]) -> dict[tuple[str, str], Path]:
    """Figures that exist, by machine and id."""
    found = {}
    for label in labels:
        for name in FIGURES:
            path = folder / f"{file_stem(label, name)}.svg"
            if path.is_file():
                found[label, name] = path
    return found
