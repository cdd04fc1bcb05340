"""Consumer of our own events: what became of notices, broadcasts and subscriptions, and what citizens say."""

from dataclasses import dataclass

from services.newsroom.domain.listening import WHOLE_CHANNEL
from services.newsroom.ports import EventRecords
from shared.contracts.envelope import ContractError, Envelope, read_envelope, read_message
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    FeedbackErased,
    FeedbackReceived,
    NoticeAccepted,
    NoticeRejected,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.message import Message
from shared.outcome import Dead, Done, InvalidDataError, Outcome


@dataclass(frozen=True, kw_only=True)
class NewsroomEventHandler:
    """Idempotent handler of one event at a time, in any order."""

    records: EventRecords

    async def handle(self, body: bytes) -> Outcome:
        """Record one event. Raises DependencyUnavailable."""
        try:
            envelope = read_envelope(body)
            message = read_message(envelope)
        except ContractError as error:
            return Dead(str(error))
        try:
            is_known = await self._record(envelope, message)
        except InvalidDataError as error:
            return Dead(f"{message.TYPE}: {error}")
        return Done() if is_known else Dead(f"unexpected {message.TYPE}")

    async def _record(self, envelope: Envelope, message: Message) -> bool:
        """Return False for an event that does not concern the newsroom."""
        match message:
            case NoticeAccepted():
                await self.records.record_accepted(message, envelope.time)
            case NoticeRejected():
                await self.records.record_rejected(message, envelope.time)
            case BroadcastStarted():
                await self.records.record_started(message, envelope.time)
            case BroadcastProgressed() | BroadcastFinished():
                await self.records.record_progress(message, envelope.time)
            case BroadcastCancelled():
                await self.records.record_cancelled(message, envelope.time)
            case FeedbackReceived():
                await self.records.record_feedback(message)
            case FeedbackErased():
                await self.records.delete_feedback(message.feedback)
            case _:
                return await self._count(envelope, message)
        return True

    async def _count(self, envelope: Envelope, message: Message) -> bool:
        started: tuple[str, ...] = ()
        ended: tuple[str, ...] = ()
        match message:
            case SubscriptionStarted(topics=topics):
                started = (WHOLE_CHANNEL, *topics)
            case SubscriptionEnded(topic=topic):
                ended = (topic or WHOLE_CHANNEL,)
            case SubscriptionChanged():
                return True  # says what a subscriber has now, not what changed
            case _:
                return False
        hour = envelope.time.replace(minute=0, second=0, microsecond=0)
        await self.records.count_subscriptions(envelope.id, hour, started, ended)
        return True
