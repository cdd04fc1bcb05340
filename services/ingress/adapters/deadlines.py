"""Shared timeouts of pending confirmations; a timer for each webhook would be a large part of its cost."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.ingress.adapters.group_commit import Confirmation, resolve_all

STEPS = 20


@dataclass
class Deadlines:
    """Timeout of confirmations: those pending after `seconds` (up to 5 % later) resolve to False. Run `work` once."""

    seconds: float
    _new: list[Confirmation] = field(default_factory=list, init=False)
    _old: deque[list[Confirmation]] = field(default_factory=deque, init=False)

    def watch(self, answers: Iterable[Confirmation]) -> None:
        self._new.extend(answers)

    async def work(self) -> None:
        """Expire confirmations step by step, forever; those that are done by the next step are dropped."""
        while True:
            await asyncio.sleep(self.seconds / STEPS)
            self._old.append([answer for answer in self._new if not answer.done()])
            self._new.clear()
            if len(self._old) > STEPS:
                resolve_all(self._old.popleft(), False)
