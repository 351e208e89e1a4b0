#!/usr/bin/env python3
"""Transcribe files with ONE WhisperModel and num_workers workers."""

import sys

from parallel_transcription.jobs.command_line import main

if __name__ == "__main__":
    sys.exit(main("one_model", __doc__))
