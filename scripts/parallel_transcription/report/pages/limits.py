"""What a machine leaves to the runs, in words: quota, cpuset, memory, hardware threads, heat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from parallel_transcription.cpus import parse
from parallel_transcription.results.columns import THROTTLED_ABOVE
from parallel_transcription.results.counting import usable_cpus
from parallel_transcription.results.read import Results
from parallel_transcription.words import cpus, integer, percent, plural


def limits(results: Results, facts: Mapping[str, Any]) -> list[str]:
    """Sentences on what the runs of a machine could use of it; none where that is all.

    Args:
        results: Those of one machine.
        facts: What is known of it.
    """
    texts = [
        _cpus(results.runs, facts),
        _threads_of_cores(results.runs, facts),
        _memory(facts),
    ]
    return [text for text in texts if text]


def held_up(results: Results) -> list[str]:
    """Sentences on passes that a quota or heat held up; none where there were none."""
    passes = results.runs[results.runs["makespan_s"].notna()]
    texts = []
    known = passes[passes["throttled_s"].notna()]
    if count := int(known["throttled"].sum()):
        share = percent(THROTTLED_ABOVE, decimals=0)
        texts.append(
            f"{integer(count)} of {plural(len(known), 'pass', 'passes')} were throttled: the CPU "
            f"quota was used up and held them up for more than {share} of their time."
        )
    hot = passes[passes["thermal_throttles"].notna()]
    if count := int((hot["thermal_throttles"] > 0).sum()):
        texts.append(
            f"In {integer(count)} of {plural(len(hot), 'pass', 'passes')} heat slowed CPUs down."
        )
    return texts


def _middle(runs: pd.DataFrame, name: str, facts: Mapping[str, Any], fact: str) -> float | None:
    """What most runs say, else what the machine's facts say."""
    told = runs[name].dropna()
    found = float(told.median()) if len(told) else facts.get(fact)
    return float(found) if isinstance(found, (int, float)) and found else None


def _cpus(runs: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    usable, logical = usable_cpus(runs, facts), facts.get("logical_cpus")
    if not usable or not logical or usable >= logical:
        return ""
    return f"The runs may use {cpus(usable)} of {integer(logical)} ({_cause(runs, facts, usable)})."


def _cause(runs: pd.DataFrame, facts: Mapping[str, Any], usable: float) -> str:
    """What keeps the runs from the other CPUs."""
    quota = _middle(runs, "cpu_quota", facts, "cgroup_cpus")
    if quota is not None and quota <= usable:
        return "CPU quota of the control group"
    if bool(runs["packed"].any()):
        return "packing"
    group = facts.get("cpuset")
    if isinstance(group, str) and len(parse(group)) == usable:
        return "cpuset of the control group"
    return "CPU affinity"


def _threads_of_cores(runs: pd.DataFrame, facts: Mapping[str, Any]) -> str:
    """That CPUs are hardware threads of fewer cores, where they are."""
    allowed = _middle(runs, "affinity_cpus", facts, "affinity_cpus")
    cores = _middle(runs, "physical_cores", facts, "usable_cores")
    if not allowed or not cores or allowed <= cores:
        return ""
    if cores == 1:
        number = "two" if allowed == 2 else integer(allowed)
        return f"{cpus(allowed)} are the {number} threads of one core."
    return f"{cpus(allowed)} are the hardware threads of {integer(cores)} cores."


def _memory(facts: Mapping[str, Any]) -> str:
    limit, memory = facts.get("cgroup_memory_mb"), facts.get("memory_mb")
    if not isinstance(limit, (int, float)) or (memory and limit >= memory):
        return ""
    of = f" of {memory / 1000:.1f}" if isinstance(memory, (int, float)) else ""
    return f"Memory is limited to {limit / 1000:.1f}{of} GB."
