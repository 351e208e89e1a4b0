"""Draw the figures of a results folder: one SVG and one PNG per figure and machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.report.figures import FIGURES
from parallel_transcription.report.figures.draw import draw
from parallel_transcription.results.read import read_results
from parallel_transcription.results.summaries import read_published


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="the results folder")
    parser.add_argument("--machine", action="append", help="label of a machine (default: all)")
    parser.add_argument("--only", action="append", choices=list(FIGURES), help="draw this figure")
    parser.add_argument("--out", type=Path, help="folder (default: RESULTS/figures)")
    parser.add_argument(
        "--published",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "resources",
        help="folder with published_cpu.csv and published_gpu.csv",
    )
    args = parser.parse_args()
    results = read_results(args.results)
    labels = args.machine or results.labels
    unknown = [label for label in labels if label not in results.labels]
    if unknown:
        known = ", ".join(results.labels) or "none"
        print(
            f"draw_figures: no results of machine {unknown[0]!r} in {args.results} "
            f"(machines there: {known})",
            file=sys.stderr,
        )
        return 1
    cpu, _ = read_published(args.published)
    for label in labels:
        written = draw(results.of(label), args.out or args.results / "figures", cpu, args.only)
        print(f"{len(written)} figures of {label} in {written[0].parent if written else '-'}")
    return 0


if __name__ == "__main__":
    run(main)
