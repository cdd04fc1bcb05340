"""What is not understood is kept part by part, with what it takes to be read again, and nothing that was heard."""

import json
from datetime import datetime
from typing import Any

import pytest

from services.ingress.domain import translate as translation
from services.ingress.domain.addresses import MOST_OF_ONE_PERSON, Beside
from services.ingress.domain.decoding import NotUnderstood, moment
from services.ingress.domain.findings import Event, Ignored, ProblemKind, Understood
from services.ingress.domain.parts import MOST_APART
from services.ingress.domain.slices import pack
from services.ingress.domain.translate import MAX_CONTACTS, MAX_PARTS, understand
from services.ingress.domain.webhook import Contact, Timestamp
from shared.contracts.envelope import decode, enclose
from shared.contracts.inbound import (
    AccountEvent,
    DeliveryStatus,
    InboundMessage,
    PreferenceChange,
    WebhookQuarantined,
)
from tests.unit.ingress.quarantined import Kept, quarantined
from tests.unit.ingress.rules import RECEIVED_AT, RING, RULES, opened
from tests.unit.ingress.webhooks import PHONE, USER, Json, sample, status, text_message, value, webhook

OTHER_PHONE = "491760406900002"
OTHER_USER = "DE.2"
TWO_PEOPLE: list[Json] = [
    {"profile": {"name": "Anke Beispiel"}, "wa_id": PHONE, "user_id": USER},
    {"profile": {"name": "Bodo Beispiel"}, "wa_id": OTHER_PHONE, "user_id": OTHER_USER},
]
LATER = 1794300777


def from_other(number: int, text: str, **more: object) -> Json:
    return text_message(number, text, **{"from": OTHER_PHONE, **more})


def understood_again(kept: Kept) -> tuple[list[Event], list[str]]:
    """What a replay finds in it."""
    found = understand(kept.body, RULES)
    return list(found.events), [problem.reason for problem in found.problems]


def reasons(kept: list[Kept]) -> list[str]:
    return [it.message.reason for it in kept]


def changes(*several: Json) -> bytes:
    entry = {"id": "100200300400500", "time": 1794300200, "changes": several}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def test_of_two_good_and_two_bad_messages_the_bad_ones_alone_are_kept() -> None:
    good = [text_message(1, "Stop bitte"), text_message(2, "Start bitte")]
    bad = [from_other(3, "Hallo", timestamp="soon"), from_other(4, "Moin", type=7)]
    body = webhook(value(contacts=TWO_PEOPLE, messages=[good[0], bad[0], good[1], bad[1]]))

    kept = list(quarantined(body))

    assert reasons(kept) == [
        "messages[1]: timestamp is not a number of seconds",
        "messages[3]: type: Expected `str`, got `int`",
    ]
    assert [it.value["messages"] for it in kept] == [[bad[0]], [bad[1]]]
    for it in kept:
        assert it.message.size == len(it.body)
        for heard in (b"bitte", PHONE.encode(), USER.encode(), b"Anke", b"Bodo"):
            assert heard not in it.body
        assert it.value["contacts"] == [{"wa_id": OTHER_PHONE, "user_id": OTHER_USER}]
        events, problems = understood_again(it)
        assert events == []
        assert len(problems) == 1


def test_a_replay_after_the_parser_was_mended_hears_the_bad_parts_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = webhook(
        value(
            contacts=TWO_PEOPLE,
            messages=[text_message(1, "Stop"), from_other(2, "Start", timestamp=LATER)],
            statuses=[status(1), status(2, "read", timestamp=LATER)],
        )
    )
    with monkeypatch.context() as patch:
        patch.setattr(translation, "moment", _knows_no_later)
        heard = understand(body, RULES).events
        kept = quarantined(body)
    assert len(heard) == 2

    replayed = [event for it in kept for event in understand(it.body, RULES).events]

    [message, read] = replayed
    assert isinstance(message, InboundMessage)
    assert (message.text, opened(message.sender)) == ("Start", (OTHER_PHONE, OTHER_USER))
    assert isinstance(read, DeliveryStatus)
    assert (read.status, read.delivery) == ("read", "delivery-2")


def _knows_no_later(timestamp: Timestamp) -> datetime:
    if timestamp == LATER:
        raise NotUnderstood("timestamp is of a sort that is not known")
    return moment(timestamp)


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
    body = webhook(value(contacts=contacts, messages=[{**text_message(1, timestamp="soon"), **own}]))
    [kept] = quarantined(body)
    assert kept.value.get("contacts") == (sender and [sender])


@pytest.mark.parametrize("metadata", [None, {}, {"phone_number_id": None}, {"phone_number_id": 700800900100200}])
def test_a_part_is_for_the_same_number_as_it_was(metadata: Json | None) -> None:
    content = {**value(statuses=[{"id": 7}]), "metadata": metadata}
    [kept] = quarantined(webhook(content))
    assert understood_again(kept)[1] == [kept.message.reason]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"field": "moods_update", "value": {"mood": PHONE}}, ProblemKind.UNKNOWN_FIELD),
        ({"field": "messages", "value": value(moods=[{"mood": PHONE}])}, ProblemKind.UNKNOWN_FIELD),
        ({"field": 7, "value": {"mood": PHONE}}, ProblemKind.BROKEN_PART),
        ({"field": "messages", "value": {**value(messages=[text_message(7)]), "metadata": 7}}, ProblemKind.BROKEN_PART),
        ({"field": "account_update", "value": [PHONE]}, ProblemKind.BROKEN_PART),
        ("no change", ProblemKind.BROKEN_PART),
    ],
)
def test_a_change_is_kept_as_it_came_in_its_account(part: Any, kind: ProblemKind) -> None:
    whole = {"field": "messages", "value": value(messages=[text_message(1, "Stop")])}
    [kept] = quarantined(changes(whole, part, whole))
    assert kept.webhook == json.loads(changes(part))
    assert kept.message.kind == kind
    assert understood_again(kept) == ([], [kept.message.reason.replace("changes[1]", "changes[0]")])


def test_an_account_is_known_again_however_its_id_looks() -> None:
    unknown: Json = {"field": "moods_update", "value": {}}
    for identifier in (1, "1" * 1000, {"id": 1}, None):
        entry = {"id": identifier, "time": "9" * 1000, "changes": [unknown]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        [kept] = quarantined(body)
        [again] = kept.webhook["entry"]
        assert again["changes"] == [unknown]
        assert again.get("id") == (identifier if identifier in (1, None) else "")
        assert len(kept.body) < 200


def test_many_contacts_of_one_person_are_looked_at_to_a_bound() -> None:
    contacts = [Contact(wa_id=PHONE) for _ in range(MAX_CONTACTS)]
    assert len(Beside(contacts).of([PHONE])) == MOST_OF_ONE_PERSON


def test_an_entry_is_kept_as_it_came() -> None:
    entries: list[Any] = [{"changes": 7}, 8, json.loads(sample("text"))["entry"][0]]
    kept = quarantined(json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode())
    assert [it.webhook["entry"] for it in kept] == [[{"changes": 7}], [8]]


@pytest.mark.parametrize("field", ["contacts", "statuses", "user_preferences", "errors", "message_echoes", "calls"])
def test_a_list_that_is_none_is_kept_without_the_texts_beside_it(field: str) -> None:
    body = webhook({**value(messages=[text_message(1, "Stop")]), field: {"7": USER}})
    [kept] = quarantined(body)
    metadata = value()["metadata"]
    assert kept.change == {"field": "messages", "value": {"metadata": metadata, field: {"7": USER}}}
    assert kept.message.kind == ProblemKind.BROKEN_PART
    assert understood_again(kept) == ([], [kept.message.reason])


def test_messages_that_are_no_list_keep_the_contacts_beside_them() -> None:
    content = {**value(contacts=TWO_PEOPLE[:1], statuses=[status(1)]), "messages": text_message(1, "Stop")}
    [kept] = quarantined(webhook(content))
    assert kept.value == {name: content[name] for name in ("metadata", "contacts", "messages")}
    mended = {"messages": [content["messages"]]}
    [message] = understand(webhook({**kept.value, **mended}), RULES).events
    assert isinstance(message, InboundMessage)
    assert opened(message.sender) == (PHONE, USER)


@pytest.mark.parametrize(("field", "broken"), [("context", "wamid.OUT1"), ("errors", {}), ("image", 8001)])
def test_a_field_without_which_a_message_was_heard_is_kept_without_its_text(field: str, broken: Any) -> None:
    message = text_message(1, "Stop", from_user_id=USER, **{field: broken})
    [kept] = quarantined(webhook(value(contacts=TWO_PEOPLE, messages=[message])))
    [part] = kept.value["messages"]
    assert part == {name: content for name, content in message.items() if name != "text"}
    assert kept.message.kind == ProblemKind.BROKEN_FIELD
    assert understood_again(kept)[1] == [kept.message.reason]


def test_each_broken_field_of_a_status_is_kept_by_itself_and_can_be_heard() -> None:
    broken = status(1, "failed", errors={"code": 131026}, pricing="none", biz_opaque_callback_data=7)
    kept = quarantined(webhook(value(statuses=[broken])))
    rest = {name: broken[name] for name in ("id", "status", "timestamp")}
    assert [it.value["statuses"] for it in kept] == [
        [{**rest, "biz_opaque_callback_data": 7}],
        [{**rest, "pricing": "none"}],
        [{**rest, "errors": {"code": 131026}}],
    ]
    [mended] = understand(kept[2].body.replace(b'{"code": 131026}', b'[{"code":131026}]'), RULES).events
    assert isinstance(mended, DeliveryStatus)
    assert (mended.status, mended.error_code) == ("failed", 131026)


def test_a_status_of_a_group_stays_one() -> None:
    [kept] = quarantined(webhook(value(statuses=[status(1, recipient_type="group", errors={})])))
    mended = kept.body.replace(b'"errors":{}', b'"errors":[]')
    assert mended != kept.body
    assert understand(mended, RULES) == Understood(ignored=[Ignored.GROUP])


def test_preferences_and_contacts_are_kept_by_themselves() -> None:
    broken = {"category": "c", "value": "stop", "timestamp": 1794300100, "wa_id": 7, "user_id": USER}
    contacts: list[Any] = [{"profile": {"name": "Anke Beispiel"}, "wa_id": 8, "user_id": USER}, 9]
    body = webhook(value(contacts=contacts, messages=[text_message(1, "Stop")], user_preferences=[broken]))
    kept = quarantined(body)
    assert [it.value for it in kept] == [
        {"metadata": {"phone_number_id": RULES.phone_number_id}, "contacts": [{"wa_id": 8}]},
        {"metadata": {"phone_number_id": RULES.phone_number_id}, "contacts": [9]},
        {"metadata": {"phone_number_id": RULES.phone_number_id}, "user_preferences": [broken]},
    ]
    assert [understood_again(it)[1] for it in kept[:2]] == [
        ["contacts[0].wa_id: Expected `str | null`, got `int`"],
        ["contacts[0]: Expected `object`, got `int`"],
    ]
    events, [problem] = understood_again(kept[2])
    assert [type(event) for event in events] == [PreferenceChange]
    assert problem.startswith("user_preferences[0].wa_id: ")


def test_errors_of_the_account_beside_a_broken_message_are_not_told_twice() -> None:
    body = webhook(value(messages=[{"id": 7}], errors=[{"code": 130429}]))
    assert [type(event) for event in understand(body, RULES).events] == [AccountEvent]
    [kept] = quarantined(body)
    assert understood_again(kept)[0] == []


@pytest.mark.parametrize(
    "body",
    [
        b"Start \xff, but no JSON",
        b"[]",
        b'{"object": "page", "entry": []}',
        changes(*[{"field": "messages", "value": value(messages=[text_message(1)])}] * MAX_PARTS, {"field": "calls"}),
    ],
    ids=["no JSON", "no object", "something else", "more than Meta sends"],
)
def test_what_cannot_be_taken_apart_is_kept_whole(body: bytes) -> None:
    [kept] = quarantined(body)
    assert kept.body == body
    assert kept.message.kind != ProblemKind.BROKEN_FIELD


def test_what_is_kept_whole_is_named_first() -> None:
    body = webhook(value(messages=[text_message(1, context=7)] * MAX_PARTS))
    [kept] = quarantined(body)
    assert kept.body == body
    assert kept.message.reason.startswith(f"more than {MAX_PARTS} parts; messages[0].context: ")
    assert kept.message.kind == ProblemKind.BROKEN_PART


def test_many_bad_parts_share_a_message_of_their_kind() -> None:
    bad: list[Json] = [{"id": number} for number in range(1000)]
    without_a_field = [text_message(number, "Stop", context=7) for number in range(500)]
    kept = quarantined(webhook(value(messages=[*bad, *without_a_field])))

    assert len(kept) == MOST_APART + 2
    assert [it.message.kind for it in kept[-2:]] == [ProblemKind.BROKEN_PART, ProblemKind.BROKEN_FIELD]
    assert kept[-2].message.reason.endswith(f"; and {1000 - MOST_APART - 3} more")
    parts = [entry["changes"][0]["value"]["messages"][0] for it in kept for entry in it.webhook["entry"]]
    assert parts[:1000] == bad
    assert len(parts) == 1500
    assert b"Stop" not in b"".join(it.body for it in kept)
    assert len(understand(kept[-2].body, RULES).problems) == 1000 - MOST_APART


@pytest.mark.parametrize(
    "body",
    [
        webhook(value(messages=[{}] * (MAX_PARTS - 1))),
        webhook(value(contacts=TWO_PEOPLE * 500, messages=[{"from": OTHER_PHONE}] * (MAX_PARTS - 1))),
        webhook({**value(messages=[text_message(1)]), "contacts": [7] * 300_000}),
        webhook(value(statuses=[status(1, errors="x" * 4_000_000)])),
    ],
    ids=["empty messages", "contacts for each", "contacts", "one large part"],
)
def test_what_is_kept_is_little_more_than_the_webhook(body: bytes) -> None:
    kept = quarantined(body)
    assert len(kept) <= MOST_APART + len(ProblemKind)
    assert sum(len(it.body) for it in kept) < len(body) + MAX_PARTS * 300


def test_contacts_beyond_the_bound_are_kept() -> None:
    body = webhook(value(messages=[text_message(1)], contacts=[{}] * (MAX_CONTACTS + 7)))
    [kept] = quarantined(body)
    assert kept.value["contacts"] == [{}] * 7
    assert kept.message.reason == f"more than {MAX_CONTACTS} contacts"


def test_each_travels_alone() -> None:
    messages = [it.message for it in quarantined(webhook(value(messages=[{}, {}, {}])))]
    slices = pack(messages)[WebhookQuarantined]
    bodies = [enclose(WebhookQuarantined, it.json, event_id="1", source="/test", time=RECEIVED_AT) for it in slices]
    assert [decode(body) for body in bodies] == messages
    assert [it.events for it in slices] == [1, 1, 1]


def test_a_part_is_sealed_for_itself() -> None:
    first, second = (it.message.sealed for it in quarantined(webhook(value(messages=[{}, {}]))))
    assert first != second
    assert RING.open(first, purpose="webhook") == RING.open(second, purpose="webhook")
