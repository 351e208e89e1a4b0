"""Draw the figures of a results folder: one SVG and one PNG per figure and machine."""

import argparse
from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.report.figures.draw import draw
from parallel_transcription.results.read import read_results


def draw_figures(results: Path, out: Path) -> None:
    """Draw from a folder's tables and findings.

    Args:
        results: The folder with the tables, the findings and the recommended settings.
        out: The folder of the figures, made where it is missing.
    """
    found = read_results(results)
    for label in found.labels:
        print(f"{len(draw(found.of(label), out))} figures of {label} in {out}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures to write")
    args = parser.parse_args()
    draw_figures(args.results, args.out)


if __name__ == "__main__":
    run(main)
