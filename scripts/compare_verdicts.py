#!/usr/bin/env python3
"""Put the verdicts of several studies side by side, as a Markdown table.

Each study is NAME=findings.json, for example small=a/results/findings.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from parallel_transcription.errors import InputError, run

Findings = dict[tuple[int, str], dict[str, Any]]


def read_findings(path: Path) -> Findings:
    """A study's findings by number and id; the first machine's where there are several."""
    found: Findings = {}
    for finding in json.loads(path.read_text(encoding="utf-8")):
        found.setdefault((finding["number"], finding["id"]), finding)
    return found


def table(studies: dict[str, Findings]) -> str:
    """A row per finding: the question, then verdict and effect in each study."""
    keys = sorted({key for findings in studies.values() for key in findings})
    lines = ["| question | " + " | ".join(studies) + " |", "|---|" + "---|" * len(studies)]
    for key in keys:
        known = [findings.get(key) for findings in studies.values()]
        question = next(finding["question"] for finding in known if finding)
        lines.append(f"| {question} | " + " | ".join(map(_cell, known)) + " |")
    return "\n".join(lines)


def _cell(finding: dict[str, Any] | None) -> str:
    if finding is None:
        return "–"
    effect = finding["effect"]
    if not effect or effect["value"] is None:
        return finding["verdict"]
    text = f"**{finding['verdict']}** {effect['value']:.3g}"
    if effect["low"] is not None and effect["high"] is not None:
        text += f" ({effect['low']:.3g} to {effect['high']:.3g})"
    return f"{text} {effect['unit']}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="+", metavar="NAME=FILE")
    studies = {}
    for given in parser.parse_args().studies:
        name, _, file = given.partition("=")
        try:
            studies[name] = read_findings(Path(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{given}: no findings can be read from it ({error})") from None
    print(table(studies))


if __name__ == "__main__":
    run(main, refused=2)
