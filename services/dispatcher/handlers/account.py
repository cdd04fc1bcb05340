"""What Meta says about our account: templates and senders that stop and go on, limits that change; all is counted."""

from collections.abc import Callable

import structlog

from services.dispatcher.domain.account import meaning
from services.dispatcher.domain.news import News, news_of
from services.dispatcher.ports import Account, Applied
from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.contracts.inbound import AccountEvent, AccountEvents
from shared.outcome import Dead, Done, Outcome

_log = structlog.get_logger()


class AccountHandler:
    """`seen` is told the field of each event, and what it says to an operator if that is news."""

    def __init__(self, *, account: Account, seen: Callable[[str, News | None], None]) -> None:
        self._account = account
        self._seen = seen

    async def handle(self, body: bytes) -> Outcome:
        """One group of account events; to act twice on one changes nothing. Raises DependencyAway."""
        try:
            group = read_data(read_envelope(body), AccountEvents)
        except ContractError as error:
            return Dead(str(error))
        for event in group.events:
            await self._act(event)
        return Done()

    async def _act(self, event: AccountEvent) -> None:
        change = meaning(event.field, event.value)
        at = min(event.at or event.received_at, event.received_at)
        applied = await self._account.apply(change, at=at) if change else Applied(is_news=True)
        news = news_of(event.field, event.value, change, lowered=applied.lowered) if applied.is_news else None
        self._seen(event.field, news)
        _log.warning("account_event", field=event.field, change=type(change).__name__, news=news)
