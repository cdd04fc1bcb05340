"""Valid requests, in every format of an event."""

from collections.abc import Mapping

import msgspec
import pytest

from services.ingress.notices.errors import ApiError, ErrorType
from services.ingress.notices.parsing import BATCH, JSON, MAX_EVENT_BYTES, ParsedRequest, RawRequest, parse_request
from shared.contracts.envelope import CONTENT_TYPE as STRUCTURED
from shared.contracts.notices import NoticePublished
from tests.unit.shared_notices.factories import ATTRIBUTES, CONTENT, EXPIRY, KNOWN

SYSTEM = KNOWN.systems[0]
PLAIN = CONTENT | {"expires_at": EXPIRY}
HEADERS = [(f"ce-{name}", value) for name, value in ATTRIBUTES.items()]
KEY = [("idempotency-key", "k")]


@pytest.mark.parametrize(
    ("media", "headers", "content", "end"),
    [
        (STRUCTURED, [], ATTRIBUTES | {"data": CONTENT}, b""),
        (JSON, HEADERS, CONTENT, b""),
        (JSON, KEY, PLAIN, b""),
        (BATCH, [], [ATTRIBUTES | {"data": CONTENT}], b"]"),
    ],
    ids=["structured", "binary", "plain", "batch"],
)
def test_an_event_may_have_so_many_bytes_as_it_is_sent(
    media: str, headers: list[tuple[str, str]], content: object, end: bytes
) -> None:
    written = msgspec.json.encode(content).removesuffix(end).removesuffix(b"}")
    room = MAX_EVENT_BYTES + len(end) - len(written) - 1

    def build_request(spaces: int) -> RawRequest:
        return RawRequest([("content-type", media), *headers], written + b" " * spaces + b"}" + end)

    [event] = parse_request(build_request(room), SYSTEM).events
    assert event.notice == msgspec.convert(CONTENT, NoticePublished)
    with pytest.raises(ApiError) as refused:
        parse_request(build_request(room + 1), SYSTEM)
    assert refused.value.error_type is ErrorType.TOO_LARGE


@pytest.mark.parametrize(
    "body", [b'{"' + b"x" * MAX_EVENT_BYTES, b"[" * 10_000 + b" " * MAX_EVENT_BYTES], ids=["cut off", "nested"]
)
@pytest.mark.parametrize("media", [STRUCTURED, JSON])
def test_an_event_that_is_too_large_is_refused_before_it_is_decoded(media: str, body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parse_request(RawRequest([("content-type", media), *KEY], body), SYSTEM)
    assert refused.value.error_type is ErrorType.TOO_LARGE


def test_attributes_of_a_binary_event_may_be_quoted_and_have_long_names() -> None:
    def parse(headers: Mapping[str, str]) -> ParsedRequest:
        return parse_request(
            RawRequest([("content-type", JSON), *headers.items()], msgspec.json.encode(CONTENT)), SYSTEM
        )

    bare = {**dict(HEADERS), "ce-id": 'a"b', "ce-" + "x" * 30: "y"}
    quoted = {name: f'"{value}"' for name, value in bare.items()} | {"ce-id": r'"a\"b"'}
    assert parse(quoted) == parse(bare)
    assert parse(bare).problems == ()


@pytest.mark.parametrize("name", ["id", "expires_at", "my-extension", "topic"])
def test_a_wrong_attribute_of_a_binary_event_is_named(name: str) -> None:
    headers = [("content-type", JSON), *HEADERS, (f"ce-{name}", "x")]
    parsed = parse_request(RawRequest(headers, msgspec.json.encode(CONTENT)), SYSTEM)
    assert [(index, problem.field) for index, problem in parsed.problems] == [(0, name)]
    assert parsed.error_type is ErrorType.UNREADABLE


def test_an_event_sent_as_plain_json_is_told_its_content_type() -> None:
    body = msgspec.json.encode(ATTRIBUTES | {"data": CONTENT})
    parsed = parse_request(RawRequest([("content-type", JSON), *KEY], body), SYSTEM)
    advice = {problem.field: problem.problem for _, problem in parsed.problems}
    assert STRUCTURED in advice["specversion"]


@pytest.mark.parametrize(("second", "fields"), [("k", []), ("another", ["Idempotency-Key"])])
def test_of_two_different_keys_none_is_chosen(second: str, fields: list[str]) -> None:
    headers = [("content-type", JSON), *KEY, ("idempotency-key", second)]
    parsed = parse_request(RawRequest(headers, msgspec.json.encode(PLAIN)), SYSTEM)
    assert [problem.field for _, problem in parsed.problems] == fields


def test_what_is_not_json_says_where() -> None:
    with pytest.raises(ApiError) as failed:
        parse_request(RawRequest([("content-type", JSON), *KEY], b'{"topic": "stellen",\n "text": x}'), SYSTEM)
    assert [error.problem for error in failed.value.errors] == ["is not JSON: line 2, column 10"]
