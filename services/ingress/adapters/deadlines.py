"""Answers in time for all that wait: a timer for each webhook would cost a good part of handling it."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.ingress.adapters.group_commit import Confirmation, resolve_all

STEPS = 20


@dataclass
class Deadlines:
    """Whoever has no answer after so many seconds, and at most a twentieth more, gets False. Run `work` once."""

    seconds: float
    _new: list[Confirmation] = field(default_factory=list, init=False)
    _old: deque[list[Confirmation]] = field(default_factory=deque, init=False)

    def watch(self, answers: Iterable[Confirmation]) -> None:
        self._new.extend(answers)

    async def work(self) -> None:
        """Step by step, for ever; what has its answer by the next step is not kept."""
        while True:
            await asyncio.sleep(self.seconds / STEPS)
            self._old.append([answer for answer in self._new if not answer.done()])
            self._new.clear()
            if len(self._old) > STEPS:
                resolve_all(self._old.popleft(), False)
