"""Each entry of a feed once."""

import random
from datetime import timedelta
from typing import Any

import pytest

from services.feeds.configuration import Mode
from services.feeds.state import OriginState
from tests.factories.feeds import NOW, SOURCE, build_item, list_events, poll_feed, read_data

PUBLISHED = "de.kreisfunk.notice.published.v1"
UPDATED = "de.kreisfunk.notice.updated.v1"


def test_a_new_entry_becomes_a_notice_that_says_what_it_says() -> None:
    outcome = poll_feed(build_item(1), urgent=True)
    (event,) = list_events(outcome)
    assert (event.type, event.source, event.expirytime) == (PUBLISHED, SOURCE, NOW + timedelta(days=2))
    assert event.id == f"{event.subject}:1"
    assert read_data(event)["topic"] == "veranstaltungen"
    assert read_data(event)["headline"] == "Meldung 1"
    assert read_data(event)["text"] == "Text der Meldung 1."
    assert read_data(event)["link"] == "https://www.landkreis-osterholz.de/meldungen/1"
    assert read_data(event)["urgent"] is True
    assert outcome.counts["published"] == 1


@pytest.mark.parametrize("seed", range(20))
def test_fifty_entries_changed_reordered_and_broken_are_published_once_each(seed: int) -> None:
    chance = random.Random(seed)
    memory = OriginState()
    subjects: list[str | None] = []
    for _ in range(6):
        items = [build_item(number, description=f"Fassung {chance.random()}") for number in range(50)]
        items += [build_item(99, title=""), build_item(98, guid="", link=""), build_item(7)]
        outcome = poll_feed(*chance.sample(items, chance.randint(40, len(items))), memory=memory)
        subjects += [event.subject for event in list_events(outcome)]
        memory = outcome.state
    assert len(subjects) == len(set(subjects)) == 50


def test_older_entries_come_first_and_what_is_too_old_not_at_all() -> None:
    old = build_item(3, pubDate="Mon, 02 Nov 2026 10:00:00 GMT")
    outcome = poll_feed(build_item(1), build_item(2), old)
    assert [read_data(event)["headline"] for event in list_events(outcome)] == ["Meldung 2", "Meldung 1"]
    assert outcome.counts["old"] == 1
    assert list_events(poll_feed(old, memory=outcome.state)) == []


def test_the_first_rule_that_applies_decides() -> None:
    rules = [
        {"category": "amtlich", "skip": True},
        {"title": "l 149|k 9", "category": "verkehr", "topic": "strassensperrungen", "municipalities": ["Lilienthal"]},
        {"text": "bewerb", "topic": "stellen", "mode": "draft", "urgent": True},
    ]
    feed: dict[str, Any] = {"rules": rules}
    outcome = poll_feed(
        build_item(1, title="L 149 gesperrt", category="Verkehr"),
        build_item(2, category="Amtliches"),
        build_item(3, description="Bewerben Sie sich."),
        build_item(4, title="L 149: ein Buch"),
        **feed,
    )
    found = [(read_data(event)["headline"], read_data(event)["topic"]) for event in list_events(outcome)]
    assert found == [
        ("L 149: ein Buch", "veranstaltungen"),
        ("Meldung 3", "stellen"),
        ("L 149 gesperrt", "strassensperrungen"),
    ]
    assert [pending.way for pending in outcome.state.pending] == [
        Mode.DIRECT,
        Mode.DRAFT,
        Mode.DIRECT,
    ]
    assert read_data(list_events(outcome)[2])["municipalities"] == ["Lilienthal"]
    assert read_data(list_events(outcome)[1])["urgent"] is True
    assert outcome.counts["left_out"] == 1


def test_without_a_topic_only_what_a_rule_names_is_taken() -> None:
    feed: dict[str, Any] = {"topic": None, "rules": [{"title": "stelle", "topic": "stellen"}]}
    outcome = poll_feed(build_item(1), build_item(2, title="Stelle frei"), **feed)
    assert [read_data(event)["topic"] for event in list_events(outcome)] == ["stellen"]


@pytest.mark.parametrize("memory", [OriginState(), OriginState(polled=True)], ids=["first poll", "later poll"])
def test_what_one_poll_finds_beyond_the_bound_becomes_drafts(memory: OriginState) -> None:
    outcome = poll_feed(*(build_item(number) for number in range(10)), memory=memory, most_at_once=3)
    modes = [pending.way for pending in outcome.state.pending]
    assert (modes.count(Mode.DIRECT), modes.count(Mode.DRAFT)) == (3, 7)
    assert outcome.counts["too_many"] == 7


def test_an_entry_without_text_gets_words_of_the_configuration() -> None:
    (event,) = list_events(poll_feed(build_item(1, description="")))
    assert read_data(event)["text"] == "Mehr dazu auf unserer Internetseite."


def test_an_address_of_another_host_is_left_out() -> None:
    words = "Mehr: https://example.com/a und www.landkreis-osterholz.de"
    first = build_item(1, title="Karten: example.com", description=words)
    (event,) = list_events(poll_feed(first))
    assert read_data(event)["headline"] == "Karten: […]"
    assert read_data(event)["text"] == "Mehr: […] und www.landkreis-osterholz.de"
