"""Each entry of a feed once."""

import random
from datetime import timedelta

import pytest

from cli.feeds.memory import Memory, Way
from tests.unit.feeds.material import NOW, SOURCE, data, events, item, origin, polled

PUBLISHED = "de.kreisfunk.notice.published.v1"
UPDATED = "de.kreisfunk.notice.updated.v1"


def test_a_new_entry_becomes_a_notice_that_says_what_it_says() -> None:
    outcome = polled(origin(urgent=True), Memory(), item(1))
    (event,) = events(outcome)
    assert (event.type, event.source, event.expirytime) == (PUBLISHED, SOURCE, NOW + timedelta(days=2))
    assert event.id == f"{event.subject}:1"
    assert data(event)["topic"] == "veranstaltungen"
    assert data(event)["headline"] == "Meldung 1"
    assert data(event)["text"] == "Text der Meldung 1."
    assert data(event)["link"] == "https://www.landkreis-osterholz.de/meldungen/1"
    assert data(event)["urgent"] is True
    assert outcome.counts["published"] == 1


@pytest.mark.parametrize("seed", range(20))
def test_fifty_entries_changed_reordered_and_broken_are_published_once_each(seed: int) -> None:
    chance = random.Random(seed)
    memory = Memory()
    subjects: list[str | None] = []
    for _ in range(6):
        items = [item(number, description=f"Fassung {chance.random()}") for number in range(50)]
        items += [item(99, title=""), item(98, guid="", link=""), item(7)]
        outcome = polled(origin(), memory, *chance.sample(items, chance.randint(40, len(items))))
        subjects += [event.subject for event in events(outcome)]
        memory = outcome.memory
    assert len(subjects) == len(set(subjects)) == 50


def test_the_first_poll_only_marks_unless_told_otherwise() -> None:
    quiet = origin(first_poll="mark")
    first = polled(quiet, Memory(), *(item(number) for number in range(50)))
    assert (events(first), first.counts["marked"]) == ([], 50)
    second = polled(quiet, first.memory, item(50), *(item(number) for number in range(50)))
    assert [data(event)["headline"] for event in events(second)] == ["Meldung 50"]


def test_an_empty_first_poll_is_one() -> None:
    quiet = origin(first_poll="mark")
    second = polled(quiet, polled(quiet, Memory()).memory, item(1))
    assert len(events(second)) == 1


def test_a_changed_entry_is_an_update_only_where_it_is_configured() -> None:
    first = polled(origin(), Memory(), item(1)).memory
    silent = polled(origin(), first, item(1, title="Neu"))
    assert (events(silent), silent.counts["changed"]) == ([], 1)
    again = polled(origin(), silent.memory, item(1, title="Neu"))
    assert again.counts["known"] == 1
    (event,) = events(polled(origin(updates=True), first, item(1, title="Neu")))
    assert (event.type, data(event)["revision"], data(event)["headline"]) == (UPDATED, 2, "Neu")
    assert event.id.endswith(":2")


def test_what_was_only_marked_is_not_updated() -> None:
    both = origin(first_poll="mark", updates=True)
    first = polled(both, Memory(), item(1)).memory
    assert events(polled(both, first, item(1, title="Neu"))) == []


def test_markup_that_changes_nothing_for_a_reader_is_no_change() -> None:
    first = polled(origin(updates=True), Memory(), item(1)).memory
    second = polled(origin(updates=True), first, item(1, description="<div>Text  der <b>Meldung</b> 1.</div>"))
    assert (events(second), second.counts["known"]) == ([], 1)


def test_older_entries_come_first_and_what_is_too_old_not_at_all() -> None:
    old = item(3, pubDate="Mon, 02 Nov 2026 10:00:00 GMT")
    outcome = polled(origin(), Memory(), item(1), item(2), old)
    assert [data(event)["headline"] for event in events(outcome)] == ["Meldung 2", "Meldung 1"]
    assert outcome.counts["old"] == 1
    assert events(polled(origin(), outcome.memory, old)) == []


def test_the_first_rule_that_applies_decides() -> None:
    rules = [
        {"category": "amtlich", "skip": True},
        {"title": "l 149|k 9", "category": "verkehr", "topic": "strassensperrungen", "municipalities": ["Lilienthal"]},
        {"text": "bewerb", "topic": "stellen", "mode": "draft", "urgent": True},
    ]
    feed = origin(rules=rules)
    outcome = polled(
        feed,
        Memory(),
        item(1, title="L 149 gesperrt", category="Verkehr"),
        item(2, category="Amtliches"),
        item(3, description="Bewerben Sie sich."),
        item(4, title="L 149: ein Buch"),
    )
    found = [(data(event)["headline"], data(event)["topic"]) for event in events(outcome)]
    assert found == [
        ("L 149: ein Buch", "veranstaltungen"),
        ("Meldung 3", "stellen"),
        ("L 149 gesperrt", "strassensperrungen"),
    ]
    assert [pending.way for pending in outcome.memory.pending] == [Way.DOOR, Way.DRAFT, Way.DOOR]
    assert data(events(outcome)[2])["municipalities"] == ["Lilienthal"]
    assert data(events(outcome)[1])["urgent"] is True
    assert outcome.counts["left_out"] == 1


def test_without_a_topic_only_what_a_rule_names_is_taken() -> None:
    feed = origin(topic=None, rules=[{"title": "stelle", "topic": "stellen"}])
    outcome = polled(feed, Memory(), item(1), item(2, title="Stelle frei"))
    assert [data(event)["topic"] for event in events(outcome)] == ["stellen"]


def test_what_one_poll_finds_beyond_the_bound_becomes_drafts() -> None:
    feed = origin(most_at_once=3)
    first = polled(feed, Memory()).memory
    outcome = polled(feed, first, *(item(number) for number in range(10)))
    ways = [pending.way for pending in outcome.memory.pending]
    assert (ways.count(Way.DOOR), ways.count(Way.DRAFT), outcome.counts["too_many"]) == (3, 7, 7)


def test_an_entry_that_has_been_away_for_a_while_is_known_when_it_returns() -> None:
    first = polled(origin(), Memory(), item(1)).memory
    without = polled(origin(), first, item(2), now=NOW + timedelta(days=300)).memory
    assert events(polled(origin(), without, item(1), now=NOW + timedelta(days=301))) == []


def test_memory_does_not_grow_for_ever() -> None:
    first = polled(origin(), Memory(), item(1)).memory
    later = polled(origin(), first, item(2), now=NOW + timedelta(days=500)).memory
    assert len(later.entries) == 1


def test_an_entry_without_text_gets_words_of_the_configuration() -> None:
    (event,) = events(polled(origin(), Memory(), item(1, description="")))
    assert data(event)["text"] == "Mehr dazu auf unserer Internetseite."


def test_an_address_of_another_host_is_left_out() -> None:
    words = "Mehr: https://example.com/a und www.landkreis-osterholz.de"
    first = item(1, title="Karten: example.com", description=words)
    (event,) = events(polled(origin(), Memory(), first))
    assert data(event)["headline"] == "Karten: […]"
    assert data(event)["text"] == "Mehr: […] und www.landkreis-osterholz.de"
