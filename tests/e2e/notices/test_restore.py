"""After a restore nobody gets anything twice, and nothing leaves before an operator says so; phones are the judge."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from cli.demo.ledger_reader import open_ledger_reader
from cli.output import Exit
from deploy.local import DATABASE
from tests.contract_recorder.recorder import QUEUE
from tests.e2e.notices.harness import CITIZENS, SteeringHarness, has_everybody_once, is_accounted
from tests.harness.commands import run_in_process
from tests.servers import build_authorization, wait_for, wait_until_equal

pytestmark = pytest.mark.timeout(400)
SERVICES = ("dispatcher-1", "dispatcher-2", "subscriptions-1")
SLOW = 15.0


@pytest.fixture(autouse=True)
async def slowly(system: SteeringHarness) -> AsyncIterator[None]:
    async with system.send_slowly(SLOW):
        yield


async def lose_database(system: SteeringHarness) -> None:
    """With messages at Meta whose results nobody records any more; the server comes back with nothing in it."""
    await asyncio.gather(*(kill(system, name) for name in SERVICES))
    await system.stack.supervisor.stop_one("postgres")
    await system.stack.supervisor.start_one("postgres")
    connection = await asyncpg.connect(system.stack.servers.postgres.build_url("postgres"))
    await connection.execute(f"drop database {DATABASE} with (force)")
    await connection.execute(f"create database {DATABASE}")
    await connection.close()


async def kill(system: SteeringHarness, name: str) -> None:
    """For good: whoever is being stopped is not started again."""
    ending = asyncio.create_task(system.stack.supervisor.stop_one(name))
    await asyncio.sleep(0)
    system.stack.supervisor.find(name).kill()
    await ending


async def empty_broker(system: SteeringHarness) -> int:
    """As a new broker would be; return how many messages were lost."""
    url = f"{system.stack.broker_api_url}/api/queues"
    headers = build_authorization(system.stack.broker_url)
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        async with session.get(url) as response:
            queues = [one for one in await response.json() if one["type"] == "quorum" and one["name"] != QUEUE]
        for queue in queues:
            async with session.delete(f"{url}/%2F/{queue['name']}/contents"):
                pass
    return sum(queue.get("messages", 0) for queue in queues)


async def list_unknown(system: SteeringHarness, broadcast: str) -> list[dict[str, Any]]:
    listed = await system.run_kreisfunk("deliveries", "unknown", "--broadcast", broadcast)
    found: list[dict[str, Any]] = listed["unknown"]
    return found


async def list_deliveries(system: SteeringHarness) -> list[str]:
    """Everything that Meta accepted, in order."""
    return [message.delivery for message in await system.accepted.fetch()]


async def count_twice(system: SteeringHarness, *texts: str) -> int:
    """Return how many phones have one of these twice."""
    counts = [Counter(message.citizen for message in await system.accepted.find(text)) for text in texts]
    return sum(1 for each in counts for number in each.values() if number > 1)


@pytest.mark.parametrize("broker_survives", [True, False])
async def test_nobody_gets_twice_what_was_sent_after_the_backup(
    system: SteeringHarness, tmp_path: Path, broker_survives: bool
) -> None:
    first, second, third = (f"{word} {broker_survives}" for word in ("Schule zu", "Deich bricht", "Deich hält"))
    broadcast, _ = await system.publish(first)
    await system.wait_for_accepted(first, 20)
    backup = (await system.run_kreisfunk("backup", "create", str(tmp_path)))["file"]
    await system.wait_for_accepted(first, 20 + len(await system.accepted.find(first)))
    unknown_to_backup, _ = await system.publish(second, "--urgent")
    await system.wait_for_accepted(second, 20)
    await lose_database(system)
    if not broker_survives:
        await empty_broker(system)

    work = await system.run_kreisfunk("restore", backup)
    assert work["unfinished"] >= 1
    listed = (await system.run_kreisfunk("deliveries", "unknown"))["unknown"]
    assert len(listed) == work["deliveries"] + work["replies"]
    assert all(one["restored"] for one in listed)
    got = await list_deliveries(system)
    for text in (first, second):
        assert len(await system.accepted.find(text)) < CITIZENS
    await start_again(system)

    afterwards, _ = await system.publish(third)
    (citizen,) = (await system.simulator.list_citizens())[:1]
    await system.simulator.send_text([citizen["id"]], "Themen", per_second=10)
    (paused,) = (await system.run_kreisfunk("sending"))["numbers"]  # looks for a second
    assert "aus der Sicherung vom" in paused["paused_reason"]
    assert await list_deliveries(system) == got

    await system.run_kreisfunk("sending", "resume")
    await system.wait_until_settled(afterwards, broadcast)
    assert has_everybody_once(await system.accepted.find(third))
    assert await count_twice(system, first, second) == 0
    counts = (await system.show_broadcast(broadcast))["counts"]
    assert is_accounted(counts)
    assert (counts["audience"], counts["unknown"] > 0) == (CITIZENS, True)
    if broker_survives:
        assert (await system.show_broadcast(unknown_to_backup))["counts"]["unknown"] > 0
    await wait_for_answer(system, citizen["id"], len(got))
    await decide(system, broadcast, first)
    assert await count_twice(system, first, second) == 0


async def test_a_lost_broker_is_made_up_for_from_the_database(system: SteeringHarness) -> None:
    """What was on its way is taken from the database again, a "Stop" included, and nobody gets anything twice."""
    text = "Broker verloren"
    broadcast, _ = await system.publish(text)
    await system.wait_for_accepted(text, 20)
    dispatchers, others = SERVICES[:2], SERVICES[2:]
    await asyncio.gather(*map(system.stack.supervisor.stop_one, dispatchers))
    got = {message.citizen for message in await system.accepted.find(text)}
    leaves = next(one["id"] for one in await system.simulator.list_citizens() if one["id"] not in got)
    await write(system, leaves, "Stop", CITIZENS - 1)
    await asyncio.gather(*map(system.stack.supervisor.stop_one, others))
    assert await list_unknown(system, broadcast) == []
    await empty_broker(system)

    work = await system.run_kreisfunk("restore", "--elsewhere", datetime.now(UTC).isoformat())
    assert work["unfinished"] == 1
    await start_again(system)
    await system.run_kreisfunk("sending", "resume")
    await system.wait_until_settled(broadcast)
    assert len(await system.accepted.find(text)) == len(got)
    await system.run_kreisfunk("deliveries", "settle", "--broadcast", broadcast, "--as", "resend", "--yes")
    await system.wait_until_settled(broadcast)
    citizens = Counter(message.citizen for message in await system.accepted.find(text))
    assert (len(citizens), max(citizens.values()), leaves in citizens) == (CITIZENS - 1, 1, False)
    await write(system, leaves, "Start", CITIZENS)


async def write(system: SteeringHarness, citizen: int, text: str, subscribed: int) -> None:
    """Return once subscriptions has stored it: then so many are subscribed."""
    await system.simulator.send_text([citizen], text, per_second=10)
    async with open_ledger_reader(system.stack.monitor_database_url) as ledger:
        await wait_until_equal(ledger.count_subscribed, subscribed)


async def start_again(system: SteeringHarness) -> None:
    """As the guide says: the keys come first, and nothing is resumed before."""
    where = ("--stack", str(system.stack.folder))
    assert (await run_in_process("sending", "resume", *where, environment={})).status == Exit.REJECTED
    assert (await run_in_process("keys", "status", *where, environment={})).status == 0
    for name in SERVICES:
        await system.stack.supervisor.start_one(name)


async def wait_for_answer(system: SteeringHarness, citizen: int, before: int) -> None:
    """What this citizen wrote while nothing was sent is answered, once, and nobody else gets an answer."""

    async def answered() -> bool:
        replies = [one.citizen for one in await system.simulator.fetch_outbound(before) if not one.template]
        return replies == [citizen]

    await wait_for(answered)


async def decide(system: SteeringHarness, broadcast: str, text: str) -> None:
    """An operator has one sent that nobody got, and leaves the others."""
    sent = {message.delivery for message in await system.accepted.find(text)}
    unknown = await list_unknown(system, broadcast)
    assert {one["restored"] for one in unknown} == {True}
    chosen = next(one["delivery"] for one in unknown if one["delivery"] not in sent)
    await system.run_kreisfunk("deliveries", "settle", chosen, "--as", "resend", "--yes")
    await system.wait_for_accepted(text, len(sent) + 1)
    assert {message.delivery for message in await system.accepted.find(text)} == sent | {chosen}
    await system.run_kreisfunk("deliveries", "settle", "--broadcast", broadcast, "--as", "accepted")
    assert await list_unknown(system, broadcast) == []
