"""Dead letters: citizens' messages that could not be handled, stored and replayed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.subscriptions.domain.groups import read_group
from services.subscriptions.ports import DeadLetterRepository
from shared.contracts.envelope import ContractError
from shared.outcome import Dead, DependencyUnavailable, Done, Outcome, RetryLater, Separate

REPLAY_INTERVAL_SECONDS = 2.0

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class DeadLetterHandler:
    """Storage and replay of dead letters; `handle` processes one group."""

    letters: DeadLetterRepository
    handle: Callable[[bytes], Awaitable[Outcome]]

    async def store(self, body: bytes, reason: str) -> Outcome:
        """Store each part on its own. Raises DependencyUnavailable on any error: the message must not get lost."""
        try:
            await self._store_parts(body, reason)
        except DependencyUnavailable:
            raise
        except Exception as error:
            raise DependencyUnavailable(f"cannot store a dead letter: {type(error).__name__}") from None
        return Done()

    async def _store_parts(self, body: bytes, reason: str) -> None:
        try:
            parts = read_group(body)
        except ContractError:
            await self.letters.save(body, reason)
            return
        for part in parts:
            await self.letters.save(part.encode_alone(), reason, part.person, part.moment)

    async def replay(self) -> None:
        """Replay what an operator requested; what fails again stays. Raises DependencyUnavailable."""
        for letter, body in (await self.letters.list_due()).items():
            match await self.handle(body):
                case Dead(reason) | RetryLater(_, reason) | Separate(_, _, reason):
                    await self.letters.fail(letter, reason)
                case _:
                    await self.letters.remove(letter)
                    _log.info("dead_letter_handled")
