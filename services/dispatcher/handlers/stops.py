"""Withdrawals and cancellations: effective from the commit on, for everything that is queued."""

from services.dispatcher.ports import Ledger
from shared.contracts.dispatch import Withdrawal
from shared.contracts.envelope import ContractError, decode
from shared.contracts.events import BroadcastCancelled, SubscriptionEnded
from shared.outcome import Dead, Done, Outcome


class StopHandler:
    """Writes down who and what must not be sent any more."""

    def __init__(self, *, ledger: Ledger) -> None:
        self._ledger = ledger

    async def handle(self, body: bytes) -> Outcome:
        """One event. Raises DependencyAway."""
        try:
            event = decode(body)
        except ContractError as error:
            return Dead(str(error))
        match event:
            case SubscriptionEnded(subscriber=subscriber, sequence=sequence, topic=topic):
                withdrawal = Withdrawal(subscriber=subscriber, sequence=sequence, topic=topic)
                await self._ledger.withdraw(withdrawal)
            case BroadcastCancelled(broadcast=broadcast, reason=reason):
                await self._ledger.cancel(broadcast, reason)
            case _:
                return Dead(f"unexpected type {event.TYPE}")
        return Done()
