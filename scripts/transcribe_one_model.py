#!/usr/bin/env python3
"""Transcribe files with ONE WhisperModel and num_workers workers."""

from parallel_transcription.errors import run
from parallel_transcription.jobs.command_line import main

if __name__ == "__main__":
    run(lambda: main("one_model", __doc__), refused=2)
