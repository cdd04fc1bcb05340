"""Two "Start" and one "Stop" at once, on two replicas of each service, doubled, shuffled and delivered again."""

import time
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tests.e2e.dialogue.harness import CitizenPhone, DialogueHarness
from tests.e2e.dialogue.webhooks import CitizenText, build_text, deliver, deliver_badly
from tests.factories.citizens import TEXTS
from tests.factories.webhooks import build_messages_body

pytestmark = pytest.mark.timeout(400)

CITIZENS = 8
STATES = {"Start": "subscribed", "Stop": "unsubscribed"}
_SUBSCRIBERS = "select id, state, sequence from subscriptions.subscriber where (phone_index = $1 or user_index = $2)"
_CHAIN = "select sequence, event from subscriptions.consent where subscriber_id = $1 order by sequence"


@pytest.mark.parametrize("seed", range(2))
async def test_one_subscriber_a_whole_chain_and_one_answer_each(system: DialogueHarness, seed: int) -> None:
    """In even rounds all three are said in the same second of Meta's clock, in odd ones at known moments."""
    random = Random(seed)
    phones = await system.add_citizens(CITIZENS, bsuid_only=random.randint(0, 2))
    await _ask_for_help(phones)
    said = [await _conversation(phone, random, together=seed % 2 == 0) for phone in phones]
    everything = [each for conversation in said for each in conversation]
    await deliver_badly(system, everything, random)
    await system.wait_for_acts(len(everything))
    before = [await _outcome(system, phone, conversation) for phone, conversation in zip(phones, said, strict=True)]

    await deliver_badly(system, everything, random)
    await _ask_for_help(phones)
    after = [await _outcome(system, phone, each, helped=2) for phone, each in zip(phones, said, strict=True)]
    assert after == before


async def _ask_for_help(phones: Sequence[CitizenPhone]) -> None:
    """Opens WhatsApp's window for answers, and afterwards shows that nothing else is on its way."""
    for phone in phones:
        assert await phone.write("Hilfe") == TEXTS.help.text


async def _conversation(phone: CitizenPhone, random: Random, *, together: bool) -> list[CitizenText]:
    now = int(time.time())
    moments = [now] * 3 if together else [now - 3, now - 2, now - 1]
    words = ["Start", "Start", "Stop"]
    random.shuffle(words)
    return [
        await build_text(phone, number, word, at) for number, (word, at) in enumerate(zip(words, moments, strict=True))
    ]


async def _outcome(
    system: DialogueHarness, phone: CitizenPhone, said: Sequence[CitizenText], helped: int = 1
) -> tuple[Any, ...]:
    """The person's state and chain, after looking at them and at the phone."""
    who = await phone.fetch_identity()
    row, *others = await system.database.fetch(
        _SUBSCRIBERS, system.compute_index("phone", who["phone"]), system.compute_index("user", who["user_id"])
    )
    assert others == []
    chain = [(entry["sequence"], entry["event"]) for entry in await system.database.fetch(_CHAIN, row["id"])]
    assert [sequence for sequence, _ in chain] == list(range(1, row["sequence"] + 1))
    assert (chain[-1][1] == "given") == (row["state"] == "subscribed")
    _was_the_last_word(row["state"], said)
    await _was_answered(phone, [event for _, event in chain], helped)
    return row["state"], tuple(chain)


def _was_the_last_word(state: str, said: Sequence[CitizenText]) -> None:
    """Within one second of Meta's clock, what reached us last is the last word."""
    latest = max(each.at for each in said)
    assert state in {STATES[each.text] for each in said if each.at == latest}


async def _was_answered(phone: CitizenPhone, events: Sequence[str], helped: int) -> None:
    """One answer to each message that had an effect, none to what was overtaken."""
    shown = [entry["text"] for entry in await phone.fetch_received()]
    assert len(shown) == len(events) + helped
    assert shown.count(TEXTS.unsubscribe_confirmation.text) == events.count("withdrawn")


async def test_the_same_post_at_both_replicas_is_one_message(system: DialogueHarness) -> None:
    phone = await system.add_citizen()
    await _ask_for_help([phone])
    body = build_messages_body((await build_text(phone, 1, "Start", int(time.time()))).item)
    for replica in (0, 1, 0, 1):
        await deliver(system, body, replica)
    await system.wait_for_acts()
    assert await phone.write("Stop") == TEXTS.unsubscribe_confirmation.text
    shown = [entry["text"] for entry in await phone.fetch_received()]
    assert shown == [TEXTS.help.text, TEXTS.receipt.text, TEXTS.unsubscribe_confirmation.text]
