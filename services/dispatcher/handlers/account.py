"""What Meta says about our account: templates and senders that stop and go on, limits that change; all is counted."""

from collections.abc import Callable

import structlog

from services.dispatcher.domain.account import meaning
from services.dispatcher.domain.news import News, news_of
from services.dispatcher.ports import Account, Applied
from shared.contracts.envelope import ContractError
from shared.contracts.inbound import AccountEvent, AccountEvents
from shared.contracts.message import Message
from shared.runtime.message_handler import MessageHandler

_log = structlog.get_logger()


class AccountHandler(MessageHandler):
    """`seen` is told the field of each event, and what it says to an operator if that is news."""

    def __init__(self, *, account: Account, seen: Callable[[str, News | None], None]) -> None:
        self._account = account
        self._seen = seen

    async def _act(self, message: Message) -> None:
        if not isinstance(message, AccountEvents):
            raise ContractError(f"unexpected type {message.TYPE}")
        for event in message.events:
            await self._apply(event)

    async def _apply(self, event: AccountEvent) -> None:
        change = meaning(event.field, event.value)
        at = min(event.at or event.received_at, event.received_at)
        applied = await self._account.apply(change, at=at) if change else Applied(is_news=True)
        news = news_of(event.field, event.value, change, lowered=applied.lowered) if applied.is_news else None
        self._seen(event.field, news)
        _log.warning("account_event", field=event.field, change=type(change).__name__, news=news)
