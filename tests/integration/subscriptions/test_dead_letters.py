"""Dead letters: encrypted, of limited life, erased with their person, and replayed on request."""

from dataclasses import replace

import asyncpg
import pytest

from services.subscriptions.adapters.dead_letters import PostgresDeadLetterRepository
from services.subscriptions.handlers.dead_letters import DeadLetterHandler
from shared.contracts.dispatch import ReplyRequested
from shared.contracts.events import SubscriberErased, SubscriptionEnded, SubscriptionStarted
from shared.contracts.inbound import InboundMessage
from shared.database.pool import DatabaseUnavailable, open_database
from shared.outcome import Dead, DependencyUnavailable, Done, Outcome
from tests.factories.citizens import TEXTS, build_both, build_message, build_phone, build_user
from tests.integration.subscriptions.harness import KEYS, SubscriptionsHarness, encode_group

LETTERS = "select reason, senders, body_sealed from subscriptions.dead_letter order by reason"
SAID = "Das versteht niemand"


async def bury(harness: SubscriptionsHarness, *messages: InboundMessage, reason: str = "unexpected Error") -> None:
    assert await harness.parts.dead_letters.store(encode_group(messages), reason) == Done()


async def test_each_message_of_a_group_is_encrypted_on_its_own(harness: SubscriptionsHarness) -> None:
    await bury(harness, build_message(SAID, sender=build_both(1)), build_message(SAID, sender=build_phone(2)))
    rows = await harness.fetch_rows(LETTERS)
    assert [len(senders) for _, senders, _ in rows] in ([1, 2], [2, 1])  # type: ignore[arg-type]
    for _, _, encrypted in rows:
        assert isinstance(encrypted, bytes)
        assert SAID.encode() not in encrypted
        assert b"messages" not in encrypted


async def test_a_dead_letter_that_comes_twice_is_one(harness: SubscriptionsHarness) -> None:
    for _ in range(2):
        await bury(harness, build_message(SAID))
    assert len(await harness.fetch_rows(LETTERS)) == 1


async def test_what_nobody_can_read_is_encrypted_as_well(harness: SubscriptionsHarness) -> None:
    assert await harness.parts.dead_letters.store(b'{"text": "Feedback"}', "no event") == Done()
    ((reason, senders, encrypted),) = await harness.fetch_rows(LETTERS)
    assert (reason, senders) == ("no event", [])
    assert b"Feedback" not in encrypted  # type: ignore[operator]


async def test_it_is_erased_with_its_person(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Start", sender=build_both(1)))
    await bury(
        harness,
        build_message(SAID, sender=build_user(1), seconds=10),
        build_message(SAID, sender=build_both(2), seconds=10),
    )
    await harness.receive(build_message("Löschen", sender=build_phone(1), seconds=20))
    rows = await harness.fetch_rows("select senders from subscriptions.dead_letter")
    assert rows == [([*(address.index for address in (build_both(2).phone, build_both(2).user) if address)],)]


async def test_an_erasure_that_became_a_dead_letter_is_told_by_the_next(harness: SubscriptionsHarness) -> None:
    """It alone named the subscriber who must not be sent anything."""
    await harness.receive(build_message("Start", sender=build_phone(1)))
    first = build_message("Löschen", sender=build_phone(1), seconds=10)
    with harness.publisher.failing():
        await harness.receive(first)
    await bury(harness, first)
    await harness.receive(build_message("Löschen", sender=build_phone(1), seconds=20))
    [started] = harness.publisher.list_messages(SubscriptionStarted)
    assert started.subscriber in {each.subscriber for each in harness.publisher.list_messages(SubscriptionEnded)}
    assert len(harness.publisher.list_messages(SubscriberErased)) == 2
    left = "select from subscriptions.inbox where result = 'erased' and publications <> '\\x90'"
    assert await harness.fetch_rows(left) == []


async def test_what_was_said_before_an_erasure_is_not_stored_after_it(harness: SubscriptionsHarness) -> None:
    await harness.receive(build_message("Löschen", sender=build_both(1), seconds=20))
    await bury(harness, build_message(SAID, sender=build_phone(1), seconds=10))
    assert await harness.fetch_rows(LETTERS) == []
    await bury(harness, build_message(SAID, sender=build_phone(1), seconds=30))
    assert len(await harness.fetch_rows(LETTERS)) == 1


async def test_an_operator_has_it_handled_again_and_it_is_gone(
    harness: SubscriptionsHarness, operator: asyncpg.Connection
) -> None:
    await bury(harness, build_message("Start"))
    await harness.parts.dead_letters.replay()
    assert len(await harness.fetch_rows(LETTERS)) == 1, "nobody asked for it"
    assert await operator.fetchval("select subscriptions.replay_dead_letters(null)") == 1
    await harness.parts.dead_letters.replay()
    assert await harness.fetch_rows(LETTERS) == []
    assert [reply.text for reply in harness.publisher.list_messages(ReplyRequested)] == [TEXTS.receipt.text]


async def test_what_fails_again_stays_with_its_new_reason(
    harness: SubscriptionsHarness, operator: asyncpg.Connection
) -> None:
    async def fail(body: bytes) -> Outcome:
        return Dead("still not")

    await bury(harness, build_message("Start"))
    await operator.fetchval("select subscriptions.replay_dead_letters(null)")
    await DeadLetterHandler(letters=harness.parts.dead_letters.letters, handle=fail).replay()
    rows = await harness.fetch_rows("select reason, replay_at from subscriptions.dead_letter")
    assert rows == [("still not", None)]


async def test_an_operator_drops_and_sees_no_content(
    harness: SubscriptionsHarness, operator: asyncpg.Connection, role: asyncpg.Connection
) -> None:
    await bury(harness, build_message(SAID))
    for hidden in ("body_sealed", "senders"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await operator.fetchval(f"select {hidden} from subscriptions.dead_letter")  # noqa: S608
    assert await operator.fetchval("select subscriptions.drop_dead_letters(null)") == 1
    assert await harness.fetch_rows(LETTERS) == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute("select subscriptions.drop_dead_letters(null)")


async def test_a_letter_that_cannot_be_stored_is_not_given_up(harness: SubscriptionsHarness) -> None:
    with pytest.raises(DependencyUnavailable):
        await harness.parts.dead_letters.store(encode_group([build_message(SAID)]), "a reason with \0 in it")


async def test_an_outage_that_a_letter_waits_for_is_named(harness: SubscriptionsHarness) -> None:
    async with open_database("postgresql://nobody@127.0.0.1:1/none", password=None, name="test", size=1) as away:
        handler = replace(harness.parts.dead_letters, letters=PostgresDeadLetterRepository(away, KEYS.dead_letters))
        with pytest.raises(DatabaseUnavailable, match="database: ConnectionRefusedError"):
            await handler.store(encode_group([build_message(SAID)]), "unexpected Error")
