"""What Meta says about our account: for now seen, counted and logged by field; nothing is acted on."""

from collections.abc import Callable

import structlog

from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.contracts.inbound import AccountEvents
from shared.outcome import Dead, Done, Outcome

_log = structlog.get_logger()


class AccountHandler:
    """`seen` is told the field of each event."""

    def __init__(self, *, seen: Callable[[str], None]) -> None:
        self._seen = seen

    async def handle(self, body: bytes) -> Outcome:
        """One group of account events."""
        try:
            group = read_data(read_envelope(body), AccountEvents)
        except ContractError as error:
            return Dead(str(error))
        for event in group.events:
            self._seen(event.field)
            _log.warning("account_event", field=event.field)
        return Done()
