"""Measure parallel transcription with faster-whisper, and tell which settings to use."""

import importlib.util
import sys

if sys.version_info < (3, 11) or importlib.util.find_spec("jsonschema") is None:
    # The usual slip: a script is started with another Python than that of the environment.
    sys.exit(
        "error: {} is Python {}.{} without this project's packages; set them up with `make setup` "
        "and use them with `. .venv/bin/activate`".format(sys.executable, *sys.version_info[:2])
    )
