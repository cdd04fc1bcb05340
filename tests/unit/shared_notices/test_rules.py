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


def test_an_update_needs_a_revision_and_a_withdrawal_only_its_subject() -> None:
    assert find_problems(build_event(CONTENT | {"revision": 2}, kind=NoticeUpdated.TYPE)) == {}
    missing = find_problems(build_event(kind=NoticeUpdated.TYPE))
    assert missing == {"revision": "is missing: 2 for the first update, counting up"}
    assert set(find_problems(build_event(CONTENT | {"revision": 1}, kind=NoticeUpdated.TYPE))) == {"revision"}
    assert find_problems(build_event({}, kind=NoticeWithdrawn.TYPE, expirytime=None)) == {}
    assert set(find_problems(build_event({"reason": 5}, kind=NoticeWithdrawn.TYPE, subject=None))) == {
        "reason",
        "subject",
    }


def test_another_type_is_told_which_there_are() -> None:
    (problem,) = find_problems(build_event(kind="de.kreisfunk.notice.published.v9")).items()
    assert problem[0] == "type"
    assert NoticeUpdated.TYPE in problem[1]


@pytest.mark.parametrize(
    ("field", "advice"),
    [
        ("Urgent", 'do you mean "urgent"?'),
        ("head_line", 'do you mean "headline"?'),
        ("expires_at", 'do you mean "expirytime" beside data?'),
        ("subject", 'do you mean "subject" beside data?'),
        ("colour", "there are topic, headline, text"),
    ],
)
def test_an_unknown_field_is_named_with_what_it_may_stand_for(field: str, advice: str) -> None:
    found = find_content_problems(**{field: "x"})
    assert set(found) == {field}
    assert advice in found[field]


def test_a_new_notice_has_no_revision_and_a_withdrawal_no_content() -> None:
    assert find_content_problems(revision=2) == {"revision": "is for an update: leave it out, or send an update"}
    withdrawn = build_event({"headline": "x", "revision": 2}, kind=NoticeWithdrawn.TYPE, expirytime=None)
    assert find_problems(withdrawn) == {
        "headline": "is unknown; there are reason",
        "revision": "is for an update: leave it out, or send an update",
    }
    update = build_event(CONTENT | {"revision": 2, "reason": "x"}, kind=NoticeUpdated.TYPE)
    assert find_problems(update)["reason"].startswith("is unknown; there are topic")


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


@pytest.mark.parametrize("data", [5, "text", [CONTENT]])
def test_data_has_to_be_an_object(data: object) -> None:
    assert find_problems(build_event(data)) == {"data": "must be a JSON object"}


def test_every_missing_field_is_named() -> None:
    found = find_problems(build_event({}, subject=None, expirytime=None))
    assert set(found) == {"subject", "expirytime", "topic", "headline", "text"}
    assert all(problem.startswith("is missing") for problem in found.values())


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


AT_17 = {"urgent": False, "scheduled_at": "2026-11-20T17:00:00Z"}


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
        ({**AT_17, "spread_minutes": 60}, set()),
        ({**AT_17, "spread_minutes": 61}, {"spread_minutes"}),
        ({"headline": "a", "text": "😀" * 400, "link": None}, set()),
        ({"headline": "a" * 71, "text": "😀" * 400, "link": None}, {"text"}),
    ],
)
def test_values_have_to_fit_together(changes: dict[str, Any], fields: set[str]) -> None:
    assert set(find_content_problems(**changes)) == fields


@pytest.mark.parametrize("expirytime", [NOON, NOON - timedelta(days=1), NOON + timedelta(days=367)])
def test_an_expiry_is_in_the_next_year(expirytime: Any) -> None:
    assert set(find_problems(build_event(expirytime=expirytime))) == {"expirytime"}
    assert find_problems(build_event(expirytime=NOON + timedelta(days=365))) == {}


@pytest.mark.parametrize("subject", ["", "a b", "a/b", "a" * 101, "L149\n", "ä"])
def test_a_subject_is_short_and_plain(subject: str) -> None:
    assert set(find_problems(build_event(subject=subject))) == {"subject"}


def test_headline_text_and_link_fit_into_one_template() -> None:
    link = "https://www.landkreis-osterholz.de/" + "a" * (MAX_CONTENT_LENGTH - 35 - 100 - 700)
    assert find_content_problems(headline="a" * 100, text="b" * 700, link=link) == {}
    assert set(find_content_problems(headline="a" * 101, text="b" * 700, link=link)) == {"text"}


def test_no_value_is_repeated_in_a_problem() -> None:
    secret = "geheim-4917604069001"
    found = find_problems(build_event(dict.fromkeys(FIELDS - {"headline", "text", "follows"}, secret), type=secret))
    assert secret not in str(found)
    assert secret not in str(find_content_problems(**dict.fromkeys(FIELDS - {"headline", "text", "follows"}, secret)))


EARLIER, MOMENT = NOON - timedelta(hours=1), NOON - timedelta(minutes=30)


def test_what_was_planned_ahead_may_arrive_after_its_moment_until_it_expires() -> None:
    planned = build_event(CONTENT | {"scheduled_at": MOMENT.isoformat()}, time=EARLIER)
    assert find_problems(planned) == {}
    assert set(find_problems(msgspec.structs.replace(planned, expirytime=NOON))) == {"expirytime"}


@pytest.mark.parametrize(
    "time", [MOMENT, NOON, NOON + timedelta(days=1), NOON - MAX_EXPIRY, datetime(1970, 1, 1, tzinfo=UTC)]
)
def test_a_moment_that_was_over_or_nobody_knows_when_it_was_planned_is_in_the_past(time: datetime) -> None:
    planned = build_event(CONTENT | {"scheduled_at": MOMENT.isoformat()}, time=time)
    assert set(find_problems(planned)) == {"scheduled_at"}


def test_what_arrives_after_its_moment_is_spread_over_the_time_that_is_left() -> None:
    late = {"urgent": False, "scheduled_at": MOMENT.isoformat()}
    assert find_problems(build_event(CONTENT | late | {"spread_minutes": 360}, time=EARLIER)) == {}
    assert set(find_problems(build_event(CONTENT | late | {"spread_minutes": 361}, time=EARLIER))) == {"spread_minutes"}


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
