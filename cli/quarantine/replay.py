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
from services.ingress.domain.findings import Event, ProblemKind, Understood
from services.ingress.domain.groups import by_type, group_of
from services.ingress.domain.translate import understand
from shared.amqp.publisher import Publisher
from shared.amqp.topology import INBOUND
from shared.contracts.envelope import encode
from shared.contracts.inbound import IdentityChange, InboundMessage
from shared.contracts.message import Message
from shared.sealing import IndexKey, KeyRing

# Shorter than subscriptions remembers which messages it has handled.
OLDEST = timedelta(days=8)
EVENTS_IN_A_GROUP = 100


@dataclass(frozen=True, kw_only=True)
class Replayed:
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
    index: IndexKey
    phone_number_id: str
    account_id: str | None

    async def replay(self, webhook: QuarantinedWebhook, now: datetime) -> Replayed:
        """Publish what is understood now. Raises NotOpened, BrokerAway, Unroutable; all may be repeated."""
        understood = understand(webhook.open(self.ring), self._rules(webhook))
        unheard = unheard_events(webhook, understood)
        fresh = [event for event in unheard if not is_too_old(event, now)]
        for number, group in enumerate(groups_of(fresh)):
            identifier = str(uuid5(NAMESPACE_OID, f"{webhook.kept.message_id}/{number}"))
            body = encode(group, event_id=identifier, source=SOURCE, time=now)
            await self.publisher.publish(INBOUND, group.KEY, body, message_id=identifier)
        return Replayed(
            published=len(fresh),
            ignored=len(understood.ignored),
            too_old=len(unheard) - len(fresh),
            problems=tuple(problem.reason for problem in understood.problems),
        )

    def _rules(self, webhook: QuarantinedWebhook) -> Rules:
        return Rules(
            phone_number_id=self.phone_number_id,
            account_id=self.account_id,
            received_at=webhook.message.received_at,
            seal=self.ring.seal,
            index=self.index,
        )


def unheard_events(webhook: QuarantinedWebhook, understood: Understood) -> Sequence[Event]:
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
            return now - at > OLDEST
        case _:
            return False


def groups_of(events: Sequence[Event]) -> Iterator[Message]:
    """The messages that carry them, each of one type."""
    for same in by_type(events).values():
        for start in range(0, len(same), EVENTS_IN_A_GROUP):
            yield group_of(same[start : start + EVENTS_IN_A_GROUP])
