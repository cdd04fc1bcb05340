"""Events of the dispatcher: reactions whose broadcast it has located, and subscribers to whom Meta refuses delivery."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from services.subscriptions.domain.change_sets import decide_preference
from services.subscriptions.domain.county import County
from services.subscriptions.domain.feedback import AuthorKey, build_feedback_received, build_reaction
from services.subscriptions.domain.subscriber import MARKETING, STOP
from services.subscriptions.ports import EventPublisher, FeedbackRepository, SubscriberRepository
from shared.contracts.envelope import ContractError, decode, read_data, read_envelope
from shared.contracts.events import DeliveryRefused, ReactionLocated
from shared.contracts.inbound import PreferenceChange
from shared.outcome import Dead, Done, Outcome

STOPPED_MARKETING = 131050  # Meta, "Error codes" (September 2026): the recipient stopped marketing messages


@dataclass(frozen=True, kw_only=True)
class ReactionConsumer:
    """Consumer that stores reactions as feedback on a broadcast."""

    feedback: FeedbackRepository
    publisher: EventPublisher
    author_key: AuthorKey

    async def handle(self, body: bytes) -> Outcome:
        """Store one reaction; an empty one removes the previous one. Raises DependencyUnavailable."""
        try:
            located = decode(body)
        except ContractError as error:
            return Dead(str(error))
        if not isinstance(located, ReactionLocated):
            return Dead(f"unexpected {located.TYPE}")
        topic = await self.feedback.find_topic(located.broadcast)
        if topic is not None:
            feedback = replace(build_reaction(located, self.author_key), topic=topic)
            if await self.feedback.save(feedback, located.subscriber):
                await self.publisher.publish(build_feedback_received(feedback))
        return Done()


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
