"""Say how many machines the study's traffic takes and what they cost, from the recommendations."""

from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.findings.sizing import by_hour, size
from parallel_transcription.options import given_paths
from parallel_transcription.results.read import read_tables
from parallel_transcription.results.recommended import read_recommended
from parallel_transcription.results.sizing import write_sizing


def size_service(results: Path, out: Path) -> None:
    """Size from a folder's tables and recommendations.

    Args:
        results: The folder with the tables of merge_timings.py and recommended.yaml.
        out: The YAML file to write.
    """
    study = read_tables(results).study
    recommended = read_recommended(results / "recommended.yaml")
    found = size(by_hour(study["traffic"]), study["prices"], recommended)
    write_sizing(found, out)
    for one in found:
        print(f"{one.machine}: {one.machines} for {one.peak_rate:g} requests per second")


def main() -> None:
    """The command line."""
    size_service(**given_paths(__doc__, results="folder with the tables", out="YAML to write"))


if __name__ == "__main__":
    run(main)
