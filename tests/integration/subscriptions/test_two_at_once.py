"""Any two messages, notices or tasks at once have the outcome of one after the other, wherever the second begins."""

import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import asyncpg

from services.subscriptions.adapters.retention import build_retention_rules
from shared.contracts.message import Addresses
from tests.concurrency import Operation, open_race, read_rows
from tests.databases import FreshDatabase
from tests.factories.citizens import (
    COUNTY,
    build_both,
    build_message,
    build_move,
    build_phone,
    build_preference,
    build_time,
    build_user,
)
from tests.integration.subscriptions.harness import ROLE, SubscriptionsHarness, build_harness, encode_group
from tests.integration.subscriptions.notice_factory import publish, withdraw

PAIRS = 1 + int(os.environ.get("KREISFUNK_TEST_PAIRS", "150")) // 5  # they take longer than those of the ledger
OLD, NEW = build_both(1), build_both(2)
SENDERS = {
    "who moves": OLD,
    "their phone": build_phone(1),
    "their user id": build_user(1),
    "who has the new number": NEW,
    "a stopped user id": build_user(3),
    "its phone": build_phone(3),
    "both of them": build_both(3),
}
TEXTS = ("Start", "Stop", "Stop Stellen", "nur Stellen", "Löschen", "Pause 3 Tage", "Daten", "Feedback: Danke")
# Numbers in the order of commits, and a ciphertext, which is another one each time.
RANDOM = {"subscriptions.consent": {"id"}, "subscriptions.dead_letter": {"body_sealed"}}


async def read_subscriptions(connection: asyncpg.Connection, table: str) -> Sequence[Mapping[str, Any]]:
    left_out = RANDOM.get(table, set())
    return [
        {name: value for name, value in row.items() if name not in left_out}
        for row in await read_rows(connection, table)
    ]


async def fill(harness: SubscriptionsHarness, owner: asyncpg.Connection) -> None:
    """People in several states, a dead letter, and a notice that is being expanded before one that is scheduled."""
    await harness.send_texts("Start", "Feedback: Gut", sender=OLD)
    await harness.send_texts("Start", "Stop", sender=SENDERS["a stopped user id"], start=10)
    await harness.send_texts("Start", sender=SENDERS["its phone"], start=20)
    await harness.send_texts("Start", sender=build_both(4), start=30)
    await bury("Stop Stellen", 40, harness)
    harness.now = build_time(50)
    await publish(harness, event_id="e1", notice="running")
    await publish(harness, event_id="e2", notice="planned", topic="stellen", scheduled_at=build_time(600))


async def bury(text: str, seconds: float, harness: SubscriptionsHarness) -> None:
    await harness.parts.dead_letters.store(encode_group([build_message(text, sender=OLD, seconds=seconds)]), "a bug")


def build_operation(act: Callable[[SubscriptionsHarness], Awaitable[object]], *, repeated: bool = False) -> Operation:
    """Return an operation; what it does is what it publishes."""

    async def run(database: Any) -> None:
        harness = build_harness(database, seconds=1000)
        try:
            await act(harness)
        finally:
            database.done += [(str(each.key), each.body) for each in harness.publisher.published]

    return Operation(ROLE, run, repeated)


def build_operations() -> Mapping[str, Operation]:
    async def purge(name: str, database: Any) -> None:
        await database.fetchval(rules[name].statement, rules[name].max_age, 100)

    async def receive(text: str, sender: Addresses, seconds: float, harness: SubscriptionsHarness) -> None:
        await harness.receive(build_message(text, sender=sender, seconds=seconds))

    rules = build_retention_rules(COUNTY)
    messages = {
        f"{text} by {who}": build_operation(partial(receive, text, sender, 100 + number))
        for number, ((who, sender), text) in enumerate(product(SENDERS.items(), TEXTS))
    }
    stop, resume = (build_preference(value, person=OLD, seconds=200) for value in ("stop", "resume"))
    move, other_move = build_move(OLD, NEW, seconds=90), build_move(build_user(3), build_both(5), seconds=95)
    return {
        **messages,
        "the first start again": build_operation(partial(receive, "Start", OLD, 0)),
        "a stop in WhatsApp": build_operation(lambda harness: harness.receive_preferences(stop)),
        "a resume in WhatsApp": build_operation(lambda harness: harness.receive_preferences(resume)),
        "a move": build_operation(lambda harness: harness.receive_moves(move)),
        "another move": build_operation(lambda harness: harness.receive_moves(other_move)),
        "a dead letter": build_operation(partial(bury, "Rätsel", 97)),
        "a notice": build_operation(lambda harness: publish(harness, event_id="n1", notice="new")),
        "the notice as another event": build_operation(lambda harness: publish(harness, event_id="n2", notice="new")),
        "an update": build_operation(lambda harness: publish(harness, event_id="u1", notice="running", revision=2)),
        "an update of what is planned": build_operation(
            lambda harness: publish(harness, event_id="u2", notice="planned", topic="stellen", revision=2)
        ),
        "a withdrawal": build_operation(lambda harness: withdraw(harness, "running", event_id="w1")),
        "a withdrawal of what is planned": build_operation(lambda harness: withdraw(harness, "planned", event_id="w2")),
        "a follow-up": build_operation(
            lambda harness: publish(harness, event_id="f1", notice="follower", follows="running")
        ),
        "expand": build_operation(lambda harness: harness.parts.expander.expand_next(), repeated=True),
        "start what is due": build_operation(lambda harness: harness.parts.expander.start_due(), repeated=True),
        **{f"purge {name}": Operation(ROLE, partial(purge, name), repeated=True) for name in rules},
    }


async def test_nothing_is_lost_or_changed_by_a_cut_connection(
    harness: SubscriptionsHarness, database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    await fill(harness, owner)
    operations = build_operations()
    async with open_race(database, "subscriptions", operations, read_subscriptions, set) as race:
        for name in random.sample([*operations], min(PAIRS, len(operations))):
            assert "\n".join(await race.find_losses(name)) == ""


async def test_two_at_once_leave_and_publish_what_one_after_the_other_does(
    harness: SubscriptionsHarness, database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    await fill(harness, owner)
    operations = build_operations()
    pairs = list(product(operations, repeat=2))
    async with open_race(database, "subscriptions", operations, read_subscriptions, set) as race:
        for pair in random.sample(pairs, min(PAIRS, len(pairs))):
            assert "\n".join(await race.find_differences(*pair)) == ""
