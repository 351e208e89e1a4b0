"""Faults planted in the measured process: real faster-whisper, with something going wrong in it."""

from __future__ import annotations

import textwrap

#: Python loads a sitecustomize.py by itself, where it finds one on its path.
SITECUSTOMIZE = '''
"""Plants faults in faster-whisper, for tests."""

import sys

COMMAND = " ".join(sys.orig_argv)
if "resource_tracker" not in COMMAND and "jobs.trial" not in COMMAND:
    import ctypes
    import os
    import resource
    import signal
    import time

    import faster_whisper

    HELPER = "spawn_main" in COMMAND  # a process of multi_process
    Model = faster_whisper.WhisperModel
    really_load, really_transcribe = Model.__init__, Model.transcribe
    loads = calls = 0

    def in_load(model, options):
        {in_load}

    def in_call(model, path):
        {in_call}

    def load(model, *arguments, **options):
        global loads
        loads += 1
        in_load(model, options)
        really_load(model, *arguments, **options)

    def transcribe(model, path, **options):
        global calls
        calls += 1
        in_call(model, path)
        return really_transcribe(model, path, **options)

    Model.__init__, Model.transcribe = load, transcribe
'''


def sitecustomize(in_load: str = "pass", in_call: str = "pass") -> str:
    """The text of a sitecustomize.py; the code runs before each load or call of a model."""
    indent = " " * 8

    def block(code: str) -> str:
        return textwrap.indent(textwrap.dedent(code).strip(), indent).strip()

    return SITECUSTOMIZE.format(in_load=block(in_load), in_call=block(in_call))
