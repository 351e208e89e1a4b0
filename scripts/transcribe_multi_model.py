#!/usr/bin/env python3
"""Transcribe files with several WhisperModel instances in threads of one process."""

from parallel_transcription.errors import run
from parallel_transcription.jobs.command_line import main

if __name__ == "__main__":
    run(lambda: main("multi_model", __doc__), refused=2)
