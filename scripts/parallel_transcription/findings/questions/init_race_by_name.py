"""7 Must initialisations be staggered where models are loaded by a hub's name?

Claim: several models must be loaded with a delay between them, or a race raises an error. It was
claimed of models that each instance looks up, and downloads where needed, as it is initialised.

Rows: cold starts (files_in_parallel 0) by name (load cached or cold), each in a fresh process that
loads two or more instances, by (load, strategy, instances): a way to start. The hub is one on this
machine's loopback. A start fails if its status is not "ok" for a cause that a race can have (a
broken file, a lock, a snapshot that is not there yet, or an object that threads share): starts that
lacked memory or the hub's answer, were killed or took too long are left out and told. Nothing is
pooled over ways: of each failures, starts, and the rate with its exact (Clopper-Pearson) interval.
Verdict:
  confirmed     failures at stagger 0 are more frequent than with a stagger: the sum of failures
                over the ways, given those of each way (exact test, one-sided; of one way it is
                Fisher's), so that some way races
  refuted       in every way no failure at stagger 0, and the one-sided upper bound of the rate is
                below 10 % (29 starts without a failure at 95 %); that all ways are below it needs
                no correction
  inconclusive  otherwise; says how many more starts would be needed
  not measured  starts by name, but none at stagger 0; without any the question is not asked
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from parallel_transcription import statistics, words
from parallel_transcription.findings import show
from parallel_transcription.findings.machine import Machine
from parallel_transcription.findings.question import Answer, Question, effect_of
from parallel_transcription.findings.questions.init_race import (
    LIMIT,
    MOST_TIMES,
    Starts,
    left_out_note,
    of_other_causes,
)
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.findings.rounds import min_rounds
from parallel_transcription.results.finding import Finding, MoreRounds, Row, Verdict
from parallel_transcription.untrusted import clean, in_brief

#: Words of errors of a hub that gave no answer, which is no race.
NO_ANSWER = (
    r"(?i)connect(?:ion)? ?error|connection (?:refused|reset)|timed out|read ?timeout"
    r"|too many requests|\b5\d\d server error"
)
WAY = ["load", "strategy", "instances"]
_CACHES = {"cold": "an empty cache", "cached": "a filled cache"}


@dataclass(frozen=True)
class Way:
    """One way to start: from which cache, in one process or several, how many instances."""

    load: str
    strategy: str
    instances: int
    seen: Starts
    runs: list[str]
    rounds: int

    def __str__(self) -> str:
        return f"{words.instances(self.strategy, self.instances)} with {_CACHES[self.load]}"


class InitRaceByName(Question):
    """Cold starts by a hub's name of several models at once, with and without a delay."""

    id, number, order = "init_race_by_name", 7, 2
    asks = "Must the initialisations of several models that are loaded by name be staggered?"
    asks_in_short = "By a hub's name: must starts be delayed?"
    claim = (
        "Several models that are loaded by a hub's name must be loaded with a delay between them, "
        "or a race raises an error."
    )
    remedy = "Such starts: {command}"
    would_change = by_verdict(
        "Failures with a delay as frequent as without; a huggingface_hub without the race.",
        "A failed start without a delay; another huggingface_hub, or the real hub.",
        "More cold starts.",
    )
    columns = (
        show.code("load", "cache", {"cold": "empty", "cached": "filled"}),
        show.strategy(),
        show.integer("instances", "models"),
        show.as_written("init_stagger_s", "delay (s)"),
        show.integer("starts", "starts"),
        show.integer("failures", "failed"),
        show.percent("upper_bound", "at most"),
        show.seconds("load_s", "loaded after (s)"),
        show.decimals("hub_requests", "requests", 0),
        show.decimals("hub_mb", "downloaded (MB)", 1),
    )
    sorted_by = ("load", "strategy", "instances", "init_stagger_s")

    def judge(self, machine: Machine) -> Finding | None:
        """Counts failures by way and delay."""
        starts = machine.starts
        starts = starts[(starts["load"] != "folder") & starts["unaltered"]]
        if starts.empty:
            return None
        other = of_other_causes(starts, NO_ANSWER)
        starts, left_out = starts[~other], starts[other]
        rows = [
            _row(machine, key, group)
            for key, group in starts.groupby([*WAY, "init_stagger_s"], sort=True)
        ]
        ways = _ways(starts)
        note = left_out_note(left_out)
        if not ways:
            needed = statistics.starts_needed(LIMIT, machine.confidence)
            why = (
                "There are no cold starts by name without a delay. To measure it: init_stagger_s "
                f"0, at least {needed} starts."
            )
            return self.not_measured(machine, rows, notes=[note], why=note or why)
        verdict = _verdict(machine, ways)
        return self.finding(
            machine,
            verdict,
            _answer(machine, verdict, ways),
            rows,
            starts["configuration"],
            _plan(machine, ways) if verdict == Verdict.INCONCLUSIVE else None,
            [*_remarks(starts, ways), note],
        )


def _ways(table: Any) -> list[Way]:
    """The ways of which there are starts without a delay, the most frequent to fail first."""
    ways = []
    for (load, strategy, instances), group in table.groupby(WAY, sort=True):
        now = group["init_stagger_s"] == 0
        if now.any():
            seen = Starts.of(group[now], group[~now])
            runs = sorted(set(group["configuration"]))  # more starts with a delay, too
            rounds = int(group[now]["round"].nunique())
            ways.append(Way(str(load), str(strategy), int(instances), seen, runs, rounds))
    return sorted(ways, key=lambda way: (-way.seen.failed / way.seen.n, way.seen.n))


def _verdict(machine: Machine, ways: list[Way]) -> Verdict:
    failed = any(way.seen.failed for way in ways)
    if failed and _p(ways) <= machine.alpha:
        return Verdict.CONFIRMED
    bounds = [statistics.upper_rate(w.seen.failed, w.seen.n, machine.confidence) for w in ways]
    return Verdict.REFUTED if not failed and max(bounds) < LIMIT else Verdict.INCONCLUSIVE


def _p(ways: list[Way], times: int = 1) -> float:
    """Of the test that starts without a delay fail more often, were there so many times as many."""
    counts = (
        (w.seen.failed, w.seen.n, w.seen.later_failed, w.seen.later) for w in ways if w.seen.later
    )
    strata = [(times * a, times * b, times * c, times * d) for a, b, c, d in counts]
    return statistics.rates_higher(strata) if strata else 1.0


def _answer(machine: Machine, verdict: Verdict, ways: list[Way]) -> Answer:
    level, worst = machine.confidence, ways[0]
    n, failed = sum(way.seen.n for way in ways), sum(way.seen.failed for way in ways)
    later = sum(way.seen.later for way in ways)
    seen = worst.seen
    low, high = statistics.clopper_pearson(seen.failed, seen.n, level)
    if verdict == Verdict.REFUTED:
        upper = max(statistics.upper_rate(0, way.seen.n, level) for way in ways)
        text = (
            f"No: {n} of {n} cold starts by name without a delay worked; in each of "
            f"{words.plural(len(ways), 'way')} to start, the failure rate is below "
            f"{words.percent(upper)} ({words.level(level)} upper bound)."
        )
    else:
        text = (
            f"{starts()[verdict]} {failed} of {words.plural(n, 'cold start')} by name without a "
            "delay failed"
        )
        if later:
            delayed = sum(way.seen.later_failed for way in ways)
            text += f", {delayed} of {later} with one (p = {words.number(_p(ways), 2)})."
        else:
            text += "; none was made with a delay."
        rate = words.percent(seen.failed / seen.n) if seen.failed else "0 %"
        text += (
            f" {'Most often' if failed else 'Fewest starts'}: {worst}, {seen.failed} of {seen.n} "
            f"({rate}, {words.interval(100 * low, 100 * high, level, '%')})."
        )
    version = _version(machine)
    text += (
        f" That is with {version or 'the huggingface_hub here'} and a hub on this machine's "
        "loopback: a real hub's latency and rate limits were not measured."
    )
    effect = effect_of(
        "failure rate without a delay of the way that failed most",
        100 * seen.failed / seen.n,
        (100 * low, 100 * high),
        "%",
        level,
    )
    beside = f"loopback, {version}" if version else "loopback"
    in_short = f"{n - failed} of {n} starts by name without a delay worked ({beside})."
    return Answer(text, in_short, effect)


def _version(machine: Machine) -> str:
    """The library that loads by name, on which it depends whether names race."""
    version = (machine.facts.get("versions") or {}).get("huggingface_hub")
    return f"huggingface_hub {clean(version, 12)}" if version else ""


def _remarks(table: Any, ways: list[Way]) -> Iterable[str]:
    yield (
        "The hub took CPU time of the machine on which the models loaded. How to ask a real one: "
        "docs/methods.md."
    )
    lacking = [_CACHES[load] for load in _CACHES if load not in {way.load for way in ways}]
    lacking += [
        words.strategy_name(strategy)
        for strategy in ("multi_model", "multi_process")
        if strategy not in {way.strategy for way in ways}
    ]
    if lacking:
        yield f"Not measured without a delay: {words.listing(lacking)}."
    no_delay = [str(way) for way in ways if not way.seen.later]
    if no_delay:
        yield f"No start with a delay: {words.listing(no_delay)}."
    errors = table[(table["status"] != "ok") & (table["init_stagger_s"] == 0)]["error"]
    if first := next((e for e in errors if e), ""):
        yield f"First error: {in_brief(first)}"


def _row(machine: Machine, key: tuple[Any, ...], group: Any) -> Row:
    load, strategy, instances, stagger = key
    n, failed = len(group), int((group["status"] != "ok").sum())
    low, high = statistics.clopper_pearson(failed, n, machine.confidence)
    good = group[group["status"] == "ok"]
    return {
        "model": group["model"].iloc[0],
        "load": load,
        "strategy": strategy,
        "instances": int(instances),
        "init_stagger_s": float(stagger),
        "starts": n,
        "failures": failed,
        "rate": failed / n,
        "low": low,
        "high": high,
        "upper_bound": statistics.upper_rate(failed, n, machine.confidence),
        "load_s": good["load_s"].median(),
        "hub_requests": good["hub_requests"].median(),
        "hub_mb": good["hub_mb"].median(),
        "error": next((in_brief(e) for e in group["error"] if e), ""),
        "configuration": min(group["configuration"]),
    }


def _plan(machine: Machine, ways: list[Way]) -> MoreRounds | None:
    """Rounds that bring the starts to the number that would settle it, if they go on as they did.

    Without a failure that is what bounds the rate of each way; with some, what tells a delay.
    """
    if any(way.seen.failed for way in ways):
        of = [way for way in ways if way.seen.failed]
        many = (times for times in range(2, MOST_TIMES + 1) if _p(ways, times) <= machine.alpha)
        times = next(many, None)
        if times is None:
            return None
        wanted = [times * way.rounds for way in of]
    else:
        needed = statistics.starts_needed(LIMIT, machine.confidence)
        of = [way for way in ways if way.seen.n < needed]
        wanted = [math.ceil(needed / (way.seen.n / way.rounds)) for way in of]
    runs = [name for way in of for name in way.runs]
    return min_rounds(machine, max(wanted), runs) if wanted else None
