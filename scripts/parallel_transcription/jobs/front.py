"""What is looked at before Snakemake reads a study: `profiles/default` calls it.

Snakemake runs the code of a file that is a template, and what it cannot read ends in a traceback.
So our own reader has each file first, and refuses with one line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from parallel_transcription.study.file import StudyError, read_study_file

DEFAULT = "config/config.yaml"


def refuse_bad_studies(arguments: Sequence[str]) -> None:
    """End the process where a study that Snakemake is about to read is none.

    Args:
        arguments: Snakemake's command line, without its name.

    Raises:
        SystemExit: with what is wrong, a line each, and status 1.
    """
    bad = []
    for file in study_files(arguments) or [DEFAULT]:
        try:
            read_study_file(file)
        except StudyError as error:
            bad.append(str(error))
    if bad:
        sys.exit("\n".join(["The study is not valid:", *bad]))


def study_files(arguments: Sequence[str]) -> list[str]:
    """The files of `--configfile`; only what stands beside it is known to end their list."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    return list(parser.parse_known_args(list(arguments))[0].configfile)
