"""The public archive: states, selections, revisions and codes."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.newsroom.domain.archive import (
    Archive,
    ArchiveSelection,
    EntryState,
    derive_code,
    format_code,
    normalize_code,
)
from tests.factories.archive import NOW, build_entry

PUBLICATION = UUID("01990000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, EntryState.CURRENT),
        ({"expires_at": NOW}, EntryState.EXPIRED),
        ({"replaced_by": 2}, EntryState.REPLACED),
        ({"withdrawn_at": NOW}, EntryState.WITHDRAWN),
        ({"withdrawn_at": NOW, "replaced_by": 2, "expires_at": NOW}, EntryState.WITHDRAWN),
    ],
)
def test_an_entry_says_whether_it_stands(changes: dict[str, object], state: EntryState) -> None:
    assert build_entry(**changes).get_state(NOW) is state


@pytest.mark.parametrize(
    ("topic", "municipality", "matches"),
    [
        (None, None, True),
        ("baustellen", None, True),
        ("veranstaltungen", None, False),
        (None, "Worpswede", True),
        (None, "Lilienthal", False),
        ("veranstaltungen", "Worpswede", False),
    ],
)
def test_entries_are_chosen_by_topic_and_municipality(
    topic: str | None, municipality: str | None, matches: bool
) -> None:
    selection = ArchiveSelection(topic=topic, municipality=municipality)
    assert selection.contains(build_entry(municipalities=("Worpswede", "Grasberg"))) is matches
    assert selection.contains(build_entry()) is (topic != "veranstaltungen"), "the whole county is each municipality"


def test_the_newest_comes_first_and_each_notice_once() -> None:
    first = build_entry(code="00000001", replaced_by=2)
    second = build_entry(code="00000002", revision=2, published_at=first.published_at + timedelta(minutes=5))
    other = build_entry(code="00000003", notice="other", published_at=first.published_at + timedelta(minutes=1))
    archive = Archive([first, second, other], NOW)
    assert archive.select(ArchiveSelection()) == [second, other]
    assert archive.find_newest(first) == second
    assert {archive.get_origin(first), archive.get_origin(second)} == {first.code}
    assert archive.find("00000001") == first
    assert archive.find("00000009") is None


def test_whoever_replaced_a_revision_it_stands_no_more_though_the_newer_one_is_not_here() -> None:
    replaced = build_entry(replaced_by=2)
    archive = Archive([replaced], NOW)
    assert (archive.get_state(replaced), archive.find_newest(replaced)) == (EntryState.REPLACED, None)
    assert archive.select(ArchiveSelection()) == []


def test_it_changes_when_the_first_notice_expires() -> None:
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(days=1)
    entries = [
        build_entry(code="00000001", expires_at=later),
        build_entry(code="00000002", expires_at=soon),
        build_entry(code="00000003", expires_at=NOW - timedelta(days=1)),
        build_entry(code="00000004", expires_at=NOW + timedelta(minutes=1), withdrawn_at=NOW),
    ]
    assert Archive(entries, NOW).changes_at == soon
    assert Archive(entries, later).changes_at is None
    assert Archive(entries, NOW).count_current() == {"baustellen": 2}


def test_a_code_is_always_the_same_and_never_two() -> None:
    assert derive_code(PUBLICATION) == derive_code(PUBLICATION)
    codes = [derive_code(uuid4()) for _ in range(1000)]
    assert len(set(codes)) == len(codes)
    assert all(normalize_code(code) == code and format_code(code).replace("-", "") == code for code in codes)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("K7M2-Q9TX", "K7M2Q9TX"),
        (" k7m2 q9tx ", "K7M2Q9TX"),
        ("K7M2–Q9TX", "K7M2Q9TX"),
        ("Oil0-o1i1", "01100111"),
        ("Prüfcode: K7M2-Q9TX", "K7M2Q9TX"),
        ("*K 8 gesperrt*Bis Freitag. Prüfcode: K7M2-Q9TXSie erhalten diese Meldung, weil", "K7M2Q9TX"),
        # Written with the text of an older notice, whose code came along: ours is behind the text.
        ("Weiter gesperrt. Prüfcode: AAAA-AAAA Prüfcode: K7M2-Q9TX", "K7M2Q9TX"),
        ("Mein Prüfcode: fehlt", None),
        ("K7M2-Q9T", None),
        ("K7M2-Q9TXX", None),
        ("K7M2-Q9TÜ", None),
        ("U7M2-Q9TX", None),
        ("", None),
        ("' or 1=1", None),
    ],
)
def test_a_code_is_understood_however_it_is_typed(typed: str, code: str | None) -> None:
    assert normalize_code(typed) == code
