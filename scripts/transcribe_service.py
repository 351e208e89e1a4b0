#!/usr/bin/env python3
"""Have a service transcribe files, as a study says that it is started and asked."""

from parallel_transcription.errors import run
from parallel_transcription.jobs.command_line import main

if __name__ == "__main__":
    run(lambda: main("service", __doc__), refused=2)
