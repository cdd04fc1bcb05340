"""Withdrawals and cancellations: effective from the commit on, for everything that is queued."""

from services.dispatcher.ports import Ledger
from shared.contracts.dispatch import Withdrawal
from shared.contracts.envelope import ContractError
from shared.contracts.events import BroadcastCancelled, SubscriptionEnded
from shared.contracts.message import Message
from shared.runtime.message_handler import MessageHandler


class StopHandler(MessageHandler):
    """Writes down who and what must not be sent any more."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    async def _act(self, message: Message) -> None:
        match message:
            case SubscriptionEnded(subscriber=subscriber, sequence=sequence, topic=topic):
                await self._ledger.withdraw(Withdrawal(subscriber=subscriber, sequence=sequence, topic=topic))
            case BroadcastCancelled(broadcast=broadcast, reason=reason):
                await self._ledger.cancel(broadcast, reason)
            case _:
                raise ContractError(f"unexpected type {message.TYPE}")
