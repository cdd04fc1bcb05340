"""Work that a restore holds or withdraws because no message tells the dispatcher about it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from cli.backup.holding import hold_everything
from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.recipients import PostgresRecipientRepository
from services.dispatcher.domain.claims import Claim
from shared.contracts.dispatch import BroadcastBatch, Withdrawal
from shared.database.pool import Database as Pool
from tests.databases import FreshDatabase
from tests.factories.citizens import COUNTY, build_both, build_move, build_preference
from tests.integration.cli.planned_broadcasts import insert_planned, run
from tests.integration.dispatcher.factories import (
    accept,
    begin,
    build_batch,
    build_batch_message,
    claim,
    follow,
    follow_up,
    generate_subscribers,
    states,
)
from tests.integration.subscriptions.harness import SubscriptionsHarness, build_harness

_PEOPLE = """
select p.id, p.sequence, array(select topic from subscriptions.subscription where subscriber_id = p.id) as topics
from subscriptions.subscriber p
"""
_SENT = """
select b.topic from dispatcher.broadcast b, dispatcher.judge(b, $1, $2, 0) verdict where verdict.state <> 'suppressed'
"""
_DRAFT = """
with account as (
    insert into newsroom.account (id, login, name, person, roles) values ($1, 'anna', 'Anna', $1, '{editor}')
)
insert into newsroom.draft (id, notice, kind, state, version, created_by)
values ($1, 'n', 'notice', 'published', 1, $1)
"""
_PUBLICATION = """
insert into newsroom.publication (id, draft, version, revision, body, state, answered_at, confirmed_at)
values ($1, $1, 1, 1, $2, $3, case when $3 <> 'waiting' then now() end, case when $4 then now() end)
"""
_NOTICE_EVENT = """
insert into subscriptions.notice_event (source, event, digest, system, counts, urgent, publications, handled_at)
values ('/redaktion', $1, '', 'redaktion', true, false, '', now())
"""


async def hold(owner: asyncpg.Connection) -> None:
    async with owner.transaction():
        await hold_everything(owner, datetime.now(UTC))


@pytest.fixture
async def citizens(subscriptions_pool: Pool) -> SubscriptionsHarness:
    """What they write is handled, and none of it reaches the dispatcher."""
    return build_harness(subscriptions_pool)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Stop", "suppressed"),
        ("Löschen", "suppressed"),
        ("nur Stellen", "suppressed"),
        ("nur Straßensperrungen", "waiting"),
    ],
)
async def test_a_stop_that_only_subscriptions_had_stored_counts_for_what_follows(
    citizens: SubscriptionsHarness, ledger: PostgresLedger, owner: asyncpg.Connection, text: str, state: str
) -> None:
    await citizens.send_texts("Start", sender=build_both(1))
    (person,) = await owner.fetch(_PEOPLE)
    message = build_batch_message([person["id"]])
    await accept(ledger, await claim(ledger, message))
    await citizens.send_texts(text, sender=build_both(1), start=1)
    await hold(owner)
    await begin(ledger, new := follow_up(message.broadcast))
    await follow(ledger)
    assert await states(ledger, new.broadcast) == {state: 1}


async def test_a_stop_that_only_subscriptions_had_stored_is_kept_as_long_as_any_other(
    citizens: SubscriptionsHarness, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """Though an earlier one has nearly been kept long enough: what was decided in between may yet be sent."""
    await citizens.send_texts("Start", "Stop", sender=build_both(1))
    (person,) = await owner.fetch(_PEOPLE)
    await ledger.withdraw(Withdrawal(subscriber=person["id"], sequence=person["sequence"] - 1))
    await owner.execute("update dispatcher.suppression set suppressed_at = now() - interval '1 month'")
    before = datetime.now(UTC)
    await hold(owner)
    (row,) = await owner.fetch("select sequence, suppressed_at from dispatcher.suppression")
    assert (row["sequence"], row["suppressed_at"] >= before) == (person["sequence"], True)


async def test_an_erasure_that_only_subscriptions_had_stored_is_made_in_ledger_and_newsroom(
    citizens: SubscriptionsHarness, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    await citizens.send_texts("Start", "Feedback: Danke", sender=build_both(1))
    await citizens.send_texts("Start", "Feedback: Schön", sender=build_both(2))
    await owner.execute("insert into newsroom.feedback (id, kind, at) select id, kind, at from subscriptions.feedback")
    await accept(ledger, await claim(ledger, build_batch_message([row["id"] for row in await owner.fetch(_PEOPLE)])))
    await citizens.send_texts("Löschen", sender=build_both(1), start=10)
    await hold(owner)
    recipients = PostgresRecipientRepository(ledger.database)
    for erasure in await recipients.claim_due_erasures():
        await recipients.erase(erasure)
    named = "select array_agg(subscriber) from dispatcher.delivery where address_index <> ''"
    assert await owner.fetchval(named) == [row["id"] for row in await owner.fetch(_PEOPLE)]
    (feedback,) = await owner.fetch("select id from subscriptions.feedback")
    assert await owner.fetch("select id from newsroom.feedback") == [feedback]


@pytest.mark.parametrize(
    "texts",
    [
        ("Start",),
        ("Start", "ohne Stellen"),
        ("Start", "nur Stellen", "auch Baustellen"),
        ("Start", "Pause 3 Tage"),
        ("Start", "Stop"),
        ("Start", "Stop", "Start"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("then", ["", "a new number", "no marketing"])
async def test_everybody_gets_what_they_chose_last_and_nothing_else(
    citizens: SubscriptionsHarness, ledger: PostgresLedger, owner: asyncpg.Connection, texts: tuple[str, ...], then: str
) -> None:
    await citizens.send_texts(*texts, sender=build_both(1))
    if then == "a new number":
        await citizens.receive_moves(build_move(build_both(1), build_both(2)))
    if then == "no marketing":
        await citizens.receive_preferences(build_preference("stop", seconds=60))
    for topic in COUNTY.topic_ids:
        message = msgspec.structs.replace(build_batch_message([]), topic=topic)
        await ledger.register(message, build_batch(message).content)
    await hold(owner)
    (person,) = await owner.fetch(_PEOPLE)
    sent = {row["topic"] for row in await owner.fetch(_SENT, person["id"], person["sequence"])}
    assert sent == set(person["topics"])


async def test_what_was_withdrawn_is_not_sent_even_if_an_operator_resends_it(
    mixed: tuple[BroadcastBatch, list[Claim]], database: FreshDatabase, owner: asyncpg.Connection
) -> None:
    message, _ = mixed
    await insert_planned(database, message.broadcast, state="cancelled", reason="falsch")
    await hold(owner)
    verdict = "select dispatcher.settle_unknown(null, $1, 'resend')"
    assert await owner.fetchval(verdict, message.broadcast) in (0, None)


async def test_a_failure_that_was_perhaps_made_good_since_is_resent_only_with_the_unknown(
    mixed: tuple[BroadcastBatch, list[Claim]], owner: asyncpg.Connection
) -> None:
    message, _ = mixed
    await hold(owner)
    resend = "select failed from dispatcher.resend_missing($1, $2)"
    resent = [await owner.fetchval(resend, message.broadcast, unknown_too) for unknown_too in (False, True)]
    assert resent == [0, 2]


async def test_whoever_has_left_since_the_first_pages_is_not_missing_among_those_who_wait(
    ledger: PostgresLedger, owner: asyncpg.Connection, environment: Mapping[str, str]
) -> None:
    message = build_batch_message(generate_subscribers(3))
    await accept(ledger, await claim(ledger, msgspec.structs.replace(message, last=False)))
    await hold(owner)
    await claim(ledger, msgspec.structs.replace(message, recipients=message.recipients[:2]))
    counts = (await run(environment, "broadcasts", "show", message.broadcast, "--json")).json["counts"]
    assert (counts["audience"], counts["accepted"], counts["waiting"], counts["unaccounted"]) == (3, 3, 0, 0)


async def test_whoever_has_left_before_their_page_came_is_not_missing_among_those_who_wait(
    ledger: PostgresLedger, database: FreshDatabase, owner: asyncpg.Connection, environment: Mapping[str, str]
) -> None:
    """The last page was known, so that the audience of before would be waited for."""
    whole = build_batch_message(generate_subscribers(3))
    await insert_planned(database, whole.broadcast, state="expanded")
    last = msgspec.structs.replace(whole, recipients=whole.recipients[2:], page=1, offset=2)
    await accept(ledger, await claim(ledger, last))
    await hold(owner)
    show = ("broadcasts", "show", whole.broadcast, "--json")
    assert (await run(environment, *show)).json["counts"]["complete"] is False
    await claim(ledger, msgspec.structs.replace(whole, recipients=whole.recipients[1:]))
    counts = (await run(environment, *show)).json["counts"]
    assert (counts["audience"], counts["accepted"], counts["unknown"], counts["waiting"]) == (2, 1, 1, 0)


async def test_an_end_that_perhaps_only_the_dispatcher_knew_is_told_once_more(
    ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    message = build_batch_message(generate_subscribers(2))
    await accept(ledger, await claim(ledger, message))
    await ledger.collect_progress(1.0)
    assert await ledger.finish(message.broadcast) is not None
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    await owner.execute("update dispatcher.broadcast set finished_at = $1, progressed_at = $1", long_ago)
    assert await ledger.collect_progress(1.0, late=True) == []
    await hold(owner)
    (progress,) = await ledger.collect_progress(1.0, late=True)
    assert (progress.broadcast, progress.finished, progress.audience) == (message.broadcast, True, 2)
    await ledger.mark_published(progress)
    await owner.execute("update dispatcher.broadcast set progressed_at = $1", long_ago)
    assert await ledger.collect_progress(1.0, late=True) == []


async def test_to_hold_twice_is_to_hold_once(
    mixed: tuple[BroadcastBatch, list[Claim]], owner: asyncpg.Connection
) -> None:
    lost_at, earlier = datetime.now(UTC), datetime.now(UTC) - timedelta(hours=1)
    for saved_at in (lost_at, earlier):
        async with owner.transaction():
            work = await hold_everything(owner, saved_at, lost_at)
    assert work.lost_at == lost_at
    assert await owner.fetchval("select saved_at from dispatcher.restore") == earlier


@pytest.mark.parametrize(
    ("kind", "before", "known", "confirmed", "after"),
    [
        ("published", "waiting", False, False, ("rejected", "returned")),
        ("published", "accepted", False, False, ("rejected", "returned")),
        ("published", "accepted", True, False, ("waiting", "published")),
        ("published", "accepted", True, True, ("accepted", "published")),
        ("withdrawn", "waiting", False, False, ("waiting", "published")),
        ("withdrawn", "accepted", False, False, ("waiting", "published")),
    ],
)
async def test_what_the_newsroom_handed_over_and_nobody_confirmed_goes_back_or_is_repeated(
    owner: asyncpg.Connection, kind: str, before: str, known: bool, confirmed: bool, after: tuple[str, str]
) -> None:
    identifier = uuid4()
    body = {"type": f"de.kreisfunk.notice.{kind}.v1", "source": "/redaktion", "id": identifier.hex}
    await owner.execute(_DRAFT, identifier)
    await owner.execute(_PUBLICATION, identifier, json.dumps(body), before, confirmed)
    if known:
        await owner.execute(_NOTICE_EVENT, identifier.hex)
    await hold(owner)
    states = "select p.state, d.state from newsroom.publication p join newsroom.draft d on d.id = p.draft"
    assert tuple(await owner.fetchrow(states) or ()) == after
