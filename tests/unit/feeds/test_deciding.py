"""Each entry of a feed once, and once more only with what the website changed while it is news."""

import random
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.feeds.configuration import Mode
from services.feeds.decisions import MAX_VERSIONS, PublisherIdentity, evaluate_feed
from services.feeds.rss import read_feed
from services.feeds.state import NoticeStatus, OriginState
from shared.contracts.notices import NoticePublished, NoticeUpdated
from tests.factories.feeds import (
    COUNTY,
    IDENTITY,
    NOW,
    SOURCE,
    build_item,
    build_origin,
    build_rss,
    list_events,
    list_kinds,
    poll_feed,
    read_data,
)


def test_a_new_entry_becomes_a_notice_that_says_what_it_says() -> None:
    outcome = poll_feed(build_item(1), urgent=True)
    (event,) = list_events(outcome)
    assert (event.type, event.source, event.expirytime) == (NoticePublished.TYPE, SOURCE, NOW + timedelta(days=2))
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


TODAY = "Wed, 25 Nov 2026 09:00:00 GMT"


ONE, NEW = build_item(1), build_item(1, title="Neu")
DATED, CORRECTED = build_item(1, pubDate=TODAY), build_item(1, title="Neu", pubDate=TODAY)
BARE, CHANGED = build_item(1, description=""), build_item(1, description="", title="Neu")
UPDATES: dict[str, Any] = {"updates": True}
MARK: dict[str, Any] = {"first_poll": "mark"}


def tell(name: str, origin: dict[str, Any], *several: tuple[Any, ...]) -> Any:
    return pytest.param(origin, several, id=name)


def after(days: int) -> dict[str, Any]:
    return {"now": NOW + timedelta(days=days)}


@pytest.mark.parametrize(
    ("origin", "polls"),
    [
        tell("changes are left", {}, (ONE, "published"), (NEW, "changed"), (NEW, "known")),
        tell("changes are updates", UPDATES, (ONE, "published"), (NEW, "updated"), (NEW, "known")),
        tell("two caches", UPDATES, (ONE, "published"), (NEW, "updated"), (ONE, "known"), (NEW, "known")),
        tell("only marked", MARK | UPDATES, (ONE, "marked"), (NEW, "changed")),
        tell("an empty first poll", MARK, ("", ""), (ONE, "published")),
        tell("a first poll without a valid entry", MARK, (build_item(1, title=""), "broken"), (ONE, "marked")),
        tell(
            "markup that no reader sees",
            UPDATES,
            (ONE, "published"),
            (build_item(1, description="<div>Text  der <b>Meldung</b> 1.</div>"), "known"),
        ),
        tell(
            "older than the oldest",
            UPDATES,
            (DATED, "published"),
            (CORRECTED, "old", after(200)),
            (CORRECTED, "known", after(200)),
        ),
        tell(
            "away for a while",
            {},
            (ONE, "published"),
            (build_item(2), "published", after(300)),
            (ONE, "known", after(301)),
        ),
        tell(
            "away for long",
            {},
            (ONE, "published"),
            (build_item(2), "published", after(500)),
            (ONE, "published", after(500)),
        ),
        tell("read less often", UPDATES, (ONE, "published"), (NEW, "updated", {"every": "1h", "oldest": "9d"})),
        *(
            tell(
                "another configuration",
                UPDATES,
                (BARE, "published"),
                (BARE, "known", changed),
                (CHANGED, "updated", changed),
            )
            for changed in (
                {"text_without_summary": "Alles Weitere im Internet."},
                {"topic": "stellen"},
                {"rules": [{"title": "Meldung", "urgent": True}]},
            )
        ),
    ],
)
def test_what_becomes_of_an_entry_poll_by_poll(origin: dict[str, Any], polls: list[Any]) -> None:
    memory = OriginState()
    for item, expected, *options in polls:
        outcome = poll_feed(item, memory=memory, **origin, **(options[0] if options else {}))
        assert " ".join(result for result, count in outcome.counts.items() if count) == expected
        assert len(list_events(outcome)) == (expected in ("published", "updated"))
        memory = outcome.state


def test_an_update_is_the_next_revision_and_says_what_is_new() -> None:
    (event,) = list_events(poll_feed(NEW, memory=poll_feed(ONE).state, updates=True))
    assert (event.type, event.id) == (NoticeUpdated.TYPE, f"{event.subject}:2")
    assert (read_data(event)["revision"], read_data(event)["headline"]) == (2, "Neu")


def test_versions_of_an_entry_are_remembered_up_to_a_bound() -> None:
    memory = poll_feed(build_item(1), updates=True).state
    for number in range(3 * MAX_VERSIONS):
        outcome = poll_feed(build_item(1, title=f"Fassung {number}"), memory=memory, updates=True)
        memory = outcome.state
        assert outcome.counts["updated"] == 1
    (known,) = memory.entries.values()
    assert len(known.digest.split()) == 1 + MAX_VERSIONS


def test_another_host_that_may_be_linked_to_updates_nothing() -> None:
    memory = poll_feed(build_item(1), updates=True).state
    county = replace(COUNTY, link_hosts=("www.example.org",))
    publisher = PublisherIdentity(system=IDENTITY.system, source=IDENTITY.source, county=county, now=NOW)
    feed = read_feed(build_rss([build_item(1)]))
    outcome = evaluate_feed(build_origin(updates=True), replace(memory, pending=()), feed, publisher)
    assert (list_events(outcome), outcome.counts["known"]) == ([], 1)


@pytest.mark.parametrize(
    ("mode", "waits", "status", "kind", "way"),
    [
        ("draft", True, NoticeStatus.SENT, "published", Mode.DRAFT),
        ("direct", True, NoticeStatus.SENT, "published", Mode.DRAFT),
        ("direct", False, NoticeStatus.UNSENT, "published", Mode.DRAFT),
        ("direct", False, NoticeStatus.REJECTED, "published", Mode.DIRECT),
        ("draft", False, NoticeStatus.SENT, "updated", Mode.DRAFT),
        ("direct", False, NoticeStatus.SENT, "updated", Mode.DIRECT),
    ],
)
def test_a_change_of_a_draft_or_of_what_nobody_has_is_no_update(
    mode: str, waits: bool, status: NoticeStatus, kind: str, way: Mode
) -> None:
    first = poll_feed(build_item(1), mode="draft", updates=True)
    (draft,) = list_events(first)
    drafts, changed = {draft.id} if waits else (), build_item(1, title="Neu")
    outcome = poll_feed(changed, memory=first.state, drafts=drafts, status=status, mode=mode, updates=True)
    assert list_kinds(outcome) == [kind]
    assert [pending.way for pending in outcome.state.pending] == [way]
    assert (list_events(outcome)[0].id == draft.id) is (kind == "published")
    (known,) = outcome.state.entries.values()
    assert known.revision == (1 if kind == "published" else 2)


@pytest.mark.parametrize("mode", ["draft", "direct"])
def test_a_change_replaces_an_update_that_waits_as_a_draft(mode: str) -> None:
    first = poll_feed(build_item(1), updates=True).state
    second = poll_feed(build_item(1, title="Neu"), memory=first, mode="draft", updates=True)
    (draft,) = list_events(second)
    changed = build_item(1, title="Neuer")
    outcome = poll_feed(changed, memory=second.state, drafts={draft.id}, mode=mode, updates=True)
    (update,) = list_events(outcome)
    assert (update.id, read_data(update)["headline"], read_data(update)["revision"]) == (draft.id, "Neuer", 2)
    assert [pending.way for pending in outcome.state.pending] == [Mode.DRAFT]


def test_a_draft_that_waits_is_replaced_though_there_is_no_room_for_another() -> None:
    drafting: dict[str, Any] = {"mode": "draft", "updates": True}
    first = poll_feed(build_item(1), **drafting).state
    (draft,) = list_events(poll_feed(build_item(1), **drafting))
    items = [build_item(2), build_item(1, title="Neu")]
    outcome = poll_feed(*items, memory=first, drafts={draft.id}, max_drafts=0, **drafting)
    (replaced,) = list_events(outcome)
    assert (replaced.id, read_data(replaced)["headline"]) == (draft.id, "Neu")
    assert outcome.counts["not_kept"] == 1
    again = poll_feed(build_item(1, title="Neuer"), memory=outcome.state, drafts={draft.id}, **drafting)
    assert [read_data(event)["headline"] for event in list_events(again)] == ["Neuer"]


def test_a_draft_that_waits_is_replaced_once_our_rules_permit_what_the_website_says() -> None:
    drafting: dict[str, Any] = {"mode": "draft", "updates": True}
    first = poll_feed(build_item(1), **drafting)
    drafting["drafts"] = {event.id for event in list_events(first)}
    refused = poll_feed(build_item(1, title="Anders"), memory=first.state, expires_in="9000d", **drafting)
    assert refused.counts["refused"] == 1
    outcome = poll_feed(build_item(1, title="Neu"), memory=refused.state, **drafting)
    assert [read_data(event)["headline"] for event in list_events(outcome)] == ["Neu"]
