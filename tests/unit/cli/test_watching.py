"""What is known of a watched event, whatever order it is said in; and which addresses get a token."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from cli.publish.amqp_client import TrackedEvent
from cli.publish.results import compute_exit_status, count_handled, format_line
from cli.publish.transports import build_request
from cli.settings import normalize_url
from services.ingress.notices.progress import EventState, start_progress
from shared.contracts.envelope import Envelope, encode, read_envelope
from shared.contracts.events import (
    BroadcastFinished,
    BroadcastProgressed,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    Problem,
)
from shared.contracts.notices import NoticePublished

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OURS, OTHER = UUID(int=1), UUID(int=2)


def event(source: str = "/x") -> bytes:
    content = NoticePublished(topic="baustellen", headline="K 9", text="Gesperrt.")
    return encode(content, event_id="e", source=source, time=NOW, subject="n", expirytime=NOW)


def course() -> TrackedEvent:
    published: Envelope = read_envelope(event())
    return TrackedEvent(published, start_progress(published.source, published.id, published.subject or "", NOW), "us")


def accepted(broadcast: UUID = OURS, source: str = "/x") -> NoticeAccepted:
    return NoticeAccepted(source=source, event="e", notice="n", revision=1, broadcast=broadcast, audience=3)


def test_what_is_said_before_the_acceptance_is_not_lost() -> None:
    heard = course()
    finished = BroadcastFinished(broadcast=OURS, audience=3, states={"accepted": 3})
    assert not heard.apply_message(BroadcastFinished(broadcast=OTHER, audience=9, states={}), NOW)
    assert not heard.apply_message(finished, NOW)
    assert heard.apply_message(accepted(), NOW)
    assert (heard.progress.state, heard.progress.audience) == (EventState.FINISHED, 3)


def test_what_is_said_of_others_changes_nothing() -> None:
    heard = course()
    assert not heard.apply_message(accepted(source="/y"), NOW)
    assert not heard.apply_message(NoticeRejected(source="/y", event="e", problems=()), NOW)
    assert not heard.apply_message(NoticeRejected(source="/x", event="e", system="others", problems=()), NOW)
    heard.apply_message(accepted(), NOW)
    assert not heard.apply_message(BroadcastProgressed(broadcast=OTHER, audience=1, states={"accepted": 1}), NOW)
    assert heard.progress.state is EventState.ACCEPTED


@pytest.mark.parametrize(("ago", "repeated"), [(timedelta(), False), (timedelta(seconds=50), False), (HOUR, True)])
def test_what_was_accepted_long_ago_is_a_repeat_until_more_is_said(ago: timedelta, repeated: bool) -> None:
    heard = course()
    heard.apply_message(accepted(), NOW, NOW - ago)
    assert heard.is_stalled is repeated
    heard.apply_message(BroadcastProgressed(broadcast=OURS, audience=1, states={"waiting": 1}), NOW, NOW)
    assert not heard.is_stalled


def test_a_line_says_how_far_it_is() -> None:
    heard = course()
    heard.apply_message(accepted(), NOW)
    assert format_line(heard.progress) == f"accepted: notice n revision 1, broadcast {OURS}, 3 people"
    heard.apply_message(
        BroadcastProgressed(broadcast=OURS, audience=None, states={"waiting": 1, "claimed": 1, "read": 1}), NOW
    )
    assert (count_handled(heard.progress), format_line(heard.progress)) == (1, "sending: notice n, 1 of ?")


def test_a_line_says_who_waits_for_metas_limit_for_one_person_as_long_as_they_do() -> None:
    heard = course()
    heard.apply_message(accepted(), NOW)
    states = {"waiting": 2, "read": 1}
    limited = BroadcastProgressed(broadcast=OURS, audience=3, states=states, person_limited=2)
    heard.apply_message(limited, NOW)
    assert format_line(heard.progress) == "sending: notice n, 1 of 3; 2 wait for Meta's limit for one person"
    heard.apply_message(msgspec.structs.replace(limited, person_limited=1), NOW)
    assert format_line(heard.progress).endswith("; 1 waits for Meta's limit for one person")
    heard.apply_message(msgspec.structs.replace(limited, person_limited=0), NOW)
    assert format_line(heard.progress) == "sending: notice n, 1 of 3"
    heard.apply_message(limited, NOW)
    heard.apply_message(BroadcastFinished(broadcast=OURS, audience=3, states={"read": 3}), NOW)
    assert heard.progress.person_limited == 0


def test_a_rejection_has_a_line_for_each_field() -> None:
    heard = course()
    heard.apply_message(
        NoticeRejected(source="/x", event="e", problems=(Problem(field="topic", problem="unknown"),)), NOW
    )
    assert format_line(heard.progress) == "rejected: notice n\n  topic: unknown"


@pytest.mark.parametrize(
    ("audience", "states", "status"),
    [
        (3, {"read": 1, "failed": 2}, 0),
        (3, {"unknown": 1, "failed": 2}, 0),
        (3, {"failed": 2, "expired": 1}, 1),
        (0, {}, 6),
    ],
)
def test_what_has_reached_nobody_has_not_ended_well(audience: int, states: dict[str, int], status: int) -> None:
    heard = course()
    heard.apply_message(accepted(), NOW)
    heard.apply_message(BroadcastFinished(broadcast=OURS, audience=audience, states=states), NOW)
    assert compute_exit_status(heard.progress) == status


@pytest.mark.parametrize(("revision", "status", "word"), [(2, 0, "done"), (0, 6, "not withdrawn")])
def test_a_withdrawal_of_nothing_has_not_ended_well(revision: int, status: int, word: str) -> None:
    heard = course()
    heard.apply_message(msgspec.structs.replace(accepted(), revision=revision, action=NoticeAction.WITHDRAWN), NOW)
    assert compute_exit_status(heard.progress) == status
    assert format_line(heard.progress) == f"{word}: notice n"


def test_without_a_source_an_event_is_written_as_plain_json_with_its_id_as_key() -> None:
    plain = build_request(event(source=""), "/notices")
    assert plain.headers == {"Content-Type": "application/json", "Idempotency-Key": "e"}
    assert b'"notice":"n"' in (plain.body or b"")
    assert build_request(event(), "/notices").headers == {"Content-Type": "application/cloudevents+json"}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://kreisfunk.example/notices/", "https://kreisfunk.example"),
        ("https://kreisfunk.example/kreisfunk/", "https://kreisfunk.example/kreisfunk"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("http://[::1]:8081", "http://[::1]:8081"),
        ("http://ingress:8081", "http://ingress:8081"),
        ("http://10.1.2.3", "http://10.1.2.3"),
    ],
)
def test_an_address_is_taken_as_people_write_it(text: str, address: str) -> None:
    assert normalize_url(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://kreisfunk.example",
        "http://203.0.114.9",
        "ftp://x",
        "kreisfunk.example",
        "https://a:b@x.example",
        "https://",
    ],
)
def test_an_address_that_would_show_the_token_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="https"):
        normalize_url(text)
