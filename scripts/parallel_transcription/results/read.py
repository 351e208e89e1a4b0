"""A results folder, read once: the tables, and what was concluded from them.

All later steps read through here. What the files hold is checked once; their CSV twins are for
people and are never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from parallel_transcription.errors import TableError
from parallel_transcription.results import climbed, searched
from parallel_transcription.results.climbed import Ladder
from parallel_transcription.results.columns import (
    LEFT_OUT_COLUMNS,
    MATCH_COLUMNS,
    RUN_COLUMNS,
    TIMING_COLUMNS,
)
from parallel_transcription.results.finding import Finding, Group, read_findings
from parallel_transcription.results.merge import no_matches
from parallel_transcription.results.recommended import Recommendation, read_recommended
from parallel_transcription.results.searched import Searched
from parallel_transcription.results.sizing import Sizing, read_sizing
from parallel_transcription.results.typed import read_of_machines, unusable
from parallel_transcription.study.settings import DEFAULTS

T = TypeVar("T")
Facts = Mapping[str, Any]  # a JSON object as it was read


@dataclass(frozen=True)
class Results:
    """All that a results folder holds.

    `runs`, `timings` and `matches` are tables of the columns of `columns.py`; `machines` has the
    facts of each label, `study` every setting, `recommended` a block for each label, `sizing` what
    a traffic takes, `searches` what the search of a label did, `ladders` what its ladder came to;
    `left_out` names files that are no
    valid records.
    """

    runs: pd.DataFrame
    timings: pd.DataFrame
    machines: Mapping[str, Facts] = field(default_factory=dict)
    study: Facts = field(default_factory=lambda: DEFAULTS)
    findings: Sequence[Finding] = ()
    recommended: Mapping[str, Recommendation] = field(default_factory=dict)
    sizing: Sequence[Sizing] = ()
    left_out: Sequence[str] = ()
    matches: pd.DataFrame = field(default_factory=lambda: no_matches().copy())
    searches: Mapping[str, Searched] = field(default_factory=dict)
    ladders: Mapping[str, Ladder] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Labels of the machines, in alphabetical order."""
        return sorted(set(self.runs["machine"]) | set(self.machines))

    def of(self, machine: str) -> Results:
        """The same, for one machine."""
        return replace(
            self,
            runs=self.runs[self.runs["machine"] == machine].reset_index(drop=True),
            timings=self.timings[self.timings["machine"] == machine].reset_index(drop=True),
            matches=self.matches[self.matches["machine"] == machine].reset_index(drop=True),
            machines=_only(self.machines, machine),
            findings=[f for f in self.findings if f.machine == machine],
            recommended=_only(self.recommended, machine),
            searches=_only(self.searches, machine),
            ladders=_only(self.ladders, machine),
            left_out=[f for f in self.left_out if Path(f).parent.parent.name == machine],
        )

    def of_group(self, group: Group | None) -> Results:
        """The same, for one group of equal work; all of it where none is given."""
        if group is None:
            return self
        runs = self.runs[(self.runs[list(asdict(group))] == asdict(group)).all(axis=1)]
        return replace(
            self,
            runs=runs.reset_index(drop=True),
            timings=self.timings[self.timings["run"].isin(runs["run"])].reset_index(drop=True),
            findings=[f for f in self.findings if f.group == group],
        )

    @property
    def groups(self) -> list[Group]:
        """The groups of equal work that the findings tell of, as they come."""
        return list(dict.fromkeys(f.group for f in self.findings if f.group))

    def finding(self, name: str) -> Finding | None:
        """The finding `name` of the (first) machine, and there of its leading group."""
        return next((f for f in self.findings if f.id == name), None)


def _only(of_labels: Mapping[str, T], label: str) -> dict[str, T]:
    return {label: of_labels[label]} if label in of_labels else {}


def read_tables(folder: Path | str) -> Results:
    """What merging and campaigns wrote: the tables, machines, settings, searches and ladders.

    Raises:
        TableError: For a file that is missing or is not what merging writes.
    """
    folder = Path(folder)
    if not (folder / "runs.parquet").exists():
        raise TableError(f"no results in {folder}; make them with scripts/merge_timings.py")
    study = _read(folder / "study.json", json.loads, _is_object)
    return Results(
        runs=_read_table(folder / "runs.parquet", RUN_COLUMNS),
        timings=_read_table(folder / "timings.parquet", TIMING_COLUMNS),
        machines=_read(folder / "machines.json", json.loads, _is_object_of_objects),
        study={**DEFAULTS, **study},
        matches=_read_table(folder / "matches.parquet", MATCH_COLUMNS),
        left_out=_read_table(folder / "left_out.parquet", LEFT_OUT_COLUMNS)["file"].to_list(),
        searches=read_of_machines(folder, searched.FILE, Searched),
        ladders=read_of_machines(folder, climbed.FILE, Ladder),
    )


def read_results(folder: Path | str) -> Results:
    """A whole results folder: the tables, and what was concluded from them.

    Conclusions that are not there yet are empty, so that a page can say so.

    Raises:
        TableError: For a table that is missing, and for a file that is not what this workflow
            writes.
    """
    folder = Path(folder)
    return replace(
        read_tables(folder),
        findings=read_findings(folder / "findings.json"),
        recommended=read_recommended(folder / "recommended.yaml"),
        sizing=read_sizing(folder / "sizing.yaml"),
    )


def _read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    _check_there(path)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise unusable(path, error) from None
    missing = [name for name in columns if name not in table]
    if missing:
        raise TableError(
            f"{path} lacks the column {missing[0]}: another version wrote it; merge the records "
            "again with scripts/merge_timings.py"
        )
    return table[list(columns)]


def _read(path: Path, load: Callable[[str], Any], check: Callable[[Any], bool]) -> Any:
    """The content of a text file.

    Args:
        path: The file.
        load: Makes the content of its text.
        check: Whether that is what this workflow writes there.
    """
    _check_there(path)
    try:
        content = load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise unusable(path, error) from None
    if not check(content):
        raise unusable(path, "something else stands in it")
    return content


def _check_there(path: Path) -> None:
    if not path.exists():
        raise TableError(f"{path} does not exist; scripts/merge_timings.py makes it")


def _is_object(content: Any) -> bool:
    return isinstance(content, dict)


def _is_object_of_objects(content: Any) -> bool:
    return isinstance(content, dict) and all(map(_is_object, content.values()))
