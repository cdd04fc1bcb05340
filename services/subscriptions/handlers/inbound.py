"""What citizens said: decided once, answered with the same bytes however often it arrives."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from traceback import extract_tb
from uuid import UUID

import structlog

from services.subscriptions.domain.answers import Answers
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import Result
from services.subscriptions.domain.feedback import AuthorKey, rated
from services.subscriptions.domain.groups import Part, parts_of
from services.subscriptions.domain.language.intents import Intent, Wish
from services.subscriptions.domain.language.understanding import understand
from services.subscriptions.domain.preferences import concerns_us, key_of, keys_also
from services.subscriptions.domain.publication import Destination
from services.subscriptions.handlers.deciding import Hearing, decide_message, decide_move, decide_preference
from services.subscriptions.handlers.turns import Turns
from services.subscriptions.ports import Opinions, Outlet, People, Settled
from shared.contracts.envelope import ContractError, Envelope, read_envelope, read_message
from shared.contracts.inbound import IdentityChange, InboundMessage, PreferenceChange
from shared.outcome import Dead, DependencyAway, Done, Outcome, Separate
from shared.runtime.clock import Clock

AT_ONCE = 16
RETRY_DELAY_SECONDS = 10.0
BASE_COST = 32
SHORT_TEXT = 200

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Inbound:
    """Handles the groups of one queue. `count` gets what became of each message that is new."""

    people: People
    opinions: Opinions
    outlet: Outlet
    county: County
    clock: Clock
    key: AuthorKey
    count: Callable[[str], None]
    turns: Turns = field(default_factory=lambda: Turns(AT_ONCE))
    thread: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "understanding"))

    async def handle(self, body: bytes) -> Outcome:
        """Store, publish, and only then report done. Raises DependencyAway: handle the group again."""
        try:
            envelope = read_envelope(body)
            parts = parts_of(read_message(envelope))
        except ContractError as error:
            return Dead(str(error))
        results = await asyncio.gather(*map(self._in_turn, parts), return_exceptions=True)
        away = next((error for error in results if isinstance(error, DependencyAway)), None)
        if away:
            raise away
        failed = [(part, error) for part, error in zip(parts, results, strict=True) if error]
        return _separate(envelope, failed) if failed else Done()

    async def _in_turn(self, part: Part) -> None:
        async with self.turns.take(part.person, cost_of(part)):
            match part.event:
                case InboundMessage() as message:
                    await self._message(message)
                case PreferenceChange() as change:
                    await self._preference(change)
                case IdentityChange() as move:
                    await self._move(move)

    async def _message(self, message: InboundMessage) -> None:
        wish = await self._understand(message)
        hearing = Hearing(
            message=message,
            wish=wish,
            answers=Answers(self.county),
            now=self.clock(),
            key=self.key,
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

    async def _understand(self, message: InboundMessage) -> Wish:
        """What it asks for. Long texts take their milliseconds beside the event loop, which has the broker to hear."""
        if len(message.text or "") <= SHORT_TEXT:
            return understand(message, self.county)
        return await asyncio.get_running_loop().run_in_executor(self.thread, understand, message, self.county)

    async def _recent(self, intent: Intent, message: InboundMessage) -> tuple[UUID, ...]:
        reacts = intent is Intent.REACTION and message.about_key is not None
        return await self.opinions.recent(self.clock()) if reacts else ()

    async def _rated(self, wish: Wish) -> tuple[tuple[UUID, str], ...]:
        broadcast = rated(wish)
        topic = await self.opinions.topic(broadcast) if broadcast else None
        return ((broadcast, topic),) if broadcast and topic else ()

    async def _preference(self, change: PreferenceChange) -> None:
        if not concerns_us(change):
            return
        decide = partial(decide_preference, change=change, county=self.county)
        settled = await self.people.once(
            key_of(change), change.person, self.clock(), decide, keys_also=keys_also(change)
        )
        await self._tell(settled)

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


def cost_of(part: Part) -> int:
    """What a part costs in its turn: long texts take time to understand."""
    text = part.event.text if isinstance(part.event, InboundMessage) else None
    return BASE_COST + len(text or "")


def _separate(envelope: Envelope, failed: Sequence[tuple[Part, BaseException]]) -> Separate:
    """Each that failed is a message of its own from now on, so that it holds up nobody else."""
    for _, error in failed:
        _log.error("message_failed", error=type(error).__name__, where=_places_of(error))
    kinds = sorted({type(error).__name__ for _, error in failed})
    parts = {part.identifier: part.encoded(envelope) for part, _ in failed}
    return Separate(parts, RETRY_DELAY_SECONDS, f"unexpected {', '.join(kinds)}")


def _places_of(error: BaseException) -> list[str]:
    """Where it failed, and not its text, which may repeat what a citizen wrote."""
    return [f"{Path(each.filename).name}:{each.lineno}" for each in extract_tb(error.__traceback__)]
