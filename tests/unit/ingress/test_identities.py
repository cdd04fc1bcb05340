"""Notices of a new number or user id, in all the shapes that Meta had for them."""

from typing import Any

import pytest

from shared.contracts.inbound import IdentityChange, IdentityChanges, InboundMessage
from tests.factories.webhook_rules import RECEIVED_AT, build_group, decrypt_addresses, find_all, get_only, hash_wamid
from tests.factories.webhooks import PHONE, SENT_AT, USER, build_messages_body, read_sample

NEW_PHONE = "491760406900009"
NEW_USER = "DE.99"


def notice(system: dict[str, Any], **message: object) -> bytes:
    return build_messages_body(
        {"id": "wamid.IN1", "timestamp": str(SENT_AT), "type": "system", "system": system, **message}
    )


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        (read_sample("system_number_changed"), (PHONE, USER), (NEW_PHONE, NEW_USER)),
        (read_sample("system_user_changed"), (None, USER), (None, NEW_USER)),
        (
            notice({"type": "user_changed_number", "body": f"User A changed from {PHONE} to {NEW_PHONE}"}),
            (PHONE, None),
            (NEW_PHONE, None),
        ),
        (
            notice({"type": "customer_changed_number", "new_wa_id": NEW_PHONE}, **{"from": PHONE}),
            (PHONE, None),
            (NEW_PHONE, None),
        ),
        (
            notice({"type": "user_changed_user_id", "user_id": NEW_USER}, from_user_id=USER),
            (None, USER),
            (None, NEW_USER),
        ),
        (
            notice(
                {"type": "user_changed_number", "wa_id": NEW_PHONE, "user_id": NEW_USER, "previous_user_id": USER},
                from_user_id=NEW_USER,
                **{"from": NEW_PHONE},
            ),
            (None, USER),
            (NEW_PHONE, NEW_USER),
        ),
    ],
)
def test_who_it_was_and_who_it_is(
    body: bytes, before: tuple[str | None, str | None], after: tuple[str | None, str | None]
) -> None:
    change = get_only(IdentityChange, find_all(body))
    assert (decrypt_addresses(change.before), decrypt_addresses(change.after)) == (before, after)
    assert (change.message_key, change.received_at) == (hash_wamid("wamid.IN1"), RECEIVED_AT)
    assert build_group([change]) == IdentityChanges(changes=(change,))


@pytest.mark.parametrize(
    "system",
    [
        {"type": "customer_identity_changed", "body": "…"},
        {"type": "user_changed_number", "body": "without any address"},
        {"type": "something_new", "body": f"User A changed from {PHONE} to {NEW_PHONE}"},
        {},
    ],
)
def test_other_notices_are_messages_that_say_nothing(system: dict[str, Any]) -> None:
    message = get_only(InboundMessage, find_all(notice(system, **{"from": PHONE})))
    assert (message.kind, message.text, message.payload) == ("system", None, None)
