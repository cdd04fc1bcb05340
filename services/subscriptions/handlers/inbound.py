"""Handlers of citizens' messages, and of the dispatcher's reports about citizens.

Each is decided once, and answered with the same bytes however often it arrives.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from traceback import extract_tb

import structlog

from services.subscriptions.domain.change_sets import StoredDecision, decide_message, decide_move, decide_preference
from services.subscriptions.domain.county import County
from services.subscriptions.domain.decision import DecisionContext, MessageResult
from services.subscriptions.domain.feedback import (
    AuthorKey,
    build_feedback_received,
    build_reaction,
    find_rated_broadcast,
)
from services.subscriptions.domain.groups import GroupPart, read_group
from services.subscriptions.domain.intents.detection import detect_intent
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent
from services.subscriptions.domain.intents.text import CitizenText
from services.subscriptions.domain.publication import Destination
from services.subscriptions.domain.replies import ReplyBuilder
from services.subscriptions.domain.subscriber import MARKETING, STOP, derive_alternate_keys, derive_key, is_relevant
from services.subscriptions.handlers.fair_queue import FairQueue
from services.subscriptions.ports import EventPublisher, FeedbackRepository, SubscriberRepository
from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.contracts.events import DeliveryRefused, ReactionLocated
from shared.contracts.ids import read_time
from shared.contracts.inbound import IdentityChange, InboundMessage, PreferenceChange
from shared.outcome import Dead, DependencyUnavailable, Done, Outcome, Separate
from shared.runtime.clock import Clock

MAX_CONCURRENT_PARTS = 16
RETRY_DELAY_SECONDS = 10.0
BASE_COST = 32
MAX_INLINE_TEXT_LENGTH = 200
STOPPED_MARKETING = 131050  # Meta, "Error codes" (September 2026): the recipient stopped marketing messages

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class InboundConsumer:
    """Consumer of everything about citizens. `count` gets the result of each new message."""

    subscribers: SubscriberRepository
    feedback: FeedbackRepository
    publisher: EventPublisher
    county: County
    clock: Clock
    author_key: AuthorKey
    count: Callable[[str], None]
    queue: FairQueue = field(default_factory=lambda: FairQueue(MAX_CONCURRENT_PARTS))
    executor: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "intents"))

    async def handle(self, body: bytes) -> Outcome:
        """Handle a group: store, publish, and only then return Done.

        Raises DependencyUnavailable: the whole group has to be handled again.
        """
        try:
            parts = read_group(body)
        except ContractError as error:
            return Dead(str(error))
        results = await asyncio.gather(*map(self._handle_part, parts), return_exceptions=True)
        unavailable = next((error for error in results if isinstance(error, DependencyUnavailable)), None)
        if unavailable:
            raise unavailable
        failed = [(part, error) for part, error in zip(parts, results, strict=True) if error]
        return _split_failed(failed) if failed else Done()

    async def handle_reaction(self, body: bytes) -> Outcome:
        """Store a located reaction as feedback; an empty one removes the previous one. Raises DependencyUnavailable."""
        try:
            reaction = read_data(read_envelope(body), ReactionLocated)
        except ContractError as error:
            return Dead(str(error))
        topic = await self.feedback.find_topic(reaction.broadcast)
        if topic is not None:
            feedback = build_reaction(reaction, topic, self.author_key)
            if await self.feedback.save(feedback, reaction.subscriber):
                await self.publisher.publish(build_feedback_received(feedback))
        return Done()

    async def handle_refusal(self, body: bytes) -> Outcome:
        """Obey a stop that a failed delivery reveals; just count any other refusal. Raises DependencyUnavailable."""
        try:
            envelope = read_envelope(body)
            refusal = read_data(envelope, DeliveryRefused)
        except ContractError as error:
            return Dead(str(error))
        person = await self.subscribers.find_addresses(refusal.subscriber)
        if refusal.code != STOPPED_MARKETING or person is None:
            self.count("refused")
            return Done()
        # The report may be late: what was resumed since the broadcast began stays, unless the next one is refused, too.
        at = min(envelope.time, read_time(refusal.delivery))
        change = PreferenceChange(person=person, category=MARKETING, value=STOP, at=at)
        decide = partial(decide_preference, change=change, county=self.county, received_at=envelope.time)
        decision = await self.subscribers.process_once(refusal.delivery.bytes, person, envelope.time, decide)
        for publication in decision.publications:
            await self.publisher.publish(publication)
        self.count("refused" if decision.result == MessageResult.IGNORED else "stopped_marketing")
        return Done()

    async def _handle_part(self, part: GroupPart) -> None:
        text = part.event.text if isinstance(part.event, InboundMessage) else None
        async with self.queue.take(part.person, BASE_COST + len(text or "")):  # long texts take time to parse
            match part.event:
                case InboundMessage() as message:
                    await self._handle_message(message)
                case PreferenceChange() as change:
                    await self._handle_preference(change, part.envelope.time)
                case IdentityChange() as move:
                    await self._handle_move(move)

    async def _handle_message(self, message: InboundMessage) -> None:
        text = CitizenText(message.text or "")
        parsed = await self._detect_intent(message, text)
        is_reaction = parsed.intent is Intent.REACTION and message.about_key is not None
        rated_broadcast = find_rated_broadcast(parsed)
        context = DecisionContext(
            message=message,
            text=text,
            parsed=parsed,
            replies=ReplyBuilder(self.county),
            now=self.clock(),
            author_key=self.author_key,
            recent_broadcasts=await self.feedback.list_recent_broadcasts(self.clock()) if is_reaction else (),
            rated_topic=await self.feedback.find_topic(rated_broadcast) if rated_broadcast else None,
        )
        decision = await self.subscribers.process_once(
            message.message_key,
            message.sender,
            message.received_at,
            partial(decide_message, context=context),
            history=parsed.intent in (Intent.DATA, Intent.ERASE),
            sent_at=context.moment.at,
            unsubscribes=parsed.intent in (Intent.STOP, Intent.ERASE),
            trial_code=parsed.value if parsed.intent is Intent.TRIAL else "",
        )
        await self._publish(message.message_key, decision)

    async def _detect_intent(self, message: InboundMessage, text: CitizenText) -> ParsedIntent:
        """Detect the intent; a long text takes milliseconds, so a thread parses it while the loop serves the broker."""
        if len(text.raw) <= MAX_INLINE_TEXT_LENGTH:
            return detect_intent(message, text, self.county)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, detect_intent, message, text, self.county)

    async def _handle_preference(self, change: PreferenceChange, received_at: datetime) -> None:
        if not is_relevant(change):
            return
        decide = partial(decide_preference, change=change, county=self.county, received_at=received_at)
        key, others = derive_key(change), derive_alternate_keys(change)
        decision = await self.subscribers.process_once(key, change.person, received_at, decide, alternate_keys=others)
        await self._publish(key, decision)

    async def _handle_move(self, change: IdentityChange) -> None:
        decide = partial(decide_move, change=change, author_key=self.author_key)
        decision = await self.subscribers.process_once(
            change.message_key, change.after, change.received_at, decide, former=change.before, history=True
        )
        await self._publish(change.message_key, decision)

    async def _publish(self, message_key: bytes, decision: StoredDecision) -> None:
        """Publish; then drop publications with the words of feedback or an erased person's addresses.

        Otherwise a redelivery would repeat them.
        """
        for publication in decision.publications:
            await self.publisher.publish(publication)
        if not decision.duplicate:
            self.count(decision.result)
        if decision.result == MessageResult.FEEDBACK:
            replies = tuple(reply for reply in decision.publications if reply.destination is Destination.DISPATCH)
            await self.subscribers.trim_stored_replies(message_key, replies)
        elif decision.result == MessageResult.ERASED:
            await self.subscribers.trim_stored_replies(message_key, ())


def _split_failed(failed: Sequence[tuple[GroupPart, BaseException]]) -> Separate:
    """Return each failed part as a separate message, so that it delays nobody else."""
    for _, error in failed:
        _log.error("message_failed", error=type(error).__name__, where=_extract_locations(error))
    errors = sorted({type(error).__name__ for _, error in failed})
    parts = {part.identifier: part.encode_alone() for part, _ in failed}
    return Separate(parts, RETRY_DELAY_SECONDS, f"unexpected {', '.join(errors)}")


def _extract_locations(error: BaseException) -> list[str]:
    """Return the locations of an error without its text, which may repeat a citizen's words."""
    return [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
