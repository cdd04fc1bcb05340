"""Events as AMQP messages, in both modes and with everything that can be wrong about them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.envelope import CONTENT_TYPE
from shared.notices.cloudevents import HEADER_PREFIXES, MAX_BODY_BYTES, AmqpMessage, UnreadableEvent, read_amqp_event
from tests.unit.shared_notices.factories import ATTRIBUTES, CONTENT, EXPIRY, build_event, find_problems

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
