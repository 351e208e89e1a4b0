"""The figures. Every module of this folder counts: makers register themselves by `@figure`."""
