"""Changes during sending, checked against the simulator's account of who got what."""

import time
from collections.abc import AsyncIterator

import pytest

from cli.demo.figures import MAX_SECONDS_AFTER_ANSWER
from tests.e2e.notices.harness import CITIZENS, SteeringHarness, has_everybody_once, is_accounted
from tests.servers import wait_for

pytestmark = pytest.mark.timeout(300)
SOME = 30
RATE = 20.0


@pytest.fixture(autouse=True)
async def slowly(system: SteeringHarness) -> AsyncIterator[None]:
    async with system.send_slowly(RATE):
        yield


async def test_nobody_gets_the_older_revision_after_the_newer_was_accepted(system: SteeringHarness) -> None:
    older, _ = await system.publish("bis 18 Uhr", "--notice", "sperrung-1")
    await system.wait_for_accepted("bis 18 Uhr", SOME)
    newer, accepted_at = await system.publish("bis 20 Uhr", "--notice", "sperrung-1", "--revision", "2")
    await system.wait_until_settled(older, newer)
    old, new = await system.accepted.find("bis 18 Uhr"), await system.accepted.find("bis 20 Uhr")
    assert has_everybody_once(new)
    assert SOME <= len(old) < CITIZENS
    assert [late for late in old if late.accepted_at > accepted_at + MAX_SECONDS_AFTER_ANSWER] == []
    received_at = {message.citizen: message.accepted_at for message in new}
    assert [message for message in old if message.accepted_at > received_at[message.citizen]] == []
    counts = (await system.show_broadcast(older))["counts"]
    assert is_accounted(counts)
    assert counts["cancelled"] == CITIZENS - len(old)


async def test_an_all_clear_reaches_exactly_those_who_got_what_was_withdrawn_whoever_is_killed(
    system: SteeringHarness,
) -> None:
    alarm, _ = await system.publish("Trinkwasser verunreinigt", "--notice", "wasser-1", "--urgent")
    await system.wait_for_accepted("Trinkwasser verunreinigt", SOME)
    await system.run_kreisfunk("withdraw", "--notice", "wasser-1")
    clear, _ = await system.publish("Alles wieder gut", "--notice", "wasser-2", "--follows", "wasser-1", "--urgent")
    system.stack.supervisor.kill("subscriptions-1")
    await system.wait_until_settled(alarm)
    system.stack.supervisor.kill("dispatcher-1")
    await system.wait_until_settled(clear)
    # What it had in hand is unknown now, if anything: a person has it sent again.
    await system.settle_unknown(clear)
    await system.wait_until_settled(clear)
    warned, cleared = (
        await system.accepted.find("Trinkwasser verunreinigt"),
        await system.accepted.find("Alles wieder gut"),
    )
    assert SOME <= len(warned) < CITIZENS
    assert sorted(one.citizen for one in cleared) == sorted(one.citizen for one in warned)
    assert is_accounted((await system.show_broadcast(clear))["counts"])


async def test_a_paused_broadcast_waits_while_others_go_and_a_resumed_one_reaches_everybody(
    system: SteeringHarness,
) -> None:
    paused, _ = await system.publish("Markt", "--notice", "markt-1")
    await system.wait_for_accepted("Markt", SOME)
    await system.run_kreisfunk("broadcasts", "pause", paused, "--reason", "Rückfrage")
    other, _ = await system.publish("Unfall", "--notice", "unfall-1", "--urgent")
    await system.wait_until_settled(other)
    before = await system.accepted.find("Markt")
    last_of_others = max(message.accepted_at for message in await system.accepted.find("Unfall"))
    assert len(before) < CITIZENS
    assert max(message.accepted_at for message in before) < last_of_others

    async def waits_to_be_resumed() -> bool:
        shown = await system.show_broadcast(paused)
        return (shown["standing"], {wait["cause"] for wait in shown["waits"]}) == ("paused", {"resume"})

    await wait_for(waits_to_be_resumed)  # its last pages come into the ledger while others are sent
    await system.run_kreisfunk("broadcasts", "resume", paused)
    await system.wait_until_settled(paused)
    assert has_everybody_once(await system.accepted.find("Markt"))


async def test_a_pause_stops_everything_until_it_ends(system: SteeringHarness) -> None:
    await system.run_kreisfunk("sending", "pause", "--reason", "Wartung")
    paused_at = time.time()
    broadcast, _ = await system.publish("Baustelle", "--notice", "baustelle-1")

    async def reasons() -> list[str]:
        numbers: list[dict[str, list[str]]] = (await system.run_kreisfunk("sending"))["numbers"]
        return [reason for number in numbers for reason in number["waits"]]

    assert [reason for reason in await reasons() if "Wartung" in reason]
    # Slots that replicas had reserved just before are still used: a lease or two each.
    early = await system.accepted.find("Baustelle")
    assert [message for message in early if message.accepted_at > paused_at + 1] == []
    assert len(early) < CITIZENS / 4
    await system.run_kreisfunk("sending", "resume")
    await system.wait_until_settled(broadcast)
    assert has_everybody_once(await system.accepted.find("Baustelle"))
