"""Bytes and AMQP messages that are an event, in both modes, and everything that can be wrong about them."""

import re
from datetime import UTC, datetime
from sys import getrecursionlimit
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.notices import NoticePublished
from shared.notices.cloudevents import (
    HEADER_PREFIXES,
    MAX_BODY_BYTES,
    MAX_NAME_LENGTH,
    AmqpMessage,
    UnreadableEvent,
    read_amqp_event,
    read_event,
)
from tests.unit.shared_notices.factories import ATTRIBUTES, CONTENT, EXPIRY, build_event, find_problems

UNPLACED = "is not JSON: it has NaN, a number out of range, or an escaped surrogate without its other half"
EVENT = {"specversion": "1.0", "id": "1", "source": "/x", "type": "t", "subject": "n"}


def test_an_event_is_read_with_its_data_as_it_came() -> None:
    envelope = read_event(msgspec.json.encode(EVENT | {"data": {"a": [1]}}))
    assert (envelope.id, envelope.subject, bytes(envelope.data)) == ("1", "n", b'{"a":[1]}')


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"source": 5}, "source"),
        ({"type": None}, "type"),
        ({"subject": {}}, "subject"),
        ({"type": {}}, "type"),
        ({"time": "gestern"}, "time"),
        ({"expirytime": "2026-11-20"}, "expirytime"),
    ],
)
def test_a_wrong_attribute_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(UnreadableEvent) as caught:
        read_event(msgspec.json.encode(EVENT | change))
    assert [problem.field for problem in caught.value.problems] == [field]


@pytest.mark.parametrize("name", ["time", "datacontenttype", "expirytime", "traceparent", "more"])
def test_an_attribute_that_is_null_is_one_that_was_left_out(name: str) -> None:
    content = EVENT | {"data": {"a": None}}
    assert read_event(msgspec.json.encode(content | {name: None})) == read_event(msgspec.json.encode(content))


def test_every_missing_attribute_is_named_and_what_is_known_of_the_event_is_told() -> None:
    with pytest.raises(UnreadableEvent) as caught:
        read_event(b'{"id": "7", "subject": "n"}')
    assert {problem.field for problem in caught.value.problems} == {"source", "type", "specversion"}
    assert (caught.value.event, caught.value.subject) == ("7", "n")


def test_a_name_that_is_too_long_for_an_answer_is_not_told() -> None:
    longest = "x" * MAX_NAME_LENGTH
    with pytest.raises(UnreadableEvent) as caught:
        read_event(msgspec.json.encode({"id": longest + "x", "source": longest, "subject": longest + "x"}))
    assert (caught.value.event, caught.value.source, caught.value.subject) == ("", longest, None)


@pytest.mark.parametrize(
    ("moment", "hour"),
    [
        ("2026-11-20T18:00:00", 17),
        ("2026-07-20T18:00:00", 16),
        ("2026-10-25T02:30:00", 0),  # comes twice: the first
        ("2026-11-20T18:00:00Z", 18),
    ],
)
def test_a_moment_without_an_offset_is_berlins(moment: str, hour: int) -> None:
    content = EVENT | {"type": NoticePublished.TYPE, "expirytime": moment, "data": {"scheduled_at": moment}}
    envelope = read_event(msgspec.json.encode(content))
    assert envelope.expirytime is not None
    assert envelope.expirytime.astimezone(UTC).hour == hour
    begins = msgspec.json.decode(envelope.data, type=dict[str, datetime])["scheduled_at"]
    assert begins == envelope.expirytime


def test_a_wrong_moment_is_answered_with_what_is_accepted() -> None:
    with pytest.raises(UnreadableEvent) as caught:
        read_event(msgspec.json.encode(EVENT | {"expirytime": "20.11.2026"}))
    [problem] = caught.value.problems
    [example] = re.findall(r"such as (\S+)", problem.problem)
    for accepted in (example, example[:19]):
        content = EVENT | {"type": NoticePublished.TYPE, "expirytime": accepted, "data": {}}
        assert read_event(msgspec.json.encode(content)).expirytime is not None
    assert "without an offset it is in Europe/Berlin" in problem.problem


def test_the_first_and_the_last_moment_are_no_accident() -> None:
    content = EVENT | {"type": NoticePublished.TYPE, "data": {}}
    assert read_event(msgspec.json.encode(content | {"expirytime": "9999-12-31T23:59:59"})).expirytime is not None
    with pytest.raises(UnreadableEvent, match="expirytime"):
        read_event(msgspec.json.encode(content | {"expirytime": "0001-01-01T00:00:00"}))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is not JSON: line 1, column 1"),
        (b'{"a": 1,\n "b": tru}', "is not JSON: line 2, column 7"),
        ('{"ü": 1 2}'.encode(), "is not JSON: line 1, column 9"),
        (b'{"a": 1,\n "b": "\xff"}', "is not UTF-8: line 2, column 8"),
        ('{"text": "für"}'.encode("latin-1"), "is not UTF-8: line 1, column 12"),
        ('{"a": 1}'.encode("utf-8-sig"), "begins with a byte order mark: omit it"),
        (b"[]", "must be a JSON object"),
        (b"5", "must be a JSON object"),
        *((b'{"a": %s}' % value, UNPLACED) for value in (b"NaN", b"1e400", b"9" * 5_000, b'"\\ud800"')),
    ],
)
def test_what_is_no_json_is_told_with_its_place(body: bytes, problem: str) -> None:
    with pytest.raises(UnreadableEvent) as caught:
        read_event(body)
    assert [(found.field, found.problem) for found in caught.value.problems] == [("body", problem)]


def test_what_is_no_json_is_told_however_deep_its_mistake_is() -> None:
    """At some depth our decoder finds it, and the one that finds its place would not get there."""
    for depth in range(getrecursionlimit() - 300, getrecursionlimit()):
        for opening in (b"[", b'{"a":'):
            with pytest.raises(UnreadableEvent, match="body"):
                read_event(opening * depth + b"x")


@pytest.mark.parametrize(
    ("attribute", "advice"),
    [
        ("Subject", 'do you mean "subject"?'),
        ("expiryTime", 'do you mean "expirytime"?'),
        ("expires_at", 'do you mean "expirytime"?'),
        ("headline", 'do you mean "headline" in data?'),
        ("data_base64", 'do you mean "data"?'),
    ],
)
def test_an_attribute_that_a_notice_does_not_have_is_named(attribute: str, advice: str) -> None:
    content = EVENT | {"type": NoticePublished.TYPE, attribute: "x", "data": {}}
    with pytest.raises(UnreadableEvent) as caught:
        read_event(msgspec.json.encode(content))
    assert [(each.field, each.problem) for each in caught.value.problems] == [(attribute, f"is unknown; {advice}")]


def test_extensions_of_others_are_let_pass() -> None:
    content = EVENT | {"type": NoticePublished.TYPE, "tracestate": "a=b", "partitionkey": "1", "data": {}}
    assert read_event(msgspec.json.encode(content)).id == "1"


BODY = msgspec.json.encode(build_event())
DATA = msgspec.json.encode(CONTENT)


def structured(body: bytes = BODY, **properties: Any) -> AmqpMessage:
    return AmqpMessage(body=body, login="pressestelle", **properties)


def binary(body: bytes = DATA, *, prefix: str = HEADER_PREFIXES[0], **attributes: Any) -> AmqpMessage:
    given = {name: value for name, value in (ATTRIBUTES | attributes).items() if value is not None}
    headers = {f"{prefix}{name}": value for name, value in given.items()}
    return structured(body, content_type="application/json", headers=headers)


def wrong(message: AmqpMessage) -> UnreadableEvent:
    with pytest.raises(UnreadableEvent) as caught:
        read_amqp_event(message)
    return caught.value


def fields(message: AmqpMessage) -> list[str]:
    return [problem.field for problem in wrong(message).problems]


@pytest.mark.parametrize(
    "content_type", [CONTENT_TYPE, "Application/CloudEvents+JSON; charset=UTF-8", f'{CONTENT_TYPE};charset="utf-8"']
)
def test_an_event_in_the_body_is_read(content_type: str) -> None:
    assert read_amqp_event(structured(content_type=content_type)) == build_event()


@pytest.mark.parametrize("prefix", HEADER_PREFIXES)
def test_an_event_in_headers_is_the_same_as_one_in_the_body(prefix: str) -> None:
    read = read_amqp_event(binary(prefix=prefix))
    assert msgspec.structs.replace(read, datacontenttype="") == build_event()
    assert find_problems(read) == {}


def test_moments_may_be_of_the_brokers_own_type_and_other_headers_are_ignored() -> None:
    message = binary(expirytime=EXPIRY, time=datetime(2026, 11, 20, tzinfo=UTC), mine="something")
    other = structured(DATA, content_type="application/json", headers={**message.headers, "x": "y", "id": "no"})
    assert (read_amqp_event(other).expirytime, read_amqp_event(other).id) == (EXPIRY, "event-1")


def test_the_same_attribute_twice_is_refused_if_it_differs() -> None:
    headers = dict(binary().headers)
    alike = structured(DATA, content_type="application/json", headers={**headers, "ce-id": "event-1"})
    assert read_amqp_event(alike).id == "event-1"
    other = structured(DATA, content_type="application/json", headers={**headers, "ce-id": "event-2"})
    assert fields(other) == ["id"]


def test_an_answer_to_many_attributes_given_twice_is_short() -> None:
    """Everybody reads it: a hundred megabytes of answers are kept."""
    names = [f"{number}{'x' * 200}" for number in range(200)]
    headers = {f"{prefix}{name}": prefix for name in names for prefix in HEADER_PREFIXES}
    problems = wrong(
        structured(DATA, content_type="application/json", headers={**binary().headers, **headers})
    ).problems
    assert len(msgspec.json.encode(problems)) < 4_000


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (structured(content_type=None), "content_type"),
        (structured(content_type=""), "content_type"),
        (structured(content_type="text/plain"), "content_type"),
        (structured(content_type="application/json"), "content_type"),
        (structured(content_type="application/cloudevents+xml"), "content_type"),
        (structured(content_type="application/cloudevents-batch+json"), "content_type"),
        (structured(content_type=f"{CONTENT_TYPE}; charset=latin1"), "content_type"),
        (structured(content_type="text/xml", headers=binary().headers), "content_type"),
        (structured(content_encoding="gzip"), "content_encoding"),
        (structured(persistent=False), "delivery_mode"),
        (structured(b"x" * (MAX_BODY_BYTES + 1)), "body"),
        (structured(b"{}" + b" " * MAX_BODY_BYTES), "body"),
        (structured(b"[" * 60_000), "body"),
        (structured(b"no json"), "body"),
        (binary(b"no json"), "data"),
        (binary(b""), "data"),
        (binary(b"\xff"), "data"),
        (binary(b"[" * 60_000), "data"),
        (binary(b'{} {"second": 1}'), "data"),
        (binary(id=None), "id"),
        (binary(source=7), "source"),
        (binary(specversion="0.3"), "specversion"),
        (binary(expirytime="tomorrow"), "expirytime"),
    ],
)
def test_what_is_wrong_is_named(message: AmqpMessage, field: str) -> None:
    assert fields(message) == [field]


def test_what_is_wrong_with_the_message_and_with_the_event_is_told_together_with_its_name() -> None:
    body = msgspec.json.encode(ATTRIBUTES | {"specversion": "2", "data": CONTENT})
    error = wrong(structured(body, persistent=False, content_encoding="deflate"))
    assert [problem.field for problem in error.problems] == ["content_encoding", "delivery_mode", "specversion"]
    assert (error.event, error.source, error.subject) == ("event-1", ATTRIBUTES["source"], "L149-2026-11")
    right = wrong(structured(persistent=False))
    assert (right.event, right.source, right.subject) == ("event-1", ATTRIBUTES["source"], "L149-2026-11")


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "identity", ""])
def test_an_encoding_that_is_none_is_let_pass(encoding: str) -> None:
    assert read_amqp_event(structured(content_encoding=encoding)) == build_event()


# Of every type that AMQP has.
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        *(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.decimals(allow_nan=False, allow_infinity=False),
            st.datetimes(timezones=st.just(UTC)),
        ),
        *(st.text(max_size=8), st.binary(max_size=8), st.binary(max_size=8).map(bytearray)),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
HEADERS = st.dictionaries(
    st.tuples(st.sampled_from(HEADER_PREFIXES), st.sampled_from([*ATTRIBUTES, "data", "Id", ""])).map("".join),
    VALUES,
    max_size=8,
)


@given(
    st.binary(max_size=60) | st.sampled_from([BODY, DATA]),
    st.none() | st.text(max_size=10) | st.sampled_from([CONTENT_TYPE, "application/json"]),
    HEADERS,
)
def test_whatever_comes_is_an_event_or_a_list_of_problems(body: bytes, kind: str | None, headers: Any) -> None:
    message = structured(body, content_type=kind, headers=headers)
    try:
        assert read_amqp_event(message).id
    except UnreadableEvent:
        assert wrong(message).problems
