"""From a POST to the telephones, and back to who posted; the simulator's account is the judge."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiohttp import ClientSession

from deploy.secrets import NOTICES_API_TOKEN
from tests.contract.openapi_session import trace_contract
from tests.e2e.steering.harness import CITIZENS, SteeringHarness, has_everybody_once, run_steering_harness
from tests.integration.cli.commands import run_in_process
from tests.integration.notices.api import STRUCTURED, data, event
from tests.servers import build_login_url, wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SteeringHarness]:
    async with run_steering_harness(tmp_path_factory.mktemp("town")) as running:
        yield running


@pytest.fixture
async def client(town: SteeringHarness) -> AsyncIterator[ClientSession]:
    token = secret(town, NOTICES_API_TOKEN)
    headers, tracing = {"Authorization": f"Bearer {token}"}, [trace_contract(town.stack.notices_api_url)]
    async with ClientSession(town.stack.notices_api_url, headers=headers, trace_configs=tracing) as session:
        yield session


def secret(town: SteeringHarness, file: str) -> str:
    return (town.stack.folder / "secrets" / file).read_text().strip()


async def post(client: ClientSession, sent: Mapping[str, object], media: str = STRUCTURED, **headers: str) -> str:
    """Where to follow it, once it was taken."""
    answer = {"status": 0, "location": ""}

    async def taken() -> bool:
        sending = {"Content-Type": media, **headers}
        async with client.post("/notices", data=json.dumps(sent), headers=sending) as response:
            await response.read()
            answer.update(status=response.status, location=response.headers.get("Location", ""))
            return response.status != 503

    await wait_for(taken)
    assert answer["status"] == 202
    return str(answer["location"])


async def told(client: ClientSession, location: str) -> list[dict[str, Any]]:
    """Everything that is told until the last."""
    async with client.get(location, headers={"Accept": "text/event-stream"}) as response:
        text = await response.text()
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


async def over_amqp(town: SteeringHarness, sent: Mapping[str, object]) -> None:
    password = secret(town, "pressestelle/kreisfunk_broker_password")
    async with await aio_pika.connect(build_login_url(town.stack.broker_url, "pressestelle", password)) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("municipal.events", ensure=False)
        message = aio_pika.Message(
            json.dumps(sent).encode(),
            content_type=STRUCTURED,
            user_id="pressestelle",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await exchange.publish(message, "notice.published")


async def test_the_same_event_by_both_doors_is_sent_once_and_can_be_followed(
    town: SteeringHarness, client: ClientSession
) -> None:
    sent = event(data=data(text="Über beide Wege."))
    locations = {await post(client, sent), await post(client, sent)}
    await over_amqp(town, sent)
    assert len(locations) == 1
    steps = await told(client, locations.pop())
    assert steps[-1]["state"] == "finished"
    assert steps[-1]["audience"] == CITIZENS
    await town.wait_for_accepted("Über beide Wege.", CITIZENS)
    await post(client, sent)
    await town.wait_until_settled(steps[-1]["broadcast"])
    assert has_everybody_once(await town.list_accepted("Über beide Wege."))


async def test_plain_json_with_one_key_is_sent_once_whoever_is_killed(
    town: SteeringHarness, client: ClientSession
) -> None:
    sent = {**data(text="Mit einem Schlüssel."), "expires_at": event(data={})["expirytime"]}
    first = await post(client, sent, "application/json", **{"Idempotency-Key": "k"})
    town.stack.supervisor.kill("notices-1")
    assert await post_patiently(client, sent) == first
    steps = await told(client, first)
    assert steps[-1]["state"] == "finished"
    assert has_everybody_once(await town.list_accepted("Mit einem Schlüssel."))


async def post_patiently(client: ClientSession, sent: Mapping[str, object]) -> str:
    """The port may not be there for a moment."""
    found: list[str] = []

    async def taken() -> bool:
        try:
            found.append(await post(client, sent, "application/json", **{"Idempotency-Key": "k"}))
        except OSError:
            return False
        return True

    await wait_for(taken)
    return found[0]


async def test_what_ended_long_ago_can_be_watched_again_by_both_doors(town: SteeringHarness) -> None:
    """Over AMQP it is said again; `--watch` has nothing to wait for."""
    content = event(data=data(text="Schon vorbei."))
    await watch(town, content)
    for way in ((), ("--url", town.stack.notices_api_url)):
        steps = await watch(town, content, *way)
        assert (steps[-1]["state"], steps[-1]["audience"]) == ("finished", CITIZENS)
    assert has_everybody_once(await town.list_accepted("Schon vorbei."))


async def watch(town: SteeringHarness, content: Mapping[str, object], *way: str) -> list[dict[str, Any]]:
    file = town.stack.folder / "watched.json"
    file.write_text(json.dumps(content))
    where = ("--stack", str(town.stack.folder), *way)
    ended = await run_in_process("publish", str(file), "--watch", "--json", *where, environment={})
    assert ended.status == 0, ended.everything
    return [json.loads(line) for line in ended.output.splitlines()]


async def test_a_token_made_by_command_works_until_it_is_revoked(town: SteeringHarness) -> None:
    where = ("--stack", str(town.stack.folder), "--json")
    made = (await run_in_process("tokens", "create", "pressestelle", *where, environment={})).json
    headers = {"Authorization": f"Bearer {made['token']}"}
    async with ClientSession(town.stack.notices_api_url, headers=headers) as client:
        await post(client, event(data=data(text="Mit neuem Token.")))
        assert (await run_in_process("tokens", "revoke", made["id"], *where, environment={})).status == 0
        async with client.post("/notices", data="{}", headers={"Content-Type": STRUCTURED}) as response:
            assert response.status == 401


async def test_no_log_holds_a_token_or_a_text(town: SteeringHarness, client: ClientSession) -> None:
    await post(client, event(data=data(text="Streng vertraulich.")))
    await town.wait_for_accepted("Streng vertraulich.", CITIZENS)
    logs = all_logs(town.stack.folder / "logs")
    assert "tokens_read" in logs
    assert not [word for word in (secret(town, NOTICES_API_TOKEN), "vertraulich") if word in logs]


def all_logs(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.glob("*.log")))
