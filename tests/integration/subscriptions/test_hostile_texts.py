"""Texts that are meant to break something, on their real path: webhook, ingress, broker, subscriptions, database.

`KREISFUNK_TEST_TEXTS=20000 python -m pytest tests/integration/subscriptions/test_hostile_texts.py` tries more.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import asyncpg
import pytest

from shared.amqp import topology
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.envelope import decode
from shared.contracts.inbound import InboundMessage
from shared.contracts.message import Lane
from tests.factories.citizens import TEXTS
from tests.factories.webhooks import build_messages_body, build_text_message
from tests.harness.ingress import IngressProcess, run_ingress
from tests.harness.processes import ServiceProcess
from tests.harness.service_login import service_login
from tests.integration.subscriptions.service_process import (
    BrokerHarness,
    build_current_message,
)
from tests.servers import Servers, fetch_until, wait_for

pytestmark = pytest.mark.timeout(900)

MIXTURES = int(os.environ.get("KREISFUNK_TEST_TEXTS", "2000"))
IN_A_WEBHOOK = 25
SENDERS = 2_000
LONGEST = 4_096
EXPANDING = "\ufdfa"  # eighteen characters once it is normalised
PIECES = (
    "\0", "\x01", "\x1b[2J", "\x7f", "\x85", "\u0301", "\u0323\u0301", "\u200b", "\u200d", "\u202e", "\u2066", "\ufeff",
    EXPANDING, "\uffff", "\U000e0001", "\U0001f44d", "\u0130", "ß", "'", '"', "\\", "\\u0000", "%s", "{}", "$1", "--",
    ";", "\n", "\t", "Stop ", "Start ", "nicht ", "nur Baustellen ", "a ", "7 ", "9" * 30, "Pause bis 99.99.9999 ",
)  # fmt: skip
KINDS = ("text", "button", "reaction", "image")
BEGINNINGS = ("", "", "Feedback: ", "Feedback:\0", "Stop", "Start\0", "Daten ", "Pause ")
PROMISED_SECONDS = 1
BUSY_MACHINE = 10  # times what the worst takes without anything hostile, where a machine is too busy for the promise
SURROGATE = "\ud800"


def hostile(random: Random) -> str:
    """Mostly short, now and then as long as WhatsApp allows, of few pieces or of many."""
    (length,) = random.choices((3, 10, 30, 100, LONGEST), weights=(30, 30, 30, 9, 1))
    pieces = random.choice((PIECES, [random.choice(PIECES)], [chr(random.randrange(0x20, 0xD800)) for _ in range(9)]))
    return (random.choice(BEGINNINGS) + "".join(random.choices(pieces, k=length)))[:LONGEST]


def list_texts(random: Random) -> Iterator[tuple[str, str]]:
    """Every piece after every beginning in every kind of message, every piece as long as it may be, and mixtures."""
    for kind, beginning, piece in product(KINDS, dict.fromkeys(BEGINNINGS), PIECES):
        yield kind, beginning + piece * 3
    for piece in PIECES:
        yield "text", (piece * LONGEST)[:LONGEST]
    for _ in range(MIXTURES):
        yield random.choice(("text", "text", *KINDS)), hostile(random)


def build_message(number: int, kind: str, text: str) -> dict[str, Any]:
    """A text, a tapped button, a reaction or a caption, by one of many senders."""
    who = {"from": f"4917604{number % SENDERS:07}", "timestamp": str(int(time.time()))}
    more: dict[str, Any] = {
        "text": {},
        "button": {"button": {"text": text, "payload": f"rating:good:{text}"}},
        "reaction": {"reaction": {"message_id": f"wamid.{number}", "emoji": text}},
        "image": {"image": {"id": "1", "mime_type": "image/png", "sha256": "x", "caption": text}},
    }[kind]
    message = build_text_message(number, text, **who, type=kind, **more)
    return message if kind == "text" else {name: value for name, value in message.items() if name != "text"}


@pytest.fixture
async def ingress(servers: Servers, vhost: str, broker: BrokerHarness, tmp_path: Path) -> AsyncIterator[IngressProcess]:
    async with (
        service_login(servers, vhost, "ingress") as url,
        run_ingress(url, tmp_path / "ingress.log") as running,
    ):
        yield running


async def test_no_text_makes_the_database_fail_or_loses_a_group(
    ingress: IngressProcess, service: ServiceProcess, broker: BrokerHarness, owner: asyncpg.Connection
) -> None:
    messages = [build_message(number, *said) for number, said in enumerate(list_texts(Random(20_261_127)))]
    bodies = [
        build_messages_body(*messages[first : first + IN_A_WEBHOOK]) for first in range(0, len(messages), IN_A_WEBHOOK)
    ]
    bodies += [
        build_messages_body(build_text_message(len(messages) + number, f"Feedback: {SURROGATE}")) for number in range(5)
    ]
    waiting = iter(bodies)

    async def post() -> None:
        for body in waiting:
            await wait_for(lambda body=body: is_taken(ingress, body))  # type: ignore[misc]

    await asyncio.gather(*(post() for _ in range(4)))
    await fetch_until(lambda: count(owner, "inbox"), lambda found: found >= len(messages), 600)
    assert await broker.count_messages(topology.SUBSCRIPTIONS_INBOUND.dead_letter_queue) == 0
    assert await count(owner, "dead_letter") == 0
    assert await count(owner, "feedback") > len(messages) / 20
    for trouble in ("message_failed", "handler_failed", "dead_letter", "Traceback"):
        assert trouble not in service.log


@pytest.mark.alone
@pytest.mark.parametrize("phones", [1, 1_000])
async def test_a_stop_among_a_thousand_hostile_messages_is_answered_at_once(
    service: ServiceProcess, broker: BrokerHarness, owner: asyncpg.Connection, phones: int
) -> None:
    replies = await broker.channel.get_queue(topology.LANES[Lane.REPLY].name, ensure=False)
    answered: dict[bytes, float] = {}

    async def note(incoming: Any) -> None:
        reply = decode(incoming.body)
        assert isinstance(reply, ReplyRequested)
        if reply.text == TEXTS.unsubscribe_confirmation.text:
            answered[reply.recipient.index] = time.monotonic()

    await replies.purge()
    tag = await replies.consume(note, no_ack=True)
    usual = await waits_of_stops(broker, answered, "undisturbed")
    await asyncio.gather(*(broker.say(hostile_of(number % phones, number)) for number in range(500)))
    groups = [
        [hostile_of(number % phones, number) for number in range(first, first + 10)] for first in range(500, 1_000, 10)
    ]
    await asyncio.gather(*(broker.say(*group) for group in groups))
    await broker.wait_for_count(topology.SUBSCRIPTIONS_INBOUND.name, 0)
    waits = await waits_of_stops(broker, answered, "stopping")
    assert median(waits) < PROMISED_SECONDS
    assert max(waits) < max(PROMISED_SECONDS, BUSY_MACHINE * max(usual))
    assert await count(owner, "inbox") < 1_000, "there was a backlog"
    await replies.cancel(tag)
    service.child.kill()
    await service.child.wait()
    await wait_for(lambda: nobody_listens(broker))
    await (await broker.channel.get_queue(topology.SUBSCRIPTIONS_INBOUND.name, ensure=False)).purge()


async def waits_of_stops(broker: BrokerHarness, answered: dict[bytes, float], name: str) -> list[float]:
    """Return how long each of five waits for its answer, one after the other."""
    waits: list[float] = []
    for number in range(5):
        stop = build_current_message("Stop", f"{name} {number}")
        said = time.monotonic()
        await broker.say(stop)
        assert stop.sender.phone is not None
        await wait_for(lambda index=stop.sender.phone.index: index in answered)  # type: ignore[misc]
        waits.append(answered[stop.sender.phone.index] - said)
    return waits


def hostile_of(phone: int, number: int) -> InboundMessage:
    return build_current_message(f"{number} {EXPANDING * LONGEST}", f"hostile {phone}")


async def is_taken(ingress: IngressProcess, body: bytes) -> bool:
    return await ingress.post(body) == 200


async def count(owner: asyncpg.Connection, table: str) -> int:
    rows: int = await owner.fetchval(f"select count(*) from subscriptions.{table}")  # noqa: S608
    return rows


async def nobody_listens(broker: BrokerHarness) -> bool:
    declared = await broker.channel.declare_queue(topology.SUBSCRIPTIONS_INBOUND.name, passive=True)
    return not declared.declaration_result.consumer_count
