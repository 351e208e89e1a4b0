"""Write a report from a results folder: of one machine (PDF), or of the findings (PDF and HTML)."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

from parallel_transcription.errors import TableError, run
from parallel_transcription.report import contents
from parallel_transcription.results.read import read_results
from parallel_transcription.results.summaries import read_published

RESOURCES = Path(__file__).resolve().parent.parent / "resources"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    machine = kinds.add_parser("machine", help="the report of one machine")
    machine.add_argument("--machine", required=True, help="label of the machine")
    machine.add_argument("--out", type=Path, required=True, help="the PDF to write")
    findings = kinds.add_parser("findings", help="the answers, on all machines")
    findings.add_argument("--out-pdf", type=Path, help="the PDF to write")
    findings.add_argument("--out-html", type=Path, help="the self-contained HTML to write")
    for one in (machine, findings):
        one.add_argument("--results", type=Path, default=Path("results"), help="results folder")
        one.add_argument("--figures", type=Path, help="folder (default: RESULTS/figures)")
        one.add_argument(
            "--published", type=Path, default=RESOURCES, help="folder of the published numbers"
        )
    return parser.parse_args()


def main() -> int:
    args = arguments()
    report = _load_report()
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    results = read_results(args.results)
    figures = args.figures or args.results / "figures"
    cpu, gpu = read_published(args.published)
    if args.kind == "machine":
        if args.machine not in results.labels:
            known = ", ".join(results.labels) or "none"
            print(
                f"write_report: no results of machine {args.machine!r} in {args.results} "
                f"(machines there: {known})",
                file=sys.stderr,
            )
            return 1
        made = contents.machine_report(results, args.machine, figures)
        write(args.out, report.to_pdf(made))
        return 0
    if not (args.out_pdf or args.out_html):
        print("write_report: give --out-pdf or --out-html", file=sys.stderr)
        return 1
    made = contents.findings_report(results, figures, cpu, gpu)
    if args.out_html:
        write(args.out_html, report.to_html(made).encode("utf-8"))
    if args.out_pdf:
        write(args.out_pdf, report.to_pdf(made))
    return 0


def _load_report() -> ModuleType:
    """The module that makes PDFs: loading it loads WeasyPrint's system libraries."""
    try:
        from parallel_transcription.report import layout as report
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise TableError(
            f"WeasyPrint cannot load its libraries ({reason}); "
            "python scripts/check_system.py says what is missing"
        ) from None
    return report


def write(path: Path, content: bytes) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    print(path)


if __name__ == "__main__":
    run(main)
