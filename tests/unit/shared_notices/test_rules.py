from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.notices import NoticeContent, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices.rules import MAX_CONTENT_LENGTH, MAX_EXPIRY, parse_notice, validate_event
from shared.notices.schema_errors import MAX_UNKNOWN_FIELDS
from tests.factories.citizens import COUNTY, NOON
from tests.unit.shared_notices.factories import (
    CONTENT,
    EXPIRY,
    KNOWN,
    ROADS,
    SOURCE,
    build_event,
    find_content_problems,
    find_problems,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = {field.encode_name for field in msgspec.structs.fields(NoticeContent)}


def test_a_valid_notice_has_no_problems() -> None:
    assert find_content_problems() == {}
    assert parse_notice(build_event()).notice == msgspec.convert(CONTENT, NoticePublished)


UPDATE, WITHDRAW = {"kind": NoticeUpdated.TYPE}, {"kind": NoticeWithdrawn.TYPE, "expirytime": None}
EARLIER, MOMENT = NOON - timedelta(hours=1), NOON - timedelta(minutes=30)
PLANNED = CONTENT | {"scheduled_at": MOMENT.isoformat(), "urgent": False}
LINK = "https://www.landkreis-osterholz.de/" + "a" * (MAX_CONTENT_LENGTH - 35 - 100 - 700)
LONG = CONTENT | {"headline": "a" * 100, "text": "b" * 700, "link": LINK}


@pytest.mark.parametrize(
    ("data", "attributes", "fields"),
    [
        (CONTENT | {"revision": 2}, UPDATE, set()),
        (CONTENT | {"revision": 1}, UPDATE, {"revision"}),
        ({}, WITHDRAW, set()),
        ({"reason": 5}, WITHDRAW | {"subject": None}, {"reason", "subject"}),
        ({"reason": "bell \x07"}, WITHDRAW, {"reason"}),
        (CONTENT, {"id": "a\0b"}, {"id"}),
        *((data, {}, {"data"}) for data in (5, "text", [CONTENT])),
        ({}, {"subject": None, "expirytime": None}, {"subject", "expirytime", "topic", "headline", "text"}),
        *((CONTENT, {"expirytime": NOON + timedelta(days=days)}, {"expirytime"}) for days in (-1, 0, 367)),
        (CONTENT, {"expirytime": NOON + timedelta(days=365)}, set()),
        *((CONTENT, {"subject": subject}, {"subject"}) for subject in ("", "a b", "a/b", "a" * 101, "L149\n", "ä")),
        (LONG, {}, set()),
        (LONG | {"headline": "a" * 101}, {}, {"text"}),
        # What was planned ahead may arrive after its moment, until it expires.
        (PLANNED, {"time": EARLIER}, set()),
        (PLANNED, {"time": EARLIER, "expirytime": NOON}, {"expirytime"}),
        (PLANNED | {"spread_minutes": 360}, {"time": EARLIER}, set()),
        (PLANNED | {"spread_minutes": 361}, {"time": EARLIER}, {"spread_minutes"}),
        *(
            (PLANNED, {"time": time}, {"scheduled_at"})
            for time in (MOMENT, NOON, NOON + timedelta(days=1), NOON - MAX_EXPIRY, datetime(1970, 1, 1, tzinfo=UTC))
        ),
    ],
)
def test_each_field_with_a_problem_is_named(data: object, attributes: dict[str, Any], fields: set[str]) -> None:
    assert set(find_problems(build_event(data, **attributes))) == fields


@pytest.mark.parametrize(
    ("data", "attributes", "field", "advice"),
    [
        (CONTENT | {"Urgent": "x"}, {}, "Urgent", 'do you mean "urgent"?'),
        (CONTENT | {"head_line": "x"}, {}, "head_line", 'do you mean "headline"?'),
        (CONTENT | {"expires_at": "x"}, {}, "expires_at", 'do you mean "expirytime" beside data?'),
        (CONTENT | {"subject": "x"}, {}, "subject", 'do you mean "subject" beside data?'),
        (CONTENT | {"colour": "x"}, {}, "colour", "there are topic, headline, text"),
        (CONTENT | {"revision": 2}, {}, "revision", "is for an update: leave it out, or send an update"),
        (CONTENT | {"revision": 2, "reason": "x"}, UPDATE, "reason", "is unknown; there are topic"),
        (CONTENT, UPDATE, "revision", "is missing: 2 for the first update, counting up"),
        ({"headline": "x"}, WITHDRAW, "headline", "is unknown; there are reason"),
        ({"revision": 2}, WITHDRAW, "revision", "is for an update: leave it out, or send an update"),
        ({name: CONTENT[name] for name in ("topic", "text")}, {}, "headline", "is missing"),
        (CONTENT, {"kind": "de.kreisfunk.notice.published.v9"}, "type", NoticeUpdated.TYPE),
    ],
)
def test_the_only_problem_comes_with_advice(data: object, attributes: dict[str, Any], field: str, advice: str) -> None:
    found = find_problems(build_event(data, **attributes))
    assert set(found) == {field}
    assert advice in found[field]


def test_of_unknown_fields_nothing_is_repeated_but_a_name() -> None:
    strange = {f"+4917604069{number}": 1 for number in range(40)} | {"+": 1, "": 1, "a b": 1, "x" * 41: 1}
    assert find_content_problems(**strange) == {"data": "has 44 unknown fields"}
    many = {f"field{number:02}": 1 for number in range(25)}
    found = find_content_problems(**many)
    assert len(found) == MAX_UNKNOWN_FIELDS + 1
    assert found["data"] == "has 5 more unknown fields"


def test_what_can_be_read_is_judged_beside_what_cannot() -> None:
    parsed = msgspec.json.decode(msgspec.json.encode(build_event(CONTENT | {"topic": "wetter", "Urgent": True})))
    body = msgspec.json.encode(parsed | {"expirytime": "tomorrow", "source": 7, "Subject": "x"})
    found = [problem.field for problem in validate_event(body, KNOWN.find_system("pressestelle"), KNOWN, NOON)]
    assert found == ["source", "expirytime", "Subject", "Urgent", "topic"]


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = {
        "topic": "wetter",
        "headline": "a" * 121,
        "text": 5,
        "link": "http://www.landkreis-osterholz.de",
        "picture": "http://www.landkreis-osterholz.de/a.png",
        "municipalities": ["Bremen"],
        "urgent": "yes",
        "scheduled_at": "yesterday",
        "spread_minutes": 0,
        "follows": "no spaces please",
    }
    found = find_problems(build_event(wrong, subject="no spaces please", expirytime=NOON, source="/other"))
    assert set(found) == {"subject", "expirytime", "source", *FIELDS}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("headline", "two\nlines"),
        ("headline", "   "),
        ("headline", "\u200b\u00a0\u2060"),
        ("headline", "evil \u202etxet"),
        ("text", "two\nlines"),
        ("text", "two\rlines"),
        ("text", "two\u2028lines"),
        ("text", "a\ttab"),
        ("text", "a     gap"),
        ("text", "Hallo {{1}}"),
        ("text", "bell \x07"),
        ("text", "a" * 801),
        ("link", "https://bit.ly/2x"),
        ("link", "https://landkreis-osterholz.de.example.org/"),
        ("link", "https://user@www.landkreis-osterholz.de/"),
        ("link", "https://www.landkreis-osterholz.de:8443/"),
        ("link", "https://[broken"),
        ("link", "https://www.landkreis-osterholz.de/\n"),
        ("picture", "http://www.landkreis-osterholz.de/a.png"),
        ("picture", "https://example.org/a.png"),
        ("picture", "data:image/png;base64,AAAA"),
        ("scheduled_at", "2026-11-20T12:00:00Z"),
        ("scheduled_at", "2026-11-20T19:00:00+01:00"),
        ("scheduled_at", "2026-11-20T18:00:00"),
        ("topic", "wetter"),
        ("municipalities", ["Bremen"]),
        ("municipalities", "Worpswede"),
        ("follows", "L149-2026-11"),
    ],
)
def test_a_wrong_value_is_named_once(field: str, value: object) -> None:
    assert set(find_content_problems(**{field: value})) == {field}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"text": "a    gap"}, set()),
        ({"link": None}, set()),
        ({"follows": "K8"}, set()),
        ({"municipalities": ["Worpswede", "Lilienthal"]}, set()),
        ({"municipalities": ["Worpswede"], "topic": "stellen"}, {"municipalities"}),
        ({"urgent": False, "spread_minutes": 360}, set()),
        ({"urgent": False, "spread_minutes": 361}, {"spread_minutes"}),
        ({"urgent": False, "spread_minutes": 0}, {"spread_minutes"}),
        ({"urgent": False, "spread_minutes": 1441}, {"spread_minutes"}),
        ({"urgent": False, "spread_minutes": 1.5}, {"spread_minutes"}),
        ({"urgent": False, "spread_minutes": 60, "follows": "K8"}, {"spread_minutes"}),
        ({"urgent": True, "spread_minutes": 60}, {"spread_minutes"}),
        ({"urgent": False, "scheduled_at": "2026-11-20T17:00:00Z", "spread_minutes": 60}, set()),
        ({"urgent": False, "scheduled_at": "2026-11-20T17:00:00Z", "spread_minutes": 61}, {"spread_minutes"}),
        ({"headline": "a", "text": "😀" * 400, "link": None}, set()),
        ({"headline": "a" * 71, "text": "😀" * 400, "link": None}, {"text"}),
    ],
)
def test_values_have_to_fit_together(changes: dict[str, Any], fields: set[str]) -> None:
    assert set(find_content_problems(**changes)) == fields


def test_no_value_is_repeated_in_a_problem() -> None:
    secret = "geheim-4917604069001"
    found = find_problems(build_event(dict.fromkeys(FIELDS - {"headline", "text", "follows"}, secret), type=secret))
    assert secret not in str(found)
    assert secret not in str(find_content_problems(**dict.fromkeys(FIELDS - {"headline", "text", "follows"}, secret)))


EARLIER, MOMENT = NOON - timedelta(hours=1), NOON - timedelta(minutes=30)


def test_a_picture_needs_a_template_that_has_one() -> None:
    picture = "https://www.landkreis-osterholz.de/a.png"
    topics = tuple(msgspec.structs.replace(topic, picture_template=None) for topic in KNOWN.topics)
    without = msgspec.structs.replace(KNOWN, topics=topics)
    notice = parse_notice(build_event(CONTENT | {"picture": picture}))
    found = notice.validate(KNOWN.find_system("pressestelle"), without, NOON)
    assert [problem.field for problem in found] == ["picture"]


@pytest.mark.parametrize(
    ("login", "attributes", "fields"),
    [
        ("pressestelle", {"source": "/strassen"}, {"source"}),
        ("strassen", {}, {"source"}),
        ("strassen", {"source": "/strassen"}, set()),
        ("nobody", {}, {"user_id"}),
        (None, {}, {"user_id"}),
        ("notices", {}, {"user_id"}),
        ("notices", {"kreisfunksystem": "pressestelle"}, set()),
        ("notices", {"kreisfunksystem": "strassen"}, {"source"}),
        ("pressestelle", {"kreisfunksystem": "strassen"}, {"user_id"}),
        ("pressestelle", {"kreisfunksystem": "pressestelle"}, {"user_id"}),
    ],
)
def test_nobody_publishes_in_anothers_name(login: str | None, attributes: dict[str, str], fields: set[str]) -> None:
    assert set(find_problems(build_event(**attributes), login)) == fields


def test_a_system_publishes_about_its_own_topics_only() -> None:
    allowed = build_event(CONTENT | {"topic": "baustellen"}, source="/strassen")
    forbidden = build_event(CONTENT | {"topic": "stellen"}, source="/strassen")
    assert find_problems(allowed, "strassen") == {}
    assert find_problems(forbidden, "strassen") == {
        "topic": "this system may publish about baustellen, strassensperrungen only"
    }


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys([*FIELDS, "revision"], JSON)))
def test_any_json_is_judged(data: object) -> None:
    for kind in (NoticePublished.TYPE, NoticeUpdated.TYPE):
        assert find_problems(build_event(data if data is not None else [], kind=kind)) != {}


NOTICES = st.fixed_dictionaries(
    {
        "topic": st.sampled_from(sorted(COUNTY.topic_ids)) | st.text(max_size=5),
        "headline": st.text(max_size=130),
        "text": st.text(max_size=900),
    },
    optional={
        "link": st.sampled_from([CONTENT["link"], "https://example.org", "http://x"]),
        "municipalities": st.lists(st.sampled_from([*COUNTY.municipalities, "Bremen"]), max_size=3),
        "urgent": st.booleans(),
        "scheduled_at": st.timedeltas(timedelta(hours=-1), timedelta(hours=8)).map(lambda ahead: NOON + ahead),
        "spread_minutes": st.integers(0, 1500),
        "follows": st.sampled_from(["K8", "L149-2026-11"]),
    },
)


@given(NOTICES)
def test_what_has_no_problems_can_be_read_and_sent(data: dict[str, Any]) -> None:
    parsed = parse_notice(build_event(data))
    if parsed.validate(KNOWN.find_system("pressestelle"), KNOWN, NOON):
        return
    content = parsed.notice
    assert isinstance(content, NoticeContent)
    assert not set("\n\r\t") & set(content.headline + content.text)
    assert content.scheduled_at is None or NOON < content.scheduled_at < EXPIRY


def test_one_call_checks_an_event_in_json() -> None:
    system, wrong = KNOWN.find_system("pressestelle"), build_event(CONTENT | {"topic": "wetter"}, source="/other")
    good = msgspec.json.encode(build_event())
    assert validate_event(good, system, KNOWN, NOON) == ()
    assert [problem.field for problem in validate_event(msgspec.json.encode(wrong), system, KNOWN, NOON)] == [
        "source",
        "topic",
    ]
    assert [problem.field for problem in validate_event(good, None, KNOWN, NOON)] == ["user_id"]
    assert [problem.field for problem in validate_event(b"no json", system, KNOWN, NOON)] == ["body"]


@pytest.mark.parametrize(
    ("kind", "data", "fields"),
    [
        (NoticePublished.TYPE, CONTENT, {"source"}),
        (NoticeUpdated.TYPE, CONTENT | {"revision": 2}, set()),
        (NoticeUpdated.TYPE, CONTENT | {"revision": 2, "topic": "stellen"}, {"topic"}),
        (NoticeWithdrawn.TYPE, {}, set()),
    ],
)
def test_who_manages_a_source_updates_and_withdraws_its_notices(kind: str, data: object, fields: set[str]) -> None:
    manager = msgspec.structs.replace(ROADS, manages=(SOURCE,))
    found = parse_notice(build_event(data, kind=kind)).validate(manager, KNOWN, NOON)
    assert {problem.field for problem in found} == fields
