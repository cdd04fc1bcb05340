"""Subscribers to whom Meta refuses delivery: a stop of marketing messages inside WhatsApp is obeyed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from services.subscriptions.domain.county import County
from services.subscriptions.domain.preferences import MARKETING, STOP
from services.subscriptions.handlers.change_sets import decide_preference
from services.subscriptions.ports import EventPublisher, SubscriberRepository
from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.contracts.events import DeliveryRefused
from shared.contracts.inbound import PreferenceChange
from shared.outcome import Dead, Done, Outcome

STOPPED_MARKETING = 131050  # Meta, "Error codes" (September 2026): the recipient stopped marketing messages


@dataclass(frozen=True, kw_only=True)
class UndeliverableConsumer:
    """Consumer of `delivery.refused`. `count` gets the result of each."""

    subscribers: SubscriberRepository
    publisher: EventPublisher
    county: County
    count: Callable[[str], None]

    async def handle(self, body: bytes) -> Outcome:
        """Obey a stop that a failed delivery reveals; only count anything else. Raises DependencyUnavailable."""
        try:
            envelope = read_envelope(body)
            refused = read_data(envelope, DeliveryRefused)
        except ContractError as error:
            return Dead(str(error))
        person = await self.subscribers.find_addresses(refused.subscriber)
        if refused.code != STOPPED_MARKETING or person is None:
            self.count("refused")
            return Done()
        change = PreferenceChange(person=person, category=MARKETING, value=STOP, at=envelope.time)
        decide = partial(decide_preference, change=change, county=self.county)
        decision = await self.subscribers.process_once(refused.delivery.bytes, person, envelope.time, decide)
        for publication in decision.publications:
            await self.publisher.publish(publication)
        self.count("stopped_marketing")
        return Done()
