"""Words that several findings say: by verdict, on what failed, on corrections, on the margin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.rounds import last_round, min_rounds
from parallel_transcription.findings.stalls import STALLED, Seen, stalls
from parallel_transcription.results.endings import Ending, none_ended_well
from parallel_transcription.results.finding import Verdict
from parallel_transcription.statistics import Comparison, Look
from parallel_transcription.untrusted import in_brief

#: Sides whose decodings differ by more than this share did unlike work.
UNLIKE = 0.02
MOST_NAMED = 6  # configurations on a command line
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
        ends_well = row["n_ok"] > 0
        for status in ("failed", "killed", "stuck"):
            if row[f"n_{status}"]:
                late = (
                    " (counted as later than the limit)" if ends_well and status != "stuck" else ""
                )
                bad.append(f"{status} in {words.plural(int(row[f'n_{status}']), 'repeat')}{late}")
        if row["n_timeout"]:
            bad.append(
                f"ran into the time limit in {words.plural(int(row['n_timeout']), 'repeat')} "
                "(counted as at least that long)"
            )
        if bad:
            error = in_brief(row["error"])
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


def what_never_ended_well(machine: Machine, arms: pd.DataFrame | None) -> Ending | None:
    """How the arms of which no run ended well ended; None where there are none."""
    if arms is None:
        return None
    never = arms[(arms["n_ok"] == 0) & (arms["n_saturated"] == 0)]
    ended = none_ended_well(machine.runs[machine.runs["arm"].isin(never["arm"])])
    if ended is None:
        return None
    what = ended.what[0].lower() + ended.what[1:]
    return replace(ended, what=f"One side never ended well: {what}")


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


def stalls_note(machine: Machine, pairs: Iterable[Pair], results: Iterable[Comparison]) -> str:
    """What "equal" leaves out: stalls that were seen, or rare ones that so few need not have."""
    equal = [
        (pair, result)
        for pair, result in zip(pairs, results, strict=True)
        if result.size == statistics.WITHIN
    ]
    if not equal:
        return ""
    worst = max(
        (stalls(machine, pair) for pair, _ in equal), key=lambda s: s[0].stalls + s[1].stalls
    )
    if worst[0].stalls + worst[1].stalls:
        return f"Equal is said of typical passes. {stalls_seen(*worst)}"
    within = [result for _, result in equal]
    least = min(within, key=lambda r: r.passes if r.by_matches else r.rounds)
    passes = least.by_matches
    count = least.passes if passes else least.rounds
    share = words.percent(statistics.upper_rate(0, count, machine.confidence), 1)
    return (
        f"Equal is said of typical {'passes' if passes else 'rounds'}: a stall in up to {share} of "
        f"{'passes' if passes else 'runs'} may have been missed in "
        f"{words.integer(count) + ' passes' if passes else words.plural(count, 'round')}."
    )


def stalls_seen(a: Seen, b: Seen) -> str:
    """How often both sides of a pair stalled."""
    return (
        f"Passes over {STALLED:g} times as long as usual: {a.stalls} of {a.passes} on one side of "
        f"a pair, {b.stalls} of {b.passes} on the other."
    )


def notes_on_matches(machine: Machine, pairs: Iterable[Pair], explored: int) -> list[str]:
    """Sentences on pairs that matches decide, and on those that only rounds have explored.

    Args:
        machine: Where they were measured.
        pairs: Those that the verdict of a question rests on.
        explored: How many of them are open in rounds and left aside, as matches decide others.
    """
    of_matches = [pair for pair in pairs if pair.by_matches]
    met = [pair.result for pair in of_matches]
    if not met:
        return []
    matches = words.listing([words.integer(n) for n in sorted({r.rounds for r in met})])
    looked = words.listing([words.integer(look.matches) for look in _ladder(met)])
    notes = [
        f"{words.plural(len(met), 'pair')} decided in matches ({matches}), whose sides take turns; "
        f"looked at after {looked}. Each look is paid for, and all "
        f"{words.plural(len(machine.matches.contests), 'contest')} of the machine share the level "
        f"of {100 * machine.alpha:g} %."
    ]
    notes += [*_notes_on_ended(machine, of_matches), *_notes_on_contradictions(machine, of_matches)]
    near = [
        pair
        for pair in of_matches
        if pair.result.size == statistics.OPEN
        and machine.more_s.get(frozenset((pair.arm_a, pair.arm_b)), 0.0) is None
    ]
    if near:
        notes.append(
            f"{words.plural(len(near), 'pair')} so near the margin, or so wild, that hardly any "
            "number of matches would decide it."
        )
    if explored:
        notes.append(
            f"{words.plural(explored, 'further pair')} explored in rounds only and open; the "
            "verdict rests on the others, at and near the recommended settings."
        )
    return notes


def _notes_on_contradictions(machine: Machine, pairs: Iterable[Pair]) -> list[str]:
    """A sentence on pairs that rounds and matches decide, each beyond the margin, the other way."""
    before, unlike = len(machine.asked), []
    for pair in pairs:
        in_rounds = machine.compare(pair.arm_a, pair.arm_b, in_rounds=True).result
        sizes = {pair.result.size, in_rounds.size}
        if sizes == {statistics.BEYOND} and (pair.result.ratio > 1) != (in_rounds.ratio > 1):
            unlike.append((pair, in_rounds))
    del machine.asked[before:]
    if not unlike:
        return []
    pair, in_rounds = unlike[0]
    one, other = pair.configurations
    return [
        f"Rounds and matches contradict each other in {words.plural(len(unlike), 'pair')}, each "
        f"beyond the margin: {one} takes {words.times(in_rounds.ratio)} times as long as {other} "
        f"in rounds, {words.times(pair.result.ratio)} times in matches. What is said follows "
        "matches, whose sides take turns; find out what changed on the machine in between."
    ]


def _notes_on_ended(machine: Machine, pairs: Iterable[Pair]) -> list[str]:
    """Sentences on sides that ended matches, whose other passes decide nothing in their favour."""
    notes = []
    for arm in sorted({arm for pair in pairs for arm in (pair.arm_a, pair.arm_b)}):
        ended = machine.matches.ended(arm)
        if not ended.empty:
            matches = words.plural(ended["round"].nunique(), "match", "matches")
            why = in_brief(ended["error"].iloc[0])
            notes.append(
                f"{ended['configuration'].iloc[0]} ended {matches} ({ended['status'].iloc[0]}"
                + (f": {why}" if why else "")
                + "): it is shown neither to be equal nor to be faster."
            )
    return notes


def _ladder(met: Sequence[Comparison]) -> Sequence[Look]:
    longest = max(met, key=lambda result: result.rounds)
    return [look for look in longest.looks if statistics.looks_at(look.matches)]


def notes_on_unlike_runs(machine: Machine) -> list[str]:
    """Sentences on what differs between the runs of a label, and so touches every answer."""
    notes = []
    if machine.facts.get("mixed_hardware"):
        notes.append("The runs under this label come from more than one kind of machine.")
    if machine.facts.get("mixed_versions"):
        notes.append("The runs under this label were made with more than one set of packages.")
    if machine.facts.get("mixed_code"):
        notes.append("The runs under this label were made by more than one version of the code.")
    return [*notes, *_notes_on_plans(machine)]


#: What a study says of how it is judged, in words.
_PLANNED = {
    "equivalence_margin": "The margin",
    "latency_margin": "The margin of latencies",
    "confidence": "The confidence",
    "disturbed_above": "The share of foreign load that marks a repeat as disturbed",
}


def _notes_on_plans(machine: Machine) -> list[str]:
    """Sentences on what was another when the runs were measured than it is now."""
    notes = []
    for name, said in _PLANNED.items():
        now = float(machine.study[name])
        then = {float(p[name]) for p in machine.facts.get("planned") or [] if name in p} - {now}
        if then:
            values = words.listing([f"{100 * value:g} %" for value in sorted(then)])
            notes.append(f"{said} was {values} when measured, and is {100 * now:g} % now.")
    limits = {k: v for k, v in machine.limits.items() if v is not None}
    for planned in machine.facts.get("planned") or []:
        before = {k: v for k, v in (planned.get("limits") or {}).items() if v is not None}
        if "limits" in planned and before != limits:
            listed = ", ".join(f"{k} {v:g}" for k, v in sorted(before.items())) or "none"
            notes.append(f"The limits were others when measured: {listed}.")
    return notes


def correction_note(machine: Machine, results: Sequence[Comparison]) -> str:
    """What was corrected, and what was not; empty where there is nothing to correct."""
    family = machine.family.size if machine.family is not None else len(results)
    if family < 2:
        return ""
    return (
        f'"Beyond the margin" and "faster" are Holm-corrected over all {family} comparisons of '
        'times in this machine\'s report; "equivalent" holds for each pair by itself. Intervals '
        "are those that decide: within the margin's band, or outside of it, where a pair is called "
        "so."
    )


def looks_note(machine: Machine, results: Iterable[Comparison]) -> str:
    """A sentence on pairs whose rounds were looked at before, and what that costs."""
    again = [r for r in results if r.tested and r.share < statistics.share_of(1)]
    if not again:
        return ""
    share = min(r.share for r in again)
    looks = next(k for k in range(2, 1000) if statistics.share_of(k) <= share)
    return (
        f"Rounds were added to {words.plural(len(again), 'pair')} after a look at earlier ones. "
        f"That is paid for: look {looks} has a level of "
        f"{words.number(100 * machine.alpha * share, 2)} %, all looks together "
        f"{100 * machine.alpha:g} %."
    )


def too_few_note(results: Iterable[Comparison]) -> str:
    """A sentence on pairs with fewer rounds than can carry a verdict."""
    few = [r.rounds for r in results if not r.tested and not r.by_matches]
    if not few:
        return ""
    return (
        f"{words.plural(len(few), 'pair')} with fewer than {statistics.LEAST_ROUNDS} common rounds "
        f"({words.listing([str(n) for n in sorted(set(few))])}): not tested, so open."
    )


def notes_on_runs_apart(machine: Machine, pairs: Iterable[Pair]) -> list[str]:
    """Sentences on pairs whose sides were measured apart, and on records that do not tell when."""
    known = list({(p.arm_a, p.arm_b): p for p in pairs if not p.by_matches}.values())
    apart = [p for p in known if p.apart]
    notes = []
    if apart:
        one, other = apart[0].configurations
        notes.append(
            "Measured apart: not compared. In "
            f"{words.plural(sum(p.apart for p in apart), 'round')} of "
            f"{words.plural(len(apart), 'pair')} (such as {one} and {other}) the two sides began "
            f"more than {machine.together_h:g} h and the length of the round apart; a change of "
            "the machine in between would pass for a difference."
        )
        notes += _anew(machine, apart)
    unlike = [p for p in known if p.unlike]
    if unlike:
        one, other = unlike[0].configurations
        notes.append(
            "Measured on unlike machines: not compared. In "
            f"{words.plural(sum(p.unlike for p in unlike), 'round')} of "
            f"{words.plural(len(unlike), 'pair')} (such as {one} and {other}) the two sides ran on "
            "another kind of machine, with other packages, or one on fewer CPUs than it needs."
        )
        notes += _anew(machine, unlike)
    if any(p.untimed for p in known):
        notes.append(
            "Some records do not tell when they were measured: such rounds are paired by their "
            "number alone."
        )
    return notes


def _anew(machine: Machine, apart: Sequence[Pair]) -> list[str]:
    """The command that measures both sides of pairs anew that have too few rounds together."""
    few = [p for p in apart if not p.result.tested]
    if not few:
        return []
    names = {n for p in few for n in p.configurations}
    shown = names if len(names) <= MOST_NAMED else ()  # all of them: a line that one can read
    last = last_round(machine.runs["round"][machine.runs["configuration"].isin(names)])
    rounds = last + max(statistics.LEAST_ROUNDS, int(machine.study.get("rounds") or 1))
    return [f"Both anew, together: {min_rounds(machine, rounds, shown).command}"]


def margin_words(machine: Machine) -> str:
    """The margin in per cent and as a band of ratios."""
    low, high = statistics.band(machine.margin)
    return f"±{100 * machine.margin:g} % (ratio {low:.3f} to {high:.3f})"
