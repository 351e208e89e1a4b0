"""A match: configurations that are measured in turns, each in a process of its own.

All sides are loaded and warmed up, one after another; then each block is one pass of every side,
while the others sleep; under a load all passes of a block get the same requests. Where sides do
not fit beside each other they are apart: only one lives at a time, from its turn until another's.
Whatever happens to a side ends the match; what was measured in whole blocks stays.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from parallel_transcription.measure.engine import parse_verbose
from parallel_transcription.measure.living import Living, started
from parallel_transcription.measure.messages import Loaded, MatchProtocol, Order, PassEnded, Task
from parallel_transcription.measure.supervise import (
    environment_of,
    longest_pass_s,
    stated_environment,
)

UNFINISHED = "what measured the match was ended before the match was over"

#: Told of a match after the warm-ups and after each block; it ends where the answer is False.
OnBlock = Callable[[dict[str, Any]], bool | None]
#: Told of the sides that are loaded (task, and the side as a record has it) and of the next one:
#: why this one does not fit beside them, None if it does.
Room = Callable[[Sequence[tuple[Task, dict[str, Any]]], Task], str | None]


def orders(sides: int, blocks: int, seed: int) -> list[list[int]]:
    """The sides in the order of their turns, for each block: a random order, then its reverse.

    So each side comes as early as any other, and drifts cancel: ABBA or BAAB.
    """
    chance = random.Random(seed)
    found: list[list[int]] = []
    while len(found) < blocks:
        one = chance.sample(range(sides), sides)
        found += [one, one[::-1]]
    return found[:blocks]


class _Failed(Exception):
    """A side is at its end too early; the match is over."""


class _Side:
    """One configuration of a match, and the process that it has at the moment, if any."""

    def __init__(self, task: Task, protocol: MatchProtocol, log: Path | None):
        self.task, self.protocol, self.log = task, protocol, log
        self.environment = environment_of(task)
        self.engine: dict[str, Any] = {}
        self.starts = 0
        self.warmups: list[dict[str, Any]] = []
        self.living: Living | None = None
        self._latest: Living | None = None

    def start(self, stack: contextlib.ExitStack) -> None:
        """Load and warm up, in a fresh process that lives until the stack is closed.

        Raises:
            _Failed: if that fails.
        """
        order = Order(
            configuration=self.task.configuration,
            model_path=self.task.model_path,
            files=self.task.files,
            warmups=self.protocol.warmups,
            repeats=0,
            affinity=self.task.affinity,
            supervisor=os.getpid(),
            walk=self.task.walk,
            quota_cpus=self.task.quota_cpus,
            in_turns=True,
            load=self.task.load,
            service=self.task.service,
        )
        longest = longest_pass_s(self.task, self.protocol.timeout_s)
        limits = self.protocol.load_timeout_s, longest
        self.starts += 1
        self.living = self._latest = stack.enter_context(
            started(self.task, order, *limits, self.environment, self.log)
        )
        while not isinstance(event := self.living.next_event(), Loaded):
            if event is None:
                raise _Failed
        for number in range(1 - self.protocol.warmups, 1):
            self.warmups.append(self.pass_of(number))
        if not self.engine:  # only it has printed so far
            self.engine = event.engine | parse_verbose(self.living.printed())
        self.living.meet_family()
        self.fall_asleep()

    def pass_of(self, number: int) -> dict[str, Any]:
        """One pass of the process, as a record keeps it.

        Raises:
            _Failed: if it did not end well.
        """
        if self.living is None:
            raise _Failed
        self.living.go(number)
        while not isinstance(event := self.living.next_event(), PassEnded):
            if event is None:
                raise _Failed
        if event.result["status"] != "ok":
            raise _Failed
        return {"repeat": number, **event.result}

    @property
    def gone(self) -> bool:
        """Whether its process has ended while it should sleep."""
        return self.living is not None and self.living.process.poll() is not None

    @property
    def status(self) -> str:
        """How its latest process ended; `ok` as long as nothing else is known."""
        return self._latest.measured.status if self._latest else "ok"

    def fall_asleep(self) -> None:
        """Wait until nothing of it runs."""
        if self.living is not None:
            self.living.fall_asleep()

    def finish(self) -> None:
        """Let its process end, and note how it did."""
        if self.living is not None:
            self.living.dismiss()
            while self.living.next_event() is not None:
                pass
            self.living.end()
            self.living = None

    def forget(self) -> None:
        """What it did does not count: the match begins anew."""
        self.starts, self.warmups, self.living, self._latest = 0, [], None, None

    def as_json(self) -> dict[str, Any]:
        """The side as the match's record keeps it."""
        start = self._latest.measured.as_json(self.starts) if self._latest else None
        return {
            "status": start["status"] if start else "ok",
            "error": start["error"] if start else None,
            "start": start and start | {"passes": []},
            "engine": self.engine,
            "environment": stated_environment(self.environment),
            "warmups": self.warmups,
        }


def _cpu_s(sleeping: Living | None) -> float | None:
    return sleeping.cpu_s() if sleeping else None


class _Match:
    """A match on its way."""

    def __init__(self, sides: list[_Side], room: Room | None, together: bool):
        self.sides, self.room, self.together = sides, room, together
        self.apart_because: str | None = None
        self.blocks: list[list[dict[str, Any]]] = []
        self.began = time.time()
        self.stack = contextlib.ExitStack()

    def load(self) -> None:
        """Load all sides, one after another; apart if they do not fit beside each other.

        Raises:
            _Failed: if a side fails that was alone.
        """
        for k, side in enumerate(self.sides):
            beside = [(one.task, one.as_json()) for one in self.sides[:k]]
            why = self.room(beside, side.task) if self.room and beside else None
            if why is None:
                try:
                    side.start(self.stack)
                except _Failed:
                    side.finish()
                    if not beside or side.status not in ("failed", "killed"):
                        raise
                    why = f"side {k + 1} beside the others: {side.as_json()['error']}"
            if ended := [n for n, one in enumerate(self.sides[:k], 1) if one.gone]:
                why = f"side {ended[0]} ended while side {k + 1} was loaded"
            if why is not None:
                self._part(why)
                return

    def _part(self, why: str) -> None:
        """End all that was begun; only one side lives at a time from now on."""
        self.stack.close()
        for side in self.sides:
            side.forget()
        self.together, self.apart_because = False, why

    def turn(self, k: int, block: int) -> dict[str, Any]:
        """A pass of a side, with what the others used meanwhile.

        Raises:
            _Failed: if it did not end well, or another side has ended.
        """
        side = self.sides[k]
        if side.living is None:
            for one in self.sides:
                one.finish()
                if one.status != "ok":
                    raise _Failed
            self.stack.close()
            side.start(self.stack)
        sleeping = [one.living if one is not side else None for one in self.sides]
        before = [_cpu_s(one) for one in sleeping]
        result = side.pass_of(block + 1)
        after = [_cpu_s(one) for one in sleeping]
        if any(one.gone for one in self.sides):
            raise _Failed
        side.fall_asleep()
        return {
            "block": block,
            "side": k,
            "idle_cpu_s": [
                None if b is None or a is None else max(0.0, a - b)
                for b, a in zip(before, after, strict=True)
            ],
            **result,
        }

    def finish(self) -> None:
        """Let all processes end, and note how."""
        for side in self.sides:
            side.finish()

    def outcome(self, status: str | None = None) -> dict[str, Any]:
        """The keys of the record that the match itself decides.

        Args:
            status: That of a match that goes on; else it follows from its sides.
        """
        sides = [side.as_json() for side in self.sides]
        bad = next((side for side in sides if side["status"] != "ok"), None)
        passes = [one for block in self.blocks for one in block]
        return {
            "together": self.together,
            "apart_because": self.apart_because,
            "sides": sides,
            "passes": [{"turn": turn, **one} for turn, one in enumerate(passes)],
            "status": bad["status"] if bad else status or "ok",
            "error": bad["error"] if bad else UNFINISHED if status else None,
            "started_at": self.began,
            "finished_at": time.time(),
        }


def supervise_match(
    tasks: Sequence[Task],
    protocol: MatchProtocol,
    seed: int,
    log: Path | None,
    on_block: OnBlock | None = None,
    together: bool = True,
    room: Room | None = None,
) -> dict[str, Any]:
    """Run a match and tell what happened.

    Args:
        tasks: Its sides, two or more.
        protocol: How.
        seed: Of the order of turns.
        log: Where the processes' own output goes; nowhere unless given.
        on_block: Told of the match so far, as what is returned; until its end its status is
            `killed`, which is what it is if nothing more is heard of it.
        together: Whether all sides live at once.
        room: Whether they can.

    Returns:
        The keys of the match's record that it decides itself: `together`, `apart_because`, `sides`,
        `passes` (of whole blocks), `status`, `error`, `started_at`, `finished_at`.
    """
    match = _Match([_Side(task, protocol, log) for task in tasks], room, together)
    with match.stack:
        with contextlib.suppress(_Failed):
            if together:
                match.load()
            go_on = on_block is None or on_block(match.outcome("killed")) is not False
            for block, order in enumerate(orders(len(tasks), protocol.passes, seed)):
                if not go_on:
                    break
                match.blocks.append([match.turn(k, block) for k in order])
                go_on = on_block is None or on_block(match.outcome("killed")) is not False
        match.finish()
    return match.outcome()
