"""Training of the embedded model: a tiny Whisper-architecture model for a tiny spoken domain."""
