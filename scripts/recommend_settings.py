"""Recommend settings for every machine, from the tables."""

from pathlib import Path

from parallel_transcription.errors import run
from parallel_transcription.findings.paste import recommend
from parallel_transcription.options import given_paths
from parallel_transcription.results.finding import read_findings
from parallel_transcription.results.read import read_tables
from parallel_transcription.results.recommended import write_recommended


def recommend_settings(results: Path, out: Path) -> None:
    """Recommend from a folder's tables and findings.

    Args:
        results: The folder with the tables of merge_timings.py and findings.json.
        out: The YAML file to write, settings by machine.
    """
    recommended = recommend(read_tables(results), read_findings(results / "findings.json"))
    write_recommended(recommended, out)
    for label, settings in recommended.items():
        print(f"{label}: {settings.snippet or settings.reason} ({settings.status})")


def main() -> None:
    """The command line."""
    given = given_paths(
        __doc__, results="folder with tables and findings", out="recommended.yaml to write"
    )
    recommend_settings(**given)


if __name__ == "__main__":
    run(main)
