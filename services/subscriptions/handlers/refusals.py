"""Subscribers whom Meta will not reach: who stopped marketing messages inside WhatsApp is obeyed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from services.subscriptions.domain.county import County
from services.subscriptions.domain.preferences import MARKETING, STOP
from services.subscriptions.handlers.deciding import decide_preference
from services.subscriptions.ports import Outlet, People
from shared.contracts.envelope import ContractError, read_data, read_envelope
from shared.contracts.events import DeliveryRefused
from shared.contracts.inbound import PreferenceChange
from shared.outcome import Dead, Done, Outcome

STOPPED_MARKETING = 131050  # Meta, "Error codes" (September 2026): the recipient stopped marketing messages


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Handles `delivery.refused`. `count` gets what became of each."""

    people: People
    outlet: Outlet
    county: County
    count: Callable[[str], None]

    async def handle(self, body: bytes) -> Outcome:
        """Obey a stop that we learn of by a failure; all else is counted. Raises DependencyAway."""
        try:
            envelope = read_envelope(body)
            refused = read_data(envelope, DeliveryRefused)
        except ContractError as error:
            return Dead(str(error))
        person = await self.people.addresses(refused.subscriber)
        if refused.code != STOPPED_MARKETING or person is None:
            self.count("refused")
            return Done()
        change = PreferenceChange(person=person, category=MARKETING, value=STOP, at=envelope.time)
        decide = partial(decide_preference, change=change, county=self.county)
        settled = await self.people.once(refused.delivery.bytes, person, envelope.time, decide)
        for publication in settled.publications:
            await self.outlet.publish(publication)
        self.count("stopped_marketing")
        return Done()
