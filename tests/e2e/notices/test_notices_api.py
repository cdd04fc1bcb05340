"""From every way in to the telephones, and back to who published; the simulator's account is the judge.

What may not be sent is rejected with the field named, and no telephone hears of it.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientError, ClientSession

from deploy.secrets import NOTICES_API_TOKEN
from tests.contract_recorder.openapi_session import trace_contract
from tests.e2e.notices.harness import CITIZENS, SteeringHarness, has_everybody_once
from tests.e2e.notices.publish_paths import (
    Event,
    PublishOutcome,
    check_over_amqp,
    publish_file,
    publish_over_amqp,
    publish_over_http,
    read_secret,
)
from tests.harness.commands import create_login
from tests.harness.notices_api import PUBLISHED, STRUCTURED, UPDATED, WITHDRAWN, data, event, soon
from tests.servers import fetch_until

pytestmark = pytest.mark.timeout(300)

MARK = "Darf niemand lesen"
WRONG_NOTICE = "falsch-"

# Each is right but for one thing; the headline marks it, unless it is the headline that is wrong.
WRONG: Mapping[str, tuple[str, Callable[[], Event]]] = MappingProxyType(
    {
        "source of another system": ("source", lambda: notice(source="/landkreis-osterholz/internetseite")),
        "topic of others": ("topic", lambda: notice(topic="stellen")),
        "expired": ("expirytime", lambda: notice(expirytime=soon(-1))),
        "scheduled in the past": ("scheduled_at", lambda: notice(scheduled_at=soon(-1))),
        "line break": ("text", lambda: notice(text="Erste Zeile.\nZweite Zeile.")),
        "too long together": ("text", lambda: notice(text="x" * 800, headline=f"{MARK} {'y' * 80}")),
        "domain of others": ("text", lambda: notice(text="Mehr unter example.org")),
        "headline with a domain of others": ("headline", lambda: notice(headline="Jetzt auf bit.ly/2x", text=MARK)),
        "picture over http": ("picture", lambda: notice(picture="http://www.landkreis-osterholz.de/bild.png")),
        "picture of others": ("picture", lambda: notice(picture="https://example.org/bild.png")),
    }
)
TRANSPORTS: Mapping[str, Callable[[SteeringHarness, Event], Awaitable[PublishOutcome]]] = MappingProxyType(
    {
        "amqp": publish_over_amqp,
        "amqp check": check_over_amqp,
        "http": publish_over_http,
        "http check": partial(publish_over_http, path="/notices/check"),
        "publish a file": publish_file,
    }
)

# This puts it on the broker as it is; the notices API looks at it first.
UNCHECKED = ("amqp",)
FOREIGN = pytest.mark.foreign_messages("to see each of them rejected")


def notice(*, source: str | None = None, expirytime: str | None = None, **content: str) -> Event:
    envelope = {name: value for name, value in {"source": source, "expirytime": expirytime}.items() if value}
    mark = uuid4().hex[:8]
    return event(data=data(**{"headline": f"{MARK} {mark}", **content}), subject=f"{WRONG_NOTICE}{mark}", **envelope)


def build_right(text: str) -> Event:
    return event(data=data(text=text), subject=f"richtig-{uuid4().hex[:8]}")


@pytest.fixture(scope="module", autouse=True)
async def nobody_gets_it(system: SteeringHarness) -> AsyncIterator[None]:
    """A notice that is published last has reached everybody: what was to come before it would be there, once."""
    before = len(await system.accepted.fetch())
    yield
    await system.publish("Das Letzte.")
    await system.wait_for_accepted("Das Letzte.", CITIZENS)
    await nobody_got_it(system)
    got = Counter((message.text, message.citizen) for message in (await system.accepted.fetch())[before:])
    assert {pair: count for pair, count in got.items() if count > 1} == {}


@pytest.mark.parametrize(
    "transport", [pytest.param(transport, marks=FOREIGN if transport in UNCHECKED else ()) for transport in TRANSPORTS]
)
async def test_each_wrong_notice_is_rejected_by_its_field_and_nobody_gets_it(
    system: SteeringHarness, transport: str
) -> None:
    found = {name: (await TRANSPORTS[transport](system, make())).fields for name, (_, make) in WRONG.items()}
    assert found == {name: {field} for name, (field, _) in WRONG.items()}
    await nobody_got_it(system)


async def nobody_got_it(system: SteeringHarness) -> None:
    """Meta has none of it, nor waits any."""
    assert [message.text for message in await system.accepted.fetch() if MARK in message.text] == []
    broadcasts = (await system.run_kreisfunk("broadcasts", "list", "--number", "1000"))["broadcasts"]
    assert {broadcast["topic"] for broadcast in broadcasts} <= {"strassensperrungen"}
    assert [broadcast for broadcast in broadcasts if broadcast["notice"].startswith(WRONG_NOTICE)] == []


EVERY_TRANSPORT = ("amqp", "http", "publish a file")


@pytest.mark.parametrize("first", ["amqp", "http"])
async def test_the_same_event_by_every_transport_twice_is_sent_once(system: SteeringHarness, first: str) -> None:
    words = f"Einmal, zuerst so: {first}."
    same = build_right(words)
    for transport in (first, *EVERY_TRANSPORT, *EVERY_TRANSPORT):
        told = await TRANSPORTS[transport](system, same)
        assert told.accepted, told.everything
    await system.wait_for_accepted(words, CITIZENS)


async def test_the_same_id_with_other_words_is_rejected_by_every_transport(system: SteeringHarness) -> None:
    right = build_right("Das Erste.")
    assert (await publish_over_http(system, right)).accepted
    for transport in EVERY_TRANSPORT:
        told = await TRANSPORTS[transport](system, {**right, "data": data(headline=f"{MARK} {transport}")})
        assert told.fields == {"id"}, transport
    await nobody_got_it(system)
    await system.wait_for_accepted("Das Erste.", CITIZENS)


@pytest.mark.parametrize("transport", ["amqp", "http"])
async def test_a_notice_is_updated_and_withdrawn_by_each_transport(system: SteeringHarness, transport: str) -> None:
    words, changed = f"Bis Freitag, {transport}.", f"Bis Montag, {transport}."
    first = build_right(words)
    notice = {"subject": first["subject"]}
    update = event(type=UPDATED, data=data(text=changed, revision=2), **notice)
    withdrawal = event(type=WITHDRAWN, data={"reason": "doch nicht"}, expirytime=None, **notice)
    late = event(type=UPDATED, data=data(headline=MARK, revision=3), **notice)
    publish = TRANSPORTS[transport]
    assert (await publish(system, first)).accepted
    await system.wait_for_accepted(words, CITIZENS)
    assert (await publish(system, update)).accepted
    await system.wait_for_accepted(changed, CITIZENS)
    assert (await publish(system, withdrawal)).accepted
    assert (await publish(system, late)).fields == {"subject"}
    await nobody_got_it(system)


async def test_what_another_system_forges_in_our_name_is_rejected_and_changes_nothing(system: SteeringHarness) -> None:
    right = build_right("Das Echte.")
    forgeries = [
        {**right, "data": data(headline=f"{MARK} zuerst")},
        {**right, "id": uuid4().hex, "type": PUBLISHED, "data": data(headline=f"{MARK} noch einmal")},
        {**right, "id": uuid4().hex, "type": UPDATED, "data": data(headline=f"{MARK} anders", revision=2)},
        {**right, "id": uuid4().hex, "type": WITHDRAWN, "data": {"reason": MARK}, "expirytime": None},
    ]
    forger = await create_login(system.stack.folder, "feeds")
    for forgery in forgeries:
        assert (await publish_over_amqp(system, forgery, forger)).fields == {"source"}
        assert (await publish_over_http(system, right)).accepted
    await system.wait_for_accepted("Das Echte.", CITIZENS)
    assert (await publish_over_http(system, right)).accepted
    await nobody_got_it(system)


@pytest.fixture
async def client(system: SteeringHarness) -> AsyncIterator[ClientSession]:
    token = read_secret(system, NOTICES_API_TOKEN)
    headers, tracing = {"Authorization": f"Bearer {token}"}, [trace_contract(system.stack.notices_api_url)]
    async with ClientSession(system.stack.notices_api_url, headers=headers, trace_configs=tracing) as session:
        yield session


async def post(client: ClientSession, sent: Mapping[str, object], media: str = STRUCTURED, **headers: str) -> str:
    """Where to follow it, once it was taken."""

    async def send() -> tuple[int, str]:
        """Return a status of 503 while the port is not there."""
        sending = {"Content-Type": media, **headers}
        try:
            async with client.post("/notices", data=json.dumps(sent), headers=sending) as response:
                await response.read()
                return response.status, response.headers.get("Location", "")
        except ClientError:
            return 503, ""

    # Too much at once, or not there yet.
    status, location = await fetch_until(send, lambda answer: answer[0] not in (429, 503))
    assert status == 202
    return location


async def follow(client: ClientSession, location: str) -> list[dict[str, Any]]:
    """Everything that is told until the last."""
    async with client.get(location, headers={"Accept": "text/event-stream"}) as response:
        text = await response.text()
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


async def test_plain_json_with_one_key_is_sent_once_whoever_is_killed(
    system: SteeringHarness, client: ClientSession
) -> None:
    sent = {**data(text="Mit einem Schlüssel."), "expires_at": event(data={})["expirytime"]}
    first = await post(client, sent, "application/json", **{"Idempotency-Key": "k"})
    system.stack.supervisor.kill("notices-1")
    assert await post(client, sent, "application/json", **{"Idempotency-Key": "k"}) == first
    steps = await follow(client, first)
    assert steps[-1]["state"] == "finished"
    assert has_everybody_once(await system.accepted.find("Mit einem Schlüssel."))


async def test_no_log_holds_a_token_or_a_text(system: SteeringHarness, client: ClientSession) -> None:
    await post(client, build_right("Streng vertraulich."))
    await system.wait_for_accepted("Streng vertraulich.", CITIZENS)
    logs = all_logs(system.stack.folder / "logs")
    assert "tokens_read" in logs
    assert not [word for word in (read_secret(system, NOTICES_API_TOKEN), "vertraulich") if word in logs]


def all_logs(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob("*.log")))
