"""Draw the figures of a results folder: one SVG and one PNG per figure and machine."""

from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.options import given_paths
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
    given = given_paths(
        __doc__, results="folder with the tables", out="folder of the figures to write"
    )
    draw_figures(**given)


if __name__ == "__main__":
    run(main)
