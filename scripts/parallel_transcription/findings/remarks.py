"""Words that several findings say: by verdict, on what failed, on corrections, on the margin."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.results.finding import Verdict

#: Sides whose decodings differ by more than this share did unlike work.
UNLIKE = 0.02
MEASURED = (Verdict.CONFIRMED, Verdict.REFUTED, Verdict.INCONCLUSIVE)
NO_UTILISATION = (
    "The GPU's utilisation is not known: NVML is not there, or the passes took longer than the "
    "driver's buffer of samples reaches back (docs/gpu.md)."
)


def by_verdict(confirmed: str, refuted: str, inconclusive: str) -> dict[Verdict, str]:
    """A text for each verdict on what was measured."""
    return dict(zip(MEASURED, (confirmed, refuted, inconclusive), strict=True))


def starts(yes: str = "Yes:", no: str = "No:", neither: str = "Not decided:") -> dict[Verdict, str]:
    """How an answer begins, by verdict."""
    return by_verdict(yes, no, neither)


def notes_on_failures(machine: Machine, arms: pd.DataFrame | None) -> list[str]:
    """Sentences on arms that failed, were killed or ran into the time limit, and on disturbance."""
    notes: list[str] = []
    if arms is None:
        return notes
    for _, row in arms.sort_values("arm").iterrows():
        bad = []
        for status in ("failed", "killed"):
            if row[f"n_{status}"]:
                bad.append(f"{status} in {words.plural(int(row[f'n_{status}']), 'repeat')}")
        if row["n_timeout"]:
            bad.append(
                f"ran into the time limit in {words.plural(int(row['n_timeout']), 'repeat')} "
                "(counted as at least that long)"
            )
        if bad:
            error = row["error"].splitlines()[0][:160] if row["error"] else ""
            notes.append(
                f"{row['configuration']}: {', '.join(bad)}" + (f" ({error})" if error else "") + "."
            )
    if len(machine.rounds) and len(arms):
        own = machine.rounds[machine.rounds.index.get_level_values("arm").isin(set(arms["arm"]))]
        left_out, whole = int(own["left_out"].sum()), int(own["disturbed"].sum())
        if left_out or whole:
            notes.append(
                f"Foreign load: {words.plural(left_out, 'disturbed repeat')} left out, "
                f"{words.plural(whole, 'round')} with nothing but disturbed repeats counted all "
                "the same."
            )
    return notes


def notes_on_unlike_work(machine: Machine, pairs: Iterable[Pair]) -> list[str]:
    """Sentences on pairs of which one side decoded more: their times are of unlike work."""
    pairs, notes = list(pairs), []
    if unlike := _unlike(machine.decodings, pairs):
        (one, other), a, b = unlike[0]
        notes.append(
            f"{words.plural(len(unlike), 'pair')} with unlike work: windows were decoded again at "
            f"a higher temperature on one side more than on the other ({one} {words.number(a)}, "
            f"{other} {words.number(b)} decodings per file). The ratio is of that work as well."
        )
    if unlike := _unlike(machine.speech, pairs):
        (one, other), a, b = unlike[0]
        notes.append(
            f"{words.plural(len(unlike), 'pair')} with unlike audio: {one} decoded "
            f"{words.number(a)} s of each file, {other} {words.number(b)} s. The ratio is of that "
            "as well."
        )
    return notes


def _unlike(known: pd.Series, pairs: Iterable[Pair]) -> list[tuple[tuple[str, str], float, float]]:
    """Configurations of pairs whose sides differ, and what each side has; the most unlike first."""
    found = [
        (pair.configurations, known[pair.arm_a], known[pair.arm_b])
        for pair in pairs
        if pair.arm_a in known.index and pair.arm_b in known.index
    ]
    unlike = [(p, a, b) for p, a, b in found if abs(a - b) > UNLIKE * min(a, b)]
    return sorted(unlike, key=lambda one: -abs(one[1] - one[2]))


def notes_on_unlike_runs(machine: Machine) -> list[str]:
    """Sentences on what differs between the runs of a label, and so touches every answer."""
    notes = []
    if machine.facts.get("mixed_hardware"):
        notes.append("The runs under this label come from more than one kind of machine.")
    if machine.facts.get("mixed_versions"):
        notes.append("The runs under this label were made with more than one set of packages.")
    if machine.facts.get("mixed_code"):
        notes.append("The runs under this label were made by more than one version of the code.")
    return notes


def correction_note(family: int, confidence: float) -> str:
    """What was corrected, and what was not; empty for a single pair."""
    if family < 2:
        return ""
    return (
        f"p-values are Holm-corrected over the {family} pairs of this question on this machine; "
        f"the intervals of single pairs ({words.level(confidence)}) are not."
    )


def margin_words(machine: Machine) -> str:
    """The margin in per cent and as a band of ratios."""
    low, high = statistics.band(machine.margin)
    return f"±{100 * machine.margin:g} % (ratio {low:.3f} to {high:.3f})"
