"""What a question is, and the way from the tables to its finding.

A question is a class with its words as data: a module in `questions/` with such a class is a new
question, and nothing else names it. Questions that compare pairs of configurations are a
`PairedQuestion`: they say what is paired, what a row of evidence holds, the rule of the verdict and
the answer; the driver does the rest. Others have a `judge` of their own.

The rules of a verdict stand in the text of each question's module, fixed before any time is looked
at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import pandas as pd

from parallel_transcription import statistics, words
from parallel_transcription.findings.evidence import in_order, ladder, pair_row
from parallel_transcription.findings.machine import Machine, Pair
from parallel_transcription.findings.remarks import (
    correction_note,
    looks_note,
    margin_words,
    notes_on_failures,
    notes_on_matches,
    notes_on_unlike_work,
    stalls_note,
    too_few_note,
    what_never_ended_well,
)
from parallel_transcription.findings.rounds import command, more_minutes, more_rounds
from parallel_transcription.findings.show import with_varying
from parallel_transcription.results.endings import Ending
from parallel_transcription.results.finding import (
    Column,
    Effect,
    Finding,
    MoreMinutes,
    MoreRounds,
    Row,
    Verdict,
)
from parallel_transcription.results.typed import plain
from parallel_transcription.statistics import Comparison

#: Chapters of the report by number; questions with one number share a chapter.
CHAPTERS = {
    1: "Parallel, or a queue?",
    2: "One model, many models, or many processes?",
    3: "How many threads?",
    4: "How many workers?",
    5: "How do GPUs do, one and several?",
    6: "Is the model only once in memory?",
    7: "Can several models be started at the same time?",
    8: "Which settings should be used here?",
    10: "What does a service get, for the same requests?",
}


@dataclass(frozen=True)
class Answer:
    """An answer in full, in some 60 letters beside which verdict and effect stand, and its effect.

    `effect` is None where no number is known.
    """

    text: str
    in_short: str
    effect: Effect | None


def effect_of(
    name: str,
    value: float | None,
    ends: tuple[float | None, float | None],
    unit: str,
    confidence: float,
) -> Effect | None:
    """An effect, ends that are not known as None; None where its value is not known."""
    value, low, high = (plain(v) for v in (value, *ends))
    return None if value is None else Effect(name, value, low, high, unit, confidence)


NEVER = 99  # no pair of it is decided by matches for its own sake


class Question(ABC):
    """A question to the tables of a machine. A subclass with an `id` of its own is asked."""

    id: ClassVar[str]
    number: ClassVar[int]  # of its chapter; 0 for what is asked of the measurements themselves
    order: ClassVar[int] = 1  # among those of its number
    asks: ClassVar[str]
    asks_in_short: ClassVar[str] = ""  # as a question that the claim answers with yes
    claim: ClassVar[str]
    lacks: ClassVar[str] = ""  # what is missing where it was not measured
    to_measure: ClassVar[str] = ""  # what would measure it; "" goes without saying
    to_measure_on: ClassVar[str] = ""  # where, as " on a machine with one"; "" is anywhere
    would_change: ClassVar[Mapping[Verdict, str]]  # {margin}, {above}: the margin in words
    remedy: ClassVar[str] = "Such rounds: {command}"  # would change what was not measured
    remedy_sets: ClassVar[str] = ""  # settings on that command line
    columns: ClassVar[tuple[Column, ...]]  # of the evidence, as a page shows it
    sorted_by: ClassVar[tuple[str, ...]] = ()  # columns that order the rows on a page
    most_rows: ClassVar[int] = 48  # on a page; the others are in findings.json
    by_time: ClassVar[bool] = False  # rests on times, which noise and neighbours move
    in_spite: ClassVar[frozenset[Verdict]] = frozenset()  # verdicts that these cannot bring about
    equal: ClassVar[bool] = False  # claims that two sides are equal, which stalls would belie
    figure: ClassVar[str | None] = ""  # its figure; "" is the one named as the question
    decided: ClassVar[int] = NEVER  # its place among those that name pairs for matches to decide

    known: ClassVar[dict[str, type[Question]]] = {}

    def __init_subclass__(cls) -> None:
        """Makes a question known by its id."""
        super().__init_subclass__()
        if "id" in vars(cls):
            if cls.id in Question.known:
                raise TypeError(f"there are two questions {cls.id!r}")
            Question.known[cls.id] = cls

    @abstractmethod
    def judge(self, machine: Machine) -> Finding | None:
        """The finding; None where the study does not ask the question."""

    def tables(self, machine: Machine) -> Machine:
        """Those of a machine's tables that the question rests on."""
        return machine

    def deciding(self, machine: Machine) -> Iterable[tuple[str, str]]:
        """Pairs of arms that matches should decide, in order of weight; ratio = first / second."""
        return ()

    def comparisons(self, machine: Machine) -> list[Comparison]:
        """What its verdict rests on and is corrected together with that of the other questions."""
        return []

    def page_rows(self, evidence: Sequence[Row]) -> list[int]:
        """Places of the rows of evidence that a page shows, in their order there."""
        return in_order(evidence, self.sorted_by)[: self.most_rows]

    def not_measured(
        self,
        machine: Machine,
        evidence: Iterable[Row] = (),
        runs: Iterable[str] = (),
        notes: Iterable[str] = (),
        why: str = "",
        ended: Ending | None = None,
    ) -> Finding:
        """The finding where the tables do not hold what the question needs.

        Args:
            machine: Whose tables.
            evidence: Rows that are known all the same.
            runs: Configurations that it would rest on.
            notes: On what went wrong.
            why: What is lacking, if not what the question says.
            ended: How those ended that would have told, where none of them ended well.
        """
        how = f" To measure it{self.to_measure_on}: {self.to_measure}" if self.to_measure else ""
        told = machine.ended or ended
        text = str(told) if told else f"{why or self.lacks}{how}"
        answer = Answer(text, "", None)
        return self.finding(machine, Verdict.NOT_MEASURED, answer, evidence, runs, notes=notes)

    def finding(
        self,
        machine: Machine,
        verdict: Verdict,
        answer: Answer,
        evidence: Iterable[Row],
        runs: Iterable[str],
        more: MoreRounds | MoreMinutes | None = None,
        notes: Iterable[str] = (),
        ladder: Iterable[Row] = (),
    ) -> Finding:
        """The finding, with what the question says of itself."""
        rows = list(evidence)
        keys = list(dict.fromkeys(k for row in rows for k in row))
        rows = [{k: plain(row.get(k)) for k in keys} for row in rows]
        shown = self.page_rows(rows)
        columns = with_varying(self.columns, [rows[k] for k in shown])
        if verdict == Verdict.NOT_MEASURED and machine.ended:
            change = machine.ended.remedy
        elif verdict == Verdict.NOT_MEASURED:
            change = self.remedy.format(command=command(machine, self.remedy_sets))
        else:
            margin, above = margin_words(machine), f"{1 + machine.margin:.2f}"
            change = self.would_change[verdict].format(margin=margin, above=above)
        return Finding(
            id=self.id,
            number=self.number,
            question=self.asks,
            claim=self.claim,
            machine=machine.label,
            verdict=verdict,
            answer=answer.text,
            in_short=answer.in_short,
            effect=answer.effect,
            evidence=rows,
            figure=(self.id if self.figure == "" else self.figure) if rows else None,
            runs=sorted(set(map(str, runs))),
            change=change,
            more_rounds=more if isinstance(more, MoreRounds) else None,
            more_minutes=more if isinstance(more, MoreMinutes) else None,
            ladder=[{k: plain(v) for k, v in row.items()} for row in ladder],
            notes=list(dict.fromkeys(n for n in notes if n)),
            short_question=self.asks_in_short or self.asks,
            chapter=CHAPTERS.get(self.number, self.asks),
            columns=columns if rows else [],
            shown=shown,
            group=machine.group,
        )


# --- questions that compare pairs ---------------------------------------------------------------


@dataclass
class Case:
    """A pair that is compared, and its row of evidence: first its facts, then what came out."""

    pair: Pair
    row: Row


@dataclass
class Cases:
    """What a paired question finds in the tables of a machine.

    `evidence` holds further rows, in the order that the finding has them; without, it is the rows
    of the cases. `arms` are those whose failures the notes tell. `runs` are configurations that
    the finding rests on; without, those of the pairs.
    """

    tested: list[Case] = field(default_factory=list)
    evidence: list[Row] = field(default_factory=list)
    arms: pd.DataFrame | None = None
    runs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Judged:
    """The cases of a question with their comparisons, corrected over all of the report.

    A rule that asks whether *any* of them is so rests on the corrected p-values (`tests` of a
    result, and `size` and `outcome` where they say "beyond" and "faster"). One that asks whether
    *all* are so rests on those of each alone (`alone`, and `size` where it says "within"): an
    intersection-union test, which needs no correction (Berger 1982).
    """

    machine: Machine
    cases: Cases
    results: list[Comparison]

    @property
    def rows(self) -> list[Row]:
        """The rows of what was compared."""
        return [case.row for case in self.cases.tested]

    @property
    def pairs(self) -> list[Pair]:
        """The pairs that were compared."""
        return [case.pair for case in self.cases.tested]

    def deciding(self) -> Judged:
        """The cases that a verdict rests on: all, unless matches decide some.

        Then those, and what rounds have decided; what rounds leave open was only explored.
        """
        if not any(result.by_matches for result in self.results):
            return self
        kept = [
            (case, result)
            for case, result in zip(self.cases.tested, self.results, strict=True)
            if result.by_matches or result.size != statistics.OPEN
        ]
        cases = replace(self.cases, tested=[case for case, _ in kept])
        return Judged(self.machine, cases, [result for _, result in kept])

    def count(self, size: str) -> int:
        """How many pairs are within the margin, beyond it, or open."""
        return sum(result.size == size for result in self.results)

    def estimate(self, row: Row, of: str, name: str = "ratio", low: str = "low",
                 high: str = "high") -> str:  # fmt: skip
        """A number of a row with its interval, in words."""
        return words.estimate(row[name], row[low], row[high], self._level(row, low), of)

    def effect(self, row: Row, name: str, unit: str = words.TIMES, value: str = "ratio",
               low: str = "low", high: str = "high") -> Effect | None:  # fmt: skip
        """A number of a row with its interval, as the effect."""
        ends = (row[low], row[high])
        return effect_of(name, row[value], ends, unit, self._level(row, low))

    def _level(self, row: Row, low: str) -> float:
        """The confidence of an interval, said beside its lower end; else the study's."""
        return float(row.get(f"{low}_level") or self.machine.confidence)


class PairedQuestion(Question):
    """A question that compares pairs: what is paired, a row, the verdict and the answer."""

    by_time = True

    @abstractmethod
    def cases(self, machine: Machine) -> Cases | None:
        """What is paired; None where the study does not ask the question."""

    def compared(self, judged: Judged) -> None:
        """Writes what came out of the comparisons into the rows."""
        for case, result in zip(judged.cases.tested, judged.results, strict=True):
            case.row |= pair_row(case.pair, result)

    @abstractmethod
    def verdict(self, judged: Judged) -> Verdict:
        """The verdict by the rule in the module's text."""

    @abstractmethod
    def answer(self, judged: Judged, verdict: Verdict) -> Answer:
        """The answer in words."""

    def remarks(self, judged: Judged, verdict: Verdict) -> Iterable[str]:
        """Notes of the question's own; empty ones are left out."""
        return ()

    def comparisons(self, machine: Machine) -> list[Comparison]:
        """Those of its pairs; what it pairs here is kept until it is judged."""
        before = len(machine.asked)
        cases = self.cases(machine)
        machine.paired[self.id] = cases, machine.asked[before:]
        if cases is None or not self.is_measured(cases):
            return []
        return [case.pair.result for case in cases.tested]

    def judge(self, machine: Machine) -> Finding | None:
        """Pairs, enough of them?, corrected, rows, verdict, what would decide it, answer."""
        cases = self._paired(machine)
        if cases is None:
            return None
        if not self.is_measured(cases):
            notes = [*cases.notes, *notes_on_failures(machine, cases.arms)]
            why = what_never_ended_well(machine, cases.arms)
            return self.not_measured(machine, cases.evidence, cases.runs, notes, ended=why)
        every = Judged(machine, cases, machine.correct([c.pair.result for c in cases.tested]))
        self.compared(every)
        rows = every.rows
        decides = self.decided < NEVER
        judged = every.deciding() if decides else every
        verdict = self.verdict(judged)
        more: MoreRounds | MoreMinutes | None = None
        sentence = ""
        if verdict == Verdict.INCONCLUSIVE:
            more = more_minutes(machine, judged.pairs)
        if verdict == Verdict.INCONCLUSIVE and more is None:
            compared = list(zip(judged.pairs, judged.results, strict=True))
            more, sentence = more_rounds(machine, compared)
        return self.finding(
            machine,
            verdict,
            self.answer(judged, verdict),
            cases.evidence or rows,
            cases.runs or [name for pair in every.pairs for name in pair.configurations],
            more,
            ladder=ladder(judged.pairs) if decides else (),
            notes=[
                *cases.notes,
                *self.remarks(judged, verdict),
                *notes_on_matches(machine, judged.pairs, len(rows) - len(judged.rows)),
                sentence,
                too_few_note(judged.results),
                correction_note(machine, judged.results),
                looks_note(machine, judged.results),
                stalls_note(machine, judged.pairs, judged.results),
                *notes_on_unlike_work(machine, judged.pairs),
                *notes_on_failures(machine, cases.arms),
            ],
        )

    def _paired(self, machine: Machine) -> Cases | None:
        """What `comparisons` has paired, whose rows the verdict then completes; else paired now."""
        if self.id not in machine.paired:
            return self.cases(machine)
        cases, asked = machine.paired.pop(self.id)
        machine.asked.extend(asked)
        return cast(Cases | None, cases)

    def is_measured(self, cases: Cases) -> bool:
        """Whether there is enough to judge."""
        return bool(cases.tested)
