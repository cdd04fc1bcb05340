"""Dead letters of citizens: stored one by one, and replayed when an operator requests it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.subscriptions.domain.groups import split_group
from services.subscriptions.ports import DeadLetterRepository
from shared.contracts.envelope import ContractError, read_envelope, read_message
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
            raise DependencyUnavailable(f"cannot keep a dead letter: {type(error).__name__}") from None
        return Done()

    async def _store_parts(self, body: bytes, reason: str) -> None:
        try:
            envelope = read_envelope(body)
            parts = split_group(read_message(envelope))
        except ContractError:
            await self.letters.save(body, reason)
            return
        for part in parts:
            await self.letters.save(part.encode_alone(envelope), reason, part.person, part.moment)

    async def replay(self) -> None:
        """Replay what an operator requested; what fails again stays. Raises DependencyUnavailable."""
        for letter in await self.letters.list_due():
            match await self.handle(letter.body):
                case Dead(reason) | RetryLater(_, reason) | Separate(_, _, reason):
                    await self.letters.fail(letter.id, reason)
                case _:
                    await self.letters.remove(letter.id)
                    _log.info("dead_letter_handled")
