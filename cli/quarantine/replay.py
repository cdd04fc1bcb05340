"""A part of a webhook, quarantined, through today's understanding, and what is found onto the broker.

A replay may be repeated: whoever reads it knows by its keys that it has been there. That memory is not for ever, so
what is older than it is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from cli.quarantine.items import QuarantinedWebhook
from services.ingress.adapters.outbox import SOURCE
from services.ingress.domain.addresses import Rules
from services.ingress.domain.event_groups import build_group_message, split_by_type
from services.ingress.domain.findings import Event, ParsedWebhook, ProblemKind
from services.ingress.domain.translate import parse_webhook
from shared.amqp.publisher import Publisher
from shared.amqp.topology import INBOUND
from shared.contracts.envelope import encode
from shared.contracts.inbound import IdentityChange, InboundMessage
from shared.contracts.message import Message
from shared.encryption import BlindIndexKey, KeyRing

# Shorter than subscriptions remembers which messages it has handled.
MAX_AGE = timedelta(days=8)
MAX_EVENTS_PER_GROUP = 100


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """What came of it. Only what left no problem and nothing too old is done with."""

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
    """Publishes as the ingress would; every publish is confirmed."""

    publisher: Publisher
    ring: KeyRing
    index: BlindIndexKey
    phone_number_id: str
    account_id: str | None

    async def replay(self, webhook: QuarantinedWebhook, now: datetime) -> ReplayResult:
        """Publish what can be parsed now. Raises CannotDecryptError, BrokerUnavailable, Unroutable: repeat it."""
        understood = parse_webhook(webhook.decrypt(self.ring), self._build_rules(webhook))
        unheard = select_unpublished(webhook, understood)
        fresh = [event for event in unheard if not is_too_old(event, now)]
        for number, group in enumerate(group_events(fresh)):
            identifier = str(uuid5(NAMESPACE_OID, f"{webhook.queued.message_id}/{number}"))
            body = encode(group, event_id=identifier, source=SOURCE, time=now)
            await self.publisher.publish(INBOUND, group.KEY, body, message_id=identifier)
        return ReplayResult(
            published=len(fresh),
            ignored=len(understood.ignored),
            too_old=len(unheard) - len(fresh),
            problems=tuple(problem.reason for problem in understood.problems),
        )

    def _build_rules(self, webhook: QuarantinedWebhook) -> Rules:
        return Rules(
            phone_number_id=self.phone_number_id,
            account_id=self.account_id,
            received_at=webhook.message.received_at,
            encrypt=self.ring.encrypt,
            index=self.index,
        )


def select_unpublished(webhook: QuarantinedWebhook, understood: ParsedWebhook) -> Sequence[Event]:
    """Return what nobody has heard yet.

    What was heard without a field is heard again once the field is understood, but no message is: its text is not here.
    """
    if webhook.message.kind != ProblemKind.BROKEN_FIELD:
        return understood.events
    if understood.problems:
        return ()
    return [event for event in understood.events if not isinstance(event, InboundMessage | IdentityChange)]


def is_too_old(event: Event, now: datetime) -> bool:
    """Whether somebody may have handled it and forgotten that: the person may have changed their mind since."""
    match event:
        case InboundMessage(sent_at=at) | IdentityChange(at=at):
            return now - at > MAX_AGE
        case _:
            return False


def group_events(events: Sequence[Event]) -> Iterator[Message]:
    """The messages that carry them, each of one type."""
    for same in split_by_type(events).values():
        for start in range(0, len(same), MAX_EVENTS_PER_GROUP):
            yield build_group_message(same[start : start + MAX_EVENTS_PER_GROUP])
