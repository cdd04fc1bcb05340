"""Every shape of webhook that Meta documents, and what becomes of it."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.ingress.webhook.events import (
    GROUP_TYPES,
    Event,
    Finding,
    Ignored,
    ParseProblem,
    join_chunks,
    split_by_type,
    split_into_chunks,
)
from services.ingress.webhook.translate import translate
from shared.contracts.inbound import (
    AccountEvent,
    DeliveryStatus,
    IdentityChange,
    IdentityChanges,
    InboundMessage,
    PreferenceChange,
)
from shared.encryption import BlindIndexKey
from tests.factories.webhook_rules import (
    INDEX,
    RECEIVED_AT,
    RULES,
    build_group,
    decrypt_addresses,
    find_all,
    get_only,
    hash_wamid,
)
from tests.factories.webhooks import (
    DATA,
    PHONE,
    SENT_AT,
    USER,
    build_messages_body,
    build_status,
    build_text_message,
    build_value,
    build_webhook,
    read_sample,
)
from tests.unit.ingress.test_fields import ACCOUNT, IGNORED, UNKNOWN

BOTH = (PHONE, USER)

SENDERS = {
    "text": BOTH,
    "text_without_phone": (None, USER),
    "text_with_user_id_in_from": (None, USER),
    "text_without_contacts": BOTH,
    "text_with_sender_in_contact_only": BOTH,
    "text_with_plus_and_milliseconds": BOTH,
}

CONTENTS: dict[str, tuple[str, str | None, str | None, str | None]] = {
    "text": ("text", "Start", None, None),
    "text_forwarded": ("text", "Start", None, None),
    "button": ("button", "Stop", "stop", "wamid.OUT7"),
    "button_without_context": ("button", "Stop", "stop", None),
    "interactive_button": ("interactive", "Stellen", "topic:stellen", "wamid.OUT7"),
    "interactive_list": ("interactive", "Baustellen", "topic:baustellen", None),
    "interactive_flow": ("interactive", "Sent", None, None),
    "image": ("image", "Baustelle", None, None),
    "video": ("video", None, None, None),
    "document": ("document", "Plan", None, None),
    "audio": ("audio", None, None, None),
    "sticker": ("sticker", None, None, None),
    "location": ("location", None, None, None),
    "contacts": ("contacts", None, None, None),
    "reaction": ("reaction", "\U0001f44d", None, "wamid.OUT7"),
    "reaction_removed": ("reaction", None, None, "wamid.OUT7"),
    "order": ("order", None, None, None),
    "edit": ("edit", "Stopp", None, "wamid.IN3"),
    "edit_of_caption": ("edit", "Stopp", None, "wamid.IN3"),
    "revoke": ("revoke", None, None, "wamid.IN3"),
    "unsupported": ("unsupported", None, None, None),
    "unknown_type": ("hologram", None, None, None),
}

STATUSES: dict[str, tuple[str, str | None, int | None, str | None]] = {
    "status_sent": ("sent", "delivery-1", None, "utility"),
    "status_delivered_to_user_id": ("delivered", "delivery-1", None, None),
    "status_read": ("read", "delivery-1", None, None),
    "status_failed": ("failed", "delivery-1", 131026, None),
    "status_unknown_word": ("held", "delivery-1", None, None),
    "status_without_delivery": ("sent", None, None, None),
}


@pytest.mark.parametrize(("name", "addresses"), SENDERS.items())
def test_the_sender_is_found_wherever_it_stands(name: str, addresses: tuple[str | None, str | None]) -> None:
    message = get_only(InboundMessage, find_all(read_sample(name)))
    assert decrypt_addresses(message.sender) == addresses


def test_in_a_rotation_of_the_index_key_both_hashes_are_told_and_message_ids_keep_theirs() -> None:
    longer = BlindIndexKey(INDEX.key + bytes(32))
    rules = msgspec.structs.replace(RULES, index=BlindIndexKey(longer.key, (INDEX.key,)))
    body = build_messages_body({**build_text_message(1), "from": PHONE, "from_user_id": USER})
    message = get_only(InboundMessage, list(translate(body, rules)))
    (before,) = (one for one in find_all(body) if isinstance(one, InboundMessage))
    assert decrypt_addresses(message.sender) == decrypt_addresses(before.sender) == (PHONE, USER)
    assert message.sender.phone
    assert message.sender.phone.index == longer.compute_index("phone", PHONE)
    assert message.sender.also == (INDEX.compute_index("phone", PHONE), INDEX.compute_index("user", USER))
    assert before.sender.also == ()
    assert message.message_key == before.message_key


@pytest.mark.parametrize(("name", "expected"), CONTENTS.items())
def test_the_content_of_each_type_of_message(
    name: str, expected: tuple[str, str | None, str | None, str | None]
) -> None:
    kind, text, payload, about = expected
    message = get_only(InboundMessage, find_all(read_sample(name)))
    assert (message.kind, message.text, message.payload) == (kind, text, payload)
    assert message.about_key == (hash_wamid(about) if about else None)
    assert message.message_key == hash_wamid("wamid.IN1")
    assert (message.sent_at, message.received_at) == (datetime.fromtimestamp(1794300000, UTC), RECEIVED_AT)


@pytest.mark.parametrize(("name", "expected"), STATUSES.items())
def test_each_status(name: str, expected: tuple[str, str | None, int | None, str | None]) -> None:
    event = get_only(DeliveryStatus, find_all(read_sample(name)))
    assert (event.status, event.delivery, event.error_code, event.pricing_category) == expected
    assert event.message_key == hash_wamid("wamid.OUT1")
    assert event.at == datetime.fromtimestamp(1794300012, UTC)


@pytest.mark.parametrize(
    ("name", "addresses", "word"),
    [
        ("preference_stop", BOTH, "stop"),
        ("preference_resume_without_phone", (None, USER), "resume"),
    ],
)
def test_preferences(name: str, addresses: tuple[str | None, str | None], word: str) -> None:
    change = get_only(PreferenceChange, find_all(read_sample(name)))
    assert decrypt_addresses(change.person) == addresses
    assert (change.category, change.value) == ("marketing_messages", word)
    assert change.at == datetime.fromtimestamp(1794300100, UTC)


def test_errors_of_the_account_are_account_events() -> None:
    event = get_only(AccountEvent, find_all(read_sample("errors_of_account")))
    assert event.value == {"errors": [{"code": 130429, "title": "Rate limit hit"}]}


def test_a_message_with_an_error_beside_it_is_both() -> None:
    message, event = find_all(read_sample("interactive_failed"))
    assert isinstance(message, InboundMessage)
    assert isinstance(event, AccountEvent)


def test_all_entries_changes_and_lists_are_read_and_other_numbers_are_not() -> None:
    found = find_all(read_sample("mixed"))
    assert [type(finding) for finding in found[:-1]] == [
        InboundMessage,
        InboundMessage,
        DeliveryStatus,
        DeliveryStatus,
    ]
    assert found[-1] is Ignored.OTHER_NUMBER


def test_what_could_not_be_passed_on_names_its_error() -> None:
    assert get_only(InboundMessage, find_all(read_sample("unsupported"))).error_code == 131051


def test_every_sample_is_expected_somewhere() -> None:
    here = {*SENDERS, *CONTENTS, *STATUSES, "mixed", "interactive_failed", "errors_of_account"}
    here |= {"preference_stop", "preference_resume_without_phone", "system_number_changed", "system_user_changed"}
    assert {path.stem for path in DATA.glob("*.json")} == here | {*ACCOUNT, *IGNORED, *UNKNOWN}


@pytest.mark.parametrize(
    "broken",
    [
        7,
        {},
        {"id": 1, "type": "text", "timestamp": "1"},
        {**build_text_message(1), "from": None},
        {**build_text_message(1), "from": "somebody"},
        build_text_message(1, timestamp="soon"),
        build_text_message(1, timestamp="-5"),
        build_text_message(1, timestamp="9" * 20),
        build_text_message(1, timestamp="1" * 5000),
        build_text_message(1, timestamp=1.5),
        build_text_message(1, type="button", button="Stop"),
        build_text_message(1, type="image", image=[]),
        build_text_message(1, group_id={}),
        {**build_text_message(1), "text": "Stop"},
        {**build_text_message(1), "text": {"body": None}},
    ],
)
def test_a_broken_item_is_a_problem_and_its_neighbours_are_events(broken: Any) -> None:
    body = build_webhook(
        build_value(messages=[build_text_message(1), broken, build_text_message(2)], statuses=[build_status(1)])
    )
    kinds = [type(finding) for finding in find_all(body)]
    assert kinds == [InboundMessage, ParseProblem, InboundMessage, DeliveryStatus]


def test_texts_and_words_are_cut() -> None:
    body = build_messages_body(build_text_message(1, "ä" * 5000, type="t" * 5000))
    message = get_only(InboundMessage, find_all(body))
    assert message.text == "ä" * 4096
    assert message.kind == "t" * 256


def test_a_contact_of_somebody_else_is_not_the_senders() -> None:
    contacts = [{"wa_id": "491760406900002", "user_id": "DE.2"}, {"wa_id": PHONE, "user_id": USER}]
    message = get_only(
        InboundMessage, find_all(build_webhook(build_value(contacts=contacts, messages=[build_text_message(1)])))
    )
    assert decrypt_addresses(message.sender) == BOTH


def test_what_is_no_user_id_is_left_out() -> None:
    contacts = [{"wa_id": PHONE, "user_id": "foo_bar"}]
    body = build_webhook(build_value(contacts=contacts, messages=[build_text_message(1, from_user_id="foo_bar")]))
    assert decrypt_addresses(get_only(InboundMessage, find_all(body)).sender) == (PHONE, None)


def test_equal_webhooks_give_equal_keys_and_different_ciphertexts() -> None:
    first, second = (get_only(InboundMessage, find_all(read_sample("text"))) for _ in range(2))
    assert first.message_key == second.message_key
    assert first.sender.phone is not None
    assert second.sender.phone is not None
    assert first.sender.phone.index == second.sender.phone.index == INDEX.compute_index("phone", PHONE)
    assert first.sender.phone.sealed != second.sender.phone.sealed


def test_an_account_value_of_any_depth_is_passed_on_or_a_problem() -> None:
    for depth in (1, 30, 31, 32, 33, 34, 500, 900, 990):
        nested = '{"a":' * depth + "1" + "}" * depth
        body = build_webhook({"it": "X"}, field="account_update").replace(b'"X"', nested.encode())
        found = find_all(body)
        assert isinstance(found[0], AccountEvent) == (depth < 32)
        assert_encodable(found)


def assert_encodable(found: list[Finding]) -> None:
    """All that is to be published can be, in groups by type."""
    events: list[Event] = [finding for finding in found if not isinstance(finding, Ignored | ParseProblem)]
    for kind, same in split_by_type(events).items():
        assert isinstance(build_group(same), GROUP_TYPES[kind])
        assert join_chunks(kind, split_into_chunks(same)) == msgspec.json.encode(build_group(same))


NEW_PHONE = "491760406900009"
NEW_USER = "DE.99"


def system_notice(system: dict[str, Any], **message: object) -> bytes:
    return build_messages_body(
        {"id": "wamid.IN1", "timestamp": str(SENT_AT), "type": "system", "system": system, **message}
    )


@pytest.mark.parametrize(
    ("body", "before", "after"),
    [
        (read_sample("system_number_changed"), (PHONE, USER), (NEW_PHONE, NEW_USER)),
        (read_sample("system_user_changed"), (None, USER), (None, NEW_USER)),
        (
            system_notice({"type": "user_changed_number", "body": f"User A changed from {PHONE} to {NEW_PHONE}"}),
            (PHONE, None),
            (NEW_PHONE, None),
        ),
        (
            system_notice({"type": "customer_changed_number", "new_wa_id": NEW_PHONE}, **{"from": PHONE}),
            (PHONE, None),
            (NEW_PHONE, None),
        ),
        (
            system_notice({"type": "user_changed_user_id", "user_id": NEW_USER}, from_user_id=USER),
            (None, USER),
            (None, NEW_USER),
        ),
        (
            system_notice(
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
    message = get_only(InboundMessage, find_all(system_notice(system, **{"from": PHONE})))
    assert (message.kind, message.text, message.payload) == ("system", None, None)
