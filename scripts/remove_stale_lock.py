#!/usr/bin/env python3
"""Remove the lock that a killed Snakemake left in this checkout; never the lock of a living one.

`make` calls it before Snakemake. Without a lock nothing happens. Further arguments go to
`snakemake --unlock`.
"""

import argparse
import fcntl
import os
import subprocess
import sys
from pathlib import Path

from parallel_transcription.jobs import progress  # isort: skip  (first: it says what is missing)

import psutil

LOCKS = Path(".snakemake/locks")


def main() -> int:
    """Unlock where that is safe; returns the exit status, 1 where it is not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _, arguments = parser.parse_known_args()
    if not _locked():
        return 0
    with Path(".snakemake/unlocking").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if not _locked():
            return 0
        danger = _why_not(progress.read())
        if danger:
            print(f"error: this checkout is locked: {danger}", file=sys.stderr)
            return 1
        print("A killed Snakemake left its lock here; no other lives, so it goes.", file=sys.stderr)
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--unlock", "--quiet", *arguments]
        ).returncode


def _locked() -> bool:
    return LOCKS.is_dir() and any(LOCKS.iterdir())


def _why_not(last: progress.Progress) -> str:
    """Why the lock may be in use; empty if nobody uses it."""
    for process in psutil.process_iter():
        if _works_here(process):
            return (
                f"Snakemake works here (process {process.pid}). Wait until it is done, "
                "or stop it with Ctrl-C in its terminal."
            )
    if last["host"] != progress.host():
        return (
            f"the last Snakemake ran on {last['host'] or 'an unknown host'}. "
            "If it runs no more: snakemake --unlock"
        )
    if not last["local"]:
        return (
            "the last Snakemake gave its jobs to a cluster, where they may still run. "
            "Cancel them, then: snakemake --unlock"
        )
    return ""


def _works_here(process: psutil.Process) -> bool:
    """Whether a process is a Snakemake in this folder; also if its folder may not be looked at."""
    try:
        # the shell of `make` has the word in a longer argument
        if not any(Path(part).name == "snakemake" for part in process.cmdline()[:5]):
            return False
        return os.path.samefile(process.cwd(), ".")
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
