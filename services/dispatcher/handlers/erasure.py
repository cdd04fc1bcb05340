"""Citizens who had everything deleted, and reactions whose message the ledger knows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.dispatcher.ports import ContactBook, People
from shared.contracts.envelope import ContractError
from shared.contracts.events import ReactionLocated, ReactionReceived, SubscriberErased
from shared.contracts.ids import delivery_id
from shared.contracts.message import Message
from shared.runtime.message_handler import MessageHandler

ERASE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class PeopleHandler(MessageHandler):
    """Handles what subscriptions asks us about people."""

    people: People
    publish: Callable[[Message], Awaitable[None]]

    async def _act(self, message: Message) -> None:
        match message:
            case SubscriberErased():
                await self.people.remember(message)
            case ReactionReceived():
                await self._locate(message)
            case _:
                raise ContractError(f"unexpected type {message.TYPE}")

    async def _locate(self, reaction: ReactionReceived) -> None:
        """A reaction to something else than a broadcast, such as a reply, is nobody's opinion of one."""
        candidates = [delivery_id(broadcast, reaction.subscriber) for broadcast in reaction.broadcasts]
        broadcast = await self.people.find(candidates, reaction.about_key)
        if broadcast is not None:
            await self.publish(
                ReactionLocated(
                    reaction=reaction.reaction,
                    subscriber=reaction.subscriber,
                    broadcast=broadcast,
                    value=reaction.value,
                    at=reaction.at,
                )
            )


@dataclass(frozen=True, kw_only=True)
class Eraser:
    """Finishes erasures: at Meta, and in the ledger once nothing has to be sent to the address any more."""

    people: People
    contact_book: ContactBook

    async def run(self) -> None:
        """Everything that is due. Raises DependencyAway."""
        for erasure in await self.people.due():
            if erasure.user is not None and await self.contact_book.forget(erasure.user):
                await self.people.told_meta(erasure)
            await self.people.erase(erasure)
