#!/usr/bin/env python3
"""Transcribe files with several WhisperModel instances in threads of one process."""

import sys

from parallel_transcription.jobs.command_line import main

if __name__ == "__main__":
    sys.exit(main("multi_model", __doc__))
