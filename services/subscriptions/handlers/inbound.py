"""What citizens said: decided once, answered with the same bytes however often it arrives."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from traceback import extract_tb
from uuid import UUID

import structlog

from services.subscriptions.domain.answers import Answers
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import Result
from services.subscriptions.domain.feedback import rated
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.understanding import readable, understand
from services.subscriptions.domain.preferences import concerns_us, key_of
from services.subscriptions.domain.publication import Destination
from services.subscriptions.domain.subscriber import indexes
from services.subscriptions.handlers.deciding import Hearing, decide_message, decide_move, decide_preference
from services.subscriptions.handlers.turns import Turns
from services.subscriptions.ports import Opinions, Outlet, People, Settled
from shared.contracts.envelope import ContractError, Envelope, encode, read_envelope, read_message
from shared.contracts.inbound import (
    IdentityChange,
    IdentityChanges,
    InboundMessage,
    InboundMessages,
    PreferenceChange,
    PreferenceChanges,
)
from shared.contracts.message import Message
from shared.outcome import Dead, DependencyAway, Done, Outcome, Separate
from shared.runtime.clock import Clock

AT_ONCE = 16
RETRY_DELAY_SECONDS = 10.0
# What a message costs in its turn: this much, and its characters, which take time to understand.
BASE_COST = 32
LONGEST_PREFIX = 190

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A part of a group: of whom it is, how to handle it, and the group that holds it alone."""

    person: tuple[bytes, ...]
    handle: Callable[[], Awaitable[None]]
    alone: Message
    cost: int = BASE_COST


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """Handles the groups of one queue. `count` gets what became of each message that is new."""

    people: People
    opinions: Opinions
    outlet: Outlet
    county: County
    clock: Clock
    count: Callable[[str], None]
    turns: Turns = field(default_factory=lambda: Turns(AT_ONCE))

    async def handle(self, body: bytes) -> Outcome:
        """Store, publish, and only then report done. Raises DependencyAway: handle the group again."""
        try:
            envelope = read_envelope(body)
            items = self._items(read_message(envelope))
        except ContractError as error:
            return Dead(str(error))
        results = await asyncio.gather(*map(self._in_turn, items), return_exceptions=True)
        away = next((error for error in results if isinstance(error, DependencyAway)), None)
        if away:
            raise away
        failed = {number: error for number, error in enumerate(results) if error}
        return _separate(envelope, items, failed) if failed else Done()

    def _items(self, group: Message) -> list[_Item]:
        match group:
            case InboundMessages(messages=messages):
                return [self._item_of(readable(message)) for message in messages if indexes(message.sender)]
            case PreferenceChanges(changes=changes):
                concerning = [change for change in changes if concerns_us(change) and indexes(change.person)]
                return [
                    _Item(
                        person=indexes(change.person),
                        handle=partial(self._preference, change),
                        alone=PreferenceChanges(changes=(change,)),
                    )
                    for change in concerning
                ]
            case IdentityChanges(changes=moves):
                return [
                    _Item(
                        person=(*indexes(move.before), *indexes(move.after)),
                        handle=partial(self._move, move),
                        alone=IdentityChanges(changes=(move,)),
                    )
                    for move in moves
                ]
            case _:
                raise ContractError(f"unexpected {group.TYPE}")

    def _item_of(self, message: InboundMessage) -> _Item:
        return _Item(
            person=indexes(message.sender),
            handle=partial(self._message, message),
            alone=InboundMessages(messages=(message,)),
            cost=BASE_COST + len(message.text or ""),
        )

    async def _in_turn(self, item: _Item) -> None:
        async with self.turns.take(item.person, item.cost):
            await item.handle()

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

    async def _preference(self, change: PreferenceChange) -> None:
        decide = partial(decide_preference, change=change, county=self.county)
        await self._tell(await self.people.once(key_of(change), change.person, self.clock(), decide))

    async def _move(self, change: IdentityChange) -> None:
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


def _separate(envelope: Envelope, items: Sequence[_Item], failed: Mapping[int, BaseException]) -> Separate:
    """Each that failed is a message of its own from now on, so that it holds up nobody else."""
    parts: dict[str, bytes] = {}
    for number, error in failed.items():
        _log.error("message_failed", error=type(error).__name__, where=_where(error))
        identifier = envelope.id if len(items) == 1 else f"{envelope.id[:LONGEST_PREFIX]}.{number}"
        parts[identifier] = encode(items[number].alone, event_id=identifier, source=envelope.source, time=envelope.time)
    kinds = sorted({type(error).__name__ for error in failed.values()})
    return Separate(parts, RETRY_DELAY_SECONDS, f"unexpected {', '.join(kinds)}")


def _where(error: BaseException) -> list[str]:
    """The places of a failure; its text may repeat what a citizen wrote."""
    return [f"{Path(each.filename).name}:{each.lineno}" for each in extract_tb(error.__traceback__)]
