"""7 Must initialisations be staggered?

Claim: several models must be loaded with a delay between them, or a race fails some of them.

Rows: cold starts (files_in_parallel 0) from a folder, each in a fresh process that loads two or
more instances at once (multi_model) with a stagger between them. Loads by a hub's name are another
question (`init_race_by_name`): a name can race in its download, a local folder cannot. A start
fails if its status is not "ok" for a cause that a race can have: starts that lacked memory, were
killed or took too long are left out and told. Per stagger: failures, starts, rate with its exact
(Clopper-Pearson) interval. Each model is judged by itself.
Verdict:
  confirmed     failures at stagger 0 are more frequent than with a stagger (Fisher's exact test,
                one-sided)
  refuted       no failure at stagger 0, and the one-sided upper bound of the rate is below 10 %
                (29 starts without a failure at 95 %)
  inconclusive  otherwise; says how many more starts would be needed
  not measured  no cold start at stagger 0
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
from parallel_transcription.findings.remarks import by_verdict, starts
from parallel_transcription.findings.rounds import min_rounds
from parallel_transcription.results.finding import Finding, MoreRounds, Row, Verdict
from parallel_transcription.untrusted import in_brief

LIMIT = 0.10
MOST_TIMES = 40  # as many starts again that a plan asks for at most
#: What no race does: statuses, and words of errors (of the system, CTranslate2, CUDA).
OTHER_STATUSES = ("killed", "stuck", "timeout")
OTHER_WORDS = r"(?i)memory|bad_alloc|cannot allocate|no space left|too many open files"


@dataclass(frozen=True)
class Starts:
    """Cold starts without a delay and with one: how many, and how many failed."""

    n: int
    failed: int
    later: int
    later_failed: int

    @classmethod
    def of(cls, zero: Any, later: Any) -> Starts:
        """Counts of both tables."""
        failed, later_failed = (int((t["status"] != "ok").sum()) for t in (zero, later))
        return cls(len(zero), failed, len(later), later_failed)

    @property
    def p(self) -> float:
        """Of the test that failures without a delay are more frequent; nan without any later."""
        if not self.later:
            return math.nan
        return statistics.rate_higher(self.failed, self.n, self.later_failed, self.later)


class InitRace(Question):
    """Cold starts of several models at once, with and without a delay."""

    id, number = "init_race", 7
    asks = "Must the initialisations of several models be staggered?"
    asks_in_short = "Must starts be delayed?"
    claim = "Several models must be loaded with a delay between them, or a race fails some of them."
    remedy = "Such starts: {command}"
    would_change = by_verdict(
        "Failures with a delay as frequent as without.",
        "A failed start without a delay.",
        "More cold starts.",
    )
    columns = (
        show.integer("instances", "models"),
        show.as_written("init_stagger_s", "delay (s)"),
        show.integer("starts", "starts"),
        show.integer("failures", "failed"),
        show.percent("upper_bound", "at most"),
        show.seconds("load_s", "loaded after (s)"),
        show.text("error", "error"),
    )
    sorted_by = ("model", "instances", "init_stagger_s")

    def judge(self, machine: Machine) -> Finding | None:
        """Counts failures by delay."""
        starts = machine.starts
        from_folder = (starts["load"] == "folder") & starts["unaltered"]
        starts = starts[(starts["instances"] > 1) & from_folder]
        other = of_other_causes(starts)
        starts, left_out = starts[~other], starts[other]
        keys = ["model_kind", "model", "init_stagger_s"]
        rows = [
            _row(machine, kind, model, float(stagger), group)
            for (kind, model, stagger), group in starts.groupby(keys, sort=True)
        ]
        zero = starts[starts["init_stagger_s"] == 0]
        if zero.empty and len(left_out):
            return self.not_measured(machine, rows, why=left_out_note(left_out))
        if zero.empty:
            needed = statistics.starts_needed(LIMIT, machine.confidence)
            return self.not_measured(
                machine,
                rows,
                why="There are no cold starts of several models without a delay. To measure it: "
                "configurations with strategy multi_model, files_in_parallel 0 and "
                f"init_stagger_s 0, at least {needed} starts.",
            )
        seen = Starts.of(zero, starts[starts["init_stagger_s"] > 0])
        verdict = _verdict(machine, seen)
        return self.finding(
            machine,
            verdict,
            _answer(machine, verdict, seen),
            rows,
            starts["configuration"],
            _plan(machine, zero, seen.failed) if verdict == Verdict.INCONCLUSIVE else None,
            [*_remarks(zero), left_out_note(left_out)],
        )


def of_other_causes(starts: Any, also: str = "") -> Any:
    """Which starts ended badly for what no race does; `also` is a pattern of more such errors."""
    bad = starts["status"] != "ok"
    words_tell = starts["error"].str.contains(OTHER_WORDS, regex=True)
    if also:
        words_tell |= starts["error"].str.contains(also, regex=True)
    return bad & (starts["status"].isin(OTHER_STATUSES) | words_tell)


def left_out_note(left_out: Any) -> str:
    """A sentence on starts that ended for other causes; "" of none."""
    if left_out.empty:
        return ""
    first = next((in_brief(e) for e in left_out["error"] if e), "")
    return (
        f"{words.plural(len(left_out), 'cold start')} left out, which ended for other causes than "
        f"a race: {first}"
    )


def _verdict(machine: Machine, seen: Starts) -> Verdict:
    if seen.failed and seen.p <= machine.alpha:
        return Verdict.CONFIRMED
    upper = statistics.upper_rate(seen.failed, seen.n, machine.confidence)
    return Verdict.REFUTED if not seen.failed and upper < LIMIT else Verdict.INCONCLUSIVE


def _answer(machine: Machine, verdict: Verdict, seen: Starts) -> Answer:
    n, failed, level = seen.n, seen.failed, machine.confidence
    low, high = statistics.clopper_pearson(failed, n, level)
    if verdict == Verdict.REFUTED:
        upper = statistics.upper_rate(failed, n, level)
        answer = (
            f"No: {n} of {n} cold starts without a delay worked; the failure rate is below "
            f"{words.percent(upper)} ({words.level(level)} upper bound)."
        )
        answer += (
            " The models came from a local folder. Loading by a hub's name is another thing: "
            "config/init_race.yaml measures it."
        )
    else:
        answer = (
            f"{starts()[verdict]} {failed} of {words.plural(n, 'cold start')} without a delay "
            f"failed ({words.percent(failed / n) if failed else '0 %'}, "
            f"{words.interval(100 * low, 100 * high, level, '%')})"
        )
        answer += (
            f", {seen.later_failed} of {seen.later} with one (p = {words.number(seen.p, 2)})."
            if seen.later
            else "; none was made with a delay."
        )
    worked = f"{n - failed} of {words.plural(n, 'cold start')} without a delay worked"
    with_one = f"; with one, {seen.later - seen.later_failed} of {seen.later}" if seen.later else ""
    name = "failure rate without a delay"
    effect = effect_of(name, 100 * failed / n, (100 * low, 100 * high), "%", level)
    return Answer(answer, f"{worked}{with_one}.", effect)


def _remarks(zero: Any) -> Iterable[str]:
    kinds = sorted(set(zero["model_kind"]) - {""})
    if kinds:
        yield f"Model source of these starts: {words.listing(kinds)}."
    errors = zero[zero["status"] != "ok"]["error"]
    if len(errors) and errors.iloc[0]:
        yield f"First error: {errors.iloc[0].splitlines()[0][:160]}"


def _row(machine: Machine, kind: str, model: str, stagger: float, group: Any) -> Row:
    n, failed = len(group), int((group["status"] != "ok").sum())
    low, high = statistics.clopper_pearson(failed, n, machine.confidence)
    return {
        "model_kind": kind,
        "model": model,
        "init_stagger_s": stagger,
        "instances": int(group["instances"].max()),
        "starts": n,
        "failures": failed,
        "rate": failed / n,
        "low": low,
        "high": high,
        "upper_bound": statistics.upper_rate(failed, n, machine.confidence),
        "load_s": group["load_s"].median(),
        "error": next((in_brief(e) for e in group["error"] if e), ""),
        "configuration": min(group["configuration"]),
    }


def _plan(machine: Machine, zero: Any, failed: int) -> MoreRounds | None:
    """Rounds that bring the starts without a delay to the number that would settle it."""
    n = len(zero)
    rounds = max(1, zero["round"].nunique())
    target: int | None = statistics.starts_needed(LIMIT, machine.confidence)
    if failed:  # enough to tell the rate seen from none (Fisher), searched in steps
        target = None
        for factor in range(2, MOST_TIMES + 1):
            if statistics.rate_higher(failed * factor, n * factor, 0, n * factor) <= machine.alpha:
                target = n * factor
                break
    if target is None:
        return None
    wanted = math.ceil(max(target, n + 1) / (n / rounds))
    folder = machine.starts[machine.starts["load"] == "folder"]
    return min_rounds(machine, wanted, folder["configuration"])
