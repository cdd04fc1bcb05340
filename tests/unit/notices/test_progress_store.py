"""Effect of each message on the stored progress, in any order and however often it comes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.ingress.notices.progress import ProgressStore
from shared.contracts.envelope import Envelope
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    Problem,
)
from shared.contracts.message import Message
from shared.contracts.notices_http import EventState, event_key
from shared.notices.rules import ParsedNotice, parse_notice

NOW = datetime(2026, 11, 25, tzinfo=UTC)
BROADCAST = UUID(int=1)
SOURCE = "/a"


def published(identifier: str = "1", subject: str = "n") -> ParsedNotice:
    return parse_notice(Envelope(id=identifier, source=SOURCE, type="t", specversion="1.0", subject=subject))


def accepted(identifier: str = "1", broadcast: UUID = BROADCAST, at: datetime | None = None) -> NoticeAccepted:
    return NoticeAccepted(source=SOURCE, event=identifier, notice="n", revision=1, broadcast=broadcast, scheduled_at=at)


def rejected(system: str = "") -> NoticeRejected:
    return NoticeRejected(source=SOURCE, event="1", system=system, problems=(Problem(field="id", problem="was used"),))


def state(view: ProgressStore, identifier: str = "1") -> EventState | None:
    entry = view.find("a", event_key(SOURCE, identifier))
    return entry.progress.state if entry else None


def view_with(*messages: Message) -> ProgressStore:
    view = ProgressStore({"/a": "a", "/b": "b"})
    view.add_event(published(), "a", NOW, 0)
    for place, message in enumerate(messages, 1):
        view.apply(message, NOW, place)
    return view


FINISHED = BroadcastFinished(broadcast=BROADCAST, audience=1, states={"accepted": 1})
CANCELLED = BroadcastCancelled(broadcast=BROADCAST, source=SOURCE, notice="n", reason="superseded")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([accepted(at=NOW + HOUR)], EventState.SCHEDULED),
        ([accepted(at=NOW - HOUR)], EventState.ACCEPTED),
        ([accepted(), rejected()], EventState.ACCEPTED),
        ([rejected(), accepted()], EventState.ACCEPTED),
        ([rejected("b")], EventState.RECEIVED),
        ([rejected("b"), rejected("a")], EventState.REJECTED),
        ([accepted(), FINISHED, accepted()], EventState.FINISHED),
        ([accepted(), FINISHED, CANCELLED], EventState.FINISHED),  # an update cancels what it replaces, sent or not
        ([accepted(at=NOW + HOUR), CANCELLED], EventState.CANCELLED),
    ],
)
def test_each_message_moves_an_event_on_or_not_at_all(messages: list[Message], expected: EventState) -> None:
    entry = view_with(*messages).find("a", event_key(SOURCE, "1"))
    assert entry is not None
    progress = entry.progress
    assert progress.state is expected
    assert progress.reason == ("superseded" if expected is EventState.CANCELLED else "")
    assert progress.audience == (1 if expected is EventState.FINISHED else None)
    is_other_content = messages[-1] == rejected() and expected is EventState.ACCEPTED
    assert bool(progress.problems) == (is_other_content or expected is EventState.REJECTED)


def test_the_same_id_of_two_systems_is_two_events_and_of_a_stranger_none() -> None:
    view = ProgressStore({"/a": "a", "/b": "b"})
    view.add_event(published(), "b", NOW, 0)
    view.add_event(published(), "a", NOW, 1)
    view.apply(accepted(), NOW, 2)
    assert state(view) is EventState.ACCEPTED
    assert view.find("b", event_key(SOURCE, "1")) is not None
    for stranger in ("stranger", None):
        assert view.add_event(published(), stranger, NOW, 0) is None
    assert view.find("stranger", event_key(SOURCE, "1")) is None


PROGRESSED = BroadcastProgressed(broadcast=BROADCAST, audience=None, states={})


@given(some.lists(some.sampled_from([accepted(), rejected(), PROGRESSED, FINISHED, CANCELLED]), max_size=8))
def test_what_has_ended_stays_ended(messages: list[Message]) -> None:
    view = view_with()
    before = state(view)
    for place, message in enumerate(messages, 1):
        view.apply(message, NOW, place)
        if before in (EventState.FINISHED, EventState.CANCELLED):
            assert state(view) is before
        before = state(view)


def test_only_the_last_events_of_a_system_are_known_and_others_lose_nothing() -> None:
    view = ProgressStore({"/a": "a", "/b": "b"}, max_events=3)
    view.add_event(published("kept"), "b", NOW, 0)
    for number in range(10):
        view.add_event(published(str(number)), "a", NOW, number)
        view.apply(accepted(str(number), UUID(int=number)), NOW, number)
    assert (state(view, "6"), state(view, "7")) == (None, EventState.ACCEPTED)
    assert view.find("b", event_key(SOURCE, "kept")) is not None


def test_an_id_stands_for_the_event_that_it_was_used_for_first() -> None:
    view, other = view_with(accepted()), published(subject="other").fingerprint
    entry = view.find("a", event_key(SOURCE, "1"))
    assert entry is not None
    assert (entry.has_other_content(published().fingerprint), entry.has_other_content(other)) == (False, True)
    view.add_event(published(subject="other"), "a", NOW, 5)
    assert view.find("a", event_key(SOURCE, "1")) == entry


def test_what_was_rejected_has_used_no_id_and_begins_anew() -> None:
    view = view_with(rejected())
    entry = view.find("a", event_key(SOURCE, "1"))
    assert entry is not None
    assert not entry.has_other_content(published(subject="other").fingerprint)
    assert view.add_event(published(subject="other"), "a", NOW) is not None
    assert state(view) is EventState.RECEIVED
    assert view.add_event(published(subject="other"), "a", NOW, 7) is not None
    view.apply(accepted(), NOW, 8)
    assert state(view) is EventState.ACCEPTED


def test_what_was_rejected_and_is_published_again_is_the_newest() -> None:
    view = ProgressStore({"/a": "a"}, max_events=2)
    view.add_event(published("1", "n"), "a", NOW, 0)
    view.apply(rejected(), NOW, 1)
    for place, (identifier, subject) in enumerate((("2", "m"), ("1", "n"), ("3", "o")), 2):
        view.add_event(published(identifier, subject), "a", NOW, place)
    assert [(each.id, each.state) for each in view.list_notices("a")] == [
        ("3", EventState.RECEIVED),
        ("1", EventState.RECEIVED),
    ]
    assert view.apply(accepted(), NOW, 5) == [("a", event_key(SOURCE, "1"))]


def test_of_several_rejected_events_about_a_notice_the_last_is_listed() -> None:
    view = ProgressStore({"/a": "a"})
    for place, (identifier, subject) in enumerate((("1", "n"), ("2", "m"), ("3", "n"))):
        view.add_event(published(identifier, subject), "a", NOW, place)
        view.apply(NoticeRejected(source=SOURCE, event=identifier, problems=()), NOW, place)
    assert [each.id for each in view.list_notices("a")] == ["3", "2"]


def test_what_came_over_amqp_is_known_from_its_acceptance_on() -> None:
    view = ProgressStore({SOURCE: "a", "/b": "b"})
    assert view.apply(NoticeRejected(source=SOURCE, event="1", system="a", problems=()), NOW, 0) == []
    view.apply(accepted(), NOW, 1)
    entry = view.find("a", event_key(SOURCE, "1"))
    assert entry is not None
    assert (entry.progress.state, entry.progress.notice) == (EventState.ACCEPTED, "n")
    assert not entry.has_other_content(b"any digest")
    assert view.find("b", event_key(SOURCE, "1")) is None


def test_each_notice_is_listed_by_the_last_event_about_it_the_newest_first() -> None:
    view = ProgressStore({"/a": "a", "/b": "b"})
    for place, (identifier, subject) in enumerate((("1", "n"), ("2", "m"), ("3", "n"), ("4", "m"))):
        view.add_event(published(identifier, subject), "a", NOW, place)
    content = {"topic": "stellen", "headline": "Gesucht", "expires_at": NOW + timedelta(hours=2)}
    view.apply(msgspec.structs.replace(accepted("1"), **content), NOW, 5)
    withdrawal = NoticeAccepted(source=SOURCE, event="3", notice="n", revision=1, action=NoticeAction.WITHDRAWN)
    view.apply(withdrawal, NOW, 6)
    view.apply(NoticeRejected(source=SOURCE, event="4", problems=()), NOW, 7)
    listed = [(each.notice, each.id, each.state, each.headline) for each in view.list_notices("a")]
    assert listed == [("n", "3", EventState.DONE, "Gesucht"), ("m", "2", EventState.RECEIVED, None)]
    assert view.list_notices("b") == []
