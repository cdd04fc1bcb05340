"""Each part that cannot be parsed is quarantined with what its replay needs, bounded, without what was passed on."""

import json
from typing import Any

import pytest

from services.ingress.webhook.addresses import MAX_CONTACTS_PER_ADDRESS, ContactIndex
from services.ingress.webhook.events import Event, Ignored, ParsedWebhook, ProblemKind, encode_events
from services.ingress.webhook.payloads import Contact
from services.ingress.webhook.quarantine import MAX_SEPARATE_PARTS
from services.ingress.webhook.translate import MAX_CONTACTS, MAX_PARTS, parse_webhook
from shared.contracts.envelope import decode, wrap_data
from shared.contracts.inbound import (
    DeliveryStatus,
    InboundMessage,
    PreferenceChange,
    WebhookQuarantined,
)
from tests.factories.webhook_rules import RECEIVED_AT, RING, RULES, decrypt_addresses
from tests.factories.webhooks import (
    OTHER_PHONE,
    OTHER_USER,
    PHONE,
    TWO_PEOPLE,
    USER,
    Json,
    build_messages_body,
    build_status,
    build_text_message,
    build_value,
    build_webhook,
    read_sample,
)
from tests.unit.ingress.quarantined import QuarantinedPart, quarantine_webhook

BROKEN_METADATA: list[Any] = [7, "none", [], {"phone_number_id": {}}]


def from_other(number: int, text: str, **more: object) -> Json:
    return build_text_message(number, text, **{"from": OTHER_PHONE, **more})


def parse_again(part: QuarantinedPart) -> tuple[list[Event], list[str]]:
    """Return what a replay finds in it."""
    found = parse_webhook(part.body, RULES)
    return list(found.events), [problem.reason for problem in found.problems]


def reasons(parts: list[QuarantinedPart]) -> list[str]:
    return [it.message.reason for it in parts]


def changes(*several: Json) -> bytes:
    entry = {"id": "100200300400500", "time": 1794300200, "changes": several}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def test_of_two_good_and_two_bad_messages_the_bad_ones_alone_are_kept() -> None:
    good = [build_text_message(1, "Stop bitte"), build_text_message(2, "Start bitte")]
    bad = [from_other(3, "Hallo", timestamp="soon"), from_other(4, "Moin", type=7)]
    body = build_webhook(build_value(contacts=TWO_PEOPLE, messages=[good[0], bad[0], good[1], bad[1]]))

    parts = list(quarantine_webhook(body))

    assert reasons(parts) == [
        "messages[1]: timestamp is not a number of seconds",
        "messages[3]: type: Expected `str`, got `int`",
    ]
    assert [it.value["messages"] for it in parts] == [[bad[0]], [bad[1]]]
    for it in parts:
        assert it.message.size == len(it.body)
        for heard in (b"bitte", PHONE.encode(), USER.encode(), b"Anke", b"Bodo"):
            assert heard not in it.body
        assert it.value["contacts"] == [{"wa_id": OTHER_PHONE, "user_id": OTHER_USER}]
        events, problems = parse_again(it)
        assert events == []
        assert len(problems) == 1


@pytest.mark.parametrize(
    ("contacts", "own", "sender"),
    [
        (TWO_PEOPLE, {"from": OTHER_PHONE}, {"wa_id": OTHER_PHONE, "user_id": OTHER_USER}),
        (TWO_PEOPLE, {"from": 7, "from_user_id": OTHER_USER}, {"wa_id": OTHER_PHONE, "user_id": OTHER_USER}),
        (TWO_PEOPLE, {"from": 7}, None),
        (TWO_PEOPLE, {"from": "491760406900003"}, None),
        (TWO_PEOPLE[1:], {"from": 7}, {"wa_id": OTHER_PHONE, "user_id": OTHER_USER}),
        (TWO_PEOPLE[1:], {"from": PHONE}, None),
        (TWO_PEOPLE[1:] * 500, {"from": OTHER_PHONE}, {"wa_id": OTHER_PHONE, "user_id": OTHER_USER}),
        ([{"wa_id": OTHER_PHONE}], {"from": OTHER_PHONE}, {"wa_id": OTHER_PHONE}),
        ([{"wa_id": "x" * 300}], {"from": "x" * 300}, None),
    ],
)
def test_of_the_contacts_beside_it_a_message_keeps_its_senders_addresses(
    contacts: list[Json], own: Json, sender: Json | None
) -> None:
    body = build_webhook(build_value(contacts=contacts, messages=[{**build_text_message(1, timestamp="soon"), **own}]))
    [part] = quarantine_webhook(body)
    assert part.value.get("contacts") == (sender and [sender])


@pytest.mark.parametrize("metadata", [None, {}, {"phone_number_id": None}, {"phone_number_id": 700800900100200}])
def test_a_part_is_for_the_same_number_as_it_was(metadata: Json | None) -> None:
    content = {**build_value(statuses=[{"id": 7}]), "metadata": metadata}
    [part] = quarantine_webhook(build_webhook(content))
    assert parse_again(part)[1] == [part.message.reason]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"field": "moods_update", "value": {"mood": PHONE}}, ProblemKind.UNKNOWN_FIELD),
        ({"field": "messages", "value": build_value(moods=[{"mood": PHONE}])}, ProblemKind.UNKNOWN_FIELD),
        ({"field": 7, "value": {"mood": PHONE}}, ProblemKind.BROKEN_PART),
        *(
            (
                {"field": "messages", "value": {**build_value(messages=[build_text_message(7)]), "metadata": metadata}},
                ProblemKind.BROKEN_PART,
            )
            for metadata in BROKEN_METADATA
        ),
        ({"field": "account_update", "value": [PHONE]}, ProblemKind.BROKEN_PART),
        ("no change", ProblemKind.BROKEN_PART),
    ],
)
def test_a_change_is_kept_as_it_came_in_its_account(part: Any, kind: ProblemKind) -> None:
    whole = {"field": "messages", "value": build_value(messages=[build_text_message(1, "Stop")])}
    [quarantined] = quarantine_webhook(changes(whole, part, whole))
    assert quarantined.webhook == json.loads(changes(part))
    assert quarantined.message.kind == kind
    assert parse_again(quarantined) == ([], [quarantined.message.reason.replace("changes[1]", "changes[0]")])


def test_an_account_is_known_again_however_its_id_looks() -> None:
    unknown: Json = {"field": "moods_update", "value": {}}
    for identifier in (1, "1" * 1000, {"id": 1}, None):
        entry = {"id": identifier, "time": "9" * 1000, "changes": [unknown]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        [part] = quarantine_webhook(body)
        [again] = part.webhook["entry"]
        assert again["changes"] == [unknown]
        assert again.get("id") == (identifier if identifier in (1, None) else "")
        assert len(part.body) < 200


def test_many_contacts_of_one_person_are_looked_at_to_a_bound() -> None:
    contacts = [Contact(wa_id=PHONE) for _ in range(MAX_CONTACTS)]
    assert len(ContactIndex(contacts).find_addresses([PHONE])) == MAX_CONTACTS_PER_ADDRESS


def test_an_entry_is_kept_as_it_came() -> None:
    entries: list[Any] = [{"changes": 7}, 8, json.loads(read_sample("text"))["entry"][0]]
    parts = quarantine_webhook(json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode())
    assert [it.webhook["entry"] for it in parts] == [[{"changes": 7}], [8]]


@pytest.mark.parametrize("field", ["contacts", "statuses", "user_preferences", "errors", "message_echoes", "calls"])
@pytest.mark.parametrize("broken", [{"7": USER}, "none", 7])
def test_a_list_that_is_none_sinks_no_text_beside_it_and_is_kept_without_it(field: str, broken: object) -> None:
    body = build_webhook({**build_value(messages=[build_text_message(1, "Stop")]), field: broken})
    assert [type(event) for event in parse_webhook(body, RULES).events] == [InboundMessage]
    [part] = quarantine_webhook(body)
    assert part.change == {"field": "messages", "value": {"metadata": build_value()["metadata"], field: broken}}
    assert (part.message.kind, parse_again(part)) == (ProblemKind.BROKEN_PART, ([], [part.message.reason]))


def test_messages_that_are_no_list_keep_the_contacts_beside_them() -> None:
    content = {
        **build_value(contacts=TWO_PEOPLE[:1], statuses=[build_status(1)]),
        "messages": build_text_message(1, "Stop"),
    }
    [part] = quarantine_webhook(build_webhook(content))
    assert part.value == {name: content[name] for name in ("metadata", "contacts", "messages")}
    mended = {"messages": [content["messages"]]}
    [message] = parse_webhook(build_webhook({**part.value, **mended}), RULES).events
    assert isinstance(message, InboundMessage)
    assert decrypt_addresses(message.sender) == (PHONE, USER)


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("context", "wamid.OUT1"),
        ("context", {"id": 7}),
        ("errors", {"code": 131051}),
        ("errors", "131051"),
        ("from", 7),
        ("image", "8001"),
        ("interactive", []),
        ("system", PHONE),
        ("reaction", [USER]),
    ],
)
def test_a_text_is_heard_whatever_is_broken_beside_it_which_is_kept_without_it(field: str, broken: Any) -> None:
    message = {**build_text_message(1, "Stop", from_user_id=USER), field: broken}
    body = build_webhook(build_value(contacts=TWO_PEOPLE, messages=[message]))
    assert [it.text for it in parse_webhook(body, RULES).events if isinstance(it, InboundMessage)] == ["Stop"]
    [part] = quarantine_webhook(body)
    assert part.value["messages"] == [{name: content for name, content in message.items() if name != "text"}]
    assert part.message.kind == ProblemKind.BROKEN_FIELD
    assert part.message.reason.startswith("messages[0].")
    assert PHONE not in part.message.reason
    assert parse_again(part)[1] == [part.message.reason]


def test_each_broken_field_of_a_status_is_kept_by_itself_and_can_be_heard() -> None:
    broken = build_status(1, "failed", errors={"code": 131026}, pricing="none", biz_opaque_callback_data=7)
    body = build_webhook(build_value(statuses=[broken]))
    [heard] = parse_webhook(body, RULES).events
    assert isinstance(heard, DeliveryStatus)
    assert (heard.status, heard.delivery, heard.error_code) == ("failed", None, None)
    parts = quarantine_webhook(body)
    rest = {name: broken[name] for name in ("id", "status", "timestamp")}
    assert [it.value["statuses"] for it in parts] == [
        [{**rest, "biz_opaque_callback_data": 7}],
        [{**rest, "pricing": "none"}],
        [{**rest, "errors": {"code": 131026}}],
    ]
    [mended] = parse_webhook(parts[2].body.replace(b'{"code": 131026}', b'[{"code":131026}]'), RULES).events
    assert isinstance(mended, DeliveryStatus)
    assert (mended.status, mended.error_code) == ("failed", 131026)


def test_a_status_of_a_group_stays_one() -> None:
    [part] = quarantine_webhook(
        build_webhook(build_value(statuses=[build_status(1, recipient_type="group", errors={})]))
    )
    mended = part.body.replace(b'"errors":{}', b'"errors":[]')
    assert mended != part.body
    assert parse_webhook(mended, RULES) == ParsedWebhook(ignored=[Ignored.GROUP])


def test_preferences_and_contacts_are_kept_by_themselves() -> None:
    broken = {"category": "c", "value": "stop", "timestamp": 1794300100, "wa_id": 7, "user_id": USER}
    contacts: list[Any] = [{"profile": {"name": "Anke Beispiel"}, "wa_id": 8, "user_id": USER}, 9]
    body = build_webhook(
        build_value(contacts=contacts, messages=[build_text_message(1, "Stop")], user_preferences=[broken])
    )
    parts = quarantine_webhook(body)
    assert [it.value for it in parts] == [
        {"metadata": {"phone_number_id": RULES.phone_number_id}, "contacts": [{"wa_id": 8}]},
        {"metadata": {"phone_number_id": RULES.phone_number_id}, "contacts": [9]},
        {"metadata": {"phone_number_id": RULES.phone_number_id}, "user_preferences": [broken]},
    ]
    assert [parse_again(it)[1] for it in parts[:2]] == [
        ["contacts[0].wa_id: Expected `str | null`, got `int`"],
        ["contacts[0]: Expected `object`, got `int`"],
    ]
    [stop], [problem] = parse_again(parts[2])
    assert isinstance(stop, PreferenceChange)
    assert decrypt_addresses(stop.person) == (None, USER)
    assert problem.startswith("user_preferences[0].wa_id: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Start \xff, but no JSON",
        b"[]",
        b"{}",
        b"\xef\xbb\xbf" + build_messages_body(build_text_message(1)),
        b'{"object": "page", "entry": []}',
        b'{"object": "whatsapp_business_account", "entry": {}}',
        b'{"object": "whatsapp_business_account"',
        b'{"object": "whatsapp_business_account", "entry": []} trailing',
        b'{"object": "whatsapp_business_account", "entry": [' + b"[" * 100_000,
        changes(
            *[{"field": "messages", "value": build_value(messages=[build_text_message(1)])}] * MAX_PARTS,
            {"field": "calls"},
        ),
    ],
    ids=lambda body: repr(body[:50]),
)
def test_what_cannot_be_taken_apart_is_kept_whole(body: bytes) -> None:
    [part] = quarantine_webhook(body)
    assert part.body == body
    assert part.message.kind != ProblemKind.BROKEN_FIELD


def test_what_is_kept_whole_is_named_first() -> None:
    body = build_webhook(build_value(messages=[build_text_message(1, context=7)] * MAX_PARTS))
    [part] = quarantine_webhook(body)
    assert part.body == body
    assert part.message.reason.startswith(f"more than {MAX_PARTS} parts; messages[0].context: ")
    assert part.message.kind == ProblemKind.BROKEN_PART


def test_many_bad_parts_share_a_message_of_their_kind() -> None:
    bad: list[Json] = [{"id": number} for number in range(1000)]
    without_a_field = [build_text_message(number, "Stop", context=7) for number in range(500)]
    quarantined = quarantine_webhook(build_webhook(build_value(messages=[*bad, *without_a_field])))

    assert len(quarantined) == MAX_SEPARATE_PARTS + 2
    assert [it.message.kind for it in quarantined[-2:]] == [ProblemKind.BROKEN_PART, ProblemKind.BROKEN_FIELD]
    assert quarantined[-2].message.reason.endswith(f"; and {1000 - MAX_SEPARATE_PARTS - 3} more")
    parts = [entry["changes"][0]["value"]["messages"][0] for it in quarantined for entry in it.webhook["entry"]]
    assert parts[:1000] == bad
    assert len(parts) == 1500
    assert b"Stop" not in b"".join(it.body for it in quarantined)
    assert len(parse_webhook(quarantined[-2].body, RULES).problems) == 1000 - MAX_SEPARATE_PARTS


@pytest.mark.parametrize(
    "body",
    [
        build_webhook(build_value(messages=[{}] * (MAX_PARTS - 1))),
        build_webhook(build_value(contacts=TWO_PEOPLE * 500, messages=[{"from": OTHER_PHONE}] * (MAX_PARTS - 1))),
        build_webhook({**build_value(messages=[build_text_message(1)]), "contacts": [7] * 300_000}),
        build_webhook(build_value(statuses=[build_status(1, errors="x" * 4_000_000)])),
    ],
    ids=["empty messages", "contacts for each", "contacts", "one large part"],
)
def test_what_is_kept_is_little_more_than_the_webhook(body: bytes) -> None:
    parts = quarantine_webhook(body)
    assert len(parts) <= MAX_SEPARATE_PARTS + len(ProblemKind)
    assert sum(len(it.body) for it in parts) < len(body) + MAX_PARTS * 300


def test_contacts_beyond_the_bound_are_kept() -> None:
    body = build_webhook(build_value(messages=[build_text_message(1)], contacts=[{}] * (MAX_CONTACTS + 7)))
    [part] = quarantine_webhook(body)
    assert part.value["contacts"] == [{}] * 7
    assert part.message.reason == f"more than {MAX_CONTACTS} contacts"


def test_each_travels_alone_and_is_encrypted_for_itself() -> None:
    messages = [it.message for it in quarantine_webhook(build_webhook(build_value(messages=[{}, {}, {}])))]
    assert len({message.sealed for message in messages}) == 3
    assert len({RING.decrypt(message.sealed, purpose="webhook") for message in messages}) == 1
    chunks = encode_events(messages)[WebhookQuarantined]
    bodies = [wrap_data(WebhookQuarantined, it.json, event_id="1", source="/test", time=RECEIVED_AT) for it in chunks]
    assert [decode(body) for body in bodies] == messages
    assert [it.events for it in chunks] == [1, 1, 1]
