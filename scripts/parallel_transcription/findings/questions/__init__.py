"""The questions, a module each; every module of this folder counts."""

from __future__ import annotations

from parallel_transcription.findings.question import Question
from parallel_transcription.siblings import import_siblings

import_siblings(__package__)

#: By number, those asked of the measurements themselves last.
QUESTIONS: list[Question] = [
    question()
    for question in sorted(
        Question.known.values(), key=lambda q: (q.number == 0, q.number, q.order, q.id)
    )
]
