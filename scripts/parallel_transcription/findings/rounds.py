"""How to measure more: Snakemake's command line; rounds or minutes that would decide it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.results.finding import MoreMinutes, MoreRounds
from parallel_transcription.statistics import Comparison
from parallel_transcription.study.runs import FIRST_HEAT

SNAKEMAKE = "snakemake --cores all"
#: Command lines on the studies of GPUs that the project brings along.
ONE_GPU = f"{SNAKEMAKE} --configfile config/gpu.yaml"
SEVERAL_GPUS = f"{SNAKEMAKE} --configfile config/multi_gpu.yaml"


def command(machine: Machine, settings: str = "", only: Iterable[str] = ()) -> str:
    """A Snakemake command line on the machine's study."""
    on_cluster = machine.facts.get("scheduler") == "slurm"
    parts = ["snakemake --profile slurm" if on_cluster else SNAKEMAKE]
    files = [f for f in str(machine.study.get("file") or "").split(", ") if f]
    if files and not (len(files) == 1 and files[0].endswith("config/config.yaml")):
        parts.append(f"--configfile {' '.join(map(_quoted, files))}")
    only = sorted(set(only))
    if settings or only:
        parts.append("--config")
    if settings:
        parts.append(settings)
    if only:
        parts.append("'only=[" + ",".join(f'"{c}"' for c in only) + "]'")
    return " ".join(parts)


def min_rounds(machine: Machine, rounds: int, only: Iterable[str] = ()) -> MoreRounds:
    """So many rounds in all, of these configurations or of all."""
    return MoreRounds(rounds, command(machine, f"min_rounds={rounds}", only))


def _quoted(file: str) -> str:
    """A file name for the command line of a shell, which still finds a home folder in it."""
    tilde = "~/" if file.startswith("~/") else ""
    return tilde + shlex.quote(file.removeprefix(tilde))


@dataclass(frozen=True)
class _Need:
    """What would decide an open pair: rounds in all, None where no reasonable number would."""

    pair: Pair
    comparison: Comparison
    rounds: int | None

    def chance(self, machine: Machine, rounds: int, family: int) -> float:
        """That so many rounds decide the pair, if its true ratio and its spread are those seen."""
        return statistics.chance_to_decide(
            max(rounds, self.comparison.rounds + 1),
            self.comparison.sd,
            machine.margin,
            next_level(machine, self.comparison),
            self.comparison.ratio,
            family,
        )


def more_minutes(machine: Machine, pairs: Iterable[Pair]) -> MoreMinutes | None:
    """What decides the open ones of some pairs in matches; None where matches are to decide none.

    In all, with what was spent: to be put into the study. Pairs that no reasonable number of
    matches would decide are left out.
    """
    known = {frozenset((p.arm_a, p.arm_b)): p for p in pairs}
    needs = [
        seconds
        for key, seconds in machine.more_s.items()
        if key in known and _is_open(known[key]) and seconds
    ]
    if not needs:
        return None
    more = max(1, math.ceil(sum(needs) / 60))
    in_all = math.ceil(machine.matches.seconds / 60) + more
    return MoreMinutes(more, command(machine, f"'decide={{minutes: {in_all}}}'"))


def _is_open(pair: Pair) -> bool:
    """Whether matches have not decided it, whatever rounds say."""
    return not pair.by_matches or pair.result.size == statistics.OPEN


def more_rounds(
    machine: Machine, compared: list[tuple[Pair, Comparison]]
) -> tuple[MoreRounds | None, str]:
    """What would decide the open pairs of a question, and a sentence on it for the notes.

    Rounds needed so that each undecided pair is decided (within or beyond the margin) with a
    chance of 90 %, if its true ratio is the one seen so far and its log ratios go on to spread as
    they did: each pair by its own spread, since pairs of unlike arms are not equally noisy. The
    sentence says the chance that all are then decided. A pair whose ratio lies so near the margin
    that no reasonable number of rounds would do is left out of the plan and named in the sentence.
    Censored pairs too.

    Args:
        machine: Where they were measured.
        compared: All pairs of the question with their corrected comparisons.
    """
    undecided = [
        (p, c) for p, c in compared if c.size == statistics.OPEN and c.rounds and not c.by_matches
    ]
    if not undecided:
        return None, ""
    if unknown := [(p, c) for p, c in undecided if not c.tested]:
        names = [n for p, _ in unknown for n in p.configurations]
        rounds = max(_rounds_so_far(machine, p) + statistics.LEAST_ROUNDS - c.rounds
                     for p, c in unknown)  # fmt: skip
        few = f"{words.plural(len(unknown), 'pair')} with too few rounds to be tested"
        return (
            min_rounds(machine, rounds, names),
            f"{few}; {statistics.LEAST_ROUNDS} are the least, and show how many it takes.",
        )
    family = machine.family.size if machine.family is not None else len(compared)
    needs = [_Need(p, c, _rounds_for(machine, c, family)) for p, c in undecided]
    planned = [need for need in needs if need.rounds]
    text = _plan_in_words(machine, planned, family)
    if hopeless := len(needs) - len(planned):
        text += (
            f" {words.plural(hopeless, 'pair')} so near the margin, or cut by the time limit, that "
            f"more rounds (up to {statistics.MOST_ROUNDS}) would hardly decide."
        )
    if not planned:
        return None, text.strip()
    names = [n for need in planned for n in need.pair.configurations]
    wanted = max((need.rounds or 0) + _elsewhere(machine, need.pair) for need in planned)
    return min_rounds(machine, wanted, names), text.strip()


def _plan_in_words(machine: Machine, planned: list[_Need], family: int) -> str:
    if not planned:
        return ""
    wanted = max(need.rounds or 0 for need in planned)
    spreads = [need.comparison.sd for need in planned]
    ends = dict.fromkeys(words.number(100 * end(spreads), 2) for end in (min, max))
    chance = math.prod(need.chance(machine, wanted, family) for need in planned)
    together = ""
    if len(planned) > 1:
        rounds = sorted(need.rounds or 0 for need in planned)
        together = (
            f"; by pair {words.integer(rounds[0])} to {words.integer(rounds[-1])}; all "
            f"{len(planned)} with a chance of {words.percent(chance, decimals=0)}"
        )
    return (
        f"About {words.plural(wanted, 'round')} in all would decide what is still open (log ratios "
        f"of these pairs spread by {' to '.join(ends)} %; 90 % for each pair{together}; if the "
        "true ratios are those seen)."
    )


def next_level(machine: Machine, comparison: Comparison) -> float:
    """The level that the next look at a comparison has; the first one if none was made."""
    if not comparison.tested:
        return machine.alpha * statistics.share_of(1)
    return machine.alpha * comparison.share * statistics.share_of(2) / statistics.share_of(1)


def _rounds_so_far(machine: Machine, pair: Pair) -> int:
    """The last round of either arm of a pair."""
    return max(last_round(machine.times(arm).index) for arm in (pair.arm_a, pair.arm_b))


def last_round(numbers: Iterable[int]) -> int:
    """The last of some rounds; heats of a search are none that a study could have more of."""
    return max((int(number) for number in numbers if number < FIRST_HEAT), default=0)


def _elsewhere(machine: Machine, pair: Pair) -> int:
    """Rounds of a pair that do not count, by number: one more is needed for each."""
    return max(0, _rounds_so_far(machine, pair) - pair.result.rounds)


def _rounds_for(machine: Machine, comparison: Comparison, family: int) -> int | None:
    """Rounds in all that decide an open pair; None where no reasonable number would."""
    if comparison.censored_a or comparison.censored_b:
        return None
    need = statistics.rounds_needed(
        comparison.sd,
        machine.margin,
        ratio=comparison.ratio,
        alpha=next_level(machine, comparison),
        family=family,
    )
    # an undecided pair needs at least one more round, whatever the plan says
    return None if need is None else max(need, comparison.rounds + 1)
