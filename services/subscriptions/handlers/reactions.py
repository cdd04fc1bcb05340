"""Reactions whose broadcast the dispatcher has found."""

from dataclasses import dataclass, replace

from services.subscriptions.domain.feedback import AuthorKey, reaction_of, received
from services.subscriptions.ports import Opinions, Outlet
from shared.contracts.envelope import ContractError, decode
from shared.contracts.events import ReactionLocated
from shared.outcome import Dead, Done, Outcome


@dataclass(frozen=True, kw_only=True)
class Reactions:
    """Keeps what people think of a broadcast."""

    opinions: Opinions
    outlet: Outlet
    key: AuthorKey

    async def handle(self, body: bytes) -> Outcome:
        """One reaction; an empty one takes the last one back. Raises DependencyAway."""
        try:
            located = decode(body)
        except ContractError as error:
            return Dead(str(error))
        if not isinstance(located, ReactionLocated):
            return Dead(f"unexpected {located.TYPE}")
        topic = await self.opinions.topic(located.broadcast)
        if topic is not None:
            feedback = replace(reaction_of(located, self.key), topic=topic)
            await self.opinions.save(feedback)
            await self.outlet.publish(received(feedback))
        return Done()
