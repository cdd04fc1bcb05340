"""A known entry goes to everybody once more only with what the website changed, and only while it is news."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.feeds.configuration import Mode
from services.feeds.decisions import MAX_VERSIONS, PublisherIdentity, evaluate_feed
from services.feeds.rss import read_feed
from tests.factories.feeds import (
    COUNTY,
    IDENTITY,
    NOW,
    build_item,
    build_origin,
    build_rss,
    list_events,
    list_kinds,
    poll_feed,
    read_data,
)

TODAY = "Wed, 25 Nov 2026 09:00:00 GMT"


def test_two_caches_that_answer_in_turn_are_one_update() -> None:
    memory, updates = poll_feed(build_item(1), updates=True).state, 0
    for title in ("Neu", "", "Neu", "", "Neu"):
        item = build_item(1, title=title) if title else build_item(1)
        outcome = poll_feed(item, memory=memory, updates=True)
        memory, updates = outcome.state, updates + outcome.counts["updated"]
    assert updates == 1


def test_versions_of_an_entry_are_remembered_up_to_a_bound() -> None:
    memory = poll_feed(build_item(1), updates=True).state
    for number in range(3 * MAX_VERSIONS):
        outcome = poll_feed(build_item(1, title=f"Fassung {number}"), memory=memory, updates=True)
        memory = outcome.state
        assert outcome.counts["updated"] == 1
    (known,) = memory.entries.values()
    assert len(known.digest.split()) == 1 + MAX_VERSIONS


def test_a_typo_corrected_after_the_oldest_date_is_no_update() -> None:
    memory = poll_feed(build_item(1, pubDate=TODAY), updates=True).state
    corrected, later = build_item(1, title="Neu", pubDate=TODAY), NOW + timedelta(days=200)
    outcome = poll_feed(corrected, memory=memory, now=later, updates=True)
    assert (list_events(outcome), outcome.counts["old"]) == ([], 1)
    again = poll_feed(corrected, memory=outcome.state, now=later, updates=True)
    assert again.counts["known"] == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"text_without_summary": "Alles Weitere im Internet."},
        {"topic": "stellen"},
        {"rules": [{"title": "Meldung", "urgent": True}]},
    ],
)
def test_a_changed_configuration_updates_nothing_and_the_next_change_of_the_website_is_one(
    changed: dict[str, Any],
) -> None:
    items = [build_item(number, description="") for number in range(20)]
    memory = poll_feed(*items, updates=True).state
    outcome = poll_feed(*items, memory=memory, updates=True, **changed)
    assert (list_events(outcome), outcome.counts["known"]) == ([], 20)
    after = poll_feed(build_item(0, description="", title="Neu"), memory=outcome.state, updates=True, **changed)
    assert after.counts["updated"] == 1


def test_another_host_that_may_be_linked_to_updates_nothing() -> None:
    memory = poll_feed(build_item(1), updates=True).state
    county = replace(COUNTY, link_hosts=("www.example.org",))
    publisher = PublisherIdentity(system=IDENTITY.system, source=IDENTITY.source, county=county, now=NOW)
    feed = read_feed(build_rss([build_item(1)]))
    outcome = evaluate_feed(build_origin(updates=True), replace(memory, pending=()), feed, publisher)
    assert (list_events(outcome), outcome.counts["known"]) == ([], 1)


def test_how_often_a_feed_is_read_is_no_change_of_what_it_says() -> None:
    memory = poll_feed(build_item(1), updates=True).state
    outcome = poll_feed(build_item(1, title="Neu"), memory=memory, updates=True, every="1h", oldest="9d")
    assert outcome.counts["updated"] == 1


@pytest.mark.parametrize(
    ("mode", "waits", "kind", "way"),
    [
        ("draft", True, "published", Mode.DRAFT),
        ("direct", True, "published", Mode.DRAFT),
        ("draft", False, "updated", Mode.DRAFT),
        ("direct", False, "updated", Mode.DIRECT),
    ],
)
def test_a_change_replaces_a_draft_that_waits(mode: str, waits: bool, kind: str, way: Mode) -> None:
    first = poll_feed(build_item(1), mode="draft", updates=True).state
    (draft,) = list_events(poll_feed(build_item(1), mode="draft"))
    changed = build_item(1, title="Neu")
    outcome = poll_feed(changed, memory=first, drafts={draft.id} if waits else (), mode=mode, updates=True)
    assert list_kinds(outcome) == [kind]
    assert [pending.way for pending in outcome.state.pending] == [way]
    assert (list_events(outcome)[0].id == draft.id) is waits
    (known,) = outcome.state.entries.values()
    assert known.revision == (1 if waits else 2)


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
