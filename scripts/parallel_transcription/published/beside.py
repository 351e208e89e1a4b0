"""What was measured here in the form of the published tables."""

from __future__ import annotations

from dataclasses import dataclass

from parallel_transcription.results.read import Results
from parallel_transcription.results.summaries import Row, files_tables

#: Strategy, instances, workers, threads.
CpuForm = tuple[str, int, int, int]


@dataclass(frozen=True)
class OnGpus:
    """A configuration of ours in the form of a published row: median seconds of each file."""

    machine: str
    model: str
    compute_type: str
    strategy: str
    instances: int
    gpus: int
    seconds: list[float]


def on_cpus(results: Results) -> dict[CpuForm, Row]:
    """Rows of the tables of two files on the CPU, by their form."""
    here: dict[CpuForm, Row] = {}
    for one in files_tables(results):
        if one.files != 2 or one.device != "cpu":
            continue
        for row in one.rows:
            if not row["variant"]:
                here.setdefault(cpu_form(row | {"strategy": one.strategy}), row)
    return here


def cpu_form(row: Row) -> CpuForm:
    """The form of a row, published or ours."""
    return (
        str(row["strategy"]),
        int(row["instances"]),
        int(row["num_workers"]),
        int(row["cpu_threads"]),
    )


def on_gpus(results: Results, strategy: str, instances: int, gpus: int, files: int) -> list[OnGpus]:
    """Our configurations in the form of a published row of GPUs."""
    rows = results.timings
    ordinary = results.runs.loc[results.runs["ordinary"], "configuration"]
    rows = rows[
        rows["configuration"].isin(ordinary)
        & (rows["device"] == "cuda")
        & (rows["device_index"].str.count(",") + 1 == gpus)
        & (rows["strategy"] == strategy)
        & (rows["instances"] == instances)
        & (rows["num_workers"] == 1)
        & (rows["files_in_parallel"] == files)
        & (rows["callers"] == files)
        & (rows["status"] == "ok")
    ]
    found = []
    for (machine, _), group in rows.groupby(["machine", "configuration"], sort=True):
        of_files = group.groupby("counter", sort=True)["seconds"].median()
        first = group.iloc[0]
        found.append(
            OnGpus(
                str(machine),
                str(first["model"]),
                str(first["compute_type"]),
                strategy,
                int(first["instances"]),
                gpus,
                [float(s) for s in of_files],
            )
        )
    return found
