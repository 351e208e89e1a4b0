"""What a study measures with: audio files and models, checked and made ready before any timing."""
