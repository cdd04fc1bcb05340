"""Two "Start" and one "Stop" at once, on two replicas of each service, doubled, shuffled and delivered again."""

import time
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tests.e2e.dialogue.town import Phone, Town
from tests.e2e.dialogue.webhooks import Said, deliver, deliver_badly, say, webhook
from tests.unit.subscriptions.material import TEXTS

pytestmark = pytest.mark.timeout(400)

CITIZENS = 8
STATES = {"Start": "subscribed", "Stop": "unsubscribed"}
_PEOPLE = "select id, state, sequence from subscriptions.subscriber where (phone_index = $1 or user_index = $2)"
_CHAIN = "select sequence, event from subscriptions.consent where subscriber_id = $1 order by sequence"


@pytest.mark.parametrize("seed", range(4))
async def test_one_subscriber_a_whole_chain_and_one_answer_each(town: Town, seed: int) -> None:
    """In even rounds all three are said in the same second of Meta's clock, in odd ones at known moments."""
    random = Random(seed)
    phones = await town.citizens(CITIZENS, bsuid_only=random.randint(0, 2))
    await _ask_for_help(phones)
    said = [await _conversation(phone, random, together=seed % 2 == 0) for phone in phones]
    everything = [each for conversation in said for each in conversation]
    await deliver_badly(town, everything, random)
    await town.did(len(everything))
    before = [await _outcome(town, phone, conversation) for phone, conversation in zip(phones, said, strict=True)]

    await deliver_badly(town, everything, random)
    await _ask_for_help(phones)
    after = [await _outcome(town, phone, each, helped=2) for phone, each in zip(phones, said, strict=True)]
    assert after == before


async def _ask_for_help(phones: Sequence[Phone]) -> None:
    """Opens WhatsApp's window for answers, and afterwards shows that nothing else is on its way."""
    for phone in phones:
        assert await phone.writes("Hilfe") == TEXTS.help.text


async def _conversation(phone: Phone, random: Random, *, together: bool) -> list[Said]:
    now = int(time.time())
    moments = [now] * 3 if together else [now - 3, now - 2, now - 1]
    words = ["Start", "Start", "Stop"]
    random.shuffle(words)
    return [await say(phone, number, word, at) for number, (word, at) in enumerate(zip(words, moments, strict=True))]


async def _outcome(town: Town, phone: Phone, said: Sequence[Said], helped: int = 1) -> tuple[Any, ...]:
    """The person's state and chain, after looking at them and at the phone."""
    who = await phone.identity()
    row, *others = await town.database.fetch(
        _PEOPLE, town.index("phone", who["phone"]), town.index("user", who["user_id"])
    )
    assert others == []
    chain = [(entry["sequence"], entry["event"]) for entry in await town.database.fetch(_CHAIN, row["id"])]
    assert [sequence for sequence, _ in chain] == list(range(1, row["sequence"] + 1))
    assert (chain[-1][1] == "given") == (row["state"] == "subscribed")
    _was_the_last_word(row["state"], said)
    await _was_answered(phone, [event for _, event in chain], helped)
    return row["state"], tuple(chain)


def _was_the_last_word(state: str, said: Sequence[Said]) -> None:
    """Within one second of Meta's clock, what reached us last is the last word."""
    latest = max(each.at for each in said)
    assert state in {STATES[each.text] for each in said if each.at == latest}


async def _was_answered(phone: Phone, events: Sequence[str], helped: int) -> None:
    """One answer to each message that had an effect, none to what was overtaken."""
    shown = [entry["text"] for entry in await phone.received()]
    assert len(shown) == len(events) + helped
    assert shown.count(TEXTS.farewell.text) == events.count("withdrawn")


async def test_the_same_post_at_both_replicas_is_one_message(town: Town) -> None:
    phone = await town.citizen()
    await _ask_for_help([phone])
    body = webhook([(await say(phone, 1, "Start", int(time.time()))).item])
    for replica in (0, 1, 0, 1):
        await deliver(town, body, replica)
    await town.did()
    assert await phone.writes("Stop") == TEXTS.farewell.text
    shown = [entry["text"] for entry in await phone.received()]
    assert shown == [TEXTS.help.text, TEXTS.receipt.text, TEXTS.farewell.text]
