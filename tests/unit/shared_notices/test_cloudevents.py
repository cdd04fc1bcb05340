"""Bytes that are an event, and bytes that are none."""

import re
from datetime import UTC, datetime
from sys import getrecursionlimit

import msgspec
import pytest

from shared.contracts.notices import NoticePublished
from shared.notices.cloudevents import MAX_NAME_LENGTH, UnreadableEvent, read_event

UNPLACED = "is not JSON: it has NaN, a number out of range, or an escaped surrogate without its other half"
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/x", "type": "t", "subject": "n"}


def test_an_event_is_read_with_its_data_as_it_came() -> None:
    envelope = read_event(msgspec.json.encode(ATTRIBUTES | {"data": {"a": [1]}}))
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
        read_event(msgspec.json.encode(ATTRIBUTES | change))
    assert [problem.field for problem in caught.value.problems] == [field]


@pytest.mark.parametrize("name", ["time", "datacontenttype", "expirytime", "traceparent", "more"])
def test_an_attribute_that_is_null_is_one_that_was_left_out(name: str) -> None:
    content = ATTRIBUTES | {"data": {"a": None}}
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
    content = ATTRIBUTES | {"type": NoticePublished.TYPE, "expirytime": moment, "data": {"scheduled_at": moment}}
    envelope = read_event(msgspec.json.encode(content))
    assert envelope.expirytime is not None
    assert envelope.expirytime.astimezone(UTC).hour == hour
    begins = msgspec.json.decode(envelope.data, type=dict[str, datetime])["scheduled_at"]
    assert begins == envelope.expirytime


def test_a_wrong_moment_is_answered_with_what_is_accepted() -> None:
    with pytest.raises(UnreadableEvent) as caught:
        read_event(msgspec.json.encode(ATTRIBUTES | {"expirytime": "20.11.2026"}))
    [problem] = caught.value.problems
    [example] = re.findall(r"such as (\S+)", problem.problem)
    for accepted in (example, example[:19]):
        content = ATTRIBUTES | {"type": NoticePublished.TYPE, "expirytime": accepted, "data": {}}
        assert read_event(msgspec.json.encode(content)).expirytime is not None
    assert "without an offset it is in Europe/Berlin" in problem.problem


def test_the_first_and_the_last_moment_are_no_accident() -> None:
    content = ATTRIBUTES | {"type": NoticePublished.TYPE, "data": {}}
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
    content = ATTRIBUTES | {"type": NoticePublished.TYPE, attribute: "x", "data": {}}
    with pytest.raises(UnreadableEvent) as caught:
        read_event(msgspec.json.encode(content))
    assert [(each.field, each.problem) for each in caught.value.problems] == [(attribute, f"is unknown; {advice}")]


def test_extensions_of_others_are_let_pass() -> None:
    content = ATTRIBUTES | {"type": NoticePublished.TYPE, "tracestate": "a=b", "partitionkey": "1", "data": {}}
    assert read_event(msgspec.json.encode(content)).id == "1"
