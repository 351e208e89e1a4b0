"""Findings: every question of the study, answered from the tables, with a verdict.

One module per question; each states its verdict rule in its text, fixed before any time is looked
at. `judge(results)` gives the list that results/findings.json holds, machines in the order of their
labels, questions in the order of their numbers (8, then 9 where a study asks it, then the
machine-wide ones, 0).
"""

from __future__ import annotations

from parallel_transcription.findings import (
    batching,
    best_threads,
    gpu_saturation,
    init_race,
    memory,
    noise_floor,
    one_or_many,
    one_per_gpu,
    oversubscription,
    parallel_or_queue,
    planted,
    recommendation,
    same_text,
    several_gpus,
    threads_limit,
    workers_equal_files,
)
from parallel_transcription.findings.common import mixtures
from parallel_transcription.findings.machine import Machine
from parallel_transcription.results.read import Results

__all__ = ["Machine", "judge", "judge_machine"]


def judge(results: Results) -> list[dict]:
    """All findings of all machines."""
    return [f for label in results.labels for f in judge_machine(Machine(results, label))]


def judge_machine(machine: Machine) -> list[dict]:
    found = [
        parallel_or_queue.judge(machine),
        one_or_many.judge(machine, "multi_model"),
        one_or_many.judge(machine, "multi_process"),
        threads_limit.judge(machine),
        best_threads.judge(machine),
        oversubscription.judge(machine),
        workers_equal_files.judge(machine),
        several_gpus.judge(machine),
        one_per_gpu.judge(machine),
        gpu_saturation.judge(machine),
        memory.judge(machine, "worker"),
        memory.judge(machine, "instance"),
        init_race.judge(machine),
        recommendation.judge(machine),
        batching.judge(machine),
        noise_floor.judge(machine),
        same_text.judge(machine),
        planted.judge(machine),
    ]
    answers = [f for f in found if f is not None]
    for answer in answers:
        if answer["verdict"] != "not measured":
            answer["notes"] = [*answer["notes"], *mixtures(machine)]
    return answers
