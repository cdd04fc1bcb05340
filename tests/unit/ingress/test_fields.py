"""Fields of webhooks beyond citizens' messages: passed on, counted, or kept for an operator."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from services.ingress.webhook.events import Ignored, ParseProblem, ProblemKind
from services.ingress.webhook.translate import translate
from shared.contracts.inbound import AccountEvent
from tests.factories.webhook_rules import RULES, find_all, get_only
from tests.factories.webhooks import build_text_message, build_value, build_webhook, read_sample

ACCOUNT = (
    "account_disabled",
    "account_restricted",
    "capability",
    "phone_number_quality",
    "template_category",
    "template_quality",
    "template_status",
)
IGNORED = {
    "text_in_group": Ignored.GROUP,
    "status_of_group": Ignored.GROUP,
    "group_participants": Ignored.GROUP,
    "calls": Ignored.CALL,
    "history": Ignored.COEXISTENCE,
    "echoes": Ignored.COEXISTENCE,
    "empty": Ignored.EMPTY,
}
UNKNOWN = {
    "unknown_field": "changes[0]: unknown field",
    "unknown_list": "changes[0]: no known list in it",
}
OURS = msgspec.structs.replace(RULES, account_id="100200300400500")


@pytest.mark.parametrize("name", ACCOUNT)
def test_account_events_are_passed_on_unchanged(name: str) -> None:
    entry = json.loads(read_sample(name))["entry"][0]
    event = get_only(AccountEvent, find_all(read_sample(name)))
    assert (event.field, event.value) == (entry["changes"][0]["field"], entry["changes"][0]["value"])
    assert event.at == (datetime.fromtimestamp(entry["time"], UTC) if "time" in entry else None)


@pytest.mark.parametrize(("name", "reason"), IGNORED.items())
def test_what_is_not_for_us_is_counted_only(name: str, reason: Ignored) -> None:
    assert find_all(read_sample(name)) == [reason]


@pytest.mark.parametrize(("name", "reason"), UNKNOWN.items())
def test_what_may_hold_anything_is_not_passed_on(name: str, reason: str) -> None:
    problem = get_only(ParseProblem, find_all(read_sample(name)))
    assert (problem.reason, problem.kind) == (reason, ProblemKind.UNKNOWN_FIELD)


@pytest.mark.parametrize(
    "body",
    [
        b'{"object": "whatsapp_business_account", "entry": []}',
        b'{"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": []}]}',
        build_webhook(build_value(contacts=[{"wa_id": "491760406900001"}])),
        build_webhook({}),
    ],
)
def test_a_webhook_without_anything_in_it_is_counted(body: bytes) -> None:
    assert find_all(body) == [Ignored.EMPTY]


def test_echoes_and_calls_beside_messages_are_counted_one_by_one() -> None:
    body = build_webhook(build_value(message_echoes=[{}, {}], calls=[{}], messages=[build_text_message(1)]))
    assert find_all(body)[1:] == [Ignored.COEXISTENCE, Ignored.COEXISTENCE, Ignored.CALL]


def test_what_is_said_about_another_account_is_ignored() -> None:
    assert get_only(AccountEvent, list(translate(read_sample("template_status"), OURS))).field
    others = read_sample("template_status").replace(b"100200300400500", b"100200300400501")
    assert list(translate(others, OURS)) == [Ignored.OTHER_ACCOUNT]
    assert get_only(AccountEvent, find_all(others)).field


@pytest.mark.parametrize("time", ["soon", -1, 1.5, None, {}, "9" * 30])
def test_a_time_that_is_none_takes_no_account_event_with_it(time: object) -> None:
    whole = json.loads(read_sample("template_status"))
    whole["entry"][0]["time"] = time
    assert get_only(AccountEvent, find_all(json.dumps(whole).encode())).at is None


@pytest.mark.parametrize(
    ("entry", "inside", "is_ours"),
    [
        ("600700800900100", "100200300400500", True),
        ("600700800900100", 100200300400500, True),
        ("100200300400500", "100200300400501", False),
        ("100200300400500", None, True),
        ("100200300400500", {}, True),
        ("600700800900100", None, False),
    ],
)
def test_the_account_named_inside_counts_before_the_entrys_id(entry: str, inside: object, is_ours: bool) -> None:
    """A partner's entry has the id of its business portfolio."""
    told = {"event": "PARTNER_REMOVED", "waba_info": {"waba_id": inside, "owner_business_id": "1"}}
    change = {"field": "account_update", "value": told}
    body = {"object": "whatsapp_business_account", "entry": [{"id": entry, "time": 1794300000, "changes": [change]}]}
    [found] = translate(json.dumps(body).encode(), OURS)
    assert isinstance(found, AccountEvent) if is_ours else found is Ignored.OTHER_ACCOUNT
