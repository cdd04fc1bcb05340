"""From what happened to the webhook update about it, with the delays and copies that were asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from simulator.citizens import Citizen, Message
from simulator.clock import Clock
from simulator.faults import FaultBox
from simulator.graph.errors import KINDS, UNKNOWN
from simulator.states import State
from simulator.timeline import Timeline
from simulator.webhooks.batches import Update, update
from simulator.webhooks.outbox import Outbox
from simulator.webhooks.payloads import (
    Contact,
    ErrorData,
    InboundMessage,
    Preference,
    Pricing,
    Profile,
    Status,
    WebhookError,
)

ERRORS_PAGE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"


@dataclass(kw_only=True)
class Notifier:
    """Hands updates to the outbox, now or later."""

    clock: Clock
    faults: FaultBox
    timeline: Timeline
    outbox: Outbox

    @property
    def pending(self) -> int:
        """Updates not yet taken by the business, those included that phones are still going to cause."""
        return len(self.timeline) + self.outbox.pending

    def message(self, citizen: Citizen, message: InboundMessage, taken: Callable[[], None]) -> None:
        """Tells what a citizen wrote; fills in the sender as far as the citizen shares it."""
        message.from_ = _number(citizen)
        message.from_user_id = _user_id(citizen)
        self._send(update("messages", message, _contact(citizen, named=True), taken))

    def system(self, message: InboundMessage) -> None:
        """Tells a change of number, which has no contacts."""
        self._send(update("messages", message))

    def preference(self, citizen: Citizen, value: str) -> None:
        """Tells that a citizen stopped or resumed marketing messages in the app."""
        preference = Preference(
            wa_id=_number(citizen),
            user_id=_user_id(citizen),
            detail=f"User requested to {value} marketing messages",
            category="marketing_messages",
            value=value,
            timestamp=int(self.clock()),
        )
        self._send(update("user_preferences", preference, _contact(citizen, named=True)))

    def change(self, change: dict[str, Any]) -> None:
        """Tells something about the account: a whole item of `changes[]`."""
        self._send(update("change", change))

    def status(self, citizen: Citizen, message: Message, state: State, *, priced: bool, code: int) -> None:
        """Tells how far a message has come; `code` is used for failures only."""
        failed = state is State.FAILED
        hides_number = message.by_user_id and not citizen.shares_phone
        status = Status(
            id=message.wamid,
            status=state.value,
            timestamp=str(int(self.clock())),
            recipient_id=_number(citizen) if hides_number else citizen.phone,
            recipient_user_id=None if failed and not message.by_user_id else citizen.user_id,
            biz_opaque_callback_data=message.delivery,
            pricing=_pricing(message.category) if priced else None,
            errors=[_failure(code)] if failed else None,
        )
        self._send(update("statuses", status, None if failed else _contact(citizen, named=False)))

    def _send(self, change: Update) -> None:
        for delay in self.faults.next_update():
            if delay:
                self.timeline.schedule(self.clock() + delay, lambda: self.outbox.put(change))
            else:
                self.outbox.put(change)


def _number(citizen: Citizen) -> str | None:
    """What stands where a phone number is expected."""
    if citizen.shares_phone:
        return citizen.phone
    return citizen.user_id if citizen.sharing == "bsuid_in_from" else None


def _user_id(citizen: Citizen) -> str | None:
    return None if citizen.sharing == "bsuid_in_from" else citizen.user_id


def _contact(citizen: Citizen, *, named: bool) -> Contact:
    profile = Profile(citizen.name) if named else None
    return Contact(profile=profile, wa_id=_number(citizen), user_id=_user_id(citizen))


@lru_cache(maxsize=16)
def _pricing(category: str) -> Pricing:
    return Pricing(billable=True, pricing_model="PMP", type="regular", category=category)


def _failure(code: int) -> WebhookError:
    title = KINDS.get(code, UNKNOWN).title
    return WebhookError(code=code, title=title, message=title, error_data=ErrorData(f"{title}."), href=ERRORS_PAGE)
