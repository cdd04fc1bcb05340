"""What Meta says about our account: templates that stop and go on, limits that change; the rest is counted."""

from collections.abc import Callable

import structlog

from services.dispatcher.domain.account import PeopleADay, TemplateHeld, TemplateReleased, meaning
from services.dispatcher.ports import Ledger
from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.contracts.inbound import AccountEvent, AccountEvents
from shared.outcome import Dead, Done, Outcome

_log = structlog.get_logger()


class AccountHandler:
    """`seen` is told the field of each event."""

    def __init__(self, *, ledger: Ledger, seen: Callable[[str], None]) -> None:
        self._ledger = ledger
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
        self._seen(event.field)
        change = meaning(event.field, event.value)
        _log.warning("account_event", field=event.field, change=type(change).__name__)
        match change:
            case TemplateHeld(template, reason):
                await self._ledger.hold_template(template, reason)
            case TemplateReleased(template):
                await self._ledger.release_template(template)
            case PeopleADay(limit):
                await self._ledger.raise_tier(limit)
            case None:
                return
