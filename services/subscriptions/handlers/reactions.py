"""Reactions whose broadcast the dispatcher has located."""

from dataclasses import dataclass, replace

from services.subscriptions.domain.feedback import AuthorKey, build_feedback_received, build_reaction
from services.subscriptions.ports import EventPublisher, FeedbackRepository
from shared.contracts.envelope import ContractError, decode
from shared.contracts.events import ReactionLocated
from shared.outcome import Dead, Done, Outcome


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
            await self.feedback.save(feedback)
            await self.publisher.publish(build_feedback_received(feedback))
        return Done()
