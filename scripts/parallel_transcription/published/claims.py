"""The published tables, and the claims of the published text with the rules that judge them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from parallel_transcription.errors import TableError
from parallel_transcription.places import PUBLISHED
from parallel_transcription.published.checks import CHECKS
from parallel_transcription.results.typed import checked


@dataclass(frozen=True)
class Bounds:
    """Confirmed if every `low` lies above the limit, refuted if every `high` lies below it."""

    estimate: str
    low: str
    high: str
    limit: float


@dataclass(frozen=True)
class Rows:
    """Judges rows of a finding's evidence: by the values of a column, or by bounds.

    `where` are columns and values that choose the rows (a list: any of them); `said` are values of
    the column that a reader is told in other words.
    """

    where: dict[str, Any] = field(default_factory=dict)
    column: str = ""
    said: dict[str, str] = field(default_factory=dict)
    confirmed_if_all: list[str] = field(default_factory=list)
    confirmed_if_any: list[str] = field(default_factory=list)
    refuted_if_all: list[str] = field(default_factory=list)
    refuted_if_any: list[str] = field(default_factory=list)
    above: Bounds | None = None


@dataclass(frozen=True)
class Rule:
    """Takes over a finding's verdict, or judges rows of its evidence."""

    finding: str
    rows: Rows | None = None


@dataclass(frozen=True)
class Claim:
    """A claim of the published text; without a rule it is not measured, and `ours` says why."""

    id: str
    claim: str
    source: str
    published: str
    check: str | None = None
    published_tables: str = ""
    judged_by: Rule | None = None
    ours: str = ""


@dataclass(frozen=True)
class Published:
    """The published study."""

    source: str
    claims: list[Claim]
    cpu: pd.DataFrame
    gpu: pd.DataFrame

    def says(self, claim: Claim) -> str:
        """What the published tables say of a claim."""
        if claim.check is None:
            return claim.published_tables
        table, check = CHECKS[claim.check]
        return check({"cpu": self.cpu, "gpu": self.gpu}[table])


@cache  # read for each machine's report, and never changed
def read_published(folder: Path = PUBLISHED) -> Published:
    """The published study that comes with this project.

    Raises:
        TableError: A file is missing or cannot be read.
    """
    try:
        data = yaml.safe_load((folder / "claims.yaml").read_text(encoding="utf-8"))
        claims = [checked(Claim, claim, "a claim") for claim in data["claims"]]
        published = Published(
            str(data["source"]),
            claims,
            pd.read_csv(folder / "published_cpu.csv"),
            pd.read_csv(folder / "published_gpu.csv"),
        )
    except FileNotFoundError as error:
        raise TableError(f"{error.filename} does not exist") from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:
        raise TableError(f"{folder / 'claims.yaml'} is not readable: {error}") from None
    for claim in claims:
        if claim.check is not None and claim.check not in CHECKS:
            raise TableError(f"claims.yaml: no check named {claim.check!r}")
    return published
