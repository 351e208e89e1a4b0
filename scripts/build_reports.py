#!/usr/bin/env python3
"""Build all tables, findings, figures and reports of a folder from its run records alone.

The records, RESULTS/<machine>/runs/*.json, may come from any machines. What is built is what the
workflow builds from them, in the same places: tables and findings in RESULTS, figures in
RESULTS/figures, reports in RESULTS/reports.
"""

from pathlib import Path

from draw_figures import draw_figures
from judge_findings import judge_findings
from merge_timings import merge_timings
from parallel_transcription.errors import run
from parallel_transcription.options import given_paths
from parallel_transcription.results.read import read_tables
from recommend_settings import recommend_settings
from size_service import size_service
from write_report import write_findings_report, write_machine_report


def build_reports(results: Path) -> None:
    """Run the workflow's steps from the records on, one after another."""
    figures, reports = results / "figures", results / "reports"
    merge_timings(results, results)
    judge_findings(results, results / "findings.json", results / "scoreboard.json")
    recommend_settings(results, results / "recommended.yaml")
    size_service(results, results / "sizing.yaml")
    draw_figures(results, figures)
    for machine in read_tables(results).labels:
        write_machine_report(results, figures, machine, reports / f"{machine}.pdf")
    write_findings_report(results, figures, reports / "findings.pdf", reports / "findings.html")


def main() -> None:
    """The command line."""
    build_reports(**given_paths(__doc__, results="folder with the run records"))


if __name__ == "__main__":
    run(main)
