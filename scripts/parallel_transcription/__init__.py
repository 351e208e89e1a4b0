"""Measures how transcriptions run in parallel with faster-whisper, and tells which settings to use."""
