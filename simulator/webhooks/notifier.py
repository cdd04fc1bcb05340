"""Webhook updates about events, with the delays and duplicates of the configured faults."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.citizens import BusinessMessage, Citizen, Sharing
from simulator.clock import Clock, Timeline
from simulator.faults import ActiveFaults
from simulator.graph.errors import ERROR_KINDS, UNKNOWN_ERROR
from simulator.graph.template import MessageTemplate
from simulator.states import MessageState
from simulator.webhooks.batches import Json, Update, encode_update
from simulator.webhooks.outbox import WebhookOutbox
from simulator.webhooks.subscription import WebhookSubscription

ERRORS_PAGE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular"}


@dataclass(kw_only=True)
class Notifier:
    """Builder of updates, which go to the outbox at once or later."""

    clock: Clock
    faults: ActiveFaults
    timeline: Timeline
    outbox: WebhookOutbox
    subscription: WebhookSubscription

    @property
    def pending(self) -> int:
        """Updates that the business has not answered with 200 yet, including scheduled ones."""
        return len(self.timeline) + self.outbox.pending

    def notify_message(self, citizen: Citizen, message: Json, on_accepted: Callable[[], None]) -> None:
        """Send a citizen's message, with the identity that the citizen shares."""
        sender = {"from": _get_number(citizen), "from_user_id": _get_user_id(citizen)}
        update = encode_update("messages", {**sender, **message}, _build_contact(citizen, with_name=True), on_accepted)
        self._send("messages", update)

    def notify_number_change(self, message: Json) -> None:
        """Send a change of number, which has no contacts."""
        self._send("messages", encode_update("messages", message))

    def notify_preference(self, citizen: Citizen, value: str) -> None:
        """Report that a citizen stopped or resumed marketing messages in the app."""
        preference = {
            "wa_id": _get_number(citizen),
            "user_id": _get_user_id(citizen),
            "detail": f"User requested to {value} marketing messages",
            "category": "marketing_messages",
            "value": value,
            "timestamp": int(self.clock()),  # a number, unlike all other timestamps
        }
        contact = _build_contact(citizen, with_name=True)
        self._send("user_preferences", encode_update("user_preferences", preference, contact))

    def notify_account_change(self, field: str, value: Json, on_accepted: Callable[[], None] | None = None) -> None:
        """Send a change of the account, as an entry of its own, which at Meta has a time."""
        entry = {"time": int(self.clock()), "changes": [{"field": field, "value": value}]}
        self._send(field, encode_update("change", entry, on_accepted=on_accepted))

    def notify_template_status(self, template: MessageTemplate) -> None:
        value = {
            "event": template.status,
            "message_template_id": int(template.id),
            "message_template_name": template.name,
            "message_template_language": template.language,
            "message_template_category": template.category,
            "reason": template.rejected_reason,
        }
        self.notify_account_change("message_template_status_update", value)

    def notify_status(
        self, citizen: Citizen, message: BusinessMessage, state: MessageState, *, priced: bool, code: int
    ) -> None:
        """Send the state of a message; `code` is used for failures only."""
        failed = state is MessageState.FAILED
        hides_number = message.by_user_id and not citizen.shares_phone
        status = {
            "id": message.wamid,
            "status": state.value,
            "timestamp": str(int(self.clock())),
            "recipient_id": _get_number(citizen) if hides_number else citizen.phone,
            "recipient_user_id": None if failed and not message.by_user_id else citizen.user_id,
            "biz_opaque_callback_data": message.delivery,
            "pricing": {**PRICING, "category": message.category} if priced else None,
            "errors": [_build_error(code)] if failed else None,
        }
        contact = None if failed else _build_contact(citizen, with_name=False)
        self._send("messages", encode_update("statuses", status, contact))

    def _send(self, field: str, update: Update) -> None:
        if not self.subscription.is_sent(field):
            return
        for delay in self.faults.plan_next_update():
            if delay:
                self.timeline.schedule(self.clock() + delay, lambda: self.outbox.put(update))
            else:
                self.outbox.put(update)


def _get_number(citizen: Citizen) -> str | None:
    """Return the value of the fields that normally contain a phone number."""
    if citizen.shares_phone:
        return citizen.phone
    return citizen.user_id if citizen.sharing is Sharing.USER_ID_AS_NUMBER else None


def _get_user_id(citizen: Citizen) -> str | None:
    return None if citizen.sharing is Sharing.USER_ID_AS_NUMBER else citizen.user_id


def _build_contact(citizen: Citizen, *, with_name: bool) -> Json:
    profile = {"name": citizen.name} if with_name else None
    return {"profile": profile, "wa_id": _get_number(citizen), "user_id": _get_user_id(citizen)}


def _build_error(code: int) -> Json:
    _, title = ERROR_KINDS.get(code, UNKNOWN_ERROR)
    details = {"details": f"{title}."}
    return {"code": code, "title": title, "message": title, "error_data": details, "href": ERRORS_PAGE}
