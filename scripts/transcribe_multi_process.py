#!/usr/bin/env python3
"""Transcribe files with several processes, each with a WhisperModel of its own."""

import sys

from parallel_transcription.jobs.command_line import main

if __name__ == "__main__":
    sys.exit(main("multi_process", __doc__))
