"""Bytes that are an event, and bytes that are none."""

import msgspec
import pytest

from shared.municipal.reading import Unreadable, read_event

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
        ({"time": "gestern"}, "time"),
        ({"time": "2026-11-20T18:00:00"}, "time"),
        ({"expirytime": "2026-11-20T18:00:00"}, "expirytime"),
    ],
)
def test_a_wrong_attribute_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_event(msgspec.json.encode(ATTRIBUTES | change))
    assert [problem.field for problem in caught.value.problems] == [field]


@pytest.mark.parametrize("name", ["time", "datacontenttype", "expirytime", "traceparent", "more"])
def test_an_attribute_that_is_null_is_one_that_was_left_out(name: str) -> None:
    content = ATTRIBUTES | {"data": {"a": None}}
    assert read_event(msgspec.json.encode(content | {name: None})) == read_event(msgspec.json.encode(content))


def test_every_missing_attribute_is_named_and_what_is_known_of_the_event_is_told() -> None:
    with pytest.raises(Unreadable) as caught:
        read_event(b'{"id": "7", "subject": "n"}')
    assert {problem.field for problem in caught.value.problems} == {"source", "type", "specversion"}
    assert (caught.value.event, caught.value.subject) == ("7", "n")


@pytest.mark.parametrize("body", [b"", b"no json", b"\xff", b"[]", b"5", b'{"id": "\xff"}'])
def test_what_is_no_json_object_is_told(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read_event(body)
    assert [problem.field for problem in caught.value.problems] == ["body"]
