"""Measure parallel transcription with faster-whisper, and tell which settings to use."""

import importlib.util
import os
import sys

_started = os.path.abspath(sys.argv[0])
_scripts = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_is_our_script = _started.endswith(".py") and os.path.dirname(_started) == _scripts

# The usual slip: a script of ours is started with another Python than the environment's.
if _is_our_script and (
    sys.version_info < (3, 11) or importlib.util.find_spec("jsonschema") is None
):
    sys.exit(
        "error: {} is Python {}.{} without this project's packages; set them up with `make setup` "
        "and use them with `. .venv/bin/activate`".format(sys.executable, *sys.version_info[:2])
    )
