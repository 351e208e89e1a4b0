#!/usr/bin/env python3
"""Transcribe files with several processes, each with a WhisperModel of its own."""

from parallel_transcription.errors import run
from parallel_transcription.jobs.command_line import main

if __name__ == "__main__":
    run(lambda: main("multi_process", __doc__), refused=2)
