"""Requests that cannot be parsed: each kind of mistake, with advice."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest

from shared.contracts.hours import LOCAL_ZONE
from tests.harness.notices_api import BATCH, STRUCTURED, NoticesApi, data, event, soon
from tests.harness.notices_county import text_of
from tests.servers import WAIT_TIMEOUT_SECONDS

JSON = "application/json"
DEEP = "[" * 30_000 + "]" * 30_000


@pytest.mark.parametrize(
    ("media", "body", "fields"),
    [
        (STRUCTURED, "{", ["body"]),
        (STRUCTURED, "[]", ["body"]),
        (STRUCTURED, DEEP, ["body"]),
        (STRUCTURED, '{"data": ' + DEEP + "}", ["body"]),
        (STRUCTURED, "{}", ["id", "source", "type", "specversion"]),
        (STRUCTURED, json.dumps(event(data=data(), expirytime="morgen")), ["expirytime"]),
        (STRUCTURED, json.dumps(event(data=data(Urgent=True, topic=7), time="soon")), ["time", "topic", "Urgent"]),
        (STRUCTURED, json.dumps(event(data=data(), expires_at=soon())), ["expires_at"]),
        (BATCH, json.dumps([event(data=data(text="")), 7, event(data=data(), time="soon")]), ["body", "time", "text"]),
        (STRUCTURED, '{"id": "\\ud800"}', ["body"]),
        (BATCH, "{}", ["body"]),
        (BATCH, "[]", ["body"]),
        (BATCH, "[" + ",".join(["{}"] * 101) + "]", ["body"]),
        (JSON, "[]", ["body"]),
        (JSON, "{", ["body"]),
    ],
)
async def test_what_is_no_event_is_400(media: str, body: str, fields: list[str], api: NoticesApi) -> None:
    headers = {"Content-Type": media, "Idempotency-Key": "k"}
    answer = await api.ask("POST", "/notices", headers=headers, body=body)
    assert (answer.status, answer.fields) == (400, fields), answer.text


@pytest.mark.parametrize("key", [None, "", '""', "x" * 201, "tab\tin", " "])
async def test_plain_json_needs_a_key(key: str | None, api: NoticesApi) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await api.post({**data(), "expires_at": soon()}, JSON, headers=headers)
    assert (answer.status, answer.fields) == (400, ["Idempotency-Key"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expires_at": None}, "expires_at"),
        ({"expires_at": "morgen"}, "expires_at"),
        ({"expires_at": soon(-1)}, "expires_at"),
        ({"action": "delete"}, "action"),
        ({"action": ["publish"]}, "action"),
        ({"action": "update", "revision": 2}, "notice"),
        ({"action": "withdraw", **dict.fromkeys((*data(), "expires_at"))}, "notice"),
        ({"notice": "a b"}, "notice"),
        ({"notice": 7}, "notice"),
        ({"source": 7}, "source"),
        ({"headline": None}, "headline"),
        ({"Urgent": True}, "Urgent"),
        ({"expirytime": soon()}, "expirytime"),
        ({"revision": 2}, "revision"),
        ({"action": "withdraw", "notice": "n", **dict.fromkeys((*data(), "expires_at")), "text": "x"}, "text"),
    ],
)
async def test_plain_json_is_told_in_its_own_words(changes: dict[str, object], field: str, api: NoticesApi) -> None:
    content = {name: value for name, value in {**data(), "expires_at": soon(), **changes}.items() if value is not None}
    answer = await api.write(content)
    assert (answer.status, answer.fields) == (422, [field]), answer.text
    assert "expirytime" not in answer.text.replace('"field":"expirytime"', "")


async def test_every_wrong_field_of_plain_json_is_told_at_once(api: NoticesApi) -> None:
    content = {"Headline": "K 9", "topic": 7, "text": "a\nb", "notice": "a b", "expires_at": "morgen", "sorce": "/a"}
    answer = await api.post(content, JSON)
    assert answer.status == 400
    assert set(answer.fields) == {*content, "Idempotency-Key", "headline"}
    advice = {error["field"]: error["problem"] for error in answer.body["errors"]}
    assert advice["Headline"] == 'is unknown; do you mean "headline"?'
    assert advice["sorce"] == 'is unknown; do you mean "source"?'


async def test_a_moment_without_an_offset_is_berlins_and_comes_back_with_it(api: NoticesApi) -> None:
    today = datetime.now(LOCAL_ZONE).replace(hour=18, minute=0, second=0, microsecond=0)
    begins, expires = (today + timedelta(days=days) for days in (100, 200))
    content = {**data(), "expires_at": f"{expires:%FT%T}", "scheduled_at": f"{begins:%FT%T}"}
    told = (await api.write(content, path="/notices/check")).body
    assert (told["begins_at"], told["expires_at"]) == (begins.isoformat(), expires.isoformat())


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "", "application/json; charset=latin-1", "json"])
async def test_other_content_is_415_and_says_what_is_accepted(media: str, api: NoticesApi) -> None:
    answer = await api.ask("POST", "/notices", headers={"Content-Type": media}, body="{}")
    assert (answer.status, answer.fields) == (415, [])
    assert STRUCTURED in answer.headers["Accept-Post"]


async def test_packed_content_is_not_unpacked(api: NoticesApi) -> None:
    answer = await api.ask(
        "POST", "/notices", headers={"Content-Type": STRUCTURED, "Content-Encoding": "gzip"}, body=b"\x1f\x8b"
    )
    assert answer.status == 415


@pytest.mark.parametrize("path", ["/notices", "/notices/check"])
async def test_a_large_body_is_413_whether_it_says_so_or_not(path: str, api: NoticesApi) -> None:
    headers = {"Content-Type": STRUCTURED}
    large = b" " * 300_000
    assert (await api.ask("POST", path, headers=headers, body=large)).status == 413
    assert (await api.publish(event(data=data(more="x" * 65_000)))).status == 413  # would be too large over AMQP
    assert (await api.write({**data(more="x" * 65_000), "expires_at": soon()})).status == 413

    async def chunks() -> object:
        for _ in range(30):
            yield b" " * 10_000

    authorization = {"Authorization": f"Bearer {text_of('press')}"}
    async with api.session.post(api.url + path, headers={**headers, **authorization}, data=chunks()) as response:
        assert response.status == 413
        assert response.content_type == "application/problem+json"


async def test_a_body_that_does_not_come_is_408(api: NoticesApi) -> None:
    """On all paths at once: it takes as long as the notices API waits."""
    headers = {"Content-Type": STRUCTURED, "Authorization": f"Bearer {text_of('press')}"}

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def status(path: str) -> int:
        async with api.session.post(api.url + path, headers=headers, data=stuck()) as response:
            await response.read()
            return response.status

    statuses = await asyncio.gather(status("/notices"), status("/notices/check"))
    assert set(statuses) == {408}


@pytest.mark.parametrize(
    "headers",
    [
        {"ce-specversion": "1.0"},
        {"ce-specversion": "1.0", "ce-id": "%ff", "ce-source": "/a", "ce-type": "t"},
        {"ce-id": "x", "ce-not-one": "y"},
    ],
)
async def test_attributes_that_cannot_be_read_are_400(headers: dict[str, str], api: NoticesApi) -> None:
    answer = await api.post(data(), JSON, headers=headers)
    assert answer.status == 400
    assert answer.fields


@pytest.mark.parametrize(
    "sent",
    [
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /notices HTTP/1.1\r\nA\x00: b\r\n\r\n",
        b"GET /notices HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: HELLO\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_problem_without_its_own_words(sent: bytes, api: NoticesApi) -> None:
    parts = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(sent)
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        answer = await reader.read()
    writer.close()
    assert answer.split()[1] == b"400"
    assert b"application/problem+json" in answer
    assert not [word for word in (b"HELLO", b"9.9", b"aiohttp", b"errors") if word in answer]


async def test_ids_may_be_anything_that_json_can_say(api: NoticesApi) -> None:
    for identifier in ("ü" * 200, "a/b?c#d", "🚧" * 200, "../.."):
        answer = await api.publish(event(data=data(), id=identifier))
        assert answer.status == 202, answer.text
        assert answer.headers["Location"].removeprefix("/events/").isalnum()
