"""Progress of an event: for its system alone, at every replica, now and as it changes."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aio_pika
from aiohttp import ClientResponse

from shared.amqp import topology
from shared.contracts.envelope import CONTENT_TYPE
from shared.contracts.events import (
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    NoticeAccepted,
)
from shared.contracts.message import Lane
from tests.harness.notices_api import Answer, NoticesApi, data, event, run_notices_api
from tests.harness.notices_county import TOKENS, text_of, write_tokens
from tests.integration.notices.conftest import PERSISTENT, Telling, build_acceptance
from tests.servers import WAIT_TIMEOUT_SECONDS, fetch_until, wait_for


def accepted(sent: Mapping[str, Any], broadcast: UUID, **more: Any) -> NoticeAccepted:
    figures = {"audience": 6000, "costs": {"utility": "330.00"}, "duration_seconds": 75}
    return build_acceptance(sent, broadcast=broadcast, **figures, **more)


async def in_state(api: NoticesApi, answer: Answer, state: str, **more: Any) -> dict[str, Any]:
    """Return the event's progress once it is in this state."""
    ask = partial(api.ask, "GET", answer.headers["Location"], **more)
    # A process that has just begun may have to read first.
    told: dict[str, Any] = (await fetch_until(ask, lambda found: found.body.get("state") == state)).body
    return told


@asynccontextmanager
async def watched(api: NoticesApi, path: str, **headers: str) -> AsyncIterator[ClientResponse]:
    sent = {"Authorization": f"Bearer {text_of('press')}", "Accept": "text/event-stream", **headers}
    async with api.session.get(api.url + path, headers=sent) as response:
        yield response


async def events_of(response: ClientResponse) -> list[tuple[str, str, dict[str, Any]]]:
    """Return all events until the stream ends: id, name and data."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        text = await response.text()
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines.get("id", ""), lines["event"], json.loads(lines["data"])))
    return found


async def test_an_event_is_followed_from_its_receipt_to_its_end(api: NoticesApi, tell: Telling) -> None:
    sent, broadcast = event(data=data()), uuid4()
    answer = await api.publish(sent)
    told = (await api.ask("GET", answer.headers["Location"])).body
    assert (told["state"], told["notice"], told["id"]) == ("received", sent["subject"], sent["id"])
    await tell(accepted(sent, broadcast, blockers=("outside permitted hours",)))
    told = await in_state(api, answer, "accepted")
    assert (told["audience"], told["costs"], told["duration_seconds"]) == (6000, {"utility": "330.00"}, 75)
    assert (told["blockers"], told["broadcast"]) == (["outside permitted hours"], str(broadcast))
    await tell(
        BroadcastStarted(
            broadcast=broadcast,
            source=str(sent["source"]),
            notice=str(sent["subject"]),
            revision=1,
            topic="strassensperrungen",
            lane=Lane.BULK,
            expires_at=datetime.now(UTC),
        )
    )
    await in_state(api, answer, "sending")
    await tell(BroadcastProgressed(broadcast=broadcast, audience=None, states={"accepted": 10, "waiting": 5}))
    await tell(BroadcastFinished(broadcast=broadcast, audience=15, states={"accepted": 15}))
    told = await in_state(api, answer, "finished")
    assert (told["audience"], told["states"]) == (15, {"accepted": 15})


async def test_a_stream_tells_each_change_and_ends_with_the_last(api: NoticesApi, tell: Telling) -> None:
    sent, broadcast = event(data=data()), uuid4()
    location = (await api.publish(sent)).headers["Location"]
    async with watched(api, location) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        await tell(accepted(sent, broadcast))
        await tell(BroadcastProgressed(broadcast=broadcast, audience=2, states={"waiting": 2}))
        await tell(BroadcastFinished(broadcast=broadcast, audience=2, states={"accepted": 2}))
        told = await events_of(response)
    names = [name for _, name, _ in told]
    assert names[-1] == "finished"
    assert names[0] == "received"
    places = [int(place) for place, _, _ in told if place]
    assert places == sorted(places)
    async with watched(api, location, **{"Last-Event-ID": told[-1][0]}) as response:
        assert (response.status, await response.read()) == (204, b"")
    async with watched(api, location, **{"Last-Event-ID": "0"}) as response:
        assert [(name, content["states"]) for _, name, content in await events_of(response)] == [
            ("finished", {"accepted": 2})
        ]


async def test_a_place_in_an_earlier_stream_hides_nothing(api: NoticesApi, tell: Telling) -> None:
    sent, broadcast, place = event(data=data()), uuid4(), {"Last-Event-ID": "999999999"}
    location = (await api.publish(sent)).headers["Location"]
    async with watched(api, location, **place) as response:
        async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            assert await response.content.readuntil(b"\n\n") == b"retry: 2000\n\n"
            assert b"event: received\n" in await response.content.readuntil(b"\n\n")
        await tell(accepted(sent, broadcast))
        await tell(BroadcastFinished(broadcast=broadcast, audience=2, states={"accepted": 2}))
        assert (await events_of(response))[-1][1] == "finished"
    async with watched(api, location, **place) as response:
        assert [name for _, name, _ in await events_of(response)] == ["finished"]


async def test_every_replica_tells_the_same_and_so_does_one_that_starts_later(
    api: NoticesApi, broker_url: str, tell: Telling, tmp_path: Path
) -> None:
    sent, broadcast = event(data=data()), uuid4()
    answer = await api.publish(sent)
    await tell(accepted(sent, broadcast))
    told = await in_state(api, answer, "accepted")
    async with run_notices_api(broker_url, tmp_path) as later:
        assert {**await in_state(later, answer, "accepted"), "changed_at": told["changed_at"]} == told
        fresh = await later.publish(event(data=data()))
        assert (await api.ask("GET", fresh.headers["Location"])).status == 200


async def test_what_came_over_amqp_can_be_followed_too(api: NoticesApi, vhost: str) -> None:
    sent = event(data=data())
    path = (await api.publish(sent, path="/notices/check")).body["event"]

    async def is_unknown() -> bool:
        return (await api.ask("GET", path)).status == 404

    await wait_for(is_unknown)  # as soon as all that was said before has been read
    async with await aio_pika.connect(vhost) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange(topology.MUNICIPAL_EVENTS, ensure=False)
        message = aio_pika.Message(json.dumps(sent).encode(), content_type=CONTENT_TYPE, delivery_mode=PERSISTENT)
        await exchange.publish(message, "notice.published")
    await wait_for(is_unknown)  # nobody vouches for who that was, so it is nobody's


async def test_a_withdrawn_token_ends_its_streams_and_a_stop_ends_all(broker_url: str, tmp_path: Path) -> None:
    async with run_notices_api(broker_url, tmp_path) as api:
        location = (await api.publish(event(data=data()))).headers["Location"]
        async with watched(api, location) as response:
            assert await response.content.readuntil(b"\n\n") == b"retry: 2000\n\n"
            assert b"event: received\n" in await response.content.readuntil(b"\n\n")
            write_tokens(api.tokens_file)
            assert await events_of(response) == []
        write_tokens(api.tokens_file, *TOKENS)
        async with watched(api, location) as response:
            assert await response.content.readline() == b"retry: 2000\n"
            stopping = asyncio.create_task(api.child.stop())
            assert [name for _, name, _ in await events_of(response)] == ["received"]
            await stopping


async def test_only_so_many_streams_for_one_token(api: NoticesApi) -> None:
    location = (await api.publish(event(data=data()))).headers["Location"]
    responses = [watched(api, location) for _ in range(21)]
    open_responses = [await response.__aenter__() for response in responses]
    assert [response.status for response in open_responses] == [200] * 20 + [429]
    for response, context in zip(open_responses, responses, strict=True):
        response.close()
        await context.__aexit__(None, None, None)

    async def has_room() -> bool:
        async with watched(api, location) as response:
            return response.status == 200

    await wait_for(has_room)
