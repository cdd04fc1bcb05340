"""Replay of a quarantined webhook: parse it with this version and publish its events.

A replay may be repeated: consumers recognise handled events by their keys. They remember these for a limited time, so
older events are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from cli.quarantine.items import QuarantineItem
from services.ingress.webhook.addresses import Rules
from services.ingress.webhook.events import Event, ParsedWebhook, ProblemKind, build_group_message, split_by_type
from services.ingress.webhook.outbox import SOURCE
from services.ingress.webhook.translate import parse_webhook
from shared.amqp.publisher import Publisher
from shared.amqp.topology import INBOUND
from shared.contracts.envelope import encode
from shared.contracts.inbound import IdentityChange, InboundMessage, WebhookQuarantined
from shared.contracts.message import Message
from shared.encryption import BlindIndexKey, KeyRing

# Shorter than the time for which subscriptions remembers handled messages.
MAX_AGE = timedelta(days=8)
MAX_EVENTS_PER_GROUP = 100


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """Result of a replay; it is complete only without problems and without events that are too old."""

    published: int = 0
    ignored: int = 0
    too_old: int = 0
    problems: tuple[str, ...] = ()
    sent_back: bool = False

    @property
    def complete(self) -> bool:
        return not self.problems and not self.too_old


@dataclass(frozen=True, kw_only=True)
class Replayer:
    """Publisher of replayed events in the way of the ingress; every publish is confirmed."""

    publisher: Publisher
    ring: KeyRing
    index: BlindIndexKey
    phone_number_id: str
    account_id: str | None

    async def replay(self, item: QuarantineItem, webhook: WebhookQuarantined, now: datetime) -> ReplayResult:
        """Publish the events of the item's webhook that can be parsed now.

        Raises CannotDecryptError, BrokerUnavailable or Unroutable; then repeat it.
        """
        understood = parse_webhook(item.decrypt(self.ring), self._build_rules(webhook))
        unheard = select_unpublished(webhook, understood)
        fresh = [event for event in unheard if not is_too_old(event, now)]
        for number, group in enumerate(group_events(fresh)):
            identifier = str(uuid5(NAMESPACE_OID, f"{item.queued.message_id}/{number}"))
            body = encode(group, event_id=identifier, source=SOURCE, time=now)
            await self.publisher.publish(INBOUND, group.KEY, body, message_id=identifier)
        return ReplayResult(
            published=len(fresh),
            ignored=len(understood.ignored),
            too_old=len(unheard) - len(fresh),
            problems=tuple(problem.reason for problem in understood.problems),
        )

    def _build_rules(self, webhook: WebhookQuarantined) -> Rules:
        return Rules(
            phone_number_id=self.phone_number_id,
            account_id=self.account_id,
            received_at=webhook.received_at,
            encrypt=self.ring.encrypt,
            index=self.index,
        )


def select_unpublished(webhook: WebhookQuarantined, understood: ParsedWebhook) -> Sequence[Event]:
    """Return the events that were not published before.

    Events published without a broken field are published again once the field can be parsed, except messages, whose
    text is not in the quarantined part.
    """
    if webhook.kind != ProblemKind.BROKEN_FIELD:
        return understood.events
    if understood.problems:
        return ()
    return [event for event in understood.events if not isinstance(event, InboundMessage | IdentityChange)]


def is_too_old(event: Event, now: datetime) -> bool:
    """Return whether a consumer may have handled the event and purged its key: the person may have decided anew."""
    match event:
        case InboundMessage(sent_at=at) | IdentityChange(at=at):
            return now - at > MAX_AGE
        case _:
            return False


def group_events(events: Sequence[Event]) -> Iterator[Message]:
    """Yield messages of at most 100 events, each of one type."""
    for same in split_by_type(events).values():
        for start in range(0, len(same), MAX_EVENTS_PER_GROUP):
            yield build_group_message(same[start : start + MAX_EVENTS_PER_GROUP])
