"""One run, measured in a fresh process. A change of code in this folder measures again."""
