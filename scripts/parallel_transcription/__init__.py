"""Measure parallel transcription with faster-whisper, and tell which settings to use."""
