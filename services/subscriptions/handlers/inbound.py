"""What citizens said: decided once, answered with the same bytes however often it arrives."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from services.subscriptions.domain.answers import Answers
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import Result
from services.subscriptions.domain.feedback import rated
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.understanding import understand
from services.subscriptions.domain.preferences import concerns_us, key_of
from services.subscriptions.domain.publication import Destination
from services.subscriptions.domain.subscriber import indexes
from services.subscriptions.domain.waves import waves
from services.subscriptions.handlers.deciding import Hearing, decide_message, decide_move, decide_preference
from services.subscriptions.ports import Opinions, Outlet, People, Settled
from shared.contracts.envelope import ContractError, decode
from shared.contracts.inbound import (
    IdentityChange,
    IdentityChanges,
    InboundMessage,
    InboundMessages,
    PreferenceChange,
    PreferenceChanges,
)
from shared.outcome import Dead, DependencyAway, Done, Outcome
from shared.runtime.clock import Clock

WAVE = 8


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """Handles the groups of one queue. `count` gets what became of each message that is new."""

    people: People
    opinions: Opinions
    outlet: Outlet
    county: County
    clock: Clock
    count: Callable[[str], None]

    async def handle(self, body: bytes) -> Outcome:
        """Store, publish, and only then report done. Raises DependencyAway: handle the group again."""
        try:
            group = decode(body)
        except ContractError as error:
            return Dead(str(error))
        match group:
            case InboundMessages(messages=messages):
                await self._messages([message for message in messages if indexes(message.sender)])
            case PreferenceChanges(changes=changes):
                await self._preferences(changes)
            case IdentityChanges(changes=moves):
                await self._moves(moves)
            case _:
                return Dead(f"unexpected {group.TYPE}")
        return Done()

    async def _messages(self, messages: list[InboundMessage]) -> None:
        """A message that fails does not keep the others of its group from being handled."""
        failures: list[BaseException] = []
        for wave in waves(messages, WAVE):
            results = await asyncio.gather(*map(self._message, wave), return_exceptions=True)
            failures += [result for result in results if result is not None]
            away = next((error for error in failures if isinstance(error, DependencyAway)), None)
            if away:
                raise away
        if failures:
            raise failures[0]

    async def _message(self, message: InboundMessage) -> None:
        wish = understand(message, self.county)
        hearing = Hearing(
            message=message,
            wish=wish,
            answers=Answers(self.county),
            now=self.clock(),
            recent=await self._recent(wish.intent, message),
            topics=await self._rated(wish),
        )
        settled = await self.people.once(
            message.message_key,
            message.sender,
            message.received_at,
            partial(decide_message, hearing=hearing),
            history=wish.intent in (Intent.DATA, Intent.ERASE),
        )
        await self._tell(settled)
        if settled.result == Result.FEEDBACK:
            # The words are kept as feedback, and not a second time for the case that the message comes again.
            answers = tuple(each for each in settled.publications if each.destination is Destination.DISPATCH)
            await self.people.keep_only(message.message_key, answers)

    async def _recent(self, intent: Intent, message: InboundMessage) -> tuple[UUID, ...]:
        reacts = intent is Intent.REACTION and message.about_key is not None
        return await self.opinions.recent(self.clock()) if reacts else ()

    async def _rated(self, wish: Wish) -> tuple[tuple[UUID, str], ...]:
        broadcast = rated(wish)
        topic = await self.opinions.topic(broadcast) if broadcast else None
        return ((broadcast, topic),) if broadcast and topic else ()

    async def _preferences(self, changes: tuple[PreferenceChange, ...]) -> None:
        for change in changes:
            if concerns_us(change) and indexes(change.person):
                decide = partial(decide_preference, change=change, county=self.county)
                await self._tell(await self.people.once(key_of(change), change.person, self.clock(), decide))

    async def _moves(self, changes: tuple[IdentityChange, ...]) -> None:
        for change in changes:
            decide = partial(decide_move, change=change)
            settled = await self.people.once(
                change.message_key, change.after, change.received_at, decide, former=change.before
            )
            await self._tell(settled)

    async def _tell(self, settled: Settled) -> None:
        for publication in settled.publications:
            await self.outlet.publish(publication)
        if not settled.again:
            self.count(settled.result)
