"""Write a report of a results folder: of one machine (PDF), or of the findings (PDF and HTML)."""

import argparse
import logging
from pathlib import Path
from types import ModuleType

from parallel_transcription.errors import TableError, run
from parallel_transcription.files import write_whole
from parallel_transcription.published.scoreboard import read_scoreboard
from parallel_transcription.report import contents
from parallel_transcription.results.read import read_results


def write_machine_report(results: Path, figures: Path, machine: str, out: Path) -> None:
    """The report of one machine.

    Args:
        results: The folder with the tables, the findings and the recommended settings.
        figures: The folder that draw_figures.py wrote.
        machine: Its label.
        out: The PDF to write.

    Raises:
        TableError: if there are no results of that machine.
    """
    layout = _load_layout()
    found = read_results(results)
    if machine not in found.labels:
        raise TableError(
            f"no results of machine {machine!r} in {results} "
            f"(machines there: {', '.join(found.labels)})"
        )
    _write(out, layout.to_pdf(contents.machine_report(found, machine, figures)))


def write_findings_report(
    results: Path, figures: Path, pdf: Path | None = None, html: Path | None = None
) -> None:
    """The answers on all machines, as PDF, as HTML in one file, or as both.

    Args:
        results: The folder with the tables, the findings and the recommended settings.
        figures: The folder that draw_figures.py wrote.
        pdf: The PDF to write.
        html: The HTML to write.

    Raises:
        TableError: if there are no results.
    """
    layout = _load_layout()
    found = read_results(results)
    made = contents.findings_report(found, figures, read_scoreboard(results / "scoreboard.json"))
    if html:
        _write(html, layout.to_html(made).encode("utf-8"))
    if pdf:
        _write(pdf, layout.to_pdf(made))


def _load_layout() -> ModuleType:
    """The module that makes PDFs: loading it loads WeasyPrint's system libraries."""
    try:
        from parallel_transcription.report import layout
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise TableError(
            f"WeasyPrint cannot load its libraries ({reason}); "
            "python scripts/check_system.py says what is missing"
        ) from None
    for chatty in ("weasyprint", "fontTools"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    return layout


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda part: part.write_bytes(content))
    print(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    machine = kinds.add_parser("machine", help="the report of one machine")
    machine.add_argument("--machine", required=True, help="label of the machine")
    machine.add_argument("--out", type=Path, required=True, help="the PDF to write")
    findings = kinds.add_parser("findings", help="the answers, on all machines")
    findings.add_argument("--out-pdf", type=Path, help="the PDF to write")
    findings.add_argument("--out-html", type=Path, help="the self-contained HTML to write")
    for one in (machine, findings):
        one.add_argument("--results", type=Path, required=True, help="folder with the tables")
        one.add_argument("--figures", type=Path, required=True, help="folder with the figures")
    args = parser.parse_args()
    if args.kind == "machine":
        write_machine_report(args.results, args.figures, args.machine, args.out)
        return
    if not (args.out_pdf or args.out_html):
        parser.error("give --out-pdf or --out-html")
    write_findings_report(args.results, args.figures, args.out_pdf, args.out_html)


if __name__ == "__main__":
    run(main)
