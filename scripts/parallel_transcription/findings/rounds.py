"""How to measure more: Snakemake's command line, and the rounds that would decide what is open."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.results.finding import MoreRounds
from parallel_transcription.statistics import Comparison

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


def more_rounds(
    machine: Machine, compared: list[tuple[Pair, Comparison]]
) -> tuple[MoreRounds | None, str]:
    """What would decide the open pairs of a question, and a sentence on it for the notes.

    Rounds needed so that each undecided pair is decided (within or beyond the margin) with a
    chance of 90 %, if its true ratio is the one seen so far and the log ratios spread as those of
    all the pairs together. A pair whose ratio lies so near the margin that no reasonable number of
    rounds would do is left out of the plan and named in the sentence. Censored pairs too.

    Args:
        machine: Where they were measured.
        compared: All pairs of the question with their corrected comparisons.
    """
    undecided = [(p, c) for p, c in compared if c.size == statistics.OPEN and c.rounds]
    if not undecided:
        return None, ""
    groups = [(c.rounds, c.sd) for _, c in compared if not (c.censored_a or c.censored_b)]
    sd, freedom = statistics.pooled_sd(groups)
    if not freedom:
        names = [n for p, _ in undecided for n in p.configurations]
        rounds = int(machine.study.get("rounds") or 1)
        rounds = max(rounds, *(c.rounds for _, c in undecided)) + 3
        return (
            min_rounds(machine, rounds, names),
            "The spread is not known from a single round; three more are a start.",
        )
    needs = [_rounds_for(machine, c, sd, len(compared)) for _, c in undecided]
    wanted = max((n for n in needs if n), default=0)
    hopeless = needs.count(None)
    text = ""
    if wanted:
        text = (
            f"About {words.plural(wanted, 'round')} in all would decide what is still open (log "
            f"ratios spread by {words.number(100 * sd, 2)} %; power 90 %; if the true ratios are "
            "those seen)."
        )
    if hopeless:
        text += (
            f" {words.plural(hopeless, 'pair')} so near the margin, or cut by the time limit, that "
            f"more rounds (up to {statistics.MOST_ROUNDS}) would hardly decide."
        )
    if not wanted:
        return None, text.strip()
    decidable = [p for (p, _), need in zip(undecided, needs, strict=True) if need]
    names = [n for p in decidable for n in p.configurations]
    return min_rounds(machine, wanted, names), text.strip()


def _rounds_for(machine: Machine, comparison: Comparison, sd: float, family: int) -> int | None:
    """Rounds in all that decide an open pair; None where no reasonable number would."""
    if comparison.censored_a or comparison.censored_b:
        return None
    need = statistics.rounds_needed(
        sd, machine.margin, ratio=comparison.ratio, alpha=machine.alpha, family=family
    )
    # an undecided pair needs at least one more round, whatever the plan says
    return None if need is None else max(need, comparison.rounds + 1)
