"""Consumers of suppressions, progress requests, erasures, reactions and account webhooks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from services.dispatcher.domain.account import AccountChange, AccountUpdate, classify_update, interpret_webhook
from services.dispatcher.handlers.maintenance import build_progress_event
from services.dispatcher.ports import Ledger, Publish, RecipientRepository
from shared.contracts import events
from shared.contracts.dispatch import Withdrawal
from shared.contracts.envelope import ContractError
from shared.contracts.ids import delivery_id
from shared.contracts.inbound import AccountEvents
from shared.contracts.message import Message
from shared.runtime.message_handler import MessageHandler

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class SuppressionHandler(MessageHandler):
    """Consumer of withdrawals and cancellations: effective from the commit on, also for everything queued."""

    ledger: Ledger

    async def _apply(self, message: Message) -> None:
        match message:
            case events.SubscriptionEnded(subscriber=subscriber, sequence=sequence, topic=topic):
                await self.ledger.withdraw(Withdrawal(subscriber=subscriber, sequence=sequence, topic=topic))
            case events.BroadcastCancelled(broadcast=broadcast, reason=reason):
                await self.ledger.cancel(broadcast, reason)
            case _:
                raise ContractError(f"unexpected type {message.TYPE}")


@dataclass(frozen=True, kw_only=True)
class ProgressRequestHandler(MessageHandler):
    """Consumer that republishes the progress of a broadcast when a system publishes the same event again.

    The broadcast of a notice that is accepted for the first time is not in the ledger yet: then nothing is published.
    """

    ledger: Ledger
    publish: Publish

    async def _apply(self, message: Message) -> None:
        if not isinstance(message, events.NoticeAccepted) or message.broadcast is None:
            return
        progress = await self.ledger.get_progress(message.broadcast)
        if progress:
            await self.publish(build_progress_event(progress))
        if progress and progress.cancelled is not None:
            told = events.BroadcastCancelled(
                broadcast=message.broadcast, source=message.source, notice=message.notice, reason=progress.cancelled
            )
            await self.publish(told)


@dataclass(frozen=True, kw_only=True)
class RecipientHandler(MessageHandler):
    recipients: RecipientRepository
    publish: Publish

    async def _apply(self, message: Message) -> None:
        match message:
            case events.SubscriberErased():
                await self.recipients.register_erasure(message)
            case events.ReactionReceived():
                await self._locate(message)
            case _:
                raise ContractError(f"unexpected type {message.TYPE}")

    async def _locate(self, reaction: events.ReactionReceived) -> None:
        """Publish the broadcast that a reaction was about; ignore a reaction to anything else, such as a reply."""
        candidates = [delivery_id(broadcast, reaction.subscriber) for broadcast in reaction.broadcasts]
        broadcast = await self.recipients.find_broadcast(candidates, reaction.about_key)
        if broadcast is not None:
            located = events.ReactionLocated(
                reaction=reaction.reaction,
                subscriber=reaction.subscriber,
                broadcast=broadcast,
                value=reaction.value,
                at=reaction.at,
            )
            await self.publish(located)


@dataclass(frozen=True, kw_only=True)
class AccountHandler(MessageHandler):
    """Consumer of account webhooks.

    `apply` applies a change and returns whether it lowered a limit, or None if it is not new. `count_event` receives
    the field of each event, and its classification if it is new.
    """

    apply: Callable[[AccountChange, datetime], Awaitable[bool | None]]
    count_event: Callable[[str, AccountUpdate | None], None]

    async def _apply(self, message: Message) -> None:
        if not isinstance(message, AccountEvents):
            raise ContractError(f"unexpected type {message.TYPE}")
        for event in message.events:
            change = interpret_webhook(event.field, event.value)
            at = min(event.at or event.received_at, event.received_at)
            lowered = await self.apply(change, at) if change else False
            news = None if lowered is None else classify_update(event.field, event.value, change, lowered=lowered)
            self.count_event(event.field, news)
            _log.warning("account_event", field=event.field, change=type(change).__name__, news=news)
