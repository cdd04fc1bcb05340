"""An editor's test of a draft: whoever sends the code gets the text as an answer, once, and nobody can guess it."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.subscriptions.adapters.subscribers import MAX_TRIAL_GUESSES
from services.subscriptions.domain.replies import TRIAL_HEADING
from shared.contracts.dispatch import ReplyRequested
from tests.factories.citizens import TEXTS, build_message, build_phone
from tests.integration.subscriptions.harness import SubscriptionsHarness

CODE, TEXT = "48217730", "*K 9 gesperrt*\n\nBis Freitag."
SENT = build_message("Test 4821 7730")


async def offer(newsroom: asyncpg.Connection, code: str = CODE, draft: UUID | None = None) -> None:
    """As the newsroom, with its rights."""
    await newsroom.fetchval("select subscriptions.offer_trial($1, $2, $3)", draft or uuid4(), code, TEXT)


@pytest.mark.parametrize("words", ["Test 4821 7730", "test 48217730", " TEST  4821 7730. "])
async def test_whoever_sends_the_code_gets_the_text_and_is_no_subscriber(
    harness: SubscriptionsHarness, newsroom: asyncpg.Connection, words: str
) -> None:
    await offer(newsroom, "10000001")
    await offer(newsroom)
    sent = build_message(words)
    await harness.receive(sent)
    (reply,) = harness.publisher.list_messages(ReplyRequested)
    assert (reply.text, reply.recipient) == (f"{TRIAL_HEADING}\n\n{TEXT}", sent.sender.phone)
    assert await harness.fetch_rows("select count(*) from subscriptions.subscriber") == [(0,)]
    assert await harness.fetch_rows("select code, guesses from subscriptions.trial") == [("10000001", 0)]


async def test_a_code_is_good_for_one_message_however_often_that_arrives(
    harness: SubscriptionsHarness, newsroom: asyncpg.Connection
) -> None:
    await offer(newsroom)
    await asyncio.gather(*(harness.receive(SENT) for _ in range(3)))
    assert len(set(harness.publisher.published)) == 1
    await harness.receive(build_message("Test 4821 7730", sender=build_phone(2)))
    assert harness.list_reply_texts()[-1] == TEXTS.trial_over.text


async def test_a_newer_code_of_the_draft_replaces_the_older(
    harness: SubscriptionsHarness, newsroom: asyncpg.Connection
) -> None:
    draft = uuid4()
    await offer(newsroom, draft=draft)
    await offer(newsroom, "10000001", draft=draft)
    await harness.receive(SENT)
    assert harness.list_reply_texts() == [TEXTS.trial_over.text]


async def test_a_code_that_has_ended_is_of_no_use(
    harness: SubscriptionsHarness, newsroom: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await offer(newsroom)
    await owner.execute("update subscriptions.trial set ends_at = now()")
    await harness.receive(SENT)
    assert harness.list_reply_texts() == [TEXTS.trial_over.text]


@pytest.mark.parametrize(("guesses", "is_shown"), [(MAX_TRIAL_GUESSES - 1, True), (MAX_TRIAL_GUESSES, False)])
async def test_after_too_many_guesses_not_even_the_right_code_is_answered(
    harness: SubscriptionsHarness, newsroom: asyncpg.Connection, guesses: int, is_shown: bool
) -> None:
    await offer(newsroom)
    each_by_another = (build_message(f"Test {number:08}", sender=build_phone(number)) for number in range(guesses))
    await harness.receive(*each_by_another)
    await harness.receive(SENT)
    assert (TEXT in harness.list_reply_texts()[-1]) is is_shown
    await offer(newsroom)  # a new one is as good as ever
    await harness.receive(build_message("Test 4821 7730", sender=build_phone("the editor")))
    assert TEXT in harness.list_reply_texts()[-1]


@pytest.mark.parametrize("words", ["Test", "Test 4821", "Test 4821 77301", "Test ४८२१ ७७३०", "Teste 48217730"])
async def test_other_words_are_no_code(harness: SubscriptionsHarness, newsroom: asyncpg.Connection, words: str) -> None:
    await offer(newsroom)
    await harness.receive(build_message(words))
    assert await harness.fetch_rows("select guesses from subscriptions.trial") == [(0,)]
    assert all(TRIAL_HEADING not in answer for answer in harness.list_reply_texts())


async def test_the_newsroom_reads_no_code_and_offers_no_other(newsroom: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await newsroom.fetch("select * from subscriptions.trial")
    for code, text in (("1234567", TEXT), (CODE, ""), (CODE, "x" * 2_001)):
        with pytest.raises(asyncpg.CheckViolationError):
            await newsroom.fetchval("select subscriptions.offer_trial($1, $2, $3)", uuid4(), code, text)
