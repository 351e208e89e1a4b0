"""The real decoding of audio; only the model is not there."""

import importlib.metadata
import importlib.util

_file = importlib.metadata.distribution("faster-whisper").locate_file("faster_whisper/audio.py")
_spec = importlib.util.spec_from_file_location("real_audio", _file)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
decode_audio = _module.decode_audio
