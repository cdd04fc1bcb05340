"""Each promised period: rows older by a second are gone after a round, younger ones stay."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from services.subscriptions.adapters.retention import build_retention_rules
from tests.databases import wait_until_locked
from tests.factories.citizens import COUNTY, NOON, build_message, build_phone, build_user
from tests.integration.subscriptions.harness import SubscriptionsHarness

RULES = build_retention_rules(COUNTY)
YOUNGER, OLDER = timedelta(minutes=-5), timedelta(seconds=1)
# How to make a row of this moment; $2 is a value of its own for each row.
ROWS = {
    "inbox": "inbox (message_key, result, publications, received_at, handled_at) values ($2, 'started', '', $1, $1)",
    "personal_answer": "inbox (message_key, result, publications, received_at, handled_at)"
    " values ($2, 'shown', 'said', $1, $1)",
    "conversation": "conversation (address_index, answers_left, counted_at) values ($2, 1, $1)",
    "notice_event": "notice_event (source, event, digest, system, counts, urgent, publications, handled_at)"
    " values ('', encode($2, 'hex'), '', '', true, true, '', $1)",
    "feedback": "feedback (id, kind, at, author) values (encode($2, 'hex')::uuid, 'text', $1, $2)",
    "erasure": "erasure (address_index, erased_on) values ($2, $1::timestamptz::date)",
    "dead_letter": "dead_letter (id, reason, body_sealed, senders, failed_at)"
    " values (encode($2, 'hex')::uuid, '', '', '{}', $1)",
    "trial": "trial (draft, code, text, ends_at) values (encode($2, 'hex')::uuid,"
    " translate(right(encode($2, 'hex'), 8), 'abcdef', '012345'), 'K 9', $1)",
    "former_subscriber": "subscriber (id, sequence, state, phone_index, created_at, started_at, ended_at)"
    " values (encode($2, 'hex')::uuid, 2, 'unsubscribed', $2, $1, $1, $1)",
    "consent": "consent (subscriber_id, sequence, event, topics, said_at, received_at, recorded_at, message_key)"
    " values (encode($2, 'hex')::uuid, 1, 'withdrawn', '{}', $1, $1, $1, $2)",
}
SUBSCRIBED = """subscriber (id, sequence, state, phone_index, phone_sealed, created_at, started_at)
values (encode($2, 'hex')::uuid, 1, 'subscribed', $2, $2, $1, $1)"""
# What is known by the day only is in time within a day: so many times five minutes.
COARSENESS = {"erasure": 288}
LEFT = {"personal_answer": "select count(*) from subscriptions.inbox where publications = 'said'"}


def test_there_is_a_case_for_each_rule() -> None:
    assert set(ROWS) == set(RULES)
    assert RULES["notice_event"].max_age == timedelta(days=90), "so we promise integrators"
    assert RULES["inbox"].max_age > timedelta(days=8), "Meta repeats a webhook for seven days"


@pytest.mark.parametrize("kind", sorted(ROWS))
async def test_what_is_too_old_is_gone_and_what_is_not_stays(
    harness: SubscriptionsHarness, owner: asyncpg.Connection, kind: str
) -> None:
    for age in (OLDER, OLDER, YOUNGER):
        moment = datetime.now(UTC) - RULES[kind].max_age - age * COARSENESS.get(kind, 1)
        await owner.execute(f"insert into subscriptions.{ROWS[kind]}", moment, uuid4().bytes)
    begun = time.time()
    assert 0 < begun - harness.read_metric("kreisfunk_subscriptions_retention_timestamp_seconds") < 600, "since 1970"
    await harness.metrics.retention.run(harness.database, RULES)
    table = ROWS[kind].split()[0]
    assert await owner.fetchval(LEFT.get(kind, f"select count(*) from subscriptions.{table}")) == 1  # noqa: S608
    assert harness.read_metric("kreisfunk_subscriptions_retention_deleted_rows_total", kind=kind) == 2
    assert harness.read_metric("kreisfunk_subscriptions_retention_timestamp_seconds") > begun
    if RULES[kind].oldest_query:
        oldest = harness.read_metric("kreisfunk_subscriptions_retention_oldest_age_seconds", kind=kind)
        assert 0 < RULES[kind].max_age.total_seconds() - oldest < 600 * COARSENESS.get(kind, 1)


async def test_nothing_stored_is_shown_as_nothing(harness: SubscriptionsHarness) -> None:
    await harness.metrics.retention.run(harness.database, RULES)
    for kind, rule in RULES.items():
        assert harness.read_metric("kreisfunk_subscriptions_retention_deleted_rows_total", kind=kind) == 0
        if kind != "consent":
            assert rule.oldest_query
            assert harness.read_metric("kreisfunk_subscriptions_retention_oldest_age_seconds", kind=kind) == 0


async def test_somebody_who_subscribes_again_while_the_old_row_is_purged_is_subscribed(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    long_ago, key = datetime.now(UTC) - RULES["former_subscriber"].max_age - OLDER, uuid4().bytes
    await owner.execute(f"insert into subscriptions.{ROWS['former_subscriber']}", long_ago, key)
    async with owner.transaction():
        await owner.execute(
            "update subscriptions.subscriber set state = 'subscribed', phone_sealed = $1, started_at = now()", key
        )
        purging = asyncio.create_task(harness.metrics.retention.run(harness.database, RULES))
        await wait_until_locked(owner)
    await purging
    assert await owner.fetchval("select state from subscriptions.subscriber") == "subscribed"


async def test_the_proof_of_whoever_is_subscribed_stays_however_old(
    harness: SubscriptionsHarness, owner: asyncpg.Connection
) -> None:
    long_ago, key = datetime.now(UTC) - 2 * RULES["consent"].max_age, uuid4().bytes
    await owner.execute(f"insert into subscriptions.{SUBSCRIBED}", long_ago, key)
    await owner.execute(f"insert into subscriptions.{ROWS['consent']}", long_ago, key)
    await harness.metrics.retention.run(harness.database, RULES)
    for table in ("consent", "subscriber"):
        assert await owner.fetchval(f"select count(*) from subscriptions.{table}") == 1  # noqa: S608


@pytest.mark.parametrize("text", ["Stop", "Löschen"])
async def test_the_proof_of_a_row_that_was_merged_into_anothers_stays_as_long_as_that_ones(
    harness: SubscriptionsHarness, owner: asyncpg.Connection, text: str
) -> None:
    """The person is subscribed under either address, and then writes from both."""
    for seconds, said, sender in ((0, "Start", build_phone(1)), (10, "Start", build_user(1)), (20, "Hallo", None)):
        await harness.receive(build_message(said, sender=sender, seconds=seconds))
    await age_and_purge(harness, owner)
    proofs = await harness.fetch_rows("select event from subscriptions.consent order by event")
    assert proofs == [("given",), ("given",), ("merged",)]
    today = (datetime.now(UTC) - NOON).total_seconds()
    await harness.receive(build_message(text, seconds=today))
    await harness.metrics.retention.run(harness.database, RULES)
    assert await owner.fetchval("select count(*) from subscriptions.consent where event <> 'erased'") >= len(proofs)
    await age_and_purge(harness, owner)
    for table in ("consent", "subscriber"):
        assert await owner.fetchval(f"select count(*) from subscriptions.{table}") == 0  # noqa: S608


async def age_and_purge(harness: SubscriptionsHarness, owner: asyncpg.Connection) -> None:
    """Make people and proofs older than they are kept once nobody is subscribed, and purge."""
    age = 2 * RULES["consent"].max_age
    await owner.execute(
        "update subscriptions.subscriber set created_at = created_at - $1::interval,"
        " started_at = started_at - $1::interval, ended_at = ended_at - $1::interval",
        age,
    )
    await owner.execute("update subscriptions.consent set recorded_at = recorded_at - $1::interval", age)
    await harness.metrics.retention.run(harness.database, RULES)
