"""Dialogues as citizens see them, one each."""

import re
from typing import Any

import pytest

from tests.e2e.dialogue.harness import DialogueHarness
from tests.factories.citizens import TEXTS
from tests.servers import wait_for

pytestmark = pytest.mark.timeout(400)


async def test_start_a_notice_and_stop(system: DialogueHarness) -> None:
    phone = await system.add_citizen()
    assert await phone.write("Start") == TEXTS.receipt.text
    await system.publish("Erste Sperrung")
    assert "Erste Sperrung" in (await phone.list_broadcasts())[-1]
    assert await phone.write("Ich möchte keine Nachrichten mehr, bitte") == TEXTS.unsubscribe_confirmation.text
    await system.publish("Zweite Sperrung")
    assert len(await phone.list_broadcasts()) == 1


async def test_topics_from_the_list_by_number_and_by_word(system: DialogueHarness) -> None:
    phone = await system.add_citizen()
    await phone.write("Start")
    assert "Ihre Themen: Baustellen." in await phone.press("Nur Baustellen")
    assert "1 Veranstaltungen" in await phone.write("Themen")
    assert "Baustellen, Straßensperrungen" in await phone.press("Straßensperrungen")
    assert "Ihre Themen: Veranstaltungen, Baustellen." in await phone.write("1 3")
    assert "Ihre Themen: Stellen." in await phone.write("nur Stellen")
    await system.publish("Nicht für alle")
    assert await phone.list_broadcasts() == []
    assert await phone.write("stop stellen") == TEXTS.unsubscribe_confirmation.text


async def test_voice_pictures_and_places_get_the_same_answer(system: DialogueHarness) -> None:
    acts: list[dict[str, Any]] = [{"media": kind} for kind in ("voice", "audio", "image", "document", "video")]
    for act in (*acts, {"location": True}, {"contact": True}):
        phone = await system.add_citizen()
        await phone.run_and_wait(**act)
        assert [entry["text"] for entry in await phone.fetch_received()] == [TEXTS.hint.text], act


async def test_marketing_stopped_and_resumed_inside_whatsapp_is_obeyed_and_not_answered(
    system: DialogueHarness,
) -> None:
    phone = await system.add_citizen()
    await phone.write("Start")
    await system.call("POST", f"citizens/{phone.id}/preferences", {"value": "stop"})
    await system.wait_for_acts()
    await system.publish("Ein Konzert", topic="veranstaltungen")
    await system.publish("Eine Sperrung")
    assert ["Sperrung" in text for text in await phone.list_broadcasts()] == [True]
    assert len(await phone.fetch_received()) == 2
    await system.call("POST", f"citizens/{phone.id}/preferences", {"value": "resume"})
    await system.wait_for_acts()
    await system.publish("Ein Theaterabend", topic="veranstaltungen")
    assert "Ein Theaterabend" in (await phone.list_broadcasts())[-1]
    assert len(await phone.fetch_received()) == 3


async def test_feedback_by_text_button_and_reaction(system: DialogueHarness) -> None:
    phone = await system.add_citizen()
    assert await phone.write("Start", "Feedback: Sehr nützlich") == TEXTS.feedback_thanks.text
    await system.publish("Bewertet")
    assert await phone.press("Hilfreich") == TEXTS.feedback_thanks.text
    message_id = next(entry["message"] for entry in await phone.fetch_received() if entry["template"])
    await phone.run_and_wait(reaction="👍", message=message_id)

    async def all_are_kept() -> bool:
        rows = await system.database.fetch(
            "select kind, value, topic from subscriptions.feedback where said = 'Sehr nützlich' or topic is not null"
        )
        return {(row["kind"], row["value"], row["topic"]) for row in rows} >= {
            ("text", "", None),
            ("rating", "good", "strassensperrungen"),
            ("reaction", "👍", "strassensperrungen"),
        }

    await wait_for(all_are_kept)


async def test_an_edit_counts_and_what_is_taken_back_or_unsupported_is_not_answered(system: DialogueHarness) -> None:
    phone = await system.add_citizen()
    await phone.write("Start")
    await phone.run_and_wait(edit="Stop")
    await phone.run_and_wait(revoke=True)
    await phone.run_and_wait(unsupported="poll")
    assert [entry["text"] for entry in await phone.fetch_received()] == [
        TEXTS.receipt.text,
        TEXTS.unsubscribe_confirmation.text,
    ]


@pytest.mark.parametrize(
    ("sharing", "told"), [({}, {}), ({}, {"older_shape": True}), ({"bsuid_only": 1}, {}), ({"bsuid_in_from": 1}, {})]
)
async def test_after_a_new_number_the_next_broadcast_comes_once(
    system: DialogueHarness, sharing: dict[str, int], told: dict[str, bool]
) -> None:
    phone = await system.add_citizen(**sharing)
    await phone.write("Start", "nur Straßensperrungen")
    await system.call("POST", f"citizens/{phone.id}/number", told)
    await system.wait_for_acts()
    await system.publish("Nach dem Umzug")
    assert len(await phone.list_broadcasts()) == 1
    assert await phone.write("Stop") == TEXTS.unsubscribe_confirmation.text
    await system.publish("Nach dem Abschied")
    assert len(await phone.list_broadcasts()) == 1


async def test_doubled_and_shuffled_webhooks_change_nothing(system: DialogueHarness) -> None:
    phones = await system.add_citizens(6)
    await system.call("PUT", "faults", {"webhook_duplicate_share": 1.0, "webhook_shuffle": True, "seed": 7})
    try:
        for phone in phones:
            await phone.send(text="Start")
        await system.wait_for_acts(len(phones))
        for phone in phones[:3]:
            await phone.send(text="Stop")
        await system.wait_for_acts(3)
    finally:
        await system.call("PUT", "faults", {})
    for phone in phones[:3]:
        assert [entry["text"] for entry in await phone.fetch_received()] == [
            TEXTS.receipt.text,
            TEXTS.unsubscribe_confirmation.text,
        ]
    for phone in phones[3:]:
        assert [entry["text"] for entry in await phone.fetch_received()] == [TEXTS.receipt.text]


@pytest.mark.parametrize(
    ("sharing", "moves"),
    [({}, 0), ({"bsuid_only": 1}, 0), ({}, 2), ({"bsuid_only": 1}, 1), ({"bsuid_in_from": 1}, 1)],
    ids=["number", "user id", "number moved", "user id moved", "user id as number moved"],
)
async def test_erasing_leaves_nothing_but_the_proof(
    system: DialogueHarness, sharing: dict[str, int], moves: int
) -> None:
    """Of any address that the person ever had, and of what they said."""
    phone, neighbour = await system.add_citizen(**sharing), await system.add_citizen()
    for each in (phone, neighbour):
        await each.write("Feedback: Geheim" if each is phone else "Hallo", "Start", "nur Straßensperrungen")
    await system.publish("Vor dem Löschen")
    identities = [await phone.fetch_identity()]
    for _ in range(moves):
        await system.call("POST", f"citizens/{phone.id}/number", {})
        await system.wait_for_acts()
        assert "„Geheim“" in await phone.write("Daten")
        identities.append(await phone.fetch_identity())
    other = await neighbour.fetch_identity()
    mine = [index for who in identities for index in _hashes(system, who)]
    person, theirs = str(await _subscriber(system, identities[-1])), str(await _subscriber(system, other))
    before = await _settled_dump(system)
    assert {_table(row) for row in _about(before, [*mine, person])} >= {
        "subscriptions.consent",
        "dispatcher.delivery",
        "subscriptions.subscriber",
        "subscriptions.subscription",
    }
    answer = await phone.write("Löschen")
    assert "gelöscht" in answer
    assert "Nachweis" in answer

    async def the_ledger_forgot() -> bool:
        await system.database.execute("update dispatcher.erasure set asked_at = asked_at - interval '1 minute'")
        left = await system.database.fetchval("select count(*) from dispatcher.erasure")
        return left == 0 and not (await phone.fetch_identity())["in_contact_book"]

    await wait_for(the_ledger_forgot)
    after = await _settled_dump(system)
    assert {_table(row) for row in _about(after, mine)} == {"subscriptions.erasure", "subscriptions.inbox"}
    assert {_table(row) for row in _about(after, [person])} == REMAINS
    words = [word for who in identities for word in (who["phone"], who["user_id"])]
    assert not _about(after, [*words, "Geheim", b"Geheim".hex()])
    about_neighbour = [*_hashes(system, other), theirs]
    assert set(_about(before, about_neighbour)) == set(_about(after, about_neighbour)), "a neighbour keeps everything"
    await system.publish("Nach dem Löschen")
    assert len(await phone.list_broadcasts()) == 1


# Of the internal id, which leads to nobody any more.
REMAINS = {"subscriptions.consent", "dispatcher.delivery", "dispatcher.suppression"}


def _table(row: str) -> str:
    """Partitions count as their table."""
    return re.sub(r"_(other|[0-9]{8})$", "", row.split()[0])


def _about(rows: list[str], values: list[str]) -> list[str]:
    return [row for row in rows if any(value in row for value in values)]


def _hashes(system: DialogueHarness, who: dict[str, Any]) -> list[str]:
    return [system.compute_index("phone", who["phone"]).hex(), system.compute_index("user", who["user_id"]).hex()]


async def _subscriber(system: DialogueHarness, who: dict[str, Any]) -> object:
    return await system.database.fetchval(
        "select id from subscriptions.subscriber where phone_index = $1 or user_index = $2",
        system.compute_index("phone", who["phone"]),
        system.compute_index("user", who["user_id"]),
    )


async def _settled_dump(system: DialogueHarness) -> list[str]:
    """Once phones have told all that they are going to tell."""

    async def quiet() -> bool:
        moving = await system.database.fetchval(
            "select count(*) from dispatcher.delivery where state in ('accepted', 'sent')"
        )
        return not moving and not (await system.call("GET", "account"))["webhooks"]["pending"]

    await wait_for(quiet)
    return await system.dump()
